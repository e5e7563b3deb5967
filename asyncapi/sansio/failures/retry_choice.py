"""What a failure says of another try, where no strategy of the user's does: is it worth it, and when?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.errors import TransportError
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.failures.idempotency import in_progress
from asyncapi.sansio.http.retry_after import should_retry
from asyncapi.sansio.limits.rate_limited import is_rate_limited, wait_asked

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

_TOO_MANY_REQUESTS = 429


def is_worth_it(request: Request, failure: Response | TransportError, statuses: frozenset[int]) -> bool:
    """Whether another try may mend it.

    Args:
        request: What was sent.
        failure: What came of it.
        statuses: Those that may be mended; 429 stands for every rate limit.
    """
    if isinstance(failure, TransportError):
        return not failure.final
    told = should_retry(failure.headers) if failure.status >= 400 else None  # noqa: PLR2004
    if told is not None:
        return told
    return failure.status in statuses or in_progress(request, failure) or (
        _TOO_MANY_REQUESTS in statuses and is_rate_limited(failure.status, failure.headers)
    )  # fmt: skip


def asked(failure: Response | TransportError, wall: float) -> float | None:
    """Seconds that the server asks to wait; None if it doesn't say.

    Args:
        failure: Its answer, or none.
        wall: Now, in seconds since the Unix epoch.
    """
    return None if isinstance(failure, TransportError) else wait_asked(failure.status, failure.headers, wall)


def backoff(retry: int, draw: float, *, base: float, cap: float, told: float | None) -> float:
    """Seconds to wait where the server names none, or none that is worth waiting.

    "At once" is what is read when a server cuts the rest of a second off to whole ones: the upper half outlasts that.

    Args:
        retry: 1 for the first retry.
        draw: A uniform draw from [0, 1).
        base: The ceiling of the first wait, seconds.
        cap: The ceiling of every wait, seconds.
        told: What the server asks for, 0 for "at once".
    """
    return full_jitter(retry, draw if told is None else (1.0 + draw) / 2, base=base, cap=cap)


@dataclass(frozen=True, slots=True)
class Free:
    """Which retries of what a limit refused cost no budget: sent when the server says so, they are no part of a storm.

    Attributes:
        told: Those for which the server said when.
        held: Those of a backlog, which the pace layer holds back until the host takes them; and "at once", which whole
            seconds leave of the rest of one.
    """

    told: bool
    held: bool

    def covers(self, failure: Response | TransportError, told: float | None, *, backlog: bool) -> bool:
        """Whether the retry after a failure is one of them.

        Args:
            failure: What came of the attempt.
            told: Seconds that the server asks to wait, as `asked` says.
            backlog: Whether the call is one of a backlog.
        """
        if isinstance(failure, TransportError) or not is_rate_limited(failure.status, failure.headers):
            return False
        return self.told if told else self.held and (backlog or told is not None)
