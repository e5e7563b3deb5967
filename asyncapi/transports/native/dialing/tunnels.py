"""Go through a proxy: HTTP proxies by CONNECT (RFC 9110 section 9.3.6), SOCKS proxies by python-socks.

Rules:
1. http:// through an HTTP proxy needs no tunnel: the request itself goes to the proxy, in absolute-form (RFC 9112
   section 3.2.2). https:// gets a tunnel, and SOCKS is always one.
2. The proxy looks up the name of the server; for `socks4://` and `socks5://` we do, as curl does.
3. A response to CONNECT is read as strictly as any other. Whatever else than a 2xx, or a byte too many, is a refusal.
4. The user-info is sent to the proxy alone, and is part of no error.
"""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import sys
from asyncio import sslproto
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

from asyncapi.errors import ConfigError, ConnectError
from asyncapi.messages.uri import parse_url
from asyncapi.sansio.http.http1 import BadResponse, Reader
from asyncapi.transports.failures import place_name, reason, status_name
from asyncapi.transports.outgoing import SOCKS, basic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asyncapi.transports.native.dialing.names import Address
    from asyncapi.transports.native.dialing.place import Place

P = TypeVar("P", bound=asyncio.Protocol)

_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080
_MAX_HEAD = 64 * 1024  # bytes of a response to CONNECT
_TOO_MUCH = "can't connect: the proxy sent more than a response"
_LEAST = 60.0  # seconds that python-socks is given where no limit of ours is shorter: its own default
_MOST = 255  # bytes of a user's name, and of a password: RFC 1929 section 2


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, as its URL names it.

    Attributes:
        scheme: "http", "https", or one of SOCKS.
        host: Its name, or its address without brackets.
        port: Its port.
        user_info: The user-info, percent-encoded; None for none.
    """

    scheme: str
    host: str
    port: int
    user_info: str | None = field(default=None, repr=False)

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme == "https"

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS."""
        return self.scheme in SOCKS

    @property
    def looks_up(self) -> bool:
        """Whether it looks names up (rule 2)."""
        return self.scheme not in {"socks4", "socks5"}

    @property
    def where(self) -> str:
        """Its host and port."""
        return place_name(self.host, self.port)

    @property
    def authorization(self) -> str | None:
        """The value of `Proxy-Authorization`, or None."""
        return None if self.user_info is None else basic(self.user_info)


@lru_cache(maxsize=32)
def proxy_of(url: str) -> Proxy:
    """Read the URL of a proxy, which `outgoing.checked_proxy` has accepted."""
    parsed = parse_url(url)
    user, at, _ = parsed.raw_authority.rpartition("@")
    port = parsed.port or _PORTS.get(parsed.scheme, _SOCKS_PORT)
    return Proxy(parsed.scheme, parsed.raw_host or "", port, user if at and user.strip(":") else None)


def forwarder(place: Place) -> Proxy | None:
    """The proxy that requests to this place are sent to in absolute-form, with its authorization; None for none."""
    if place.proxy is None or place.secure:
        return None
    proxy = proxy_of(place.proxy)
    return None if proxy.is_socks else proxy


def check_socks(proxy: str) -> None:
    """Check that a SOCKS proxy can be used; other proxies always can.

    Raises:
        ConfigError: python-socks is not installed, or the user-info is not what SOCKS takes.
    """
    found = proxy_of(proxy)
    if not found.is_socks:
        return
    if importlib.util.find_spec("python_socks") is None:
        raise ConfigError("a SOCKS proxy needs python-socks: pip install 'asyncapi-sdk[socks]'")
    _login(found)


class Asking(asyncio.Protocol):
    """A connection to an HTTP proxy, which is asked for a tunnel."""

    def __init__(self) -> None:
        self._reader = Reader(_MAX_HEAD)
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failed: str | None = None
        self._cause: Exception | None = None

    async def open(self, transport: asyncio.Transport, proxy: Proxy, host: str, port: int) -> None:
        """Ask for a tunnel, and wait until it is there.

        Raises:
            ConnectError: The proxy refuses, closes, or sends something else than a response (rule 3).
        """
        target = place_name(host.partition("%")[0], port)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        self._reader.begin("CONNECT")
        transport.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        await self._over
        if self._failed is not None:
            raise ConnectError(self._failed) from self._cause
        if not 200 <= self._reader.status < 300:  # noqa: PLR2004 - RFC 9110 section 9.3.6
            raise ConnectError(f"the proxy refused: {status_name(self._reader.status)}")

    def data_received(self, data: bytes) -> None:
        """Read the response."""
        if self._over.done():
            self._failed = _TOO_MUCH
            return
        try:
            self._reader.feed(data)
        except BadResponse as error:
            self._end(f"the proxy's response isn't valid HTTP: {error.why}")
            return
        if self._reader.headed:
            self._end(_TOO_MUCH if self._reader.status < 300 and self._reader.rest else None)  # noqa: PLR2004

    def eof_received(self) -> bool:
        """No response will come."""
        self._end("can't connect: the proxy closed the connection")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """No response will come."""
        if isinstance(error, OSError) and error.errno:
            self._end(f"can't connect: {reason(error)}", error)
        self._end("can't connect: the proxy closed the connection")

    def _end(self, failed: str | None, cause: Exception | None = None) -> None:
        if not self._over.done():
            self._failed, self._cause = failed, cause
            self._over.set_result(None)


class _Held(asyncio.Protocol):
    """Keeps what a server sends before its connection has a protocol: `start_tls` does not call `connection_made`.

    Attributes:
        data: What has come.
        ended: Whether the server has closed.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - `start_tls` raises it
        self.ended = True


async def encrypted(
    transport: asyncio.Transport, factory: Callable[[], P], settings: Mapping[str, Any]
) -> tuple[asyncio.Transport, P]:
    """Speak TLS with the server at the other end of a tunnel; the tunnel may be TLS itself.

    Args:
        transport: The tunnel.
        factory: Makes the protocol.
        settings: The arguments of the handshake.

    Raises:
        OSError: The handshake failed.
    """
    held, given = _Held(), dict(settings)
    outer: Any = transport
    if sys.version_info < (3, 13) and isinstance(transport, sslproto._SSLProtocolTransport):  # noqa: SLF001
        # CPython trips over a handshake that fails within TLS (gh-113214), and logs that it did
        outer._force_close = lambda _: outer.abort()  # noqa: SLF001
    inner = await asyncio.get_running_loop().start_tls(transport, held, given.pop("ssl"), **given)
    if inner is None or held.ended:
        raise ConnectionResetError
    protocol = factory()
    inner.set_protocol(protocol)
    protocol.connection_made(inner)
    if held.data:
        protocol.data_received(bytes(held.data))
    return inner, protocol


async def socks(proxy: Proxy, addresses: Sequence[Address], host: str, port: int, limit: float | None) -> socket.socket:
    """Have a SOCKS proxy open a tunnel: the socket of it.

    Args:
        proxy: The proxy.
        addresses: Its addresses, the one to begin with first.
        host: The server, or the address of it.
        port: Its port.
        limit: Seconds that another limit allows for it.

    Raises:
        ConnectError: The proxy refuses, or can't be reached.
        ConfigError: python-socks is not installed, or the user-info or host is not what SOCKS takes.
    """
    try:
        from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType  # noqa: PLC0415
        from python_socks.async_.asyncio import Proxy as Socks  # noqa: PLC0415
    except ImportError:
        raise ConfigError("a SOCKS proxy needs python-socks: pip install 'asyncapi-sdk[socks]'") from None
    user, password = _login(proxy)
    kind = ProxyType.SOCKS4 if proxy.scheme.startswith("socks4") else ProxyType.SOCKS5
    first: Exception | None = None
    for address in addresses:
        tunnel = Socks(kind, address[4][0], proxy.port, username=user, password=password, rdns=True)
        try:
            wire = await tunnel.connect(host, port, timeout=max(limit or 0.0, _LEAST))
        except ProxyConnectionError as error:
            first = first or error
        except (ProxyError, ProxyTimeoutError) as error:
            refused = isinstance(error, ProxyError) and error.error_code is not None
            how = "the proxy refused" if refused else f"can't connect through the proxy {proxy.where}"
            raise ConnectError(f"{how}: {error}") from error
        except UnicodeError:
            raise ConfigError(f"the host {host!r} is not a name that SOCKS takes: check the host in the URL") from None
        else:
            return wire
    why = reason(first) if isinstance(first, OSError) else "it has no address"
    raise ConnectError(f"can't connect to the proxy {proxy.where}: {why}") from first


def address_for(proxy: Proxy, host: str, addresses: Sequence[Address]) -> str:
    """Choose the address of a server for a SOCKS proxy that looks no names up: an IPv4 address if there is one.

    Raises:
        ConnectError: The proxy takes IPv4 addresses only, and there is none.
    """
    best = min(addresses, key=lambda address: address[0] != socket.AF_INET)
    if best[0] != socket.AF_INET and proxy.scheme == "socks4":
        raise ConnectError(f"{host!r} has no IPv4 address, which SOCKS4 needs: use socks5:// or socks4a://")
    return str(best[4][0]).partition("%")[0]


def _login(proxy: Proxy) -> tuple[str | None, str | None]:
    """The name and the password of the user.

    Raises:
        ConfigError: They are not what SOCKS takes.
    """
    if proxy.user_info is None:
        return None, None
    name, _, password = proxy.user_info.partition(":")
    parts = [unquote_to_bytes(part) for part in (name, password)]
    if not all(part.isascii() and len(part) <= _MOST for part in parts):
        raise ConfigError(f"the proxy {proxy.where}: SOCKS takes a user and a password of at most 255 ASCII characters")
    return parts[0].decode(), parts[1].decode()
