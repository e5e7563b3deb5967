"""Decide whether and when a connection that has ended is followed by another one.

Rules:
1. A failure is a connection that ended before it had lived for `SETTLED` seconds, or an attempt at a handshake that
   failed. `attempts` of the policy bounds the failures in a row; the backoff grows with them.
2. A connection that has lived longer ends the row. The first wait after it is drawn, too, so that the clients of a
   server that restarts don't come back all at once.
3. A server that asks for a longer wait (1013, Retry-After) gets it.
4. For a refused credential there is one more connection in a row, at once, if there is another credential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenacity import Future, RetryCallState

from asyncapi.errors import (
    AsyncAPIError,
    DeadlineExceeded,
    EgressDenied,
    RejectedError,
    StatusError,
    TransportError,
)
from asyncapi.sansio.failures.backoff import full_jitter

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.sansio.http.closecodes import Next
    from asyncapi.settings import Retry

SETTLED = 5.0  # seconds
_LONGER = 3  # rule 3: a 1013 waits as after so many more failures


class Reconnection:
    """The row of failures of one socket.

    Args:
        policy: How often and when to connect again; None for never.
        clock: Times and draws the waits.

    Attributes:
        policy: As above.
        failures: Those in a row.
        due: When the next connection is due, on the clock.
        gave_up: Why no other one follows, where that is for the failures in a row; or "".
    """

    def __init__(self, policy: Retry | None, clock: Clock) -> None:
        self.policy: Retry | None = policy
        self.failures: int = 0
        self.due: float = 0.0
        self.gave_up: str = ""
        self._clock = clock
        self._renewed = False
        self._began = clock.now()
        self._waited = 0.0

    @property
    def left(self) -> int | None:
        """Attempts that the next handshake may take; None for any number."""
        most = None if self.policy is None else self.policy.max_attempts
        return None if most is None else max(1, most - self.failures)

    def settled(self, lived: float) -> None:
        """Take note of how long a connection has lived (rule 2)."""
        if lived >= SETTLED:
            self.failures, self._renewed, self._began, self._waited = 0, False, self._clock.now(), 0.0

    def may_renew(self) -> bool:
        """Whether a fresh credential may be tried now (rule 4)."""
        if self.policy is None or self._renewed:
            return False
        self._renewed, self.due = True, self._clock.now()
        return True

    def after(self, what: Next, error: AsyncAPIError) -> bool:
        """Whether another connection follows one that has ended so; if it does, it is `due`."""
        return what in {"again", "later"} and self._failed(1, error, longer=what == "later")

    def after_refusal(self, error: AsyncAPIError) -> bool:
        """Whether another connection follows a handshake that has failed."""
        asked = getattr(error, "retry_after", None) or 0.0
        return self._is_passing(error, asked) and self._failed(max(1, len(error.attempts)), error, asked)

    def _is_passing(self, error: AsyncAPIError, asked: float) -> bool:
        if self.policy is None or asked > self.policy.max_retry_after:
            return False
        if isinstance(error, StatusError):
            return error.response.effective_status in self.policy.statuses
        if isinstance(error, RejectedError):
            return not isinstance(error, EgressDenied | DeadlineExceeded)
        return isinstance(error, TransportError) and not error.final

    def _failed(self, times: int, error: AsyncAPIError, asked: float = 0.0, *, longer: bool = False) -> bool:
        policy = self.policy
        if policy is None:
            return False
        self.failures += times
        if policy.max_attempts is not None and self.failures >= policy.max_attempts:
            self.gave_up = f"failure {self.failures} in a row, of {policy.max_attempts} that reconnect= allows"
            return False
        wait = self._wait(policy, error, longer=longer)
        wait = max(wait, asked)
        if policy.stop is not None and policy.stop(self._state(error, wait)):
            self.gave_up = f"the stop strategy of reconnect= ended it after {self.failures} failures in a row"
            return False
        self._waited += wait
        self.due = self._clock.now() + wait
        return True

    def _wait(self, policy: Retry, error: AsyncAPIError, *, longer: bool) -> float:
        """Seconds until the next connection (rules 1 and 3)."""
        if policy.wait is not None:
            return max(0.0, float(policy.wait(self._state(error, 0.0))))
        least = min(policy.cap, policy.base * 2.0**_LONGER) if longer else 0.0
        return least + full_jitter(self.failures, self._clock.random(), base=policy.base, cap=policy.cap)

    def _state(self, error: AsyncAPIError, wait: float) -> RetryCallState:
        """Make what tenacity's strategies are called with."""
        state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # no Retrying object
        state.start_time, state.outcome_timestamp = self._began, self._clock.now()
        state.attempt_number, state.idle_for, state.upcoming_sleep = self.failures, self._waited, wait
        state.outcome = Future(self.failures)
        state.outcome.set_exception(error)
        return state
