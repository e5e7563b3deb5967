"""What is compressed in pieces is read as one, and can be cut after any of them."""

import gzip
import io

import pytest

from asyncapi.bulk import compression
from asyncapi.bulk.compression import codec_of, first_member
from asyncapi.errors import ConfigError


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_members_are_joined_and_the_first_is_found(tmp_path, ending):
    codec = codec_of(ending)
    first, second = codec.compress(b"header\n"), codec.compress(b"row\n" * 1000)
    path = tmp_path / f"a{ending}"
    path.write_bytes(first + second)
    with codec.open(path) as file:
        assert file.read() == b"header\n" + b"row\n" * 1000
    with path.open("rb") as file:
        assert first_member(codec, file) == (b"header\n", len(first))
    assert codec.compress(b"header\n") == first  # always the same


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_what_is_no_member_has_none(ending):
    assert first_member(codec_of(ending), io.BytesIO(b"plain text, and a long one" * 10)) == (b"", 0)


def test_others_are_not_compressed():
    assert codec_of(".csv") is None
    assert gzip.decompress(codec_of(".gz").compress(b"a")) == b"a"


def test_a_missing_extra_is_named(monkeypatch):
    import builtins

    real = builtins.__import__

    def missing(name, *args, **settings):
        if name in {"compression", "backports"}:
            raise ImportError(name)
        return real(name, *args, **settings)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError, match=r"asyncapi-sdk\[zstd\]"):
        compression.codec_of(".zst")
