"""Chaos on purpose, for users' own tests: latency, statuses, broken connections, cut bodies.

It stands just above the transport, so that every layer meets its faults as it would meet real ones: they are timed by
the attempt's limit, recorded, retried, counted by the breaker. What happens to an attempt depends on the seed, its
method and URL, and on how often that was asked for before; never on time, nor on what else is under way.

Of one attempt, in this order: the latency passes; the connection breaks before anything is sent (half of the drops);
or it is answered at once, with a 429 or another status, without reaching the server; or it is sent, and then its answer
is lost (the other half), its body cut short, or left alone. A body that is cut short is what it is on the wire, a
connection closed before the length that was promised: a `ProtocolError`, never half an answer; of a streamed one, part
of the first piece comes before it.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.errors import ConnectError, ProtocolError
from asyncapi.messages.response import Response
from asyncapi.redact import redact_url
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.transports import attempt_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.scheduling.watchdog import Watchdog
    from asyncapi.settings import Chaos
    from asyncapi.types import Layer, Send

_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """What will happen to one attempt.

    Attributes:
        latency: Seconds before anything else.
        unsent: The connection breaks before it is sent.
        lost: It is sent, and the connection breaks before its answer comes.
        status: It is not sent, but answered with this.
        kept: The share of the answer's body that is left.
    """

    latency: float = 0.0
    unsent: bool = False
    lost: bool = False
    status: int | None = None
    kept: float = 1.0


def planned_fault(settings: Chaos, key: str, visit: int) -> PlannedFault:
    """What happens to this visit (from 1) of this key; the draws don't depend on the settings."""
    draw = random.Random(f"{settings.seed} {visit} {key}").random
    slow, length, which, cut, kept = draw(), draw(), draw(), draw(), draw()
    shortest, longest = settings.latencies
    latency = shortest + (longest - shortest) * length if slow < settings.slow else 0.0
    if which < settings.drops:
        unsent = which < settings.drops / 2
        return PlannedFault(latency, unsent=unsent, lost=not unsent)
    which -= settings.drops
    for status, share in ((_TOO_MANY_REQUESTS, settings.throttle), *settings.shares.items()):
        if which < share:
            return PlannedFault(latency, status=status)
        which -= share
    return PlannedFault(latency, kept=kept if cut < settings.truncate else 1.0)


class _VisitCounter:
    """How often a key was asked for."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


def chaos(settings: Chaos, watchdog: Watchdog, clock: Clock) -> Layer:
    """Do to every attempt what its fault says.

    Args:
        settings: What goes wrong, and how often.
        watchdog: Ends attempts at their limit, the added latency included.
        clock: Times the latency.

    Raises (from the layer):
        ConnectError: Its connection broke before it was sent.
        ProtocolError: Its connection broke before the answer came, or in the middle of its body.
        RequestTimeout: The attempt's limit came during the latency.
    """
    visits = Keyed(_VisitCounter, 65_536)

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            key = f"{request.method} {redact_url(request.url)}"  # a new token is no other URL
            visit = visits[key]
            visit.count += 1
            fault = planned_fault(settings, key, visit.count)
            guard = attempt_limit.enter(watchdog, clock, request)
            try:
                if fault.latency:
                    request.call.phase = "headers"
                    await clock.sleep(fault.latency)
                return await _apply(fault, request, inner, settings.retry_after)
            except asyncio.CancelledError:
                if guard is not None and guard.fired():
                    raise attempt_limit.timed_out(request) from None
                raise
            finally:
                if guard is not None:
                    watchdog.leave(guard)

        return send

    return layer


async def _apply(fault: PlannedFault, request: Request, inner: Send, retry_after: float) -> Response:
    """One attempt, after its latency."""
    if fault.unsent:
        raise ConnectError("chaos: no connection could be made", request=request)
    if fault.status is not None:
        headers = {"X-Chaos": "answered"}
        if fault.status == _TOO_MANY_REQUESTS:
            headers["Retry-After"] = f"{retry_after:g}"
        return Response(fault.status, headers, b"chaos", url=request.url, request=request)
    response = await inner(request)
    if fault.lost:
        raise ProtocolError("chaos: the connection was closed before a response came", request=request)
    if fault.kept == 1.0:
        return response
    if response.open_body is not None:
        response.open_body.read = _cut_short(response.open_body.read, fault.kept, request)
    elif response.content:
        request.call.phase = "body"
        got = f"{int(fault.kept * len(response.content))} of {len(response.content)} bytes"
        raise ProtocolError(f"chaos: the connection was closed after {got} of the response body", request=request)
    return response


def _cut_short(read: Callable[[], Awaitable[bytes]], kept: float, request: Request) -> Callable[[], Awaitable[bytes]]:
    """A streamed body that breaks off within its first piece."""
    came = False

    async def cut() -> bytes:
        nonlocal came
        if not came and (piece := await read()):
            came = True
            if left := piece[: int(kept * len(piece))]:
                return left
        raise ProtocolError("chaos: the connection was closed in the response body", request=request)

    return cut
