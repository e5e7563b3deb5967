"""Decide, where no strategy of the user's does, whether a failure is worth a retry or a replay, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.errors import TransportError
from asyncapi.messages.decided import retried
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.failures.idempotency import in_progress
from asyncapi.sansio.failures.resend import not_begun, resend_obstacle, rewindable, safe
from asyncapi.sansio.http.retry_after import should_retry
from asyncapi.sansio.limits.rate_limited import is_rate_limited, wait_asked

if TYPE_CHECKING:
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.learned import Choice

_PAYMENT_REQUIRED, _TOO_MANY_REQUESTS = 402, 429
_MOST_REPLAYS = 3
_REPLAYED = "replayed at once on a fresh connection", "replay: the kept-alive connection was closed"
_UNDONE = "replayed at once", "replay: the server had not begun the request"


def costs_money(failure: Response | TransportError) -> bool:
    """Whether somebody has to pay before another attempt can succeed."""
    return not isinstance(failure, TransportError) and failure.effective_status == _PAYMENT_REQUIRED


def is_worth_it(request: Request, failure: Response | TransportError, statuses: frozenset[int]) -> bool:
    """Whether another attempt may succeed.

    Args:
        request: The request that was sent.
        failure: The response or the error that came of it.
        statuses: Those worth a retry; 429 stands for every rate limit.
    """
    if isinstance(failure, TransportError):
        return not failure.final
    status, meaning = failure.effective_status, failure.meaning
    if meaning is not None and meaning.retry is not None:
        return meaning.retry
    verdict = should_retry(failure.headers) if status >= 400 else None  # noqa: PLR2004 - no success
    if verdict is not None:  # what the server says wins
        return verdict
    return status in statuses or in_progress(request, failure) or (
        _TOO_MANY_REQUESTS in statuses and is_rate_limited(status, failure.headers)
    )  # fmt: skip


def credential_refused(request: Request, failure: Response | TransportError) -> bool:
    """Whether only the credential was at fault, and nothing has been done yet; writes it into the record.

    A 401 after a redirect is not the response to the request itself, which may have done its work.
    """
    call = request.call
    if not call.resend or isinstance(failure, TransportError) or failure.effective_status < 400:  # noqa: PLR2004
        return False
    answered, meaning = failure.request, failure.meaning
    is_its_own = answered is not None and answered.method == request.method and failure.answers(request)
    if meaning is not None and meaning.unprocessed is False:  # a part of it may be done
        is_its_own = False
    if not (safe(request) or (is_its_own and rewindable(request))):
        return False
    note(call, f"sent again at once ({call.resend})", f"auth: {call.resend}")
    return True


def note(call: Call, then: str, why: str) -> None:
    """Write into the records what is done after the last attempt, and why there is a next one."""
    if call.attempts:  # none if a wait in one of our queues failed before the first
        call.attempts[-1].then = then
    call.why = why


def note_choice(call: Call, choice: Choice, what: str) -> None:
    """Write into the records that a learned retry follows, and why; the reason is made when somebody reads it."""
    if call.attempts:
        retried(call.attempts[-1])
    call.why = why = f"retry: {what}, learned {choice.wait:.3g} s"
    call.decided = why, choice


def wait_asked_for(failure: Response | TransportError, wall: float, *, elsewhere: bool = False) -> float | None:
    """Seconds that the server asks to wait; None if it doesn't say.

    Args:
        failure: Its response, or an error.
        wall: Now, in seconds since the Unix epoch.
        elsewhere: Whether the next attempt goes to another endpoint, which has asked for nothing.
    """
    if elsewhere or isinstance(failure, TransportError):
        return None
    if failure.meaning is not None and failure.meaning.wait is not None:
        return failure.meaning.wait
    return wait_asked(failure.effective_status, failure.headers, wall)


def backoff(retry: int, draw: float, *, base: float, cap: float, asked: float | None) -> float:
    """Seconds to wait where the server names no time, or "at once".

    A server that rounds the rest of a second down to whole ones says "at once": the upper half of the wait outlasts
    that.

    Args:
        retry: 1 for the first retry.
        draw: A uniform draw from [0, 1).
        base: The ceiling of the first wait, seconds.
        cap: The ceiling of every wait, seconds.
        asked: Seconds that the server asks for, 0 for "at once"; None if it names none.
    """
    return full_jitter(retry, draw if asked is None else (1.0 + draw) / 2, base=base, cap=cap)


@dataclass(frozen=True, slots=True)
class Free:
    """Which retries after a rate limit cost no budget: sent when the server says so, they are no part of a storm.

    Attributes:
        asked: Those for which the server named a time.
        paced: Those of a backlog, which the pace layer holds back until the host takes them; and those "at once", which
            is the rest of a second rounded down.
    """

    asked: bool
    paced: bool

    def covers(self, failure: Response | TransportError, wait: float | None, *, backlog: bool) -> bool:
        """Whether the retry after a failure costs no budget.

        Args:
            failure: The response or the error that came of the attempt.
            wait: Seconds that the server asks to wait, as `wait_asked_for` says.
            backlog: Whether the call is one of a backlog.
        """
        if isinstance(failure, TransportError) or not is_rate_limited(failure.effective_status, failure.headers):
            return False
        return self.asked if wait else self.paced and (backlog or wait is not None)


class Replays:
    """Say which failures of one call are replayed at once, outside of its count of attempts.

    The server has not begun such a request. Where a kept-alive connection was closed, that is inferred: a request that
    is safe to send twice is replayed, once. Where the server or the transport says so, any request is (RFC 9113
    section 8.7), up to three times.
    """

    __slots__ = ("_left", "_stale")

    def __init__(self) -> None:
        self._left = _MOST_REPLAYS
        self._stale = False  # whether a closed kept-alive connection was met

    def of(self, request: Request, failure: TransportError) -> tuple[str, str] | None:
        """Say what the records show, if the request is to be replayed; None if it isn't."""
        if failure.stale and not self._stale and safe(request):
            self._stale = True
            return _REPLAYED
        undone = not_begun(failure) and not failure.final
        if self._left and undone and resend_obstacle(request, failure) is None:
            self._left -= 1
            return _UNDONE
        return None
