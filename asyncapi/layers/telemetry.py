"""What is seen of calls and attempts: two layers, near the outer and near the inner end, over one `Meter`.

The call layer sees the final outcome and gives responses and errors their records; the attempt layer writes one
`Attempt` per attempt and hands it to the hooks. A hook that raises is logged and never breaks a call.
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AsyncAPIError, error_text
from asyncapi.messages.call import Attempt
from asyncapi.sansio.failures.idempotency import maybe_processed
from asyncapi.sansio.measures.histogram import Histograms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send

log = logging.getLogger("asyncapi")


class Meter:
    """Running counts of one client.

    Attributes:
        calls: Calls begun.
        in_flight: Calls under way.
        attempts: Attempts begun.
        retries: Attempts that repeated a failed one after a wait.
        degraded: Calls that a fallback has answered.
        by_status: Final statuses of calls.
        by_error: Final errors of calls by class; cancelled calls count as "CancelledError".
        latencies: Seconds of calls that ended with an answer, waits and retries included (of streams, to the headers):
            of all, and by method and route (the call's `route=`, or its host).
        held: Waits and refusals by the setting of ours that held a call back, as in `AsyncAPIError.held_by`.
    """

    __slots__ = ("attempts", "by_error", "by_status", "calls", "degraded", "held", "in_flight", "latencies", "retries")

    def __init__(self) -> None:
        self.calls = 0
        self.in_flight = 0
        self.attempts = 0
        self.retries = 0
        self.degraded = 0
        self.by_status: dict[int, int] = {}
        self.by_error: dict[str, int] = {}
        self.latencies = Histograms()
        self.held: dict[str, int] = {}

    def error(self, error: BaseException) -> None:
        """Count a call that ended without an answer."""
        name = type(error).__name__
        self.by_error[name] = self.by_error.get(name, 0) + 1

    def hold(self, word: str) -> None:
        """Count a wait or a refusal of ours."""
        self.held[word] = self.held.get(word, 0) + 1

    def waited(self, held: str) -> None:
        """Count an attempt's waits, as its record names them: "rate 0.1 s behind 3, pace 2 s behind 0"."""
        for wait in held.split(", "):
            self.hold(wait.partition(" ")[0])


def calls(meter: Meter, clock: Clock) -> Layer:
    """Around the whole call: counts calls, and completes responses and errors with what happened on the way."""
    now, by_status, record = clock.now, meter.by_status, meter.latencies.record

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            meter.calls += 1
            meter.in_flight += 1
            body = None
            try:
                response = await inner(request)
                body = response.open_body
            except BaseException as error:
                _complete(error, request, call)
                meter.error(error)
                if (word := getattr(error, "held_by", None)) is not None:
                    meter.hold(word)
                raise
            finally:
                call.running = False
                call.task = None  # which holds its result, the response, which holds the call
                if body is None:
                    meter.in_flight -= 1
            elapsed = response.elapsed = now() - call.started
            response.attempts = tuple(call.attempts)
            record((request.method, request.route or call.host), elapsed)
            if response.degraded:
                meter.degraded += 1
            if call.held_by is not None:
                meter.hold(call.held_by)
            if body is None:
                by_status[response.status] = by_status.get(response.status, 0) + 1
            else:
                body.hold(partial(_body_closed, meter, response))
            return response

        return send

    return layer


def _body_closed(meter: Meter, response: Response, error: BaseException | None) -> None:
    """The end of a streamed call: its answer counts, unless its body broke off or was cut off."""
    meter.in_flight -= 1
    if error is None:
        meter.by_status[response.status] = meter.by_status.get(response.status, 0) + 1
    else:
        meter.error(error)
        response.attempts[-1].error = error_text(error)


def _complete(error: BaseException, request: Request, call: Call) -> None:
    if isinstance(error, AsyncAPIError):
        error.attempts = tuple(call.attempts)
        if error.request is None:
            error.request = request.redacted()


def attempts(
    meter: Meter,
    clock: Clock,
    hooks: Sequence[Callable[[Attempt], object]] = (),
    state: Callable[[Request], dict[str, Any]] | None = None,
) -> Layer:
    """The innermost layer: one record per attempt.

    Args:
        meter: Counts them.
        clock: Times them.
        hooks: Called with each record at the attempt's end.
        state: Tells how the limits and the breaker are; not asked for a first attempt that goes at once and well.
    """
    now, wall, hooked = clock.now, clock.wall, bool(hooks)

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            made = call.attempts
            number = len(made) + 1
            record = Attempt(number, request.method, request.url, call.why, now(), wall(), call.queued)
            made.append(record)
            meter.attempts += 1
            eventful = number > 1 or hooked
            if eventful and record.why.startswith("retry"):
                meter.retries += 1
            if call.held:
                record.held, call.held, eventful = call.held, "", True
                meter.waited(record.held)
            call.queued = 0.0
            if eventful and state is not None:
                record.state = state(request)
            try:
                response = await inner(request)
                record.status, record.http_version = response.status, response.http_version
                eventful = response.status >= 300  # noqa: PLR2004 - neither a redirect nor an error
            except BaseException as error:
                record.error, record.unsure, eventful = _told(error, call), maybe_processed(error, call.phase), True
                raise
            finally:
                record.elapsed = now() - record.started
                if eventful and record.state is None and state is not None:
                    record.state = state(request)
                if hooks:
                    _tell(hooks, record)
                if log.isEnabledFor(logging.DEBUG):
                    log.debug("%s %s: %r", record.method, record.url, record)
            return response

        return send

    return layer


def _told(error: BaseException, call: Call) -> str:
    """What ended an attempt; where it was cancelled by a time limit of the call, that it was late."""
    if isinstance(error, CancelledError):
        late = next((guard for guard in call.guards if guard.fires), None)
        if late is not None:
            return f"RequestTimeout: {late.means} during {call.phase}"
    return error_text(error)


def _tell(hooks: Sequence[Callable[[Attempt], object]], record: Attempt) -> None:
    for hook in hooks:
        try:
            hook(record)
        except Exception:
            log.exception("a hook failed: %r", hook)
