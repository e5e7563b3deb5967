"""Answers as the bytes that go on the wire.

A `Reply` is built once and written in one go, which costs about half of a `web.Response`: the client is what is
measured here, not the server. A `Script` is written piece by piece, with pauses, and may close the connection at its
end. Both are written by `send`, which returns one of three ready-made objects that tell aiohttp what became of the
connection.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import HttpVersion11, web
from pydantic_core import to_json

from asyncapi.serve.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.abc import AbstractStreamWriter

    Headers = Iterable[tuple[str, str]]
    Steps = Iterable[tuple[float, bytes]]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NO_BODY = {204, 205, 304}
_ABORT = struct.pack("ii", 1, 0)  # linger for 0 seconds: close with RST
_MUCH = 1 << 16

JSON = ("Content-Type", "application/json")


class Reply:
    """A whole answer: status, and the bytes of its head and body."""

    __slots__ = ("body", "head", "status", "wire")

    def __init__(self, status: int, headers: Headers = (), body: bytes = b"") -> None:
        self.status: int = status
        self.body: bytes = b"" if status in _NO_BODY else body
        self.head: bytes = head(status, headers, None if status in _NO_BODY else len(body))
        self.wire: bytes = self.head + self.body


class Script:
    """An answer in steps of (seconds to wait, bytes to write), and what becomes of the connection at the end.

    Attributes:
        status: For the statistics; 0 where the client never learns it.
        head: The steps up to the end of the headers.
        body: The steps after them; left out for HEAD.
        end: "keep" the connection, "close" it, or "reset" it (TCP RST).
    """

    __slots__ = ("body", "end", "head", "status")

    def __init__(
        self, status: int, head: Steps, body: Steps = (), *, end: Literal["keep", "close", "reset"] = "keep"
    ) -> None:
        self.status: int = status
        self.head: Iterable[tuple[float, bytes]] = head
        self.body: Iterable[tuple[float, bytes]] = body
        self.end = end


Answer = Reply | Script | Talk


class Refusal(Exception):
    """A request that is answered with an error: its status, headers, and the message as JSON."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.reply: Reply = json_reply({"error": message}, status, headers)


class Sent(web.StreamResponse):
    """Tells aiohttp that the answer is written already, and whether the connection goes on, ends or is gone."""

    def __init__(self, *, keep: bool, gone: bool = False) -> None:
        super().__init__()
        self._keep = keep
        self._gone = gone

    @property
    def keep_alive(self) -> bool:
        """Whether aiohttp reads another request from this connection."""
        return self._keep

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002 - aiohttp's signature
        """Write nothing; a ConnectionResetError is how aiohttp learns that there is nobody left to serve."""
        if self._gone:
            raise ConnectionResetError
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing."""


class Outcomes:
    """The three objects that `send` returns; one set per server."""

    __slots__ = ("close", "gone", "keep")

    def __init__(self) -> None:
        self.keep: Sent = Sent(keep=True)
        self.close: Sent = Sent(keep=False)
        self.gone: Sent = Sent(keep=False, gone=True)


def head(status: int, headers: Headers, length: int | None) -> bytes:
    """The status line and headers, with their closing blank line."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unnamed')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def json_reply(data: Any, status: int = 200, headers: Headers = ()) -> Reply:
    """`data` as JSON."""
    return Reply(status, (JSON, *headers), to_json(data))


def streamed(request: web.BaseRequest, content_type: str, pieces: Steps) -> Script:
    """`pieces` as a response in chunks, each written after its pause.

    Raises:
        Refusal: The client speaks HTTP/1.0, which has no chunks.
    """
    if request.version < HttpVersion11:
        raise Refusal(505, "chunks need HTTP/1.1")
    headers = [("Content-Type", content_type), ("Transfer-Encoding", "chunked")]
    return Script(200, [(0.0, head(200, headers, None))], _chunks(pieces))


def _chunks(pieces: Steps) -> Steps:
    for pause, piece in pieces:
        yield pause, b"%x\r\n%b\r\n" % (len(piece), piece)
    yield 0.0, b"0\r\n\r\n"


def http_date(seconds: float, now: float) -> tuple[tuple[str, str], tuple[str, str]]:
    """Retry-After as an HTTP-date (RFC 9110 section 10.2.3) at least `seconds` after `now`, and the Date it goes by."""
    return ("Retry-After", formatdate(math.ceil(now + seconds), usegmt=True)), ("Date", formatdate(now, usegmt=True))


def cut(answer: Answer, where: str, method: str) -> Script | Talk:
    """What gets through of `answer` before the connection is closed: its "headers", or half of its "body" too.

    Where the head is the whole answer, its last blank line is missing, so that it is never taken for complete. A
    conversation is cut after its handshake, or after its first message.
    """
    if isinstance(answer, Talk):
        return answer.cut(0 if where == "headers" else 1)
    if isinstance(answer, Script):
        return Script(0, answer.head, end="close")
    if not answer.body or method == "HEAD":
        kept = answer.head[:-2]
    else:
        kept = answer.head if where == "headers" else answer.wire[: len(answer.head) + len(answer.body) // 2]
    return Script(0, [(0.0, kept)], end="close")


def stalled(answer: Answer, pause: float) -> Answer:
    """`answer` with so many seconds of silence in the middle of its body (a script is left as it is)."""
    if isinstance(answer, Talk):
        answer.pause = pause
    if not isinstance(answer, Reply):
        return answer
    half = len(answer.body) // 2
    return Script(answer.status, [(0.0, answer.head)], [(0.0, answer.body[:half]), (pause, answer.body[half:])])


async def send(answer: Answer, request: web.BaseRequest, outcomes: Outcomes) -> web.StreamResponse:
    """Write `answer`; the caller hands the result to aiohttp."""
    if isinstance(answer, Talk):
        return await answer.hold(request) or outcomes.gone
    transport = request.transport
    if transport is None:
        return outcomes.gone
    end = "keep"
    if isinstance(answer, Reply):
        transport.write(answer.head if request.method == "HEAD" else answer.wire)
        if len(answer.wire) > _MUCH:
            await request.writer.drain()
    else:
        await _play(answer.head, request, transport)
        if request.method != "HEAD":
            await _play(answer.body, request, transport)
        end = answer.end
    if end == "keep":
        return outcomes.keep if request.keep_alive and request.version >= HttpVersion11 else outcomes.close
    if end == "reset":
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        transport.abort()
    else:
        transport.close()
    return outcomes.gone


async def _play(steps: Steps, request: web.BaseRequest, transport: asyncio.Transport) -> None:
    for pause, data in steps:
        if pause:
            await asyncio.sleep(pause)
        if transport.is_closing():
            raise ConnectionResetError
        transport.write(data)
        await request.writer.drain()
