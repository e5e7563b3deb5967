"""Fallbacks: another host, a stale response, or a default when the call fails; the response says which.

They are tried in the order given, until one has a response:

    to       another base URL of the same API          only where it is safe to send the request again, like a retry
    stale    the last good response to the same GET    not older than this many seconds, kept in bounded memory; for
                                                       the same headers, credentials included; never a `no-store`
    value    a default: data, a Response, or a function of the request and its failure

Rules:
1. What counts as a failure: no response (`TransportError`), a refusal of ours (an open circuit, a full queue), or one
   of the fallback's statuses (5xx). A 4xx is a response: another host would not know better.
2. The call's deadline covers all fallbacks together: each try leaves a share of the remaining time for the next ones.
3. Where there is another base URL, a place that failed three times in a row is skipped, and probed by one call at a
   time (a circuit): calls stay quick meanwhile, and return one probe after the place is back. If no fallback has a
   response, the usual place is asked all the same: what might work is not refused.
4. The response's `.degraded` says which fallback it came from, and why.
5. Headers that carry credentials don't go to another origin, as with a redirect; `auth=` says what each origin gets.
6. Whether sending again could do something twice is judged by every failure so far: after a place that may have done
   the work, no other is asked.
7. Where retries are learned (`Learned(degrade=True)`), a fallback is taken as soon as it is worth more than to wait.
   The retry layer and the queue for a host that refuses connections ask what it is worth (`call.alternative`). A call
   that takes longer than calls that end well is left (sansio/failures/overdue.py), if it is safe to send twice; so is
   an attempt, which may be sent again then (layers/overdue.py).
"""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import CircuitOpen, RejectedError, RequestTimeout, TransportError
from asyncapi.messages.response import Response
from asyncapi.messages.uri import parse
from asyncapi.sansio.failures import overdue
from asyncapi.sansio.failures.circuit import Circuit, Rules
from asyncapi.sansio.failures.resend import resend_obstacle, safe
from asyncapi.sansio.http.origin import bound, origin
from asyncapi.sansio.limits.keyed import Keyed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.sansio.failures.overdue import Cut, Overdue
    from asyncapi.scheduling.watchdog import Watchdog
    from asyncapi.settings import Fallback
    from asyncapi.stores.last_good import LastGood
    from asyncapi.types import Layer, Send

Failure = Response | TransportError | RejectedError

_PAYMENT_REQUIRED = 402
_POLICY = "policy"


def fallback(
    alternatives: Sequence[Fallback],
    base: str,
    last_good: LastGood,
    watchdog: Watchdog,
    clock: Clock,
    *,
    probe_every: float,
    explore: float = 0.0,
) -> Layer:
    """Return the response of a fallback when the call fails.

    Args:
        alternatives: The fallbacks, in order.
        base: The usual base URL, which `to` replaces.
        last_good: The last good responses.
        watchdog: Ends each fallback's share of the time.
        clock: Times everything.
        probe_every: Seconds between two probes of a base URL that is down.
        explore: The share of calls that are not cut short, to see how they end; 0 where nobody is (rule 7).
    """

    def layer(inner: Send) -> Send:
        return _Fallback(
            inner,
            alternatives,
            base=base,
            last_good=last_good,
            watchdog=watchdog,
            clock=clock,
            probe_every=probe_every,
            explore=explore,
        ).send

    return layer


class _PassedOver(CircuitOpen):
    """A place was skipped, because it is down (rule 3)."""


class _Fallback:
    """The layer's state: the last good responses, and which places are down."""

    def __init__(
        self,
        inner: Send,
        alternatives: Sequence[Fallback],
        *,
        base: str,
        last_good: LastGood,
        watchdog: Watchdog,
        clock: Clock,
        probe_every: float,
        explore: float,
    ) -> None:
        self._inner = inner
        self._explore = explore
        self._overdue: Keyed[Overdue] = Keyed(overdue.Overdue)
        self._alternatives = alternatives
        self._base = base
        self._watchdog = watchdog
        self._clock = clock
        self._last_good = last_good if any(alternative.stale is not None for alternative in alternatives) else None
        self._statuses = frozenset[int]().union(*(alternative.statuses for alternative in alternatives))
        self._elsewhere = any(alternative.to is not None for alternative in alternatives)
        rules = Rules(failure_rate=1.0, minimum=3, count=3, open_for=probe_every, open_cap=probe_every, probes=1)
        self._health: Keyed[Circuit] = Keyed(lambda: Circuit(rules, clock.random))

    async def send(self, request: Request) -> Response:
        """Ask the usual place, then the fallbacks."""
        reserve = max(alternative.share for alternative in self._alternatives)
        usual = await (self._usual(request, reserve) if self._learns(request) else self._try(request, reserve))
        if isinstance(usual, Response) and usual.effective_status not in self._statuses:
            if self._last_good is not None and usual.open_body is None:  # the body of a stream is not here to be stored
                unchanged = self._last_good.unchanged
                if unchanged is None or await unchanged(request):
                    self._last_good.put(request, usual, self._clock.now())
            return usual
        failures = [usual]
        for number, alternative in enumerate(self._alternatives):
            if isinstance(usual, Response) and usual.effective_status not in alternative.statuses:
                continue
            rest = self._alternatives[number + 1 :]
            answer = await self._answer(
                alternative, request, failures, max((other.share for other in rest), default=0.0)
            )
            if answer is not None:
                return answer
        if isinstance(usual, _PassedOver):
            if _may_be_sent(request, failures):  # rule 3: asked all the same
                request.call.host = request.target.host
                request.call.why = "sent all the same: no fallback has a response"
                return await self._inner(request)
            # the failure of the last fallback, if there was one, says more than "skipped"
            usual = failures[-1]
        if isinstance(usual, Response):
            return usual
        raise usual

    def _learns(self, request: Request) -> bool:
        """Whether the call is one that takes a fallback as soon as it is worth more (rule 7)."""
        policy = request.call.settings.retry
        return bool(self._explore) and policy is not None and policy.policy is not None and policy.policy.degrade

    async def _usual(self, request: Request, reserve: float) -> Failure:
        """Ask the usual place for no longer than it is worth (rule 7)."""
        call, began = request.call, self._clock.now()
        seen, cut = None, None
        if call.upgrade is None and safe(request):
            seen = self._overdue[overdue.key_of(request)]
            left = inf if request.deadline is None else (request.deadline - began) * (1 - reserve)
            cut = seen.cut(left, began)
            if cut is not None and self._clock.random() < self._explore:
                cut = None
        call.alternative = partial(self._worth, request)
        try:
            usual = await self._try(request, reserve, cut)
        finally:
            call.alternative = None
        if seen is not None and not (isinstance(usual, RejectedError) or _is_cut(usual)):
            now = self._clock.now()
            seen.ended(now - began, now, well=not self._failed(usual))
        return usual

    def _worth(self, request: Request) -> float:
        """What the fallbacks that are at hand now are worth (rule 7)."""
        at_hand = any(self._at_hand(alternative, request) for alternative in self._alternatives)
        return overdue.WORTH if at_hand else 0.0

    def _at_hand(self, alternative: Fallback, request: Request) -> bool:
        now = self._clock.now()
        if alternative.target is not None:
            health = self._health.get(alternative.target.host_port_subcomponent or "")
            return safe(request) and (health is None or health.state == "closed")
        if alternative.stale is not None:
            return self._last_good is not None and self._last_good.get(request, now - alternative.stale) is not None
        return True

    async def _try(self, request: Request, reserve: float, cut: Cut | None = None) -> Failure:
        if self._elsewhere:
            return await self._try_place(request, reserve, cut)
        return await self._bounded(request, reserve, cut)

    def _failed(self, result: Failure) -> bool:
        """Rule 1."""
        return not isinstance(result, Response) or result.effective_status in self._statuses

    async def _try_place(self, request: Request, reserve: float, cut: Cut | None = None) -> Failure:
        """Ask the place that the request names, unless it is known to be down (rule 3)."""
        call, now = request.call, self._clock.now
        health = self._health[call.host]
        permit = health.enter(now(), call)
        if not permit:
            wait = health.retry_after(now())
            return _PassedOver(f"{call.host} is down, next try in {wait:.3g} s", request=request, retry_after=wait)
        try:
            result = await self._bounded(request, reserve, cut)
        except BaseException:
            health.release(call)
            raise
        # a refusal of ours says nothing about the place
        if isinstance(result, RejectedError):
            health.release(call)
        else:
            health.record(permit, call, now(), failed=self._failed(result))
        return result

    async def _bounded(self, request: Request, reserve: float, cut: Cut | None = None) -> Failure:
        """Try once, leaving the share `reserve` of the remaining time (rule 2), or as long as that is worth it."""
        if request.deadline is None and cut is None:
            return await self._caught(request)
        now = self._clock.now()
        due = inf if request.deadline is None else request.deadline - reserve * max(0.0, request.deadline - now)
        means = f"its share of {due - now:.3g} s was over"
        if cut is not None:
            due, means = now + cut.after, f"to wait was no longer worth it ({cut.reason})"
        call, outer = request.call, request.call.guards
        guard = self._watchdog.enter(due, call.task)
        guard.means, guard.tells = means, cut is None
        # outermost first: an attempt that is cut off names the limit that fired
        call.guards = (*outer, guard)
        try:
            return await self._caught(request.copy(deadline=due))
        except asyncio.CancelledError:
            if guard.fired():
                error = RequestTimeout(f"{guard.means} during {call.phase}", phase=call.phase, request=request)
                error.held_by = None if cut is None else _POLICY
                return error
            raise
        finally:
            call.guards = outer
            self._watchdog.leave(guard)

    async def _caught(self, request: Request) -> Failure:
        try:
            return await self._inner(request)
        except (TransportError, RejectedError) as error:
            return error

    async def _answer(
        self, alternative: Fallback, request: Request, failures: list[Failure], reserve: float
    ) -> Response | None:
        """Return the response of one fallback, or None."""
        failure = failures[0]
        why = (
            str(failure.shown_status)
            if isinstance(failure, Response)
            else f"{type(failure).__name__}: {failure.message}"
        )
        why = _decided(request, failure, why)
        if alternative.target is not None:
            return await self._ask(alternative.target, request, failures, why, reserve)
        now = self._clock.now()
        if alternative.stale is not None:
            stored = self._last_good.get(request, now - alternative.stale) if self._last_good is not None else None
            if stored is None:
                return None
            at, answer = stored
            answer.degraded = f"stale: {now - at:.3g} s old, after {why}"
            return answer
        default = await _default(alternative.value, request, failure)
        if default is not None:
            default.degraded = f"default value, after {why}"
        return default

    async def _ask(
        self, to: URL, request: Request, failures: list[Failure], why: str, reserve: float
    ) -> Response | None:
        target = self._elsewhere_at(to, request)
        if target is None or not _may_be_sent(request, failures):
            return None
        headers = request.headers
        if origin(target) != request.target.origin:  # rule 5
            headers = CIMultiDict((name, value) for name, value in headers.items() if not bound(name))
        call = request.call
        call.host, call.why = target.host_port_subcomponent or "", f"fallback to {to.host}: {why}"
        result = await self._try_place(request.copy(url=target, headers=headers), reserve)
        if not isinstance(result, Response) or self._failed(result):
            failures.append(result)
            return None
        result.degraded = f"answered by {to.host}, after {why}"
        return result

    def _elsewhere_at(self, to: URL, request: Request) -> URL | None:
        """Move the request's URL to another base URL; None if it is not below the usual one."""
        url = request.target.text
        rest = url.removeprefix(self._base)
        if not self._base or rest == url or rest[:1] not in {"", "/", "?", "#"}:
            return None
        return parse(str(to).rstrip("/") + rest)


def _is_cut(failure: Failure) -> bool:
    return isinstance(failure, RequestTimeout) and failure.held_by == _POLICY


def _decided(request: Request, failure: Failure, why: str) -> str:
    """Add why a retry was not worth it, where that is why the fallback is taken; and write it into the record."""
    call = request.call
    learned = not isinstance(failure, Response) and failure.held_by == _POLICY
    if not call.attempts or not (learned or call.held_by == _POLICY):
        return why
    record = call.attempts[-1]
    verdict = record.then.removeprefix("gave up: ")
    if not _is_cut(failure) and verdict and verdict not in why:
        why = f"{why}: {verdict}"
    record.state = {**(record.state or {}), "degraded": {"reason": why, "worth": overdue.WORTH}}
    return why


def _may_be_sent(request: Request, failures: Sequence[Failure]) -> bool:
    """Whether sending it once more can't do anything twice (rule 6). A payment that was declined stays declined."""
    return all(
        isinstance(failure, RejectedError)
        or (
            resend_obstacle(request, failure) is None
            and not (isinstance(failure, Response) and failure.effective_status == _PAYMENT_REQUIRED)
        )
        for failure in failures
    )


async def _default(value: Any, request: Request, failure: Failure) -> Response | None:
    """Make a response of a default; None from a function means that it has none."""
    if callable(value):
        try:
            value = value(request, failure)
            if inspect.isawaitable(value):
                value = await value
        except Exception as error:
            error.add_note(f"raised by Fallback(value=...), which was asked after {failure!r}")
            raise
        if value is None:
            return None
    if isinstance(value, Response):
        return Response(value.status, value.headers, value.content, url=request.target, request=request)
    return Response(200, {"Content-Type": "application/json"}, _json(value), url=request.target, request=request)


def _json(value: Any) -> bytes:
    from pydantic_core import to_json  # noqa: PLC0415 - it takes long

    return to_json(value)
