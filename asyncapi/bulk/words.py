"""Who held a row back, in one word; docs/bulk.md says of each what lifts it.

budget            the retry budget of its host was spent
pace              the host's limits, as it tells them
rate              a rate limit of our own
queue             too many were in line, or there was no place
breaker           the host's circuit was open
max_retry_after   the host has asked to wait, for longer than a retry may
"""

from __future__ import annotations

from asyncapi.errors import (
    AsyncAPIError,
    BudgetSpent,
    CircuitOpen,
    DeadlineExceeded,
    EgressDenied,
    QueueFull,
    RateExceeded,
    RejectedError,
)

BUDGET, PACE, RATE, QUEUE, BREAKER, WAIT = "budget", "pace", "rate", "queue", "breaker", "max_retry_after"


def refusal(error: AsyncAPIError | None) -> RejectedError | None:
    """The refusal of ours that an error is, or that has ended its retries; None if it passes with time."""
    cause = error if isinstance(error, RejectedError) else None if error is None else error.__cause__
    if not isinstance(cause, RejectedError) or isinstance(cause, DeadlineExceeded | EgressDenied):
        return None
    return cause


def word(error: AsyncAPIError | None) -> str | None:
    """Who held back what failed so, or None."""
    cause = refusal(error)
    if isinstance(cause, RateExceeded):
        return RATE if cause.held_by == "wait" and "server" not in cause.message else PACE
    for kind, name in ((BudgetSpent, BUDGET), (CircuitOpen, BREAKER), (QueueFull, QUEUE)):
        if isinstance(cause, kind):
            return name
    return None
