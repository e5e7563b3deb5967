"""aiohttp's connectors, with three things of our own.

A call learns when it waits for a new connection, and a body that can't be decoded to its end, or whose connection we
close, is told to its reader.

The last two mend aiohttp (seen in 3.13.5 and 3.14.5): an error in the last bytes of an encoded body, and the end of the
session, reach the connection but not the body's reader, who would wait until his time-out, or for ever.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from collections.abc import Sized

    from asyncapi.types import Call

Connecting = dict["asyncio.Task[Any] | None", "Call"]


class _Handler(ResponseHandler):
    """One connection."""

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        body = self._payload
        super().set_exception(exc, *cause)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(exc, *cause)

    def close(self) -> None:
        body = self._payload
        super().close()
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientConnectionError("closed by ourselves"))


class _Ours:
    """Says when a connection is made; a reused one costs nothing here.

    Attributes:
        connecting: The call of each task that is in the session now.
    """

    connecting: Connecting

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        call = self.connecting.get(asyncio.current_task())
        create = super()._create_connection  # type: ignore[misc]  # the connector's, next in line
        if call is None:
            return await create(req, traces, timeout)
        then, call.phase, call.reused = call.phase, "connect", False
        proto = await create(req, traces, timeout)
        call.phase = then
        return proto


class TCPConnector(_Ours, aiohttp.TCPConnector):
    """Over TCP."""


class UnixConnector(_Ours, aiohttp.UnixConnector):
    """Over a Unix socket."""


def adopt(connector: TCPConnector | UnixConnector, connecting: Connecting) -> Sized:
    """Make its connections ours: inside the running loop, before the first one.

    Returns:
        Sized: The connections that wait to be used again; empty when none does.
    """
    connector.connecting = connecting
    connector._factory = partial(_Handler, loop=asyncio.get_running_loop())  # type: ignore[assignment]  # noqa: SLF001
    return connector._conns  # noqa: SLF001
