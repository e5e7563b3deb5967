"""Put the state of a job, and its end, into words."""

from __future__ import annotations

import re
import textwrap
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.progress import bytes_text, ms_text
from asyncapi.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from asyncapi.bulk import Job, Progress, Summary

PAUSE = 1.0  # seconds: shorter pauses are not shown

_KINDS = 6  # statuses or errors that are named
_INDENT = 13  # where the figures of the summary begin
_PATHS = ("  rows ", "  report ")
_SPACE = re.compile(r"(?<![,:;]) ")  # inside a figure


def title(job: Job) -> str:
    """Say where rows come from and where they go."""
    source: object = job.input
    if not isinstance(source, str | PurePath):
        source = "URLs"
    ends = ("stdin" if str(source) == "-" else source, "stdout" if str(job.output) == "-" else job.output)
    return one_line(f"{ends[0]} → {ends[1]}")


def line(now: Progress) -> str:
    """Describe the state of a job in one line."""
    if now.phase == "reading":
        return "reading the input"
    total = f"/{now.total:,} ({100 * now.done // max(now.total, 1)} %)" if now.total is not None else ""
    parts = [f"{now.phase}: {now.done:,}{total} rows"]
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    parts.append(f"{figure(now.rate)} rows/s")
    if now.eta is not None:
        parts.append(f"ETA {clock(now.eta)}")
    parts.append(f"{now.in_flight:,} in flight")
    if now.queued:
        parts.append(f"{now.queued:,} queued")
    parts += [f"p50 {ms_text(now.p50)}", f"p95 {ms_text(now.p95)}", f"{now.retries:,} retries"]
    if now.refused:
        parts.append(f"{now.refused:,} not sent again")
    return ", ".join((*parts, *waits(now)))


def waits(now: Progress) -> list[str]:
    """Say what the job waits for, in the words of docs/bulk.md."""
    paused = [f"paused by the server for {clock(now.paused)}"] if now.paused >= PAUSE else []
    return [*paused, *(f"held back by {word}: {rows:,}" for word, rows in now.held.items()), *now.notes]


def summary_lines(summary: Summary, width: int | None = None, *, known: Collection[str] = ()) -> list[str]:
    """Describe the end of a job in a few lines.

    Args:
        summary: The figures.
        width: Columns of the terminal; None where lines may have any length.
        known: Notes that have been shown already.
    """
    done = summary.ok + summary.failed + summary.unknown
    counts = [f"{summary.ok:,} ok", f"{summary.failed:,} failed"]
    if summary.unknown:
        counts.append(f"{summary.unknown:,} unknown (in flight when the job was killed; not sent again)")
    if summary.skipped:
        bad = f", of which {summary.skipped_failed:,} failed" if summary.skipped_failed else ""
        counts.append(f"{summary.skipped:,} done before{bad}")
    head = {0: "done", 130: "interrupted"}.get(summary.exit_code, "stopped" if summary.stopped else "done")
    pace = f"{done:,} rows in {summary.elapsed:,.1f} s ({figure(summary.rate)} rows/s)"
    lines = [
        f"{head}: {pace}: {', '.join(counts)}",
        f"  latency    p50 {ms_text(summary.p50)}, p95 {ms_text(summary.p95)}, p99 {ms_text(summary.p99)}",
    ]
    reasons = f": {most({f'after {reason}:': count for reason, count in summary.retries_by.items()})}"
    lines.append(f"  retries    {summary.retries:,}{reasons if summary.retries_by else ''}")
    lines += _learned(summary)
    lines += _cached(summary)
    if summary.bytes:
        lines.append(f"  bodies     {bytes_text(summary.bytes)}")
    if summary.paused >= PAUSE:
        lines.append(
            f"  paused     {summary.paused:,.1f} s by the server (429); --no-pace pauses only the rows it refuses"
        )
    if summary.held:
        lines.append(f"  held back  {most({f'by {word}:': rows for word, rows in summary.held.items()})}")
    mixes: dict[str, Mapping[Any, int]] = {"status": summary.by_status, "errors": summary.by_error}
    lines += [f"  {name:<10} {most(counts)}" for name, counts in mixes.items() if counts]
    lines.append(f"  rows       {'stdout' if summary.output == '-' else summary.output}")
    if summary.report is not None:
        lines.append(f"  report     {summary.report}")
    lines += [f"note: {note}" for note in summary.notes if note not in known]
    if summary.stopped is not None:
        if summary.exit_code != 130:  # noqa: PLR2004 - interrupted: the first line says so
            lines.append(f"error: {summary.stopped}")
        if summary.output != "-":
            lines.append("To continue, run the same command with --resume.")
    return lines if width is None else [part for text in lines for part in _folded(text, width)]


def _cached(summary: Summary) -> list[str]:
    """Say how many responses came from the cache."""
    rows = sum(summary.cached.values())
    return [f"  from cache {rows:,} rows: {most(summary.cached)}"] if rows else []


def _learned(summary: Summary) -> list[str]:
    """Say what learned retries have decided."""
    refused = f"  not again  {summary.refused:,} rows: learned retries saw no use in it (--retry-policy)"
    lines = [refused] if summary.refused else []
    return lines + [f"  learned    {name}: {text}" for name, text in summary.learned.items()]


def _folded(text: str, width: int) -> list[str]:
    """Break a line where it does not fit: between figures if that is enough, else between words. A path stays whole."""
    if text.startswith(_PATHS):
        return [text]
    indent = " " * (_INDENT if text.startswith("  ") else 2)
    head, rest = text[: len(text) - len(text.lstrip())], text.lstrip()
    for candidate in (_SPACE.sub("\xa0", rest), rest):
        lines = textwrap.wrap(
            head + candidate, max(width, 2 * _INDENT), subsequent_indent=indent, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        if all(len(line) <= width for line in lines):
            break
    return [line.replace("\xa0", " ") for line in lines]


def most(counts: Mapping[Any, int], kinds: int = _KINDS) -> str:
    """List the largest counts."""
    entries = sorted(counts.items(), key=lambda entry: -entry[1])
    shown = [f"{name} {count:,}" for name, count in entries[:kinds]]
    return ", ".join(shown) + (f", and {len(entries) - kinds} more kinds" if len(entries) > kinds else "")


def figure(value: float) -> str:
    """Write a rate."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004


def clock(seconds: float | None) -> str:
    """Write a duration as a clock: 1:05, 2:03:00."""
    minutes, rest = divmod(round(seconds or 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
