"""The connections of a WebSocket, one after the other: the handshake, `on_open`, the end, and what follows it.

Rules (they go on those of `speakers/websocket.py`):
1. Each handshake is a call of the client, with its limits, retries and credentials; the connection holds the call's
   place in the queues until it is closed.
2. What follows an end is decided by its code (`sansio/http/closecodes.py`) and by the row of failures before it
   (`speakers/reconnection.py`). It never passes in silence: either another connection follows, or the last error is
   raised, and raised again.
3. `on_open` runs on every new connection before a message of it is handed out. A connection that ends meanwhile has
   failed like any other.
4. Who connects can be cancelled at any time, and another one goes on where it was; `close()` does so.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

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
from asyncapi.messages.upgrade import Closed
from asyncapi.redact import unsaid
from asyncapi.sansio.http import closecodes
from asyncapi.speakers.reconnection import Reconnection
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

    from asyncapi.messages.response import Response
    from asyncapi.messages.upgrade import Socket, Upgrade
    from asyncapi.scheduling.watchdog import Guard
    from asyncapi.settings import Retry
    from asyncapi.speakers.line import Line

log: logging.Logger = logging.getLogger("asyncapi")

_SWITCHED = 101


class Connections:
    """The base of `WebSocket`, which gives it one connection at a time.

    Attributes:
        subprotocol: The one that the server has chosen, or None.
        close_code: The code of the last close; None before the first.
        reconnects: How often it has been connected again.
    """

    def __init__(
        self,
        line: Line,
        url: str | URL,
        upgrade: Upgrade,
        options: dict[str, Any],
        *,
        policy: Retry | None,
        on_open: Callable[[Any], Any] | None = None,
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
        self._on_open = on_open
        self._reconnect_on = reconnect_on
        self._row = Reconnection(policy, line.clock)
        self._state = "new"
        self._socket: Socket | None = None
        self._left: Socket | None = None  # the one before, which may not be gone yet
        self._response: Response | None = None  # to the last handshake
        self._opened = 0.0
        self._due: float | None = None  # rule 6
        self._refused: tuple[Any, ...] = ()
        self._opener: asyncio.Task[Any] | None = None  # runs `on_open`
        self._ended_in_open: Closed | None = None
        self._connecting: Guard | None = None  # of the task that connects again
        self._error: AsyncAPIError | None = None  # that ended it (rule 2)

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
            self._log(error)
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

    def _log(self, error: AsyncAPIError) -> None:
        log.info("%s; connecting again in %.3g s", error, max(0.0, self._row.due - self._line.clock.now()))

    def _end(self, state: str, error: AsyncAPIError | None) -> None:
        self._state, self._error = state, error
        if error is not None and self._row.gave_up:
            error.message = f"{error.message} ({self._row.gave_up})"
            error.args = (error.message,)
        self._release(error)

    def _release(self, error: BaseException | None) -> None:
        """Let go of the connection, and of its place in the queues."""
        response, self._left, self._socket = self._response, self._socket or self._left, None
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
        if response is not None and response.request is not None:
            error.message = unsaid(error.message, response.request)
            error.args = (error.message,)
            error.request, error.attempts = response.request.redacted(), response.attempts
        return error

    def _check_begun(self) -> None:
        if self._state == "new":
            raise ConfigError("a socket is used inside its block: async with client.websocket(...) as ws")

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
                await self._connect(first=False)
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
            if self._row.after_refusal(error) and not self._is_late():
                self._log(error)
            else:
                self._end("ended", error)
            return False

    async def _establish(self, *, first: bool) -> bool:
        response = await self._open(first=first)
        self._response, self._opened = response, self._line.clock.now()
        self._row.failures += len(response.attempts) - 1
        self.reconnects += not first
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
                ended = await _end_of(socket)
            if ended is None:
                self._release(None)
                raise
            self._after(ended, socket)
            if self._state == "ended":
                self._error = self._error or self._error_of(ended)  # `on_open` did not do what it had to
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
                request = None if self._response is None else self._response.request
                raise RequestTimeout(late, phase="body", request=request) from None
            raise
        finally:
            watchdog.leave(guard)

    def _is_late(self) -> bool:
        return self._due is not None and self._line.clock.now() >= self._due


async def _end_of(socket: Socket) -> Closed:
    """Drop what is still to be received, up to the end."""
    while True:
        message = await socket.receive()
        if isinstance(message, Closed):
            return message
