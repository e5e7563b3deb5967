"""Content and transfer codings: whole streams come back, whatever the pieces; what is cut, unknown or too much does not."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.codings import WINDOW, CodingError, accepted, decoding


def br(data: bytes) -> bytes:
    return pytest.importorskip("brotlicffi").compress(data)


def zstd(data: bytes) -> bytes:
    return pytest.importorskip("backports.zstd").compress(data)


def raw(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


PACKED = {  # how: what packs, and the name it goes by
    "gzip": (gzip.compress, "gzip"),
    "x-gzip": (gzip.compress, "x-gzip"),
    "deflate": (zlib.compress, "deflate"),
    "deflate without its header": (raw, "deflate"),
    "br": (br, "br"),
    "zstd": (zstd, "zstd"),
}
STREAMS = pytest.mark.parametrize("how", PACKED)


def unpack(coding, data: bytes, size: int = 10**9, most: int = 65536) -> bytes:
    """All of it, fed in pieces of `size`."""
    pieces = []
    for at in range(0, len(data), size):
        pieces.append(coding.step(data[at : at + size], most))
        while coding.pending:
            pieces.append(coding.step(b"", most))
            assert len(pieces[-1]) <= most
    coding.end()
    return b"".join(pieces)


@STREAMS
@given(body=st.binary(max_size=300), size=st.integers(1, 50), most=st.integers(1, 400))
def test_what_is_packed_comes_back_whatever_the_pieces(how, body, size, most):
    pack, name = PACKED[how]
    assert unpack(decoding([], [name]), pack(body), size, most) == body


@STREAMS
def test_much_comes_back_in_bounded_steps(how):
    pack, name = PACKED[how]
    body = bytes(3_000_000)
    assert unpack(decoding([], [name]), pack(body), 20_000, 1000) == body


@STREAMS
def test_a_stream_that_is_cut_at_any_byte_is_never_taken_for_a_whole_one(how):
    pack, name = PACKED[how]
    packed = pack(b"hello world, hello again, hello for ever")
    for cut in range(1, len(packed)):
        with pytest.raises(CodingError, match=r"ends before its \S+ stream does|it is no"):
            unpack(decoding([], [name]), packed[:cut])


@STREAMS
@pytest.mark.parametrize("size", [1, 10**9])
def test_no_bytes_at_all_are_an_empty_body(how, size):
    assert unpack(decoding([], [PACKED[how][1]]), b"", size) == b""


@pytest.mark.parametrize("size", [1, 7, 10**9])
def test_members_of_gzip_and_the_zeros_that_pad_it_are_one_body(size):
    members = b"".join(gzip.compress(b"%d" % number) for number in range(50))
    assert unpack(decoding([], ["gzip"]), members + bytes(512), size) == b"".join(
        b"%d" % number for number in range(50)
    )


def test_a_second_member_that_is_cut_is_an_error():
    with pytest.raises(CodingError, match="ends before its gzip stream does"):
        unpack(decoding([], ["gzip"]), gzip.compress(b"a") + gzip.compress(b"b")[:-3])


@pytest.mark.parametrize("how", ["gzip", "deflate", "deflate without its header", "br"])
@pytest.mark.parametrize("size", [1, 10**9])
def test_bytes_behind_the_end_are_an_error(how, size):
    pack, name = PACKED[how]
    with pytest.raises(CodingError):
        unpack(decoding([], [name]), pack(b"hello") + b"junk", size)


@STREAMS
def test_bytes_that_are_no_such_stream_are_an_error(how):
    pack, name = PACKED[how]
    pack(b"")  # or it is skipped
    with pytest.raises(CodingError, match=name.removeprefix("x-")) as caught:
        unpack(decoding([], [name]), b'{"plain": "text"}')
    assert not caught.value.final


SEVERAL = [
    (["gzip, gzip"], [], [gzip.compress, gzip.compress]),
    (["deflate, gzip"], [], [zlib.compress, gzip.compress]),
    (["deflate", "gzip"], [], [zlib.compress, gzip.compress]),
    (["gzip, identity"], [], [gzip.compress]),
    ([" GZip ;q=1,, "], [], [gzip.compress]),
    (["aws-chunked,gzip"], [], [gzip.compress]),
    (["deflate"], ["gzip, chunked"], [zlib.compress, gzip.compress]),
    ([], ["gzip", "chunked"], [gzip.compress]),
    ([], ["gzip, chunked", "Chunked"], [gzip.compress]),
]


@pytest.mark.parametrize(("content", "transfer", "packs"), SEVERAL)
def test_several_codings_are_undone_in_reverse(content, transfer, packs):
    packed = b"hello"
    for pack in packs:
        packed = pack(packed)
    for size in (1, 10**9):
        assert unpack(decoding(transfer, content), packed, size) == b"hello"


@pytest.mark.parametrize("plain", [[], ["identity"], [""], ["utf-8"], ["aws-chunked"], ["none, binary"]])
def test_what_is_no_coding_leaves_a_body_as_it_is(plain):
    assert decoding(["chunked"], plain) is None


@pytest.mark.parametrize("name", ["compress", "x-compress", "snappy", "gzip2", "\u212aip", "x" * 9999])
@pytest.mark.parametrize("body", [b"\xff", b"text, then \0", b"half of \xe2\x82", gzip.compress(b"x", mtime=0)])
def test_what_is_not_known_is_an_error_that_says_so_once_there_is_a_body(name, body):
    with pytest.raises(CodingError, match="is not a known coding; ask for another with Accept-Encoding") as caught:
        unpack(decoding([], [name]), body)
    assert caught.value.final
    assert len(str(caught.value)) < 200
    assert unpack(decoding([], [name]), b"") == b""


@pytest.mark.parametrize("name", ["compress", "x-compress", "exi", "lz4", "base64"])
def test_a_known_coding_that_is_not_decoded_here_is_an_error_whatever_the_bytes(name):
    with pytest.raises(CodingError, match=f"'{name}' is not a known coding"):
        unpack(decoding([], [name]), b"cGxhaW4=")


@pytest.mark.parametrize("size", [1, 3, 10**9])
def test_a_name_that_is_no_coding_leaves_plain_text_as_it_is(size):
    text = '\ufeff{"a": "\u20ac"}\r\n\t\U0001f600'.encode()
    assert unpack(decoding([], ["rot13, one"]), text, size) == text
    assert unpack(decoding(["two", "chunked"], []), text, size) == text
    assert unpack(decoding([], ["one, gzip"]), gzip.compress(text), size) == text
    with pytest.raises(CodingError, match="'one' is not a known coding"):
        unpack(decoding([], ["gzip, one"]), gzip.compress(text), size)


def test_more_codings_than_anybody_uses_are_an_error():
    with pytest.raises(CodingError, match="6 codings on top of each other, more than 5"):
        unpack(decoding([], ["gzip, " * 6]), b"x")


def test_what_is_asked_for_is_what_can_be_undone():
    for name in accepted().split(", "):
        decoding([], [name]).end()
        with pytest.raises(CodingError, match=r"it is no|ends before"):
            unpack(decoding([], [name]), b"x" * 50)


BOMB = 16 * 1024 * 1024
MOST = 64 * 1024
BOMBS = [["gzip"], ["deflate"], ["br"], ["zstd"], ["gzip", "gzip"], ["gzip", "deflate"], ["br", "gzip"], ["zstd", "br"]]


@pytest.mark.parametrize("names", BOMBS, ids=",".join)
@pytest.mark.parametrize("size", [WINDOW // 2, 10**9])
def test_a_bomb_takes_the_memory_of_its_bytes_and_of_a_few_steps(names, size):
    """Whoever takes pieces as they come holds one of them at a time, whatever all of them would make."""
    packed = bytes(BOMB)
    for name in names:
        packed = PACKED[name][0](packed)
    assert len(packed) < BOMB / 500
    coding, total = decoding([], names), 0
    tracemalloc.start()
    try:
        for at in range(0, len(packed), size):
            total += len(coding.step(packed[at : at + size], MOST))
            while coding.pending:
                piece = coding.step(b"", MOST)
                assert len(piece) <= MOST
                total += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    coding.end()
    assert total == BOMB
    assert peak < 2 * len(packed) + 10 * len(names) * MOST


WITHIN = [["chunked, gzip"], ["chunked", "gzip"], ["chunked, identity, gzip"], ["gzip, chunked, identity"]]


@pytest.mark.parametrize("transfer", [*WITHIN, ["chunked, identity"]])
def test_chunks_within_another_transfer_coding_are_an_error(transfer):
    """Such a body goes on to the end of the connection (RFC 9112 section 6.3), and its chunks are not taken apart."""
    body = b"5\r\nhello\r\n0\r\n\r\n"
    with pytest.raises(CodingError, match="its chunks are within another transfer coding"):
        unpack(decoding(transfer, []), gzip.compress(body) if transfer in WITHIN[:3] else body)


def _spent(data: bytes) -> float:
    began = time.process_time()
    unpack(decoding([], ["gzip"]), data)
    return time.process_time() - began


def test_many_members_take_time_in_proportion_to_their_bytes():
    """A step looks at a window of what came, not at all of it."""
    few, many = (gzip.compress(b"") * (count * WINDOW // 20) for count in (4, 40))
    assert min(_spent(many) for _ in range(5)) < 40 * min(_spent(few) for _ in range(5))
