"""Hold calls back while their host refuses connections: one probes, the others wait in order (`Learned(hold=True)`).

It stands right below the retry layer. There it sees every attempt of a call, whatever it is part of, before it takes a
token or a place; the hosts of an endpoint set are one to it, as they are to the retry layer.

Rules:
1. Only a refused connection counts: `ConnectError`, where nothing was sent, and none whose reason another attempt can't
   change (TLS). A 503 does not: a host that is overloaded comes back badly if everybody waits for it.
2. A call waits within its deadline, its `wait=` and sansio/failures/refusals.py, rule 5. Where its `wait=` is over, or
   the outage is too old, it is sent as if it was not held. Just before its deadline it fails as it would have done,
   with a `ConnectError`.
3. Sending a call again is up to the retry layer: this one says in `call.line` that the next attempt will wait here,
   instead of a backoff. Attempts, budget and safety stay as they are.
4. The last attempt that a call has is not used up as a probe while other calls can probe.
5. A call that can go to another endpoint is not held; one that has a fallback, as long as the wait is worth more.
6. A connection counts as soon as it is there: a host whose responses take long keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asyncapi.errors import ConnectError, RequestTimeout, TransportError, final_error
from asyncapi.sansio.failures.refusals import Refusals
from asyncapi.transports.failures import CLOSED

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.types import Layer, Send

_SPARE = 0.05  # seconds before its deadline at which a call leaves the queue
_CONNECTED = frozenset({"send", "headers", "body"})
_SERVER_ERRORS = 500
_SOON = 0.001  # seconds
_UNBOUNDED = 30.0  # seconds from its beginning for which a call without a deadline is held


@dataclass(slots=True)
class _Flight:
    """An attempt under way."""

    began: float
    look_at: float  # when it has a connection, or would have been refused
    turn: bool  # whether it was let go by the queue


class Line:
    """The calls that wait for one host, in order.

    Args:
        clock: Times everything.

    Attributes:
        refusals: What is known of the host.
        error: What the last refusal said.
        ended: Whether the client is closed: nobody waits any more.
    """

    def __init__(self, clock: Clock) -> None:
        self.refusals: Refusals = Refusals()
        self.error: str = ""
        self.ended: bool = False
        self._clock = clock
        self._queue: OrderedDict[asyncio.Future[bool], bool] = OrderedDict()  # True: it has attempts to spare
        self._timer: asyncio.TimerHandle | None = None
        self._flying: dict[Call, _Flight] = {}  # sent while the host refused, not yet known to be connected

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether it must not be forgotten."""
        return bool(self._queue) or self.refusals.out > 0

    @property
    def closed(self) -> bool:
        """Whether a new call has to wait."""
        return self.refusals.refusing or (bool(self._queue) and self.refusals.returning)

    async def wait(self, until: float, *, spare: bool) -> bool:
        """Wait for one's turn; False if `until` or the end of the client comes first.

        Args:
            until: When to give up, in seconds on the clock.
            spare: Whether the call has attempts to spare (rule 4).
        """
        if self.ended:
            return False
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue[turn] = spare
        limit = self._clock.call_at(until, partial(_give_up, turn))
        self.move()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.refusals.ended()
            raise
        finally:
            limit.cancel()
            self._queue.pop(turn, None)
            self.move()

    def move(self) -> None:
        """Let go who may go, and come back when the next one may."""
        now, refusals = self._clock.now(), self.refusals
        self._look(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue and refusals.may_go(now):
            turn = self._next(now)
            if turn is None:
                break
            del self._queue[turn]
            if not turn.done():
                refusals.go(now)
                turn.set_result(True)
        if self._queue:
            self._timer = self._clock.call_at(max(self._due(now), now), self.move)
        else:
            refusals.emptied()

    def _due(self, now: float) -> float:
        """When to look again; later than now."""
        due = self.refusals.due()
        if due <= now:  # somebody might go, but keeps an attempt for later (rule 4)
            due = self.refusals.alone_from(last=not next(iter(self._queue.values())))
        look = min((flight.look_at for flight in self._flying.values()), default=due)
        return max(min(due, look), now + _SOON)

    def sent(self, call: Call, began: float, *, turn: bool) -> None:
        """Take in that an attempt is sent to a host that refuses connections, or did so a moment ago."""
        self._flying[call] = _Flight(began, began + self.refusals.settles, turn)

    def landed(self, call: Call) -> None:
        """Take in that it has ended."""
        flight = self._flying.pop(call, None)
        if flight is not None and flight.turn:
            self.refusals.ended()

    def _look(self, now: float) -> None:
        """See which attempts have a connection by now: their responses may take long (rule 6)."""
        for call, flight in [item for item in self._flying.items() if now >= item[1].look_at]:
            if call.phase in _CONNECTED:
                self.refusals.connected(flight.began, now, well=True)
                self.landed(call)
            else:
                flight.look_at = now + self.refusals.settles

    def _next(self, now: float) -> asyncio.Future[bool] | None:
        """The next in order; while the host refuses, of those with attempts to spare (rule 4)."""
        first, spare = next(iter(self._queue.items()))
        refusals = self.refusals
        if not refusals.run or (spare and len(self._queue) > 1):
            return first
        other = None if spare else next((turn for turn, more in self._queue.items() if more), None)
        if other is None and now >= refusals.alone_from(last=not spare):
            return first
        return other

    def close(self) -> None:
        """End it with the client: cancel the timer, and let everybody go."""
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for turn in self._queue:
            if not turn.done():
                turn.set_result(False)


def _give_up(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)


def hold(lines: Keyed[Line], clock: Clock) -> Layer:
    """Make calls wait while their host refuses connections.

    Args:
        lines: The queue of each host.
        clock: Times and draws everything.
    """

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            line = lines.get(call.host)
            if line is None or (not line.refusals.run and not line.closed):  # the host is well
                call.line = ""
                try:
                    return await inner(request)
                except ConnectError as error:
                    _refused(lines[call.host], request, error, clock.now(), clock)
                    raise
            return await _send(inner, request, line, clock)

        return send

    return layer


async def _send(inner: Send, request: Request, line: Line, clock: Clock) -> Response:
    """Send an attempt to a host that refuses connections, or did so a moment ago."""
    call, refusals, began = request.call, line.refusals, clock.now()
    turn = False
    if (call.line or line.closed) and _may_wait(request, line, began):
        turn = await _wait(request, line, clock)
        began = clock.now()
    call.line = ""
    line.sent(call, began, turn=turn)
    try:
        response = await inner(request)
    except ConnectError as error:
        _refused(line, request, error, began, clock)
        raise
    except TransportError as error:
        if not (isinstance(error, RequestTimeout) and error.phase in {"queue", "connect"}):
            refusals.connected(began, clock.now(), well=False)
        raise
    else:
        refusals.connected(began, clock.now(), well=response.effective_status < _SERVER_ERRORS)
        return response
    finally:
        line.landed(call)
        line.move()


def _refused(line: Line, request: Request, error: ConnectError, began: float, clock: Clock) -> None:
    """Take in a refusal; say in `call.line` if the next attempt of the call waits here."""
    call = request.call
    if error.final or call.elsewhere or (call.attempts and call.attempts[-1].why.startswith("redirect")):
        return
    now, line.error = clock.now(), error.message
    line.refusals.refused(began, now, clock.random())
    if line.closed and _may_wait(request, line, now):
        others = f", {line.length} calls wait" if line.length else ""
        call.line = f"held until {call.host} accepts connections{others}"
    line.move()


def _may_wait(request: Request, line: Line, now: float) -> bool:
    """Whether the call waits for its host (rules 2 and 5)."""
    call = request.call
    retry = call.settings.retry
    policy = None if retry is None else retry.policy
    if policy is None or not policy.hold or retry.max_attempts == 1 or call.settings.max_wait == 0:
        return False
    if call.line:
        return True
    return _patience(request, line, now) > 0


def _patience(request: Request, line: Line, now: float) -> float:
    """Seconds that the call should wait (sansio/failures/refusals.py, rule 5)."""
    return line.refusals.worth_waiting(now, _most(request, now), request.call.instead)


async def _wait(request: Request, line: Line, clock: Clock) -> bool:
    """Wait in the queue; whether it is the call's turn, not only the end of its `wait=`.

    Raises:
        ConnectError: The deadline came first.
        ProtocolError: The client was closed.
    """
    call, began = request.call, clock.now()
    due = began + (_patience(request, line, began) if not call.line or call.instead else _most(request, began))
    most = call.settings.max_wait
    until = due if most is None else min(due, began + most)
    attempts = call.settings.retry.max_attempts
    call.phase = "queue"
    try:
        turn = await line.wait(until, spare=attempts is None or len(call.attempts) + 1 < attempts)
    finally:
        waited = clock.now() - began
        call.queued += waited
    if waited > 0:
        call.log_wait(f"hold {waited:.3g} s")
    if turn:
        if line.refusals.run:
            lasted = line.refusals.lasted(clock.now())
            call.why += f" (probe: {call.host} has refused connections for {lasted:.3g} s)"
        return True
    if line.ended:
        raise final_error(CLOSED, request)
    if until < due:
        return False
    raise _still_refused(request, line, clock.now(), waited)


def _most(request: Request, now: float) -> float:
    """Seconds that the call may wait."""
    due = request.call.started + _UNBOUNDED if request.deadline is None else request.deadline - _SPARE
    return max(0.0, due - now)


def _still_refused(request: Request, line: Line, now: float, waited: float) -> ConnectError:
    call: Call = request.call
    last = f" ({line.error})" if line.error else ""
    what = f"{call.host} has refused connections for {line.refusals.lasted(now):.3g} s{last}"
    error = ConnectError(f"{what}; the call was held back for {waited:.3g} s", request=request)
    error.held_by, error.phase = "hold", "queue"
    error.final = True  # nothing was sent, and what the next attempt would meet is known
    if call.attempts:
        call.attempts[-1].then = f"gave up: {error.message}"
    return error
