"""Count and record calls and attempts: two layers, near the outer and near the inner end, over one `Meter`.

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
from asyncapi.messages.decided import sent_for
from asyncapi.messages.open_body import release_at_end
from asyncapi.sansio.failures.idempotency import maybe_processed
from asyncapi.sansio.measures.histogram import Histograms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.meaning import Reading, Refining
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send

log: logging.Logger = logging.getLogger("asyncapi")


class Meter:
    """Running counts of one client.

    Attributes:
        calls: Calls begun.
        in_flight: Calls under way.
        attempts: Attempts begun.
        retries: Attempts that repeated a failed one after a wait.
        degraded: Calls whose response came from a fallback.
        by_status: Final statuses of calls: those that they mean (`Response.effective_status`).
        by_error: Final errors of calls by class; cancelled calls count as "CancelledError".
        latencies: Seconds of calls that ended with a response, waits and retries included (of streams, to the headers):
            of all calls, and by method and route (the call's `route=`, or its host).
        held: Waits and refusals by the setting that held a call back, as in `AsyncAPIError.held_by`.
    """

    __slots__ = ("attempts", "by_error", "by_status", "calls", "degraded", "held", "in_flight", "latencies", "retries")

    def __init__(self) -> None:
        self.calls: int = 0
        self.in_flight: int = 0
        self.attempts: int = 0
        self.retries: int = 0
        self.degraded: int = 0
        self.by_status: dict[int, int] = {}
        self.by_error: dict[str, int] = {}
        self.latencies: Histograms = Histograms()
        self.held: dict[str, int] = {}

    def error(self, error: BaseException) -> None:
        """Count a call that ended with an error."""
        name = type(error).__name__
        self.by_error[name] = self.by_error.get(name, 0) + 1

    def hold(self, word: str) -> None:
        """Count a wait or a refusal by one of the client's settings."""
        self.held[word] = self.held.get(word, 0) + 1

    def waited(self, held: str) -> None:
        """Count an attempt's waits, as its record names them: "rate 0.1 s behind 3, pace 2 s behind 0"."""
        for wait in held.split(", "):
            self.hold(wait.partition(" ")[0])


def calls(meter: Meter, clock: Clock) -> Layer:
    """Count calls, and complete their responses and errors with the records of their attempts."""
    now, by_status, record = clock.now, meter.by_status, meter.latencies.record

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            meter.calls += 1
            meter.in_flight += 1
            try:
                response = await inner(request)
            except BaseException as error:
                meter.in_flight -= 1
                _complete(error, request, call)
                meter.error(error)
                if (word := getattr(error, "held_by", None)) is not None:
                    meter.hold(word)
                raise
            finally:
                call.running = False
                call.task = None  # break the cycle call -> task -> its result, the response -> call
            elapsed = response.elapsed = now() - call.started
            response.attempts = tuple(call.attempts)
            record((request.method, request.route or call.host), elapsed)
            if response.degraded:
                meter.degraded += 1
            if call.held_by is not None:
                meter.hold(call.held_by)
            if response.open_body is None:  # as `_ended` without an error, for the common case
                meter.in_flight -= 1
                by_status[response.effective_status] = by_status.get(response.effective_status, 0) + 1
            else:
                release_at_end(response, partial(_ended, meter, response))
            return response

        return send

    return layer


def _ended(meter: Meter, response: Response, error: BaseException | None) -> None:
    """Count the end of a streamed call: by its status, or by the error that ended its body."""
    meter.in_flight -= 1
    if error is None:
        meter.by_status[response.effective_status] = meter.by_status.get(response.effective_status, 0) + 1
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
    refining: Refining | None = None,
    *,
    refines_all: bool = False,
) -> Layer:
    """Write one record per attempt: the innermost layer of the SDK's own.

    Args:
        meter: Counts the attempts.
        clock: Times the attempts.
        hooks: Called with each record at the attempt's end.
        state: Returns the state of the limits and the breaker; not called for a first attempt that is sent at once and
            succeeds.
        refining: Refines the meaning of failing responses: proxies tell something in them.
        refines_all: Whether it sees successes, too.
    """
    now, wall, hooked = clock.now, clock.wall, bool(hooks)

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            number = len(call.attempts) + 1
            target: Any = request.target  # the record makes its URL when somebody reads it
            record = Attempt(number, request.method, target, call.why, now(), wall(), call.queued)
            call.attempts.append(record)
            meter.attempts += 1
            # the state of limits and breaker is costly: read only where it may explain something
            eventful = number > 1 or hooked or call.decided is not None
            if eventful:
                _sent_again(meter, record, call)
            if call.wait_log:
                record.held, call.wait_log, eventful = call.wait_log, "", True
                meter.waited(record.held)
            call.queued = 0.0
            if eventful and state is not None:
                record.state = state(request)
            try:
                response = await inner(request if call.dress is None else call.dress(request))
                record.status, record.http_version = response.status, response.http_version
                if call.peek is not None and response.open_body is not None:
                    await call.peek(response)
                plain = response.status < 400 and call.reading is None and not refines_all  # noqa: PLR2004
                status = response.status if plain else _status(response, record, call.reading, refining)
                eventful = status >= 300  # noqa: PLR2004 - neither a redirect nor an error
            except BaseException as error:
                record.error, record.unsure, eventful = _error_of(error, call), maybe_processed(error, call.phase), True
                raise
            finally:
                record.elapsed = now() - record.started
                if eventful and record.state is None and state is not None:
                    record.state = state(request)
                _call_hooks(hooks, record)
                if log.isEnabledFor(logging.DEBUG):
                    log.debug("%s %s: %r", record.method, record.url, record)
            return response

        return send

    return layer


def _sent_again(meter: Meter, record: Attempt, call: Call) -> None:
    """Count an attempt that may be a retry; a policy that decided on it can say why."""
    if record.why.startswith("retry"):
        meter.retries += 1
        if call.decided is not None and record.why.startswith(call.decided[0]):
            sent_for(record, *call.decided)


def _status(response: Response, record: Attempt, reading: Reading | None, refining: Refining | None) -> int:
    """Return the effective status: let the protocol of the call say it, and then a proxy in between."""
    meaning = None if reading is None else reading(response)
    if refining is not None:
        meaning = refining(response, meaning)
    if meaning is not None:
        response.mean(meaning)
        if meaning.status != response.status:
            record.meant = meaning.status
        if meaning.text and meaning.status >= 400:  # noqa: PLR2004 - where errors begin
            record.error = meaning.text
    return response.effective_status


def _error_of(error: BaseException, call: Call) -> str:
    """Say what ended an attempt: its error, or the time limit of the call that cancelled it."""
    if isinstance(error, CancelledError):
        late = next((guard for guard in call.guards if guard.fires), None)
        if late is not None:
            return f"RequestTimeout: {late.means} during {call.phase}"
    return error_text(error)


def _call_hooks(hooks: Sequence[Callable[[Attempt], object]], record: Attempt) -> None:
    for hook in hooks:
        try:
            hook(record)
        except Exception:
            log.exception("a hook failed: %r", hook)
