"""Give up an attempt that is overdue, so that another one can be made, or a fallback taken, while there is time.

It stands below every wait of ours: an attempt is timed from when it is sent. What was seen of a route's attempts says
from when on one is overdue (sansio/failures/overdue.py): when hardly any of those that took as long ended well.

Rules:
1. It holds for calls with a learned policy and a fallback at hand (layers/fallback.py, rule 7), and for requests that
   are safe to send twice. Others wait as long as they may.
2. An attempt that is given up has timed out, for every layer above: whether it is retried is up to the retry layer.
3. It says nothing of how it would have ended. So a share of them is not given up, to see.
4. An attempt that ends with its call's deadline, or with its share of it, has not ended well. One that was cancelled,
   or refused by ourselves, says nothing.
5. An attempt with a streamed response ends at its headers; such attempts are learned apart.
6. It is given up only where an attempt that began later has ended well: else another one would not, either. That is
   looked at again and again. A response whose body is being read is on its way: it is not given up.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from asyncapi.errors import RequestTimeout, TransportError
from asyncapi.sansio.failures.overdue import Overdue, key_of
from asyncapi.sansio.failures.resend import safe
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.watchdog import Guard

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.overdue import Cut
    from asyncapi.types import Layer, Send

_SERVER_ERRORS = 500
_HALF_LIFE = 30.0  # seconds after which what was seen counts half


def overdue(clock: Clock, *, explore: float) -> Layer:
    """Give up attempts that are overdue.

    Args:
        clock: Times and draws everything.
        explore: The share that is not given up (rule 3).
    """

    def layer(inner: Send) -> Send:
        return _Patience(inner, clock, explore).send

    return layer


class _Patience:
    """The layer's state: what is known of each route's attempts."""

    __slots__ = ("_clock", "_explore", "_inner", "_known")

    def __init__(self, inner: Send, clock: Clock, explore: float) -> None:
        self._inner = inner
        self._clock = clock
        self._explore = explore
        self._known: Keyed[Overdue] = Keyed(partial(Overdue, "attempts", _HALF_LIFE))

    async def send(self, request: Request) -> Response:
        """Send the attempt, for no longer than it is worth."""
        call = request.call
        if call.alternative is None or call.upgrade is not None or not safe(request):  # rule 1
            return await self._inner(request)
        key = key_of(request)
        seen = self._known[key if call.open_bodies is None else f"{key} (streamed)"]  # rule 5
        began = self._clock.now()
        cut = seen.cut(_limit(request, began), began)
        if cut is None or not call.instead or self._clock.random() < self._explore:
            return await self._send(request, seen, began)
        return await self._bounded(request, seen, began, cut)

    async def _bounded(self, request: Request, seen: Overdue, began: float, cut: Cut) -> Response:
        call, outer = request.call, request.call.guards
        task = call.task or asyncio.current_task()
        if task is None:  # a coroutine driven by hand
            return await self._send(request, seen, began)
        guard = Guard(task, inf)
        guard.tells = False
        look = _Look(self._clock, seen, began, cut, guard, call)
        # outermost first: an attempt that is cut off names the limit that fired
        call.guards = (*outer, guard)
        try:
            return await self._send(request, seen, began)
        except asyncio.CancelledError:
            if guard.fired():
                _note(call, cut)
                raise RequestTimeout(f"{guard.means}, during {call.phase}", phase=call.phase, request=request) from None
            raise
        finally:
            call.guards = outer
            look.end()
            if guard.expired:  # fired, but something else ended the attempt
                guard.fired()

    async def _send(self, request: Request, seen: Overdue, began: float) -> Response:
        """Send it, and take in how it has ended."""
        well: bool | None = False
        try:
            response = await self._inner(request)
            well = response.effective_status < _SERVER_ERRORS
        except TransportError:
            raise
        except asyncio.CancelledError:
            fired = next((guard for guard in request.call.guards if guard.fires), None)
            if fired is None or not fired.tells:  # rules 3 and 4
                well = None
            raise
        except BaseException:
            well = None
            raise
        finally:
            if well is not None:
                now = self._clock.now()
                seen.ended(now - began, now, well=well)
        return response


class _Look:
    """Looks, from when an attempt is overdue on, whether another one would end well (rule 6)."""

    __slots__ = ("_began", "_call", "_clock", "_cut", "_guard", "_seen", "_timer")

    def __init__(  # noqa: PLR0917 - of one place
        self, clock: Clock, seen: Overdue, began: float, cut: Cut, guard: Guard, call: Call
    ) -> None:
        self._clock, self._seen, self._began, self._cut, self._guard = clock, seen, began, cut, guard
        self._call = call
        self._timer = clock.call_at(began + cut.after, self._look)

    def _look(self) -> None:
        now = self._clock.now()
        if self._seen.well_since > self._began and self._call.phase != "body":
            self._guard.means = f"given up after {now - self._began:.3g} s: {self._cut.reason}"
            self._guard.expire()
        else:
            self._timer = self._clock.call_at(now + self._cut.after, self._look)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()


def _limit(request: Request, now: float) -> float:
    """Seconds that the attempt may take anyway."""
    left = inf if request.deadline is None else request.deadline - now
    attempt = request.call.settings.attempt
    return left if attempt is None else min(left, attempt)


def _note(call: Call, cut: Cut) -> None:
    """Write into the record of the attempt why it was given up."""
    if call.attempts:
        record = call.attempts[-1]
        record.state = {**(record.state or {}), "overdue": cut.as_dict()}
