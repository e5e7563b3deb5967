"""Request bodies: what users hand over becomes bytes, or a `Body` that can be opened once per attempt.

    json=      plain data or a pydantic model     application/json
    data=      form fields                        application/x-www-form-urlencoded
    files=     files, with data= beside them      multipart/form-data (RFC 7578), streamed
    content=   bytes, text, a path, a file object, an iterable or async iterable of bytes

Rewindable, so that they may be sent again: all but iterators, async iterators and files that can't seek.
"""

from __future__ import annotations

import io
import mimetypes
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode

import anyio
import anyio.to_thread
from pydantic_core import PydanticSerializationError, to_json

from asyncapi.errors import ConfigError
from asyncapi.types import Body

if TYPE_CHECKING:
    from asyncapi.types import Request

_PIECE = 64 * 1024

Encoded = tuple[bytes | Body | None, str | None]


def encode(request: Request) -> Encoded:
    """The body of a request as the user wrote it, and its Content-Type.

    Raises:
        ConfigError: Two kinds of body at once, or data that can't be written so.
    """
    given = [
        name
        for name, value in (
            ("json", request.json),
            ("data/files", request.data if request.files is None else request.files),
            ("content", request.content),
        )
        if value is not None
    ]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} at once: a request has one body")
    if request.json is not None:
        return _json(request.json), "application/json"
    if request.files is not None:
        return _multipart(request.data, request.files)
    if request.data is not None:
        return _form(request.data), "application/x-www-form-urlencoded"
    return _content(request.content)


def _json(value: Any) -> bytes:
    try:
        return to_json(value)
    except PydanticSerializationError as error:
        raise ConfigError(f"json={type(value).__name__}: {error}") from None


def _form(data: Any) -> bytes:
    if isinstance(data, str | bytes):
        raise ConfigError("data= takes form fields (a mapping or pairs); raw text or bytes go in content=")
    return urlencode([(name, str(value)) for name, value in _pairs(data)]).encode()


def _pairs(fields: Any) -> Iterable[tuple[str, Any]]:
    """Name and value; a list repeats its name, None is left out."""
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        for one in value if isinstance(value, list | tuple) else (value,):
            if one is not None:
                yield name, one


def _content(content: Any) -> Encoded:
    match content:
        case None | bytes() | Body():
            return content, None
        case str():
            return content.encode(), "text/plain; charset=utf-8"
        case bytearray() | memoryview():
            return bytes(content), None
        case Path():
            return _file(content), mimetypes.guess_type(content.name)[0] or "application/octet-stream"
    if hasattr(content, "read"):
        return _file(content), "application/octet-stream"
    if isinstance(content, AsyncIterable):
        return Body(partial(_once, content), length=None, rewindable=False), None
    if isinstance(content, Iterable):
        return Body(partial(_each, content), length=None, rewindable=iter(content) is not content), None
    raise ConfigError(f"content={type(content).__name__}: give bytes, text, a path, a file, or an iterable of bytes")


async def _once(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for piece in content:
        yield piece


async def _each(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def _file(source: Path | IO[bytes]) -> Body:
    """A body that reads a file in pieces, off the event loop, from where it stood when it was given."""
    if isinstance(source, Path):
        try:
            return Body(partial(_read_path, source), length=source.stat().st_size, rewindable=True)
        except OSError as error:
            raise ConfigError(f"can't read {source}: {error.strerror}") from None
    if isinstance(source, io.TextIOBase):
        raise ConfigError("the file is open in text mode: open it with 'rb'")
    if not (hasattr(source, "seekable") and source.seekable()):
        return Body(partial(_read_open, source, None), length=None, rewindable=False)
    start = source.tell()
    length = source.seek(0, io.SEEK_END) - start
    source.seek(start)
    return Body(partial(_read_open, source, start), length=length, rewindable=True)


async def _read_path(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(_PIECE):
            yield piece


async def _read_open(file: IO[bytes], start: int | None) -> AsyncIterator[bytes]:
    if start is not None:
        file.seek(start)
    while piece := await anyio.to_thread.run_sync(file.read, _PIECE):
        yield piece


def _multipart(data: Any, files: Any) -> Encoded:
    boundary = secrets.token_hex(16)
    parts: list[tuple[bytes, bytes | Body]] = [
        (_part_head(boundary, name, None, None), value if isinstance(value, bytes) else str(value).encode())
        for name, value in _pairs(data or ())
    ]
    for name, file in files.items() if isinstance(files, Mapping) else files:
        filename, content, kind = _file_part(name, file)
        parts.append((_part_head(boundary, name, filename, kind), content))
    tail = f"--{boundary}--\r\n".encode()
    lengths = [_length(content) for _, content in parts]
    length = None
    if None not in lengths:
        length = sum(len(head) + 2 for head, _ in parts) + sum(filter(None, lengths)) + len(tail)
    rewindable = all(not isinstance(content, Body) or content.rewindable for _, content in parts)
    opener: Callable[[], AsyncIterator[bytes]] = partial(_write_parts, parts, tail)
    return Body(opener, length=length, rewindable=rewindable), f"multipart/form-data; boundary={boundary}"


def _length(content: bytes | Body) -> int | None:
    return content.length if isinstance(content, Body) else len(content)


async def _write_parts(parts: list[tuple[bytes, bytes | Body]], tail: bytes) -> AsyncIterator[bytes]:
    for head, content in parts:
        yield head
        if isinstance(content, Body):
            async for piece in content.open():
                yield piece
        elif content:
            yield content
        yield b"\r\n"
    yield tail


def _file_part(name: str, file: Any) -> tuple[str, bytes | Body, str]:
    """(filename, content, content type) of one value of `files=`."""
    filename, content, kind = None, file, None
    if isinstance(file, tuple):
        if len(file) not in {2, 3}:
            raise ConfigError(f"files[{name!r}]: a tuple is (filename, content) or (filename, content, content_type)")
        filename, content, kind = (*file, None)[:3]
    if filename is None:
        source = getattr(content, "name", None) if not isinstance(content, Path) else content.name
        filename = Path(source).name if isinstance(source, str) else name
    encoded, _ = _content(content)
    if encoded is None:
        raise ConfigError(f"files[{name!r}] is None: give a path, bytes or an open file")
    return filename, encoded, kind or mimetypes.guess_type(filename)[0] or "application/octet-stream"


def _part_head(boundary: str, name: str, filename: str | None, kind: str | None) -> bytes:
    disposition = f'form-data; name="{_escape(name)}"'
    if filename is not None:
        disposition += f'; filename="{_escape(filename)}"'
    lines = [f"--{boundary}", f"Content-Disposition: {disposition}"]
    if kind is not None:
        lines.append(f"Content-Type: {_escape(kind)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _escape(text: str) -> str:
    """As browsers do (HTML, multipart/form-data encoding): quotes and line ends are percent-encoded."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
