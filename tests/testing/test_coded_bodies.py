"""Bodies are decoded where they still are coded, and left alone where they are not."""

import gzip
import zlib

import pytest

from asyncapi.testing.coded_bodies import decoded


@pytest.mark.parametrize(
    ("content", "codings", "plain"),
    [
        (gzip.compress(b"abc", mtime=0), ["gzip"], b"abc"),
        (zlib.compress(b"abc"), ["deflate"], b"abc"),
        (gzip.compress(zlib.compress(b"abc"), mtime=0), ["deflate, gzip"], b"abc"),
        (gzip.compress(b"x" * 5_000_000, mtime=0), ["gzip"], b"x" * 5_000_000),
        (b"abc", ["gzip"], None),
        (gzip.compress(b"abc", mtime=0)[:-3], ["gzip"], None),
        (b"abc", [], None),
        (b"", ["gzip"], None),
    ],
)
def test_a_body_is_decoded_if_it_is_coded(content, codings, plain):
    assert decoded(content, codings) == plain
