"""Estimate quantiles of a stream in constant memory, by counts in buckets whose width grows with the value.

Every bucket is 5 % wider than the one before, so a quantile is off by at most 2.5 % (the idea of DDSketch: Masson,
Rim and Lee, VLDB 2019).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_GAMMA = math.log(1.05)
_SMALLEST = 1e-6  # seconds: smaller values count as this


def bucket_of(value: float) -> int:
    """Return the bucket of a value."""
    return math.ceil(math.log(value if value > _SMALLEST else _SMALLEST) / _GAMMA)  # noqa: FURB136 - cheaper


def last_bucket_up_to(line: float) -> int:
    """Return the last bucket whose values, as `quantile` says them, are not above `line`."""
    if line <= 0:
        return math.ceil(math.log(_SMALLEST) / _GAMMA) - 1
    last = math.floor(math.log(line) / _GAMMA + 0.5)
    while _middle(last + 1) <= line:
        last += 1
    while _middle(last) > line:
        last -= 1
    return last


def upper_edge(bucket: int) -> float:
    """Return the largest value of a bucket."""
    return math.exp(bucket * _GAMMA)


def _middle(bucket: int) -> float:
    return math.exp((bucket - 0.5) * _GAMMA)


def quantile_of(counts: Mapping[int, int], share: float, count: int | None = None) -> float | None:
    """Return the value below which `share` (0 to 1) of the counted values lies, or None if nothing was counted.

    Args:
        counts: How many values each bucket has counted.
        share: The share, 0 to 1.
        count: Their sum, where it is known.
    """
    count = sum(counts.values()) if count is None else count
    if not count:
        return None
    rank, seen = share * (count - 1), 0
    for index in sorted(counts):
        seen += counts[index]
        if seen > rank:
            return _middle(index)
    raise AssertionError("the counts don't add up")  # pragma: no cover


class Histogram:
    """Counts of positive values."""

    __slots__ = ("_buckets", "count", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count: int = 0
        self.total: float = 0.0

    def record(self, value: float) -> None:
        """Count one value."""
        self.count_in(bucket_of(value), value)

    def count_in(self, index: int, value: float) -> None:
        """Count one value whose bucket is known."""
        self._buckets[index] = self._buckets.get(index, 0) + 1
        self.count += 1
        self.total += value

    def forget(self, other: Histogram) -> None:
        """Take out the values that another histogram has counted; they must be in this one."""
        for index, count in other._buckets.items():
            left = self._buckets[index] - count
            if left:
                self._buckets[index] = left
            else:
                del self._buckets[index]
        self.count -= other.count
        self.total -= other.total

    def above(self, bucket: int) -> int:
        """Return how many values are in buckets above this one."""
        return sum(count for index, count in self._buckets.items() if index > bucket)

    def quantile(self, share: float) -> float | None:
        """The value below which `share` (0 to 1) of the stream lies, or None if nothing was counted."""
        return quantile_of(self._buckets, share, self.count)

    def counts(self) -> dict[int, int]:
        """Return how many values each bucket has counted."""
        return dict(self._buckets)

    def add(self, other: Histogram) -> None:
        """Take over the values that another histogram has counted."""
        for index, count in other._buckets.items():
            self._buckets[index] = self._buckets.get(index, 0) + count
        self.count += other.count
        self.total += other.total


class Histograms:
    """One histogram of all values, and one for each of the first keys; the other keys share that of `OTHERS`.

    Args:
        max_keys: How many keys have a histogram of their own.

    Attributes:
        all: The histogram of all values.
        by_key: The histograms of the keys.
    """

    __slots__ = ("_max_keys", "all", "by_key")

    def __init__(self, max_keys: int = 256) -> None:
        self._max_keys = max_keys
        self.all: Histogram = Histogram()
        self.by_key: dict[tuple[str, str], Histogram] = {}

    def record(self, key: tuple[str, str], value: float) -> None:
        """Count one value."""
        index = math.ceil(math.log(value if value > _SMALLEST else _SMALLEST) / _GAMMA)  # noqa: FURB136 - cheaper
        self.all.count_in(index, value)
        histogram = self.by_key.get(key)
        if histogram is None:
            histogram = self._of(key)
        histogram.count_in(index, value)

    def _of(self, key: tuple[str, str]) -> Histogram:
        key = key if len(self.by_key) < self._max_keys else OTHERS
        histogram = self.by_key.get(key)
        if histogram is None:
            histogram = self.by_key[key] = Histogram()
        return histogram


OTHERS = ("", "")
