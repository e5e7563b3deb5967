"""The semaphore: at most `limit` attempts at a time, the rest in line by priority, then tenant, then arrival.

A free place costs one comparison; only when there is none does a task wait. A place that becomes free while others
wait is handed to the first of them, so nobody overtakes. It is given back in `finally`, synchronously; of an answer
whose body is streamed, when the body closes.

A gate may learn its limit from what comes back (`asyncapi.Adaptive`), one per host: it is then told of every attempt's
own latency, and of drops. When the limit falls below what is in flight, places are withheld as they come back. What it
learns from is the time to the headers, so it bounds those that wait for them: a stream gives its place back there, or
streams that last would stop both the others and the learning. Of open streams there are `most`, the limit included.

Who does not want to wait (`wait=False`, or a number of seconds), or finds `max_queue` before it, is refused.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Protocol

from asyncapi.errors import ConnectError, QueueFull, RequestTimeout
from asyncapi.scheduling.wait_queue import WaitQueue
from asyncapi.scheduling.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.types import Layer, Send

_GUESS = 1.0  # seconds that an attempt takes, where nothing at all is known
_DROPS = frozenset({429, 503})


class Learned(Protocol):
    """A limit that follows what the host can take; see `asyncapi.sansio.limits.adaptive`."""

    limit: float

    def on_sample(self, now: float, latency: float, in_flight: int, dropped: bool) -> None:
        """An attempt ended: its latency in seconds, and whether it was turned away."""
        ...


class Gate:
    """Places for attempts.

    Attributes:
        limit: Places in all.
        free: Places nobody has; below 0 while more are out than there should be.
        line: Those who wait.
        learned: What sets the limit, or None for a fixed one.
        most: Open streams and places there may be together, where the limit is learned.
        streams: Streams that have given their place back and are still open.
    """

    __slots__ = ("free", "learned", "limit", "most", "queue", "streams")

    def __init__(self, limit: int, learned: Learned | None = None, most: float = inf) -> None:
        self.limit = limit
        self.free = limit
        self.queue = WaitQueue()
        self.learned = learned
        self.most = most
        self.streams = 0

    @property
    def busy(self) -> bool:
        """Whether a place is out, or anybody waits for one."""
        return self.free < self.limit or self.queue.length > 0

    async def enter(self) -> None:
        """Take a place, waiting in line for it if need be."""
        if self.free > 0:  # a free place means that nobody waits: it would have been handed on
            self.free -= 1
        else:
            await self.queue.wait(self.leave)

    def leave(self, _: object = None) -> None:
        """Give a place back: to the first in line, if any, and if there still is a place."""
        if self.free < 0 or not self.queue.length or not self.queue.call():
            self.free += 1

    def hold(self, body: OpenBody) -> None:
        """Give the place of a streamed answer back: when its body closes, or now if the limit is learned."""
        if self.learned is None or self.limit + self.streams >= self.most:
            body.hold(self.leave)
            return
        self.streams += 1
        body.hold(self._closed)
        self.leave()

    def _closed(self, _: object) -> None:
        self.streams -= 1

    def resize(self, limit: int) -> None:
        """Change the number of places."""
        self.free += limit - self.limit
        self.limit = limit
        while self.free > 0 and self.queue.call():
            self.free -= 1

    def learn(self, learned: Learned, now: float, latency: float, *, dropped: bool) -> None:
        """Take in how an attempt went."""
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
        max_queue: How many may wait; None for any number.
        typical: How long an attempt usually takes, for telling when to come back.

    Raises (from the layer):
        QueueFull: The call does not want to wait that long, or too many wait already.
    """
    shared = gates if isinstance(gates, Gate) else None
    watchdog = Watchdog(clock) if watchdog is None else watchdog  # one without guards is falsy

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            gate = shared or gates[request.url.host_port_subcomponent or ""]  # type: ignore[index]  # not the Gate
            if gate.free > 0:  # as `enter`, without a coroutine for the common case
                gate.free -= 1
            else:
                _refuse(request, gate, max_queue, typical)
                call, began, before = request.call, clock.now(), gate.queue.length
                await _wait(request, gate, watchdog, began, typical)
                waited = clock.now() - began
                call.queued += waited
                call.held += f"{', ' if call.held else ''}concurrency {waited:.3g} s behind {before}"
            body = None
            try:
                response = await (
                    inner(request) if gate.learned is None else _learning(inner, request, gate, gate.learned, clock)
                )
                body = response.open_body
                return response
            finally:
                if body is None:
                    gate.leave()
                else:
                    gate.hold(body)

        return send

    return layer


def _refuse(request: Request, gate: Gate, most: int | None, typical: Callable[[], float | None]) -> None:
    """Raise if it need not even stand in line."""
    waiting = gate.queue.length
    if request.call.max_wait == 0:
        what = f"all {gate.limit} places are taken and it does not wait (wait=False)"
    elif most is not None and waiting >= most:
        what = f"{waiting} wait already (max_queue={most})"
    else:
        return
    back = _come_back(request, gate, typical)
    refusal = QueueFull(f"{what}; come back in about {back:.2g} s", request=request, retry_after=back)
    refusal.held_by = "wait" if request.call.max_wait == 0 else "queue"
    raise refusal


def _come_back(request: Request, gate: Gate, typical: Callable[[], float | None]) -> float:
    """In how many seconds there should be a place."""
    takes = typical() or request.call.attempt or _GUESS  # nothing measured yet: what an attempt may take at the most
    return takes * (gate.queue.length + 1) / gate.limit


async def _wait(
    request: Request, gate: Gate, watchdog: Watchdog, now: float, typical: Callable[[], float | None]
) -> None:
    """Stand in line, for as long as the call has max_wait."""
    call = request.call
    call.phase = "queue"
    if call.max_wait is None:
        await gate.queue.wait(gate.leave, priority=call.priority, tenant=call.tenant)
        return
    guard = watchdog.enter(now + call.max_wait, call.task)
    try:
        await gate.queue.wait(gate.leave, priority=call.priority, tenant=call.tenant)
    except asyncio.CancelledError:
        if guard.fired():
            told, back = f"no place came free in {call.max_wait:g} s (wait)", _come_back(request, gate, typical)
            refusal = QueueFull(f"{told}; come back in about {back:.2g} s", request=request, retry_after=back)
            refusal.held_by = "wait"
            raise refusal from None
        raise
    finally:
        watchdog.leave(guard)


async def _learning(inner: Send, request: Request, gate: Gate, learned: Learned, clock: Clock) -> Response:
    """One attempt, from which the gate learns. A cancelled one, or one that was not sent, says nothing."""
    call = request.call
    made = len(call.attempts)
    try:
        response = await inner(request)
    except (RequestTimeout, ConnectError):
        if len(call.attempts) > made:
            gate.learn(learned, clock.now(), _latency(call), dropped=True)
        raise
    if len(call.attempts) > made:
        gate.learn(learned, clock.now(), _latency(call), dropped=response.status in _DROPS)
    return response


def _latency(call: Call) -> float:
    return call.attempts[-1].elapsed
