"""Bring the results of a GraphQL subscription over a WebSocket, by graphql-transport-ws.

The messages are those of `asyncapi/sansio/graphql/transport_ws.py`.

Rules:
1. The payload of connection_init is the caller's; without one, it repeats the header fields that the credential put on
   the handshake, because browsers can't set those and servers therefore look there.
2. A connection is ready when the operation was sent on it; until then it has the time of the handshake.
3. What follows a close is `after_close`'s word, then that of the table of WebSocket; the client's retries bound it.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.errors import AsyncAPIError, ProtocolError, SocketClosed, final_error
from asyncapi.sansio.graphql.transport_ws import INVALID_MESSAGE, SUBPROTOCOL, Operation, Received, after_close
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.speakers.websocket import WebSocket


class SocketSource:
    """Results over a WebSocket.

    Args:
        websocket: Makes the socket: it takes `subprotocols`, `on_open` and `reconnect_on`.
        payload: The operation: query, variables, operationName.
        failed: Makes the error of an `error` message from its list.
        resumed: Called after a gap, before a result is handed out.
        init: The payload of connection_init, or a function that returns it, called for each connection (rule 1).
    """

    over: str = "websocket"

    def __init__(
        self,
        websocket: Callable[..., WebSocket[Any]],
        payload: dict[str, Any],
        failed: Callable[[list[dict[str, Any]]], AsyncAPIError],
        resumed: Callable[[], Awaitable[None]],
        *,
        init: Any = UNSET,
    ) -> None:
        self._socket = websocket(subprotocols=(SUBPROTOCOL,), on_open=self._start, reconnect_on=after_close)
        self._payload = payload
        self._failed = failed
        self._resumed = resumed
        self._init = init
        self._operation: Operation | None = None
        self._started = False
        self._proved = False

    async def open(self) -> None:
        """Connect, and send the operation."""
        await self._socket.__aenter__()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next result, or None when the subscription is complete.

        Raises:
            GraphQLError: The server ended it with errors.
            ProtocolError: The server broke the protocol.
            SocketClosed: The socket was closed, and no other connection follows.
        """
        while True:
            message = await self._socket.receive()
            received = await self._taken(message)
            if received.kind == "next":
                if not self._proved:  # a connection that brings results is no failure
                    self._proved = True
                    self._socket.settled()
                return received.payload  # type: ignore[no-any-return]
            if received.kind == "complete":
                return None
            if received.kind == "error":
                raise self._failed(received.payload)

    async def aclose(self, error: BaseException | None = None) -> None:
        """Tell the server that nobody listens any more, and close."""
        operation = self._operation
        if isinstance(error, asyncio.CancelledError):
            await self._socket.__aexit__(type(error), error, None)
            return
        try:
            if operation is not None and operation.acknowledged and not operation.over and error is None:
                operation.over = True
                with suppress(SocketClosed):
                    await self._socket.send(operation.stop())
        finally:
            broken = isinstance(error, ProtocolError) and error.final
            await self._socket.close(INVALID_MESSAGE if broken else 1000)

    async def _start(self, socket: WebSocket[Any]) -> None:
        """Open a connection: what happens on it before a result is handed out (rule 2)."""
        if socket.subprotocol != SUBPROTOCOL:
            raise final_error(f"the server speaks {socket.subprotocol or 'no subprotocol'}, not {SUBPROTOCOL}")
        self._operation = operation = Operation(uuid4().hex, self._payload, await self._init_of(socket))
        await socket.send(operation.first())
        while not operation.acknowledged:
            await self._taken(await socket.receive())
        await socket.send(operation.subscribe())
        self._proved = False
        if self._started:
            await self._resumed()
        self._started = True

    async def _taken(self, message: str | bytes) -> Received:
        received = self._operation.receive(message)  # type: ignore[union-attr]  # there is one since `_start`
        if received.reply is not None:
            with suppress(SocketClosed):  # `receive` tells of it
                await self._socket.send(received.reply)
        return received

    async def _init_of(self, socket: WebSocket[Any]) -> dict[str, Any] | None:
        """Return the payload of connection_init (rule 1)."""
        if self._init is UNSET:
            return dict(socket.signed_headers) or None
        found = self._init() if callable(self._init) else self._init
        return await found if inspect.isawaitable(found) else found  # type: ignore[no-any-return]
