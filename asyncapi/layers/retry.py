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
7. With a policy (`Retry(policy=)`), what was seen of such failures says whether a retry pays, and how long to wait:
   after questions 2 and 3, before the others. It is not asked where the server says when to come back, nor where the
   pace of the host holds the call back. A retry that came due while nearly all attempts time out is a lesson, too.
8. A success pays back what its last retry has cost, as in the AWS SDKs; with a policy, what all of its retries have:
   they were worth it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError, BudgetSpent, CircuitOpen, RejectedError, TransportError
from asyncapi.sansio.failures import retry_choice
from asyncapi.sansio.failures.giving_up import GiveUp
from asyncapi.sansio.failures.lessons import Lessons
from asyncapi.sansio.failures.mesh import with_most_retries
from asyncapi.sansio.failures.resend import resend_obstacle, timed_out, unprocessed
from asyncapi.sansio.failures.tries import Tries
from asyncapi.scheduling.retrying import retrying_call, verdict_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.learned import Choice
    from asyncapi.sansio.failures.retry_budget import Retries
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.settings import Learned, Retry
    from asyncapi.types import Layer, Send

_RETRY_AFTER = "Retry-After"  # the source of a wait: the server
_SPREAD = 0.25  # seconds; calls that wait for a probe return spread over these


def retry(
    budgets: Keyed[Retries],
    clock: Clock,
    *,
    paced: bool = False,
    counted: bool = False,
    behind_mesh: bool = False,
    learned: Callable[[Learned, str], Lessons | Awaitable[Lessons]] | None = None,
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
        start = partial(_Again, inner, clock, free, learned, behind_mesh)

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
                if again is not None:
                    again.close()

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
            retry_choice.note(request.call, *note)
            continue
        if not retry_choice.credential_refused(request, response):
            return response


class _Again:
    """The attempts of one call after its first failure."""

    __slots__ = (
        "_behind_mesh", "_budget", "_clock", "_free", "_inner", "_learned", "_lessons", "_owed", "_paid", "_policy",
        "_replays", "_request", "_tries",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - the first five are the same for all calls
        self,
        inner: Send,
        clock: Clock,
        free: retry_choice.Free,
        learned: Callable[[Learned, str], Lessons | Awaitable[Lessons]] | None,
        behind_mesh: bool,
        request: Request,
        budget: Retries,
    ) -> None:
        self._inner = inner
        self._learned = learned
        self._lessons: Lessons | None = None  # None before the first decision, and without a policy
        self._request = request
        self._policy: Retry = request.call.settings.retry
        self._budget = budget
        self._clock = clock
        self._free = free
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
            except GiveUp as verdict:
                return verdict.end(failure, call)
            except TransportError as error:
                failure = error
            except RejectedError as refusal:  # our own refusal: the caller needs to see the failure before it
                return GiveUp(refusal.message, cause=refusal).end(failure, call)
            else:
                if failure.effective_status < 400 and self._policy.retry is None:  # noqa: PLR2004
                    self._budget.succeeded(self._paid)
                    if self._lessons is not None:
                        self._lessons.ended(None, again=False)
                    return failure
            finally:
                if self._owed and len(call.attempts) == records_before:  # paid for, but never sent
                    self._budget.refund(self._owed)

    def close(self) -> None:
        """The call is over, however it has ended."""
        if self._lessons is not None:
            self._lessons.close()

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
            if await verdict_of(policy.stop, state):
                raise refusal
        call.phase = "backoff"
        await clock.sleep(wait)
        self._tries.slept += wait
        call.log_wait(f"breaker {wait:.3g} s")

    async def _prepare(self, failure: Response | TransportError, call: Call) -> None:
        """Wait until the next attempt is due.

        Raises:
            GiveUp: There is no next attempt.
        """
        # rule 1
        replayed = self._replays.of(self._request, failure) if isinstance(failure, TransportError) else None
        if replayed is not None:
            retry_choice.note(call, *replayed)
            return
        if retry_choice.credential_refused(self._request, failure):
            return
        state = self._state(failure)
        again = await self._worthwhile(failure, state)
        if self._lessons is not None:
            self._lessons.ended(failure, again=again)
        if not again:
            if not isinstance(failure, TransportError) and failure.effective_status < 400:  # noqa: PLR2004
                self._budget.succeeded(self._paid)
            raise GiveUp("")
        await self._decide(failure, call, state)
        if self._policy.budget is not None and timed_out(failure) and self._budget.crowded(self._clock.now()):
            verdict = self._spent(
                "nearly all attempts to {} time out: retries would keep it overloaded, so its retry budget is closed"
            )
            if self._lessons is not None:
                self._lessons.futile(str(verdict))
            raise verdict

    async def _decide(self, failure: Response | TransportError, call: Call, state: RetryCallState | None) -> None:
        """Questions 2 to 6; then wait."""
        what = type(failure).__name__ if isinstance(failure, TransportError) else str(failure.shown_status)
        asked = (  # with `call.line`, the wait is layers/hold.py's
            None if call.line else retry_choice.wait_asked_for(failure, self._clock.wall(), elsewhere=call.elsewhere)
        )
        free = self._free.covers(failure, asked, backlog=call.backlog)
        choice = None
        policy = self._policy.policy
        if policy is not None and self._learned is not None and asked is None and not free and not call.line:  # rule 7
            self._ask(failure)
            begun = self._lessons or self._learned(policy, call.host)
            self._lessons = begun if isinstance(begun, Lessons) else await begun
            choice = self._choose(self._lessons, failure)
        if choice is None:
            wait, source = await self._wait(asked, call, state)
            why = call.line or f"{source} {wait:.3g} s"
        else:
            wait, source, why = choice.wait, "learned", ""
        try:
            if choice is None:
                self._ask(failure)
            await self._allow(failure, wait, source, state, free=free)
        except GiveUp as verdict:
            if self._lessons is not None:
                self._lessons.overrule(str(verdict))
            raise
        if not isinstance(failure, TransportError) and failure.open_body is not None:
            failure.open_body.close()
        self._tries.next(wait)
        if choice is None:
            then = call.line or f"retried after {wait:.3g} s ({source})"
            retry_choice.note(call, then, f"retry: {what}, {why}")
        else:
            retry_choice.note_choice(call, choice, what)
        call.phase = "backoff"
        if wait > 0:
            await self._clock.sleep(wait)

    def _choose(self, lessons: Lessons, failure: Response | TransportError) -> Choice:
        """Ask the policy (rule 7).

        Raises:
            GiveUp: There is no next attempt.
        """
        clock = self._clock
        draws = clock.random(), clock.random()
        choice = lessons.choose(self._request, failure, draws, clock.now(), most=self._policy.cap)
        if choice.arm is None:
            late = not choice.allowed
            raise GiveUp(choice.reason, held_by="deadline" if late else "policy", phase="backoff" if late else None)
        return choice

    async def _worthwhile(self, failure: Response | TransportError, state: RetryCallState | None) -> bool:
        """Question 1."""
        policy = self._policy
        if retry_choice.costs_money(failure):
            return False
        if policy.retry is not None:
            return bool(await verdict_of(policy.retry, state))
        return retry_choice.is_worth_it(self._request, failure, policy.statuses)

    async def _wait(self, asked: float | None, call: Call, state: RetryCallState | None) -> tuple[float, str]:
        """Question 4: seconds, and the source of the number."""
        policy = self._policy
        if call.line:
            return 0.0, call.line
        if asked:
            return asked, _RETRY_AFTER
        if policy.wait is not None:
            return max(0.0, float(await verdict_of(policy.wait, state))), "wait strategy"
        draw = self._clock.random()
        return retry_choice.backoff(self._tries.made, draw, base=policy.base, cap=policy.cap, asked=asked), "backoff"

    async def _allow(
        self, failure: Response | TransportError, wait: float, source: str, state: RetryCallState | None, *, free: bool
    ) -> None:
        """Questions 3 (`stop`), 5 and 6; `free` if the retry costs no budget."""
        policy, request = self._policy, self._request
        if state is not None and policy.stop is not None:
            state.upcoming_sleep = wait
            if await verdict_of(policy.stop, state):
                raise GiveUp(f"the stop strategy ended it after {self._tries.made} attempts")
        if source is _RETRY_AFTER and wait > policy.max_retry_after:
            why = f"the server asks to wait {wait:.3g} s, longer than max_retry_after={policy.max_retry_after:g}"
            raise GiveUp(why, held_by="max_retry_after")
        if request.deadline is not None and self._clock.now() + wait >= request.deadline:  # question 5
            raise GiveUp(f"a wait of {wait:.3g} s would pass the deadline", held_by="deadline", phase="backoff")
        # question 6
        if policy.budget is not None and not free:
            self._owed = self._budget.withdraw(self._clock.now(), timed_out=timed_out(failure))
            self._paid = self._owed + (0.0 if policy.policy is None else self._paid)  # rule 8
            if not self._owed:
                raise self._spent("the retry budget of {} is spent")

    def _ask(self, failure: Response | TransportError) -> None:
        """Questions 2 and 3, whatever the wait is."""
        obstacle = resend_obstacle(self._request, failure) or self._exhausted(failure)
        if obstacle is not None:
            raise GiveUp(obstacle)

    def _exhausted(self, failure: Response | TransportError) -> str | None:
        """Why there is no further attempt, whatever the `stop` strategy says (question 3); None if there is one."""
        if self._behind_mesh and not (isinstance(failure, TransportError) and unprocessed(failure)):  # rule 6
            return "the mesh retries, not this client (mesh=)"
        return self._tries.exhausted or None

    def _spent(self, why: str) -> GiveUp:
        why = why.format(self._request.call.host)
        return GiveUp(why, cause=BudgetSpent(why, request=self._request))

    def _state(self, failure: Response | AsyncAPIError) -> RetryCallState | None:
        """Make what tenacity's strategies are called with (rule 5); None if the policy has none."""
        policy = self._policy
        if policy.retry is None and policy.stop is None and policy.wait is None:
            return None
        return self._tries.state(self._request, failure, self._clock.now(), self._clock.wall())
