"""Show a job: a live screen on a terminal, plain lines elsewhere, a summary at the end.

Everything goes to stderr. The live screen is drawn at most five times a second; plain lines come every ten percent, and
after five seconds without one.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, Self

from asyncapi.bulk.progress import RecentRate
from asyncapi.cli.phrases import line, summary_lines, title

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live

    from asyncapi.bulk import Job, Progress, Summary

_LINE_EVERY = 5.0  # seconds
_SHARE_EVERY = 0.1  # of all rows
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"  # DECAWM


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
    """Choose the screen: silent, live, lines, or the summary alone.

    Rows on stdout may go to the same terminal: then there is nothing but the summary. If a pipe takes them, its end may
    show them there: then there are lines.
    """
    if quiet:
        return Silent()
    if not sys.stderr.isatty():
        return Lines()
    if str(job.output) == "-" and sys.stdout.isatty():
        return AtTheEnd()
    dumb = os.environ.get("TERM", "").lower() in {"dumb", "unknown"}
    return Lines() if dumb or (str(job.output) == "-" and not _is_file()) else LiveScreen(job)


def _is_file() -> bool:
    """Whether stdout is a file."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):  # it has been closed
        return False


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


class AtTheEnd(Silent):
    """Nothing but the summary: between rows that go to the same terminal, a screen would be in the way."""

    def end(self, summary: Summary) -> None:
        """Print the summary."""
        with suppress(OSError):
            print("\n".join(summary_lines(summary, _width())), file=sys.stderr, flush=True)


class Lines(Silent):
    """One line now and then: for logs, pipes, and terminals that can't move the cursor."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()
        self._share = 0.0
        self._warned: list[str] = []

    def update(self, progress: Progress) -> None:
        """Print a line if it is time for one, and every warning at once."""
        for warning in progress.warnings:
            if warning not in self._warned:
                self._warned.append(warning)
                self._print(f"warning: {warning}")
        now = time.monotonic()
        share = progress.done / progress.total if progress.total else 0.0
        if now - self._printed_at < _LINE_EVERY and share - self._share < _SHARE_EVERY:
            return
        self._printed_at = now
        self._share = share - share % _SHARE_EVERY
        self._print(line(progress))

    def end(self, summary: Summary) -> None:
        """Print the summary."""
        self._print("\n".join(summary_lines(summary, _width(), known=self._warned)))

    @staticmethod
    def _print(text: str) -> None:
        with suppress(OSError):  # the terminal is gone: the job continues
            print(text, file=sys.stderr, flush=True)


def _size() -> os.terminal_size | None:
    """Return the size of the terminal that stderr is, or None if it is none or does not know."""
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return None
    return size if size.columns and size.lines else None


def _width() -> int | None:
    size = _size()
    return None if size is None else size.columns


class LiveScreen(Silent):
    """A few lines that stay in place, on a terminal."""

    def __init__(self, job: Job) -> None:
        from rich.console import Console

        self._console: Console = Console(stderr=True)
        self._title: str = title(job)
        self._bytes: RecentRate = RecentRate(0.0)
        self._warned: list[str] = []
        self._drawn: tuple[int, list[str]] = (0, [])  # the width, and the lines
        self._live: Live = self._new_live()

    def _new_live(self) -> Live:
        from rich.live import Live

        return Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def update(self, progress: Progress) -> None:
        """Redraw the screen."""
        from asyncapi.cli.drawing import drawn

        size = _size()
        if size is not None:  # rich prefers COLUMNS and LINES, which a terminal that is resized leaves behind
            self._console.size = size
        width = self._console.width
        if width < self._drawn[0]:
            self._erase(width)
        for warning in progress.warnings:
            if warning not in self._warned:
                self._warned.append(warning)
                self._console.print(f"warning: {warning}", style="yellow", markup=False, highlight=False)
        text = drawn(progress, self._title, width - 1, self._bytes.update(progress.elapsed, progress.bytes))
        self._drawn = width, text.plain.split("\n")
        with self._unwrapped():
            self._live.update(text, refresh=True)

    @contextmanager
    def _unwrapped(self) -> Generator[None]:
        """Keep the terminal from breaking lines: it may have become narrower a moment before we learn of it."""
        file = self._console.file
        file.write(_NO_WRAP)
        try:
            yield
        finally:
            file.write(_WRAP)
            file.flush()

    def _erase(self, width: int) -> None:
        """Erase lines that the terminal has broken as it became narrower: they take more rows than rich knows."""
        from rich.control import Control
        from rich.segment import ControlType

        more = sum((len(text) - 1) // width for text in self._drawn[1] if text)
        with self._unwrapped():
            self._live.stop()
        self._console.control(Control(*((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * more))
        self._live = self._new_live()  # one that has stopped still knows the size of what it drew
        self._live.start()

    def end(self, summary: Summary) -> None:
        """Replace the screen with the summary."""
        self._live.stop()
        lines = summary_lines(summary, self._console.width, known=self._warned)
        colour = {0: "green", 130: "yellow"}.get(summary.exit_code, "red")
        for place, text in enumerate(lines):
            style = f"bold {colour}" if place == 0 else None
            self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def restore(self) -> None:
        """Show the cursor again."""
        self._live.stop()
