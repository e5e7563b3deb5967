"""Hedging: send a second copy of a request whose response is late; the first good response wins.

Rules:
1. Only requests that are safe to send twice (sansio/failures/resend.py), with a body that can be sent twice at the same
   time.
2. The first copy runs in the calling task. A call whose response comes in time costs no task and no timer of its own:
   all races share one timer, which starts a further copy, as a task, for those that are late.
3. A copy is late when it waits for the server. A copy that still waits in one of our queues is not hedged: it would
   wait twice. A further copy never waits in a queue: if no place or token is free, it is not sent, and its budget is
   refunded.
4. A good response is one that needs no retry. A copy that fails leaves the others running; when all have failed, a
   response (a 503, say) is preferred to an error, and the first copy's to the others'.
5. The losers are cancelled and awaited: connections are closed and places given back before the call returns. The first
   copy is cancelled as `asyncio.timeout` does it: through its task, and a cancellation from outside wins.
6. The response to a streamed call ends the race at its headers, and its route is learned apart from those whose bodies
   are read; whoever opened the stream closes the bodies of the losers.
7. Each copy but the first has a fork of the Call, so that no copy writes into another's record.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AsyncAPIError
from asyncapi.messages.request import Body
from asyncapi.sansio.failures.resend import RETRY_STATUSES, safe

if TYPE_CHECKING:
    from contextvars import Context

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Attempt, Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.hedging import Route
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.settings import Hedge
    from asyncapi.types import Layer, Send

_TOLERANCE = 1e-6  # seconds


class Hedges:
    """The state of the layer: the record of each route, and the calls that may still be hedged.

    Args:
        routes: The state of each route.
        clock: Times the delays.

    Attributes:
        won: Calls whose response came from a further copy.
    """

    __slots__ = ("_races", "_timer", "_wakes", "clock", "routes", "won")

    def __init__(self, routes: Keyed[Route], clock: Clock) -> None:
        self.routes: Keyed[Route] = routes
        self.clock: Clock = clock
        self.won: int = 0
        self._races: dict[_Race, None] = {}  # in the order of their calls, so that a replay wakes them alike
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = inf

    def __len__(self) -> int:
        """Calls under way that may still be hedged."""
        return len(self._races)

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes = None, inf

    def enter(self, race: _Race) -> None:
        """Wake the race when its delay has passed."""
        self._races[race] = None
        if race.due < self._wakes:
            self._arm(race.due)

    def leave(self, race: _Race) -> None:
        """Don't wake the race any more."""
        self._races.pop(race, None)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes = self.clock.call_at(when, self._wake), when

    def _wake(self) -> None:
        now = self.clock.now()
        self._timer, self._wakes = None, inf
        for race in [race for race in self._races if race.due <= now + _TOLERANCE]:
            race.ring(now)
        nearest = min((race.due for race in self._races), default=inf)
        if nearest < inf:
            self._arm(nearest)


def hedge(hedges: Hedges, settings: Hedge) -> Layer:
    """Send a further copy of a request whose response is late."""
    routes = hedges.routes

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            if not safe(request) or isinstance(request.content, Body):  # rule 1
                return await inner(request)
            key = f"{request.method} {request.call.host} {request.route or ''}"
            route = routes[key if request.call.open_bodies is None else f"{key} (streamed)"]  # rule 6
            race = _Race(hedges, settings, inner, request, route)
            if race.due < inf:
                hedges.enter(race)
            try:
                response = await inner(request)
            except BaseException as error:
                race.end_first(answered=False)
                if race.contest is None:
                    raise
                instead = await race.contest.after_error(error)
                if instead is None:
                    raise
                return instead
            good = _is_good(response)
            race.end_first(answered=good)
            return response if race.contest is None else await race.contest.after_answer(response, good=good)

        return send

    return layer


def _is_good(response: Response) -> bool:
    """Whether a response ends the race: one that needs no retry (rule 4)."""
    status = response.effective_status
    return status < 500 and status not in RETRY_STATUSES  # noqa: PLR2004 - where server errors begin


class _Race:
    """One call, from its start to the end of its first copy.

    Attributes:
        due: When to wake it.
        contest: The further copies, once there are any.
    """

    __slots__ = (
        "call",
        "cancelling",
        "contest",
        "context",
        "delay",
        "due",
        "hedges",
        "inner",
        "records_before",
        "request",
        "route",
        "settings",
        "task",
    )  # fmt: skip

    call: Call

    def __init__(self, hedges: Hedges, settings: Hedge, inner: Send, request: Request, route: Route) -> None:
        delay = route.begin()
        self.hedges: Hedges = hedges
        self.settings: Hedge = settings
        self.inner: Send = inner
        self.request: Request = request
        self.route: Route = route
        self.delay: float = inf if delay is None else delay
        self.due: float = inf if delay is None else hedges.clock.now() + delay
        self.call = call = request.call
        self.records_before: int = len(call.attempts)
        self.task: asyncio.Task[Any] = call.task or asyncio.current_task()  # type: ignore[assignment]
        self.cancelling: int = self.task.cancelling()
        self.context: Context = (
            copy_context()
        )  # the caller's context: the timer that starts the copies runs in another one
        self.contest: _Contest | None = None

    def ring(self, now: float) -> None:
        """Send a further copy, if the last one was sent to the server that long ago."""
        last = self if self.contest is None else self.contest.copies[-1]
        sent = last.call.attempts[last.records_before :]
        self.due = inf
        if not sent:  # rule 3: it still waits in one of our queues, or was refused there
            if last is self or not last.task.done():
                self.due = now + self.delay
            return
        if sent[0].started + self.delay > now + _TOLERANCE:
            self.due = sent[0].started + self.delay
            return
        if self.task.cancelling() > self.cancelling:  # the call is being cancelled
            return
        if not self.route.spend():
            sent[-1].then = "not hedged: the hedge budget is spent"
            return
        self.contest = self.contest or _Contest(self)
        self.contest.send_copy()
        if len(self.contest.copies) + 1 < self.settings.copies:
            self.due = now + self.delay

    def end_first(self, *, answered: bool) -> None:
        """Note the end of the first copy: no further one will be sent."""
        self.hedges.leave(self)
        records = self.call.attempts
        if len(records) > self.records_before:
            self.route.learn(self.hedges.clock.now() - records[self.records_before].started, answered=answered)
        if self.contest is not None:
            self.contest.first_runs = False


class _Copy:
    """A further copy: `records_before` counts the records that its call began with."""

    __slots__ = ("answer", "call", "records_before", "task")

    def __init__(self, call: Call, task: asyncio.Task[Response]) -> None:
        self.call = call
        self.records_before = len(call.attempts)
        self.task = task
        self.answer: Response | None = None


class _Contest:
    """The copies of one call that run, or ran, beside the first.

    Attributes:
        copies: The further copies, in the order of their sending.
        first_runs: Whether the first copy is still under way.
    """

    __slots__ = ("_cancelled_first", "_race", "_running", "_waiter", "_winner", "_won", "copies", "first_runs")

    def __init__(self, race: _Race) -> None:
        self._race = race
        self._winner: _Copy | None = None
        self._won: Attempt | None = None  # the attempt whose response the call returns
        self._running = 0
        self._waiter: asyncio.Future[None] | None = None
        self._cancelled_first = False
        self.copies: list[_Copy] = []
        self.first_runs: bool = True

    def send_copy(self) -> None:
        """Start one more copy, as a task (rule 2), with a fork of the call (rule 7)."""
        race = self._race
        why = f"hedge: no response within {race.delay:.3g} s ({race.settings.label})"
        call = race.call.fork(why, race.call.settings.without_waiting())
        # the new copy's number follows those of all copies so far
        for earlier in self.copies:
            call.join(earlier.call)
        task = asyncio.get_running_loop().create_task(self._carry(call), context=race.context.copy())
        copy = _Copy(call, task)
        self.copies.append(copy)
        self._running += 1
        task.add_done_callback(lambda _: self._ended(copy))

    async def after_error(self, error: BaseException) -> Response | None:
        """Return the response of another copy when the first has raised; None if its error is the result."""
        try:
            ours = self._uncancel_first()
            if isinstance(error, AsyncAPIError):
                await self._wait_for_others()
                return self._answer(any_at_all=True)
            return self._answer() if ours else None
        finally:
            await self._end()

    async def after_answer(self, response: Response, *, good: bool) -> Response:
        """Return the response that wins when the first copy has one."""
        try:
            self._uncancel_first()
            if good:
                self._won = self._race.call.attempts[-1]
                return response
            await self._wait_for_others()
            return self._answer() or response
        finally:
            await self._end()

    async def _carry(self, call: Call) -> Response:
        call.task = asyncio.current_task()
        try:
            return await self._race.inner(self._race.request.copy(call=call))
        finally:
            call.running = False
            call.task = None  # break the cycle call -> task -> its result, the response -> call

    def _ended(self, copy: _Copy) -> None:
        """Note the end of a copy; a good response ends the first copy too."""
        self._running -= 1
        # rule 3: it found no free place or token
        if len(copy.call.attempts) == copy.records_before:
            self._not_sent(copy)
        if not copy.task.cancelled() and copy.task.exception() is None:
            copy.answer = copy.task.result()
            if self._winner is None and _is_good(copy.answer):
                self._winner = copy
                if self.first_runs and self._race.task.cancelling() == self._race.cancelling:
                    self._cancelled_first = True
                    self._race.task.cancel("another copy was answered first")
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _not_sent(self, copy: _Copy) -> None:
        self._race.route.give_back()
        late = self._race.call.attempts
        if late and not copy.task.cancelled() and (why := copy.task.exception()) is not None:
            late[-1].then = f"not hedged: {type(why).__name__}"

    def _uncancel_first(self) -> bool:
        """Take back our own cancellation of the calling task; returns whether it was the only one (rule 5)."""
        if not self._cancelled_first:
            return False
        self._cancelled_first = False
        return self._race.task.uncancel() <= self._race.cancelling

    async def _wait_for_others(self) -> None:
        """Wait until one copy has a good response or all have ended (rule 4)."""
        while self._winner is None and self._running:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _answer(self, *, any_at_all: bool = False) -> Response | None:
        """Return the winner's response, or the first there is, as the response to the caller's own request."""
        copy = self._winner
        if copy is not None:
            self._won = copy.call.attempts[-1]
            self._race.hedges.won += 1
        elif any_at_all:
            copy = next((copy for copy in self.copies if copy.answer is not None), None)
        answer = None if copy is None else copy.answer
        if answer is not None and answer.request is not None:
            answer.request = answer.request.copy(call=self._race.call)
        return answer

    async def _end(self) -> None:
        """Cancel the copies that still run, wait for their end (rule 5), and merge the records."""
        cancelled: asyncio.CancelledError | None = None
        while running := [copy.task for copy in self.copies if not copy.task.done()]:
            for task in running:
                task.cancel("another copy was answered first")
            try:
                await asyncio.wait(running)
            except asyncio.CancelledError as error:  # cancelled again while cleaning up: still leave nothing behind
                cancelled = error
        self._write_records()
        self.copies.clear()  # their tracebacks hold this contest: a finished call is to be freed at once
        self._race.contest = None
        if cancelled is not None:
            raise cancelled

    def _write_records(self) -> None:
        call = self._race.call
        for copy in self.copies:
            call.join(copy.call)
        if self._won is None:
            return
        for record in call.attempts[self._race.records_before :]:
            if record is not self._won and (record.error or "").startswith("CancelledError"):
                record.then = f"attempt {self._won.number} was answered first"
