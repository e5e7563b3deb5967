"""The results as charts: SVG files that read on a light and on a dark page, and by themselves.

python benchmarks/charts.py results/latest.json some/folder [png]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fetch_job
import lanes
import latency
import matplotlib as mpl

import peers

mpl.use("Agg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, YARDSTICK, OTHER = "#0b6e4f", "#5b6c7d", "#b8c1ca"
plt.rcParams.update(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "svg.hashsalt": "asyncapi",  # the same figures make the same file
        "figure.facecolor": "white",
    }
)


def draw(results: dict[str, Any], folder: Path, ending: str = "svg") -> Iterator[Path]:
    """Draw what was measured; gives each file's path."""
    figures = {
        "peers-cpu": lambda: _peers(results, "cpu_us", "Client CPU per request, microseconds (less is better)"),
        "peers-rate": lambda: _peers(results, "rps", "Requests per second on one core (more is better)"),
        "lanes-cpu": lambda: _lanes(results),
        "latency": lambda: _latency(results),
        "fetch": lambda: _fetch(results),
    }
    for name, make in figures.items():
        if name.partition("-")[0] not in results:
            continue
        figure = make()
        if figure is None:
            continue
        path = folder / f"{name}.{ending}"
        figure.savefig(path, dpi=110, metadata={"Date": None} if ending == "svg" else None)
        plt.close(figure)
        yield path


def _colour(name: str) -> str:
    if name.startswith("asyncapi"):
        return OURS
    return YARDSTICK if name.startswith("aiohttp") else OTHER


def _bars(axes: Axes, names: list[str], labels: list[str], values: list[float | None], form: str) -> None:
    """Horizontal bars with their figures; a value of None was not measured, and says so."""
    most = max((value for value in values if value is not None), default=1)
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        axes.barh(place, value or 0, color=_colour(name), height=0.72)
        text = "not measured" if value is None else form.format(value)
        axes.text((value or 0) + most * 0.012, place, text, va="center", fontsize=9)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.16)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _peers(results: dict[str, Any], figure_name: str, title: str) -> Figure:
    tables = results["peers"]
    names = [name for name in peers.PEERS if any(name in table["results"] for table in tables)]
    columns = min(2, len(tables))
    lines = -(-len(tables) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(5.6 * columns, 0.55 + lines * (0.8 + 0.3 * len(names))), squeeze=False, sharey=True
    )
    for axes, table in zip(grid.flat, tables, strict=False):
        medians = [table["results"].get(name, {}).get("median") for name in names]
        values = [None if median is None else median[figure_name] for median in medians]
        _bars(axes, names, [peers.PEERS[name] for name in names], values, "{:,.0f}")
        axes.set_title(f"{table['loop']}, concurrency {table['concurrency']}", fontsize=10)
    for axes in list(grid.flat)[len(tables) :]:
        axes.set_visible(False)
    if lines * columns > 1:  # invert_yaxis on shared axes toggles: set it once and for all
        grid.flat[0].set_ylim(len(names) - 0.5, -0.5)
    return _finish(figure, title, results)


def _lanes(results: dict[str, Any]) -> Figure | None:
    table = next((table for table in results["lanes"] if table["name"] == lanes.BEST), None)
    if table is None:
        return None
    medians = {name: result.get("median") for name, result in table["results"].items()}
    names = sorted(medians, key=lambda name: medians[name]["cpu_us"] if medians[name] else 0)
    figure, axes = plt.subplots(figsize=(8.4, 1.0 + 0.36 * len(names)))
    labels = [lanes.CONTESTANTS[name][0] for name in names]
    values = [medians[name]["cpu_us"] if medians[name] else None for name in names]
    colours = {"aiohttp": "asyncapi", "bare": "aiohttp", "native": "asyncapi", "h2": "asyncapi"}
    _bars(axes, [colours.get(name, "") for name in names], labels, values, "{:,.0f}")
    title = "Client CPU per typed call over TLS, 100 at once, microseconds (less is better)"
    return _finish(figure, title, results)


def _latency(results: dict[str, Any]) -> Figure:
    tables = results["latency"]
    names = [name for name in latency.CONTESTANTS if any(name in table["results"] for table in tables)]
    figure, grid = plt.subplots(1, len(tables), figsize=(11.2, 0.9 + 0.42 * len(names)), squeeze=False, sharey=True)
    for axes, table in zip(grid.flat, tables, strict=True):
        medians = [table["results"].get(name, {}).get("median") for name in names]
        values = [None if median is None else median["rps"] for median in medians]
        _bars(axes, names, [latency.CONTESTANTS[name][0] for name in names], values, "{:,.0f}")
        axes.set_title(f"server latency {table['delay_ms']} ms", fontsize=10)
    grid.flat[0].set_ylim(len(names) - 0.5, -0.5)
    server = f"{results['server']} at 0 ms, delay_server.py at {' and '.join(map(str, latency.DELAYS_MS))} ms"
    return _finish(figure, "Requests per second (more is better)", results, server)


def _fetch(results: dict[str, Any]) -> Figure:
    fetch = results["fetch"]
    names = list(fetch["results"])
    figure, (whole, without) = plt.subplots(1, 2, figsize=(11.2, 0.9 + 0.42 * len(names)), sharey=True)
    for axes, field, title in (
        (whole, "rows_per_s", "the whole process"), (without, "rows_per_s_without_start", "without start-up"),
    ):  # fmt: skip
        medians = [fetch["results"][name].get("median") for name in names]
        values = [None if median is None else median[field] for median in medians]
        _bars(axes, names, [fetch_job.CONTESTANTS[name] for name in names], values, "{:,.0f}")
        axes.set_title(title, fontsize=10)
    whole.set_ylim(len(names) - 0.5, -0.5)
    return _finish(figure, f"{fetch['rows']:,} rows to JSON lines: rows per second (more is better)", results)


def _finish(figure: Figure, title: str, results: dict[str, Any], server: str = "") -> Figure:
    machine, rounds = results["machine"], results["settings"]["rounds"]
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    note = f"{machine['cpu']}, {machine['python']}, server {server or results['server']}; median of {rounds} rounds"
    figure.text(0.01, 0.005, note, fontsize=7.5, color="#666666", va="bottom")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    return figure


if __name__ == "__main__":
    for drawn in draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), *sys.argv[3:4]):
        print(drawn)
