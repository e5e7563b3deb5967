"""Count the attempts of one call, those that a proxy makes behind ours included, and say when there are enough."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from tenacity import Future, RetryCallState

from asyncapi.errors import AsyncAPIError, status_error
from asyncapi.sansio.http.retry_after import retry_after

if TYPE_CHECKING:
    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response


class Tries:
    """The attempts of one call.

    Args:
        most: How many there may be; None for any number.

    Attributes:
        made: How many there were.
        behind: How many of them a proxy made.
        slept: Seconds between them.
    """

    __slots__ = ("_most", "_worth", "behind", "made", "slept")

    def __init__(self, most: int | None) -> None:
        self.made: int = 1
        self.slept: float = 0.0
        self._most = most
        self.behind: int = 0
        self._worth: float = inf

    def take_in(self, meaning: Meaning) -> None:
        """Take in what a response says of attempts behind it, and of those that may follow."""
        self.behind += meaning.attempts - 1
        self.made += meaning.attempts - 1
        if meaning.more is not None:
            self._worth = min(self._worth, self.made + meaning.more)

    def next(self, wait: float) -> None:
        """Count another attempt, after a wait of so many seconds."""
        self.made += 1
        self.slept += wait

    @property
    def spare(self) -> int | None:
        """How many a proxy may add to the one under way, where it is known to add some; None for any number."""
        return max(0, self._most - self.made) if self.behind and self._most is not None else None

    @property
    def exhausted(self) -> str:
        """Why there are enough, or "" if there may be another."""
        behind = f", {self.behind} of them by a proxy" if self.behind else ""
        if self._most is not None and self.made >= self._most:
            return f"{self.made} of {self._most} attempts made{behind}"
        if self.made >= self._worth:
            return f"{self.made} attempts made{behind}: more would add to the overload"
        return ""

    def state(self, request: Request, failure: Response | AsyncAPIError, now: float, wall: float) -> RetryCallState:
        """Make what tenacity's strategies are called with: as if an attempt of a plain function had just ended."""
        state = RetryCallState(None, None, (request,), {})  # type: ignore[arg-type]  # no Retrying object
        state.start_time = request.call.started
        state.attempt_number = self.made
        state.idle_for = self.slept
        state.outcome = Future(self.made)
        state.outcome_timestamp = now
        if isinstance(failure, AsyncAPIError):
            state.outcome.set_exception(failure)
        elif failure.effective_status >= 400:  # noqa: PLR2004 - where errors begin
            asked = retry_after(failure.headers, wall)
            state.outcome.set_exception(status_error(failure.as_meant(), request=request, retry_after=asked))
        else:
            state.outcome.set_result(failure)
        return state
