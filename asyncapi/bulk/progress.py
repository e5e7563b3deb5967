"""A look at a job while it runs, and its end in figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SMOOTHING = 0.3  # the share of the newest second in the rate that is shown


def ms_text(value: float | None) -> str:
    """Milliseconds for people."""
    if value is None:
        return "-"
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.3g} ms"  # noqa: PLR2004 - a second


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
        rate: Rows a second, of late.
        eta: Seconds until the end at this rate; None while unknown.
        retries: Attempts that repeated a failed one.
        p50: Median milliseconds of a row; None of none.
        p95: The 95th percentile.
        by_status: Rows by HTTP status.
        by_error: Failed rows by the name of the error.
        paused: Seconds until the server lets the job go on, after a 429.
        limit: What holds the job back by the user's wish: "100 at once, 50/s".
        held: Rows that wait for their turn now, by the word for who holds them back (docs/bulk.md).
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


class Pace:
    """The rate of late: an exponentially weighted mean over about the last three seconds."""

    __slots__ = ("_at", "_done", "rate")

    def __init__(self, now: float) -> None:
        self._at = now
        self._done = 0
        self.rate = 0.0

    def update(self, now: float, done: int) -> float:
        """Rows a second, given how many are done now."""
        passed = now - self._at
        if passed >= 1.0:
            newest = (done - self._done) / passed
            share = 1 - (1 - _SMOOTHING) ** passed
            self.rate = newest if not self.rate else self.rate + share * (newest - self.rate)
            self._at, self._done = now, done
        elif not self.rate and passed > 0.01:  # noqa: PLR2004 - the first second has a figure too
            return (done - self._done) / passed
        return self.rate
