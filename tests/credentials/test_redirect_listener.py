"""The login listener: the right answer counts however the browser behaves, and nobody else ends or holds up the wait."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from asyncapi.credentials.redirect_listener import Listener


class Waiting:
    """A listener that takes `state=right`, and what came to it."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.listener = Listener("/callback", 0, self.accept)

    def accept(self, query):
        if query.get("state") != "right":
            return None
        self.codes.append(query["code"])
        return "Logged in", "You can close this page."

    async def __aenter__(self):
        self.port = urlsplit(await self.listener.start()).port
        return self

    async def __aexit__(self, *_):
        self.listener.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    async def ask(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer

    @property
    def done(self) -> bool:
        return self.listener._done.is_set()


RIGHT = b"GET /callback?code=abc&state=right HTTP/1.1\r\nHost: x\r\n\r\n"


def reset(connection) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def test_the_browser_gets_its_page():
    async with Waiting() as waiting:
        answer = await waiting.ask(RIGHT)
        await waiting.listener.wait()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Logged in" in answer
    assert waiting.codes == ["abc"]


@pytest.mark.parametrize(
    "request_",
    [RIGHT, RIGHT[:-2], RIGHT.partition(b"\n")[0] + b"\n"],
    ids=["whole", "head not ended", "request line alone"],
)
@pytest.mark.parametrize("end", [reset, socket.socket.close, lambda connection: connection.shutdown(socket.SHUT_WR)])
async def test_a_redirect_counts_though_the_browser_left_before_its_page(request_, end):
    async with Waiting() as waiting:
        connection = waiting.connect()
        connection.sendall(request_)
        end(connection)
        await waiting.listener.wait()
        connection.close()
    assert waiting.codes == ["abc"]


async def test_a_redirect_in_single_bytes_counts_once():
    async with Waiting() as waiting:
        reader, writer = await asyncio.open_connection("127.0.0.1", waiting.port)
        for byte in RIGHT:
            writer.write(bytes([byte]))
            await writer.drain()
        assert b"Logged in" in await reader.read()
        writer.close()
        await waiting.listener.wait()
    assert waiting.codes == ["abc"]


async def test_a_redirect_that_is_cut_within_its_line_does_not_count():
    async with Waiting() as waiting:
        connection = waiting.connect()
        connection.sendall(b"GET /callback?state=right&code=ab")
        reset(connection)
        await waiting.ask(b"GET / HTTP/1.1\r\n\r\n")
        assert waiting.codes == []
        assert not waiting.done


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /favicon.ico HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /callback HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /callback?code=abc&state=wrong HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /callback?code=abc&code=def&state=right HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /callback?state=right&" + b"&".join([b"a=b"] * 200) + b" HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /other?code=abc&state=right HTTP/1.1\r\n\r\n", b"404"),
        (b"GET http://[/callback?state=right HTTP/1.1\r\n\r\n", b"404"),
        (b"HEAD /callback?code=abc&state=right HTTP/1.1\r\n\r\n", b"405"),
        (b"POST /callback?code=abc&state=right HTTP/1.1\r\n\r\n", b"405"),
        (b"\r\n\r\n", b"404"),
        (b"GET /" + b"a" * 16_500 + b" HTTP/1.1\r\n\r\n", b"414"),
    ],
)
async def test_another_request_gets_an_error_page_and_the_wait_continues(request_, status):
    async with Waiting() as waiting:
        answer = await waiting.ask(request_)
        assert answer.split(b" ")[1] == status
        assert not waiting.done
        assert waiting.codes == []
        head, _, body = answer.partition(b"\r\n\r\n")
        assert int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) == len(body)
        assert bool(body) is not request_.startswith(b"HEAD")
        await waiting.ask(RIGHT)
        await waiting.listener.wait()


async def test_connections_that_say_nothing_do_not_keep_the_browser_out():
    async with Waiting() as waiting:
        silent = [await asyncio.open_connection("127.0.0.1", waiting.port) for _ in range(90)]
        await waiting.ask(RIGHT)
        await waiting.listener.wait()
        assert len(waiting.listener._visits) <= 64
        for _, writer in silent:
            writer.close()


async def test_a_line_without_end_is_cut_off():
    async with Waiting() as waiting:
        reader, writer = await asyncio.open_connection("127.0.0.1", waiting.port)
        writer.write(b"A" * 100_000)
        with suppress(ConnectionError):  # a reset, or an end
            assert await reader.read() == b""
        writer.close()
        assert not waiting.done


async def test_headers_without_end_do_not_hold_up_the_login():
    """What a browser sends behind its request line is bounded in bytes, and in time."""
    async with Waiting() as waiting:
        _, writer = await asyncio.open_connection("127.0.0.1", waiting.port)
        writer.write(RIGHT[:-2] + b"Cookie: " + b"c" * 300_000)
        await waiting.listener.wait()
        writer.close()
    assert waiting.codes == ["abc"]
