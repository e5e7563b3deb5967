"""Inject faults into attempts, for users' own tests: latency, statuses, broken connections, cut bodies.

The layer is just above the transport, so that every other layer meets its faults as it would meet real ones: they count
against the attempt's limit, are recorded, retried, and counted by the breaker. What happens to an attempt depends on
the seed, on its method and URL, and on how often that URL was requested before; never on time or on other calls.

For each attempt, in this order:

1. The latency passes.
2. The connection breaks before anything is sent (half of the drops, and all of an outage), or
3. a response of 429 or another status comes without the server, or
4. the request is sent, and then its response is lost (the other half of the drops), cut short, or left alone.

An outage goes over several attempts of one method and URL in a row.

A body that is cut short looks as it does on the wire, where the connection closes before the promised length: a
`ProtocolError`, never half a response. Of a streamed body, part of the first piece arrives before the error. A
WebSocket loses its connection after some messages.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.errors import ConnectError, ProtocolError
from asyncapi.messages.response import Response
from asyncapi.messages.upgrade import Closed
from asyncapi.redact import redact_url
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.transports import attempt_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.request import Request
    from asyncapi.messages.upgrade import Socket
    from asyncapi.scheduling.watchdog import Watchdog
    from asyncapi.settings import Chaos
    from asyncapi.types import Layer, Send

    Read = Callable[[], Awaitable[bytes]]

_TOO_MANY_REQUESTS = 429
_DROPPED = 1006  # RFC 6455 section 7.1.5
_MOST_MESSAGES = 10


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """The fault that one attempt will meet.

    Attributes:
        latency: Seconds before anything else.
        unsent: Whether the connection breaks before the request is sent.
        lost: Whether the request is sent, and the connection breaks before a response comes.
        status: The status of a response that comes without the server, or None.
        body_share: The share of the response's body that arrives.
    """

    latency: float = 0.0
    unsent: bool = False
    lost: bool = False
    status: int | None = None
    body_share: float = 1.0


def planned_fault(settings: Chaos, key: str, visit: int) -> PlannedFault:
    """Draw the fault of this visit (from 1) of this key; the draws themselves don't depend on the settings."""
    draw = random.Random(f"{settings.seed} {visit} {key}").random
    slow, length, which, cut, body_share = draw(), draw(), draw(), draw(), draw()
    shortest, longest = settings.latencies
    latency = shortest + (longest - shortest) * length if slow < settings.slow else 0.0
    if settings.outages and _in_outage(settings, key, visit):
        return PlannedFault(latency, unsent=True)
    if which < settings.drops:
        unsent = which < settings.drops / 2
        return PlannedFault(latency, unsent=unsent, lost=not unsent)
    which -= settings.drops
    for status, share in ((_TOO_MANY_REQUESTS, settings.throttle), *settings.shares.items()):
        if which < share:
            return PlannedFault(latency, status=status)
        which -= share
    return PlannedFault(latency, body_share=body_share if cut < settings.truncate else 1.0)


def _in_outage(settings: Chaos, key: str, visit: int) -> bool:
    """Whether this visit falls into an outage; the key says where the first one may begin."""
    length = settings.outage_length
    block = (visit - 1 + random.Random(f"{settings.seed} outages {key}").randrange(length)) // length
    return random.Random(f"{settings.seed} outage {block} {key}").random() < settings.outages


class _VisitCounter:
    """Counts the attempts of one method and URL."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


def chaos(settings: Chaos, watchdog: Watchdog, clock: Clock) -> Layer:
    """Let every attempt meet its fault.

    Args:
        settings: Which faults, and how often.
        watchdog: Ends attempts at their limit, the added latency included.
        clock: Times the latency.

    Raises (from the layer):
        ConnectError: The connection broke before the request was sent.
        ProtocolError: The connection broke before the response, or in the middle of its body.
        RequestTimeout: The attempt's limit passed during the latency.
    """
    visits = Keyed(_VisitCounter, 65_536)

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            key = f"{request.method} {redact_url(request.target)}"  # another token is not another URL
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
    """Carry out one attempt with its fault, after the latency."""
    if fault.unsent:  # case 2
        raise ConnectError("chaos: no connection could be made", request=request)
    if fault.status is not None:  # case 3
        headers = {"X-Chaos": "answered"}
        if fault.status == _TOO_MANY_REQUESTS:
            headers["Retry-After"] = f"{retry_after:g}"
        return Response(fault.status, headers, b"chaos", url=request.target, request=request)
    response = await inner(request)  # case 4
    if fault.lost:
        raise ProtocolError("chaos: the connection was closed before a response came", request=request)
    if fault.body_share == 1.0:
        return response
    if response.open_body is not None and response.open_body.socket is not None:
        response.open_body.socket = _ShortLived(response.open_body, fault.body_share)
    elif response.open_body is not None:
        response.open_body.read = _cut_short(response.open_body.read, fault.body_share, request)
    elif response.content:
        request.call.phase = "body"
        got = f"{int(fault.body_share * len(response.content))} of {len(response.content)} bytes"
        raise ProtocolError(f"chaos: the connection was closed after {got} of the response body", request=request)
    return response


class _ShortLived:
    """A WebSocket that loses its connection after some messages: up to ten, both ways counted.

    Args:
        body: What holds the connection.
        share: The share of ten messages that pass.
    """

    def __init__(self, body: OpenBody, share: float) -> None:
        assert body.socket is not None  # noqa: S101 - the caller looks
        self._body = body
        self._socket: Socket = body.socket
        self._left = int(share * _MOST_MESSAGES)
        self._end: Closed | None = None

    @property
    def subprotocol(self) -> str | None:
        """As of a `Socket`."""
        return self._socket.subprotocol

    async def receive(self) -> str | bytes | Closed:
        """As of a `Socket`."""
        if self._end is None and self._is_over():
            self._drop()
        if self._end is not None:
            return self._end
        return await self._socket.receive()

    async def send(self, message: str | bytes) -> None:
        """As of a `Socket`."""
        if self._end is None and self._is_over():
            self._drop()
        await self._socket.send(message)

    async def close(self, code: int, reason: str) -> None:
        """As of a `Socket`."""
        await self._socket.close(code, reason)

    def _is_over(self) -> bool:
        self._left -= 1
        return self._left < 0

    def _drop(self) -> None:
        self._end = Closed(_DROPPED, why="chaos: the connection was closed")
        self._body.close()


def _cut_short(read: Read, body_share: float, request: Request) -> Read:
    """Make a streamed body break off within its first piece."""
    received = False

    async def cut() -> bytes:
        nonlocal received
        if not received and (piece := await read()):
            received = True
            if left := piece[: int(body_share * len(piece))]:
                return left
        raise ProtocolError("chaos: the connection was closed in the response body", request=request)

    return cut
