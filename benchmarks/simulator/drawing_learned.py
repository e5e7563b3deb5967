"""Learned retries and fallbacks as charts: SVG files that read on a light and on a dark page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .degrading import SCENARIOS
from .drawing import ARMED, OURS, STYLE, plt
from .troubles import TROUBLES

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

Rows = dict[str, dict[str, dict[str, float]]]

SHOWN = ("default", "aws standard", "azure-core", "polly http", "hand-tuned", "learned")
COLOURS = dict(zip(SHOWN, ("#4d4d4d", "#9db8c9", "#5b9bd0", "#8c6bb1", OURS, ARMED), strict=True))
FALLBACKS = ("default", "attempts of 1 s", "hand-tuned, attempts of 1 s", "learned, degrade=False", "learned")


def retries(rows: Rows, path: Path) -> None:
    """Calls that failed, and attempts sent, in each trouble."""
    with plt.rc_context(STYLE):
        names = [name for name in rows if name not in {"healthy", "429 asks"}]
        figure, axes = plt.subplots(1, 2, figsize=(11.2, 0.3 * len(names) + 1.4), sharey=True)
        for policy in SHOWN:
            last = policy == "learned"
            style = {"s": 60 if last else 28, "color": COLOURS[policy], "zorder": 3 if last else 2, "label": policy}
            there = [(place, rows[name][policy]) for place, name in enumerate(names) if policy in rows[name]]
            places = [place for place, _ in there]
            axes[0].scatter([row["failed"] * 100 for _, row in there], places, **style)
            axes[1].scatter([row["sent"] for _, row in there], places, **style)
        axes[0].set_yticks(range(len(names)), [_short(TROUBLES[name].title) for name in names], fontsize=8)
        axes[0].invert_yaxis()
        axes[0].set_xscale("symlog", linthresh=1.0)
        axes[0].set_xlim(-0.1, 100)
        axes[0].set_xticks((0, 1, 10, 50), ("0 %", "1 %", "10 %", "50 %"))
        axes[0].set_title("calls that failed", fontsize=10)
        axes[1].set_xlim(0.8, 2.2)
        axes[1].set_title("attempts sent for each call (up to 2.2)", fontsize=10)
        for one in axes:
            one.grid(axis="both", color="#e6e6e6", lw=0.6)
            one.set_axisbelow(True)
        _save(figure, f"Learned retries beside other policies: {len(names)} troubles, five seeds", path)


def fallbacks(rows: Rows, path: Path) -> None:
    """Calls that got the default value, and mean seconds, in each scenario."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(11.2, 5.6), sharey=True)
        for policy, colour in zip(FALLBACKS, ("#4d4d4d", "#9db8c9", OURS, "#8c6bb1", ARMED), strict=True):
            last = policy == "learned"
            style = {"s": 60 if last else 28, "color": colour, "zorder": 3 if last else 2, "label": policy}
            axes[0].scatter([by[policy]["degraded"] * 100 for by in rows.values()], range(len(rows)), **style)
            axes[1].scatter([by[policy]["mean"] for by in rows.values()], range(len(rows)), **style)
        axes[0].set_yticks(range(len(rows)), [_short(SCENARIOS[name].title) for name in rows], fontsize=8)
        axes[0].invert_yaxis()
        axes[0].set_title("% of calls that got the default value", fontsize=10)
        axes[1].set_title("mean seconds of a call", fontsize=10)
        for one in axes:
            one.grid(axis="both", color="#e6e6e6", lw=0.6)
            one.set_axisbelow(True)
        _save(figure, "When the fallback is taken: learned, or by a rule", path)


def _short(title: str) -> str:
    return title if len(title) <= 58 else f"{title[:56]}..."


def _save(figure: Figure, title: str, path: Path) -> None:
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, frameon=False, loc="lower left", ncols=len(labels))
    note = "simulated in virtual time, seeded: benchmarks/learned.py. A dot that is not seen lies under another."
    figure.text(0.01, 0.33 / figure.get_figheight(), note, fontsize=7.5, color="#666666")
    figure.tight_layout(rect=(0, 0.5 / figure.get_figheight(), 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
