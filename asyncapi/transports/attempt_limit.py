"""Enforce the time limit of one attempt, the same for every transport.

An attempt ends at its own limit or at the call's deadline, whichever comes first. Where the deadline comes first, the
guard of the deadline layer ends the attempt, and this module sets no guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import RequestTimeout

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.scheduling.watchdog import Guard, Watchdog


def enter(watchdog: Watchdog, clock: Clock, request: Request) -> Guard | None:
    """Guard this attempt, if it has a limit of its own that comes before the deadline."""
    limit = request.call.settings.attempt
    if limit is None:
        return None
    due = clock.now() + limit
    # the deadline layer's own guard ends the attempt then
    if request.deadline is not None and request.deadline <= due:
        return None
    return watchdog.enter(due, request.call.task)


def timed_out(request: Request) -> RequestTimeout:
    """Make the error of an attempt whose limit has passed."""
    limit, phase = request.call.settings.attempt, request.call.phase
    return RequestTimeout(
        f"the attempt took longer than {limit:g} s and was ended during {phase}", phase=phase, request=request
    )
