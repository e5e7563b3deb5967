"""Read a response of HTTP/1.1 with other people's readers: h11, llhttp (by httptools), and aiohttp's parser.

Each gets the bytes of one connection, which the server then closes, and gives a `Verdict`: what came of the first
response that is not an interim one, or the words in which the reader refused it.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, NamedTuple

import aiohttp
import h11
import httptools
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParser

from asyncapi.sansio.http.http1 import BadResponse, Reader

_SPACES = re.compile(r"[ \t]+")
_LARGE = 1 << 20


class Verdict(NamedTuple):
    """What a reader makes of a response, and whether the connection may be used again; `why` where it refuses it."""

    status: int = 0
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    keep: bool = False
    why: str = ""

    def says(self) -> tuple[object, ...]:
        """What has to be the same with every reader."""
        return self.status, self.fields, self.body


def refused(why: object) -> Verdict:
    return Verdict(why=" ".join(str(why).split()) or type(why).__name__)


def taken(status: int, fields: list[tuple[str, str]], body: bytes, keep: object) -> Verdict:
    """Write the same things in the same way: a run of spaces is one (of a folded line), and so is the case."""
    said = [(name.lower(), _SPACES.sub(" ", value)) for name, value in fields]
    fields = [(name, value.lower() if name == "transfer-encoding" else value) for name, value in said]
    return Verdict(status, tuple(fields), body, bool(keep))


def by_ours(pieces: list[bytes], method: str) -> Verdict:
    reader, body = Reader(_LARGE), b""
    reader.begin(method)
    try:
        for piece in pieces:
            body += reader.feed(piece)
        if not reader.done:
            reader.end()
    except BadResponse as bad:
        return refused(bad)
    return taken(reader.status, reader.fields, body, reader.keep)


def by_h11(data: bytes, method: str) -> Verdict:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGE)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    head: Any = None
    body = b""
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while type(event := connection.next_event()) is not h11.EndOfMessage:
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return refused("incomplete")
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
    except h11.RemoteProtocolError as error:
        return refused(error)
    fields = [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in head.headers]
    return taken(head.status_code, fields, body, connection.their_state is h11.DONE)


class _Callbacks:
    """What httptools calls."""

    def __init__(self) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        self.verdict: Verdict | None = None
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.body = b""
        self.headed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headed:  # the others are trailers
            self.fields.append((name.decode("latin-1"), value.rstrip(b" \t").decode("utf-8", "surrogateescape")))

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.verdict is None and not 100 <= self.parser.get_status_code() < 200:
            keep = self.parser.should_keep_alive()
            self.verdict = taken(self.parser.get_status_code(), self.fields, self.body, keep)

    def end(self) -> Verdict:
        """Take in the end of the connection, of which httptools can't be told."""
        codings = [value for name, value in self.fields if name.lower() == "transfer-encoding"]
        framed = any(name.lower() == "content-length" for name, _ in self.fields)
        if not self.headed or framed or (codings and codings[-1].rpartition(",")[2].strip().lower() == "chunked"):
            return refused("incomplete")
        return taken(self.parser.get_status_code(), self.fields, self.body, keep=False)


def by_llhttp(data: bytes, method: str) -> Verdict | None:
    """Return None for a response to HEAD: httptools can't be told of the method."""
    if method == "HEAD":
        return None
    callbacks = _Callbacks()
    try:
        callbacks.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return callbacks.verdict or refused("upgrade")
    except httptools.HttpParserError as error:
        return callbacks.verdict or refused(error)
    return callbacks.verdict or callbacks.end()


_LOOP = asyncio.new_event_loop()  # never run: the parser wants one
_LOOP.close()


def by_aiohttp(data: bytes, method: str) -> Verdict:
    """Feed aiohttp's parser a byte at a time: it fails a whole response for what comes after it in the same piece."""
    parser: Any = HttpResponseParser(
        BaseProtocol(_LOOP), _LOOP, _LARGE, payload_exception=aiohttp.ClientPayloadError, auto_decompress=False,
        response_with_body=method != "HEAD", read_until_eof=True,
        max_line_size=_LARGE, max_field_size=_LARGE, max_headers=_LARGE,
    )  # fmt: skip
    head: Any = None
    body: Any = None
    try:
        for byte in data:
            if body is not None and (body.is_eof() or body.exception()):
                break
            for message, payload in parser.feed_data(bytes([byte]))[0]:
                if head is None and (message.code == 101 or not 100 <= message.code < 200):
                    head, body = message, payload
        if body is not None and not body.is_eof() and body.exception() is None:
            parser.feed_eof()
    except Exception as error:  # whatever bytes can make of it
        return refused(error)
    if body is None:
        return refused("incomplete")
    if body.exception() is not None or not body.is_eof():
        return refused(body.exception() or "incomplete")
    fields = [(name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in head.raw_headers]
    return taken(head.code, fields, b"".join(getattr(body, "_buffer", ())), not head.should_close)


PEERS = {"h11": by_h11, "llhttp": by_llhttp, "aiohttp": by_aiohttp}
