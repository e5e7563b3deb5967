"""Show the progress of a job as a bar: in a notebook or a terminal, and nowhere else."""

from __future__ import annotations

import html
import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from asyncapi.bulk.progress import Progress


class Bar(Protocol):
    """Shows the state of a job."""

    def update(self, progress: Progress) -> None:
        """Show the state."""
        ...

    def close(self) -> None:
        """Leave the last state on the screen."""
        ...


def bar() -> Bar | None:
    """Make a bar for where the program runs: None if nobody would see it."""
    if in_notebook():
        return NotebookBar()
    return TerminalBar() if sys.stderr is not None and sys.stderr.isatty() else None


def in_notebook() -> bool:
    """Whether the program is a cell of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", bool)()
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """A bar in the output of a cell."""

    def __init__(self) -> None:
        self._cell: Any = None

    def update(self, progress: Progress) -> None:
        """Show the state."""
        from IPython.display import HTML, display  # type: ignore[import-not-found]  # noqa: PLC0415 - in a notebook it is there

        total = "" if progress.total is None else f' max="{max(1, progress.total)}"'
        shown = HTML(
            f'<progress value="{progress.done}"{total} style="width:20em"></progress> {html.escape(text(progress))}'
        )
        if self._cell is None:
            self._cell = display(shown, display_id=True)
        else:
            self._cell.update(shown)

    def close(self) -> None:
        """Leave the last state in the output."""


class TerminalBar:
    """A bar in a line of a terminal, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - heavy
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - heavy

        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def update(self, progress: Progress) -> None:
        """Show the state."""
        self._bar.update(
            self._task, completed=progress.done, total=progress.total, description=text(progress), refresh=True
        )

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._bar.stop()


def text(progress: Progress) -> str:
    """Write the state of a job in a few words."""
    total = "" if progress.total is None else f"/{progress.total:,}"
    words = [f"{progress.done:,}{total} rows"]
    if progress.failed:
        words.append(f"{progress.failed:,} failed")
    if progress.phase == "fetching":
        words.append(f"{progress.rate:,.0f}/s" if progress.rate >= 10 else f"{progress.rate:.2g}/s")  # noqa: PLR2004
        if progress.paused > 0:
            words.append(f"the server asks to wait {progress.paused:.0f} s")
    return ", ".join(words)
