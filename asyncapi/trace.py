"""Record what a client did, and replay it: the same calls, the same answers, in virtual time.

A `Recorder` gives a client its transport, clock and outermost layer, and writes down what came from outside (when
calls came and what they asked for, when they were cancelled, what each attempt met and how long it took, every draw of
chance) and what was decided (`decisions`). `replay` feeds the same outside to a client made anew, on a virtual clock,
and returns what it decided. With the same settings these are the same decisions; with other settings, this is what they
would have done to the same past.

    recorder = Recorder(transport)
    async with recorder.client("https://api.example.com", retry=Retry(4)) as api: ...
    recorder.trace.save("storm.jsonl")

    again = replay(Trace.load("storm.jsonl"), retry=Retry(4))
    assert again.decisions == recorder.trace.decisions

A trace of virtual time (`asyncapi.testing.run`) replays bit by bit. One of real time has the jitter of the machine in
its queueing times; its `decisions` are compared without durations (`outline`). Of answers, the first 64 KiB are written
down, for predicates on results; of streams, when they were opened and closed. Secrets
are masked, each by a name of its own, wherever their names tell them.
tenacity strategies of a single call (`api.get(..., retry=Retry(wait=...))`) can't be written down: the client's are.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any

from asyncapi.client.client import Client
from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, ConnectError, ProtocolError, RequestTimeout, TransportError
from asyncapi.layers import deadline
from asyncapi.messages.open_body import OpenBody
from asyncapi.messages.request import Body, Request
from asyncapi.messages.response import Response
from asyncapi.past import Came, Met, Trace
from asyncapi.redact import redact_url
from asyncapi.sansio.auth.masks import Masks
from asyncapi.sansio.failures.resend import rewindable
from asyncapi.settings import Budget, Retry, Timeout
from asyncapi.testing.virtual_time import FakeClock, run
from asyncapi.transports.mock import MockTransport
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.types import Layer, Send, Transport

__all__ = ["Came", "Met", "Recorder", "Trace", "replay"]

_KEPT = 64 * 1024  # bytes of an answer that are written down
_FAILURES: dict[str, type[TransportError]] = {
    cls.__name__: cls for cls in (ConnectError, ProtocolError, TransportError)
}
_OUTSIDE = -1  # the number of no call: a client that gets its credentials ready

_call: ContextVar[int] = ContextVar("asyncapi_trace_call", default=_OUTSIDE)


class Recorder:
    """Writes down what a client does.

    Args:
        transport: What carries its attempts.
        clock: Its clock.

    Attributes:
        trace: What was written down so far.
    """

    def __init__(self, transport: Transport, *, clock: Clock = SYSTEM) -> None:
        self.trace = Trace(clock.epoch if isinstance(clock, FakeClock) else clock.wall() - clock.now())
        self._transport = transport
        self._clock = clock
        self._masks = Masks()
        self.now = clock.now
        self.wall = clock.wall
        self.sleep = clock.sleep
        self.call_at = clock.call_at

    def client(self, base_url: str = "", **settings: Any) -> Client:
        """A client whose calls are written down; `settings` are those of `Client`, but for transport and clock."""
        layers = [*settings.pop("layers", ()), self.layer]
        return Client(base_url, transport=self, clock=self, layers=layers, **settings)

    def random(self) -> float:
        """A draw, written down if it is a call's: what reads a stream draws for itself (when to ask for its rest)."""
        draw = self._clock.random()
        if _call.get() != _OUTSIDE:
            self.trace.draws.append(draw)
        return draw

    async def send(self, request: Request) -> Response:
        """Carry an attempt, and write down what it meets."""
        met = Met(_call.get(), f"{request.method} {self._masks.url(_own_url(request))}", self.now())
        self.trace.met.append(met)
        try:
            response = await self._transport.send(request)
        except TransportError as error:
            met.error, met.message, met.phase = type(error).__name__, error.message, error.phase or ""
            met.stale, met.final = error.stale, error.final
            raise
        except asyncio.CancelledError:
            met.error = "CancelledError"
            raise
        else:
            seen = _without_signature(request, response)
            met.status, met.headers = response.status, self._masks.headers(seen.headers)
            met.content = self._masks.body(seen.content[:_KEPT], response.headers.get("Content-Type", ""))
            return response
        finally:
            met.until = self.now()

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    @property
    def layer(self) -> Layer:
        """The outermost layer: writes down calls, and what became of them."""

        def layer(inner: Send) -> Send:
            async def send(request: Request) -> Response:
                came, steps = self._came(request), list[Any]()
                self.trace.calls.append(came)
                self.trace.decisions.append(steps)
                token = _call.set(len(self.trace.calls) - 1)
                end = "cancelled"
                try:
                    response = await inner(request)
                except AsyncAPIError as error:
                    end = f"{type(error).__name__}: {error.message}"
                    raise
                except asyncio.CancelledError:
                    came.left = self.now(), len(self.trace.calls)
                    raise
                except Exception as error:
                    end = type(error).__name__
                    raise
                else:
                    end = _ended(response)
                    if response.opened is not None:
                        response.opened.hold(lambda _: self._closed(came))
                    return response
                finally:
                    _call.reset(token)
                    steps.extend(
                        [one.number, one.why, one.held, one.then, one.started - came.at, one.elapsed]
                        for one in request.call.attempts
                    )
                    steps.append(end)

            return send

        return layer

    def _closed(self, came: Came) -> None:
        came.closed = self.now(), len(self.trace.calls)

    def _came(self, request: Request) -> Came:
        call, given = request.call, request.timeout
        return Came(
            call.started,
            request.method,
            self._masks.url(request.url),
            self._masks.headers(request.headers),
            key=request.idempotency_key if isinstance(request.idempotency_key, str) else None,
            body="" if request.content is None else "bytes" if rewindable(request) else "stream",
            route=request.route,
            scope=deadline.current.get(),
            limits=None if given is UNSET else [_total(given), call.connect, call.attempt],
            retry=None if request.retry is UNSET else _retry_settings(call.retry),
            wait=None if request.wait is UNSET else True if call.patience is None else call.patience,
            priority=call.priority,
            tenant=call.tenant,
            streamed=call.opened is not None,
        )


def _own_url(request: Request) -> URL:
    """Its URL without what its credential has put in."""
    signature = request.call.signature
    return (
        request.url if signature is None else request.url.without_query_params(*(name for name, _ in signature.params))
    )


def _without_signature(request: Request, response: Response) -> Response:
    """An answer without what the request's credential has put in, and the server may have repeated."""
    seen, signature = copy(response), request.call.signature
    if signature is not None:
        signature.erase(seen, request)
        seen.content = signature.mask(seen.content)
    return seen


def _ended(response: Response) -> str:
    degraded = f", degraded: {response.degraded}" if response.degraded else ""
    return f"{response.status}{f', from cache: {response.from_cache}' if response.from_cache else ''}{degraded}"


def _total(timeout: Timeout | float | None) -> float | None:
    return timeout.total if isinstance(timeout, Timeout) else timeout


def _retry_settings(policy: Retry | None) -> dict[str, Any]:
    if policy is None:
        return {}
    return {
        "attempts": policy.max_attempts,
        "base": policy.base,
        "cap": policy.cap,
        "statuses": sorted(policy.statuses),
        "max_retry_after": policy.max_retry_after,
        "budgeted": policy.budget is not None,
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
            draw = next(draws, None) if _call.get() != _OUTSIDE else None
            return fresh() if draw is None else draw  # a client that decides otherwise may need more

        self.clock.random = random

    async def answer(self, request: Request) -> Response:
        met = self._next(_call.get(), f"{request.method} {redact_url(_own_url(request))}")
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
        if request.call.opened is not None and met.status < 300:  # noqa: PLR2004 - redirects and errors are read
            response.opened = OpenBody(_nothing, lambda: None)
        return response

    def _next(self, number: int, target: str) -> Met | None:
        """The next attempt of this call to this target; or what was sent there outside of calls; or its next one."""
        own = self._by_call.get(number, [])
        for past in (own, self._by_call.get(_OUTSIDE, [])):
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
