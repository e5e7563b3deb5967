"""The figures of learned retries as the tables of docs/learned-retries.md: short ones first, all contenders last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contenders import WAITS
from .degrading import POLICIES, SCENARIOS
from .troubles import TROUBLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Row = dict[str, float]
Rows = dict[str, dict[str, Row]]

BEGIN, END = "<!-- figures: begin (written by benchmarks/learned.py) -->", "<!-- figures: end -->"
OURS = ("default", "hand-tuned", "learned, no hold", "learned")
SHORT = ("default", "hand-tuned", "best other SDK", "learned")
TUNED = "hand-tuned, attempts of 1 s"
FALLBACKS = ("default", TUNED, "learned", "learned, attempts of 1 s")
POINT = 0.01


def write(results: dict[str, Rows], bars: Sequence[tuple[str, str, str, bool]], page: Path) -> None:
    """Put the tables into the page, between its two marks."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + "\n".join([BEGIN, "", *_tables(results, bars), END]) + after)


def _tables(results: dict[str, Rows], bars: Sequence[tuple[str, str, str, bool]]) -> Iterator[str]:
    retries, fallbacks = results["retries"], results["fallbacks"]
    yield from _table(
        ("promised", "bar", "measured", ""), ([what, bar, got, "" if ok else "missed"] for what, bar, got, ok in bars)
    )
    yield "Failed calls / attempts sent for each call. The best other SDK is the one that fails least in that row:\n"
    for title, held_out in (("trouble (constants were tuned on these)", False), ("held-out trouble", True)):
        part = {name: by for name, by in retries.items() if TROUBLES[name].held_out == held_out}
        lines = ([TROUBLES[name].title, *(_short(by, policy) for policy in SHORT)] for name, by in part.items())
        yield from _table((title, *SHORT), lines)
    yield "With a default value to fall back to: calls that got the default / mean seconds of a call:\n"
    lines = (
        [SCENARIOS[name].title, *(_degraded(by[policy]) for policy in FALLBACKS)] for name, by in fallbacks.items()
    )
    yield from _table(("trouble", *FALLBACKS), lines)
    yield '??? note "All contenders"\n'
    for line in _whole(retries, fallbacks):
        yield f"    {line}" if line else ""


def _whole(retries: Rows, fallbacks: Rows) -> Iterator[str]:
    yield "Failed calls / attempts sent for each call:\n"
    policies = (*WAITS, *OURS)
    lines = ([TROUBLES[name].title, *(_failed(by[policy]) for policy in policies)] for name, by in retries.items())
    yield from _table(("trouble", *policies), lines)
    yield "Mean seconds of a call (99 % of those with a response took no longer than):\n"
    lines = (
        [TROUBLES[name].title, *(f"{by[policy]['mean']:.2f} ({by[policy]['p99']:.1f})" for policy in OURS)]
        for name, by in retries.items()
    )
    yield from _table(("trouble", *OURS), lines)
    yield "With a default value to fall back to: calls that got the default / mean seconds of a call:\n"
    lines = ([SCENARIOS[name].title, *(_degraded(by[policy]) for policy in POLICIES)] for name, by in fallbacks.items())
    yield from _table(("trouble", *POLICIES), lines)


def worse(fallbacks: Rows) -> Iterator[tuple[str, str, str, bool]]:
    """Where learned degradation is worse than the tuned rule by more than a point."""
    for name, by in fallbacks.items():
        for policy in ("learned", "learned, attempts of 1 s"):
            more = by[policy]["degraded"] - by[TUNED]["degraded"]
            if more > POINT or by[policy]["failed"] or by[policy]["late"]:
                yield (
                    f"{SCENARIOS[name].title}, {policy}: more degraded than hand-tuned",
                    "<= 1.0 %",
                    f"{more:.1%}",
                    False,
                )


def _table(head: Sequence[str], lines: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for cells in lines:
        yield f"| {' | '.join(cells)} |"
    yield ""


def _short(by: dict[str, Row], policy: str) -> str:
    if policy in by:
        return _failed(by[policy])
    best: Callable[[str], tuple[float, float]] = lambda name: (round(by[name]["failed"], 3), by[name]["sent"])  # noqa: E731
    name = min((name for name in WAITS if name != "none"), key=best)
    return f"{_failed(by[name])} ({name})"


def _failed(row: Row) -> str:
    return f"{_percent(row['failed'])} / {row['sent']:.2f}"


def _degraded(row: Row) -> str:
    return f"{_percent(row['degraded'])} / {row['mean']:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
