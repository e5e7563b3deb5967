"""Count what a run has done: by status, by reason, by host, over time; in constant memory.

Rules:
1. `add` takes the outcome of a row, `count` what a written row says of itself. `asyncapi report` has the rows alone.
2. What may have any number of kinds (errors, reasons, hosts) is bounded; the rest is counted as `OTHERS`.
3. URLs are masked before they are kept: a row's own is verbatim.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.progress import HostProgress
from asyncapi.bulk.rows import POLICY
from asyncapi.bulk.timeline import Timeline, add_counts
from asyncapi.messages.response import Response
from asyncapi.redact import redact_url
from asyncapi.sansio.measures.histogram import Histogram, bucket_of, quantile_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncapi.bulk.rows import Row
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.response import Outcome

OTHERS = "others"
MANY_ATTEMPTS = 5  # and more

_SAMPLES = 10
_KINDS = 50
_HOSTS = 256
_TOP = 5  # hosts that are shown while the job runs
_REFUSED = f"[{POLICY}]"
_TEXT = 300  # characters of an error that are kept
_NOTICED = 0.05  # seconds that an attempt waits for a limit, to count as limited by it
_PAUSE = 1.0  # seconds: a shorter wait is the pace of the host, not a pause
_WAIT = re.compile(r"(\w+) ([\d.e+-]+) s")  # Call.log_wait


@dataclass(slots=True)
class Host:
    """The figures of one host.

    Attributes:
        failed: Rows with an error.
        retries: Attempts that repeated a failed one.
        size: Bytes of decoded bodies.
        latency: How many rows took how long, by the bucket of the histogram.
    """

    failed: int = 0
    retries: int = 0
    size: int = 0
    latency: dict[int, int] = field(default_factory=dict)

    @property
    def ok(self) -> int:
        """Rows with data."""
        return sum(self.latency.values()) - self.failed

    def quantile_ms(self, share: float) -> float | None:
        """Return the milliseconds within which `share` of the rows ended; None of none."""
        value = quantile_of(self.latency, share)
        return None if value is None else round(value * 1000, 1)

    def merge(self, other: Host) -> None:
        """Take over the figures of another run."""
        self.failed += other.failed
        self.retries += other.retries
        self.size += other.size
        add_counts(self.latency, other.latency)


@dataclass(slots=True)
class Tally:
    """The running figures of one run.

    Attributes:
        failed: Rows with an error.
        unknown: Rows that were in flight when an earlier run died.
        retries: Attempts that repeated a failed one; following a redirect is none.
        refused: Rows that were not sent again because learned retries saw no use in it.
        retries_by: The same by the reason: the status or the error of the attempt that was repeated.
        again: Rows that didn't take one attempt, by how many they took; 5 stands for 5 and more.
        by_status: Rows by the last HTTP status seen.
        by_error: Failed rows by the name of the error.
        cached: Rows whose response came from the cache, by how: "fresh", "revalidated", "stale".
        examples: The text of the first error of each name.
        waits: Seconds that attempts waited in our own queues, by the limit: "rate", "place".
        latency: Seconds a row took, retries and their waits included.
        hosts: The figures of each host; beyond 256 hosts, those of the rest are under "others".
        timeline: The figures over time.
        slowest: The slowest rows, as `(elapsed_ms, number, row without data)`, unordered.
        failures: The first failed rows, without data.
        pausing: Whether a pause went on at the last look.
    """

    failed: int = 0
    unknown: int = 0
    retries: int = 0
    refused: int = 0
    retries_by: dict[str, int] = field(default_factory=dict)
    again: dict[int, int] = field(default_factory=dict)
    by_status: dict[int, int] = field(default_factory=dict)
    by_error: dict[str, int] = field(default_factory=dict)
    cached: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    hosts: dict[str, Host] = field(default_factory=dict)
    timeline: Timeline = field(default_factory=Timeline)
    slowest: list[tuple[float, int, Row]] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    pausing: bool = False

    @property
    def ok(self) -> int:
        """Rows with data."""
        return self.latency.count - self.failed

    @property
    def size(self) -> int:
        """Bytes of decoded bodies."""
        return sum(bucket.size for bucket in self.timeline.buckets)

    @property
    def by_attempts(self) -> dict[int, int]:
        """Rows by how many attempts they took; 5 stands for 5 and more."""
        once = self.latency.count - sum(self.again.values())
        return dict(sorted({**self.again, **({1: once} if once else {})}.items()))

    @property
    def done(self) -> int:
        """Rows of this run, ok or not."""
        return self.ok + self.failed + self.unknown

    def add(self, row: Row, outcome: Outcome[Any], seconds: float) -> None:
        """Count a row that ended `seconds` after the start of this run."""
        attempts = outcome.attempts
        if len(attempts) == 1 and not attempts[0].held:  # the usual row
            reasons: Sequence[str] = ()
        else:
            reasons = reasons_of(attempts)
            for attempt in attempts:
                if attempt.held:
                    self._wait(attempt.held, seconds)
        if outcome.from_cache:
            self.cached[outcome.from_cache] = self.cached.get(outcome.from_cache, 0) + 1
        size = row.get("bytes")
        if size is None:
            size = _size_of(outcome)
        self.count(row, seconds, host=outcome.request.target.host, size=size, reasons=reasons)  # type: ignore[union-attr]  # an Item

    def count(self, row: Row, seconds: float, *, host: str, size: int = 0, reasons: Sequence[str] = ()) -> None:
        """Count a row by what it says of itself.

        Args:
            row: The row.
            seconds: When it ended, since the start of the run.
            host: Where it was sent.
            size: Bytes of its decoded body.
            reasons: Why each of its retries was sent.
        """
        elapsed, status, attempts = row["elapsed_ms"], row["status"], row["attempts"]
        index = bucket_of(elapsed / 1000)
        bucket = self.timeline.at(seconds)
        bucket.latency[index] = bucket.latency.get(index, 0) + 1
        figures = self.hosts.get(host) or self._host(host)
        figures.latency[index] = figures.latency.get(index, 0) + 1
        self.latency.count_in(index, elapsed / 1000)
        if size:
            bucket.size += size
            figures.size += size
        if status is not None:
            self.by_status[status] = self.by_status.get(status, 0) + 1
        if attempts != 1:
            attempts = min(attempts, MANY_ATTEMPTS)
            self.again[attempts] = self.again.get(attempts, 0) + 1
        if reasons:
            self._retry(reasons)
            bucket.retries += len(reasons)
            figures.retries += len(reasons)
        if not row["ok"]:
            bucket.failed += 1
            figures.failed += 1
            self._fail(row)
        if len(self.slowest) < _SAMPLES or elapsed > self.slowest[0][0]:
            self._keep_slow(elapsed, row)

    def add_unknown(self) -> None:
        """Count a row that an earlier run left in flight."""
        self.unknown += 1

    def sample(
        self, seconds: float, *, in_flight: int, queued: int, paused: float = 0.0, held: Mapping[str, int] | None = None
    ) -> None:
        """Note the state of the job at a moment.

        Args:
            seconds: When it is, since the start of this run.
            in_flight: Attempts that are being sent.
            queued: Rows that wait for their turn.
            paused: Seconds until the server lets the job go on; 0 if it does.
            held: Rows that are held back, by the word for what holds them.
        """
        bucket = self.timeline.at(seconds)
        bucket.looks += 1
        bucket.in_flight += in_flight
        bucket.queued += queued
        self.pausing = paused >= _PAUSE or (self.pausing and paused > 0)
        if self.pausing:
            bucket.paused += 1
        for word, rows in (held or {}).items():
            if rows:
                bucket.held[word] = bucket.held.get(word, 0) + 1

    def merge(self, other: Tally, later: float = 0.0) -> None:
        """Take over the figures of another run, which began `later` seconds after this one."""
        self.failed += other.failed
        self.unknown += other.unknown
        self.retries += other.retries
        self.refused += other.refused
        add_counts(self.again, other.again)
        add_counts(self.by_status, other.by_status)
        add_counts(self.cached, other.cached)
        for counts, more in ((self.retries_by, other.retries_by), (self.by_error, other.by_error)):
            for kind, count in more.items():
                _count_kind(counts, kind, count)
        for kind, text in other.examples.items():
            if kind in self.by_error:
                self.examples.setdefault(kind, text)
        for word, waited in other.waits.items():
            self.waits[word] = self.waits.get(word, 0.0) + waited
        self.latency.add(other.latency)
        for name, host in other.hosts.items():
            self._host(name).merge(host)
        self.timeline.merge(other.timeline, later)
        ranked = sorted((*self.slowest, *other.slowest), key=lambda entry: -entry[0])[:_SAMPLES]
        self.slowest = [(elapsed, place, row) for place, (elapsed, _, row) in enumerate(ranked)]
        heapq.heapify(self.slowest)
        self.failures = sorted((*self.failures, *other.failures), key=lambda row: str(row["at"]))[:_SAMPLES]

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
            "refused": self.refused,
            "retries_by": most(self.retries_by),
            "bytes": self.size,
            "by_status": dict(sorted(self.by_status.items())),
            "by_error": most(self.by_error),
            "p50": self.quantile_ms(0.50),
            "p95": self.quantile_ms(0.95),
        }

    def top_hosts(self) -> tuple[HostProgress, ...]:
        """Return the hosts with the most rows; none where there is only one."""
        if len(self.hosts) < 2:  # noqa: PLR2004 - several
            return ()
        found = heapq.nlargest(_TOP, self.hosts.items(), key=lambda entry: entry[1].ok + entry[1].failed)
        return tuple(
            HostProgress(name, host.ok + host.failed, host.failed, host.quantile_ms(0.50)) for name, host in found
        )

    def _host(self, name: str) -> Host:
        if name not in self.hosts and len(self.hosts) >= _HOSTS:
            name = OTHERS
        return self.hosts.setdefault(name, Host())

    def _wait(self, text: str, seconds: float) -> None:
        limited = self.timeline.at(seconds).limited
        for word, waited in _WAIT.findall(text):
            self.waits[word] = self.waits.get(word, 0.0) + float(waited)
            if float(waited) >= _NOTICED:
                limited[word] = limited.get(word, 0) + 1

    def _retry(self, reasons: Sequence[str]) -> None:
        self.retries += len(reasons)
        for reason in reasons:
            _count_kind(self.retries_by, reason, 1)

    def _fail(self, row: Row) -> None:
        self.failed += 1
        error = row["error"]
        self.refused += error.endswith(_REFUSED)
        kind = _count_kind(self.by_error, error.partition(":")[0], 1)
        if kind not in self.examples:
            self.examples[kind] = error[:_TEXT]
        if len(self.failures) < _SAMPLES:
            self.failures.append(_sample(row))

    def _keep_slow(self, elapsed: float, row: Row) -> None:
        entry = elapsed, self.latency.count, _sample(row)
        if len(self.slowest) < _SAMPLES:
            heapq.heappush(self.slowest, entry)
        else:
            heapq.heapreplace(self.slowest, entry)


def most(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by name with the largest first."""
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


def reasons_of(attempts: Sequence[Attempt]) -> list[str]:
    """Say for each retry why it was sent: the status or the error of the attempt before. A redirect is no retry."""
    reasons = []
    for before, attempt in pairwise(attempts):
        if attempt.why.startswith("redirect"):
            continue
        if attempt.why.startswith("hedge"):
            reasons.append("hedge")
        elif before.status is not None:
            reasons.append(str(before.status))
        else:
            reasons.append((before.error or "no response").partition(":")[0])
    return reasons


def _count_kind(counts: dict[str, int], kind: str, count: int) -> str:
    """Count a kind, or if there are too many, the others (rule 2); return what was counted."""
    if kind not in counts and len(counts) >= _KINDS:
        kind = OTHERS
    counts[kind] = counts.get(kind, 0) + count
    return kind


def _size_of(outcome: Outcome[Any]) -> int:
    """Return the bytes of the body, decoded."""
    value = outcome.value
    if type(value) is Response:
        return len(value.content)
    response = getattr(outcome, "response", None) or getattr(outcome.error, "response", None)
    return 0 if response is None else len(response.content)


def _sample(row: Row) -> Row:
    """Return what is kept of a row (rule 3)."""
    kept = {name: row[name] for name in ("id", "status", "ok", "attempts", "elapsed_ms", "at")}
    kept["url"] = redact_url(row["url"])
    if not row["ok"]:
        kept["error"] = row["error"][:_TEXT]
    return kept
