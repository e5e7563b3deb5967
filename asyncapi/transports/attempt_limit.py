"""The time limit of one attempt, the same for every transport.

The limit is the smaller of the attempt's setting and what is left until the deadline; where the deadline is the
nearer one, its own guard (the deadline layer's) ends the attempt and nothing is armed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import RequestTimeout

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.scheduling.watchdog import Guard, Watchdog


def enter(watchdog: Watchdog, clock: Clock, request: Request) -> Guard | None:
    """Watch over this attempt, if it has a limit of its own that comes before the deadline."""
    limit = request.call.settings.attempt
    if limit is None:
        return None
    due = clock.now() + limit
    if request.deadline is not None and request.deadline <= due:
        return None
    return watchdog.enter(due, request.call.task)


def timed_out(request: Request) -> RequestTimeout:
    """The error of an attempt whose limit has come."""
    limit, phase = request.call.settings.attempt, request.call.phase
    return RequestTimeout(
        f"the attempt took longer than {limit:g} s and was ended during {phase}", phase=phase, request=request
    )
