"""The summary of a run: its figures, for the program that started it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - get_type_hints reads it


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
        retries_by: Retries by the status or the error of the attempt that was repeated.
        size: Bytes of decoded bodies.
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
    size: int = 0
