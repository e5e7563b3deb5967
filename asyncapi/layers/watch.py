"""Notify watchers (monitoring systems) of each call and each attempt: two layers, absent where nobody watches.

The call layer is outside telemetry, which has completed the response or the error by then; the attempt layer is right
outside telemetry's attempt records, and may add headers (trace propagation). What a watcher returns from `call_started`
reaches the call's attempts through a context variable, so that a call that nobody watches has nothing to carry. A
watcher that raises is logged, gets no more events of that call or attempt, and never breaks one.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from multidict import CIMultiDict

from asyncapi.errors import ConfigError, error_text
from asyncapi.messages.open_body import release_at_end
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send

log: logging.Logger = logging.getLogger("asyncapi")

_ERRORS_BEGIN = 400  # RFC 9110 section 15.5


@dataclass(slots=True, eq=False)
class Finished:
    """The record of one finished call, which watchers receive beside the `Attempt` of each attempt.

    Attributes:
        method: HTTP method.
        target: The URL of the call, secrets included: show `url` instead.
        host: The host, with its port where one is written.
        route: The URL's template (`/users/{id}`) as the caller gave it, or None: the label for metrics, never the URL.
        started: Seconds on the client's monotonic clock.
        at: Seconds since the Unix epoch.
        elapsed: Seconds from `started` to the end, waits and retries included; a stream ends when its body closes.
        status: The status of the final response, or None.
        error: The failure as text, beginning with its class, or None; a response of any status is no failure.
        attempts: One record per attempt, oldest first.
        degraded: As in `Response`.
        background: Whether no call waited for it: the cache has revalidated what it used meanwhile.
    """

    method: str
    target: URL
    host: str
    route: str | None
    started: float
    at: float
    elapsed: float
    status: int | None = None
    error: str | None = None
    attempts: tuple[Attempt, ...] = ()
    degraded: str = ""
    background: bool = False

    @property
    def url(self) -> str:
        """The URL of the call, secrets masked."""
        return redact_url(self.target)


class Watcher(Protocol):
    """What `Client(watch=[...])` takes. All four are plain functions that run in every call: they must be quick."""

    def call_started(self, request: Request) -> Any:
        """Called when a call begins; the return value is passed to `attempt_started` and `call_ended`."""
        ...

    def attempt_started(self, token: Any, request: Request, headers: CIMultiDict[str]) -> Any:
        """Called before an attempt is sent, with its headers to add to; the return value goes to `attempt_ended`."""
        ...

    def attempt_ended(self, token: Any, record: Attempt) -> None:
        """Called when an attempt has ended, before the client decides about the next one."""
        ...

    def call_ended(self, token: Any, record: Finished) -> None:
        """Called when a call has ended, or was cancelled."""
        ...


def ending(record: Attempt | Finished) -> str:
    """Return how a record ended, as a label: the status, or the class of the error."""
    return str(record.status) if record.error is None else record.error.partition(":")[0]


def failed(record: Attempt | Finished) -> bool:
    """Whether a record ended with a 4xx or 5xx, or with an error; a cancelled one did not fail."""
    if record.error is None:
        return record.status is not None and record.status >= _ERRORS_BEGIN
    return not cancelled(record)


def cancelled(record: Attempt | Finished) -> bool:
    """Whether a record was cancelled from outside."""
    return ending(record) in {asyncio.CancelledError.__name__, GeneratorExit.__name__}


def watchers_of(watch: Watcher | Iterable[Watcher]) -> tuple[Watcher, ...]:
    """Read `watch=`: one watcher or several.

    Raises:
        ConfigError: One of them lacks a method of `Watcher`.
    """
    watchers = tuple(watch) if isinstance(watch, Iterable) else (watch,)
    for watcher in watchers:
        for name in ("call_started", "attempt_started", "attempt_ended", "call_ended"):
            method = getattr(watcher, name, None)
            if isinstance(watcher, type) or not callable(method) or inspect.iscoroutinefunction(method):
                raise ConfigError(
                    f"watch: {watcher!r} is not a watcher: it needs a plain method {name} (see docs/observability.md)"
                )
    return watchers


_watched: ContextVar[Sequence[tuple[Watcher, Any]]] = ContextVar("asyncapi_watched", default=())


def watch_calls(watchers: Sequence[Watcher], clock: Clock, *, background: bool = False) -> Layer:
    """Notify the watchers of each call's start and end; in the background, of what no call waits for."""
    record = partial(_record, background=background, clock=clock)

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            watched = _started(watchers, request)
            reset = _watched.set(watched)
            try:
                response = await inner(request)
            except BaseException as error:
                _ended(watched, record(request, None, error))
                raise
            finally:
                _watched.reset(reset)
            release_at_end(response, lambda error: _ended(watched, record(request, response, error)))
            return response

        return send

    return layer


def watch_attempts() -> Layer:
    """Notify the watchers of each attempt's start and end."""

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            headers = CIMultiDict(request.headers)
            begun: list[tuple[Watcher, Any]] = []
            for watcher, token in _watched.get():
                try:
                    begun.append((watcher, watcher.attempt_started(token, request, headers)))
                except Exception:
                    log.exception("a watcher failed: %r", watcher)
            try:
                return await inner(request.copy(headers=headers))
            finally:
                # telemetry, just below, has written it by now
                record = request.call.attempts[-1]
                for watcher, token in begun:
                    try:
                        watcher.attempt_ended(token, record)
                    except Exception:
                        log.exception("a watcher failed: %r", watcher)

        return send

    return layer


def _started(watchers: Sequence[Watcher], request: Request) -> list[tuple[Watcher, Any]]:
    watched = []
    for watcher in watchers:
        try:
            watched.append((watcher, watcher.call_started(request)))
        except Exception:
            log.exception("a watcher failed: %r", watcher)
    return watched


def _ended(watched: Sequence[tuple[Watcher, Any]], record: Finished) -> None:
    for watcher, token in watched:
        try:
            watcher.call_ended(token, record)
        except Exception:
            log.exception("a watcher failed: %r", watcher)


def _record(
    request: Request, response: Response | None, error: BaseException | None, *, clock: Clock, background: bool
) -> Finished:
    call = request.call
    elapsed = clock.now() - call.started
    return Finished(
        request.method,
        request.url,
        call.host,
        request.route,
        call.started,
        clock.wall() - elapsed,
        elapsed,
        None if response is None else response.status,
        _failure(response) if error is None else error_text(error),
        tuple(call.attempts),
        "" if response is None else response.degraded,
        background,
    )


def _failure(response: Response | None) -> str | None:
    """What a response means that is a failure by more than its status; None for what its status says."""
    meaning = None if response is None else response.meaning
    return meaning.text if meaning is not None and meaning.status >= _ERRORS_BEGIN and meaning.text else None
