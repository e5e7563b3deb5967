"""Retries: whether, when, and how often a failed attempt is sent again.

The first attempt runs bare; everything else here happens only after a failure. The questions, in this order:

    1. Is it a failure that another try may mend?      the policy's predicate, else status and kind of error
    2. Is it safe to send it again?                    sansio/failures/resend.py: never a payment twice
    3. May we try again?                               attempts or the policy's `stop`
    4. How long to wait?                               what the server says, else the policy's `wait`: also where it
                                                       says "at once" (0, or a date that is past), never a storm
    5. Does the wait end before the deadline?          if not, give up now, not then
    6. Does the retry budget allow it?                 of a time-out, also when the wait is over
                                                       (sansio/failures/retry_budget.py)

A connection that was kept alive and turns out to be closed is replayed once, at once, outside the count: the
server never saw the request. An answer that proves the credential at fault (`call.resend`) is followed by another try
with a better one, at once and outside the count too, if the server has done nothing yet.
A call inside another retrying call makes one attempt: only the outermost retries.
Where the breaker has opened only just now, which may be a restart, a call waits for the next probe and is not counted:
nothing is sent for it. Of a longer outage it is told at once.
tenacity strategies are called as they are, with a `RetryCallState` built after the failure.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tenacity import Future, RetryCallState

from asyncapi.errors import AsyncAPIError, BudgetSpent, CircuitOpen, Phase, RejectedError, TransportError, status_error
from asyncapi.messages.call import Call
from asyncapi.sansio.failures import retry_choice
from asyncapi.sansio.failures.resend import resend_obstacle, rewindable, safe, timed_out
from asyncapi.sansio.http.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.retry_budget import Retries
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.settings import Retry
    from asyncapi.types import Layer, Send

_PAYMENT_REQUIRED = 402
_TOLD = "Retry-After"  # a wait's source: the server
_SPREAD = 0.25  # seconds over which those who wait for a probe come back
_REPLAYED = "replayed at once on a fresh connection", "replay: the kept-alive connection was closed"

_inside: ContextVar[Call | None] = ContextVar("asyncapi_retrying", default=None)


def retry(budgets: Keyed[Retries], clock: Clock, *, paced: bool = False, counted: bool = False) -> Layer:
    """Send again what may be mended by it; the policy is `request.call.retry`.

    Args:
        budgets: The retry budget of each host.
        clock: Times and draws the waits.
        paced: Whether attempts at a host that refuses for its limits are held back below, until it takes them.
        counted: Whether the budget pays for retries after such refusals too, as the AWS SDKs count throttling.
    """
    now = clock.now
    free = retry_choice.Free(asked=not counted, paced=paced and not counted)

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            policy = call.retry
            outer = _inside.get()
            if policy is None or (outer is not None and outer.running):  # as `nested`, without a call
                return await _once(inner, request)
            budget = budgets[call.host]
            budget.deposit(now())
            token = _inside.set(call)
            failure: Response | TransportError
            again: _Again | None = None
            try:
                try:
                    try:
                        response = await inner(request)
                    except CircuitOpen as refusal:
                        again = _Again(inner, request, budget, clock, free)
                        await again.hold(refusal)
                        response = await again.attempt()
                    if response.status < 400 and policy.retry is None:  # noqa: PLR2004 - where errors begin
                        budget.succeeded(0.0)
                        return response
                    failure = response
                except TransportError as error:
                    failure = error
                again = again or _Again(inner, request, budget, clock, free)
                return await again.send(failure)
            finally:
                _inside.reset(token)

        return send

    return layer


def nested() -> bool:
    """Whether we are inside a call that retries, and still runs."""
    outer = _inside.get()
    return outer is not None and outer.running


async def _once(inner: Send, request: Request) -> Response:
    """A single attempt. A kept-alive connection that proves closed is none, a refused credential either."""
    try:
        response = await inner(request)
    except TransportError as error:
        if not (error.stale and safe(request)):
            raise
        _note(request.call, *_REPLAYED)
        response = await inner(request)
    while _refused(request, response):
        response = await inner(request)
    return response


def _refused(request: Request, failure: Response | TransportError) -> bool:
    """Whether the credential alone was at fault, there may be a better one, and nothing has been done yet: noted, then.

    A 401 after a redirect is not the answer to the request itself, which may have done its work.
    """
    call = request.call
    if not call.resend or isinstance(failure, TransportError) or failure.status < 400:  # noqa: PLR2004
        return False
    answered = failure.request
    is_its_own = answered is not None and answered.method == request.method and answered.url == request.url
    if not (safe(request) or (is_its_own and rewindable(request))):
        return False
    _note(call, f"sent again at once ({call.resend})", f"auth: {call.resend}")
    return True


def _note(call: Call, then: str, why: str) -> None:
    """Write down what is done after the last attempt, and why there is a next one."""
    if call.attempts:  # none if a wait in our own lines failed before the first
        call.attempts[-1].then = then
    call.why = why


async def _called(strategy: Callable[[RetryCallState], Any], state: RetryCallState | None) -> Any:
    """What a strategy says, be it a function or a coroutine function."""
    verdict = strategy(state)  # type: ignore[arg-type]  # a policy with strategies has a state
    return await verdict if inspect.isawaitable(verdict) else verdict


@contextmanager
def no_retries() -> Iterator[None]:
    """A scope whose calls make one attempt each: somebody above it retries already."""
    above = Call(0.0, "", None, None, None)
    token = _inside.set(above)
    try:
        yield
    finally:
        above.running = False  # tasks that were started inside and outlive it retry again
        _inside.reset(token)


class _GiveUp(Exception):
    """Why there is no further attempt, and in a word which setting of ours held it back, if any did."""

    def __init__(
        self, why: str, *, held_by: str | None = None, phase: Phase | None = None, cause: RejectedError | None = None
    ) -> None:
        super().__init__(why)
        self.held_by = held_by if cause is None else cause.held_by
        self.phase = phase
        self.cause = cause


class _Again:
    """The attempts of one call after its first failure."""

    __slots__ = (
        "_budget", "_clock", "_free", "_inner", "_owed", "_paid", "_policy", "_replayed", "_request", "_slept",
        "_told", "_tries",
    )  # fmt: skip

    def __init__(self, inner: Send, request: Request, budget: Retries, clock: Clock, free: retry_choice.Free) -> None:
        self._inner = inner
        self._request = request
        self._policy: Retry = request.call.retry
        self._budget = budget
        self._clock = clock
        self._free = free
        self._told: float | None = None  # when the server has said to come back, seconds
        self._tries = 1
        self._paid = 0.0
        self._slept = 0.0
        self._replayed = False

    async def send(self, failure: Response | TransportError) -> Response:
        call = self._request.call
        while True:
            made, self._owed = len(call.attempts), 0.0
            self._budget.failed(self._clock.now(), timed_out=timed_out(failure))
            try:
                await self._prepare(failure, call)
                failure = await self.attempt()
            except _GiveUp as verdict:
                return self._end(failure, verdict, call)
            except TransportError as error:
                failure = error
            except RejectedError as refusal:  # ours: what the caller should know is the failure before it
                return self._end(failure, _GiveUp(refusal.message, cause=refusal), call)
            else:
                if failure.status < 400 and self._policy.retry is None:  # noqa: PLR2004
                    self._budget.succeeded(self._paid)
                    return failure
            finally:
                if self._owed and len(call.attempts) == made:  # paid for, but cancelled or refused before it was sent
                    self._budget.refund(self._owed)

    async def attempt(self) -> Response:
        """Send it. A circuit that has just opened is waited for."""
        while True:
            try:
                return await self._inner(self._request)
            except CircuitOpen as refusal:
                await self.hold(refusal)

    async def hold(self, refusal: CircuitOpen) -> None:
        """Wait until the probe is due that may close the circuit.

        Raises:
            CircuitOpen: The refusal, where waiting is not worth it, or not wanted.
        """
        policy, call, clock = self._policy, self._request.call, self._clock
        if refusal.probe_in is None or policy.max_attempts == 1:
            raise refusal
        wait, deadline = refusal.probe_in + _SPREAD * clock.random(), self._request.deadline
        late = deadline is not None and clock.now() + wait >= deadline
        if late or (call.max_wait is not None and wait > call.max_wait):
            raise refusal
        state = self._state(refusal, call)
        if state is not None and policy.stop is not None:
            state.upcoming_sleep = wait
            if await _called(policy.stop, state):
                raise refusal
        call.phase = "backoff"
        await clock.sleep(wait)
        self._slept += wait
        call.held += f"{', ' if call.held else ''}breaker {wait:.3g} s"

    async def _prepare(self, failure: Response | TransportError, call: Call) -> None:
        """Wait until the next attempt is due.

        Raises:
            _GiveUp: There is none.
        """
        if isinstance(failure, TransportError) and failure.stale and not self._replayed and safe(self._request):
            self._replayed = True
            _note(call, *_REPLAYED)
            return
        if _refused(self._request, failure):
            return
        state = self._state(failure, call)
        if not await self._worthwhile(failure, state):
            if not isinstance(failure, TransportError) and failure.status < 400:  # noqa: PLR2004
                self._budget.succeeded(self._paid)
            raise _GiveUp("")
        what = failure.status if not isinstance(failure, TransportError) else type(failure).__name__
        wait, source = await self._wait(failure, state)
        await self._allow(failure, wait, source, state)
        if not isinstance(failure, TransportError) and failure.open_body is not None:
            failure.open_body.close()
        self._tries += 1
        self._slept += wait
        _note(call, f"retried after {wait:.3g} s ({source})", f"retry: {what}, {source} {wait:.3g} s")
        call.phase = "backoff"
        if wait > 0:
            await self._clock.sleep(wait)
        if self._policy.budget is not None and timed_out(failure) and self._budget.crowded(self._clock.now()):
            raise self._spent(
                "nearly all attempts to {} time out: retries would keep it so, its retry budget is closed"
            )

    async def _worthwhile(self, failure: Response | TransportError, state: RetryCallState | None) -> bool:
        """Question 1."""
        policy = self._policy
        if not isinstance(failure, TransportError) and failure.status == _PAYMENT_REQUIRED:
            return False  # somebody has to pay: asking again is no way to
        if policy.retry is not None:
            return bool(await _called(policy.retry, state))
        return retry_choice.is_worth_it(self._request, failure, policy.statuses)

    async def _wait(self, failure: Response | TransportError, state: RetryCallState | None) -> tuple[float, str]:
        """Question 4: seconds, and who says so."""
        policy, told = self._policy, retry_choice.wait_asked_for(failure, self._clock.wall())
        self._told = told
        if told:
            return told, _TOLD
        if policy.wait is not None:
            return max(0.0, float(await _called(policy.wait, state))), "wait strategy"
        draw = self._clock.random()
        return retry_choice.backoff(self._tries, draw, base=policy.base, cap=policy.cap, asked=told), "backoff"

    async def _allow(
        self, failure: Response | TransportError, wait: float, source: str, state: RetryCallState | None
    ) -> None:
        """Questions 2, 3, 5 and 6."""
        policy, request = self._policy, self._request
        unsafe = resend_obstacle(request, failure)
        if unsafe is not None:
            raise _GiveUp(unsafe)
        if policy.max_attempts is not None and self._tries >= policy.max_attempts:
            raise _GiveUp(f"{self._tries} of {policy.max_attempts} attempts made")
        if state is not None and policy.stop is not None:
            state.upcoming_sleep = wait
            if await _called(policy.stop, state):
                raise _GiveUp(f"the stop strategy ended it after {self._tries} attempts")
        if source is _TOLD and wait > policy.max_retry_after:
            why = f"the server asks for {wait:.3g} s, over max_retry_after={policy.max_retry_after:g}"
            raise _GiveUp(why, held_by="max_retry_after")
        if request.deadline is not None and self._clock.now() + wait >= request.deadline:
            raise _GiveUp(f"a wait of {wait:.3g} s would pass the deadline", held_by="deadline", phase="backoff")
        if policy.budget is not None and not self._free.covers(failure, self._told, backlog=request.call.backlog):
            self._paid = self._owed = self._budget.withdraw(self._clock.now(), timed_out=timed_out(failure))
            if not self._paid:
                raise self._spent("the retry budget of {} is spent")

    def _spent(self, why: str) -> _GiveUp:
        why = why.format(self._request.call.host)
        return _GiveUp(why, cause=BudgetSpent(why, request=self._request))

    def _state(self, failure: Response | AsyncAPIError, call: Call) -> RetryCallState | None:
        """What tenacity's strategies are called with; None if the policy has none."""
        policy = self._policy
        if policy.retry is None and policy.stop is None and policy.wait is None:
            return None
        state = RetryCallState(None, None, (self._request,), {})  # type: ignore[arg-type]  # no Retrying object
        state.start_time = call.started
        state.attempt_number = self._tries
        state.idle_for = self._slept
        state.outcome = Future(self._tries)
        state.outcome_timestamp = self._clock.now()
        if isinstance(failure, AsyncAPIError):
            state.outcome.set_exception(failure)
        elif failure.status >= 400:  # noqa: PLR2004
            told = retry_after(failure.headers, self._clock.wall())
            state.outcome.set_exception(status_error(failure, request=self._request, retry_after=told))
        else:
            state.outcome.set_result(failure)
        return state

    def _end(self, failure: Response | TransportError, verdict: _GiveUp, call: Call) -> Response:
        reason = str(verdict)
        if call.attempts and reason:
            call.attempts[-1].then = f"gave up: {reason}"
        call.ended_by, call.cause, call.held_by = verdict.phase, verdict.cause, verdict.held_by
        if isinstance(failure, TransportError):
            failure.phase = verdict.phase or failure.phase
            failure.held_by = verdict.held_by or failure.held_by
            raise failure from (verdict.cause or failure.__cause__)
        return failure
