"""Degradation: when a call fails, another way to an answer, which says that it is one.

The ways are tried in the order given, until one answers:

    to       another base URL of the same API       only where resending is safe, like a retry
    stale    the last good answer to the same GET    not older than so many seconds, kept in bounded memory;
                                                     the same headers, credentials included; never a `no-store`
    value    a default: data, a Response, or a function of the request and its failure

Rules:
1. What counts as failed: no answer (`TransportError`), a refusal of ours (an open circuit, a full queue), or a status
   of the way's own (5xx). 4xx is an answer: nobody else would know better.
2. The call's deadline holds for all ways together: each is given a share of what is left, so that the next still can.
3. Where there is another place, one that failed three times in a row is passed over and tried again by one call at a
   time (a circuit): calls are quick meanwhile, and back one probe after it is. If no other way answers, the usual
   place is asked all the same: what might work is not refused.
4. The answer's `.degraded` says which way it came, and why.
5. Headers that carry credentials don't go to another origin, as with a redirect; `auth=` says what each is given.
6. What may be done twice is judged by every failure so far: a place that may have done the work was the last.
"""

from __future__ import annotations

import asyncio
import inspect
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from pydantic_core import to_json

from asyncapi.errors import CircuitOpen, RejectedError, RequestTimeout, TransportError
from asyncapi.messages.response import Response
from asyncapi.messages.uri import parse
from asyncapi.sansio.failures.circuit import Circuit, Rules
from asyncapi.sansio.failures.resend import resend_obstacle
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.caching import headers_of, plain_fields
from asyncapi.sansio.http.origin import bound, origin
from asyncapi.sansio.http.request_key import key_headers
from asyncapi.sansio.limits.keyed import Keyed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.scheduling.watchdog import Watchdog
    from asyncapi.settings import Fallback
    from asyncapi.stores.answers import Answers
    from asyncapi.types import Layer, Send

Failure = Response | TransportError | RejectedError

_OVERHEAD = 700  # bytes that an answer takes beside its body and headers, about
_NOT_MODIFIED = 304
_ASKS_WHETHER_IT_HOLDS = frozenset({"if-none-match", "if-modified-since"})
_PAYMENT_REQUIRED = 402


Flat = tuple[float, int, str, tuple[str, ...], bytes]  # when it was kept, status, URL, names and values in turn, body


class Kept:
    """Last good answers, and when they were had.

    Args:
        answers: Where they are kept, in bounded memory and as plain tuples; a cache may keep its own there.
        unchanged: As in the cache layer.

    Attributes:
        unchanged: The same.
    """

    def __init__(self, answers: Answers[Flat], unchanged: Callable[[Request], Awaitable[bool]] | None = None) -> None:
        self._answers = answers
        self.unchanged = unchanged

    def put(self, request: Request, response: Response, now: float) -> None:
        """Keep a good answer to a GET, unless it says that it must not be."""
        if not _concerns(request) or not response.ok:
            return
        key = _key(request)
        if response.status == _NOT_MODIFIED:  # what is kept was good until now
            kept = self._answers.get(key)
            if kept is not None:
                self._answers.put(key, (now, *kept[1:]), _size(kept))
            return
        if "no-store" in directives(response.headers):
            self._answers.drop(key)
            return
        flat: Flat = (now, response.status, str(response.url), plain_fields(response.headers), response.content)
        self._answers.put(key, flat, _size(flat))

    def get(self, request: Request, oldest: float) -> tuple[float, Response] | None:
        """When the last good answer was kept, and a copy of it; None if there is none since `oldest`."""
        if not _concerns(request):
            return None
        kept = self._answers.get(_key(request))
        if kept is None or kept[0] < oldest:
            return None
        at, status, url, fields, content = kept
        return at, Response(status, headers_of(fields), content, url=url, request=request)


def _key(request: Request) -> str:
    """What tells it from others, hashed: no credential is kept."""
    headers = [pair for pair in key_headers(request.headers) if pair[0] not in _ASKS_WHETHER_IT_HOLDS]
    told = repr((str(request.url), headers, request.call.principal)).encode("utf-8", "surrogatepass")
    return f"stale {sha256(told).hexdigest()}"


def _size(kept: Flat) -> int:
    """Bytes that it takes, about."""
    return _OVERHEAD + len(kept[4]) + sum(len(text) + 60 for text in kept[3])


def _concerns(request: Request) -> bool:
    """Whether an answer to it may be kept: of whom it is has to be known, and it must not forbid it."""
    return (
        request.method == "GET"
        and request.content is None
        and request.call.principal is not None
        and "no-store" not in directives(request.headers)
    )


def fallback(
    alternatives: Sequence[Fallback], base: str, kept: Kept, watchdog: Watchdog, clock: Clock, *, probe_every: float
) -> Layer:
    """Answer in another way when the usual one fails.

    Args:
        alternatives: The fallbacks, in order.
        base: The usual base URL, which `to` replaces.
        kept: The last good answers.
        watchdog: Ends each way's share of the time.
        clock: Times everything.
        probe_every: Seconds between two tries of a place that is down.
    """

    def layer(inner: Send) -> Send:
        return _Fallback(
            inner, alternatives, base=base, kept=kept, watchdog=watchdog, clock=clock, probe_every=probe_every
        ).send

    return layer


class _PassedOver(CircuitOpen):
    """A place was not asked, because it is down."""


class _Fallback:
    """The layer's state: what was good lately, and which places are down."""

    def __init__(
        self,
        inner: Send,
        alternatives: Sequence[Fallback],
        *,
        base: str,
        kept: Kept,
        watchdog: Watchdog,
        clock: Clock,
        probe_every: float,
    ) -> None:
        self._inner = inner
        self._alternatives = alternatives
        self._base = base
        self._watchdog = watchdog
        self._clock = clock
        self._kept = kept if any(alternative.stale is not None for alternative in alternatives) else None
        self._statuses = frozenset[int]().union(*(alternative.statuses for alternative in alternatives))
        self._elsewhere = any(alternative.to is not None for alternative in alternatives)
        rules = Rules(failure_rate=1.0, minimum=3, count=3, open_for=probe_every, open_cap=probe_every, probes=1)
        self._health: Keyed[Circuit] = Keyed(lambda: Circuit(rules, clock.random))

    async def send(self, request: Request) -> Response:
        """The usual way, then the others."""
        reserve = max(alternative.share for alternative in self._alternatives)
        usual = await (self._try_place(request, reserve) if self._elsewhere else self._bounded(request, reserve))
        if isinstance(usual, Response) and usual.status not in self._statuses:
            if self._kept is not None and usual.open_body is None:  # a stream is not kept
                unchanged = self._kept.unchanged
                if unchanged is None or await unchanged(request):
                    self._kept.put(request, usual, self._clock.now())
            return usual
        failures = [usual]
        for number, alternative in enumerate(self._alternatives):
            if isinstance(usual, Response) and usual.status not in alternative.statuses:
                continue
            rest = self._alternatives[number + 1 :]
            answer = await self._answer(
                alternative, request, failures, max((other.share for other in rest), default=0.0)
            )
            if answer is not None:
                return answer
        if isinstance(usual, _PassedOver):
            if _may_be_sent(request, failures):
                request.call.host = request.url.host_port_subcomponent or ""
                request.call.why = "asked all the same: nobody else answers"
                return await self._inner(request)
            usual = failures[-1]
        if isinstance(usual, Response):
            return usual
        raise usual

    def _failed(self, result: Failure) -> bool:
        return not isinstance(result, Response) or result.status in self._statuses

    async def _try_place(self, request: Request, reserve: float) -> Failure:
        """Ask the place that the request names, unless it is known to be down."""
        call, now = request.call, self._clock.now
        health = self._health[call.host]
        permit = health.enter(now(), call)
        if not permit:
            wait = health.retry_after(now())
            return _PassedOver(f"{call.host} is down, tried again in {wait:.3g} s", request=request, retry_after=wait)
        try:
            result = await self._bounded(request, reserve)
        except BaseException:
            health.release(call)
            raise
        if isinstance(result, RejectedError):
            health.release(call)
        else:
            health.record(permit, call, now(), failed=self._failed(result))
        return result

    async def _bounded(self, request: Request, reserve: float) -> Failure:
        """One try that leaves the share `reserve` of the time that is left."""
        if request.deadline is None:
            return await self._caught(request)
        now = self._clock.now()
        due = request.deadline - reserve * max(0.0, request.deadline - now)
        call, outer = request.call, request.call.guards
        guard = self._watchdog.enter(due, call.task)
        guard.means = f"its share of {due - now:.3g} s was over"
        call.guards = (*outer, guard)
        try:
            return await self._caught(request.copy(deadline=due))
        except asyncio.CancelledError:
            if guard.fired():
                return RequestTimeout(f"{guard.means} during {call.phase}", phase=call.phase, request=request)
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
        """What this way gives, or None."""
        failure = failures[0]
        why = str(failure.status) if isinstance(failure, Response) else f"{type(failure).__name__}: {failure.message}"
        if alternative.target is not None:
            return await self._ask(alternative.target, request, failures, why, reserve)
        now = self._clock.now()
        if alternative.stale is not None:
            kept = self._kept.get(request, now - alternative.stale) if self._kept is not None else None
            if kept is None:
                return None
            at, answer = kept
            answer.degraded = f"stale: {now - at:.3g} s old, after {why}"
            return answer
        default = await _made(alternative.value, request, failure)
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
        if origin(target) != origin(request.url):
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
        """The request's URL under another base; None if it is not under the usual one."""
        url = str(request.url)
        rest = url.removeprefix(self._base)
        if not self._base or rest == url or rest[:1] not in {"", "/", "?", "#"}:
            return None
        return parse(str(to).rstrip("/") + rest)


def _may_be_sent(request: Request, failures: Sequence[Failure]) -> bool:
    """Whether sending it once more does nothing twice, after what may have been done. Declined is declined."""
    return all(
        isinstance(one, RejectedError)
        or (
            resend_obstacle(request, one) is None
            and not (isinstance(one, Response) and one.status == _PAYMENT_REQUIRED)
        )
        for one in failures
    )


async def _made(value: Any, request: Request, failure: Failure) -> Response | None:
    """A default as a response; None from a function means that it has none."""
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
        return Response(value.status, value.headers, value.content, url=request.url, request=request)
    return Response(200, {"Content-Type": "application/json"}, to_json(value), url=request.url, request=request)
