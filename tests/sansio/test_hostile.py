"""Nothing that a server sends breaks a parser: it reads it, or says so by a documented error; how it was cut is nothing."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import HOSTILE, PARSERS, STREAMS, texts

_WORDS = (
    "max-age", "no-cache", "Digest", "nonce", "realm", "rel", "next", "GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "bytes",
    "charset", "limit", "remaining", "data", "id", "retry", "event", "https://h/", "token", "error", "access_token",
    "9" * 5000, "1e400", "-1", "\u0663", "\udce9", "\0", "\r\n", "\u00e9", "\u2028",
)  # fmt: skip
_MARKS = tuple(" \t,;=\"'\\<>()[]{}:/?#@%&*.+-_~!|\r\n")
TEXTS = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200).map(lambda content: content.decode("utf-8", "surrogateescape")),  # as headers are read
    st.lists(st.sampled_from(_WORDS + _MARKS), max_size=30).map("".join),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"data", b"id", b"retry", b"event", b":", b" ", b"a", b"\0", b"\xef\xbb\xbf",
                         b"\xe9", "\u20ac".encode(), b"1", b"9" * 20, b"data:a\r\n", b"data\r\n\n", b"id:1\r\r\n"]),
        max_size=40,
    ).map(b"".join),
)  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
@given(text=TEXTS)
def test_any_text_is_read_or_refused_by_a_documented_error(name, text):
    parser = PARSERS[name]
    with contextlib.suppress(*parser.raises):
        parser.read(text)


@pytest.mark.parametrize("length", [30_000, pytest.param(300_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", PARSERS)
def test_so_is_one_that_is_as_long_as_a_header_can_be(name, length):
    parser = PARSERS[name]
    for text in texts(length, (*parser.worst, *HOSTILE[::7])):
        with contextlib.suppress(*parser.raises):
            parser.read(text)


@pytest.mark.parametrize("name", STREAMS)
@given(body=BODIES, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_where_bytes_are_cut_is_nothing(name, body, cuts):
    stream = STREAMS[name]
    whole = stream.read([body])
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    in_pieces = [body[begin:end] for begin, end in pairwise(places)]
    for pieces in (in_pieces, [bytes([byte]) for byte in body], [b"", *in_pieces, b""]):
        found, state, error = stream.read(pieces)
        assert (state, error) == whole[1:]
        assert found == whole[0] or error is not None  # what stood before the error may be handed over already
