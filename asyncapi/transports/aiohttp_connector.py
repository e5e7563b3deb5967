"""aiohttp's connectors, with our own steps where a connection is made.

Rules:
1. A call learns that it waits for a new connection: its phase is "connect" until the connection is there.
2. Every new connection uses the current TLS context; pinned keys and addresses (the egress guard) are checked before
   anything is sent.
3. `Handler` looks after the bytes that arrive over it.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError

from asyncapi.errors import EgressDenied
from asyncapi.transports.aiohttp_handler import Handler
from asyncapi.transports.aiohttp_request import Instead
from asyncapi.transports.outgoing import scoped

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from aiohttp.client_proto import ResponseHandler

    from asyncapi.messages.call import Call
    from asyncapi.sansio.http.egress import Guard
    from asyncapi.transports.tls import Handshakes

Connecting = dict["asyncio.Task[Any] | None", "Call"]


class _Ours:
    """Reports and checks new connections; a reused connection costs nothing here.

    Attributes:
        connecting: The call of each task that is in the session now.
        tls: Makes the contexts of TLS connections.
    """

    connecting: Connecting
    tls: Handshakes
    _latest: ssl.SSLContext | None = None

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        call = self.connecting.get(asyncio.current_task())
        create = super()._create_connection  # type: ignore[misc]  # the connector's, next in line
        # no attempt of ours asked for this connection
        if call is None:
            return await self._checked(create, req, traces, timeout)
        phase, call.phase, call.reused = call.phase, "connect", False  # rule 1
        proto = await self._checked(create, req, traces, timeout)
        call.phase = phase
        return proto

    async def _checked(self, create: Any, req: Any, traces: Any, timeout: Any) -> Any:
        """Make a connection, and check the server's key where keys are pinned, before anything is sent (rule 2)."""
        proto = await create(req, traces, timeout)
        if self.tls.pins is not None and req.is_ssl():
            self.tls.check(req.url.raw_host, proto.transport)
        return proto

    def _get_ssl_context(self, req: Any) -> ssl.SSLContext | None:
        """Return the context of the next connection (rule 2); a new one retires the connections of the one before."""
        if not req.is_ssl():
            return None
        context = self.tls.context()
        if context is not self._latest:
            if self._latest is not None:
                self._retire()
            self._latest = context
        return context

    def _retire(self) -> None:
        """Close idle connections now, and the others after their response: no call is cut off."""
        for key, idle in self._conns.items():  # type: ignore[attr-defined]  # the connector's
            if key.is_ssl:
                for proto, _ in idle:
                    proto.close()
        for proto in self._acquired:  # type: ignore[attr-defined]  # the same
            if isinstance(proto, Handler):
                proto.force_close()


class _Tunnelled(Instead):
    """A request that goes through a tunnel, as aiohttp knows it for TLS alone."""

    def is_ssl(self) -> bool:
        return True


class TCPConnector(_Ours, aiohttp.TCPConnector):
    """Connects over TCP, to addresses that its guard allows.

    Attributes:
        guard: Refuses hosts and addresses, or None.
    """

    guard: Guard | None = None

    async def _create_proxy_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        """Ask a proxy for a connection, or for a tunnel: for WebSocket without TLS, too (RFC 6455 section 4.1)."""
        seen: Any = _Tunnelled(req) if getattr(req, "wants_tunnel", False) else req
        return await super()._create_proxy_connection(seen, traces, timeout)

    async def _start_tls_connection(self, underlying_transport: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        """Speak TLS in a tunnel, where that was asked for."""
        if type(req) is not _Tunnelled:
            return await super()._start_tls_connection(underlying_transport, req, *args, **kwargs)
        proto: Any = self._factory()
        underlying_transport.set_protocol(proto)
        proto.connection_made(underlying_transport)
        return underlying_transport, proto

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> Any:
        """Resolve a host to the addresses to connect to: those that are checked here are those that are used (rule 2).

        Raises:
            EgressDenied: The guard allows none of them.
        """
        guard = self.guard
        # yarl keeps the zone of an IPv6 address percent-encoded
        if "%" in host:
            host = scoped(host)
        if guard is None:
            return await super()._resolve_host(host, port, traces)
        if (why := guard.host(host)) is not None:
            raise EgressDenied(f"egress: {why}")
        found = await super()._resolve_host(host, port, traces)
        reasons = [guard.address(host, address["host"]) for address in found]
        if (let := [address for address, why in zip(found, reasons, strict=True) if why is None]) or not found:
            return let
        refused = ", ".join(dict.fromkeys(why for why in reasons if why is not None))
        name = "" if refused.startswith(f"{host} is") else f"{host}: "
        raise EgressDenied(f"egress: {name}{refused}; to allow it, name it in Egress(allow=[...])")


class _UnixConnector(aiohttp.UnixConnector):
    """aiohttp's own connector speaks plain text over the socket, for https too."""

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        if not req.is_ssl():
            return await super()._create_connection(req, traces, timeout)
        context = cast("UnixConnector", self)._get_ssl_context(req)  # noqa: SLF001
        name = (req.server_hostname or req.url.raw_host).rstrip(".")
        loop, factory = asyncio.get_running_loop(), cast("Callable[[], ResponseHandler]", self._factory)
        try:
            _, proto = await loop.create_unix_connection(factory, self._path, ssl=context, server_hostname=name)
        except (ssl.SSLError, ssl.CertificateError):
            raise
        except OSError as error:
            raise UnixClientConnectorError(self.path, req.connection_key, error) from error
        return proto


class UnixConnector(_Ours, _UnixConnector):
    """Connects over a Unix socket."""


class SessionConnections:
    """The connections of a session of ours, for when its client is collected without having been closed.

    Args:
        session: The session; from then on it says nothing of its own.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.loop: asyncio.AbstractEventLoop = session._loop  # noqa: SLF001 - the loop that its connections live in

    @property
    def closed(self) -> bool:
        """Whether the session is closed."""
        return self._session.closed

    def close(self) -> None:
        """Close the connections."""
        connector = self._session.connector
        self._session.detach()
        if connector is not None and not connector.closed:
            connector._close()  # noqa: SLF001 - as aiohttp's own finalizer: `close()` wants to be awaited

    def abandon(self) -> None:
        """Keep aiohttp's finalizer from closing them: they are the parent process's."""
        connector = self._session.connector
        self._session.detach()
        if connector is not None:
            connector._closed = True  # noqa: SLF001


def adopt(connector: TCPConnector | UnixConnector, connecting: Connecting, tls: Handshakes, max_headers: int) -> Sized:
    """Have a connector make `Handler` connections; call it inside the running loop, before the first connection.

    Args:
        connector: A new connector.
        connecting: The call of each task that is in the session.
        tls: Makes the contexts of TLS connections.
        max_headers: Most bytes of a response's header section.

    Returns:
        Sized: The idle connections; empty when there is none.
    """
    connector.connecting, connector.tls = connecting, tls
    factory = partial(Handler, loop=asyncio.get_running_loop(), max_headers=max_headers)
    connector._factory = factory  # type: ignore[assignment]  # noqa: SLF001
    return connector._conns  # noqa: SLF001
