"""The figures of a job: what it has done so far, and its state at one moment.

Everything is in constant memory: counts, latencies, a time line, a few samples. The time line has ten buckets a second;
when there are more than 160, neighbours are merged and each covers twice the time.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.measures.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncapi.bulk.rows import Row

BINS_PER_DECADE = 10

_FIRST_WIDTH = 0.1  # seconds
_BUCKETS = 160
_SAMPLES = 10
_KINDS = 50
_SMOOTHING = 0.3  # weight of the newest second in the rate that is shown


def ms_text(value: float | None) -> str:
    """Write milliseconds for people."""
    if value is None:
        return "-"
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.3g} ms"  # noqa: PLR2004 - a second


@dataclass(slots=True)
class Bucket:
    """The counts of one bucket of the time line."""

    ok: int = 0
    failed: int = 0
    retries: int = 0


class Timeline:
    """Counts by time.

    Attributes:
        width: Seconds a bucket covers.
        buckets: From the start on, without gaps.
    """

    __slots__ = ("buckets", "width")

    def __init__(self) -> None:
        self.width: float = _FIRST_WIDTH
        self.buckets: list[Bucket] = []

    def add(self, seconds: float, *, ok: bool, retries: int) -> None:
        """Count one row that ended `seconds` after the start."""
        place = int(seconds / self.width)
        while place >= _BUCKETS:
            self._merge()
            place = int(seconds / self.width)
        while place >= len(self.buckets):
            self.buckets.append(Bucket())
        bucket = self.buckets[place]
        bucket.retries += retries
        if ok:
            bucket.ok += 1
        else:
            bucket.failed += 1

    def _merge(self) -> None:
        old = self.buckets
        self.width *= 2
        self.buckets = [
            Bucket(*(sum(getattr(part, name) for part in old[at : at + 2]) for name in ("ok", "failed", "retries")))
            for at in range(0, len(old), 2)
        ]


@dataclass(slots=True)
class Tally:
    """The running figures of one run.

    Attributes:
        ok: Rows with data.
        failed: Rows with an error.
        unknown: Rows that were in flight when an earlier run died.
        retries: Attempts that repeated a failed one; following a redirect is none.
        by_status: Rows by the last HTTP status seen.
        by_error: Failed rows by the name of the error.
        latency: Seconds a row took, waits and retries included.
        bins: The same as counts by `floor(10 * log10(ms))`, for the picture.
        slowest: The slowest rows, as `(elapsed_ms, number, row without data)`, unordered.
        failures: The first failed rows.
    """

    ok: int = 0
    failed: int = 0
    unknown: int = 0
    retries: int = 0
    by_status: dict[int, int] = field(default_factory=dict)
    by_error: dict[str, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    bins: dict[int, int] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=Timeline)
    slowest: list[tuple[float, int, Row]] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Rows of this run, ok or not."""
        return self.ok + self.failed + self.unknown

    def add(self, row: Row, seconds: float, retries: int = 0) -> None:
        """Count a row that ended `seconds` after the start of this run and took `retries`."""
        good, elapsed = row["ok"], row["elapsed_ms"]
        self.retries += retries
        self.timeline.add(seconds, ok=good, retries=retries)
        status = row["status"]
        if status is not None:
            self.by_status[status] = self.by_status.get(status, 0) + 1
        if good:
            self.ok += 1
        else:
            self._fail(row)
        self.latency.record(elapsed / 1000)
        place = math.floor(BINS_PER_DECADE * math.log10(elapsed)) if elapsed > 0.1 else -BINS_PER_DECADE  # noqa: PLR2004
        self.bins[place] = self.bins.get(place, 0) + 1
        if len(self.slowest) < _SAMPLES or elapsed > self.slowest[0][0]:
            self._keep_slow(elapsed, row)

    def add_unknown(self) -> None:
        """Count a row that an earlier run left in flight."""
        self.unknown += 1

    def quantile_ms(self, share: float) -> float | None:
        """Return the milliseconds within which `share` of the rows ended."""
        value = self.latency.quantile(share)
        return None if value is None else round(value * 1000, 1)

    def figures(self) -> dict[str, Any]:
        """Return the figures that `Progress` and `Summary` share."""
        return {
            "ok": self.ok,
            "failed": self.failed,
            "unknown": self.unknown,
            "retries": self.retries,
            "by_status": dict(sorted(self.by_status.items())),
            "by_error": dict(sorted(self.by_error.items(), key=lambda entry: -entry[1])),
            "p50": self.quantile_ms(0.50),
            "p95": self.quantile_ms(0.95),
        }

    def _fail(self, row: Row) -> None:
        self.failed += 1
        kind = row["error"].partition(":")[0]
        if kind not in self.by_error and len(self.by_error) >= _KINDS:
            kind = "others"
        self.by_error[kind] = self.by_error.get(kind, 0) + 1
        if len(self.failures) < _SAMPLES:
            self.failures.append(row)

    def _keep_slow(self, elapsed: float, row: Row) -> None:
        entry: tuple[float, int, dict[str, Any]] = (
            elapsed, self.latency.count, {name: value for name, value in row.items() if name != "data"},
        )  # fmt: skip
        if len(self.slowest) < _SAMPLES:
            heapq.heappush(self.slowest, entry)
        else:
            heapq.heapreplace(self.slowest, entry)


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a job at one moment.

    Attributes:
        phase: "reading" (the input is checked), "fetching", "stopping", or "finishing".
        total: Rows of the input; None while unknown.
        done: Rows that are settled, those of earlier runs included.
        ok: Rows of this run with data.
        failed: Rows of this run with an error.
        unknown: Rows of this run that an earlier one left in flight.
        skipped: Rows that earlier runs had written.
        in_flight: Rows pulled from the input and not settled.
        elapsed: Seconds since the start.
        rate: Rows a second, lately.
        eta: Seconds until the end at this rate; None while unknown.
        retries: Attempts that repeated a failed one.
        p50: Median milliseconds of a row; None of none.
        p95: The 95th percentile.
        by_status: Rows by HTTP status.
        by_error: Failed rows by the name of the error.
        paused: Seconds until the server lets the job go on, after a 429.
        limit: The limits that the user has set: "100 at a time, 50 a second".
        held: Rows that are held back now, by the word for what holds them back (docs/bulk.md).
        notes: What else the job waits for, in words: hosts that have asked for it, a locked output.
    """

    phase: str
    total: int | None
    done: int
    ok: int
    failed: int
    unknown: int
    skipped: int
    in_flight: int
    elapsed: float
    rate: float
    eta: float | None
    retries: int
    p50: float | None
    p95: float | None
    by_status: Mapping[int, int]
    by_error: Mapping[str, int]
    paused: float
    limit: str
    held: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()


class RecentRate:
    """Rows a second: an exponentially weighted mean over about the last three seconds."""

    __slots__ = ("_at", "_done", "rate")

    def __init__(self, now: float) -> None:
        self._at = now
        self._done = 0
        self.rate: float = 0.0

    def update(self, now: float, done: int) -> float:
        """Return the rate, given how many rows are done now."""
        passed = now - self._at
        if passed >= 1.0:
            newest = (done - self._done) / passed
            share = 1 - (1 - _SMOOTHING) ** passed
            self.rate = newest if not self.rate else self.rate + share * (newest - self.rate)
            self._at, self._done = now, done
        elif not self.rate and passed > 0.01:  # noqa: PLR2004 - the first second has a figure too
            return (done - self._done) / passed
        return self.rate
