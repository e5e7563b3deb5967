"""Say in one word what holds a row back; docs/bulk.md says for each what lifts it.

budget            the retry budget of its host is spent
pace              the rate limits that its host states
rate              a rate limit of the client
queue             the client's wait queue is full, or no place became free in time
breaker           the host's circuit is open
max_retry_after   the host asks for a longer wait than a retry may take
policy            learned retries see no use in sending it again, while its host sends nothing but failures
hold              its host refuses connections, with learned retries
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
POLICY, HOLD = "policy", "hold"


def refusal(error: AsyncAPIError | None) -> RejectedError | None:
    """Return the refusal of ours that the error is, or that ended its retries; None if waiting would not help."""
    cause = error if isinstance(error, RejectedError) else None if error is None else error.__cause__
    if not isinstance(cause, RejectedError) or isinstance(cause, DeadlineExceeded | EgressDenied):
        return None
    return cause


def word(error: AsyncAPIError | None) -> str | None:
    """Name what held back a call that failed with this error, or None."""
    cause = refusal(error)
    if isinstance(cause, RateExceeded):
        return RATE if cause.held_by == "wait" and "server" not in cause.message else PACE
    for kind, name in ((BudgetSpent, BUDGET), (CircuitOpen, BREAKER), (QueueFull, QUEUE)):
        if isinstance(cause, kind):
            return name
    return None
