"""A token bucket that answers at once: taken, or how long until the next token. Pure: `now` is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.serve.faults import Rate


class Bucket:
    """Holds up to `burst` tokens and gains `rate.amount` of them every `rate.per` seconds; it starts full.

    Args:
        rate: The limit, checked by `check_rate`.
        now: Monotonic seconds.
    """

    __slots__ = ("at", "burst", "level", "per_second")

    def __init__(self, rate: Rate, now: float) -> None:
        self.per_second: float = rate.amount / rate.per
        self.burst: float = rate.amount if rate.burst is None else rate.burst
        self.level: float = self.burst
        self.at: float = now

    def take(self, now: float) -> float:
        """0.0 where a token was taken; else the seconds until there is one (nothing is taken)."""
        self.level = min(self.burst, self.level + max(0.0, now - self.at) * self.per_second)
        self.at = max(self.at, now)
        if self.level >= 1 - 1e-9:
            self.level = max(0.0, self.level - 1)
            return 0.0
        return (1 - self.level) / self.per_second

    @property
    def until_full(self) -> float:
        """Seconds until the bucket is full, as of the last `take`."""
        return (self.burst - self.level) / self.per_second
