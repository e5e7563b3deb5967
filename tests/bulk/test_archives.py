"""gzip and zstd are unpacked while they arrive, whole or with an error."""

import gzip
import random
import tracemalloc

import pytest
from backports import zstd

from asyncapi.bulk.archives import BadArchive, packing_by_name, packing_of, unpacked
from asyncapi.errors import ConfigError

PACK = {"gzip": gzip.compress, "zstd": zstd.compress}
TEXT = "".join(f"https://h/{random.Random(n).random()}\n" for n in range(20_000)).encode()


def pieces(data, size):
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("size", [1, 7, 65536, 10**7])
def test_whatever_the_size_of_the_pieces_the_text_is_the_same(packing, size):
    text = TEXT[:5000] if size == 1 else TEXT
    assert b"".join(unpacked(pieces(PACK[packing](text), size), packing)) == text


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("size", [3, 10**7])
def test_several_archives_after_each_other_are_one_text(packing, size):
    data = PACK[packing](b"a\n") + PACK[packing](b"") + PACK[packing](b"b\n")
    assert b"".join(unpacked(pieces(data, size), packing)) == b"a\nb\n"


def test_zeros_may_pad_a_gzip_file():
    data = gzip.compress(b"a\n") + b"\0" * 700 + gzip.compress(b"b\n") + b"\0" * 5
    assert b"".join(unpacked(pieces(data, 64), "gzip")) == b"a\nb\n"


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_an_archive_that_ends_early_is_an_error_after_what_is_there(packing, share):
    data = PACK[packing](TEXT)
    stream = unpacked(iter([data[: int(len(data) * share)]]), packing)
    got = []
    with pytest.raises(BadArchive, match=f"the {packing} data ends early"):
        got.extend(stream)
    assert TEXT.startswith(b"".join(got))


@pytest.mark.parametrize("packing", PACK)
def test_broken_data_is_an_error(packing):
    data = bytearray(PACK[packing](TEXT))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    with pytest.raises(BadArchive, match=f"the {packing} data is broken: "):
        list(unpacked(iter([bytes(data)]), packing))
    with pytest.raises(BadArchive, match="broken"):
        list(unpacked(iter([PACK[packing](b"a") + b"garbage!"]), packing))


@pytest.mark.parametrize("packing", PACK)
def test_a_small_archive_of_much_text_takes_little_memory(packing):
    data = PACK[packing](bytes(200_000_000))
    tracemalloc.start()
    assert sum(map(len, unpacked(iter([data]), packing))) == 200_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_both_are_recognized_by_their_first_bytes_and_by_their_names():
    assert packing_of(gzip.compress(b"")[:4]) == "gzip"
    assert packing_of(zstd.compress(b"")[:4]) == "zstd"
    assert packing_of(b"\x50\x2a\x4d\x18") == "zstd"
    assert packing_of(b"http") is packing_of(b"") is None
    assert packing_by_name("A.CSV.GZ") == ("gzip", "A.CSV")
    assert packing_by_name("a.jsonl.zst") == ("zstd", "a.jsonl")
    assert packing_by_name("a.txt") == (None, "a.txt")


def test_zstd_without_its_package_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[zstd\]'"):
        list(unpacked(iter([b"\x28\xb5\x2f\xfd"]), "zstd"))
