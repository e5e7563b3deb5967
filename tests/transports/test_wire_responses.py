"""What comes over a connection is taken for what it is: one answer to one request, whole, within bounds, or an error."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import trustme

from asyncapi import Client, ConfigError, ProtocolError, Retry
from servers import Peer, always, saying, scripted, tunnel

pytestmark = pytest.mark.lanes

MINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n"


# Bytes that nobody asked for

FIRST = {
    "length": MINE,
    "chunked": CHUNKED,
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
    "after early hints": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + MINE,
    "bare line feeds": MINE.replace(b"\r\n", b"\n"),
}
EXTRA = {
    "a whole answer": STRAY,
    "several answers": STRAY * 3,
    "the beginning of one": STRAY[:30],
    "one byte": b"x",
    "text": b'{"deleted": true}',
    "a line": b"\r\n",
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\n\r\n",
}


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("first", FIRST)
async def test_bytes_behind_an_answer_end_its_connection_and_not_the_answer(first, extra):
    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            if peer.number > 1:
                await peer.write(MINE)
                continue
            await peer.write(FIRST[first] + EXTRA[extra])

    async with scripted(script) as server, Client(server.url, retry=None, raise_for_status=False) as api:
        answer = await api.get("/")
        assert answer.content == (b"" if answer.status in {204, 304} else b"mine")
        assert (await api.get("/private")).content == b"mine"
        assert (len(server.peers), len(server.seen)) == (2, 2)


@pytest.mark.parametrize("extra", EXTRA)
async def test_bytes_behind_the_answer_to_head_are_no_answer_to_the_next_request(extra):
    async def script(peer: Peer) -> None:
        while (seen := await peer.request()) is not None:
            behind = EXTRA[extra] if seen.method == "HEAD" else b"mine"
            await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + behind)

    async with scripted(script) as server, Client(server.url, retry=None) as api:
        assert (await api.head("/")).content == b""
        assert (await api.get("/")).content == b"mine"


async def test_a_method_that_must_not_be_sent_twice_is_not_where_its_204_has_a_body():
    script = always(b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n[1]")
    async with scripted(script) as server, Client(server.url, retry=Retry(3, base=0)) as api:
        for _ in range(3):
            assert (await api.delete("/thing")).status == 204
        assert len(server.seen) == 3


def late(unasked: bytes, hold: asyncio.Event, closed: asyncio.Event):
    """A script: over its first connection, bytes that come once the answer has been taken."""

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.write(MINE)
            if len(peer.server.seen) == 1:
                await hold.wait()
                await peer.write(unasked)
                await peer.gone()
                closed.set()

    return script


@pytest.fixture
def certified(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return {"server": context, "ca": str(tmp_path / "ca.pem")}


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("how", ["plain", "TLS", "unix", "TLS through a proxy"])
async def test_bytes_that_come_while_nothing_is_asked_are_no_answer_to_the_next_request(
    how, extra, certified, tmp_path
):
    hold, closed = asyncio.Event(), asyncio.Event()
    tls = certified["server"] if "TLS" in how else None
    path = str(tmp_path / "s") if how == "unix" else None
    settings = {"tls": certified["ca"]} if tls else {"unix_socket": path} if path else {}
    async with scripted(tunnel) as proxy, scripted(late(EXTRA[extra], hold, closed), tls=tls, unix=path) as server:
        if "proxy" in how:
            settings["proxy"] = proxy.url
        async with Client(server.url or "http://x", retry=None, **settings) as api:
            assert (await api.get("/first")).content == b"mine"
            hold.set()
            await asyncio.wait_for(closed.wait(), 10)  # the client has hung up by itself
            assert (await api.get("/private")).content == b"mine"
        assert len(server.peers) == 2


async def test_bytes_that_the_loop_has_not_seen_yet_are_no_answer_either():
    """They lie in the socket when the connection is to be used again, and the loop was busy with other things."""
    hold, came = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        for number in range(2):
            wire, _ = listener.accept()
            with wire:
                wire.recv(65_536)
                wire.sendall(MINE)
                if number == 0:
                    hold.wait(10)
                    wire.sendall(STRAY)
                    came.set()
                    with suppress(ConnectionResetError):
                        assert wire.recv(65_536) == b""

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        served = thread.submit(serve, listener)
        async with Client(f"http://127.0.0.1:{listener.getsockname()[1]}", retry=None) as api:
            await api.get("/first")
            hold.set()
            came.wait(10)  # a loop that has no time to read
            assert (await api.get("/private")).content == b"mine"
        served.result(10)


async def test_a_server_that_speaks_first_has_answered_nothing(monkeypatch):
    loop = asyncio.get_running_loop()
    connect = loop.create_connection

    async def connected(*args, **settings):
        transport, proto = await connect(*args, **settings)
        while not transport.is_closing():
            await asyncio.sleep(0)  # until its bytes have come
        return transport, proto

    async def script(peer: Peer) -> None:
        await peer.write(STRAY)
        await peer.gone()

    monkeypatch.setattr(loop, "create_connection", connected)
    async with scripted(script) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError, match=r"before it sent a response|before the request"):
            await api.get("/")
    assert not server.seen


@pytest.mark.parametrize(
    "answer", [MINE, CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FIRST["bare line feeds"]]
)
@pytest.mark.parametrize("size", [1, 50, 10**6])
async def test_a_connection_with_nothing_behind_its_answers_is_kept(answer, size):
    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            for at in range(0, len(answer), size):
                await peer.write(answer[at : at + size])
                await asyncio.sleep(0)

    async with scripted(script) as server, Client(server.url, retry=None) as api:
        for _ in range(3):
            await api.get("/")
        assert len(server.peers) == 1


async def test_a_large_body_read_slowly_leaves_its_connection_to_be_used_again():
    """Reading is paused and goes on: none of what comes then is taken for something behind the answer."""
    body = bytes(3_000_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with scripted(always(answer)) as server, Client(server.url, retry=None) as api:
        for _ in range(2):
            async with api.stream("GET", "/") as response:
                size = 0
                async for piece in response.bytes():
                    size += len(piece)
                    await asyncio.sleep(0.001)
            assert size == len(body)
        assert len(server.peers) == 1


# Lengths

EQUAL = [
    "Content-Length: 2\r\nContent-Length: 2",
    "Content-Length: 2, 2",
    "content-length:2,2,2\r\nX: y\r\nCONTENT-LENGTH: 2 ",
]
DIFFERING = [
    "Content-Length: 2\r\nContent-Length: 3", "Content-Length: 2, 3", "Content-Length: 2, 02", "Content-Length: 2,",
    "Content-Length: 2\r\nContent-Length: 2\r\nTransfer-Encoding: chunked", "Content-Length: +2, +2",
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 10**6])
@pytest.mark.parametrize("lines", EQUAL)
async def test_equal_lengths_are_one(lines, size):
    answer = b"HTTP/1.1 200 OK\r\nA: 1\r\n%s\r\nB: 2\r\n\r\nhi" % lines.encode()

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            for at in range(0, len(answer), size):
                await peer.write(answer[at : at + size])
                await asyncio.sleep(0)

    async with scripted(script) as server, Client(server.url, retry=None) as api:
        for _ in range(2):
            got = await api.get("/")
            assert (got.text, got.headers.getall("Content-Length")) == ("hi", ["2"])
            assert (got.headers["A"], got.headers["B"]) == ("1", "2")
        assert len(server.peers) == 1


@pytest.mark.parametrize("lines", DIFFERING)
async def test_differing_lengths_are_an_error(lines):
    answer = b"HTTP/1.1 200 OK\r\n%s\r\n\r\nhi" % lines.encode()
    async with scripted(always(answer)) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError, match="the response isn't valid HTTP"):
            await api.get("/")


# Header sections

LARGE = {
    "one of 12 kB": [b"Content-Security-Policy: " + b"a" * 12_000],
    "one of 100 kB": [b"Link: " + b"a" * 100_000],
    "150 of them": [b"X-%d: 1" % number for number in range(150)],
    "2,000 of them": [b"X-%d: 1" % number for number in range(2000)],
}


def headed(lines: list[bytes]) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"\r\n".join([*lines, b"Content-Length: 2"]) + b"\r\n\r\nhi"


@pytest.mark.parametrize("name", LARGE)
async def test_large_and_many_headers_are_taken(name):
    async with scripted(always(headed(LARGE[name]))) as server, Client(server.url, retry=None) as api:
        answer = await api.get("/")
        assert answer.text == "hi"
        assert len(answer.headers) == len(LARGE[name]) + 1


TOO_MUCH = {
    "a header": headed([b"A: " + b"a" * 300_000]),
    "headers": headed([b"A: " + b"a" * 10_000] * 30),
    "many headers": headed([b"a: b"] * 70_000),
    "a status line": b"HTTP/1.1 200 " + b"x" * 300_000 + b"\r\n\r\n",
    "a trailer": CHUNKED[:-2] + b"A: " + b"a" * 600_000 + b"\r\n\r\n",
    "large trailers": CHUNKED[:-2] + (b"A: " + b"a" * 10_000 + b"\r\n") * 100 + b"\r\n",
    "many trailers": CHUNKED[:-2] + b"a: b\r\n" * 100_000 + b"\r\n",
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_headers_over_the_bound_are_an_error_that_names_the_setting(name):
    """The error is not retried."""
    async with scripted(always(TOO_MUCH[name])) as server, Client(server.url, retry=Retry(3, base=0)) as api:
        with pytest.raises(ProtocolError, match="raise max_headers if you expect that") as caught:
            await api.get("/")
        assert caught.value.final
        assert len(server.seen) == 1


async def test_the_bound_can_be_set():
    script = always(headed([b"A: " + b"a" * 9_000]))
    async with scripted(script) as server:
        async with Client(server.url, max_headers=8192) as api:
            with pytest.raises(ProtocolError, match="max_headers"):
                await api.get("/")
        server.script = always(headed([b"A: " + b"a" * 400_000]))
        async with Client(server.url, max_headers=1024 * 1024) as api:
            assert (await api.get("/")).text == "hi"


@pytest.mark.parametrize("wrong", [0, 100, -1, "64k", 1e6, True])
def test_a_bound_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"max_headers=.*: give a number of bytes, at least 8,192"):
        Client("http://h", max_headers=wrong)


async def test_endless_interim_answers_end_by_the_deadline():
    """Or before it, by the bound of what comes before a response."""

    async def script(peer: Peer) -> None:
        await peer.request()
        while not peer.writer.transport.is_closing():
            await peer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
            await asyncio.sleep(0)

    async with scripted(script) as server, Client(server.url, retry=None, timeout=0.3) as api:
        with pytest.raises((TimeoutError, ProtocolError), match=r"deadline|too large"):
            await api.get("/")


async def test_an_error_behind_an_interim_answer_leaves_what_came_first():
    """What the parser refuses as a whole is parsed head by head."""
    answers = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi"
    async with scripted(saying(answers)) as server, Client(server.url, retry=None) as api:
        assert (await api.get("/")).text == "hi"


async def test_a_chunked_body_with_bytes_behind_it_is_whole():
    packed = gzip.compress(b"hello")
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n%s\r\n0\r\nA: b\r\n\r\njunk" % (len(packed), packed)
    )
    async with scripted(always(answer)) as server, Client(server.url, retry=None) as api:
        for _ in range(2):
            assert (await api.get("/")).text == "hello"
        assert len(server.peers) == 2
