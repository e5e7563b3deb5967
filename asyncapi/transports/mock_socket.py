"""WebSockets without a network: the peer is a script or a function, in the event loop of the test.

Rules:
1. The client takes messages in order; at most 16 wait for it, then the peer's `send` waits, as a network's buffers do.
   What the client sends never waits.
2. The end comes once the client has taken the messages before it and waits for more, so a test doesn't depend on who is
   faster; only `Peer.close` doesn't wait for that. A drop is what a client sees as 1006 (RFC 6455 section 7.1.5).
3. A peer that is silent (`pongs=False`) answers neither PING nor CLOSE. The heartbeat finds out, as that of a real
   connection does: a PING after so many seconds of silence, and half as many until its PONG is due. A close waits 2 s.
4. The time is the event loop's, so it is virtual under `asyncapi.testing.run`.
5. What the peer raises reaches the test: an OSError drops the connection, and anything else is raised to the client.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from multidict import CIMultiDict

from asyncapi.errors import ConfigError, SocketClosed, final_error
from asyncapi.messages.open_body import OpenBody
from asyncapi.messages.response import Response
from asyncapi.messages.upgrade import Closed
from asyncapi.sansio.http.closecodes import MOST_REASON, describe

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.upgrade import Upgrade

_WAITING = 16
_DROPPED, _TOO_BIG = 1006, 1009
_LOWEST, _HIGHEST = 1000, 4999
_CLOSE_TIME = 2.0  # seconds
_SWITCHING = 101
_HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # the one of RFC 6455 section 1.3
}


def handshake(request: Request, upgrade: Upgrade) -> Request:
    """Return the handshake as it would be sent: with the headers that a transport adds."""
    headers = CIMultiDict(request.headers)
    headers.update(_HANDSHAKE)
    if upgrade.subprotocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(upgrade.subprotocols)
    return request.copy(headers=headers)


class Peer:
    """The other end of a mock socket, for a peer that is a function: `async for` over it for what the client sends.

    Attributes:
        request: The handshake, as the client sent it.
    """

    def __init__(self, request: Request, pipe: _Pipe) -> None:
        self.request: Request = request
        self._pipe = pipe

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        pipe = self._pipe
        while not pipe.to_peer:
            if pipe.end is not None:
                raise StopAsyncIteration
            await pipe.changed()
        return pipe.to_peer.popleft()

    async def receive(self) -> str | bytes:
        """Return the next message of the client.

        Raises:
            ConnectionResetError: The connection has ended.
        """
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise ConnectionResetError("the client has closed the socket") from None

    async def send(self, message: Any) -> None:
        """Send a message: text, bytes, or a model or plain data as JSON text.

        Raises:
            ConnectionResetError: The connection has ended.
        """
        pipe = self._pipe
        while len(pipe.to_client) >= _WAITING and pipe.end is None:
            await pipe.changed()
        if pipe.end is not None:
            raise ConnectionResetError("the client has closed the socket")
        data = _encoded(message)
        if pipe.most is not None and len(data.encode() if isinstance(data, str) else data) > pipe.most:
            pipe.finish(Closed(_TOO_BIG, why=f"a message is larger than max_message={pipe.most}"))
            return
        pipe.to_client.append(data)
        pipe.heard()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code; 1006 drops the connection, without a CLOSE. It ends the conversation at once."""
        self._pipe.finish(_closed(code, reason))


class MockSocket:
    """A WebSocket that a handler of `MockTransport` returns; `asyncapi.testing.socket` makes it.

    Attributes:
        sent: The messages that the client has sent, oldest first: text or bytes.
        closed: The code and the reason that the client has closed with; None where it has not.
        request: The handshake, once there was one.
    """

    def __init__(
        self,
        messages: Iterable[Any] | AsyncIterable[Any] | Callable[[Peer], object] = (),
        *,
        close: int | None = 1000,
        reason: str = "",
        pongs: bool = True,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(messages, str | bytes | bytearray | Mapping):
            raise ConfigError(f"socket({messages!r:.60}): give a list of messages, even for one")
        self.sent: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None
        self.request: Request | None = None
        self._messages = messages
        self._end = None if close is None else _closed(close, reason)
        self._pongs = pongs
        self._subprotocol = subprotocol
        self._headers = dict(headers or {})

    def accept(self, request: Request) -> Response:
        """Answer a handshake with a response of 101, whose open body has the socket.

        Raises:
            ConfigError: The request is no handshake, or the socket has had one.
        """
        upgrade = request.call.upgrade
        if upgrade is None:
            raise ConfigError(
                f"the mock handler returned a socket for {request.method} {request.url}, which is no WebSocket: "
                "return reply(...)"
            )
        picked = self._picked(upgrade)
        if picked is not None and picked not in upgrade.subprotocols:
            raise final_error(f"the handshake failed: the server speaks {picked!r:.60}, which was not offered")
        if self.request is not None:
            raise ConfigError(
                "the mock handler returned a socket that was used before: make a new one for each handshake"
            )
        self.request = handshake(request, upgrade)
        pipe = _Pipe(None if self._pongs else upgrade.heartbeat, upgrade.max_message)
        task = asyncio.get_running_loop().create_task(self._talk(Peer(self.request, pipe), pipe))
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", **self._headers}
        if picked:
            headers["Sec-WebSocket-Protocol"] = picked
        response = Response(_SWITCHING, headers)

        def stop() -> None:
            pipe.finish(Closed(_DROPPED, why="the client was closed"))
            task.cancel()

        body = response.open_body = OpenBody(_nothing, stop)
        body.socket = _End(self, pipe, picked, answers=self._pongs)
        if request.call.open_bodies is not None:
            request.call.open_bodies.append(body)
        return response

    def _picked(self, upgrade: Upgrade) -> str | None:
        if self._subprotocol is None:
            return next(iter(upgrade.subprotocols), None)
        return self._subprotocol or None

    async def _talk(self, peer: Peer, pipe: _Pipe) -> None:
        end: Closed | Exception | None = self._end
        try:
            if callable(self._messages):
                talking = self._messages(peer)
                if inspect.isawaitable(talking):
                    await talking
            elif isinstance(self._messages, AsyncIterable):
                async for message in self._messages:
                    await peer.send(message)
            else:
                for message in self._messages:
                    await peer.send(message)
        except OSError as error:
            end = Closed(_DROPPED, why=f"{type(error).__name__}: {error}")
        except Exception as error:
            end = error
        if end is not None:
            await pipe.drained()
            pipe.finish(end)


class _Pipe:
    """What is between the two ends.

    Args:
        patience: The heartbeat that nobody answers, in seconds; None where there is none, or it is answered.
        most: Most bytes of a message to the client; None for no bound.
    """

    def __init__(self, patience: float | None, most: int | None) -> None:
        self.most: int | None = most
        self.to_client: deque[str | bytes] = deque()
        self.to_peer: deque[str | bytes] = deque()
        self.end: Closed | Exception | None = None
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._hungry = False  # the client waits, and there is no message
        self.heard()

    async def changed(self) -> None:
        """Wait until something has happened."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    async def wanted(self) -> None:
        """Wait for a message, or the end."""
        self._hungry = True
        self.ring()
        try:
            await self.changed()
        finally:
            self._hungry = False

    async def drained(self) -> None:
        """Wait until the client has taken all messages and waits for more (rule 2), or it has ended."""
        while self.end is None and (self.to_client or not self._hungry):
            await self.changed()

    def ring(self) -> None:
        """Wake whoever waits."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def heard(self) -> None:
        """Note a sign of life of the peer: the next PING is a heartbeat away (rule 3)."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._patience is not None and self.end is None:
            loop = asyncio.get_running_loop()
            end = Closed(_DROPPED, why=f"no PONG within {self._patience / 2:g} s")
            self._timer = loop.call_later(1.5 * self._patience, self.finish, end)
        self.ring()

    def finish(self, end: Closed | Exception) -> None:
        """End it, unless it has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.end is None:
            self.end = end
            self.ring()


class _End:
    """The client's end: a `Socket` of `asyncapi/messages/upgrade.py`."""

    def __init__(self, mock: MockSocket, pipe: _Pipe, subprotocol: str | None, *, answers: bool) -> None:
        self._mock = mock
        self._pipe = pipe
        self.subprotocol: str | None = subprotocol
        self._answers = answers

    async def send(self, message: str | bytes) -> None:
        """Hand a message to the peer.

        Raises:
            SocketClosed: The connection has ended.
        """
        pipe = self._pipe
        if isinstance(pipe.end, Exception):
            raise pipe.end  # rule 5
        if pipe.end is not None:
            why = f": {pipe.end.why}" if pipe.end.why else ""
            raise SocketClosed(
                f"not sent: the socket is closed, {describe(pipe.end.code)}{why}",
                code=pipe.end.code,
                reason=pipe.end.reason,
            )
        self._mock.sent.append(message)
        pipe.to_peer.append(message)
        pipe.ring()

    async def receive(self) -> str | bytes | Closed:
        """Wait for the next message, or the end. What the peer's function has raised is raised here (rule 5)."""
        pipe = self._pipe
        while not pipe.to_client:
            if isinstance(pipe.end, Exception):
                raise pipe.end
            if pipe.end is not None:
                return pipe.end
            await pipe.wanted()
        message = pipe.to_client.popleft()
        pipe.ring()
        return message

    async def close(self, code: int, reason: str) -> None:
        """Close; 2 s at the most where the peer is silent (rule 3)."""
        pipe = self._pipe
        if pipe.end is not None:
            return
        self._mock.closed = code, reason
        pipe.finish(Closed(code, reason, "closed by ourselves"))
        if not self._answers:
            await asyncio.sleep(_CLOSE_TIME)


def _closed(code: int, reason: str) -> Closed:
    if not _LOWEST <= code <= _HIGHEST:
        raise ConfigError(f"a close code is from {_LOWEST} to {_HIGHEST}, not {code!r}")
    if len(reason.encode()) > MOST_REASON:
        raise ConfigError(f"the reason of a close has at most {MOST_REASON} bytes")
    return Closed(code, reason)


def _encoded(message: Any) -> str | bytes:
    if isinstance(message, str | bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    from pydantic_core import to_json  # noqa: PLC0415 - costs start-up time that most tests needn't pay

    return to_json(message).decode()


async def _nothing() -> bytes:
    return b""
