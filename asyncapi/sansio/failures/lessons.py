"""What one call learns from its retries, and what it does with what was learned (learned.py).

How a retry ended:
    well            with a success, or with a response that no retry would change (a 404, a 422)
    badly           with a failure that is worth another retry, or with one of the server's own (501)
    badly           not sent, because nearly all attempts timed out when it was due
    unknown         with anything else: cancelled, refused by ourselves, ended by a bound of ours, asking for money
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from asyncapi.errors import TransportError
from asyncapi.messages.decided import followed_by
from asyncapi.sansio.failures.retry_choice import costs_money
from asyncapi.sansio.failures.retry_keys import key_of
from asyncapi.sansio.http.retry_after import should_retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.learned import Choice, Learning

_SERVER_ERRORS = 500
_PRICED = 0.09  # taken off what a fallback is worth: a retry's value has its price taken off, too


class Lessons:
    """The learned retries of one call.

    Args:
        learning: What is known of its host.
        noted: Called when something was learned; None for nobody.

    Attributes:
        choice: What was decided last, as long as it is not known how it ended; None where nothing is open.
    """

    __slots__ = ("_failure", "_learning", "_noted", "_record", "choice")

    def __init__(self, learning: Learning, noted: Callable[[], object] | None = None) -> None:
        self._learning, self._noted = learning, noted
        self.choice: Choice | None = None

    def choose(
        self,
        request: Request,
        failure: Response | TransportError,
        draws: tuple[float, float],
        now: float,
        *,
        most: float = inf,
    ) -> Choice:
        """Decide whether to retry, and after what wait; write it into the record of the attempt.

        Args:
            request: The request that has failed.
            failure: The response or the error that came of it.
            draws: Two uniform draws from [0, 1).
            now: Now, in seconds of the clock of `request.deadline`.
            most: The longest wait that the user allows, seconds.
        """
        call, deadline = request.call, request.deadline
        self._failure: Response | TransportError = failure
        self.choice = choice = self._learning.choose(
            key_of(request, failure),
            None if deadline is None else deadline - now,
            draws,
            now,
            instead=0.0 if call.alternative is None else max(0.0, call.instead - _PRICED),
            most=most,
            told=self._told,
        )
        if choice.arm is not None:
            choice.seen.under_way[choice.arm] += 1
        self._record: Attempt | None = None
        if call.attempts:
            self._record = call.attempts[-1]
            followed_by(self._record, choice)
        return choice

    def _told(self) -> bool:
        """Whether the server says that a retry is worth it."""
        failure = self._failure
        return not isinstance(failure, TransportError) and should_retry(failure.headers) is True

    def overrule(self, why: str) -> None:
        """Take in that the chosen retry was not sent, and what kept it from that."""
        choice = self._last()
        if choice is not None:
            self._overrule(choice, why)

    def futile(self, why: str) -> None:
        """Take in that the chosen retry was not sent, because it was due while none could end well."""
        choice = self._last()
        if choice is not None:
            self._learning.settle(choice, good=False)
            self._overrule(choice, why)

    def ended(self, failure: Response | TransportError | None, *, again: bool) -> bool:
        """Take in how the last retry has ended; whether it was one that was chosen here.

        Args:
            failure: The response or the error that came of it; None for a success.
            again: Whether it is worth another retry.
        """
        choice = self._last()
        if choice is None:
            return False
        good = not again
        if failure is not None and not again:
            if isinstance(failure, TransportError) or costs_money(failure):
                return False
            good = failure.effective_status < _SERVER_ERRORS
        self._learning.settle(choice, good)
        if self._noted is not None:
            self._noted()
        return True

    def close(self) -> None:
        """Take in that the call is over: how a retry that is still open would have ended stays unknown."""
        self._last()

    def _last(self) -> Choice | None:
        """Return what was decided last, if it is open; it is not any more."""
        choice, self.choice = self.choice, None
        if choice is not None and choice.arm is not None:
            choice.seen.under_way[choice.arm] -= 1
        return choice

    def _overrule(self, choice: Choice, why: str) -> None:
        choice.overruled = why
        if self._record is not None and self._record.state is not None:  # somebody may have read it before
            self._record.state["learned"]["overruled"] = why
