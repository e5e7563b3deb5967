"""Show a job: a live screen on a terminal, plain lines elsewhere, a summary at the end.

Everything goes to stderr. The live screen is drawn at most five times a second; plain lines come every ten percent, and
after five seconds without one.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

from asyncapi.bulk.progress import ms_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

    from asyncapi.bulk import Job, Progress, Summary

_LINE_EVERY = 5.0  # seconds
_SHARE_EVERY = 0.1  # of all rows
_KINDS = 6  # statuses or errors that are named
_GAP = 3  # spaces between two figures
_PAUSE = 1.0  # seconds: shorter pauses are not shown


class Screen(Protocol):
    """One way to show a job; used in `with`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    def update(self, progress: Progress) -> None:
        """Show the state of the job."""
        ...

    def end(self, summary: Summary) -> None:
        """Show the summary."""
        ...

    def restore(self) -> None:
        """Restore the terminal at once."""
        ...


def make_screen(job: Job, *, quiet: bool) -> Screen:
    """Choose the screen: silent, live, or lines."""
    if quiet:
        return Silent()
    return LiveScreen(job) if sys.stderr.isatty() else Lines()


class Silent:
    """Shows nothing but the reason why a job ended early."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.restore()

    def update(self, progress: Progress) -> None:
        """Nothing."""

    def end(self, summary: Summary) -> None:
        """Print the reason of an early end."""
        if summary.stopped is not None:
            print(f"error: {summary.stopped}", file=sys.stderr)

    def restore(self) -> None:
        """Nothing."""


class Lines(Silent):
    """One line now and then: for logs and pipes."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()
        self._share = 0.0

    def update(self, progress: Progress) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        share = progress.done / progress.total if progress.total else 0.0
        if now - self._printed_at < _LINE_EVERY and share - self._share < _SHARE_EVERY:
            return
        self._printed_at = now
        self._share = share - share % _SHARE_EVERY
        with suppress(OSError):  # the terminal is gone: the job continues
            print(line(progress), file=sys.stderr, flush=True)

    def end(self, summary: Summary) -> None:
        """Print the summary."""
        with suppress(OSError):
            print("\n".join(summary_lines(summary)), file=sys.stderr, flush=True)


class LiveScreen(Silent):
    """A few lines that stay in place, on a terminal."""

    def __init__(self, job: Job) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console: Console = Console(stderr=True)
        self._title = (
            f"{'stdin' if str(job.input) == '-' else job.input} → {'stdout' if str(job.output) == '-' else job.output}"
        )
        self._live: Live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def update(self, progress: Progress) -> None:
        """Redraw the screen."""
        self._live.update(self._drawn(progress), refresh=True)

    def end(self, summary: Summary) -> None:
        """Replace the screen with the summary."""
        self._live.stop()
        lines = summary_lines(summary)
        colour = {0: "green", 130: "yellow"}.get(summary.exit_code, "red")
        self._console.print(lines[0], style=f"bold {colour}", markup=False, highlight=False)
        for text in lines[1:]:
            self._console.print(text, markup=False, highlight=False)

    def restore(self) -> None:
        """Show the cursor again."""
        self._live.stop()

    def _drawn(self, now: Progress) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        total = now.total
        bar = Table.grid(expand=True, padding=(0, 2, 0, 0))
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        share = f"{now.done:,}/{total:,}  {100 * now.done // max(total, 1)} %" if total is not None else f"{now.done:,}"
        bar.add_row(ProgressBar(total=total, completed=now.done, pulse=total is None), share)
        eta = f"ETA {_clock(now.eta)}" if now.eta is not None else ""
        head = [(now.phase, "bold yellow" if now.phase == "stopping" else "bold"), (self._title, "")]
        pace = [(f"{_figure(now.rate)} rows/s", "bold"), (eta, ""), (f"elapsed {_clock(now.elapsed)}", "")]
        wire = [
            f"in flight {_in_flight(now):,}",
            f"p50 {ms_text(now.p50)}",
            f"p95 {ms_text(now.p95)}",
            f"retries {now.retries:,}",
        ]
        errors = [(f"{name} {count:,}", "red") for name, count in list(now.by_error.items())[:_KINDS]]
        paused = [(f"paused by the server for {_clock(now.paused)}", "yellow")] if now.paused >= _PAUSE else []
        waits = [(text, "yellow") for text in (*_held(now), *now.notes)]
        rest = [*((text, "") for text in wire), (f"limits {now.limit}", "dim"), *paused, *waits]
        groups = [head, None, [*pace, *rest], _mix(now), errors]
        width = self._console.width
        return Group(*(bar if group is None else _packed(group, width) for group in groups if group is None or group))


def _packed(items: list[tuple[str, str]], width: int) -> Text:
    """Put items side by side, and on the next line where one no longer fits."""
    from rich.text import Text

    packed, used = Text(no_wrap=True, overflow="ellipsis"), 0
    for text, style in items:
        if not text:
            continue
        if used:
            fits = used + _GAP + len(text) <= width
            packed.append(" " * _GAP if fits else "\n")
            used = used + _GAP if fits else 0
        packed.append(text, style)
        used += len(text)
    return packed


def line(now: Progress) -> str:
    """Describe the state of a job in one line."""
    if now.phase == "reading":
        return "reading the input"
    total = f"/{now.total:,} ({100 * now.done // max(now.total, 1)} %)" if now.total is not None else ""
    eta = f", ETA {_clock(now.eta)}" if now.eta is not None else ""
    failed = f", {now.failed:,} failed" if now.failed else ""
    return (
        f"{now.phase}: {now.done:,}{total} rows{failed}, {_figure(now.rate)} rows/s{eta}, "
        f"{_in_flight(now):,} in flight, p50 {ms_text(now.p50)}, p95 {ms_text(now.p95)}, {now.retries:,} retries"
        f"{f', paused by the server for {_clock(now.paused)}' if now.paused >= _PAUSE else ''}"
        f"{''.join(f', {text}' for text in (*_held(now), *now.notes))}"
    )


def _in_flight(now: Progress) -> int:
    """Count the rows that are being sent: those that are held back are shown apart."""
    return max(0, now.in_flight - sum(now.held.values()))


def _held(now: Progress) -> list[str]:
    """Say what holds rows back, in the words of docs/bulk.md."""
    return [f"held back by {word}: {rows:,}" for word, rows in now.held.items()]


def summary_lines(summary: Summary) -> list[str]:
    """Describe the end of a job in a few lines."""
    done = summary.ok + summary.failed + summary.unknown
    counts = [f"{summary.ok:,} ok", f"{summary.failed:,} failed"]
    if summary.unknown:
        counts.append(f"{summary.unknown:,} unknown (in flight when the job was killed; not sent again)")
    if summary.skipped:
        bad = f", of which {summary.skipped_failed:,} failed" if summary.skipped_failed else ""
        counts.append(f"{summary.skipped:,} done before{bad}")
    head = {0: "done", 130: "interrupted"}.get(summary.exit_code, "stopped" if summary.stopped else "done")
    lines = [
        f"{head}: {done:,} rows in {summary.elapsed:,.1f} s ({_figure(summary.rate)} rows/s): {', '.join(counts)}",
        f"  latency    p50 {ms_text(summary.p50)}, p95 {ms_text(summary.p95)}, p99 {ms_text(summary.p99)}",
        f"  retries    {summary.retries:,}",
    ]
    if summary.paused >= _PAUSE:
        lines.append(
            f"  paused     {summary.paused:,.1f} s by the server (429); --no-pace pauses only the rows it refuses"
        )
    if summary.held:
        lines.append(f"  held back  {_most({f'by {word}:': rows for word, rows in summary.held.items()})}")
    mixes: dict[str, Mapping[Any, int]] = {"status": summary.by_status, "errors": summary.by_error}
    lines += [f"  {name:<10} {_most(counts)}" for name, counts in mixes.items() if counts]
    lines.append(f"  rows       {'stdout' if summary.output == '-' else summary.output}")
    if summary.report is not None:
        lines.append(f"  report     {summary.report}")
    if summary.stopped is not None:
        if summary.exit_code != 130:  # noqa: PLR2004 - interrupted: the first line says so
            lines.append(f"error: {summary.stopped}")
        if summary.output != "-":
            lines.append("To continue, run the same command with --resume.")
    return lines


def _mix(now: Progress) -> list[tuple[str, str]]:
    parts = [(f"ok {now.ok:,}", "green"), (f"failed {now.failed:,}", "red" if now.failed else "")]
    if now.skipped:
        parts.append((f"done before {now.skipped:,}", ""))
    if now.unknown:
        parts.append((f"unknown {now.unknown:,}", "yellow"))
    for status, count in now.by_status.items():
        parts.append((f"{status}: {count:,}", {2: "green", 3: "cyan", 4: "yellow"}.get(status // 100, "red")))
    return parts


def _most(counts: Mapping[Any, int]) -> str:
    entries = sorted(counts.items(), key=lambda entry: -entry[1])
    shown = [f"{name} {count:,}" for name, count in entries[:_KINDS]]
    return ", ".join(shown) + (f", and {len(entries) - _KINDS} more kinds" if len(entries) > _KINDS else "")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004


def _clock(seconds: float | None) -> str:
    minutes, rest = divmod(round(seconds or 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
