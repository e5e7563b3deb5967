"""Endpoints whose answers have unusual bodies: large, compressed, streamed, in other charsets, or none at all."""

from __future__ import annotations

import asyncio
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

from pydantic_core import to_json

from asyncapi.serve.items import row
from asyncapi.serve.query import header_value, seconds_in, whole, whole_in
from asyncapi.serve.replies import JSON, Answer, Refusal, Reply, Script, head, streamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

_GZIP = ("Content-Encoding", "gzip")
_GZIP_WBITS = 31
_BINARY = ("Content-Type", "application/octet-stream")
_BLOCK = bytes(range(256)) * 256
_MIB = 1 << 20

_NOT_JSON = Reply(200, [JSON], b"<html><body>This is not JSON, though its Content-Type says so.</body></html>")
_EMPTY = Reply(200, [JSON])
_NOTHING = Reply(204)


async def not_json(_request: web.BaseRequest, _rest: str) -> Reply:
    """HTML that calls itself JSON."""
    return _NOT_JSON


async def empty(_request: web.BaseRequest, _rest: str) -> Reply:
    """200 and no body."""
    return _EMPTY


async def nothing(_request: web.BaseRequest, _rest: str) -> Reply:
    """204."""
    return _NOTHING


async def large(_request: web.BaseRequest, rest: str) -> Answer:
    """`/bytes/{n}`: n bytes that count from 0 to 255, over and over."""
    size = whole(rest, "the number of bytes", 0, 1 << 30)
    if size <= len(_BLOCK):
        return Reply(200, [_BINARY], _BLOCK[:size])
    return Script(200, [(0.0, head(200, [_BINARY], size))], _blocks(size))


def _blocks(size: int) -> Iterator[tuple[float, bytes]]:
    for _ in range(size // len(_BLOCK)):
        yield 0.0, _BLOCK
    if size % len(_BLOCK):
        yield 0.0, _BLOCK[: size % len(_BLOCK)]


async def stream(request: web.BaseRequest, rest: str) -> Script:
    """`/stream/{n}`: n rows as JSON lines, each a chunk of its own."""
    count = whole(rest, "the number of lines", 0, 10_000_000)
    pause = seconds_in(request.query, "pause", 0.0)
    return streamed(request, "application/x-ndjson", _lines(count, pause))


def _lines(count: int, pause: float) -> Iterator[tuple[float, bytes]]:
    for number in range(1, count + 1):
        yield (pause if number > 1 else 0.0), to_json(row(number)) + b"\n"


async def gzipped(_request: web.BaseRequest, _rest: str) -> Reply:
    """A row, compressed, whatever the client accepts."""
    return _gzipped()


@lru_cache(maxsize=1)
def _gzipped() -> Reply:
    return Reply(200, [JSON, _GZIP], zlib.compress(to_json(row(7)), wbits=_GZIP_WBITS))


async def bomb(request: web.BaseRequest, _rest: str) -> Reply:
    """`/bomb?mb=`: a JSON string of so many MiB, about a thousandth of that on the wire."""
    size = whole_in(request.query, "mb", 100, 1, 2_048)
    return await asyncio.to_thread(_bomb, size)


@lru_cache(maxsize=4)
def _bomb(mebibytes: int) -> Reply:
    packer = zlib.compressobj(wbits=_GZIP_WBITS)
    packed = [packer.compress(b'"' + b"0" * (_MIB - 2) + (b"0" if mebibytes > 1 else b'"'))]
    packed += [packer.compress(b"0" * _MIB) for _ in range(mebibytes - 2)]
    if mebibytes > 1:
        packed.append(packer.compress(b"0" * (_MIB - 1) + b'"'))
    return Reply(200, [JSON, _GZIP], b"".join([*packed, packer.flush()]))


async def charset(request: web.BaseRequest, rest: str) -> Reply:
    """`/charset/{name}`: JSON said to be in that charset; `?as=` is the one that it really is in."""
    name = header_value(rest, "the charset")
    actual = request.query.get("as")
    text = f'{{"charset": {to_json(name).decode()}, "text": "crème brûlée"}}'
    try:
        body = text.encode(actual or name, "replace")
    except (LookupError, ValueError):
        if actual is not None:
            raise Refusal(400, f"as={actual!r} is no charset that Python knows, like utf-8 or latin-1") from None
        body = text.encode()  # an unknown charset in the header is a case that clients must meet
    return Reply(200, [("Content-Type", f"application/json; charset={name}")], body)
