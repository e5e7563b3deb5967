"""Record what a client does: its calls, the exchanges of its attempts, every random draw, and its decisions."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any

from asyncapi.client.client import Client
from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, ProtocolError, TransportError
from asyncapi.layers import deadline
from asyncapi.messages.open_body import release_at_end
from asyncapi.sansio.auth.trace_masks import Masks
from asyncapi.sansio.failures.resend import rewindable
from asyncapi.settings import Retry, Timeout
from asyncapi.testing.virtual_time import FakeClock
from asyncapi.trace.format import RecordedCall, RecordedExchange, Trace
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.settings import Learned
    from asyncapi.types import Layer, Send, Transport

_MAX_CONTENT = 64 * 1024  # bytes of a response body that are recorded
OUTSIDE = -1  # the number of no call: a credential's own requests

current_call: ContextVar[int] = ContextVar("asyncapi_trace_call", default=OUTSIDE)


class Recorder:
    """Records a client: it stands in for the client's transport, clock and outermost layer.

    Args:
        transport: The transport that sends the attempts.
        clock: The client's clock.

    Attributes:
        trace: What has been recorded so far.
    """

    def __init__(self, transport: Transport, *, clock: Clock = SYSTEM) -> None:
        self.trace: Trace = Trace(clock.epoch if isinstance(clock, FakeClock) else clock.wall() - clock.now())
        self._transport = transport
        self._clock = clock
        self._masks = Masks()
        self.now: Callable[[], float] = clock.now
        self.wall: Callable[[], float] = clock.wall
        self.sleep: Callable[[float], Coroutine[Any, Any, None]] = clock.sleep
        self.call_at: Callable[[float, Callable[[], object]], asyncio.TimerHandle] = clock.call_at

    def client(self, base_url: str = "", **settings: Any) -> Client:
        """Make a client that is recorded; `settings` are those of `Client`, but for transport and clock."""
        layers = [*settings.pop("layers", ()), self.layer]
        return Client(base_url, transport=self, clock=self, layers=layers, **settings)

    def random(self) -> float:
        """Draw from [0, 1), and record it where a call draws; a stream that is resumed draws outside of calls."""
        draw = self._clock.random()
        if current_call.get() != OUTSIDE:
            self.trace.draws.append(draw)
        return draw

    async def send(self, request: Request) -> Response:
        """Send an attempt, and record its response or its error."""
        exchange = RecordedExchange(
            current_call.get(), f"{request.method} {self._masks.url(own_url(request))}", self.now()
        )
        self.trace.exchanges.append(exchange)
        try:
            response = await self._transport.send(request)
        except TransportError as error:
            exchange.error, exchange.message, exchange.phase = type(error).__name__, error.message, error.phase or ""
            exchange.stale, exchange.final = error.stale, error.final
            exchange.unprocessed = isinstance(error, ProtocolError) and error.unprocessed
            raise
        except asyncio.CancelledError:
            exchange.error = "CancelledError"
            raise
        else:
            seen = _without_signature(request, response)
            exchange.status, exchange.headers = response.status, self._masks.headers(seen.headers)
            exchange.trailers = self._masks.headers(seen.trailers)
            exchange.meaning = _meaning_of(request, response)
            exchange.content = self._masks.body(seen.content[:_MAX_CONTENT], response.headers.get("Content-Type", ""))
            return response
        finally:
            exchange.until = self.now()

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

    @property
    def layer(self) -> Layer:
        """The outermost layer: records calls and how they end."""

        def layer(inner: Send) -> Send:
            async def send(request: Request) -> Response:
                recorded, steps = self._recorded(request), list[Any]()
                self.trace.calls.append(recorded)
                self.trace.decisions.append(steps)
                token = current_call.set(len(self.trace.calls) - 1)
                end = "cancelled"
                try:
                    response = await inner(request)
                except AsyncAPIError as error:
                    end = f"{type(error).__name__}: {error.message}"
                    raise
                except asyncio.CancelledError:
                    recorded.left = self.now(), len(self.trace.calls)
                    raise
                except Exception as error:
                    end = type(error).__name__
                    raise
                else:
                    end = _end_of(response)
                    if response.open_body is not None:
                        release_at_end(response, lambda _: self._closed(recorded))
                    return response
                finally:
                    current_call.reset(token)
                    steps.extend(
                        [
                            attempt.number, attempt.why, attempt.held, attempt.then,
                            attempt.started - recorded.at, attempt.elapsed, *_decided(attempt),
                        ]
                        for attempt in request.call.attempts
                    )  # fmt: skip
                    steps.append(end)

            return send

        return layer

    def _closed(self, recorded: RecordedCall) -> None:
        recorded.closed = self.now(), len(self.trace.calls)

    def _recorded(self, request: Request) -> RecordedCall:
        call, timeout = request.call, request.timeout
        attempt = call.settings.attempt if call.settings.per_try is None else call.settings.per_try
        return RecordedCall(
            call.started,
            request.method,
            self._masks.url(request.url),
            self._masks.headers(request.headers),
            key=request.idempotency_key if isinstance(request.idempotency_key, str) else None,
            body="" if request.content is None else "bytes" if rewindable(request) else "stream",
            route=request.route,
            scope=deadline.current.get(),
            limits=None if timeout is UNSET else [_total(timeout), call.settings.connect, attempt],
            retry=None if request.retry is UNSET else _retry_settings(call.settings.retry),
            wait=None if request.wait is UNSET else True if call.settings.max_wait is None else call.settings.max_wait,
            priority=call.settings.priority,
            tenant=call.settings.tenant,
            streamed=call.open_bodies is not None,
            idempotent=request.idempotent,
        )


def own_url(request: Request) -> URL:
    """Return the URL without the parameters that the credential has added."""
    signature = request.call.signature
    return (
        request.url if signature is None else request.url.without_query_params(*(name for name, _ in signature.params))
    )


def _without_signature(request: Request, response: Response) -> Response:
    """Return a copy of the response in which nothing of the credential is left, should the server repeat it."""
    seen, signature = copy(response), request.call.signature
    if signature is not None:
        signature.erase(seen, request)
        seen.content = signature.mask(seen.content)
    return seen


def _meaning_of(request: Request, response: Response) -> dict[str, Any]:
    """Return what the response means in the protocol of its call, which a replay doesn't speak."""
    meaning = None if request.call.reading is None else request.call.reading(response)
    return {} if meaning is None else meaning.as_dict()


def _end_of(response: Response) -> str:
    degraded = f", degraded: {response.degraded}" if response.degraded else ""
    return f"{response.status}{f', from cache: {response.from_cache}' if response.from_cache else ''}{degraded}"


_DECIDED = ("learned", "degraded")  # what policies write into the state of an attempt


def _decided(attempt: Attempt) -> list[dict[str, Any]]:
    """What a policy decided after an attempt, if one did."""
    state = attempt.state or {}
    decided = {name: dict(state[name]) for name in _DECIDED if isinstance(state.get(name), dict)}
    return [decided] if decided else []


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
        **({} if policy.policy is None else {"learned": _policy_settings(policy.policy)}),
    }


def _policy_settings(policy: Learned) -> dict[str, Any]:
    names = ("patience", "explore", "memory", "hold", "degrade")
    return {name: getattr(policy, name) for name in names}
