"""WebSocket conversations as answers: the handshake, what is said, and how it ends (RFC 6455).

A `Talk` is what a handler returns for an upgrade request. What is said after the handshake is a function of its `Line`.
The line counts the messages that it sends, and brings the end that the request asked for:
- "close": a close frame with a code and a reason;
- "drop": the connection is closed without a close frame, which a client sees as 1006;
- "stall": nothing is sent or answered any more, pings included, and the connection stays open;
- "garbage": bytes that are no frame, which a client must refuse with 1002.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

Then = Literal["close", "drop", "stall", "garbage"]

SWITCHING: Final = 101
_GOING_AWAY = 1001
_LARGEST = 4 << 20
_PATIENCE = 1.0  # seconds for the client's close frame
_GARBAGE = b"\xff" * 8  # reserved bits and an unknown opcode (RFC 6455 section 5.2)


class Talk:
    """A conversation over a WebSocket.

    Args:
        speak: Says what is to be said; the conversation ends when it returns.
        protocols: The subprotocols it may take, the first that the client offers.
        messages: How many messages are sent before the end that `then` names; None for no limit.
        then: How it ends there.
        code: The code of a close frame.
        reason: Its reason.

    Attributes:
        status: For the statistics; 0 once the connection was dropped.
        pause: Seconds of silence after the first message.
    """

    def __init__(
        self,
        speak: Callable[[Line], Awaitable[None]],
        *,
        protocols: Iterable[str] = (),
        messages: int | None = None,
        then: Then = "close",
        code: int = 1000,
        reason: str = "",
    ) -> None:
        self._speak = speak
        self._socket = web.WebSocketResponse(
            timeout=_PATIENCE, autoping=False, autoclose=False, protocols=protocols, max_msg_size=_LARGEST
        )
        self.status: int = SWITCHING
        self.messages: int | None = messages
        self.then: Then = then
        self.code = code
        self.reason = reason
        self.pause: float = 0.0

    def cut(self, messages: int) -> Talk:
        """Drop the connection after so many messages."""
        self.messages, self.then = messages, "drop"
        return self

    async def hold(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """Make the handshake and speak until the end; returns what aiohttp wants, None where the connection is gone."""
        await self._socket.prepare(request)
        line = Line(self, self._socket, request)
        try:
            if self.messages == 0:
                await line.end()
            else:
                await self._speak(line)
            if line.ended is None:
                await self._socket.close()
        except _Ended:
            if line.ended == "garbage":  # read on until the client has gone
                await line.hear()
        if line.ended == "stall":
            await asyncio.Event().wait()  # until the client leaves, which cancels this
        return self._socket if self.status else None

    async def leave(self) -> None:
        """Close with 1001, as the server goes away."""
        with suppress(ConnectionError, RuntimeError):  # the client has left, or the handshake is not over
            await self._socket.close(code=_GOING_AWAY, message=b"the server is stopping")


class Line:
    """One end of a WebSocket: `say` and `hear`.

    Attributes:
        request: The handshake.
        ended: How the conversation was ended from this side, once it was.
    """

    def __init__(self, talk: Talk, socket: web.WebSocketResponse, request: web.BaseRequest) -> None:
        self.request = request
        self.ended: Then | None = None
        self._talk = talk
        self._socket = socket
        self._said = 0

    @property
    def protocol(self) -> str | None:
        """The subprotocol that both speak."""
        return self._socket.ws_protocol

    async def say(self, message: str | bytes) -> None:
        """Send a message; after the last one, bring the end. Does not return then."""
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)
        self._said += 1
        if self._said == 1 and self._talk.pause:
            await asyncio.sleep(self._talk.pause)
        if self._said == self._talk.messages:
            await self.end()
            raise _Ended

    async def hear(self) -> str | bytes | None:
        """Return the next message, or None when the client has closed. Answers pings meanwhile."""
        while True:
            message = await self._socket.receive()
            if self.ended == "stall":
                await asyncio.Event().wait()
            if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                return message.data  # type: ignore[no-any-return]
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                return None

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code and a reason."""
        await self._socket.close(code=code, message=reason.encode())

    async def end(self) -> None:
        """Bring the end that was asked for."""
        self.ended, transport = self._talk.then, self.request.transport
        if self.ended == "close":
            await self.close(self._talk.code, self._talk.reason)
        elif self.ended == "drop" and transport is not None:
            self._talk.status = 0
            transport.close()
        elif self.ended == "garbage" and transport is not None:
            transport.write(_GARBAGE)


class _Ended(Exception):
    """The conversation has had its last message."""
