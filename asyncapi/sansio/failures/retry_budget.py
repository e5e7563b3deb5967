"""Limit the retries that a host may be sent.

`RetryBudget`: retries may be a share of the traffic, plus a small floor.

Every call pays in `ratio` of a token, every retry takes a whole one out, so that a host which fails every call
receives at most (1 + ratio) times what was offered. What was paid in but not used is kept only up to what the last
second or two of traffic justify. The floor lets a quiet client retry: it is there from the start and refills over five
minutes. The idea is Finagle's `RetryBudget` (Twitter) and tower's `budget`.

A retry after a time-out is work on top of work: the host goes on with what nobody waits for any more. Where nearly
everything times out, retries keep its queue so long that everything goes on timing out, after the cause is over
(a metastable failure: Bronson et al., HotOS 2021). So a time-out is retried only if, once its wait is over, the host
responds to others in time (`crowded`).

`CostBudget`: a quota that retries use up and successes pay back, a time-out costing more than another failure. So it
is in the standard retry mode of the AWS SDKs ("Retry behavior", AWS SDKs and Tools Reference Guide). With `crowding` it
also sees when nearly everything times out, as a `RetryBudget` does.

Both are `Retries`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

_WINDOW = 1.0  # seconds of traffic whose unused share may be kept
_REFILL = 300.0  # seconds in which the floor refills
_RUN = 3  # attempts in a row that timed out: no time-out is retried, by a client whose calls are many enough to tell
_CHANCE = 0.01  # how likely a run is at the share of time-outs so far: a likelier one shows nothing new
_STEADY = 1.5  # calls in each of the last two windows: more are many enough
_MANY = 50  # attempts over which the share of time-outs is averaged
_CLEAR = 0.02  # of them timed out: fewer are none
_MEMORY = 10.0  # seconds after which time-outs are forgotten


class _Shut(NamedTuple):
    """When no time-out is retried.

    Attributes:
        most: Share of the recent attempts that timed out, from which on it is so.
        still: Share above which it stays so.
        seconds: Seconds without so many, until time-outs are retried again.
    """

    most: float
    still: float
    seconds: float


_SOON_SHUT = _Shut(0.6, 0.25, 10.0)
_LATE_SHUT = _Shut(0.75, 0.5, 2.0)  # where a quota bounds the retries besides: open while most attempts succeed


class Retries(Protocol):
    """A retry budget, as the retry layer uses it."""

    def deposit(self, now: float) -> None:
        """Take in that a call was made (not a retry)."""
        ...

    def withdraw(self, now: float, *, timed_out: bool = False) -> float:
        """Pay for a retry: what it costs, or 0 if it may not be sent."""
        ...

    def succeeded(self, paid: float) -> None:
        """Take in that a call succeeded whose last retry had cost `paid`; 0 if it needed none."""
        ...

    def failed(self, now: float, *, timed_out: bool) -> None:
        """Take in that an attempt failed, retried or not."""
        ...

    def crowded(self, now: float) -> bool:
        """Whether a retry after a time-out would be futile: then it is not sent, and refunded."""
        ...

    def refund(self, paid: float) -> None:
        """Refund a retry that was not sent after all."""
        ...

    @property
    def tokens(self) -> float:
        """Tokens that are left."""
        ...


class _Crowd:
    """Whether nearly all attempts to a host time out, as its retry budget sees them.

    Args:
        ratio: What each call counts.
        shut: When no time-out is retried.
    """

    __slots__ = (
        "_before", "_ratio", "_recent", "_run", "_shut", "_shut_until", "_steady", "_timed_out_at", "_timing_out",
        "_window_ends",
    )  # fmt: skip

    def __init__(self, ratio: float, shut: _Shut) -> None:
        self._ratio = ratio
        self._shut = shut
        self._before = 0.0  # share of the recent attempts that had timed out when the run began
        self._recent = [0.0, 0.0]  # paid in during the last window and in this one
        self._window_ends = float("-inf")
        self._steady = False  # whether other calls will soon show if the host responds
        self._run = 0  # attempts in a row that timed out
        self._timing_out = 0.0  # share of the recent attempts that timed out
        self._timed_out_at = self._shut_until = float("-inf")

    def failed(self, now: float, *, timed_out: bool) -> None:
        """Take in that an attempt failed, retried or not."""
        if not timed_out:
            if self._timing_out:
                self._ease()
            return
        if now > self._timed_out_at + _MEMORY:
            self._timing_out, self._run = 0.0, 0
        self._timed_out_at = now
        if not self._run:
            self._before = self._timing_out
        self._timing_out += (1.0 - self._timing_out) / _MANY
        self._run += 1
        share, shut = self._timing_out, self._shut
        if share > shut.most or (now < self._shut_until and share > shut.still):
            self._shut_until = now + shut.seconds

    def crowded(self, now: float) -> bool:
        """Whether so many attempts time out that their retries would only keep the host's queue full."""
        if now < self._shut_until:
            return True
        return self._run >= _RUN and self._steady and now < self._timed_out_at + _WINDOW

    def _ease(self) -> None:
        """Take in that an attempt did not time out."""
        self._run = 0
        self._timing_out -= self._timing_out / _MANY
        if self._timing_out < _CLEAR:
            self._timing_out, self._shut_until = 0.0, float("-inf")

    def _turn(self, now: float) -> float:
        """Start a window; return what the last one has paid in, if it is still recent."""
        previous = self._recent[1] if now < self._window_ends + _WINDOW else 0.0
        self._steady = 0.0 < _STEADY * self._ratio < min(previous, self._recent[0])
        self._recent = [previous, 0.0]
        self._window_ends = now + _WINDOW
        return previous


class RetryBudget(_Crowd):
    """Tokens for retries towards one host.

    Args:
        ratio: Tokens paid in by each call.
        floor: Tokens there from the start, refilled over five minutes.
    """

    __slots__ = ("_floor", "_free", "_last", "_shared")

    def __init__(self, ratio: float, floor: float) -> None:
        super().__init__(ratio, _SOON_SHUT)
        self._floor = floor
        self._free = floor  # tokens left of the floor
        self._shared = 0.0  # tokens that calls have paid in
        self._last = float("-inf")

    def deposit(self, now: float) -> None:
        """Take in that a call was made (not a retry)."""
        if now >= self._window_ends:
            self._shared = min(self._shared, self._turn(now))  # no more than the windows that are still recent
        self._recent[1] += self._ratio
        self._shared += self._ratio

    def withdraw(self, now: float, *, timed_out: bool = False) -> float:  # noqa: ARG002
        """Pay for a retry: what it costs, or 0 if it may not be sent."""
        if now >= self._window_ends:
            self._shared = min(self._shared, self._turn(now))
        self._refill(now)
        if self._shared >= 1.0:
            self._shared -= 1.0
        elif self._free >= 1.0:
            self._free -= 1.0
        else:
            return 0.0
        return 1.0

    def succeeded(self, paid: float) -> None:  # noqa: ARG002
        """Take in a response in time. The call has paid in when it was made, as every call does."""
        if self._timing_out:
            self._ease()

    def refund(self, paid: float) -> None:
        """Refund a retry that was not sent after all: to the floor first, which it may have come from."""
        to_floor = min(paid, self._floor - self._free)
        self._free += to_floor
        self._shared += paid - to_floor

    @property
    def tokens(self) -> float:
        """Retries that may be sent now."""
        return self._shared + self._free

    def _refill(self, now: float) -> None:
        if self._last > float("-inf"):
            self._free = min(self._floor, self._free + (now - self._last) * self._floor / _REFILL)
        self._last = now


class CostBudget(_Crowd):
    """A quota of retries towards one host, paid back by successes.

    Args:
        capacity: The quota in full, as it is at the start.
        retry: What a retry costs.
        timeout: What a retry after a time-out costs.
        payback: What a success without a retry pays back; one after a retry pays back that retry.
        crowding: Whether no time-out is retried while nearly all attempts time out.
    """

    __slots__ = ("_capacity", "_crowding", "_payback", "_retry", "_timeout", "tokens")

    def __init__(
        self, capacity: float, retry: float, timeout: float, payback: float, *, crowding: bool = False
    ) -> None:
        super().__init__(1.0, _LATE_SHUT)
        self._capacity = capacity
        self._retry = retry
        self._timeout = timeout
        self._payback = payback
        self._crowding = crowding
        self.tokens: float = capacity

    def deposit(self, now: float) -> None:
        """Take in that a call was made; it pays nothing in: only successes do."""
        if now >= self._window_ends:
            self._turn(now)
        self._recent[1] += 1.0

    def withdraw(self, now: float, *, timed_out: bool = False) -> float:  # noqa: ARG002
        """Pay for a retry: what it costs, or 0 if it may not be sent."""
        cost = self._timeout if timed_out else self._retry
        if self.tokens < cost:
            return 0.0
        self.tokens -= cost
        return cost

    def succeeded(self, paid: float) -> None:
        """Pay the last retry back, or a little where there was none."""
        if self.tokens < self._capacity:
            self.tokens = min(self._capacity, self.tokens + (paid or self._payback))
        if self._timing_out:
            self._ease()

    def crowded(self, now: float) -> bool:
        """Whether nearly all attempts time out; never without `crowding`, where a retry after one costs more."""
        if not (self._crowding and super().crowded(now)):
            return False
        return now < self._shut_until or self._before**self._run < _CHANCE

    def refund(self, paid: float) -> None:
        """Refund a retry that was not sent after all."""
        self.tokens = min(self._capacity, self.tokens + paid)
