"""The summary of a run: its figures, for the program that started it, and as a file of JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path  # noqa: TC003 - get_type_hints reads it
from typing import TYPE_CHECKING

from asyncapi.bulk.tally import most
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.bulk.engine import Engine
    from asyncapi.client.stats import LearnedStats

    LearnedByHost = Mapping[str, Mapping[str, LearnedStats]]  # by host, then by kind of failure and route

_LEARNED = 5  # kinds of failures that are shown
_KEPT = 50  # kinds of failures that a worker tells its coordinator of


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a finished run. Durations in milliseconds don't include the time in our queue.

    Attributes:
        total: Rows of the input; None for a stream that did not end.
        ok: Rows with data.
        failed: Rows with an error.
        unknown: Rows that were in flight when an earlier run died, and were not sent again.
        skipped: Rows that earlier runs had written.
        skipped_failed: How many of those are failed or unknown.
        elapsed: Seconds it took.
        rate: Rows a second.
        by_status: Rows by HTTP status.
        by_error: Failed rows by the name of the error.
        retries: Attempts that repeated a failed one.
        p50: Median milliseconds of a row; None of none.
        p95: The 95th percentile.
        p99: The 99th percentile.
        paused: Seconds for which 429s have paused the job.
        output: Where the rows are.
        report: Where the report is, or None.
        stopped: Why the job ended early, or None.
        exit_code: 0 all rows are ok, 1 some are not, or the job stopped early, 2 the input is broken, 130 interrupted.
        held: Rows that were held back, by the word for what held them back (docs/bulk.md).
        refused: Rows that were not sent again because learned retries saw no use in it.
        retries_by: Retries by the status or the error of the attempt that was repeated.
        bytes: Bytes of decoded bodies.
        cached: Rows whose response came from the cache, by how: for "fresh" ones nothing was sent, "revalidated" ones
            the server has confirmed, "stale" ones were used in place of a failure, or while they were asked for again.
        retried: Failed rows of the output that were sent again (`Job.retry_failed`): `ok` of them are now ok.
        learned: What was learned of retries (`Job.retry_policy`), in words, by host, kind of failure and route: the
            wait that is best, and how many retries after it ended well. Those of which most is known.
        notes: What else the user should know, in words: ids that are there twice, rows that were not sent again.
    """

    total: int | None
    ok: int
    failed: int
    unknown: int
    skipped: int
    skipped_failed: int
    elapsed: float
    rate: float
    by_status: Mapping[int, int]
    by_error: Mapping[str, int]
    retries: int
    p50: float | None
    p95: float | None
    p99: float | None
    paused: float
    output: str
    report: Path | None
    stopped: str | None
    exit_code: int
    held: Mapping[str, int] = field(default_factory=dict)
    retries_by: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    cached: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0
    retried: int = 0
    learned: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def summary_of(engine: Engine, *, skipped: int = 0, skipped_failed: int = 0) -> Summary:
    """Sum up what an engine has done, after rows of earlier runs that it skipped."""
    tally = engine.tally
    elapsed = time.monotonic() - engine.began
    return Summary(
        total=engine.total,
        skipped=skipped,
        skipped_failed=skipped_failed,
        elapsed=elapsed,
        rate=tally.done / elapsed if elapsed > 0 else 0.0,
        p99=tally.quantile_ms(0.99),
        paused=sum(engine.stats().pauses.values()),
        held=dict(engine.turns.waited),
        cached=most(tally.cached),
        **tally.figures(),
        output=str(engine.job.output),
        report=None,
        stopped=engine.stopped,
        exit_code=engine.code or (1 if tally.failed + tally.unknown + skipped_failed else 0),
        learned=learned_text(engine.stats().learned),
        notes=tuple(engine.notes),
    )


def learned_text(learned: LearnedByHost) -> dict[str, str]:
    """Say of the kinds of failures that were retried most what was learned of them."""
    return {
        f"{name} of {host}": str(stats)
        for host, kinds in most_retried(learned, _LEARNED).items()
        for name, stats in kinds.items()
    }


def most_retried(learned: LearnedByHost, most: int = _KEPT) -> dict[str, dict[str, LearnedStats]]:
    """Return what was learned of the kinds of failures that were retried most, those first."""
    known = [(host, name, stats) for host, kinds in learned.items() for name, stats in kinds.items()]
    known.sort(key=lambda entry: -entry[2].good - entry[2].bad)
    found: dict[str, dict[str, LearnedStats]] = {}
    for host, name, stats in known[:most]:
        found.setdefault(host, {})[name] = stats
    return found


def together(learned: Iterable[LearnedByHost]) -> dict[str, dict[str, LearnedStats]]:
    """Add up what several clients have learned; of what they decide, that of the client with the most retries holds."""
    found: dict[str, dict[str, LearnedStats]] = {}
    most: dict[tuple[str, str], float] = {}
    for each in learned:
        for host, kinds in each.items():
            into = found.setdefault(host, {})
            for name, stats in kinds.items():
                retries, before = stats.good + stats.bad, into.get(name)
                if before is not None:
                    into[name] = _sum(before, stats, chosen=stats if retries > most[host, name] else before)
                else:
                    into[name] = stats
                most[host, name] = max(most.get((host, name), 0.0), retries)
    return found


def _sum(one: LearnedStats, other: LearnedStats, *, chosen: LearnedStats) -> LearnedStats:
    none = 0.0, 0.0
    waits = {
        wait: (one.waits.get(wait, none)[0] + other.waits.get(wait, none)[0],
               one.waits.get(wait, none)[1] + other.waits.get(wait, none)[1])
        for wait in sorted({*one.waits, *other.waits})
    }  # fmt: skip
    return replace(chosen, good=one.good + other.good, bad=one.bad + other.bad, waits=waits)


def check_summary(path: Path) -> None:
    """Check before the job that its summary can be written.

    Raises:
        ConfigError: There is no such folder.
    """
    if path.is_dir():
        raise ConfigError(f"cannot write the summary {path}: it is a folder")
    if not path.parent.is_dir():
        raise ConfigError(f"cannot write the summary {path}: there is no folder {path.parent}")


def write_summary(path: Path, summary: Summary) -> None:
    """Write a summary as JSON: whole, or not at all.

    Raises:
        OSError: It cannot be written.
    """
    values = asdict(summary) | {"report": None if summary.report is None else str(summary.report)}
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    if path.exists() and not path.is_file():  # a pipe, /dev/stderr: nothing to replace
        path.write_text(text, encoding="utf-8")
        return
    fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
