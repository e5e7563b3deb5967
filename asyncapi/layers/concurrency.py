"""The semaphore: at most `limit` attempts at a time; the others wait in a queue by priority, tenant and arrival.

Rules:
1. A free place costs one comparison; a task waits only if there is none. A place that becomes free while others wait is
   handed to the first of them, so that nobody overtakes.
2. A place is given back in `finally`, synchronously; the place of a streamed response when its body ends.
3. A gate may learn its limit (`asyncapi.Adaptive`), one gate per host: it then gets every attempt's own latency, and
   learns of drops. When the limit falls below what is in flight, places are withheld as they come back.
4. A learned limit goes by the time to the headers, so it bounds the attempts that wait for them: a stream gives its
   place back at its headers, or long streams would stop both the others and the learning. There are at most `most` open
   streams, the limit included.
5. A call that does not want to wait (`wait=False`, or a number of seconds), or finds `max_queue` calls waiting, is
   refused.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Protocol

from asyncapi.errors import ConnectError, QueueFull, RequestTimeout
from asyncapi.messages.open_body import release_at_end
from asyncapi.scheduling.wait_queue import WaitQueue
from asyncapi.scheduling.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.types import Layer, Send

_GUESS = 1.0  # seconds that an attempt takes, where nothing is known
_DROPS = frozenset({429, 503})


class Learned(Protocol):
    """A limit that follows what the host can take (`asyncapi.sansio.limits.adaptive`)."""

    limit: float

    def on_sample(self, now: float, latency: float, in_flight: int, dropped: bool) -> None:
        """Take in an attempt: its latency in seconds, and whether the host refused it."""
        ...


class Gate:
    """Places for attempts.

    Attributes:
        limit: Number of places.
        free: Places that are not taken; below 0 while more are taken than the limit allows.
        queue: The tasks that wait.
        learned: Sets the limit; None for a fixed one.
        most: Most open streams and places together, where the limit is learned.
        streams: Open streams that have given their place back.
    """

    __slots__ = ("free", "learned", "limit", "most", "queue", "streams")

    def __init__(self, limit: int, learned: Learned | None = None, most: float = inf) -> None:
        self.limit: int = limit
        self.free: int = limit
        self.queue: WaitQueue = WaitQueue()
        self.learned: Learned | None = learned
        self.most: float = most
        self.streams: int = 0

    @property
    def busy(self) -> bool:
        """Whether a place is taken, or any task waits for one."""
        return self.free < self.limit or self.queue.length > 0

    async def enter(self) -> None:
        """Take a place, waiting in the queue for it if need be."""
        if self.free > 0:  # rule 1: a free place means that nobody waits
            self.free -= 1
        else:
            await self.queue.wait(self.leave)

    def leave(self, _: object = None) -> None:
        """Give a place back: to the first in the queue, unless the limit has fallen meanwhile (rules 1 and 3)."""
        # below 0 the limit has fallen: the place is withheld (rule 3)
        if self.free < 0 or not self.queue.length or not self.queue.call():
            self.free += 1

    def leave_stream(self, response: Response) -> None:
        """Give the place of a streamed response back: when its body ends, or now if the limit is learned (rule 4)."""
        if self.learned is None or self.limit + self.streams >= self.most:
            release_at_end(response, self.leave)
            return
        self.streams += 1
        release_at_end(response, self._stream_ended)
        self.leave()

    def _stream_ended(self, _: object) -> None:
        self.streams -= 1

    def resize(self, limit: int) -> None:
        """Change the number of places."""
        self.free += limit - self.limit
        self.limit = limit
        while self.free > 0 and self.queue.call():
            self.free -= 1

    def learn(self, learned: Learned, now: float, latency: float, *, dropped: bool) -> None:
        """Adapt the limit to an attempt (rule 3)."""
        learned.on_sample(now, latency, self.limit - self.free, dropped)
        limit = max(1, int(learned.limit))
        if limit != self.limit:
            self.resize(limit)


def concurrency(
    gates: Gate | Keyed[Gate],
    clock: Clock,
    watchdog: Watchdog | None = None,
    *,
    max_queue: int | None = None,
    typical: Callable[[], float | None] = lambda: None,
) -> Layer:
    """Hold a place during every attempt.

    Args:
        gates: One gate for all, or one per host.
        clock: Times waits.
        watchdog: Ends waits that are bounded.
        max_queue: How many calls may wait; None for any number.
        typical: How long an attempt usually takes, in seconds, to say when to come back.

    Raises (from the layer):
        QueueFull: The call does not want to wait that long, or too many wait already.
    """
    shared = gates if isinstance(gates, Gate) else None
    watchdog = Watchdog(clock) if watchdog is None else watchdog  # one without guards is falsy

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            gate = shared or gates[request.target.host]  # type: ignore[index]  # not the Gate
            if gate.free > 0:  # `enter`, inlined: no coroutine in the common case
                gate.free -= 1
            else:
                _refuse(request, gate, max_queue, typical)
                call, began, before = request.call, clock.now(), gate.queue.length
                await _wait(request, gate, watchdog, began, typical)
                waited = clock.now() - began
                call.queued += waited
                call.log_wait(f"concurrency {waited:.3g} s behind {before}")
            response = None
            try:
                response = await (
                    inner(request) if gate.learned is None else _learning(inner, request, gate, gate.learned, clock)
                )
                return response
            finally:
                if response is None or response.open_body is None:  # rule 2; `release_at_end`, inlined
                    gate.leave()
                else:
                    gate.leave_stream(response)

        return send

    return layer


def _refuse(request: Request, gate: Gate, most: int | None, typical: Callable[[], float | None]) -> None:
    """Raise if the call may not even wait in the queue (rule 5)."""
    waiting = gate.queue.length
    if request.call.settings.max_wait == 0:
        what = f"all {gate.limit} places are taken, and the call doesn't wait (wait=False)"
    elif most is not None and waiting >= most:
        what = f"{waiting} calls are waiting already (max_queue={most})"
    else:
        return
    back = _come_back(request, gate, typical)
    refusal = QueueFull(f"{what}; come back in about {back:.2g} s", request=request, retry_after=back)
    refusal.held_by = "wait" if request.call.settings.max_wait == 0 else "queue"
    raise refusal


def _come_back(request: Request, gate: Gate, typical: Callable[[], float | None]) -> float:
    """Estimate in how many seconds there should be a place."""
    longest = request.call.settings.attempt
    takes = typical() or longest or _GUESS  # where nothing is measured yet: the longest that an attempt may take
    return takes * (gate.queue.length + 1) / gate.limit


async def _wait(
    request: Request, gate: Gate, watchdog: Watchdog, now: float, typical: Callable[[], float | None]
) -> None:
    """Wait in the queue for a place, no longer than the call's `max_wait`."""
    call, settings = request.call, request.call.settings
    call.phase = "queue"
    if settings.max_wait is None:
        await gate.queue.wait(gate.leave, priority=settings.priority, tenant=settings.tenant)
        return
    guard = watchdog.enter(now + settings.max_wait, call.task)
    try:
        await gate.queue.wait(gate.leave, priority=settings.priority, tenant=settings.tenant)
    except asyncio.CancelledError:
        if guard.fired():
            back = _come_back(request, gate, typical)
            why = f"no place came free within {settings.max_wait:g} s (wait=)"
            refusal = QueueFull(f"{why}; come back in about {back:.2g} s", request=request, retry_after=back)
            refusal.held_by = "wait"
            raise refusal from None
        raise
    finally:
        watchdog.leave(guard)


async def _learning(inner: Send, request: Request, gate: Gate, learned: Learned, clock: Clock) -> Response:
    """Make one attempt, and let the gate learn from it; a cancelled one, or one that was not sent, says nothing."""
    call = request.call
    records_before = len(call.attempts)
    try:
        response = await inner(request)
    except (RequestTimeout, ConnectError):
        if len(call.attempts) > records_before:
            gate.learn(learned, clock.now(), _latency(call), dropped=True)
        raise
    if len(call.attempts) > records_before:
        gate.learn(learned, clock.now(), _latency(call), dropped=response.effective_status in _DROPS)
    return response


def _latency(call: Call) -> float:
    return call.attempts[-1].elapsed
