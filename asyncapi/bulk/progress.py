"""The state of a job at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SMOOTHING = 0.3  # weight of the newest second in the rate that is shown


def ms_text(value: float | None) -> str:
    """Write milliseconds for people."""
    if value is None:
        return "-"
    return f"{value / 1000:.2f} s" if value >= 999.5 else f"{value:.3g} ms"  # noqa: PLR2004 - a second, rounded


def bytes_text(value: float) -> str:
    """Write bytes for people: 512 B, 1.5 kB, 20 MB."""
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= size * 0.9995:  # rounded to three digits
            return f"{value / size:.3g} {name}"
    return f"{value:.0f} B"


@dataclass(frozen=True, slots=True)
class HostProgress:
    """The figures of one host at one moment.

    Attributes:
        name: The host, with its port where the URL has one.
        done: Its rows that are settled.
        failed: How many of those have an error.
        p50: Median milliseconds of a row; None of none.
    """

    name: str
    done: int
    failed: int
    p50: float | None


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
        in_flight: Attempts that are being sent.
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
        queued: Rows pulled from the input that wait for their turn: neither settled nor being sent.
        refused: Rows that were not sent again because learned retries saw no use in it.
        retries_by: Retries by the status or the error of the attempt that was repeated.
        bytes: Bytes of decoded bodies so far.
        hosts: The hosts with the most rows, if there are several.
        warnings: What the user should know about the input, in words: ids that are there twice.
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
    queued: int = 0
    retries_by: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    refused: int = 0
    hosts: Sequence[HostProgress] = ()
    warnings: Sequence[str] = ()


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
