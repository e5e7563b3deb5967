"""Replay a trace: a new client on a virtual clock gets the same calls, and the same responses to its attempts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ProtocolError
from asyncapi.layers import deadline
from asyncapi.messages.meaning import Meaning
from asyncapi.messages.open_body import OpenBody
from asyncapi.messages.request import Body, Request
from asyncapi.messages.response import Response
from asyncapi.redact import redact_url
from asyncapi.settings import Budget, Learned, Retry, Timeout
from asyncapi.testing.failures import Failure
from asyncapi.testing.virtual_time import FakeClock, run
from asyncapi.trace.recorder import OUTSIDE, Recorder, current_call, own_url
from asyncapi.transports.mock import MockTransport
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncapi.client.client import Client
    from asyncapi.trace.format import RecordedCall, RecordedExchange, Trace


class _Past:
    """Responds as the trace says, and has a clock whose random draws are those of the trace."""

    def __init__(self, trace: Trace) -> None:
        self._by_call: dict[int, list[RecordedExchange]] = {}
        for exchange in trace.exchanges:
            self._by_call.setdefault(exchange.call, []).append(exchange)
        self.clock = FakeClock(epoch=trace.epoch)
        draws, fresh = iter(trace.draws), self.clock.random

        def random() -> float:
            draw = next(draws, None) if current_call.get() != OUTSIDE else None
            return fresh() if draw is None else draw  # a client that decides otherwise may need more

        self.clock.random = random

    async def respond(self, request: Request) -> Response:
        exchange = self._next(current_call.get(), f"{request.method} {redact_url(own_url(request))}")
        if exchange is None:
            message = "the trace has no further attempt of this call: it was decided otherwise"
            raise ProtocolError(message, request=request)
        if exchange.until > exchange.at:
            exactly = self.clock.now() == exchange.at
            await self.until(exchange.until if exactly else self.clock.now() + exchange.until - exchange.at)
        if exchange.error == "CancelledError":  # cancelled from outside, as it will be again
            await asyncio.get_running_loop().create_future()
        if exchange.error:
            failure = Failure(
                exchange.error, exchange.message, exchange.phase, exchange.stale, exchange.final, exchange.unprocessed
            )
            raise failure.raised(request)
        content = exchange.content.encode("latin-1")
        response = Response(exchange.status, exchange.headers, content, trailers=exchange.trailers)
        meaning = Meaning(**exchange.meaning) if exchange.meaning else None
        request.call.reading = None if meaning is None else lambda _: meaning
        if request.call.open_bodies is not None and exchange.status < 300:  # noqa: PLR2004 - redirects and errors are read
            response.open_body = OpenBody(_nothing, lambda: None)
        return response

    def _next(self, number: int, target: str) -> RecordedExchange | None:
        """Take this call's next exchange with this target; or one outside of calls; or the call's next with any."""
        own = self._by_call.get(number, [])
        for recorded in (own, self._by_call.get(OUTSIDE, [])):
            for place, exchange in enumerate(recorded):
                if redact_url(exchange.target) == target:
                    return recorded.pop(place)
        return own.pop(0) if own else None

    async def until(self, when: float) -> None:
        """Wait until exactly this time; a sleep of the difference could miss it by a rounding."""
        due = asyncio.get_running_loop().create_future()
        timer = self.clock.call_at(when, lambda: None if due.done() else due.set_result(None))
        try:
            await due
        finally:
            timer.cancel()


def replay(trace: Trace, **settings: Any) -> Trace:
    """Replay a trace, and return the trace of the client that was made for it.

    Args:
        trace: What was recorded.
        settings: Those of `asyncapi.Client`, as they were when it was recorded, or others to see what they would do.
    """
    settings.setdefault("raise_for_status", False)
    return run(_replayed(trace, settings))


async def _replayed(trace: Trace, settings: dict[str, Any]) -> Trace:
    past = _Past(trace)
    recorder = Recorder(MockTransport(past.respond, clock=past.clock), clock=past.clock)
    client: Client | None = None
    tasks: list[asyncio.Task[None]] = []
    closing = [asyncio.Event() for _ in trace.calls]
    try:
        for at, _, number, event in trace.events:
            if at > past.clock.now():
                await past.until(at)
            if event == "started":
                client = client or recorder.client(**settings)
                tasks.append(asyncio.create_task(_call_again(client, trace.calls[number], closing[number])))
            elif event == "cancelled":
                tasks[number].cancel()
            else:
                closing[number].set()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        if client is not None:
            await client.aclose()
    return recorder.trace


async def _call_again(api: Client, recorded: RecordedCall, closing: asyncio.Event) -> None:
    token = deadline.current.set(recorded.scope)
    try:
        options: dict[str, Any] = {
            "headers": {name: value for name, value in recorded.headers.items() if name.lower() not in _SET_ANEW},
            "idempotency_key": recorded.key,
            "idempotent": recorded.idempotent,
            "content": {"": None, "bytes": b"x"}.get(recorded.body, Body(_once, length=1, rewindable=False)),
            "route": recorded.route,
            "timeout": UNSET if recorded.limits is None else _limits(recorded.limits),
            "retry": UNSET if recorded.retry is None else _retry(recorded.retry),
            "wait": UNSET if recorded.wait is None else recorded.wait,
            "priority": recorded.priority,
            "tenant": recorded.tenant,
        }
        if not recorded.streamed:
            await api.request(recorded.method, recorded.url, **options)
            return
        async with api.stream(recorded.method, recorded.url, **options):
            if recorded.closed is not None:
                await closing.wait()
    finally:
        deadline.current.reset(token)


_SET_ANEW = frozenset({"idempotency-key", "content-length", "transfer-encoding"})


async def _nothing() -> bytes:
    """A stream whose bytes were not recorded."""
    return b""


async def _once() -> AsyncIterator[bytes]:
    yield b"x"


def _limits(limits: list[float | None]) -> Timeout | None:
    total, connect, attempt = limits
    return Timeout(total, connect=connect, attempt=attempt)


def _retry(settings: dict[str, Any]) -> Retry | None:
    if not settings:
        return None
    rest = {name: value for name, value in settings.items() if name not in {"budgeted", "learned"}}
    policy = Learned(**settings["learned"]) if "learned" in settings else None
    return Retry(**rest, policy=policy, budget=Budget() if settings["budgeted"] else None)
