"""The storms as charts: SVG files that read on a light and on a dark page, and by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from asyncapi.settings import Adaptive

from .closed_loop import ClosedLoop, Phase

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .storm import Measured, Scenario

OURS, ARMED = "#0b6e4f", "#e07a1f"
OTHERS = {"none": "#4d4d4d", "fixed x3": "#8c6bb1", "urllib3": "#c98bbd", "openai": "#5b9bd0", "aws": "#9db8c9"}
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
        labels = {name: f"asyncapi, {scenario.told}" if name.endswith("armed") else name for name in rows}
        _course(figure.add_subplot(grid[0, :]), scenario, rows, labels)
        figures: tuple[tuple[str, Callable[[Measured], float | None], str], ...] = (
            ("answered in the trouble", lambda row: row.success_in_trouble * 100, "{:.0f} %"),
            ("attempts sent / calls offered", lambda row: row.load, "{:.2f}"),
            ("p99 (mark: p50)", lambda row: row.p99, "{:.2f} s"),
            ("back to normal after", lambda row: row.recovery, "{:.0f} s"),
        )
        for column, (title, pick, form) in enumerate(figures):
            values = [pick(row) for row in rows.values()]
            if not any(value is not None for value in values):  # the trouble has no end
                continue
            axes = figure.add_subplot(grid[1, column])
            _bars(axes, list(rows), values, form)
            axes.set_title(title, fontsize=9)
            axes.set_yticks(range(len(labels)), list(labels.values()) if column == 0 else [""] * len(labels))
            if column == 2:
                for place, row in enumerate(rows.values()):
                    axes.plot([row.p50], [place], "|", color="black", markersize=9)
        _save(figure, scenario.title, path)


def _course(axes: Axes, scenario: Scenario, rows: dict[str, Measured], labels: dict[str, str]) -> None:
    """Attempts that reach the server, second by second."""
    start, end = scenario.trouble
    if end < scenario.seconds:
        axes.axvspan(start, end, color="#f3e3d3", lw=0)
    for name, row in rows.items():
        sent = [sum(part) / len(part) for part in (row.sent[max(0, at - 1) : at + 2] for at in range(len(row.sent)))]
        axes.plot(sent, color=_colour(name), lw=2.2 if name.startswith("asyncapi") else 1.2, label=labels[name])
    axes.axhline(scenario.rate, color="black", lw=0.8, ls=":")
    axes.set_xlim(0, scenario.seconds)
    axes.set_ylim(0)
    shaded = "; shaded: the trouble" if end < scenario.seconds else ""
    axes.set_title(f"attempts a second at the server, means of 3 s (dotted: calls offered{shaded})", fontsize=9)
    axes.set_xlabel("seconds", fontsize=9)
    axes.legend(fontsize=8, frameon=False, ncols=7, loc="upper left", bbox_to_anchor=(0, -0.16))


def _bars(axes: Axes, names: list[str], values: list[float | None], form: str) -> None:
    most = max([value for value in values if value is not None], default=1.0) or 1.0
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        axes.barh(place, value or 0, color=_colour(name), height=0.7)
        axes.text(
            (value or 0) + most * 0.02, place, "-" if value is None else form.format(value), va="center", fontsize=8
        )
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.3)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=8.5)


def _colour(name: str) -> str:
    if name.startswith("asyncapi"):
        return ARMED if name.endswith("armed") else OURS
    return OTHERS[name]


def adaptive(path: Path) -> None:
    """The three algorithms after a capacity of 50, then 500, then 20: where requests queue, and where they don't."""
    phases = [Phase(0, 50), Phase(30, 500), Phase(60, 20)]
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, 2, figsize=(11.2, 4.4), sharey=True)
        for axes, queue, told in zip(
            grid, (1.0, 0.0), ("as many wait at the server as it serves", "it refuses at once"), strict=True
        ):
            capacity = [50] * 30 + [500] * 30 + [20] * 31
            axes.step(range(91), capacity, where="post", color="black", lw=1.0, ls=":", label="the server's places")
            for name, colour in (("aimd", OTHERS["openai"]), ("vegas", ARMED), ("gradient2", OURS)):
                seen = ClosedLoop(Adaptive(name).start(), phases, queue=queue).run(90)
                axes.plot([second.limit for second in seen.seconds], color=colour, lw=1.8, label=name)
            axes.set_yscale("log")
            axes.set_yticks((10, 20, 50, 100, 200, 500, 1000), ("10", "20", "50", "100", "200", "500", "1,000"))
            axes.minorticks_off()
            axes.set_xlim(0, 90)
            axes.set_ylim(8, 1500)
            axes.set_xlabel("seconds", fontsize=9)
            axes.set_title(f"the limit, attempts at a time: {told}", fontsize=9)
            axes.legend(fontsize=8, frameon=False, loc="upper left")
        _save(
            figure,
            "Adaptive: a hidden capacity of 50, then 500, then 20",
            path,
        )


def _save(figure: Figure, title: str, path: Path) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.text(
        0.01,
        0.005,
        "simulated in virtual time, seeded: benchmarks/storms.py. A line that is not seen lies under another.",
        fontsize=7.5,
        color="#666666",
    )
    figure.tight_layout(rect=(0, 0.02, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
