"""Follow the server's limits: its quota headers and 429s slow attempts down before it has to refuse them.

Rules:
1. One `Pacer` per host decides (sansio/limits/pacing.py): attempts go at once while the host says nothing; they are
   spaced over the rest of a window when its quota runs low; a limit that is seen to be shared pauses everybody.
2. Two queues lead to it: single calls wait for what the host has said, a backlog (`map`, `gather`, a job) also for the
   rate that is inferred from its refusals.
3. If the host asks for a wait longer than the cap, single calls are refused at once; a backlog waits.
4. A host that says nothing in its first responses and refuses nothing costs a comparison and a count: the headers of
   one response in sixteen are read then.
5. An attempt that was not sent after all (cancelled, refused or late in another queue of ours) gives back what it took.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, inf
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.errors import RateExceeded
from asyncapi.messages.response import Response
from asyncapi.sansio.limits.pacing import Pacer
from asyncapi.sansio.limits.rate_limited import wait_asked
from asyncapi.sansio.limits.ratelimit_headers import quotas
from asyncapi.scheduling.token_queue import Limiter, wait_for_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.sansio.limits.ratelimit_headers import Quota
    from asyncapi.types import Layer, Send

_ONE_TOKEN = (1.0,)
_REFUSALS = frozenset({403, 429})  # 403 with Retry-After: GitHub's secondary limits
_OK = 200
_AT_FIRST, _NOW_AND_THEN = 50, 16  # responses that are read at first; then one in so many, if the host says nothing
_REST = 1.0  # seconds that a Retry-After of 0 may mean
_TURNS = 16  # numbers of attempts that the queue tells apart
_CAP = 60.0  # seconds; the longest wait of a single call without retries
_NONE: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Pace:
    """What is known of one host's limits, and the queues that lead to it.

    Args:
        clock: Times everything.
        tell_quotas: Called with the quotas that responses state: for other processes.

    Attributes:
        pacer: Decides when the next attempt may go.
    """

    __slots__ = ("__weakref__", "_clock", "_queues", "_tell_quotas", "pacer")

    def __init__(self, clock: Clock, tell_quotas: Callable[[Iterable[Quota]], object] | None = None) -> None:
        self.pacer: Pacer = Pacer()
        self._tell_quotas = tell_quotas
        self._queues: tuple[Limiter, Limiter] | None = None  # of single calls, of a backlog; a quiet host needs none
        self._clock = clock

    def queue(self, *, backlog: bool) -> Limiter:
        """The queue of a backlog, or of single calls (rule 2)."""
        if self._queues is None:
            self._queues = Limiter([self.pacer.singly], self._clock), Limiter([self.pacer], self._clock)
        return self._queues[backlog]

    @property
    def waiting(self) -> int:
        """The number of calls that wait."""
        return sum(limiter.queue.length for limiter in self._queues or ())

    @property
    def busy(self) -> bool:
        """Whether a call waits, or a new one would have to."""
        return any(limiter.busy for limiter in self._queues or ())

    def look_again(self) -> None:
        """Compute the queues anew: calls that wait may be due earlier, or later."""
        if self._queues is None:
            return
        self.pacer.waiting = self._queues[0].queue.length
        for limiter in self._queues:
            if limiter.queue.length:
                limiter.look_again()

    def give_back(self, number: int, taken: float) -> None:
        """Give back the place of attempt `number` in the server's count: it was not sent after all (rule 5)."""
        self.pacer.give_back(number=number, taken=taken, age=self._clock.now() - taken)

    def learn(self, request: Request, response: Response, number: int, sent_at: float, *, backlog: bool) -> None:
        """Take in a response that may say something about limits."""
        status, headers, meaning = response.effective_status, response.headers, response.meaning
        wait: float | None = None
        signature = request.call.signature
        # a pool of keys: see credentials/key_pool.py
        of_key = meaning is None or meaning.more is None  # an overloaded proxy would refuse any key
        if of_key and signature is not None and signature.pooled:  # not the host's limits: the pool of keys keeps them
            status, headers = _OK if status in _REFUSALS else status, _NONE
        limits = quotas(headers, self._clock.wall())
        if status in _REFUSALS:
            told = None if meaning is None else meaning.wait
            wait = wait_asked(status, headers, self._clock.wall()) if told is None else told
            if wait == 0.0:  # Retry-After has whole seconds: the rest of one may be left
                wait = _REST
        if limits and self._tell_quotas is not None:
            self._tell_quotas(limits)
        self.pacer.observe(
            self._clock.now(),
            number=number,
            sent_at=sent_at,
            quotas=limits,
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
    """Send attempts as fast as the host allows.

    Args:
        paces: The state of each host.
        clock: Times everything.
        key: A function that names the limit of a Request; by default each host has its own.
        max_queue: How many calls may wait; None for any number.
        infer: Whether a rate that is inferred from refusals binds single calls too.

    Raises (from the layer):
        RequestTimeout: The call could be sent only after its deadline; `.phase` is "queue".
        RateExceeded: The call does not want to wait that long; or the host asks to wait until after the deadline, or,
            for a single call, longer than the cap.
        QueueFull: Too many wait already.
    """
    now = clock.now

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            state = paces[request.target.host if key is None else key(request)]
            pacer, call = state.pacer, request.call
            backlog = infer or (call.fan_out is not None and call.backlog)
            taken = pacer.active
            if taken:
                limiter = state.queue(backlog=backlog)
                if not limiter.take(_ONE_TOKEN):
                    await _wait(request, state, limiter, clock, max_queue)
            number, sent_at, records_before = pacer.begin(), now(), len(call.attempts)
            try:
                response = await inner(request)
            except BaseException:
                pacer.lost()
                if taken and len(call.attempts) == records_before:  # rule 5
                    state.give_back(number, sent_at)
                if taken:
                    state.look_again()
                raise
            # rule 4
            look = number <= _AT_FIRST or taken or not number % _NOW_AND_THEN
            if response.effective_status in _REFUSALS or (look and _may_state_limits(tuple(response.headers))):
                state.learn(request, response, number, sent_at, backlog=infer or call.backlog)
            else:
                pacer.passed(now(), number, sent_at)
            if taken:
                state.look_again()
            return response

        return send

    return layer


@lru_cache(maxsize=512)  # a host's responses have the same names, one after the other
def _may_state_limits(names: tuple[str, ...]) -> bool:
    """Whether any of these header names may state a limit: in all dialects, such names have these words in them."""
    return any("ratelimit" in name.lower().replace("-", "") for name in names)


async def _wait(request: Request, state: Pace, limiter: Limiter, clock: Clock, max_queue: int | None) -> None:
    """Wait in the queue, or be refused at once where the host asks for a wait that is too long (rule 3).

    The cap decides which calls wait, not when one may be sent: beyond it, one attempt a minute asks whether the host's
    wait still holds.
    """
    call, now = request.call, clock.now()
    wait = state.pacer.retry_after(now)
    policy = call.settings.retry
    cap = inf if call.fan_out is not None else policy.max_retry_after if policy is not None else _CAP
    why = ""
    if wait > cap:
        why = f"a single call waits at most {cap:g} s (max_retry_after)"
    elif request.deadline is not None and now + wait > request.deadline and call.settings.max_wait is None:
        why = f"its deadline is in {request.deadline - now:.3g} s"
    if why:
        response = Response(429, {"Retry-After": str(ceil(wait))}, url=request.target, request=request)
        message = f"the server asks to wait another {wait:.3g} s, but {why}"
        exceeded = RateExceeded(message, response=response, retry_after=wait, request=request)
        if wait > cap:
            exceeded.held_by = "max_retry_after"
        raise exceeded
    # Calls that were refused go first: fewest calls are lost so, and those that got a Retry-After have waited for it.
    turn = call.settings.priority * _TURNS + min(len(call.attempts), _TURNS - 1)
    await wait_for_tokens(request, limiter, _ONE_TOKEN, clock, who="server's", max_queue=max_queue, priority=turn)
