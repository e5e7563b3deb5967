"""Coded bodies over the wire: a stream that was cut, or that can't be undone, is an error, however well it is framed."""

from __future__ import annotations

import gzip
import zlib

import pytest

from asyncapi import Client, ProtocolError, Retry
from servers import always, scripted

pytestmark = pytest.mark.lanes

TEXT = b"".join(b"line %d\n" % number for number in range(5000))
WHOLE = gzip.compress(TEXT)


def brotli(data: bytes) -> bytes:
    return pytest.importorskip("brotlicffi").compress(data)


def framed(how: str, body: bytes, *headers: str) -> bytes:
    """An answer whose framing is right, whatever the body is."""
    lines = "".join(f"{line}\r\n" for line in headers).encode()
    if how == "length":
        return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (lines, len(body), body)
    if how == "chunked":
        return b"HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
            lines,
            len(body),
            body,
        )
    return b"HTTP/1.1 200 OK\r\n%sConnection: close\r\n\r\n%s" % (lines, body)


FRAMINGS = pytest.mark.parametrize("how", ["length", "chunked", "close"])
CUT = {
    "in the middle": ("gzip", WHOLE[:-600]),
    "before the trailer": ("gzip", WHOLE[:-8]),
    "in the trailer": ("gzip", WHOLE[:-1]),
    "in the header": ("gzip", WHOLE[:5]),
    "in a second member": ("gzip", gzip.compress(b"a\n") + WHOLE[:-600]),
    "in a second member's header": ("gzip", gzip.compress(b"a\n") + WHOLE[:4]),
    "in deflate": ("deflate", zlib.compress(TEXT)[:-5]),
    "in the outer of two": ("gzip, gzip", gzip.compress(WHOLE)[:-3]),
    "in the inner of two": ("gzip, gzip", gzip.compress(WHOLE[:-3])),
}


async def streamed(api: Client) -> bytes:
    async with api.stream("GET", "/") as response:
        return b"".join([piece async for piece in response.bytes()])


@FRAMINGS
@pytest.mark.parametrize("name", CUT)
async def test_a_stream_that_was_cut_is_an_error_read_or_streamed_and_retried(name, how):
    coding, body = CUT[name]
    script = always(framed(how, body, f"Content-Encoding: {coding}"), close=how == "close")
    async with scripted(script) as server, Client(server.url, retry=Retry(2, base=0)) as api:
        with pytest.raises(
            ProtocolError, match=r"the body can't be decoded: it ends before its .* stream does"
        ) as caught:
            await api.get("/")
        assert len(caught.value.attempts) == len(server.seen) == 2
        assert caught.value.__cause__ is None
        with pytest.raises(ProtocolError, match="can't be decoded"):
            await streamed(api)


@FRAMINGS
async def test_brotli_that_was_cut_is_an_error(how):
    script = always(framed(how, brotli(TEXT)[:-3], "Content-Encoding: br"), close=how == "close")
    async with scripted(script) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError, match="it ends before its br stream does"):
            await api.get("/")


@FRAMINGS
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Encoding: gzip"], WHOLE),
        (["Content-Encoding: x-gzip"], WHOLE),
        (["Content-Encoding: gzip, gzip"], gzip.compress(WHOLE)),
        (["Content-Encoding: gzip"] * 2, gzip.compress(WHOLE)),
        (["Content-Encoding: deflate, gzip"], gzip.compress(zlib.compress(TEXT))),
        (["Content-Encoding: gzip, identity"], WHOLE),
        (["Content-Encoding: utf-8"], TEXT),
        (["Content-Encoding: identity"], TEXT),
        (["Content-Encoding: one"], TEXT),
    ],
)
async def test_a_whole_body_comes_back_read_or_streamed(headers, body, how):
    script = always(framed(how, body, *headers), close=how == "close")
    async with scripted(script) as server, Client(server.url, retry=None) as api:
        assert (await api.get("/")).content == TEXT
        assert await streamed(api) == TEXT
        assert len(server.peers) == (1 if how != "close" else 2)


@pytest.mark.parametrize("lines", ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked", "x-gzip , Chunked"])
async def test_a_transfer_coding_is_undone_too(lines):
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(WHOLE), WHOLE)
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n%s" % (lines.encode(), body)
    async with scripted(always(answer)) as server, Client(server.url, retry=None) as api:
        assert (await api.get("/")).content == TEXT
        assert await streamed(api) == TEXT


async def test_a_transfer_coding_to_the_end_of_the_connection_is_undone_too():
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + WHOLE
    async with scripted(always(answer, close=True)) as server, Client(server.url, retry=None) as api:
        assert (await api.get("/")).content == TEXT


async def test_plain_text_under_a_transfer_coding_that_is_none_is_the_body():
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: one\r\n\r\n" + TEXT
    async with scripted(always(answer, close=True)) as server, Client(server.url, retry=None) as api:
        assert (await api.get("/")).content == TEXT
        assert await streamed(api) == TEXT


@pytest.mark.parametrize("coding", ["compress", "x-compress", "zzz", "gzip, compress"])
async def test_an_unknown_coding_is_an_error_that_is_not_retried(coding):
    script = always(framed("length", b"\x1f\x9d\x90abc", f"Content-Encoding: {coding}"))
    async with scripted(script) as server, Client(server.url, retry=Retry(3, base=0)) as api:
        with pytest.raises(ProtocolError, match="is not a known coding; ask for another"):
            await api.get("/")
        assert len(server.seen) == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "compress"])
async def test_an_answer_without_a_body_has_none_to_decode(coding):
    head = f"Content-Encoding: {coding}\r\n"
    async with scripted(always(f"HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n")) as server:
        async with Client(server.url, retry=None) as api:
            assert (await api.get("/")).content == b""
            server.script = always(f"HTTP/1.1 200 OK\r\n{head}Content-Length: 9\r\n\r\n")
        async with Client(server.url, retry=None) as api:
            assert (await api.head("/")).content == b""
            server.script = always(f"HTTP/1.1 304 Not Modified\r\n{head}Content-Length: 9\r\n\r\n")
        async with Client(server.url, retry=None, raise_for_status=False) as api:
            assert (await api.get("/")).content == b""


async def test_nothing_at_all_until_the_connection_closes_is_a_stream_that_was_cut():
    answer = framed("close", b"", "Content-Encoding: gzip")
    async with scripted(always(answer, close=True)) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError, match="can't be decoded: it ends before it began"):
            await api.get("/")


@pytest.mark.lane("aiohttp", reason="session= is aiohttp's")
async def test_a_shared_session_that_wants_bodies_as_they_come_gets_them_so():
    import aiohttp

    script = always(framed("length", WHOLE, "Content-Encoding: gzip"))
    async with scripted(script) as server:
        for decompress, content in ((False, WHOLE), (True, TEXT)):
            async with (
                aiohttp.ClientSession(auto_decompress=decompress) as session,
                Client(server.url, session=session) as api,
            ):
                assert (await api.get("/")).content == content
                assert await streamed(api) == content


async def test_a_bomb_that_is_streamed_comes_in_bounded_pieces():
    bomb = gzip.compress(gzip.compress(bytes(50 * 1024 * 1024)))
    script = always(framed("length", bomb, "Content-Encoding: gzip, gzip"))
    async with scripted(script) as server, Client(server.url, retry=None) as api, api.stream("GET", "/") as response:
        sizes = [len(piece) async for piece in response.bytes()]
    assert sum(sizes) == 50 * 1024 * 1024
    assert max(sizes) <= 256 * 1024
