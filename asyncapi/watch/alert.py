"""Alerts: call back once when a window of calls passes a limit, and once when it is back below.

Rules:
1. Calls are counted as they end; `notify` runs in a task of its own, a plain function in a thread, one notice after the
   other. What it raises is logged, and no call waits for it.
2. While an episode is under way a timer judges the window, too, so that the episode ends although no more calls come.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from contextvars import Context
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.layers.watch import cancelled, failed
from asyncapi.sansio.measures.alarm import Episodes, Rule, parse
from asyncapi.sansio.measures.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDict

    from asyncapi.layers.watch import Finished
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request

log: logging.Logger = logging.getLogger("asyncapi")

_MAX_NOTICES = 100  # that wait for a slow `notify`; beyond, the oldest are dropped
_LOOKS = 10  # times that the timer judges a window of an episode


@dataclass(frozen=True, slots=True)
class Alarm:
    """The argument of `notify`.

    Attributes:
        when: The alert's rule.
        active: True when an episode begins, False when it is over.
        value: What was measured: a share (0 to 1), or seconds; 1.0 or 0.0 where the rule is a function.
        calls: Calls in the window.
        attempts: Attempts in the window.
        lasted: Seconds since the episode began; 0 when it begins.
    """

    when: str
    active: bool
    value: float
    calls: int
    attempts: int
    lasted: float

    def __str__(self) -> str:
        what = "began" if self.active else f"is over after {self.lasted:.0f} s"
        return f"{self.when} {what}: {self.value:.4g} of {self.calls} calls, {self.attempts} attempts"


class Alert:
    """Calls back when errors, latency or 429s pass a limit: `Client(watch=[Alert(...)])`; clients may share it.

        Alert(when="error_rate > 10%", over=60, notify=page_somebody)
        Alert(when="p95 > 2", over=300, notify=log_it, at_least=50)
        Alert(when=lambda window: window.share(429) > 0.05 and window.calls > 100, over=60, notify=slow_down)

    Args:
        when: "error_rate > 0.1" (calls that ended with 4xx or 5xx or an error), "p95 > 2" (seconds, whole calls),
            "429_share > 5%" (attempts with that status), or a function of the window, true while it is bad.
        over: Length of the sliding window, seconds.
        notify: Called with an `Alarm` when an episode begins and when it is over; a plain function (it runs in a
            thread) or a coroutine function.
        at_least: How many calls (attempts, for a share of statuses) the window must have before an episode can begin.

    Raises:
        ConfigError: A setting makes no sense.
    """

    def __init__(
        self,
        *,
        when: str | Callable[[Window], bool],
        over: float,
        notify: Callable[[Alarm], Any],
        at_least: int = 20,
    ) -> None:
        _check(when, over, notify, at_least)
        self._when = when if isinstance(when, str) else getattr(when, "__name__", repr(when))
        self._episodes = Episodes(parse(when) if isinstance(when, str) else _rule_of(when), at_least)
        self._over = float(over)
        self._window = Window(self._over)
        self._notify = notify
        self._began = 0.0
        self._notices: deque[Alarm] = deque(maxlen=_MAX_NOTICES)
        self._notifying: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def active(self) -> bool:
        """Whether an episode is under way."""
        return self._episodes.under_way

    async def flush(self) -> None:
        """Wait until every notice has been given, such as at the end of a script."""
        while self._notifying is not None and not self._notifying.done():
            await asyncio.wait((self._notifying,))

    def call_started(self, request: Request) -> None:
        """Do nothing: an alert counts only what has ended."""

    def attempt_started(self, token: None, request: Request, headers: CIMultiDict[str]) -> None:
        """Do nothing: an alert counts only what has ended."""

    def attempt_ended(self, token: None, record: Attempt) -> None:  # noqa: ARG002
        """Count it."""
        if not cancelled(record):
            now = record.started + record.elapsed
            self._window.attempt(now, record.effective_status)
            self._judge(now)

    def call_ended(self, token: None, record: Finished) -> None:  # noqa: ARG002
        """Count it."""
        if not cancelled(record):
            now = record.started + record.elapsed
            self._window.call(now, record.elapsed, failed=failed(record))
            self._judge(now)

    def _judge(self, now: float) -> None:
        if not self._episodes.judge(self._window):
            return
        active = self._episodes.under_way
        if active:
            self._began = now
        window = self._window
        self._notices.append(
            Alarm(self._when, active, self._episodes.value, window.calls, window.attempts, now - self._began)
        )
        loop = asyncio.get_running_loop()
        if self._notifying is None or self._notifying.done():
            self._notifying = loop.create_task(self._notify_all(), context=Context())  # outside the call's deadline
        self._set_timer(now, loop)

    def _set_timer(self, now: float, loop: asyncio.AbstractEventLoop) -> None:
        """Look again soon while an episode is under way (rule 2)."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._episodes.under_way:
            wait = self._over / _LOOKS
            self._timer = loop.call_later(wait, self._look, now + wait, loop, context=Context())

    def _look(self, now: float, loop: asyncio.AbstractEventLoop) -> None:
        self._window.slide(now)
        self._judge(now)
        self._set_timer(now, loop)

    async def _notify_all(self) -> None:
        while self._notices:
            alarm = self._notices.popleft()
            try:
                if inspect.iscoroutinefunction(self._notify):
                    await self._notify(alarm)
                elif inspect.isawaitable(more := await asyncio.to_thread(self._notify, alarm)):
                    await more
            except Exception:
                log.exception("notify failed: %s", alarm)


def _check(when: Any, over: Any, notify: Any, at_least: Any) -> None:
    if not isinstance(over, int | float) or not 0 < over < inf:
        raise ConfigError(f"over={over!r}: give the length of the window in seconds")
    if not callable(notify):
        raise ConfigError(f"notify={notify!r}: give a function of an Alarm")
    if not isinstance(at_least, int) or at_least < 1:
        raise ConfigError(f"at_least={at_least!r}: give a number of calls, 1 or more")
    if not isinstance(when, str) and not callable(when):
        raise ConfigError(f"when={when!r}: give a text such as 'error_rate > 0.1', or a function of the window")


def _rule_of(when: Callable[[Window], bool]) -> Rule:
    """Turn a function into a rule: its value is 1 while the function is true, and 0 if it raises."""

    def measure(window: Window) -> float:
        try:
            return float(bool(when(window)))
        except Exception:
            log.exception("when failed: %r", when)
            return 0.0

    return Rule(measure, lambda window: window.calls, 0.5)
