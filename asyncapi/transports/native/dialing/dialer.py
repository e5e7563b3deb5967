"""Make a new connection: look the name up, check its addresses, connect, speak TLS, check the pins.

Rules:
1. The addresses that the guard has checked are those that are connected to.
2. Nothing is sent before the key of the server has been checked, where keys are pinned.
3. `limit` bounds all of it: the lookup, the connection, the tunnel and the handshakes.
4. IPv6 and IPv4 addresses are tried in turns, a new one every 250 ms (RFC 8305 section 5). An address whose TLS
   handshake fails is left out, and the others are tried.
5. What fails, is cancelled or is closed leaves no socket and no task.
6. The name of the server in the handshake (RFC 6066 section 3) has no dot at its end, and no zone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import aiohappyeyeballs

from asyncapi.errors import ConfigError, EgressDenied, RequestTimeout, final_error
from asyncapi.sansio.http.egress import is_odd
from asyncapi.transports.failures import CLOSED, place_name, slow_connect
from asyncapi.transports.native.dialing import tunnels
from asyncapi.transports.native.dialing.failures import RAISED, no_address, no_connection
from asyncapi.transports.native.dialing.names import Address, Names, Resolve
from asyncapi.transports.tls import HTTP_1

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from os import PathLike

    from asyncapi.clock import Clock
    from asyncapi.sansio.http.egress import Guard
    from asyncapi.transports.native.dialing.place import Place
    from asyncapi.transports.tls import Handshakes

P = TypeVar("P", bound=asyncio.Protocol)

_HEAD_START = 0.25  # seconds that an address has before the next is tried: RFC 8305 section 8
_HANDSHAKE = 60.0  # seconds of a TLS handshake, where no limit of ours is shorter: asyncio's own default
_GOODBYE = 1.0  # seconds that the other side has to end TLS in order


class Dialer:
    """Makes the connections of one client.

    Args:
        clock: Says when looked up addresses are outdated.
        tls: Makes the contexts of TLS connections, and checks pins.
        guard: Refuses hosts and addresses, or None.
        unix_socket: Path of a Unix socket to connect to instead of the URL's host.
        resolve: Looks names up; the system by default.
        on_renewal: Called when new TLS files are in use: connections made before it are outdated.

    Attributes:
        names: The addresses that were looked up.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        tls: Handshakes,
        guard: Guard | None = None,
        unix_socket: str | PathLike[str] | None = None,
        resolve: Resolve | None = None,
        on_renewal: Callable[[], object] = lambda: None,
    ) -> None:
        self.names: Names = Names(clock, resolve)
        self._tls = tls
        self._renewals = tls.renewals
        self._guard = guard
        self._unix_socket = unix_socket
        self._on_renewal = on_renewal
        self._under_way: set[asyncio.Timeout] = set()
        self._closed = False

    async def dial(
        self, place: Place, factory: Callable[[], P], *, protocols: tuple[str, ...] = HTTP_1, limit: float | None
    ) -> tuple[asyncio.Transport, P]:
        """Make a connection to a place.

        Args:
            place: What it leads to.
            factory: Makes its protocol; called again where a second address is tried.
            protocols: What to offer by ALPN, best first; the transport's `ssl_object` knows what was chosen.
            limit: Seconds until it has to be there; None for no limit.

        Raises:
            ConnectError: It could not be made; nothing of the request was sent.
            RequestTimeout: The limit has passed, in the phase "connect".
            EgressDenied: The guard refuses the host, or all of its addresses.
            ConfigError: Such a place can't be connected to.
            ProtocolError: The client was closed meanwhile.
        """
        if self._closed:
            raise final_error(CLOSED)
        timer = asyncio.timeout(limit)
        try:
            async with timer:
                self._under_way.add(timer)
                made = await self._made(place, factory, protocols, limit)
        except TimeoutError:  # the timer's: every other is translated
            if self._closed:
                raise final_error(CLOSED) from None
            raise RequestTimeout(slow_connect(limit), phase="connect") from None
        finally:
            self._under_way.discard(timer)
        return made

    def close(self) -> None:
        """End what is under way: those who wait for a connection get an error."""
        self._closed = True
        self.names.forget()
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:  # the loop was stopped meanwhile: whoever goes on in it finds the dialer closed
            return
        for timer in self._under_way:
            if not timer.expired():
                timer.reschedule(now)

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Look a host up, and leave out the addresses that the guard refuses (rule 1).

        Raises:
            EgressDenied: The guard refuses the host, or all of its addresses.
            ConnectError: The name does not resolve.
            ConfigError: It is not a name, or an odd spelling of an address.
        """
        guard = self._guard
        if guard is not None and (why := guard.host(host)) is not None:
            raise EgressDenied(f"egress: {why}")
        if is_odd(host):
            raise ConfigError(f"the host {host!r} is an odd spelling of an address: write four decimal numbers")
        try:
            found = await self.names.addresses(host, port)
        except RAISED as error:
            raise no_address(error, host) from error
        if not found:
            raise no_address(OSError("it has no address"), host)
        return found if guard is None else _allowed(guard, host, found)

    async def _made(
        self, place: Place, factory: Callable[[], P], protocols: tuple[str, ...], limit: float | None
    ) -> tuple[asyncio.Transport, P]:
        settings = self._settings(place.host, protocols, limit) if place.secure else {}
        renewals = self._tls.renewals
        proxy = None if place.proxy is None else tunnels.proxy_of(place.proxy)
        if self._unix_socket is not None:
            made = await self._local(factory, settings)
        elif proxy is None:
            made = await self._reach(place.host, place.port, factory, settings)
        elif proxy.is_socks:
            made = await self._over_socks(proxy, place, factory, settings, limit)
        elif place.secure:
            made = await self._through(proxy, place, factory, settings, limit)
        else:
            made = await self._to_proxy(proxy, factory, limit)
        transport, protocol = made
        if self._closed:
            transport.abort()
            raise final_error(CLOSED)
        if place.secure and renewals != self._tls.renewals:  # while it was made: it is outdated already
            transport.abort()
            return await self._made(place, factory, protocols, limit)
        if place.secure and self._tls.pins is not None:
            self._tls.check(place.host.partition("%")[0], transport)  # rule 2
        return transport, protocol

    def _settings(self, host: str, protocols: tuple[str, ...], limit: float | None) -> dict[str, Any]:
        """Return the TLS arguments of a new connection; new files retire the connections of those before."""
        context = self._tls.context(protocols)
        if self._tls.renewals != self._renewals:
            self._renewals = self._tls.renewals
            self._on_renewal()
        return handshake(context, host, limit)

    async def _local(self, factory: Callable[[], P], settings: dict[str, Any]) -> tuple[asyncio.Transport, P]:
        path: Any = self._unix_socket
        try:
            return await asyncio.get_running_loop().create_unix_connection(factory, path, **settings)
        except RAISED as error:
            raise no_connection(error, f"the socket {path}") from error

    async def _reach(
        self, host: str, port: int, factory: Callable[[], P], settings: dict[str, Any], proxy: str = ""
    ) -> tuple[asyncio.Transport, P]:
        """Connect to a server, or to a proxy, which is named then."""
        addresses = await self.addresses(host, port)
        first: Exception | None = None
        while True:
            peer = None
            try:
                wire, peer = await connected(addresses)
                return await asyncio.get_running_loop().create_connection(factory, sock=wire, **settings)
            except RAISED as error:
                first = first or error
            left = [address for address in addresses if address[4][:2] != peer] if peer is not None else []
            if not left or len(left) == len(addresses):
                break
            addresses = left
        where = f"the proxy {proxy}" if proxy else place_name(host, port)
        try:
            raise no_connection(first, where, proxy=proxy) from first
        finally:
            del first  # its traceback has this frame

    async def _to_proxy(
        self, proxy: tunnels.Proxy, factory: Callable[[], P], limit: float | None
    ) -> tuple[asyncio.Transport, P]:
        """Connect to an HTTP proxy; its key is checked where the pins name its host."""
        settings = self._settings(proxy.host, HTTP_1, limit) if proxy.secure else {}
        transport, protocol = await self._reach(proxy.host, proxy.port, factory, settings, proxy.where)
        if proxy.secure and isinstance(self._tls.pins, Mapping):
            self._tls.check(proxy.host, transport)
        return transport, protocol

    async def _through(
        self,
        proxy: tunnels.Proxy,
        place: Place,
        factory: Callable[[], P],
        settings: dict[str, Any],
        limit: float | None,
    ) -> tuple[asyncio.Transport, P]:
        """Speak TLS through a tunnel of an HTTP proxy."""
        transport, asking = await self._to_proxy(proxy, tunnels.Asking, limit)
        try:
            await asking.open(transport, proxy, place.host, place.port)
            return await tunnels.encrypted(transport, factory, settings)
        except RAISED as error:
            transport.abort()
            raise no_connection(error, place_name(place.host, place.port)) from error
        except BaseException:
            transport.abort()
            raise

    async def _over_socks(
        self,
        proxy: tunnels.Proxy,
        place: Place,
        factory: Callable[[], P],
        settings: dict[str, Any],
        limit: float | None,
    ) -> tuple[asyncio.Transport, P]:
        host = place.host
        if not proxy.looks_up:
            found = await self.addresses(host, place.port)
            host = tunnels.address_for(proxy, host, found)
        wire = await tunnels.socks(proxy, await self.addresses(proxy.host, proxy.port), host, place.port, limit)
        without_delay(wire)
        try:
            return await asyncio.get_running_loop().create_connection(factory, sock=wire, **settings)
        except RAISED as error:
            raise no_connection(error, place_name(place.host, place.port)) from error


def handshake(context: ssl.SSLContext, host: str, limit: float | None) -> dict[str, Any]:
    """Return the arguments of a TLS handshake (rule 6).

    Raises:
        ConfigError: The host can't be the name of a server.
    """
    name = host.partition("%")[0].rstrip(".")
    if not name or name.startswith("."):  # OpenSSL takes neither
        raise ConfigError(f"the host {host!r} can't be the name of a server: check the host in the URL")
    return {
        "ssl": context,
        "server_hostname": name,
        "ssl_handshake_timeout": max(limit or 0.0, _HANDSHAKE),
        "ssl_shutdown_timeout": _GOODBYE,
    }


async def connected(addresses: list[Address]) -> tuple[socket.socket, tuple[Any, ...] | None]:
    """Connect to the first of these addresses that can be connected to (rule 4).

    Returns:
        The socket, and its host and port if there was a choice.

    Raises:
        OSError: None of them can.
    """
    infos: Any = addresses
    wire = await aiohappyeyeballs.start_connection(infos, happy_eyeballs_delay=_HEAD_START, interleave=1)
    without_delay(wire)
    peer = None
    if len(addresses) > 1:
        with suppress(OSError):  # it has gone again: whoever uses the socket will see
            peer = wire.getpeername()[:2]
    return wire, peer


def without_delay(wire: socket.socket) -> None:
    """Have small writes sent at once; event loops do so for sockets that know that they are TCP's."""
    if wire.proto != socket.IPPROTO_TCP:
        with suppress(OSError):  # it has gone again
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _allowed(guard: Guard, host: str, found: list[Address]) -> list[Address]:
    """Return the addresses that the guard allows.

    Raises:
        EgressDenied: It allows none of them.
    """
    reasons = [guard.address(host, address[4][0]) for address in found]
    if let := [address for address, why in zip(found, reasons, strict=True) if why is None]:
        return let
    refused = ", ".join(dict.fromkeys(why for why in reasons if why is not None))
    name = "" if refused.startswith(f"{host} is") else f"{host}: "
    raise EgressDenied(f"egress: {name}{refused}; to allow it, name it in Egress(allow=[...])")
