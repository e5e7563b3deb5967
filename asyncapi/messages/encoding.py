"""Encode request bodies: what users give becomes bytes, or a `Body` that can be opened once per attempt.

    json=      plain data or a pydantic model     application/json
    data=      form fields                        application/x-www-form-urlencoded
    files=     files, with data= beside them      multipart/form-data (RFC 7578), streamed
    content=   bytes, text, a path, a file object, an iterable or async iterable of bytes

All bodies can be sent again, except iterators, async iterators and files that can't seek. A file is sent with the
length that it had when it was given: what is appended meanwhile is not sent.
"""

from __future__ import annotations

import inspect
import io
import mimetypes
import os
import re
import secrets
import stat
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from email.message import Message
from enum import Enum
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import anyio
import anyio.to_thread

from asyncapi.errors import ConfigError
from asyncapi.messages import json_text
from asyncapi.messages.request import Body

if TYPE_CHECKING:
    from asyncapi.messages.request import Request

_PIECE = 64 * 1024
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")  # RFC 2046 section 5.1.1
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TYPE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]+")  # the content type of a part: whatever a header may have

Encoded = tuple[bytes | Body | None, str | None]


def encode(request: Request) -> Encoded:
    """Encode the body of a request, and return it with its Content-Type.

    Raises:
        ConfigError: There are two kinds of body, or data that can't be encoded.
    """
    kinds = [
        name
        for name, value in (
            ("json", request.json),
            ("data/files", request.data if request.files is None else request.files),
            ("content", request.content),
        )
        if value is not None
    ]
    if len(kinds) > 1:
        raise ConfigError(f"{' and '.join(kinds)} at once: a request has one body")
    types = request.headers.getall("Content-Type", [])
    if (
        request.files is None
        and request.content is None
        and any(kind.lower().startswith("multipart/") for kind in types)
    ):
        raise ConfigError("header Content-Type: a multipart body needs files= (files={} if there are none)")
    try:
        if request.json is not None:
            return json(request.json), "application/json"
        if request.files is not None:
            return _multipart(request.data, request.files, types)
        if request.data is not None:
            return _form(request.data), "application/x-www-form-urlencoded"
        return _content(request.content)
    except UnicodeEncodeError as error:
        raise ConfigError(f"the body's text can't be written as UTF-8: {error.reason}") from None


def pairs(argument: str, source: Any) -> list[tuple[str, Any]]:
    """Read the value of `argument` as (name, value) pairs: a mapping, or pairs.

    Raises:
        ConfigError: The value is neither.
    """
    if not isinstance(source, str | bytes):
        try:
            found = [(name, value) for name, value in (source.items() if isinstance(source, Mapping) else source)]
        except (TypeError, ValueError):
            pass
        else:
            for name, _ in found:
                if not isinstance(name, str):
                    raise ConfigError(f"{argument}: the name {name!r} is {type(name).__name__}, give text")
            return found
    raise ConfigError(f"{argument}: give a mapping or (name, value) pairs, not {type(source).__name__}")


def flatten(argument: str, source: Any) -> Iterable[tuple[str, Any]]:
    """Read pairs as `pairs` does; a list repeats its name, and None is left out."""
    for name, value in pairs(argument, source):
        for item in value if isinstance(value, list | tuple | set | frozenset) else (value,):
            if item is not None:
                yield name, item


def to_text(argument: str, name: str, value: Any) -> str:
    """Write a value of a query or a form as text: an Enum by its value, booleans as true and false.

    Raises:
        ConfigError: The value has no plain text form, or its text or name has no UTF-8 form.
    """
    if name.isascii():  # the common cases first
        if type(value) is str and value.isascii():
            return value
        if type(value) is int:
            return str(value)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | bytes | bytearray) or hasattr(value, "get_secret_value"):
        raise ConfigError(f"{argument}: {name!r} is a {type(value).__name__}: give text, a number or a list of them")
    text = str(value)
    if not (text.isascii() and name.isascii()) and _SURROGATE.search(name + text) is not None:
        raise ConfigError(
            f"{argument}: {name!r} or its value has a lone surrogate, which UTF-8 can't represent: remove it"
        )
    return text


def json(value: Any, argument: str = "json=") -> bytes:
    """Write plain data, or a pydantic model, as JSON.

    Raises:
        ConfigError: JSON can't represent it.
    """
    try:
        content = json_text.written(value)
    except ValueError as error:
        raise ConfigError(f"{argument}{type(value).__name__}: {error}") from None
    if (b"NaN" in content or b"Infinity" in content) and not json_text.strict(content):
        raise ConfigError(f"{argument}{type(value).__name__}: it holds NaN or Infinity, which JSON can't represent")
    return content


def _form(data: Any) -> bytes:
    if isinstance(data, str | bytes):
        raise ConfigError("data= takes form fields (a mapping or pairs); raw text or bytes go in content=")
    return urlencode([(name, _field(name, value)) for name, value in flatten("data", data)]).encode()


def _field(name: str, value: Any) -> str | bytes:
    return value if isinstance(value, bytes) else to_text("data", name, value)


def _content(content: Any) -> Encoded:
    match content:
        case None | bytes() | Body():
            return content, None
        case str():
            return content.encode(), "text/plain; charset=utf-8"
        case bytearray() | memoryview():
            return bytes(content), None
        case os.PathLike():
            path = Path(content)
            return _path(path), mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if hasattr(content, "read"):
        if inspect.iscoroutinefunction(content.read):
            return Body(partial(_read_async, content), length=None, rewindable=False), None
        return _file(content), "application/octet-stream"
    if isinstance(content, AsyncIterable):
        return Body(partial(_once, content), length=None, rewindable=False), None
    if isinstance(content, Iterable) and not isinstance(content, Mapping):
        # iter() of an iterator is the iterator itself, which can be read only once
        return Body(partial(_each, content), length=None, rewindable=iter(content) is not content), None
    raise ConfigError(
        f"content={type(content).__name__}: give bytes, text, a path, a "
        "file, or an iterable of bytes (for plain data: json=)"
    )


async def _once(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in content:
            yield piece
    finally:  # a generator that is left half read would wait for the garbage collector to run its `finally`
        if isinstance(content, AsyncGenerator):
            await content.aclose()


async def _each(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def _read_async(file: Any) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE):
        yield piece


def _path(path: Path) -> Body:
    """Make a body that reads a file in pieces, outside the event loop."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't read {path}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"can't read {path}: it is a directory")
    if not stat.S_ISREG(found.st_mode):  # a pipe or a device: its length is unknown, and it can be read only once
        return Body(partial(_read_path, path, None), length=None, rewindable=False)
    return Body(partial(_read_path, path, found.st_size), length=found.st_size, rewindable=True)


def _file(file: IO[bytes]) -> Body:
    """Make a body that reads an open file in pieces, from its current position."""
    if isinstance(file, io.TextIOBase):
        raise ConfigError("the file is open in text mode: open it with 'rb'")
    try:
        if not (hasattr(file, "seekable") and file.seekable()):
            return Body(partial(_read_open, file, None, None), length=None, rewindable=False)
        start = file.tell()
        length = max(0, file.seek(0, io.SEEK_END) - start)
        file.seek(start)
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't read the file: {error}") from None
    return Body(partial(_read_open, file, start, length), length=length, rewindable=True)


async def _read_path(path: Path, length: int | None) -> AsyncIterator[bytes]:
    with await anyio.to_thread.run_sync(path.open, "rb") as file:
        async for piece in _read_open(file, None, length):
            yield piece


async def _read_open(file: IO[bytes], start: int | None, length: int | None) -> AsyncIterator[bytes]:
    if start is not None:
        file.seek(start)
    # no further than the length that is promised: the file may have grown meanwhile
    left = length
    while piece := await anyio.to_thread.run_sync(file.read, _PIECE if left is None else min(left, _PIECE)):
        yield piece
        if left is not None:
            left -= len(piece)


def _multipart(data: Any, files: Any, types: list[str]) -> Encoded:
    boundary, content_type = _boundary(types)
    parts: list[tuple[bytes, bytes | Body]] = [
        (_part_head(boundary, name, None, None), field if isinstance(field, bytes) else field.encode())
        for name, field in ((name, _field(name, value)) for name, value in flatten("data", data or ()))
    ]
    for name, file in pairs("files", files):
        filename, content, kind = _file_part(name, file)
        parts.append((_part_head(boundary, name, filename, kind), content))
    # a random boundary can't occur in a part, one written by hand can (RFC 2046 section 5.1)
    if types and any(isinstance(content, bytes) and f"--{boundary}".encode() in content for _, content in parts):
        raise ConfigError(f"header Content-Type: its boundary {boundary!r} occurs inside a part: leave the header out")
    tail = f"--{boundary}--\r\n".encode()
    lengths = [_length(content) for _, content in parts]
    length = None
    # one part of unknown length makes the whole length unknown: the body is sent chunked
    if None not in lengths:
        length = sum(len(head) + 2 for head, _ in parts) + sum(filter(None, lengths)) + len(tail)
    rewindable = all(not isinstance(content, Body) or content.rewindable for _, content in parts)
    opener: Callable[[], AsyncIterator[bytes]] = partial(_write_parts, parts, tail)
    return Body(opener, length=length, rewindable=rewindable), content_type


def _boundary(types: list[str]) -> tuple[str, str]:
    """Return the boundary of the body and its whole Content-Type, taken from the user's own header if there is one.

    Raises:
        ConfigError: The header's type is not multipart, or its boundary is invalid.
    """
    boundary = secrets.token_hex(16)
    if not types:
        return boundary, f"multipart/form-data; boundary={boundary}"
    if len(types) > 1 or not types[0].lower().startswith("multipart/"):
        raise ConfigError(
            f"header Content-Type: {', '.join(types)!r}, but files= makes multipart/form-data: leave the header out; "
            "where it is the client's own, give multipart/form-data for this call"
        )
    [kind] = types
    message = Message()
    message["Content-Type"] = kind
    own = message.get_param("boundary")
    if own is None:
        return boundary, f"{kind.rstrip('; ')}; boundary={boundary}"
    if not isinstance(own, str) or not _BOUNDARY.fullmatch(own):
        raise ConfigError(f"header Content-Type: {kind!r} has an invalid boundary: leave the header out")
    return own, kind


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


def _file_part(name: str, file: Any) -> tuple[str | None, bytes | Body, str | None]:
    """(filename, content, content type) of one value of `files=`; a filename of None makes a part, not a file."""
    filename, content, kind = None, file, None
    is_file = not (isinstance(file, tuple) and file[:1] == (None,))
    if isinstance(file, tuple):
        if len(file) not in {2, 3}:
            raise ConfigError(f"files[{name!r}]: a tuple is (filename, content) or (filename, content, content_type)")
        filename, content, kind = (*file, None)[:3]
    # servers take a part without a filename for a form field (RFC 7578 section 4.2)
    if filename is None and is_file:
        source = getattr(content, "name", None) if not isinstance(content, Path) else content.name
        filename = Path(source).name if isinstance(source, str) else name
    # None would be an empty part, which nobody means
    if content is None:
        raise ConfigError(f"files[{name!r}] is None: give a path, bytes or an open file")
    if not isinstance(filename, str | None):
        raise ConfigError(f"files[{name!r}]: the file's name is {type(filename).__name__}, give text")
    kind = kind or None
    if kind is not None and not (isinstance(kind, str) and _TYPE.fullmatch(kind)):
        raise ConfigError(f"files[{name!r}]: its content type is {kind!r}, give text such as 'image/png'")
    encoded = cast("bytes | Body", _content(content)[0])
    if kind is None and filename is not None:
        kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return filename, encoded, kind


def _part_head(boundary: str, name: str, filename: str | None, kind: str | None) -> bytes:
    disposition = f'form-data; name="{_escape(name)}"'
    if filename is not None:
        disposition += f'; filename="{_escape(filename)}"'
    lines = [f"--{boundary}", f"Content-Disposition: {disposition}"]
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _escape(text: str) -> str:
    """As browsers do (HTML, multipart/form-data encoding): quotes and line ends are percent-encoded."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
