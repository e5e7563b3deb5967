"""Figures over time, in constant memory.

Rules:
1. A bucket covers a tenth of a second. When there are more than 160, neighbours are merged and each covers twice the
   time: a job of a minute has buckets of 0.4 s, one of a day of 14 minutes.
2. A bucket holds nothing but sums and counts, so that two of them merge without loss. What it shows of the state of a
   job (attempts in flight, rows that wait) is the mean of the looks in its time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from asyncapi.sansio.measures.histogram import quantile_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = TypeVar("Key")

FIRST_WIDTH = 0.1  # seconds
_BUCKETS = 160


@dataclass(slots=True)
class Bucket:
    """The figures of one bucket of the time line.

    Attributes:
        failed: Rows with an error.
        retries: Attempts that repeated a failed one.
        size: Bytes of decoded bodies.
        latency: How many rows took how long, by the bucket of `sansio.measures.histogram`.
        looks: How often the state of the job was looked at.
        in_flight: The sum of the attempts in flight, over all looks.
        queued: The sum of the rows that waited for their turn.
        paused: The looks at which a host had asked for a pause.
        held: The looks at which rows were held back, by the word for what held them (words.py).
        limited: The attempts that waited for a limit, by its name: "rate", "pace", "concurrency".
    """

    failed: int = 0
    retries: int = 0
    size: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    looks: int = 0
    in_flight: int = 0
    queued: int = 0
    paused: int = 0
    held: dict[str, int] = field(default_factory=dict)
    limited: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> int:
        """Rows with data."""
        return sum(self.latency.values()) - self.failed

    def quantile_ms(self, share: float) -> float | None:
        """Return the milliseconds within which `share` of the rows of this time ended; None of none."""
        value = quantile_of(self.latency, share)
        return None if value is None else value * 1000

    def merge(self, other: Bucket) -> None:
        """Take over the figures of another bucket (rule 2)."""
        self.failed += other.failed
        self.retries += other.retries
        self.size += other.size
        self.looks += other.looks
        self.in_flight += other.in_flight
        self.queued += other.queued
        self.paused += other.paused
        add_counts(self.latency, other.latency)
        add_counts(self.held, other.held)
        add_counts(self.limited, other.limited)


def add_counts(counts: dict[Key, int], more: Mapping[Key, int]) -> None:
    """Add counts by name to others."""
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count


class Timeline:
    """Figures by time.

    Attributes:
        width: Seconds a bucket covers.
        buckets: From the start on, without gaps.
        latest: The bucket that was asked for last.
    """

    __slots__ = ("_since", "_until", "buckets", "latest", "width")

    def __init__(self) -> None:
        self.width: float = FIRST_WIDTH
        self.buckets: list[Bucket] = []
        self.latest: Bucket = Bucket()
        self._since = self._until = 0.0  # what `latest` covers

    def at(self, seconds: float) -> Bucket:
        """Return the bucket of a moment, in seconds since the start."""
        if self._since <= seconds < self._until:
            return self.latest
        place = int(seconds / self.width)
        while place >= _BUCKETS:
            self._merge()
            place = int(seconds / self.width)
        while place >= len(self.buckets):
            self.buckets.append(Bucket())
        self._since, self._until = place * self.width, (place + 1) * self.width
        self.latest = self.buckets[place]
        return self.latest

    def begin_earlier(self, seconds: float) -> float:
        """Move the start back by at least so many seconds, and return by how many: whole buckets."""
        while len(self.buckets) + (places := math.ceil(seconds / self.width)) > _BUCKETS:
            self._merge()
        self.buckets[:0] = [Bucket() for _ in range(places)]
        self._since = self._until = 0.0
        return places * self.width

    def merge(self, other: Timeline, later: float = 0.0) -> None:
        """Take over the figures of another time line, which began `later` seconds after this one."""
        while self.width < other.width:
            self._merge()
        for place, bucket in enumerate(other.buckets):
            self.at(later + (place + 0.5) * other.width).merge(bucket)

    def _merge(self) -> None:
        old = self.buckets
        self.width *= 2
        for bucket, next_one in zip(old[::2], old[1::2], strict=False):
            bucket.merge(next_one)
        self.buckets = old[::2]
        self._since = self._until = 0.0
