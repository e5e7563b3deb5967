"""Degradation: when a call fails, another way to an answer, which says that it is one.

The ways are tried in the order given, until one answers:

    to       another base URL of the same API       only where resending is safe, like a retry
    stale    the last good answer to the same GET    not older than so many seconds, kept in bounded memory
    value    a default: data, a Response, or a function of the request and its failure

Rules:
1. What counts as failed: no answer (`TransportError`), a refusal of ours (an open circuit, a full queue), or a status
   of the way's own (5xx). 4xx is an answer: nobody else would know better.
2. The call's deadline holds for all ways together: each is given a share of what is left, so that the next still can.
3. Where there is another place, one that failed three times in a row is passed over and tried again by one call at a
   time (a circuit): calls are quick meanwhile, and back one probe after it is. If no other way answers, the usual
   place is asked all the same: what might work is not refused.
4. The answer's `.degraded` says which way it came, and why.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from yarl import URL

from asyncapi.errors import CircuitOpen, RejectedError, RequestTimeout, TransportError
from asyncapi.sansio.circuit import Circuit, Rules
from asyncapi.sansio.keyed import Keyed
from asyncapi.sansio.resend import obstacle
from asyncapi.types import Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.clock import Clock
    from asyncapi.types import Layer, Request, Send
    from asyncapi.watchdog import Watchdog

Failure = Response | TransportError | RejectedError

_CREDENTIALS = ("authorization", "cookie", "accept", "accept-language")  # two users' answers are two answers
_LARGEST_KEPT = 1024 * 1024  # bytes of one stale answer


@dataclass(frozen=True, slots=True)
class Way:
    """One fallback; see `asyncapi.Fallback` for the meaning of each."""

    to: URL | None
    stale: float | None
    value: Any
    statuses: frozenset[int]
    share: float


class Kept:
    """Last good answers, the least recently used forgotten first.

    Args:
        most: Answers kept.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._answers: OrderedDict[tuple[str, ...], tuple[float, Response]] = OrderedDict()

    def put(self, request: Request, response: Response, now: float) -> None:
        """Keep a good answer to a GET."""
        if request.method == "GET" and response.ok and len(response.content) <= _LARGEST_KEPT:
            key = self._key(request)
            self._answers[key] = now, Response(response.status, response.headers, response.content, url=response.url)
            self._answers.move_to_end(key)
            if len(self._answers) > self._most:
                self._answers.popitem(last=False)

    def get(self, request: Request, oldest: float) -> tuple[float, Response] | None:
        """When the last good answer was kept, and a copy of it; None if there is none since `oldest`."""
        kept = self._answers.get(self._key(request))
        if request.method != "GET" or kept is None or kept[0] < oldest:
            return None
        at, answer = kept
        return at, Response(answer.status, answer.headers, answer.content, url=answer.url, request=request)

    def _key(self, request: Request) -> tuple[str, ...]:
        return str(request.url), *(request.headers.get(name, "") for name in _CREDENTIALS)


def fallback(ways: Sequence[Way], base: str, watchdog: Watchdog, clock: Clock, *, probe_every: float) -> Layer:
    """Answer in another way when the usual one fails.

    Args:
        ways: The fallbacks, in order.
        base: The usual base URL, which `to` replaces.
        watchdog: Ends each way's share of the time.
        clock: Times everything.
        probe_every: Seconds between two tries of a place that is down.
    """

    def layer(inner: Send) -> Send:
        return _Fallback(inner, ways, base=base, watchdog=watchdog, clock=clock, probe_every=probe_every).send

    return layer


class _PassedOver(CircuitOpen):
    """A place was not asked, because it is down."""


class _Fallback:
    """The layer's state: what was good lately, and which places are down."""

    def __init__(
        self, inner: Send, ways: Sequence[Way], *, base: str, watchdog: Watchdog, clock: Clock, probe_every: float
    ) -> None:
        self._inner = inner
        self._ways = ways
        self._base = base
        self._watchdog = watchdog
        self._clock = clock
        self._kept = Kept() if any(way.stale is not None for way in ways) else None
        self._statuses = frozenset[int]().union(*(way.statuses for way in ways))
        self._elsewhere = any(way.to is not None for way in ways)
        rules = Rules(failure_rate=1.0, minimum=3, count=3, open_for=probe_every, open_cap=probe_every, probes=1)
        self._health: Keyed[Circuit] = Keyed(lambda: Circuit(rules, clock.random))

    async def send(self, request: Request) -> Response:
        """The usual way, then the others."""
        reserve = max(way.share for way in self._ways)
        usual = await (self._try_place(request, reserve) if self._elsewhere else self._bounded(request, reserve))
        if isinstance(usual, Response) and usual.status not in self._statuses:
            if self._kept is not None and usual.opened is None:  # a stream is not kept
                self._kept.put(request, usual, self._clock.now())
            return usual
        for number, way in enumerate(self._ways):
            if isinstance(usual, Response) and usual.status not in way.statuses:
                continue
            rest = self._ways[number + 1 :]
            answer = await self._answer(way, request, usual, max((other.share for other in rest), default=0.0))
            if answer is not None:
                return answer
        if isinstance(usual, _PassedOver):
            return await self._inner(request)
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
        guard = self._watchdog.enter(due, request.call.task)
        try:
            return await self._caught(request.copy(deadline=due))
        except asyncio.CancelledError:
            if guard.fired():
                phase = request.call.phase
                return RequestTimeout(f"its share of {due - now:.3g} s was over", phase=phase, request=request)
            raise
        finally:
            self._watchdog.leave(guard)

    async def _caught(self, request: Request) -> Failure:
        try:
            return await self._inner(request)
        except (TransportError, RejectedError) as error:
            return error

    async def _answer(self, way: Way, request: Request, failure: Failure, reserve: float) -> Response | None:
        """What this way gives, or None."""
        why = str(failure.status) if isinstance(failure, Response) else f"{type(failure).__name__}: {failure.message}"
        if way.to is not None:
            return await self._ask(way.to, request, failure, why, reserve)
        now = self._clock.now()
        if way.stale is not None:
            kept = self._kept.get(request, now - way.stale) if self._kept is not None else None
            if kept is None:
                return None
            at, answer = kept
            answer.degraded = f"stale: {now - at:.3g} s old, after {why}"
            return answer
        default = await _made(way.value, request, failure)
        if default is not None:
            default.degraded = f"default value, after {why}"
        return default

    async def _ask(self, to: URL, request: Request, failure: Failure, why: str, reserve: float) -> Response | None:
        if not isinstance(failure, RejectedError) and obstacle(request, failure) is not None:
            return None
        rest = str(request.url).removeprefix(self._base)
        if rest == str(request.url):  # not of this base: there is no other place for it
            return None
        target = URL(str(to).rstrip("/") + rest)
        call = request.call
        call.host, call.why = target.host_port_subcomponent or "", f"fallback to {to.host}: {why}"
        result = await self._try_place(request.copy(url=target), reserve)
        if not isinstance(result, Response) or self._failed(result):
            return None
        result.degraded = f"answered by {to.host}, after {why}"
        return result


async def _made(value: Any, request: Request, failure: Failure) -> Response | None:
    """A default as a response; None from a function means that it has none."""
    if callable(value):
        value = value(request, failure)
        if inspect.isawaitable(value):
            value = await value
        if value is None:
            return None
    if isinstance(value, Response):
        return Response(value.status, value.headers, value.content, url=request.url, request=request)
    return Response(200, {"Content-Type": "application/json"}, to_json(value), url=request.url, request=request)
