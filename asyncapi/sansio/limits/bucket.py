"""Count a token bucket as GCRA: one number instead of a counter and a timer.

The Generic Cell Rate Algorithm (ITU-T I.371) keeps the "theoretical arrival time" `tat`: the moment at which the
bucket will be full again. A request of weight w conforms if it would not push `tat` further than `burst` intervals
past now. Several limits hold at once when each of their buckets conforms; only then is any of them charged.
"""

from __future__ import annotations

TOLERANCE = 1e-9  # seconds: float rounding must not make anybody wait


class Bucket:
    """At most `burst` at once, refilled at `amount` per `per` seconds.

    Attributes:
        tat: Theoretical arrival time, on the caller's clock.
        interval: Seconds per token.
        burst: The bucket's depth, tokens.
    """

    __slots__ = ("burst", "interval", "tat")

    def __init__(self, amount: float, per: float, burst: float) -> None:
        self.interval: float = per / amount
        self.burst: float = burst
        self.tat: float = float("-inf")

    def delay(self, now: float, weight: float = 1.0) -> float:
        """Seconds until a request of this weight conforms; 0 or less if it does now.

        A weight over the burst conforms when the bucket is full: it is late, never stuck.
        """
        ahead = self.tat - now if self.tat > now else 0.0
        return ahead - (self.burst - weight) * self.interval if weight < self.burst else ahead

    def forecast(self, now: float, weight: float = 1.0, ahead: float = 0.0) -> float:
        """Seconds until the turn of an attempt that so many tokens are to be taken before."""
        return self.delay(now, weight) + ahead * self.interval

    def try_take(self, now: float, weight: float = 1.0) -> bool:
        """Charge the bucket if the request conforms: `delay` and `take` in one, for the common case."""
        tat = self.tat
        if tat <= now:
            self.tat = now + weight * self.interval
            return True
        if self.delay(now, weight) > TOLERANCE:
            return False
        self.tat = tat + weight * self.interval
        return True

    def take(self, now: float, weight: float = 1.0) -> None:
        """Charge the bucket, conforming or not."""
        self.tat = (max(now, self.tat)) + weight * self.interval

    def give_back(self, weight: float = 1.0) -> None:
        """Undo a `take` that was not used."""
        self.tat -= weight * self.interval

    def available(self, now: float) -> float:
        """Tokens in the bucket now; below 0 while it is overdrawn."""
        return self.burst - max(0.0, self.tat - now) / self.interval
