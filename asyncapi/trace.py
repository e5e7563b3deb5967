"""Record what a client did, and replay it: the same calls, the same answers, in virtual time.

A `Recorder` gives a client its transport, clock and outermost layer, and writes down what came from outside (when calls
came, what each attempt met and how long it took, every draw of chance) and what was decided (`decisions`). `replay`
feeds the same outside to a client made anew, on a virtual clock, and returns what it decided. With the same settings
these are the same decisions; with other settings, this is what they would have done to the same past.

    recorder = Recorder(transport)
    async with recorder.client("https://api.example.com", retry=Retry(4)) as api: ...
    recorder.trace.save("storm.jsonl")

    again = replay(Trace.load("storm.jsonl"), retry=Retry(4))
    assert again.decisions == recorder.trace.decisions

A trace of virtual time (`asyncapi.testing.run`) replays bit by bit. One of real time has the jitter of the machine in
its queueing times; its `decisions` are compared without durations (`outline`).
"""

from __future__ import annotations

import asyncio
import json
import re
from contextvars import ContextVar
from copy import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.client import Client
from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, ConfigError, ConnectError, ProtocolError, RequestTimeout, TransportError
from asyncapi.redact import redact_headers, redact_json, redact_url
from asyncapi.types import Request, Response
from asyncapi.virtualtime import FakeClock, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.types import Layer, Send, Transport

_KEPT = 64 * 1024  # bytes of an answer that are written down: what predicates on results may look at
_FAILURES: dict[str, type[TransportError]] = {
    cls.__name__: cls for cls in (ConnectError, ProtocolError, TransportError)
}

_call: ContextVar[int] = ContextVar("asyncapi_trace_call")


@dataclass(slots=True)
class Came:
    """A call that came: `at` is seconds since the trace began, `deadline` seconds it was given."""

    at: float
    method: str
    url: str
    headers: dict[str, str]
    key: str | None
    deadline: float | None
    priority: int
    tenant: str


@dataclass(slots=True)
class Met:
    """What one attempt met: an answer, or an error by its class; after `took` seconds."""

    call: int
    took: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: str = ""
    error: str = ""
    message: str = ""
    phase: str = ""
    stale: bool = False
    final: bool = False


@dataclass(slots=True)
class Trace:
    """What came from outside, and what was decided.

    Attributes:
        calls: In the order in which they came.
        met: What each attempt met, in the order in which they were sent.
        draws: Every draw of chance.
        decisions: For each call, its attempts (number, why, held, then, started, elapsed) and its end.
    """

    calls: list[Came] = field(default_factory=list)
    met: list[Met] = field(default_factory=list)
    draws: list[float] = field(default_factory=list)
    decisions: list[list[Any]] = field(default_factory=list)

    @property
    def outline(self) -> list[list[Any]]:
        """The decisions without their durations: what a trace of real time keeps."""
        return [[_outlined(step) for step in steps] for steps in self.decisions]

    def save(self, path: str | Path) -> None:
        """Write it as JSON lines; secrets in URLs, headers and JSON are masked."""
        rows: list[list[Any]] = [["call", asdict(one)] for one in self.calls]
        rows += [["met", asdict(one)] for one in self.met]
        rows += [["draw", one] for one in self.draws]
        rows += [["decided", one] for one in self.decisions]
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read it back.

        Raises:
            ConfigError: It is no trace.
        """
        trace = cls()
        take: dict[str, Callable[[Any], None]] = {
            "call": lambda row: trace.calls.append(Came(**row)),
            "met": lambda row: trace.met.append(Met(**row)),
            "draw": trace.draws.append,
            "decided": trace.decisions.append,
        }
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            try:
                kind, row = json.loads(line)
                take[kind](row)
            except (ValueError, TypeError, KeyError):
                raise ConfigError(f"{path}:{number}: not a line of a trace") from None
        return trace


def _outlined(step: Any) -> Any:
    if isinstance(step, str):
        return re.sub(r"\d+(\.\d+)?(e-?\d+)?", "#", step)
    return [_outlined(part) for part in step] if isinstance(step, list) else None if isinstance(step, float) else step


def _shown(request: Request, response: Response) -> tuple[dict[str, str], str]:
    """What may be kept of an answer: no secret by its name, and none that the request's credential has put in."""
    seen, signature = copy(response), request.call.signature
    if signature is not None:
        signature.erase(seen, request)
        seen.content = signature.mask(seen.content)
    return dict(redact_headers(seen.headers)), redact_json(seen.content[:_KEPT]).decode("latin-1")


class Recorder:
    """Writes down what a client does.

    Args:
        transport: What carries its attempts.
        clock: Its clock.

    Attributes:
        trace: What was written down so far.
    """

    def __init__(self, transport: Transport, *, clock: Clock = SYSTEM) -> None:
        self.trace = Trace()
        self._transport = transport
        self._clock = clock
        self._began: float | None = None
        self.now = clock.now
        self.wall = clock.wall
        self.sleep = clock.sleep
        self.call_at = clock.call_at

    def client(self, base_url: str = "", **settings: Any) -> Client:
        """A client whose calls are written down; `settings` are those of `Client`, but for transport and clock."""
        layers = [*settings.pop("layers", ()), self.layer]
        return Client(base_url, transport=self, clock=self, layers=layers, **settings)

    def random(self) -> float:
        """A draw, written down."""
        draw = self._clock.random()
        self.trace.draws.append(draw)
        return draw

    async def send(self, request: Request) -> Response:
        """Carry an attempt, and write down what it meets."""
        began, number = self.now(), _call.get()
        met = Met(number, 0.0)
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
            met.status = response.status
            met.headers, met.content = _shown(request, response)
            return response
        finally:
            met.took = self.now() - began

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    @property
    def layer(self) -> Layer:
        """The outermost layer: writes down calls, and what became of them."""

        def layer(inner: Send) -> Send:
            async def send(request: Request) -> Response:
                steps = self._came(request)
                began = request.call.started
                end = "cancelled"
                try:
                    response = await inner(request)
                except AsyncAPIError as error:
                    end = f"{type(error).__name__}: {error.message}"
                    raise
                else:
                    end = f"{response.status}{f', degraded: {response.degraded}' if response.degraded else ''}"
                    return response
                finally:
                    steps.extend(
                        [one.number, one.why, one.held, one.then, one.started - began, one.elapsed]
                        for one in request.call.attempts
                    )
                    steps.append(end)

            return send

        return layer

    def _came(self, request: Request) -> list[Any]:
        now = self.now()
        if self._began is None:
            self._began = now
        call = request.call
        self.trace.calls.append(
            Came(
                now - self._began,
                request.method,
                redact_url(request.url),
                dict(redact_headers(request.headers)),
                request.idempotency_key if isinstance(request.idempotency_key, str) else None,
                None if request.deadline is None else request.deadline - now,
                call.priority,
                call.tenant,
            )
        )
        _call.set(len(self.trace.calls) - 1)
        steps: list[Any] = []
        self.trace.decisions.append(steps)
        return steps


class _Past:
    """A transport that answers as the trace says, and a clock whose draws are the trace's."""

    def __init__(self, trace: Trace) -> None:
        self._by_call: dict[int, list[Met]] = {}
        for met in trace.met:
            self._by_call.setdefault(met.call, []).append(met)
        self._next: dict[int, int] = {}
        self.clock = FakeClock()
        draws = iter(trace.draws)
        fresh = self.clock.random
        self.clock.random = lambda: next(draws, None) or fresh()  # a client that decides otherwise may need more

    async def send(self, request: Request) -> Response:
        number = _call.get()
        place = self._next[number] = self._next.get(number, -1) + 1
        past = self._by_call.get(number, [])
        if place >= len(past):
            raise ProtocolError(
                "the past has no further attempt of this call: it was decided otherwise", request=request
            )
        met = past[place]
        request.call.phase = "headers"
        await self.clock.sleep(met.took)
        if met.error == "CancelledError":  # it was cut off from outside; so it will be again
            await asyncio.get_running_loop().create_future()
        if met.error:
            raise _failure(met, request)
        return Response(met.status, met.headers, met.content.encode("latin-1"), url=request.url, request=request)

    async def aclose(self) -> None:
        """Nothing is open."""


def _failure(met: Met, request: Request) -> TransportError:
    if met.phase:
        error: TransportError = RequestTimeout(met.message, phase=met.phase, request=request)  # type: ignore[arg-type]
    else:
        error = _FAILURES.get(met.error, TransportError)(met.message, request=request)
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
    recorder = Recorder(past, clock=past.clock)
    async with recorder.client(**settings) as api:
        tasks = []
        began = past.clock.now()
        for came in trace.calls:
            await past.clock.sleep(began + came.at - past.clock.now())
            tasks.append(asyncio.create_task(_call_again(api, came)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
    return recorder.trace


async def _call_again(api: Client, came: Came) -> None:
    await api.request(
        came.method,
        came.url,
        headers={name: value for name, value in came.headers.items() if name.lower() != "idempotency-key"},
        idempotency_key=came.key,
        timeout=came.deadline,
        priority=came.priority,
        tenant=came.tenant,
    )
