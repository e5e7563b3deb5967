"""The server's limits: what a host tells of its quotas, and its 429s, slow us down before it has to refuse.

One `Pacer` per host decides (sansio/limits/pacing.py): attempts go as they come while nothing is told; they are
spaced over what is left of a window when it runs low; a limit that is seen to be shared is one pause for everybody.
There are two queues before it: single calls wait for what the host has told, a backlog (`map`, `gather`, a job) also
for the rate that is inferred from its refusals. A told wait over the cap is refused to single calls at once; a
backlog waits. A host that has told nothing in its first answers and refuses nothing costs a comparison and a count;
the headers of one answer in sixteen are looked at then. An attempt that was not sent after all (cancelled, refused or
late in another line of ours) gives back what it took.
"""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.errors import RateExceeded
from asyncapi.messages.response import Response
from asyncapi.sansio.limits.pacing import Pacer
from asyncapi.sansio.limits.rate_limited import wait_asked
from asyncapi.sansio.limits.ratelimit_headers import quotas, tells
from asyncapi.scheduling.token_queue import Limiter, stand_in_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.types import Layer, Send

_ONE = (1.0,)
_REFUSALS = frozenset({403, 429})  # 403 with Retry-After: GitHub's secondary limits
_OK = 200
_AT_FIRST, _NOW_AND_THEN = 50, 16  # a host that tells nothing at first is looked at once in so many answers
_REST = 1.0  # seconds that "at once" may mean
_TURNS = 16  # attempts that are told apart in line
_CAP = 60.0  # seconds that a single call without retries waits for what the host has told
_NONE: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Pace:
    """What is known of one host's limits, and the lines before it.

    Attributes:
        pacer: Decides.
    """

    __slots__ = ("_clock", "_queues", "pacer")

    def __init__(self, clock: Clock) -> None:
        self.pacer = Pacer()
        self._queues: tuple[Limiter, Limiter] | None = (
            None  # of single calls, and of a backlog; a quiet host needs none
        )
        self._clock = clock

    def queue(self, *, backlog: bool) -> Limiter:
        """Where calls of a backlog stand, or single ones."""
        if self._queues is None:
            self._queues = Limiter([self.pacer.singly], self._clock), Limiter([self.pacer], self._clock)
        return self._queues[backlog]

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(limiter.queue.length for limiter in self._queues or ())

    @property
    def busy(self) -> bool:
        """Whether anybody waits, or a newcomer would have to."""
        return any(limiter.busy for limiter in self._queues or ())

    def look_again(self) -> None:
        """Something is known better: those who wait may be due earlier, or later."""
        if self._queues is None:
            return
        self.pacer.waiting = self._queues[0].queue.length
        for limiter in self._queues:
            if limiter.queue.length:
                limiter.look_again()

    def give_back(self, number: int, taken: float) -> None:
        """Attempt `number`, taken then, was not sent after all: its place in the server's count is another's."""
        self.pacer.give_back(number=number, taken=taken, age=self._clock.now() - taken)

    def learn(self, request: Request, response: Response, number: int, sent_at: float, *, backlog: bool) -> None:
        """Take in an answer that may tell of limits."""
        status, headers, wait = response.status, response.headers, None
        signature = request.call.signature
        if signature is not None and signature.pooled:  # one key's limits, not the host's: its pool keeps them
            status, headers = _OK if status in _REFUSALS else status, _NONE
        told = quotas(headers, self._clock.wall())
        if status in _REFUSALS:
            wait = wait_asked(status, headers, self._clock.wall())
            if wait == 0.0:  # what whole seconds leave of the rest of one
                wait = _REST
        self.pacer.observe(
            self._clock.now(),
            number=number,
            sent_at=sent_at,
            told=told,
            status=status,
            retry_after=wait,
            backlog=backlog,
        )


def pace(
    paces: Keyed[Pace],
    clock: Clock,
    *,
    key: Callable[[Request], str] | None = None,
    max_queue: int | None = None,
    infer: bool = False,
) -> Layer:
    """Go as fast as the host says.

    Args:
        paces: The state of each host.
        clock: Times everything.
        key: What limits go by, instead of the host.
        max_queue: How many may wait; None for any number.
        infer: Whether a rate that is inferred from refusals binds single calls, too.

    Raises (from the layer):
        RequestTimeout: Its turn would come after the deadline; `.phase` is "queue".
        RateExceeded: The call does not want to wait that long; or the host has told a time after its deadline, or for a
            single call over its cap.
        QueueFull: Too many wait already.
    """
    now = clock.now

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            one = paces[(request.url.host_port_subcomponent or "") if key is None else key(request)]
            pacer, backlog = one.pacer, infer or request.call.backlog
            taken = pacer.active
            if taken:
                limiter = one.queue(backlog=backlog)
                if not limiter.take(_ONE):
                    await _wait(request, one, limiter, clock, max_queue)
            number, sent_at, made = pacer.begin(), now(), len(request.call.attempts)
            try:
                response = await inner(request)
            except BaseException:
                pacer.lost()
                if taken and len(request.call.attempts) == made:
                    one.give_back(number, sent_at)
                if taken:
                    one.look_again()
                raise
            look = number <= _AT_FIRST or taken or not number % _NOW_AND_THEN
            if response.status in _REFUSALS or (look and tells(tuple(response.headers))):
                one.learn(request, response, number, sent_at, backlog=infer or request.call.backlog)
            else:
                pacer.passed(now(), number, sent_at)
            if taken:
                one.look_again()
            return response

        return send

    return layer


async def _wait(request: Request, one: Pace, limiter: Limiter, clock: Clock, max_queue: int | None) -> None:
    """Stand in line, or be refused at once where the host has told a time that can't be waited for.

    The cap decides who waits, not when one may send: beyond it one attempt a minute asks whether it still holds.
    """
    call, now = request.call, clock.now()
    told = one.pacer.retry_after(now)
    cap = inf if call.fan_out is not None else call.retry.max_retry_after if call.retry is not None else _CAP
    why = ""
    if told > cap:
        why = f"a single call waits {cap:g} s at most (max_retry_after)"
    elif request.deadline is not None and now + told > request.deadline and call.max_wait is None:
        why = f"its deadline is in {request.deadline - now:.3g} s"
    if why:
        response = Response(429, {"Retry-After": str(ceil(told))}, url=request.url, request=request)
        message = f"the server has asked to wait {told:.3g} s more, {why}"
        exceeded = RateExceeded(message, response=response, retry_after=told, request=request)
        if told > cap:
            exceeded.held_by = "max_retry_after"
        raise exceeded
    # Who has been refused goes first: fewest calls are lost so, and those that were told a time have waited for it.
    turn = call.priority * _TURNS + min(len(call.attempts), _TURNS - 1)
    await stand_in_line(request, limiter, _ONE, clock, who="server's", most=max_queue, priority=turn)
