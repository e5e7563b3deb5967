"""Record what a client does: its calls, what its attempts met, every random draw, and what was decided."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any

from asyncapi.client.client import Client
from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, TransportError
from asyncapi.layers import deadline
from asyncapi.messages.open_body import release_at_end
from asyncapi.sansio.auth.masks import Masks
from asyncapi.sansio.failures.resend import rewindable
from asyncapi.settings import Retry, Timeout
from asyncapi.testing.virtual_time import FakeClock
from asyncapi.trace.format import Came, Met, Trace
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send, Transport

_KEPT = 64 * 1024  # bytes of an answer that are written down
OUTSIDE = -1  # the number of no call: a client that gets its credentials ready

current_call: ContextVar[int] = ContextVar("asyncapi_trace_call", default=OUTSIDE)


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
        if current_call.get() != OUTSIDE:
            self.trace.draws.append(draw)
        return draw

    async def send(self, request: Request) -> Response:
        """Carry an attempt, and write down what it meets."""
        met = Met(current_call.get(), f"{request.method} {self._masks.url(own_url(request))}", self.now())
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
                token = current_call.set(len(self.trace.calls) - 1)
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
                    if response.open_body is not None:
                        release_at_end(response, lambda _: self._closed(came))
                    return response
                finally:
                    current_call.reset(token)
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
            limits=None if given is UNSET else [_total(given), call.settings.connect, call.settings.attempt],
            retry=None if request.retry is UNSET else _retry_settings(call.settings.retry),
            wait=None if request.wait is UNSET else True if call.settings.max_wait is None else call.settings.max_wait,
            priority=call.settings.priority,
            tenant=call.settings.tenant,
            streamed=call.open_bodies is not None,
        )


def own_url(request: Request) -> URL:
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
