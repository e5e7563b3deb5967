"""The storms as charts: SVG files that read on a light and on a dark page, and by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from asyncapi.config import Adaptive

from .closed_loop import ClosedLoop, Phase

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .storm import Measured, Scenario

OURS, ARMED, OTHER = "#0b6e4f", "#e07a1f", "#b8c1ca"
GREYS = ("#5b6c7d", "#7d8b98", "#9aa6b1", "#b0bac3", "#c5cdd4")
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.hashsalt": "asyncapi",  # the same figures make the same file
    "figure.facecolor": "white",
}


def storm(scenario: Scenario, rows: dict[str, Measured], path: Path) -> None:
    """One scenario: what happened second by second, and the four figures."""
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(11.2, 6.4))
        grid = figure.add_gridspec(2, 4, height_ratios=(1.0, 0.9))
        _course(figure.add_subplot(grid[0, :]), scenario, rows)
        labels = [name if not name.endswith("armed") else f"asyncapi, {scenario.told}" for name in rows]
        figures: tuple[tuple[str, Callable[[Measured], float | None], str], ...] = (
            ("answered in the trouble", lambda row: row.success_in_trouble * 100, "{:.0f} %"),
            ("attempts sent / calls offered", lambda row: row.load, "{:.2f}"),
            ("p99 (mark: p50)", lambda row: row.p99, "{:.2f} s"),
            ("back to normal after", lambda row: row.recovery, "{:.0f} s"),
        )
        for column, (title, pick, form) in enumerate(figures):
            axes = figure.add_subplot(grid[1, column])
            _bars(axes, list(rows), [pick(row) for row in rows.values()], form)
            axes.set_title(title, fontsize=9)
            axes.set_yticks(range(len(labels)), labels if column == 0 else [""] * len(labels))
            if column == 2:
                for place, row in enumerate(rows.values()):
                    axes.plot([row.p50], [place], "|", color="black", markersize=9)
        _save(figure, scenario.title, path)


def _course(axes: Axes, scenario: Scenario, rows: dict[str, Measured]) -> None:
    """Attempts that reach the server, second by second."""
    start, end = scenario.trouble
    if end < scenario.seconds:
        axes.axvspan(start, end, color="#f3e3d3", lw=0)
    for number, (name, row) in enumerate(rows.items()):
        sent = [sum(part) / len(part) for part in (row.sent[max(0, at - 1) : at + 2] for at in range(len(row.sent)))]
        axes.plot(sent, color=_colour(name, number), lw=2.0 if name.startswith("asyncapi") else 1.1, label=name)
    axes.axhline(scenario.rate, color="black", lw=0.8, ls=":")
    axes.set_xlim(0, scenario.seconds)
    axes.set_ylim(0)
    axes.set_title("attempts a second at the server (dotted: calls offered; shaded: the trouble)", fontsize=9)
    axes.set_xlabel("seconds", fontsize=9)
    axes.legend(fontsize=8, frameon=False, ncols=7, loc="upper left", bbox_to_anchor=(0, -0.16))


def _bars(axes: Axes, names: list[str], values: list[float | None], form: str) -> None:
    most = max([value for value in values if value is not None], default=1.0) or 1.0
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        axes.barh(place, value or 0, color=_colour(name, None), height=0.7)
        axes.text(
            (value or 0) + most * 0.02, place, "-" if value is None else form.format(value), va="center", fontsize=8
        )
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.3)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=8.5)


def _colour(name: str, number: int | None) -> str:
    if name.startswith("asyncapi"):
        return ARMED if name.endswith("armed") else OURS
    return OTHER if number is None else GREYS[number % len(GREYS)]


def adaptive(path: Path) -> None:
    """The three algorithms after a capacity of 50, then 500, then 20."""
    phases = [Phase(0, 50), Phase(30, 500), Phase(60, 20)]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(11.2, 4.2))
        capacity = [50] * 30 + [500] * 30 + [20] * 30
        axes.step(range(90), capacity, where="post", color="black", lw=1.0, ls=":", label="the server's workers")
        for name, colour in (("gradient2", OURS), ("vegas", ARMED), ("aimd", GREYS[1])):
            seen = ClosedLoop(Adaptive(name).start(), phases).run(90)
            axes.plot([second.limit for second in seen.seconds], color=colour, lw=1.8, label=name)
        axes.set_yscale("log")
        axes.set_xlim(0, 90)
        axes.set_xlabel("seconds", fontsize=9)
        axes.set_title("the limit, attempts at a time", fontsize=9)
        axes.legend(fontsize=8, frameon=False)
        _save(figure, "A hidden capacity of 50, then 500, then 20", path)


def _save(figure: Figure, title: str, path: Path) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.text(0.01, 0.005, "simulated in virtual time, seeded: benchmarks/storms.py", fontsize=7.5, color="#666666")
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
