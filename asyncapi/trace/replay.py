"""Replay a trace: feed a new client, on a virtual clock, with what the recorded one met."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConnectError, ProtocolError, RequestTimeout, TransportError
from asyncapi.layers import deadline
from asyncapi.messages.open_body import OpenBody
from asyncapi.messages.request import Body, Request
from asyncapi.messages.response import Response
from asyncapi.redact import redact_url
from asyncapi.settings import Budget, Retry, Timeout
from asyncapi.testing.virtual_time import FakeClock, run
from asyncapi.trace.recorder import OUTSIDE, Recorder, current_call, own_url
from asyncapi.transports.mock import MockTransport
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncapi.client.client import Client
    from asyncapi.trace.format import Came, Met, Trace

_FAILURES: dict[str, type[TransportError]] = {
    cls.__name__: cls for cls in (ConnectError, ProtocolError, TransportError)
}


class _Past:
    """What answers as the trace says, and a clock whose draws are the trace's."""

    def __init__(self, trace: Trace) -> None:
        self._by_call: dict[int, list[Met]] = {}
        for met in trace.met:
            self._by_call.setdefault(met.call, []).append(met)
        self.clock = FakeClock(epoch=trace.epoch)
        draws, fresh = iter(trace.draws), self.clock.random

        def random() -> float:
            draw = next(draws, None) if current_call.get() != OUTSIDE else None
            return fresh() if draw is None else draw  # a client that decides otherwise may need more

        self.clock.random = random

    async def answer(self, request: Request) -> Response:
        met = self._next(current_call.get(), f"{request.method} {redact_url(own_url(request))}")
        if met is None:
            message = "the past has no further attempt of this call: it was decided otherwise"
            raise ProtocolError(message, request=request)
        if met.until > met.at:
            exactly = self.clock.now() == met.at
            await self.until(met.until if exactly else self.clock.now() + met.until - met.at)
        if met.error == "CancelledError":  # it was cut off from outside; so it will be again
            await asyncio.get_running_loop().create_future()
        if met.error:
            raise _failure(met, request)
        response = Response(met.status, met.headers, met.content.encode("latin-1"))
        if request.call.open_bodies is not None and met.status < 300:  # noqa: PLR2004 - redirects and errors are read
            response.open_body = OpenBody(_nothing, lambda: None)
        return response

    def _next(self, number: int, target: str) -> Met | None:
        """The next attempt of this call to this target; or what was sent there outside of calls; or its next one."""
        own = self._by_call.get(number, [])
        for past in (own, self._by_call.get(OUTSIDE, [])):
            for place, met in enumerate(past):
                if redact_url(met.target) == target:
                    return past.pop(place)
        return own.pop(0) if own else None

    async def until(self, when: float) -> None:
        """Wait for this very time; a sleep of the difference may miss it by a rounding."""
        due = asyncio.get_running_loop().create_future()
        timer = self.clock.call_at(when, lambda: None if due.done() else due.set_result(None))
        try:
            await due
        finally:
            timer.cancel()


def _failure(met: Met, request: Request) -> TransportError:
    if met.error == RequestTimeout.__name__:
        error: TransportError = RequestTimeout(met.message, phase=met.phase or "headers", request=request)  # type: ignore[arg-type]
    else:
        error = _FAILURES.get(met.error, TransportError)(met.message, request=request)
        error.phase = met.phase or None  # type: ignore[assignment]
    error.stale, error.final = met.stale, met.final
    return error


def replay(trace: Trace, **settings: Any) -> Trace:
    """What a client with these settings decides, given the trace's past.

    Args:
        trace: The past.
        settings: Those of `asyncapi.Client`, as they were when it was recorded, or others to see what they would do.
    """
    settings.setdefault("raise_for_status", False)
    return run(_replayed(trace, settings))


async def _replayed(trace: Trace, settings: dict[str, Any]) -> Trace:
    past = _Past(trace)
    recorder = Recorder(MockTransport(past.answer, clock=past.clock), clock=past.clock)
    client: Client | None = None
    tasks: list[asyncio.Task[None]] = []
    closing = [asyncio.Event() for _ in trace.calls]
    try:
        for at, _, number, what in trace.events:
            if at > past.clock.now():
                await past.until(at)
            if what == "came":
                client = client or recorder.client(**settings)
                tasks.append(asyncio.create_task(_call_again(client, trace.calls[number], closing[number])))
            elif what == "left":
                tasks[number].cancel()
            else:
                closing[number].set()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        if client is not None:
            await client.aclose()
    return recorder.trace


async def _call_again(api: Client, came: Came, closing: asyncio.Event) -> None:
    token = deadline.current.set(came.scope)
    try:
        asked: dict[str, Any] = {
            "headers": {name: value for name, value in came.headers.items() if name.lower() not in _MADE_ANEW},
            "idempotency_key": came.key,
            "content": {"": None, "bytes": b"x"}.get(came.body, Body(_once, length=1, rewindable=False)),
            "route": came.route,
            "timeout": UNSET if came.limits is None else _limits(came.limits),
            "retry": UNSET if came.retry is None else _retry(came.retry),
            "wait": UNSET if came.wait is None else came.wait,
            "priority": came.priority,
            "tenant": came.tenant,
        }
        if not came.streamed:
            await api.request(came.method, came.url, **asked)
            return
        async with api.stream(came.method, came.url, **asked):
            if came.closed is not None:
                await closing.wait()
    finally:
        deadline.current.reset(token)


_MADE_ANEW = frozenset({"idempotency-key", "content-length", "transfer-encoding"})


async def _nothing() -> bytes:
    """A stream whose bytes nobody has written down."""
    return b""


async def _once() -> AsyncIterator[bytes]:
    yield b"x"


def _limits(limits: list[float | None]) -> Timeout | None:
    total, connect, attempt = limits
    return Timeout(total, connect=connect, attempt=attempt)


def _retry(told: dict[str, Any]) -> Retry | None:
    if not told:
        return None
    rest = {name: value for name, value in told.items() if name != "budgeted"}
    return Retry(**rest, budget=Budget() if told["budgeted"] else None)
