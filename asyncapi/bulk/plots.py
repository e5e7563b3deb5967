"""Draw the plots of the report with matplotlib, as SVG text for an HTML page.

Text stays text in the viewer's font, nothing is loaded from elsewhere, and colour-blind people can tell the colours
apart.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.measures.histogram import middle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.bulk.tally import Tally
    from asyncapi.bulk.timeline import Bucket

GOOD, BAD, AGAIN, CALM = "#2a8f82", "#c8414f", "#e0982f", "#33658a"

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # what matplotlib brings along; the page shows its own
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999",
    "axes.grid": True,
    "grid.color": "#e8e8e8",
    "axes.axisbelow": True,
    "xtick.color": "#444",
    "ytick.color": "#444",
}
_BARS = 12


def throughput(tally: Tally, elapsed: float) -> str:
    """Plot rows a second over time, ok and failed."""
    figure, axes = _figure(9)
    times, spans = _spans(tally, elapsed)
    widths = [span for _, span in spans]
    good = [bucket.ok / span for bucket, span in spans]
    bad = [bucket.failed / span for bucket, span in spans]
    axes.bar(times, good, widths, align="edge", color=GOOD, label="ok")
    axes.bar(times, bad, widths, good, align="edge", color=BAD, label="failed")
    _time_axis(axes, "rows a second")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0)
    return _svg(figure)


def retries(tally: Tally, elapsed: float) -> str:
    """Plot retries a second over time."""
    figure, axes = _figure(9)
    times, spans = _spans(tally, elapsed)
    heights = [bucket.retries / span for bucket, span in spans]
    axes.bar(times, heights, [span for _, span in spans], align="edge", color=AGAIN)
    _time_axis(axes, "retries a second")
    return _svg(figure)


def latency(tally: Tally) -> str:
    """Plot the latency of rows on a logarithmic axis, with the quantiles marked."""
    figure, axes = _figure(9)
    bins: dict[int, int] = {}
    for index, count in tally.latency.counts().items():
        bins[index // 5] = bins.get(index // 5, 0) + count
    edges = [middle(place * 5) * 1000 for place in bins]
    axes.bar(edges, list(bins.values()), [edge * 0.25 for edge in edges], align="edge", color=CALM, edgecolor="white")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: _duration(value))
    axes.xaxis.set_minor_formatter(lambda _, __: "")
    top = max(bins.values(), default=1)
    for height, share, name in ((1.22, 0.50, "p50"), (1.13, 0.95, "p95"), (1.04, 0.99, "p99")):
        value = tally.quantile_ms(share)
        if value is not None:
            axes.axvline(value, color=BAD, linewidth=1)
            where = {"xytext": (4, 0), "textcoords": "offset points"}
            axes.annotate(f"{name} {_duration(value)}", (value, top * height), color=BAD, fontsize=9, **where)
    axes.set_ylim(0, top * 1.32)
    axes.set_ylabel("rows")
    return _svg(figure)


def bars(counts: Mapping[str, int], colours: Mapping[str, str]) -> str:
    """Plot counts by name as horizontal bars, the largest first."""
    shown = sorted(counts.items(), key=lambda entry: -entry[1])[:_BARS]
    figure, axes = _figure(4.5, height=0.6 + 0.36 * max(2, len(shown)))
    names = [name for name, _ in shown]
    drawn = axes.barh(
        names, [count for _, count in shown], color=[colours.get(name, BAD) for name in names], height=0.7
    )
    axes.bar_label(drawn, [f"{count:,}" for _, count in shown], padding=4, fontsize=9)
    axes.margins(x=0.25)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    return _svg(figure)


def _spans(tally: Tally, elapsed: float) -> tuple[list[float], list[tuple[Bucket, float]]]:
    """Return when each bucket begins, and how many seconds of it passed: the last one is rarely whole."""
    line = tally.timeline
    times = [place * line.width for place in range(len(line.buckets))]
    spans = [min(line.width, max(elapsed - at, line.width / 10)) for at in times]
    return times, list(zip(line.buckets, spans, strict=True))


def _time_axis(axes: Any, what: str) -> None:
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(what)
    axes.xaxis.set_major_formatter(lambda seconds, _: _duration(seconds * 1000))


def _duration(ms: float) -> str:
    if ms >= 60_000:  # noqa: PLR2004 - a minute
        minutes, seconds = divmod(round(ms / 1000), 60)
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms" if ms else "0"  # noqa: PLR2004


def _figure(width: float, height: float = 2.5) -> tuple[Any, Any]:
    import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(_STYLE):
        figure = Figure((width, height), layout="constrained")
        return figure, figure.add_subplot()


def _svg(figure: Any) -> str:
    import matplotlib as mpl  # noqa: PLC0415

    text = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
