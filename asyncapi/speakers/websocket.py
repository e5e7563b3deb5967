"""Speak WebSocket (RFC 6455): typed messages, and a new connection where one ends.

    async with api.websocket("/feed", model=Trade | Quote, on_open=subscribe) as ws:
        async for message in ws: ...

Rules:
1. Nothing is queued for a connection that is not there: `send` raises. Messages that came before an end are handed out
   before it is told.
2. The task that receives is the one that connects again (`speakers/connections.py`). It can be cancelled at any time,
   and goes on where it was.
3. The client's time limits end with the handshake and `on_open`. A `timeout` of the socket's own bounds all of it, and
   a `deadline` scope what is done inside it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from asyncapi.errors import AsyncAPIError, ConfigError, SocketClosed
from asyncapi.layers import deadline
from asyncapi.messages import decoding, encoding
from asyncapi.messages.upgrade import Closed
from asyncapi.sansio.http import closecodes
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.speakers.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from yarl import URL

    from asyncapi.messages.upgrade import Upgrade
    from asyncapi.speakers.line import Line

T = TypeVar("T")

_KIND = "a message"
_NO_JSON = "the message isn't valid JSON"


class WebSocket(Connections, Generic[T]):
    """A WebSocket: `async with` it, then `async for` over it, or `receive()` and `send()`.

    Attributes:
        subprotocol: The one that the server has chosen, or None.
        close_code: The code of the last close; None before the first.
        reconnects: How often it has been connected again.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, line: Line, url: str | URL, upgrade: Upgrade, options: dict[str, Any], **how: Any) -> None:
        model = how.pop("model", None)
        super().__init__(line, url, upgrade, options, **how)
        self._read = None if model is None else decoding.reader(model)
        self._model = model
        self._reading = False

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise ConfigError("a socket can be opened once: call client.websocket(...) again")
        self._state = "open"
        try:
            if not await self._connect(first=True):
                await self._connect_again()
        except BaseException:
            self._state = "closed"
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):  # the peer is told, but not waited for
            self._end("closed", None)
        else:
            await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next message; it ends with a normal close (1000).

        Raises:
            SocketClosed: The socket was closed otherwise, and no other connection follows.
            TransportError: No other connection could be had.
            StatusError: The server refuses another connection.
            RequestTimeout: The time of the socket, or of a deadline scope, is over.
            DecodeError: The message is not JSON, or (SchemaError) does not fit; `.body` has it. The socket stays open.
        """
        socket = self._socket
        message: str | bytes | Closed | None
        if socket is None or self._reading or self._due is not None or deadline.current.get() is not None:
            message = await self._next()
            if message is None:
                raise StopAsyncIteration
        else:
            self._reading = True
            try:
                message = await socket.receive()
            finally:
                self._reading = False
            if isinstance(message, Closed):
                self._after(message, socket)
                return await self.__anext__()
        return message if self._read is None else self._parsed(message)  # type: ignore[return-value]

    async def receive(self) -> T:
        """Return the next message.

        Raises:
            SocketClosed: The socket is closed, also by a normal close (`.code` 1000).
            AsyncAPIError: As the loop does.
        """
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            pass
        raise self._closed_error("the socket is closed")

    async def send(self, message: Any) -> None:
        """Send a message; wait while the server is slow to read.

        Args:
            message: Text, or bytes; a pydantic model or plain data is sent as JSON text.

        Raises:
            SocketClosed: There is no connection, now or any more: the message is not sent.
            ConfigError: JSON can't represent it, or the socket is not open yet.
            RequestTimeout: The time is over; the message may have been sent.
        """
        if type(message) is not str and not isinstance(message, str | bytes):
            if isinstance(message, bytearray | memoryview):
                message = bytes(message)
            else:
                message = encoding.json(message, "send: ").decode()
        socket = self._socket
        if socket is None:
            self._check_begun()
            raise self._closed_error("not sent: there is no connection")
        try:
            if self._due is None and deadline.current.get() is None:
                await socket.send(message)
            else:
                await self._within(self._due, socket.send(message), "sending took until the deadline")
        except SocketClosed as error:
            raise self._with_call(error)  # noqa: B904 - the same error
        except UnicodeEncodeError:
            raise ConfigError("send: a lone surrogate, which UTF-8 can't represent: remove it") from None

    async def send_json(self, data: Any) -> None:
        """Send anything as JSON text, text included; as `send`."""
        await self.send(encoding.json(data, "send_json: ").decode())

    async def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message; as `send`."""
        await self.send(bytes(data))

    async def close(self, code: int = closecodes.NORMAL, reason: str = "") -> None:
        """Close the socket, and wait for the server to do so, two seconds at the most. May be called twice.

        A task that waits for a message finds the socket closed; messages that were not received are dropped.

        Raises:
            ConfigError: The code can't be sent, or the reason is too long.
        """
        if not closecodes.is_sendable(code):
            raise ConfigError(f"close({code!r}): give 1000, or 3000 to 4999 (RFC 6455 section 7.4)")
        if len(reason.encode()) > closecodes.MOST_REASON:
            raise ConfigError(f"close(reason=...): at most {closecodes.MOST_REASON} bytes")
        socket, body = self._socket or self._left, None if self._response is None else self._response.open_body
        if self._state == "open":
            self.close_code: int | None = self.close_code if self._socket is None else code
            self._state, self._socket = "closed", None
        if self._connecting is not None and self._opener is not asyncio.current_task():
            self._connecting.expire()
        try:
            if socket is not None:
                await socket.close(code, reason)
        finally:
            if body is not None:
                body.close()

    def settled(self) -> None:
        """Say that this connection has proved good, as a message can: the failures before it don't count any more."""
        self._row.settled(float("inf"))

    @property
    def signed_headers(self) -> tuple[tuple[str, str], ...]:
        """The header fields that the credential put on the last handshake, for protocols that repeat them: secret."""
        request = None if self._response is None else self._response.request
        signature = None if request is None else request.call.signature
        return () if signature is None else tuple(signature.headers)

    def __repr__(self) -> str:
        return f"<WebSocket {self._state}, {self.reconnects} reconnects>"

    # --- receiving -------------------------------------------------------------------------------------------------

    async def _next(self) -> str | bytes | None:
        """Return the next message, None at a normal end."""
        self._check_begun()
        if self._opener is asyncio.current_task():
            return await self._next_in_open()
        if self._reading:
            raise ConfigError("two tasks receive from one socket: let one of them receive, and share what it gets")
        self._reading = True
        try:
            while self._state == "open":
                socket = self._socket
                if socket is None:
                    await self._connect_again()
                    continue
                message = await self._within(self._due, socket.receive(), "no message came before the deadline")
                if type(message) is not Closed:
                    return message  # type: ignore[no-any-return]
                self._after(message, socket)
        finally:
            self._reading = False
        if self._error is not None:
            raise self._error
        return None

    async def _next_in_open(self) -> str | bytes:
        socket = self._socket
        message = Closed(closecodes.LOST) if socket is None else await socket.receive()
        if type(message) is Closed:
            self._ended_in_open = message
            raise self._error_of(message)
        return message  # type: ignore[return-value]

    def _parsed(self, message: str | bytes) -> T:
        """Read a message as a value of the model."""
        try:
            return self._read(message)  # type: ignore[misc, arg-type, no-any-return]  # it takes text as well as bytes
        except ValueError:  # pydantic's ValidationError is one
            body = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        try:
            return decoding.parse(self._model, body, _KIND)  # type: ignore[no-any-return]
        except AsyncAPIError as error:
            error.message = error.message.replace(f"the response isn't valid JSON (Content-Type {_KIND})", _NO_JSON)
            error.args = (error.message,)
            if self._response is not None and self._response.request is not None:
                error.request = self._response.request.redacted()
            raise
