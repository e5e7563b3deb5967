"""`max_body`: bombs, endless and oversized bodies end quickly, in one clear error, with little memory."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import zlib

import pytest

from asyncapi import Client, ProtocolError
from servers import Peer, scripted

pytestmark = pytest.mark.lanes

MEBI = 1024 * 1024
BOMB = bytes(200 * MEBI)  # a fifth of a MiB on the wire


def brotli(data: bytes) -> bytes:
    return pytest.importorskip("brotlicffi").compress(data, quality=1)


PACKED = {"gzip": lambda data: gzip.compress(data, 1), "deflate": lambda data: zlib.compress(data, 1), "br": brotli}


def sending(head: str, body: bytes):
    """A script: the first request is answered so, all others with 'next'."""

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            if len(peer.server.seen) == 1:
                await peer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)
            else:
                await peer.answer(b"next")

    return script


async def refused(server, message: str, *, connections: tuple[int, ...] = (2,), **settings) -> None:
    """It is refused in one attempt, and the next request works: over a new connection if the body was not all there."""
    async with Client(server.url, **settings) as api:
        with pytest.raises(ProtocolError, match=message) as caught:
            await api.get("/")
        assert caught.value.final
        assert len(caught.value.attempts) == 1
        assert (await api.get("/")).text == "next"
        assert len(server.peers) in connections


@pytest.mark.parametrize("encoding", PACKED)
async def test_a_bomb_is_refused_on_its_decoded_bytes(encoding):
    packed = PACKED[encoding](BOMB[: 20 * MEBI])
    assert len(packed) < MEBI / 4
    async with scripted(sending(f"Content-Encoding: {encoding}\r\nContent-Length: {len(packed)}", packed)) as server:
        await refused(
            server,
            r"larger than max_body=1,048,576 bytes \(decoded\): raise max_body",
            max_body=MEBI,
            connections=(1, 2),
        )


async def test_a_length_that_is_too_large_is_refused_before_the_body_is_read():
    async with scripted(sending(f"Content-Length: {10**15}", b"")) as server:
        await refused(server, r"larger than max_body=67,108,864 bytes \(Content-Length is 1,000,000,000,000,000\)")


async def test_endless_chunks_are_refused():
    async def endless(peer: Peer) -> None:
        while await peer.request() is not None:
            if peer.number > 1:
                await peer.answer(b"next")
                continue
            await peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not peer.writer.transport.is_closing():
                await peer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                await asyncio.sleep(0)

    async with scripted(endless) as server:
        await refused(server, "larger than max_body=3,000,000 bytes", max_body=3_000_000)


async def test_a_body_without_a_length_is_bounded_too():
    async with scripted(sending("Connection: close", bytes(2000))) as server:
        await refused(server, "larger than max_body=1,000 bytes", max_body=1000)


@pytest.mark.parametrize("head", ["Content-Length: 1000", "Content-Encoding: gzip", "Connection: close"])
@pytest.mark.parametrize("size", [1000, 1001])
async def test_the_bound_is_exact(head, size):
    body = gzip.compress(bytes(size)) if "gzip" in head else bytes(size)
    head = head.replace("1000", str(size)).replace("gzip", f"gzip\r\nContent-Length: {len(body)}")

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)

    async with scripted(script) as server, Client(server.url, max_body=1000) as api:
        if size == 1000:
            assert (await api.get("/")).content == bytes(1000)
        else:
            with pytest.raises(ProtocolError, match="larger than max_body=1,000"):
                await api.get("/")


async def test_without_a_bound_everything_is_read():
    packed = gzip.compress(bytes(5 * MEBI))
    script = sending(f"Content-Encoding: gzip\r\nContent-Length: {len(packed)}", packed)
    async with scripted(script) as server, Client(server.url, max_body=None) as api:
        assert len((await api.get("/")).content) == 5 * MEBI


async def test_the_answer_to_head_may_name_any_length():
    async with scripted(sending(f"Content-Length: {10**15}", b"")) as server, Client(server.url) as api:
        answer = await api.head("/")
    assert (answer.headers["Content-Length"], answer.content) == (str(10**15), b"")


VICTIM = """
import asyncio, resource, sys, time
from asyncapi import Client, ProtocolError

async def main(url, lane):
    async with Client(url, transport=lane, max_body=8 * 1024 * 1024) as api:
        try:
            await api.get("/warm")
        except ProtocolError:
            pass
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        try:
            await api.get("/")
        except ProtocolError as error:
            print(type(error).__name__, len(error.attempts), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.process_time() - began)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("encoding", PACKED)
async def test_a_bomb_costs_little_memory_and_time(encoding, lane):
    """200 MiB of zeros: the process that meets them grows by tens of MiB at most, within a second of its CPU."""
    packed = PACKED[encoding](BOMB)
    warm = PACKED[encoding](b"warm")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: "

    async def script(peer: Peer) -> None:
        while (seen := await peer.request()) is not None:
            body = warm if seen.path == "/warm" else packed
            await peer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)

    async with scripted(script) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", VICTIM, server.url, lane, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await process.communicate()
    assert not err.decode()
    kind, attempts, kibi, seconds = out.decode().split()
    assert (kind, attempts) == ("ProtocolError", "1")
    assert int(kibi) < 60 * 1024
    assert float(seconds) < 2
