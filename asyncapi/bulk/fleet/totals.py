"""Add up how far the chunks of a job are.

Rules:
1. A chunk that has ended counts by its `.done`, one that is open by its last report.
2. Rows that were there when this run began are `skipped`, as in a job of one process; rows of a worker that died in
   this run are rows of this run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.indices import Indices
from asyncapi.bulk.progress import Progress, RecentRate
from asyncapi.bulk.summary import Summary, learned_text, together
from asyncapi.bulk.tally import Tally, most

if TYPE_CHECKING:
    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Report
    from asyncapi.bulk.summary import LearnedByHost


@dataclass(slots=True)
class Counts:
    """Counts of rows.

    Attributes:
        ok: Rows with data.
        failed: Rows with an error.
        unknown: Rows that may have been sent by a worker that died, and were not sent again.
        skipped: Rows that earlier runs had written.
        skipped_failed: How many of those are failed or unknown.
    """

    ok: int = 0
    failed: int = 0
    unknown: int = 0
    skipped: int = 0
    skipped_failed: int = 0

    @property
    def done(self) -> int:
        """Rows of this run."""
        return self.ok + self.failed + self.unknown


@dataclass(slots=True)
class Totals:
    """The figures of all chunks.

    Attributes:
        total: Rows of the input; None while unknown.
        counts: Of the chunks that have ended.
        tally: The same as a tally, for what this run's workers have seen.
        open: The last report of each open chunk.
        partial: Chunks of which an earlier run has written rows.
        closed: Chunks that have ended.
        at: The worker of each open chunk.
        heard_at: When each open chunk was last reported on.
        held: Rows that have been held back, by the word for what held them back.
        paused: Seconds for which 429s have paused a worker: of the one that was paused longest.
        learned: What each worker has learned of retries, by its last chunk.
        began: When the first chunk was handed out, on the monotonic clock.
    """

    total: int | None = None
    counts: Counts = field(default_factory=Counts)
    tally: Tally = field(default_factory=Tally)
    open: dict[int, Progress] = field(default_factory=dict)
    partial: set[int] = field(default_factory=set)
    closed: Indices = field(default_factory=Indices)
    at: dict[int, str] = field(default_factory=dict)
    heard_at: dict[int, float] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    paused: float = 0.0
    learned: dict[str, LearnedByHost] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    _rate: RecentRate = field(default_factory=lambda: RecentRate(time.monotonic()))

    def restart(self) -> None:
        """Begin the clock: the first chunk is about to be sent."""
        self.began = time.monotonic()
        self._rate = RecentRate(self.began)

    def heard(self, report: Report) -> None:
        """Take over a report of a worker; one that comes after its chunk has ended says nothing new."""
        if report.chunk not in self.closed:
            self.open[report.chunk] = report.progress
            self.at[report.chunk] = report.worker
            self.heard_at[report.chunk] = time.monotonic()

    def before(self, done: Done) -> None:
        """Count a chunk that an earlier run has ended."""
        self.closed.add(done.chunk)
        self.counts.skipped += done.rows
        self.counts.skipped_failed += done.failed + done.unknown

    def ended(self, done: Done) -> None:
        """Count a chunk that has ended in this run."""
        self.closed.add(done.chunk)
        self._close(done.chunk)
        counts, tally = self.counts, done.tally
        if done.chunk in self.partial:  # rule 2
            failed = done.failed + done.unknown - (tally.failed + tally.unknown if tally is not None else 0)
            counts.skipped += done.skipped
            counts.skipped_failed += failed
            counts.ok += done.ok - (done.skipped - failed)
            counts.failed += 0 if tally is None else tally.failed
            counts.unknown += 0 if tally is None else tally.unknown
        else:
            counts.ok += done.ok
            counts.failed += done.failed
            counts.unknown += done.unknown
        self._add(done)

    def stopped_at(self, done: Done) -> None:
        """Count what a chunk has done that was stopped."""
        self.closed.add(done.chunk)
        self._close(done.chunk)
        tally, counts = done.tally, self.counts
        if tally is None:
            return
        counts.ok += tally.ok
        counts.failed += tally.failed
        counts.unknown += tally.unknown
        counts.skipped += done.skipped
        self._add(done)

    def _close(self, number: int) -> None:
        for known in (self.open, self.at, self.heard_at):
            known.pop(number, None)

    def _add(self, done: Done) -> None:
        """Add the figures of one run of a chunk."""
        if done.tally is not None:
            self.tally.merge(done.tally, self._later(done.tally))
        if done.summary is not None:
            self.held = _summed(self.held, done.summary.held)
            self.paused = max(self.paused, done.summary.paused)  # of a client that chunks share
        if done.learned:
            self.learned[done.worker] = done.learned

    def _later(self, tally: Tally) -> float:
        width = tally.timeline.width * len(tally.timeline.buckets)
        return max(0.0, time.monotonic() - self.began - width)  # it has just ended

    def now(self) -> Counts:
        """Return the counts with those of open chunks (rule 1)."""
        counts = Counts(
            self.counts.ok, self.counts.failed, self.counts.unknown, self.counts.skipped, self.counts.skipped_failed
        )
        for number, state in self.open.items():
            counts.ok += state.ok
            counts.failed += state.failed
            counts.unknown += state.unknown
            if number in self.partial:
                counts.skipped += state.skipped
            else:
                counts.ok += state.skipped
        return counts

    def progress(self, phase: str, limit: str, notes: tuple[str, ...]) -> Progress:
        """Return the state of the job."""
        counts, now, sending = self.now(), time.monotonic(), self._sending()
        states = tuple(self.open.values())
        rate = self._rate.update(now, counts.done)
        left = None if self.total is None else max(0, self.total - counts.skipped - counts.done)
        figures = self.tally.figures() | {"ok": counts.ok, "failed": counts.failed, "unknown": counts.unknown}
        for name in ("retries", "bytes"):
            figures[name] += sum(getattr(state, name) for state in states)
        for name in ("by_status", "by_error", "retries_by"):
            figures[name] = _summed(figures[name], *(getattr(state, name) for state in states))
        for name in ("p50", "p95"):
            if figures[name] is None:
                figures[name] = max(
                    (value for state in states if (value := getattr(state, name)) is not None), default=None
                )
        return Progress(
            phase=phase,
            total=self.total,
            done=counts.skipped + counts.done,
            skipped=counts.skipped,
            in_flight=sending,
            queued=max(0, sum(state.in_flight + state.queued for state in states) - sending),
            elapsed=now - self.began,
            rate=rate,
            eta=left / rate if left is not None and rate > 0 else None,
            paused=max((state.paused for state in states), default=0.0),
            limit=limit,
            held=_summed(*(state.held for state in states)),
            notes=notes,
            **figures,
        )

    def _sending(self) -> int:
        """Count the attempts that are being sent; the chunks of a worker share a client, and each reports all of it."""
        by_worker: dict[str, int] = {}
        for number, state in self.open.items():
            worker = self.at.get(number, "")
            by_worker[worker] = max(by_worker.get(worker, 0), state.in_flight)
        return sum(by_worker.values())

    def summary(self, output: str, stopped: str | None, code: int) -> Summary:
        """Return the figures of the run that has ended."""
        counts, tally = self.now(), self.tally
        elapsed = time.monotonic() - self.began
        figures = tally.figures() | {"ok": counts.ok, "failed": counts.failed, "unknown": counts.unknown}
        return Summary(
            total=self.total,
            skipped=counts.skipped,
            skipped_failed=counts.skipped_failed,
            elapsed=elapsed,
            rate=counts.done / elapsed if elapsed > 0 else 0.0,
            p99=tally.quantile_ms(0.99),
            paused=self.paused,
            held=dict(self.held),
            cached=most(tally.cached),
            **figures,
            output=output,
            report=None,
            stopped=stopped,
            exit_code=code or (1 if counts.failed + counts.unknown + counts.skipped_failed else 0),
            learned=learned_text(together(self.learned.values())),
        )


def _summed(*counts: Any) -> dict[Any, int]:
    total: dict[Any, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total
