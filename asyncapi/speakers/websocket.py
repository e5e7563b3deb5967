"""Speak WebSocket (RFC 6455): typed messages, and a new connection where one ends.

    async with api.websocket("/feed", model=Trade | Quote, on_open=subscribe) as ws:
        async for message in ws: ...

Rules:
1. Each handshake is a call of the client, with its limits, retries and credentials; the connection holds the call's
   place in the queues until it is closed.
2. What follows an end is decided by its code (`sansio/http/closecodes.py`) and by the row of failures before it
   (`speakers/reconnection.py`). It never passes in silence: either another connection follows, or the last error is
   raised, and raised again.
3. `on_open` runs on every new connection before a message of it is handed out. A connection that ends meanwhile has
   failed like any other.
4. Nothing is queued for a connection that is not there: `send` raises. Messages that came before an end are handed out
   before it is told.
5. The task that receives is the one that connects again. It can be cancelled at any time, and goes on where it was.
6. The client's time limits end with the handshake and `on_open`. A `timeout` of the socket's own bounds all of it, and a
   `deadline` scope what is done inside it.
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from asyncapi.errors import (
    AsyncAPIError,
    ConfigError,
    RejectedError,
    RequestTimeout,
    SocketClosed,
    StatusError,
    TransportError,
    final_error,
)
from asyncapi.layers import deadline
from asyncapi.messages import decoding, encoding
from asyncapi.messages.upgrade import Closed
from asyncapi.sansio.http import closecodes
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.speakers.reconnection import Reconnection
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from asyncapi.messages.response import Response
    from asyncapi.messages.upgrade import Socket, Upgrade
    from asyncapi.settings import Retry
    from asyncapi.speakers.line import Line

T = TypeVar("T")

_SWITCHED = 101
_KIND = "a message"


class WebSocket(Generic[T]):
    """A WebSocket: `async with` it, then `async for` over it, or `receive()` and `send()`.

    Attributes:
        subprotocol: The one that the server has chosen, or None.
        close_code: The code of the last close; None before the first.
        reconnects: How often it has been connected again.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(
        self,
        line: Line,
        url: str,
        upgrade: Upgrade,
        options: dict[str, Any],
        *,
        policy: Retry | None,
        model: Any = None,
        on_open: Callable[[WebSocket[Any]], Any] | None = None,
        reconnect_on: closecodes.ReconnectOn = (),
    ) -> None:
        self.subprotocol: str | None = None
        self.close_code: int | None = None
        self.reconnects: int = 0
        self._line = line
        self._url = url
        self._upgrade = upgrade
        self._options = options
        self._own_time = options.get("timeout", UNSET) is not UNSET
        self._read = None if model is None else decoding.reader(model)
        self._model = model
        self._on_open = on_open
        self._reconnect_on = reconnect_on
        self._row = Reconnection(policy, line.clock)
        self._state = "new"
        self._socket: Socket | None = None
        self._response: Response | None = None  # to the last handshake
        self._opened = 0.0
        self._due: float | None = None  # rule 6
        self._refused: tuple[Any, ...] = ()
        self._reading = False
        self._opener: asyncio.Task[Any] | None = None  # runs `on_open`
        self._ended_in_open: Closed | None = None
        self._connecting: Any = None  # the guard of the task that connects again
        self._error: AsyncAPIError | None = None  # that ended it (rule 2)

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
            if type(message) is Closed:
                self._after(message, socket)
                return await self.__anext__()
        return message if self._read is None else self._parsed(message)  # type: ignore[return-value, arg-type]

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
        if self._due is None and deadline.current.get() is None:
            await socket.send(message)
        else:
            await self._within(self._due, socket.send(message), "sending took until the deadline")

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
        socket, body = self._socket, None if self._response is None else self._response.open_body
        if self._state == "open":
            self._state, self._socket = "closed", None
            self.close_code = self.close_code if socket is None else code
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
        self._row.settled(inf)

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
            if self._response is not None and self._response.request is not None:
                error.request = self._response.request.redacted()
            raise

    # --- ends ------------------------------------------------------------------------------------------------------

    def _after(self, closed: Closed, socket: Socket) -> None:
        """Decide what follows the end of a connection (rule 2)."""
        if self._socket is not socket or self._state != "open":  # by `close()`
            return
        error = self._error_of(closed)
        self.close_code = closed.code
        self._row.settled(self._line.clock.now() - self._opened)
        what = closecodes.what_next(closed.code, closed.reason, self._reconnect_on)
        if what == "end":
            self._end("ended", None)
        elif (what == "renew" and self._renews()) or self._row.after(what, error):
            self._release(error)
        else:
            self._end("ended", error)

    def _renews(self) -> bool:
        """Whether a fresh credential is on its way, or could be somewhere that we don't know of (`on_open`)."""
        request = None if self._response is None else self._response.request
        if request is None or not self._row.may_renew():
            return False
        signature = request.call.signature
        if signature is None:
            return True
        self._refused = (signature,)
        return bool(self._line.renew(request))

    def _end(self, state: str, error: AsyncAPIError | None) -> None:
        self._state, self._error = state, error
        self._release(error)

    def _release(self, error: BaseException | None) -> None:
        """Let go of the connection, and of its place in the queues."""
        response, self._socket = self._response, None
        if response is not None and response.open_body is not None:
            response.open_body.close(error)

    def _error_of(self, closed: Closed) -> SocketClosed:
        who = "the socket has ended" if closed.why else "the server closed the socket"
        text = f"{who}: {closecodes.describe(closed.code)}"
        if said := closed.why or closed.reason:
            text = f"{text}: {said}"
        return self._with_call(SocketClosed(text, code=closed.code, reason=closed.reason))

    def _closed_error(self, text: str) -> SocketClosed:
        code = closecodes.LOST if self.close_code is None else self.close_code
        return self._with_call(SocketClosed(f"{text}: {closecodes.describe(code)}", code=code))

    def _with_call(self, error: SocketClosed) -> SocketClosed:
        response = self._response
        if response is not None:
            error.request = None if response.request is None else response.request.redacted()
            error.attempts = response.attempts
        return error

    def _check_begun(self) -> None:
        if self._state == "new":
            raise ConfigError("a socket is used inside its block: async with client.websocket(...) as ws")

    # --- connections -----------------------------------------------------------------------------------------------

    async def _connect_again(self) -> None:
        """Connect until there is a connection, or none may follow.

        Raises:
            AsyncAPIError: There is none, and this is why.
        """
        watchdog, clock = self._line.settings.watchdog, self._line.clock
        self._connecting = guard = watchdog.enter(inf)  # `close()` ends it
        try:
            while self._state == "open" and self._socket is None:
                wait = self._row.due - clock.now()
                if wait > 0:
                    await self._within(self._due, clock.sleep(wait), "the deadline passed while waiting to reconnect")
                if await self._connect(first=False):
                    self.reconnects += 1
        except asyncio.CancelledError:
            if not guard.fired():
                raise
        finally:
            self._connecting = None
            watchdog.leave(guard)
        if self._error is not None:
            raise self._error

    async def _connect(self, *, first: bool) -> bool:
        """Open a connection; returns whether there is one now."""
        try:
            return await self._establish(first=first)
        except (TransportError, StatusError, RejectedError) as error:
            if first or self._state != "open":
                raise
            if not self._row.after_refusal(error) or self._is_late():
                self._end("ended", error)
            return False

    async def _establish(self, *, first: bool) -> bool:
        response = await self._open(first=first)
        self._response, self._opened = response, self._line.clock.now()
        self._row.failures += len(response.attempts) - 1
        body = response.open_body
        if body is None or body.socket is None:
            raise self._not_one(response)
        self._socket = socket = body.socket
        self.subprotocol = socket.subprotocol
        try:
            await self._run_on_open(response)
        except SocketClosed:
            ended, self._ended_in_open = self._ended_in_open, None
            if ended is None and self._socket is socket:  # a `send` that failed: what came before the end is dropped
                while type(ended := await socket.receive()) is not Closed:
                    pass
            if type(ended) is not Closed:
                self._release(None)
                raise
            self._after(ended, socket)
            if self._error is not None:
                raise self._error from None
            return False
        except BaseException as error:
            self._release(error if isinstance(error, Exception) else None)
            raise
        return self._socket is socket

    async def _open(self, *, first: bool) -> Response:
        """Make the call that is the handshake."""
        line, options = self._line, self._options
        policy = self._row.policy
        if not first and policy is not None and policy.max_attempts is not None:
            options = {**options, "retry": replace(policy, attempts=self._row.left)}
        elif not first:
            options = {**options, "retry": policy}
        scope, token = deadline.current.get(), None
        if self._due is not None and (scope is None or self._due < scope):
            token = deadline.current.set(self._due)
        refused, self._refused = self._refused, ()
        try:
            response = await line.open("GET", self._url, upgrade=self._upgrade, refused=refused, **options)
        except BaseException:
            self._refused = refused
            raise
        finally:
            if token is not None:
                deadline.current.reset(token)
        if response.status != _SWITCHED:
            raise line.status_error(response) if response.status >= 400 else self._not_one(response)  # noqa: PLR2004
        if first and self._own_time and response.request is not None:
            self._due = response.request.deadline
        return response

    def _not_one(self, response: Response) -> AsyncAPIError:
        error: AsyncAPIError
        if response.status == _SWITCHED:
            error = ConfigError("the client's transport opens no WebSockets: leave transport= out")
        else:
            error = final_error(f"no WebSocket is spoken there: the response to the handshake is {response.status}")
        error.request = None if response.request is None else response.request.redacted()
        error.attempts = response.attempts
        return error

    async def _run_on_open(self, response: Response) -> None:
        """Run `on_open`, within the time that the handshake had (rule 3)."""
        if self._on_open is None:
            return
        request, due = response.request, self._due
        if request is not None and request.deadline is not None:
            ends = self._opened + (request.deadline - request.call.started)
            due = ends if due is None else min(due, ends)
        self._opener = asyncio.current_task()
        try:
            running = self._on_open(self)
            if inspect.isawaitable(running):
                await self._within(due, running, "on_open took longer than the handshake may take")
        finally:
            self._opener = None

    async def _within(self, due: float | None, work: Any, late: str) -> Any:
        """Await something until a moment, or the end of a `deadline` scope (rule 6)."""
        scope = deadline.current.get()
        due = scope if due is None else due if scope is None else min(due, scope)
        if due is None:
            return await work
        watchdog = self._line.settings.watchdog
        guard = watchdog.enter(due)
        try:
            return await work
        except asyncio.CancelledError:
            if guard.fired():
                raise RequestTimeout(late, phase="body") from None
            raise
        finally:
            watchdog.leave(guard)

    def _is_late(self) -> bool:
        return self._due is not None and self._line.clock.now() >= self._due
