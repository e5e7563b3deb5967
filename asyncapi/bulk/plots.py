"""Draw the plots of the report: shapes as SVG that stretches, text as HTML that does not.

Rules:
1. One drawing fits every width. The SVG is stretched to the width there is; lines keep their thickness, and labels are
   HTML, placed by percentages, so that they keep their size on a phone.
2. Colours are the CSS variables of style.py: a dark page has its own. No plot tells its series apart by red and green.
3. Nothing is loaded from elsewhere, and no script runs: a bucket's figures are its `<title>`, which a pointer shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from asyncapi.bulk.scales import duration, linear, seconds_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from asyncapi.bulk.scales import Scale

_WIDTH, _HEIGHT = 1000, 100
_CLOSE = 0.15  # labels that are closer would overlap on a phone
_STRIP = 5  # height of the strip of a band that is not drawn over the whole height


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over time.

    Attributes:
        name: What the legend calls it.
        colour: The name of a CSS variable.
        values: One for each span; None where there is none.
        filled: Whether the area below it is filled.
    """

    name: str
    colour: str
    values: Sequence[float | None]
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """Times in which something was so.

    Attributes:
        name: What the legend calls it.
        colour: The name of a CSS variable.
        shares: For each span, the share of it, 0 to 1.
        strip: Its place among the strips at the top; None to cover the whole height.
    """

    name: str
    colour: str
    shares: Sequence[float]
    strip: int | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the plot: at a height, or for `over_time` plots of counts at a place.

    Attributes:
        name: What the legend calls it.
        colour: The name of a CSS variable.
        value: Where it is, in the units of the axis.
    """

    name: str
    colour: str
    value: float


def over_time(
    edges: Sequence[float],
    series: Sequence[Series],
    *,
    text: Callable[[float], str],
    scale: Callable[[float, float], Scale] = linear,
    bands: Sequence[Band] = (),
    mark: Mark | None = None,
) -> str:
    """Plot figures over time.

    Args:
        edges: Where the spans begin, in seconds, and where the last one ends.
        series: What is plotted, the lowest last.
        text: Writes a value.
        scale: Makes the vertical scale from the smallest and the largest value.
        bands: What is marked behind it.
        mark: A limit, drawn as a dashed line.
    """
    known = [value for each in series for value in each.values if value is not None]
    if mark is not None and mark.value <= 20 * max(known, default=0.0):  # else the figures would lie on the ground
        known.append(mark.value)
    upright = scale(min(known, default=0.0), max(known, default=0.0))
    across = [_WIDTH * edge / edges[-1] for edge in edges]
    shapes = [
        *(shape for band in bands for shape in _band(band, across)),
        *_grid(upright),
        *(shape for each in series for shape in _series(each, across, upright)),
        *_titles(edges, across, series, bands, text),
    ]
    if mark is not None and mark.value <= upright.top:
        height = _y(upright.place(mark.value))
        shapes.insert(-1, f'<path class="mark" style="stroke:var({mark.colour})" d="M0 {height}H{_WIDTH}"/>')
    keys = [
        *((each.name, each.colour, "area" if each.filled else "line") for each in series),
        *((band.name, band.colour, "band" if band.strip is None else "strip") for band in bands),
        *([(mark.name, mark.colour, "dash")] if mark is not None else []),
    ]
    ticks = ((at / edges[-1], label) for at, label in seconds_ticks(edges[-1]))
    return _plot(keys, ((upright.place(value), label) for value, label in upright.ticks), ticks, shapes)


def distribution(bins: Sequence[tuple[float, float, int]], marks: Sequence[Mark], scale: Scale) -> str:
    """Plot how many values are where, on a scale of durations.

    Args:
        bins: Where a bin begins and ends, in milliseconds, and its count.
        marks: Quantiles.
        scale: The scale across.
    """
    upright = linear(0.0, float(max((count for _, _, count in bins), default=0)))
    shapes = list(_grid(upright))
    for begin, end, count in bins:
        left, right = (_WIDTH * scale.place(value) for value in (begin, end))
        top = _y(upright.place(count))
        title = escape(f"{duration(begin)} to {duration(end)}: {count:,}")
        shapes.append(
            f'<path class="bin" d="M{left:.1f} {_HEIGHT}V{top}H{right:.1f}V{_HEIGHT}z"><title>{title}</title></path>'
        )
    for mark in marks:
        at = f"{_WIDTH * scale.place(mark.value):.1f}"
        shapes.append(f'<path class="mark" style="stroke:var({mark.colour})" d="M{at} 0V{_HEIGHT}"/>')
    keys = [(f"{mark.name} {duration(mark.value)}", mark.colour, "dash") for mark in marks]
    ups = ((upright.place(value), label) for value, label in upright.ticks)
    acrosses: list[tuple[float, str]] = []
    for value, label in scale.ticks:
        share = scale.place(value)
        if not acrosses or share - acrosses[-1][0] >= _CLOSE:
            acrosses.append((share, label))
    return _plot(keys, ups, acrosses, shapes)


def _plot(
    keys: Iterable[tuple[str, str, str]],
    ups: Iterable[tuple[float, str]],
    acrosses: Iterable[tuple[float, str]],
    shapes: Iterable[str],
) -> str:
    legend = "".join(
        f'<span><i class="{kind}" style="--c:var({colour})"></i>{escape(name)}</span>' for name, colour, kind in keys
    )
    heights = "".join(f'<span style="bottom:{100 * at:.1f}%">{escape(label)}</span>' for at, label in ups)
    times = "".join(f'<span style="left:{100 * at:.1f}%">{escape(label)}</span>' for at, label in acrosses)
    return (
        f'<div class="legend">{legend}</div><div class="plot"><div class="ups">{heights}</div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img">{"".join(shapes)}</svg>'
        f'<div class="acrosses">{times}</div></div>'
    )


def _y(share: float) -> str:
    return f"{_HEIGHT * (1 - share):.1f}"


def _grid(scale: Scale) -> Iterator[str]:
    lines = "".join(f"M0 {_y(scale.place(value))}H{_WIDTH}" for value, _ in scale.ticks)
    yield f'<path class="grid-line" d="{lines}"/>'


def _series(series: Series, across: Sequence[float], scale: Scale) -> Iterator[str]:
    """Draw steps: a value holds for its whole span, and where there is none the line breaks off."""
    style = f'style="--c:var({series.colour})"'
    for run in _runs(series.values):
        line = "".join(f"V{_y(scale.place(series.values[at] or 0.0))}H{across[at + 1]:.1f}" for at in run)
        begin = f"{across[run[0]]:.1f}"
        if series.filled:
            yield f'<path class="area" {style} d="M{begin} {_HEIGHT}{line}V{_HEIGHT}z"/>'
        else:
            yield f'<path class="line" {style} d="M{begin} {line[1 : line.index("H")]}{line}"/>'


def _runs(values: Sequence[float | None]) -> Iterator[range]:
    begin: int | None = None
    for at, value in enumerate((*values, None)):
        if value is not None and begin is None:
            begin = at
        elif value is None and begin is not None:
            yield range(begin, at)
            begin = None


def _band(band: Band, across: Sequence[float]) -> Iterator[str]:
    top, bottom = (0, _HEIGHT) if band.strip is None else (band.strip * _STRIP, band.strip * _STRIP + _STRIP - 1)
    for run in _runs([share or None for share in band.shares]):
        share = sum(band.shares[at] for at in run) / len(run)
        path = f"M{across[run[0]]:.1f} {top}H{across[run[-1] + 1]:.1f}V{bottom}H{across[run[0]]:.1f}z"
        style = f"--c:var({band.colour});opacity:{0.5 + 0.5 * share:.2f}"
        yield f'<path class="{"band" if band.strip is None else "strip"}" style="{style}" d="{path}"/>'


def _titles(
    edges: Sequence[float],
    across: Sequence[float],
    series: Sequence[Series],
    bands: Sequence[Band],
    text: Callable[[float], str],
) -> Iterator[str]:
    """Lay an invisible shape with its figures over each span (rule 3)."""
    for at in range(len(edges) - 1):
        parts = [f"{duration(edges[at] * 1000)}:"]
        for each in series:
            value = each.values[at]
            if value is not None:
                parts.append(f"{each.name} {text(value)}")
        parts += [band.name for band in bands if band.shares[at]]
        if len(parts) > 1:
            shape = f"M{across[at]:.1f} 0H{across[at + 1]:.1f}V{_HEIGHT}H{across[at]:.1f}z"
            title = escape(f"{parts[0]} {', '.join(parts[1:])}")
            yield f'<path class="over" d="{shape}"><title>{title}</title></path>'
