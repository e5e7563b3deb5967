"""aiohttp's connectors, with things of our own where a connection is made.

1. A call learns when it waits for a new connection.
2. The TLS context is asked for anew, pinned keys are looked at, and addresses go by the egress guard.
3. What comes over it is looked after by `Handler`.
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
from asyncapi.transports.outgoing import scoped

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from aiohttp.client_proto import ResponseHandler

    from asyncapi.messages.call import Call
    from asyncapi.sansio.http.egress import Guard
    from asyncapi.transports.tls import Handshakes

Connecting = dict["asyncio.Task[Any] | None", "Call"]


class _Ours:
    """Says when a connection is made, and sees to its safety; a reused one costs nothing here.

    Attributes:
        connecting: The call of each task that is in the session now.
        tls: What its TLS connections are made with.
    """

    connecting: Connecting
    tls: Handshakes
    _latest: ssl.SSLContext | None = None

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        call = self.connecting.get(asyncio.current_task())
        create = super()._create_connection  # type: ignore[misc]  # the connector's, next in line
        if call is None:
            return await self._checked(create, req, traces, timeout)
        then, call.phase, call.reused = call.phase, "connect", False
        proto = await self._checked(create, req, traces, timeout)
        call.phase = then
        return proto

    async def _checked(self, create: Any, req: Any, traces: Any, timeout: Any) -> Any:
        """A connection to a server that has shown a pinned key, where keys are pinned: nothing was sent to it yet."""
        proto = await create(req, traces, timeout)
        if self.tls.pins is not None and req.is_ssl():
            self.tls.check(req.url.raw_host, proto.transport)
        return proto

    def _get_ssl_context(self, req: Any) -> ssl.SSLContext | None:
        """The context of the next connection. A new one retires the connections that were made with the one before."""
        if not req.is_ssl():
            return None
        context = self.tls.context()
        if context is not self._latest:
            if self._latest is not None:
                self._retire()
            self._latest = context
        return context

    def _retire(self) -> None:
        """Close the connections that wait, and those that are in use after their answer: no call is cut off."""
        for key, kept in self._conns.items():  # type: ignore[attr-defined]  # the connector's
            if key.is_ssl:
                for proto, _ in kept:
                    proto.close()
        for proto in self._acquired:  # type: ignore[attr-defined]  # the same
            if isinstance(proto, Handler):
                proto.force_close()


class TCPConnector(_Ours, aiohttp.TCPConnector):
    """Over TCP, to addresses that its guard lets pass.

    Attributes:
        guard: Refuses hosts and addresses, or None.
    """

    guard: Guard | None = None

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> Any:
        """The addresses that are connected to next: what is checked here is what is used.

        Raises:
            EgressDenied: None of them may be.
        """
        guard = self.guard
        if "%" in host:
            host = scoped(host)
        if guard is None:
            return await super()._resolve_host(host, port, traces)
        if (why := guard.host(host)) is not None:
            raise EgressDenied(f"egress: {why}")
        found = await super()._resolve_host(host, port, traces)
        reasons = [guard.address(host, one["host"]) for one in found]
        if (let := [one for one, why in zip(found, reasons, strict=True) if why is None]) or not found:
            return let
        refused = ", ".join(dict.fromkeys(why for why in reasons if why is not None))
        whose = "" if refused.startswith(f"{host} is") else f"{host}: "
        raise EgressDenied(f"egress: {whose}{refused}; to allow it, name it in Egress(allow=[...])")


class _UnixConnector(aiohttp.UnixConnector):
    """aiohttp's speaks plain text over the socket, for https too."""

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
    """Over a Unix socket."""


def adopt(connector: TCPConnector | UnixConnector, connecting: Connecting, tls: Handshakes, most: int) -> Sized:
    """Make its connections ours: inside the running loop, before the first one.

    Args:
        connector: Whose.
        connecting: The call of each task that is in the session.
        tls: What TLS connections are made with.
        most: Bytes of an answer's headers.

    Returns:
        Sized: The connections that wait to be used again; empty when none does.
    """
    connector.connecting, connector.tls = connecting, tls
    factory = partial(Handler, loop=asyncio.get_running_loop(), most=most)
    connector._factory = factory  # type: ignore[assignment]  # noqa: SLF001
    return connector._conns  # noqa: SLF001
