"""Send the head of a request byte for byte, and a WebSocket's handshake through a tunnel.

1. aiohttp keeps header bytes that are not UTF-8 as lone surrogates (PEP 383) when it reads a response, and drops them
   when such text is sent again (seen in 3.14.5): a conditional request would name another ETag. Here they are sent
   unchanged.
2. aiohttp asks a proxy for a tunnel for TLS alone. A proxy that forwards plain text leaves the upgrade out, so a
   handshake without TLS goes through a tunnel, too (RFC 6455 section 4.1), over a connection of its own.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.client_reqrep import ConnectionKey

BEFORE_WRITE: ContextVar[Callable[[], object] | None] = ContextVar("BEFORE_WRITE", default=None)
"""`Call.before_write` of the attempt that this task sends: aiohttp's request object doesn't know the call."""

_TUNNEL = "a tunnel without TLS"
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_STAND_IN = re.compile(rb"\xf4\x8f[\xbe\xbf][\x80-\xbf]")  # UTF-8 of U+10FF80 to U+10FFFF, which mean nothing


class ByteExactRequest(aiohttp.ClientRequest):
    """One request of one attempt."""

    @property
    def wants_tunnel(self) -> bool:
        """Whether it is a handshake without TLS behind a proxy (rule 2)."""
        return self.proxy is not None and not self.is_ssl() and hdrs.SEC_WEBSOCKET_KEY in self.headers

    @property
    def connection_key(self) -> ConnectionKey:
        """What connections it may use: those without a tunnel are not the same (rule 2)."""
        key = super().connection_key
        return key._replace(proxy_headers_hash=hash((_TUNNEL, key.proxy_headers_hash))) if self.wants_tunnel else key

    def send(self, conn: Any) -> Awaitable[aiohttp.ClientResponse]:  # type: ignore[override]  # it is awaited
        """Write it."""
        if (look := BEFORE_WRITE.get()) is not None:
            look()
        if self.wants_tunnel:
            self.proxy = None  # it does not see the request: its target is a path again
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


class Instead:
    """Stands for another object, but for what its class says."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Connection(Instead):
    @property
    def protocol(self) -> Any:
        return None if self._inner.protocol is None else _Protocol(self._inner.protocol)


class _Protocol(Instead):
    _transport: _Transport | None = None

    @property
    def transport(self) -> Any:
        if self._inner.transport is None:
            return None
        if self._transport is None:
            self._transport = _Transport(self._inner.transport)
        return self._transport


class _Transport(Instead):
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
