"""The server's limits: what a host tells of its quotas, and its 429s, slow us down before it has to refuse.

One `Pacer` per host decides (sansio/pacing.py): attempts go as they come while nothing is told; they are spaced over
what is left of a window when it runs low; a 429 is one pause for everybody. A host that has told nothing in its first
answers and refuses nothing costs a comparison and a count; the headers of one answer in sixteen are looked at then. An
attempt that was not sent after all (cancelled, refused or late in another line of ours) gives back what it took.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.errors import RateExceeded
from asyncapi.limiting import Limiter, stand_in_line
from asyncapi.sansio.pacing import Pacer
from asyncapi.sansio.ratelimit_headers import quotas, tells
from asyncapi.sansio.retryafter import retry_after
from asyncapi.types import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.sansio.keyed import Keyed
    from asyncapi.types import Layer, Request, Send

_ONE = (1.0,)
_REFUSALS = frozenset({403, 429})  # 403 with Retry-After: GitHub's secondary limits
_OK = 200
_AT_FIRST, _NOW_AND_THEN = 50, 16  # a host that tells nothing at first is looked at once in so many answers
_NONE: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Pace:
    """What is known of one host's limits, and the line before it.

    Attributes:
        pacer: Decides.
        limiter: The line.
    """

    __slots__ = ("_clock", "limiter", "pacer")

    def __init__(self, clock: Clock) -> None:
        self.pacer = Pacer()
        self.limiter = Limiter([self.pacer], clock)
        self._clock = clock

    def give_back(self, number: int, taken: float) -> None:
        """Attempt `number`, taken then, was not sent after all: its place in the server's count is another's."""
        self.pacer.give_back(number=number, taken=taken, age=self._clock.now() - taken)
        self.limiter.look_again()

    def learn(self, request: Request, response: Response, number: int, sent_at: float) -> None:
        """Take in an answer that may tell of limits."""
        status, headers, wait = response.status, response.headers, None
        signature = request.call.signature
        if signature is not None and signature.of_many:  # one key's limits, not the host's: its pool keeps them
            status, headers = _OK if status in _REFUSALS else status, _NONE
        told = quotas(headers, self._clock.wall())
        if status in _REFUSALS:
            wait = retry_after(headers, self._clock.wall())
        self.pacer.observe(
            self._clock.now(), number=number, sent_at=sent_at, told=told, status=status, retry_after=wait
        )
        if self.limiter.line.length:
            self.limiter.look_again()  # what was told may free those who wait before their timer


def pace(
    paces: Keyed[Pace],
    clock: Clock,
    *,
    key: Callable[[Request], str] | None = None,
    max_queue: int | None = None,
) -> Layer:
    """Go as fast as the host says.

    Args:
        paces: The state of each host.
        clock: Times everything.
        key: What limits go by, instead of the host.
        max_queue: How many may wait; None for any number.

    Raises (from the layer):
        RequestTimeout: Its turn would come after the deadline; `.phase` is "queue".
        RateExceeded: The call does not want to wait that long, or the host's own pause ends after the deadline.
        QueueFull: Too many wait already.
    """
    now = clock.now

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            one = paces[(request.url.host_port_subcomponent or "") if key is None else key(request)]
            pacer = one.pacer
            taken = pacer.active
            if taken and not one.limiter.take(_ONE):
                await _wait(request, one, clock, max_queue)
            number, sent_at, made = pacer.begin(), now(), len(request.call.attempts)
            try:
                response = await inner(request)
            except BaseException:
                if taken and len(request.call.attempts) == made:
                    one.give_back(number, sent_at)
                raise
            look = number <= _AT_FIRST or taken or not number % _NOW_AND_THEN
            if response.status in _REFUSALS or (look and tells(tuple(response.headers))):
                one.learn(request, response, number, sent_at)
            else:
                pacer.passed(now(), number, sent_at)
            return response

        return send

    return layer


async def _wait(request: Request, one: Pace, clock: Clock, max_queue: int | None) -> None:
    now = clock.now()
    pause = one.pacer.paused_until - now
    if request.deadline is not None and now + pause > request.deadline and request.call.patience is None:
        told = Response(429, {"Retry-After": str(ceil(pause))}, url=request.url, request=request)
        message = f"the server has asked to wait {pause:.3g} s more, its deadline is in {request.deadline - now:.3g} s"
        raise RateExceeded(message, response=told, retry_after=pause, request=request)
    await stand_in_line(request, one.limiter, _ONE, clock, who="server's", most=max_queue)
