"""Retries: whether, when, and how often a failed attempt is sent again.

The first attempt costs nothing here; the rest happens only after a failure. The questions, in this order:

    1. Can another attempt succeed?                    the policy's predicate, else the status or kind of error
    2. Is it safe to send the request again?           sansio/failures/resend.py: never a payment twice
    3. May there be another attempt?                   `attempts` or the policy's `stop`; attempts of a proxy behind
                                                       this one count, and it may say that it will retry (rule 6)
    4. How long to wait?                               what the server says, else the policy's `wait`; never less than
                                                       the backoff where it says "at once" (0, or a date in the past)
                                                       (rule 7, where it is learned)
    5. Does the wait end before the deadline?          if not, give up now, not then
    6. Does the retry budget allow it?                 for a timeout, also when the wait is over
                                                       (sansio/failures/retry_budget.py)

Rules:
1. A request that the server has not begun is replayed at once, outside the count and the budget. If a kept-alive
   connection turns out to be closed, that is inferred: a request that is safe to send twice is replayed, once. If the
   server or the transport says so (`ProtocolError.unprocessed`, RFC 9113 section 8.7), it is replayed whatever its
   method, up to three times a call; after that, it is a failure like any other.
2. If a response shows that the credential was at fault (`call.resend`), the request is sent with a better one, at once
   and outside the count, as long as the server has done nothing yet.
3. A call inside another retrying call makes one attempt: only the outermost call retries.
4. If the breaker has opened only just now, which may be a restart, the call waits for the next probe, outside the
   count: nothing is sent for it. In a longer outage it is refused at once.
5. tenacity strategies are called as they are, with a `RetryCallState` made after the failure.
6. Where a mesh retries (`Mesh(retry="mesh")`), only what did not reach it is sent again. Where it tells of its own
   attempts, or that few more may help, that holds without a setting, and it is asked to leave it at the rest of ours
   (sansio/failures/mesh.py).
7. With a policy (`Retry(policy=)`), what was seen of such failures says whether a retry pays and how long to wait, after
   questions 2 and 3 and before the others. It is not asked where the server says when to come back, nor where the host's
   pace holds the call back.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AsyncAPIError, BudgetSpent, CircuitOpen, Phase, RejectedError, TransportError
from asyncapi.messages.call import Call
from asyncapi.sansio.failures import retry_choice
from asyncapi.sansio.failures.mesh import with_most_retries
from asyncapi.sansio.failures.resend import resend_obstacle, rewindable, safe, timed_out, unprocessed
from asyncapi.sansio.failures.tries import Tries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tenacity import RetryCallState

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.retry_budget import Retries
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.sansio.failures.learned import Choice
    from asyncapi.sansio.failures.lessons import Lessons
    from asyncapi.settings import Learned, Retry
    from asyncapi.types import Layer, Send

_RETRY_AFTER = "Retry-After"  # the source of a wait: the server
_SPREAD = 0.25  # seconds; calls that wait for a probe return spread over these

retrying_call: ContextVar[Call | None] = ContextVar("asyncapi_retrying", default=None)  # which may have ended (rule 3)


def retry(
    budgets: Keyed[Retries],
    clock: Clock,
    *,
    paced: bool = False,
    counted: bool = False,
    behind_mesh: bool = False,
    learned: Callable[[Learned, str], Awaitable[Lessons]] | None = None,
) -> Layer:
    """Send failed attempts again, by the policy `request.call.settings.retry`.

    Args:
        budgets: The retry budget of each host.
        clock: Times and draws the waits.
        paced: Whether a layer below holds attempts back while their host refuses them for its limits.
        counted: Whether retries after such refusals use the budget too, as in the AWS SDKs.
        behind_mesh: Whether a mesh retries instead (rule 6).
        learned: Makes the lessons of a call to a host, by a policy (rule 7).
    """
    now = clock.now
    free = retry_choice.Free(asked=not counted, paced=paced and not counted)

    def layer(inner: Send) -> Send:
        start = partial(_Again, inner, clock, free, learned, behind_mesh=behind_mesh)

        async def send(request: Request) -> Response:
            call = request.call
            policy = call.settings.retry
            outer = retrying_call.get()
            if policy is None or (outer is not None and outer.running):  # rule 3
                return await _once(inner, request)
            budget = budgets[call.host]
            budget.deposit(now())
            token = retrying_call.set(call)
            failure: Response | TransportError
            again: _Again | None = None
            try:
                try:
                    try:
                        response = await inner(request)
                    except CircuitOpen as refusal:  # rule 4
                        again = start(request, budget)
                        await again.hold(refusal)
                        response = await again.attempt()
                    if response.effective_status < 400 and policy.retry is None:  # noqa: PLR2004 - where errors begin
                        budget.succeeded(0.0)
                        return response
                    failure = response
                except TransportError as error:
                    failure = error
                again = again or start(request, budget)
                return await again.send(failure)
            finally:
                retrying_call.reset(token)

        return send

    return layer


async def _once(inner: Send, request: Request) -> Response:
    """Make a single attempt; a request that was not begun (rule 1) and a refused credential (rule 2) don't count."""
    replays = retry_choice.Replays()
    while True:
        try:
            response = await inner(request)
        except TransportError as error:
            note = replays.of(request, error)
            if note is None:
                raise
            _note(request.call, *note)
            continue
        if not _refused(request, response):
            return response


def _refused(request: Request, failure: Response | TransportError) -> bool:
    """Whether only the credential was at fault, and nothing has been done yet (rule 2); writes it into the record.

    A 401 after a redirect is not the response to the request itself, which may have done its work.
    """
    call = request.call
    if not call.resend or isinstance(failure, TransportError) or failure.effective_status < 400:  # noqa: PLR2004
        return False
    answered, meaning = failure.request, failure.meaning
    is_its_own = answered is not None and answered.method == request.method and failure.answers(request)
    if meaning is not None and meaning.unprocessed is False:  # a part of it may be done
        is_its_own = False
    if not (safe(request) or (is_its_own and rewindable(request))):
        return False
    _note(call, f"sent again at once ({call.resend})", f"auth: {call.resend}")
    return True


def _note(call: Call, then: str, why: str) -> None:
    """Write into the records what is done after the last attempt, and why there is a next one."""
    if call.attempts:  # none if a wait in one of our queues failed before the first
        call.attempts[-1].then = then
    call.why = why


async def _called(strategy: Callable[[RetryCallState], Any], state: RetryCallState | None) -> Any:
    """Call a strategy, be it a function or a coroutine function (rule 5)."""
    verdict = strategy(state)  # type: ignore[arg-type]  # a policy with strategies has a state
    return await verdict if inspect.isawaitable(verdict) else verdict


@contextmanager
def no_retries() -> Iterator[None]:
    """Open a scope whose calls make one attempt each, because a caller above it retries already."""
    above = Call(0.0, "")
    token = retrying_call.set(above)
    try:
        yield
    finally:
        above.running = False  # tasks that were started inside and outlive it retry again
        retrying_call.reset(token)


class _GiveUp(Exception):
    """Says why there is no further attempt, and which setting of the client prevented it, if one did."""

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
        "_behind_mesh", "_budget", "_clock", "_free", "_inner", "_learned", "_lessons", "_owed", "_paid", "_policy",
        "_replays", "_request", "_retry_after", "_tries",
    )  # fmt: skip

    def __init__(
        self,
        inner: Send,
        clock: Clock,
        free: retry_choice.Free,
        learned: Callable[[Learned, str], Awaitable[Lessons]] | None,
        request: Request,
        budget: Retries,
        *,
        behind_mesh: bool,
    ) -> None:
        self._inner = inner
        self._learned = learned
        self._lessons: Lessons | None = None  # None before the first decision, and without a policy
        self._request = request
        self._policy: Retry = request.call.settings.retry
        self._budget = budget
        self._clock = clock
        self._free = free
        self._retry_after: float | None = None  # seconds that the server asks to wait
        self._behind_mesh = behind_mesh
        self._tries = Tries(self._policy.max_attempts)
        self._paid = 0.0
        self._replays = retry_choice.Replays()

    async def send(self, failure: Response | TransportError) -> Response:
        call = self._request.call
        while True:
            records_before, self._owed = len(call.attempts), 0.0
            if not isinstance(failure, TransportError) and failure.meaning is not None:
                self._tries.take_in(failure.meaning)  # rule 6
            self._budget.failed(self._clock.now(), timed_out=timed_out(failure))
            try:
                await self._prepare(failure, call)
                failure = await self.attempt()
            except _GiveUp as verdict:
                return self._end(failure, verdict, call)
            except TransportError as error:
                failure = error
            except RejectedError as refusal:  # our own refusal: the caller needs to see the failure before it
                return self._end(failure, _GiveUp(refusal.message, cause=refusal), call)
            else:
                if failure.effective_status < 400 and self._policy.retry is None:  # noqa: PLR2004
                    self._budget.succeeded(self._paid)
                    if self._lessons is not None:
                        self._lessons.ended(None, again=False)
                    return failure
            finally:
                if self._owed and len(call.attempts) == records_before:  # paid for, but never sent
                    self._budget.refund(self._owed)

    async def attempt(self) -> Response:
        """Send the request, waiting for a circuit that has just opened (rule 4)."""
        while True:
            try:
                spare, request = self._tries.spare, self._request  # rule 6
                return await self._inner(request if spare is None else with_most_retries(request, spare))
            except CircuitOpen as refusal:
                await self.hold(refusal)

    async def hold(self, refusal: CircuitOpen) -> None:
        """Wait until the next probe of the circuit is due (rule 4).

        Raises:
            CircuitOpen: The refusal, where waiting is pointless or not wanted.
        """
        policy, call, clock = self._policy, self._request.call, self._clock
        if refusal.probe_in is None or policy.max_attempts == 1:
            raise refusal
        wait, deadline = refusal.probe_in + _SPREAD * clock.random(), self._request.deadline
        late = deadline is not None and clock.now() + wait >= deadline
        if late or (call.settings.max_wait is not None and wait > call.settings.max_wait):
            raise refusal
        state = self._state(refusal)
        if state is not None and policy.stop is not None:
            state.upcoming_sleep = wait
            if await _called(policy.stop, state):
                raise refusal
        call.phase = "backoff"
        await clock.sleep(wait)
        self._tries.slept += wait
        call.log_wait(f"breaker {wait:.3g} s")

    async def _prepare(self, failure: Response | TransportError, call: Call) -> None:
        """Wait until the next attempt is due.

        Raises:
            _GiveUp: There is no next attempt.
        """
        # rule 1
        replayed = self._replays.of(self._request, failure) if isinstance(failure, TransportError) else None
        if replayed is not None:
            _note(call, *replayed)
            return
        if _refused(self._request, failure):
            return
        state = self._state(failure)
        again = await self._worthwhile(failure, state)
        if self._lessons is not None:
            self._lessons.ended(failure, again=again)
        if not again:
            if not isinstance(failure, TransportError) and failure.effective_status < 400:  # noqa: PLR2004
                self._budget.succeeded(self._paid)
            raise _GiveUp("")
        await self._decide(failure, call, state)
        if self._policy.budget is not None and timed_out(failure) and self._budget.crowded(self._clock.now()):
            verdict = self._spent(
                "nearly all attempts to {} time out: retries would keep it overloaded, so its retry budget is closed"
            )
            if self._lessons is not None:
                self._lessons.overrule(str(verdict))
            raise verdict

    async def _decide(self, failure: Response | TransportError, call: Call, state: RetryCallState | None) -> None:
        """Questions 2 to 6; then wait."""
        what = type(failure).__name__ if isinstance(failure, TransportError) else failure.shown_status
        choice = await self._choose(failure, call)
        wait, source = await self._wait(failure, state) if choice is None else (choice.wait, f"learned: {choice.reason}")
        try:
            await self._allow(failure, wait, source, state)
        except _GiveUp as verdict:
            if self._lessons is not None:
                self._lessons.overrule(str(verdict))
            raise
        if not isinstance(failure, TransportError) and failure.open_body is not None:
            failure.open_body.close()
        self._tries.next(wait)
        why = f"{source} {wait:.3g} s" if choice is None else f"learned {wait:.3g} s ({choice.reason})"
        _note(call, f"retried after {wait:.3g} s ({source})", f"retry: {what}, {why}")
        call.phase = "backoff"
        if wait > 0:
            await self._clock.sleep(wait)

    async def _choose(self, failure: Response | TransportError, call: Call) -> Choice | None:
        """Ask the policy (rule 7); None where there is none, or where it has no say.

        Raises:
            _GiveUp: There is no next attempt.
        """
        policy, clock = self._policy.policy, self._clock
        if policy is None or self._learned is None:
            return None
        asked = retry_choice.wait_asked_for(failure, clock.wall(), elsewhere=call.elsewhere)
        if asked is not None or self._free.covers(failure, asked, backlog=call.backlog):
            return None
        obstacle = resend_obstacle(self._request, failure) or self._exhausted(failure)
        if obstacle is not None:
            raise _GiveUp(obstacle)
        lessons = self._lessons
        if lessons is None:
            lessons = self._lessons = await self._learned(policy, call.host)
        draws = clock.random(), clock.random()
        choice = lessons.choose(self._request, failure, draws, clock.now(), most=self._policy.cap)
        if call.attempts:
            record = call.attempts[-1]
            record.state = {**(record.state or {}), "learned": lessons.record}
        if choice.arm is None:
            late = not choice.allowed
            raise _GiveUp(choice.reason, held_by="deadline" if late else "policy", phase="backoff" if late else None)
        return choice

    async def _worthwhile(self, failure: Response | TransportError, state: RetryCallState | None) -> bool:
        """Question 1."""
        policy = self._policy
        if retry_choice.costs_money(failure):
            return False
        if policy.retry is not None:
            return bool(await _called(policy.retry, state))
        return retry_choice.is_worth_it(self._request, failure, policy.statuses)

    async def _wait(self, failure: Response | TransportError, state: RetryCallState | None) -> tuple[float, str]:
        """Question 4: seconds, and the source of the number."""
        policy, elsewhere = self._policy, self._request.call.elsewhere
        asked = retry_choice.wait_asked_for(failure, self._clock.wall(), elsewhere=elsewhere)
        self._retry_after = asked
        if asked:
            return asked, _RETRY_AFTER
        if policy.wait is not None:
            return max(0.0, float(await _called(policy.wait, state))), "wait strategy"
        draw = self._clock.random()
        return retry_choice.backoff(self._tries.made, draw, base=policy.base, cap=policy.cap, asked=asked), "backoff"

    async def _allow(
        self, failure: Response | TransportError, wait: float, source: str, state: RetryCallState | None
    ) -> None:
        """Questions 2, 3, 5 and 6."""
        policy, request = self._policy, self._request
        obstacle = resend_obstacle(request, failure) or self._exhausted(failure)  # questions 2 and 3
        if obstacle is not None:
            raise _GiveUp(obstacle)
        if state is not None and policy.stop is not None:
            state.upcoming_sleep = wait
            if await _called(policy.stop, state):
                raise _GiveUp(f"the stop strategy ended it after {self._tries.made} attempts")
        if source is _RETRY_AFTER and wait > policy.max_retry_after:
            why = f"the server asks to wait {wait:.3g} s, longer than max_retry_after={policy.max_retry_after:g}"
            raise _GiveUp(why, held_by="max_retry_after")
        if request.deadline is not None and self._clock.now() + wait >= request.deadline:  # question 5
            raise _GiveUp(f"a wait of {wait:.3g} s would pass the deadline", held_by="deadline", phase="backoff")
        backlog = request.call.backlog
        # question 6
        if policy.budget is not None and not self._free.covers(failure, self._retry_after, backlog=backlog):
            self._paid = self._owed = self._budget.withdraw(self._clock.now(), timed_out=timed_out(failure))
            if not self._paid:
                raise self._spent("the retry budget of {} is spent")

    def _exhausted(self, failure: Response | TransportError) -> str | None:
        """Why there is no further attempt, whatever the `stop` strategy says (question 3); None if there is one."""
        if self._behind_mesh and not (isinstance(failure, TransportError) and unprocessed(failure)):  # rule 6
            return "the mesh retries, not this client (mesh=)"
        return self._tries.exhausted or None

    def _spent(self, why: str) -> _GiveUp:
        why = why.format(self._request.call.host)
        return _GiveUp(why, cause=BudgetSpent(why, request=self._request))

    def _state(self, failure: Response | AsyncAPIError) -> RetryCallState | None:
        """Make what tenacity's strategies are called with (rule 5); None if the policy has none."""
        policy = self._policy
        if policy.retry is None and policy.stop is None and policy.wait is None:
            return None
        return self._tries.state(self._request, failure, self._clock.now(), self._clock.wall())

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
