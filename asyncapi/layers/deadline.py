"""Enforce deadlines: the whole call, with its queueing, attempts, backoff and body, ends by `request.deadline`.

The client computes the deadline (the call's total or the `deadline(...)` scope around it, whichever ends first) and
writes it onto the Request. This layer is the one place that enforces it; a `Watchdog` has one timer for all calls. The
transport enforces the attempt's own, shorter limit.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Self

from asyncapi.clock import SYSTEM
from asyncapi.errors import ConfigError, DeadlineExceeded, RequestTimeout

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.scheduling.watchdog import Watchdog
    from asyncapi.types import Layer, Send

_FOR_EVER = 1e12  # seconds

current: ContextVar[float | None] = ContextVar("asyncapi_deadline", default=None)


class deadline:  # noqa: N801 - used as a word: `with deadline(2.0):`
    """End all calls inside a scope within `seconds` from its start; a nested scope can only shorten that.

    Tasks started inside inherit the scope. It binds only the calls of this SDK; other code is not cancelled.

        with deadline(2.0):
            user = await api.get("/users/1", model=User)
            await api.post("/audit", json={"saw": user.id}, idempotency_key=True)

    Args:
        seconds: Seconds from the start of the scope.
        clock: The clock of the client that is used inside.

    Raises:
        ConfigError: `seconds` is not a positive number.
    """

    __slots__ = ("_clock", "_seconds", "_token", "at")

    def __init__(self, seconds: float, *, clock: Clock = SYSTEM) -> None:
        try:
            usable = seconds > 0
        except TypeError:
            usable = False
        if not usable:
            raise ConfigError(f"deadline({seconds!r}): give a positive number of seconds")
        self._seconds = min(seconds, _FOR_EVER)
        self._clock = clock
        self._token: Token[float | None] | None = None
        self.at: float | None = None

    @property
    def left(self) -> float:
        """Seconds left, negative when passed."""
        return self._seconds if self.at is None else self.at - self._clock.now()

    def __enter__(self) -> Self:
        if self._token is not None:
            raise ConfigError("this deadline scope is already open: make a new one with deadline(seconds)")
        # a nested scope can only shorten the outer one
        mine, outer = self._clock.now() + self._seconds, current.get()
        self.at = mine if outer is None else min(mine, outer)
        self._token = current.set(self.at)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            current.reset(self._token)
            self._token = None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()


def within_deadline(watchdog: Watchdog, clock: Clock) -> Layer:
    """End every call by its deadline.

    Raises (from the layer):
        DeadlineExceeded: The deadline had passed before anything was sent.
        RequestTimeout: The deadline passed during the call; `.phase` says what it was waiting for.
    """
    now = clock.now

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            due = request.deadline
            if due is None:
                return await inner(request)
            if now() >= due:
                raise DeadlineExceeded("the deadline had passed before the request could be sent", request=request)
            guard = watchdog.enter(due, request.call.task)
            request.call.guards = (guard,)
            try:
                return await inner(request)
            except asyncio.CancelledError:
                if guard.fired():
                    raise _too_late(request, now()) from None
                raise
            finally:
                request.call.guards = ()  # guards hold the task, which holds the response
                watchdog.leave(guard)

        return send

    return layer


def in_this_task(inner: Send) -> Send:
    """Note the task below the user's own layers: they may continue in another task, which deadlines have to end."""

    async def send(request: Request) -> Response:  # a coroutine of its own: it runs in the task that awaits it
        request.call.task = asyncio.current_task()
        return await inner(request)

    return send


def _too_late(request: Request, now: float) -> RequestTimeout:
    call = request.call
    error = RequestTimeout(
        f"not done within {now - call.started:.3g} s: the deadline passed during {call.phase}",
        phase=call.phase,
        request=request,
    )
    error.held_by = "deadline"
    return error
