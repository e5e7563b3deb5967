"""Rounds and medians: contestants take turns (A B C A B C ...), so that a slow minute of the machine hits all alike."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass
class Settings:
    """How long and how often to measure; see `run.py --help`."""

    rounds: int = 5
    warmup: float = 0.3
    seconds: float = 0.6
    quick: bool = False
    only: list[str] = field(default_factory=list)

    def wants(self, part: str, contestant: str | None = None) -> bool:
        """Whether `--only` leaves this in: it names parts, contestants or both."""
        if not self.only:
            return True
        parts = [name for name in self.only if name in PARTS]
        names = [name for name in self.only if name not in PARTS]
        if contestant is None:
            return part in parts or (not parts and any(name in CONTESTANTS_OF.get(part, ()) for name in names))
        return self.wants(part) and (not names or contestant in names)


PARTS = ("peers", "lanes", "many", "open", "latency", "layers", "map", "fetch", "storms", "cache")
CONTESTANTS_OF: dict[str, Sequence[str]] = {}


def interleave(
    contestants: dict[str, Callable[[], dict[str, Any]]],
    rounds: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Measure each contestant once a round. One that fails is left out from then on, with the reason in its place."""
    results: dict[str, dict[str, Any]] = {name: {"rounds": []} for name in contestants}
    for number in range(1, rounds + 1):
        for name, measure in contestants.items():
            if "error" in results[name]:
                continue
            try:
                figures = measure()
            except RuntimeError as error:
                results[name]["error"] = f"failed in round {number}: {error}"
                say(f"  round {number}/{rounds}  {name:<22} {error}")
            else:
                results[name]["rounds"].append(figures)
                say(f"  round {number}/{rounds}  {name:<22} {_line(figures)}")
    for result in results.values():
        if "error" not in result:
            result["median"] = medians(result["rounds"])
    return results


def medians(rounds: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The median of every figure."""
    return {
        name: round(statistics.median(figures[name] for figures in rounds), 3)
        for name, first in rounds[0].items()
        if isinstance(first, int | float)
    }


def median_ratio(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]], figure: str) -> float:
    """The median of the rounds' ratios: both sides of each ratio were measured within seconds of each other."""
    return statistics.median(our[figure] / their[figure] for our, their in zip(ours, theirs, strict=True))


def _line(figures: dict[str, Any]) -> str:
    shown = {
        "rps": "{:>9,.0f} requests/s",
        "cpu_us": "{:>8,.1f} us CPU",
        "rss_mib": "{:>6.1f} MiB",
        "rows_per_s": "{:>9,.0f} rows/s",
        "in_time": "{:>7.1%} in time",
        "p99_ms": "{:>7.1f} ms p99",
    }
    return "  ".join(text.format(figures[name]) for name, text in shown.items() if name in figures)
