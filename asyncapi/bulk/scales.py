"""Scales of the report's plots, and figures written for people."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asyncapi.bulk.progress import bytes_text

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0  # seconds
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600,
          43200, 86400, 172800, 432000, 864000)  # fmt: skip
_TICKS = 6
_UPRIGHT_TICKS = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values are on an axis.

    Attributes:
        bottom: The value at its beginning.
        top: The value at its end.
        ticks: Values that have a label, and the labels.
        logarithmic: Whether equal distances are equal factors.
    """

    bottom: float
    top: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value is, from 0 to 1."""
        if self.logarithmic:
            share = math.log(max(value, self.bottom) / self.bottom) / math.log(self.top / self.bottom)
        else:
            share = (value - self.bottom) / (self.top - self.bottom)
        return min(1.0, max(0.0, share))


def linear(_smallest: float, largest: float) -> Scale:
    """Make a scale of counts from 0."""
    step = _round_step(largest / _UPRIGHT_TICKS or 1.0)
    top = step * max(1, math.ceil(largest / step - 1e-9))
    return Scale(0.0, top, tuple((step * n, compact(step * n)) for n in range(round(top / step) + 1)))


def linear_bytes(_smallest: float, largest: float) -> Scale:
    """Make a scale of bytes from 0."""
    scale = linear(0.0, largest)
    return Scale(0.0, scale.top, tuple((value, bytes_text(value)) for value, _ in scale.ticks))


def logarithmic(smallest: float, largest: float) -> Scale:
    """Make a scale of milliseconds; its labels are 1, 10, 100 ms, or closer where the values are."""
    bottom, top = max(smallest, 0.001), max(largest, 0.001)
    if top / bottom < 2:  # noqa: PLR2004 - a little room around values that hardly differ
        middle = math.sqrt(top * bottom)
        bottom, top = middle / 1.5, middle * 1.5
    bottom, top = bottom / 1.1, top * 1.1
    decades = range(math.floor(math.log10(bottom)), math.ceil(math.log10(top)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        ticks = [value for value in ticks if bottom <= value <= top]
        if len(ticks) >= 3:  # noqa: PLR2004 - enough to read values between them
            break
    every = math.ceil(len(ticks) / _TICKS)
    return Scale(bottom, top, tuple((value, duration(value)) for value in ticks[::every]), logarithmic=True)


def seconds_ticks(seconds: float) -> list[tuple[float, str]]:
    """Return the ticks of a time axis, with labels that are short: 30 s, 5 min, 2 h."""
    step = next((step for step in _STEPS if seconds / step < _TICKS), _DAY * math.ceil(seconds / _DAY / _TICKS))
    if seconds < 1:
        step = 0.2 if seconds > 0.5 else 0.1 if seconds > 0.2 else 0.02  # noqa: PLR2004 - "150 ms" is wide
    unit, name = (_DAY, "d") if step >= _DAY else (_HOUR, "h") if step >= _HOUR else (_MINUTE, "min")
    if step < _MINUTE:
        unit, name = (1.0, "s") if seconds >= 1 else (0.001, "ms")
    return [(step * n, f"{step * n / unit:.5g} {name}" if n else "0") for n in range(int(seconds / step) + 1)]


def duration(ms: float) -> str:
    """Write milliseconds for people: 250 ms, 1.5 s, 2 min 5 s, 3 h 20 min."""
    seconds = round(ms / 1000)
    if seconds >= _HOUR:
        hours, minutes = divmod(seconds // 60, 60)
        return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"
    if seconds >= _MINUTE:
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{ms / 1000:.3g} s" if ms >= 999.5 else f"{ms:.3g} ms" if ms else "0"  # noqa: PLR2004 - a second, rounded


def clock(seconds: float) -> str:
    """Write a long duration in a few characters: 12.3 s, 1:35 min, 9:20 h."""
    whole = round(seconds)
    if whole >= _HOUR:
        return f"{whole // 3600:,}:{whole % 3600 // 60:02} h"
    return f"{whole // 60}:{whole % 60:02} min" if whole >= _MINUTE else f"{seconds:.3g} s"


def compact(value: float) -> str:
    """Write a count in a few characters: 1,200, 120k, 1.5M."""
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= (1e5 if name == "k" else size):
            return f"{value / size:.4g}{name}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"  # noqa: PLR2004 - then decimals say nothing


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((factor * power for factor in (1, 2, 2.5, 5) if factor * power >= least * (1 - 1e-9)), 10 * power)
