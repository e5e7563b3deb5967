"""The parts of a response that a route's script describes: its headers, its body, and where that breaks off."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import ConfigError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable

    from asyncapi.messages.response import Response


def number(name: str, value: Any) -> float:
    """Return a number of seconds.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
        raise ConfigError(f"{name}={value!r}: give a number of seconds, at least 0")
    return value


def fields_of(headers: Any) -> CIMultiDict[str]:
    """Return headers, of which one may come several times: pairs, or a multidict.

    Raises:
        ConfigError: They are none.
    """
    fields: CIMultiDict[Any] | None = None
    with suppress(TypeError, ValueError):
        fields = CIMultiDict(headers or {})
    if fields is None or not all(isinstance(each, str) for pair in fields.items() for each in pair):
        raise ConfigError(f"headers={headers!r:.80}: give names and values as text, or pairs of them")
    return fields


def body(
    content: Any, text: str | None, sse: Iterable[Any] | None, ndjson: Iterable[Any] | None
) -> tuple[str, bytes | Callable[[], AsyncIterable[bytes]]]:
    """Return the Content-Type of a body ("" for none), and its bytes, or what makes its pieces for each call.

    Raises:
        ConfigError: They can't be sent.
    """
    if text is not None:
        return "text/plain; charset=utf-8", text.encode()
    if sse is not None:
        events = [_event(each) for each in sse]
        return "text/event-stream", lambda: _each(events)
    if ndjson is not None:
        lines = [_json(each) + b"\n" for each in ndjson]
        return "application/x-ndjson", lambda: _each(lines)
    if content is None:
        return "", b""
    if isinstance(content, bytes):
        return "", content
    if isinstance(content, list | tuple) and all(isinstance(piece, bytes) for piece in content):
        return "", lambda: _each(content)
    if callable(content):
        return "", content
    raise ConfigError(
        f"reply(content={content!r:.60}): give bytes, a list of pieces, or a function that returns an async iterator"
    )


async def _each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _json(data: Any) -> bytes:
    from pydantic_core import to_json  # noqa: PLC0415 - it takes long

    return to_json(data)


def _event(event: Any) -> bytes:
    """Write a server-sent event: a text, or fields (`data` is JSON where it is no text)."""
    fields = dict(event) if isinstance(event, dict) and "data" in event else {"data": event}
    data = fields.pop("data")
    text = data if isinstance(data, str) else _json(data).decode()
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return ("\n".join([*lines, *(f"data: {line}" for line in text.split("\n"))]) + "\n\n").encode()


async def broken(content: bytes, promised: str) -> AsyncIterator[bytes]:
    """Yield a body that breaks off."""
    if content:
        yield content
    raise ProtocolError(f"mock: the connection was closed after {promised} bytes of the response body")


def cut_off(response: Response, cut: int) -> AsyncIterator[bytes]:
    """Break a body off after this many bytes.

    Raises:
        ConfigError: It hasn't as many.
    """
    if response.open_body is not None:
        raise ConfigError("reply(cut=...): a stream is cut by an error that its source raises")
    if not 0 <= cut < len(response.content):
        raise ConfigError(f"reply(cut={cut}): the body has {len(response.content)} bytes; cut it before its end")
    return broken(response.content[:cut], f"{cut} of {len(response.content)}")
