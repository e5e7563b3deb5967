"""Send the head of a request byte for byte.

aiohttp keeps header bytes that are not UTF-8 as lone surrogates (PEP 383) when it reads a response, and drops them when
such text is sent again (seen in 3.14.5): a conditional request would name another ETag. Here they are sent unchanged.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

BEFORE_WRITE: ContextVar[Callable[[], object] | None] = ContextVar("BEFORE_WRITE", default=None)
"""`Call.before_write` of the attempt that this task sends: aiohttp's request object doesn't know the call."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_STAND_IN = re.compile(rb"\xf4\x8f[\xbe\xbf][\x80-\xbf]")  # UTF-8 of U+10FF80 to U+10FFFF, which mean nothing


class ByteExactRequest(aiohttp.ClientRequest):
    """One request of one attempt."""

    def send(self, conn: Any) -> Awaitable[aiohttp.ClientResponse]:  # type: ignore[override]  # it is awaited
        """Write it."""
        if (look := BEFORE_WRITE.get()) is not None:
            look()
        headers = self.headers
        for value in headers.values():
            if not value.isascii() and _NOT_UTF8.search(value):
                self.headers = CIMultiDict((name, _NOT_UTF8.sub(_stand_in, text)) for name, text in headers.items())
                return super().send(_Connection(conn))  # type: ignore[arg-type]  # as good as one
        return super().send(conn)


def _stand_in(found: re.Match[str]) -> str:
    return chr(0x10FF00 + (ord(found[0]) & 0xFF))


def _byte(stand_in: re.Match[bytes]) -> bytes:
    return bytes([ord(stand_in[0].decode()) & 0xFF])


class _Instead:
    """Stands for another object, but for what its class says."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Connection(_Instead):
    @property
    def protocol(self) -> Any:
        return None if self._inner.protocol is None else _Protocol(self._inner.protocol)


class _Protocol(_Instead):
    _transport: _Transport | None = None

    @property
    def transport(self) -> Any:
        if self._inner.transport is None:
            return None
        if self._transport is None:
            self._transport = _Transport(self._inner.transport)
        return self._transport


class _Transport(_Instead):
    _head_is_out = False

    def write(self, data: Any) -> None:
        if not self._head_is_out:  # the head comes first, and whole
            self._head_is_out = True
            head, end, rest = bytes(data).partition(b"\r\n\r\n")
            data = _STAND_IN.sub(_byte, head) + end + rest
        self._inner.write(data)

    def writelines(self, pieces: Iterable[Any]) -> None:
        if self._head_is_out:
            self._inner.writelines(pieces)
        else:
            self.write(b"".join(pieces))
