"""Queue tasks for tokens: what the rate layers, for our own limits and for the server's, have in common.

1. While tokens are there, taking them is a few comparisons.
2. Else the task waits in a queue, ordered by priority, then tenant, then arrival. One timer wakes the first when its
   tokens are due.
3. A task that is cancelled spends nothing.
4. A wait that would pass the deadline, or the call's max_wait (`wait=`), is refused at once.
"""

from __future__ import annotations

import asyncio
import math
from math import inf
from typing import TYPE_CHECKING, Protocol

from asyncapi.errors import QueueFull, RateExceeded, RequestTimeout
from asyncapi.messages.response import Response
from asyncapi.sansio.limits.bucket import TOLERANCE
from asyncapi.sansio.limits.slots import Slots
from asyncapi.scheduling.wait_queue import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.scheduling.wait_queue import Weights


_REPLY = 0.1  # seconds that a reply from elsewhere may take, whatever a call wants to wait


class Tokens(Protocol):
    """A token bucket: `Bucket`, `Pacer` or `Slots` of asyncapi.sansio.limits."""

    @property
    def interval(self) -> float:
        """Seconds per token."""
        ...

    def delay(self, now: float, weight: float = 1.0) -> float:
        """Seconds until there are so many tokens."""
        ...

    def forecast(self, now: float, weight: float = 1.0, ahead: float = 0.0) -> float:
        """Seconds until the turn of an attempt that so many tokens are to be taken before."""
        ...

    def take(self, now: float, weight: float = 1.0) -> None:
        """Take so many tokens."""
        ...

    def try_take(self, now: float, weight: float = 1.0) -> bool:
        """Take so many tokens if they are there."""
        ...

    def give_back(self, weight: float = 1.0) -> None:
        """Undo a `take`."""
        ...

    def available(self, now: float) -> float:
        """How many tokens there are."""
        ...


class Limiter:
    """Several buckets that must all conform, and the queue before them.

    Attributes:
        buckets: One per limit.
        queue: Tasks that wait for tokens.
    """

    __slots__ = ("_clock", "_due", "_only", "_shared", "_timer", "buckets", "queue")

    def __init__(self, buckets: Sequence[Tokens], clock: Clock) -> None:
        self.buckets: tuple[Tokens, ...] = tuple(buckets)
        self._only = self.buckets[0] if len(self.buckets) == 1 else None
        self._shared = tuple(bucket for bucket in self.buckets if isinstance(bucket, Slots))
        self.queue: WaitQueue = WaitQueue(len(self.buckets))
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf  # when the timer fires

    @property
    def busy(self) -> bool:
        """Whether anybody waits here, or a newcomer would have to."""
        return self.queue.length > 0 or self._delay(self._clock.now(), (1.0,) * len(self.buckets)) > 0

    @property
    def unsure(self) -> bool:
        """Whether it is being asked elsewhere for tokens: a forecast may be wrong until there is a reply."""
        return any(bucket.asking for bucket in self._shared)

    def take(self, weights: Weights) -> bool:
        """Take the tokens if they are there and nobody waits for them (rule 1)."""
        if self.queue.length:
            return False
        if self._only is not None:
            return self._only.try_take(self._clock.now(), weights[0])
        return self._take(weights)

    def forecast(self, weights: Weights, priority: int = 0) -> float:
        """Seconds until a newcomer's turn, if all those before it stay and nobody more urgent comes."""
        now = self._clock.now()
        return max(
            bucket.forecast(now, weight, ahead)
            for bucket, weight, ahead in zip(self.buckets, weights, self.queue.ahead(priority), strict=True)
        )

    async def wait(self, weights: Weights, priority: int = 0, tenant: str = "") -> None:
        """Wait in the queue; the tokens are taken when this returns (rule 2)."""
        now = self._clock.now()
        if now + self._delay(now, weights) < self._due:
            self._arm(weights)  # it is the first, or more urgent than the first and asks for less
        try:
            await self.queue.wait(self._give_back, weights, priority=priority, tenant=tenant)
        except BaseException:  # rule 3
            self._serve()  # the next one may need less, and be due earlier
            raise

    def look_again(self) -> None:
        """Look at the buckets again: they have changed, and those who wait may be due earlier, or later."""
        self._serve()

    def _take(self, weights: Weights) -> bool:
        now = self._clock.now()
        if self._delay(now, weights) > TOLERANCE:
            return False
        for bucket, weight in zip(self.buckets, weights, strict=True):
            bucket.take(now, weight)
        return True

    def _delay(self, now: float, weights: Weights) -> float:
        worst = -inf
        for bucket, weight in zip(self.buckets, weights, strict=True):
            delay = bucket.delay(now, weight)
            worst = max(worst, delay)
        return worst

    def _give_back(self, weights: Weights) -> None:
        for bucket, weight in zip(self.buckets, weights, strict=True):
            bucket.give_back(weight)

    def _arm(self, weights: Weights) -> None:
        """Set the timer to when these tokens are due."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._clock.now()
        self._due = now + self._delay(now, weights)
        self._timer = self._clock.call_at(self._due, self._serve)

    def _serve(self) -> None:
        """Call as many from the queue as there are tokens for, and come back for the next."""
        while (head := self.queue.head()) is not None:
            if not self._take(head.weights):
                self._arm(head.weights)
                return
            self.queue.call()
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, inf


async def wait_for_tokens(
    request: Request,
    limiter: Limiter,
    weights: Weights,
    clock: Clock,
    *,
    who: str,
    max_queue: int | None,
    priority: int | None = None,
) -> None:
    """Wait for the tokens of an attempt, in the queue of its limiter.

    Args:
        request: The attempt's.
        limiter: Whose tokens they are.
        weights: How many of each bucket.
        clock: Times the wait.
        who: Whose limit it is, for messages.
        max_queue: How many may wait; None for any number.
        priority: Instead of the call's own.

    Raises:
        RequestTimeout: Its turn would come after the deadline; `.phase` is "queue".
        RateExceeded: The call does not want to wait that long.
        QueueFull: Too many wait already.
    """
    call, began, before = request.call, clock.now(), limiter.queue.length
    call.phase = "queue"
    turn = call.settings.priority if priority is None else priority
    refuse(request, limiter.forecast(weights, turn), began, who=who, before=before, max_queue=max_queue)
    most = call.settings.max_wait
    if most is None or not limiter.unsure:
        await limiter.wait(weights, turn, call.settings.tenant)
    else:  # a reply from elsewhere may show that the wait is longer
        try:
            async with asyncio.timeout(most + _REPLY):
                await limiter.wait(weights, turn, call.settings.tenant)
        except TimeoutError:
            refuse(request, max(limiter.forecast(weights, turn), most + _REPLY), began, who=who)
    waited = clock.now() - began
    call.queued += waited
    call.log_wait(f"{_word(who)} {waited:.3g} s behind {before}")


def refuse(
    request: Request, wait: float, now: float, *, who: str, before: int = 0, max_queue: int | None = None
) -> None:
    """Raise if the attempt need not even wait in the queue (rule 4).

    Args:
        request: The attempt's.
        wait: Seconds until its turn would come.
        now: On the client's clock.
        who: Whose limit it is, for messages.
        before: How many wait already.
        max_queue: How many may; None for any number.

    Raises:
        RequestTimeout, RateExceeded, QueueFull: As in `wait_for_tokens`.
    """
    max_wait = request.call.settings.max_wait
    if max_wait is not None and wait > max_wait:
        seconds = math.ceil(wait * 1000) / 1000
        response = Response(429, {"Retry-After": str(math.ceil(wait))}, url=request.target, request=request)
        message = f"the {who} limit would hold this call for {seconds:g} s; it waits {max_wait:g} s at most (wait=)"
        exceeded = RateExceeded(message, response=response, retry_after=seconds, request=request)
        exceeded.held_by = "wait"
        raise exceeded
    if max_queue is not None and before >= max_queue:
        message = f"{before} calls wait already (max_queue={max_queue}); come back in {wait:.3g} s"
        raise QueueFull(message, request=request, retry_after=wait)
    if request.deadline is not None and now + wait > request.deadline:
        left = request.deadline - now
        message = f"the {who} limit would hold this call for {wait:.3g} s; its deadline is in {left:.3g} s"
        refusal = RequestTimeout(message, phase="queue", request=request)
        refusal.final = True
        refusal.held_by = _word(who)
        raise refusal


def _word(who: str) -> str:
    """The limit that holds a call back, as records, errors and statistics name it."""
    return "pace" if who == "server's" else who
