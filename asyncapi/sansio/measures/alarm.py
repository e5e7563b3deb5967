"""When an alarm begins and when it is over: a rule over a `Window`, judged after everything that is counted.

    error_rate > 0.1    failed calls of all calls; "10%" is 0.1
    p95 > 2             a quantile of the latency of calls, seconds (p50, p99, p99.9 ...)
    429_share > 5%      attempts that got this status, of all attempts

An episode begins when the rule holds over at least so many calls (attempts, for a share of statuses). It is over when
the value has come back to four fifths of the line: a value that wavers about it is one episode, not a hundred.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.sansio.measures.window import Window

    Measure = Callable[[Window], float]

_BACK = 0.8  # of the line
_RULE = re.compile(
    r"\s*(?:(?P<errors>error_rate)|p(?P<quantile>[1-9]\d(?:\.\d+)?)|(?P<status>[1-5]\d\d)_share)"
    r"\s*>\s*(?P<line>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>%|ms|s)?\s*"
)
_UNITS = {None: 1.0, "%": 0.01, "s": 1.0, "ms": 0.001}
_SHARES, _TIMES = {None, "%"}, {None, "s", "ms"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is measured, and the line it must not pass.

    Attributes:
        measure: The value, of a window.
        count: How many calls or attempts it is taken from.
        line: The rule holds while the value is above it.
        is_above: Whether the value is above a line, where that is cheaper than the value; else None.
    """

    measure: Measure
    count: Callable[[Window], int]
    line: float
    is_above: Callable[[Window, float], bool] | None = None


def parse(when: str) -> Rule:
    """The rule that a text says.

    Raises:
        ConfigError: It says none.
    """
    found = _RULE.fullmatch(when)
    if found is None or found["unit"] not in (_TIMES if found["quantile"] else _SHARES):
        raise ConfigError(f"when={when!r}: write 'error_rate > 0.1', 'p95 > 2' (seconds) or '429_share > 5%'")
    line = float(found["line"]) * _UNITS[found["unit"]]
    if found["status"]:
        status = int(found["status"])
        rule = Rule(lambda window: window.share(status), lambda window: window.attempts, line)
    elif found["quantile"]:
        share = float(found["quantile"]) / 100
        rule = Rule(
            lambda window: window.quantile(share),
            lambda window: window.calls,
            line,
            lambda window, line: window.is_above(share, line),
        )
    else:
        rule = Rule(lambda window: window.error_rate, lambda window: window.calls, line)
    if found["quantile"] is None and line >= 1:
        raise ConfigError(f"when={when!r}: a share is at most 1, and never above it; write 10% or 0.1")
    return rule


class Episodes:
    """Whether one is under way.

    Args:
        rule: What to judge by.
        at_least: How many calls or attempts it takes to begin one.

    Attributes:
        under_way: Whether the alarm is on.
        value: What was measured: when the last episode began or ended, or later.
    """

    __slots__ = ("_at_least", "_rule", "under_way", "value")

    def __init__(self, rule: Rule, at_least: int) -> None:
        self._rule = rule
        self._at_least = at_least
        self.under_way = False
        self.value = 0.0

    def judge(self, window: Window) -> bool:
        """Whether this began or ended an episode."""
        rule = self._rule
        line = rule.line * _BACK if self.under_way else rule.line
        if rule.is_above is None:
            self.value = rule.measure(window)
            above = self.value > line
        else:
            above = rule.is_above(window, line)
        turned = not above if self.under_way else above and rule.count(window) >= self._at_least
        if turned:
            self.under_way = not self.under_way
            if rule.is_above is not None:
                self.value = rule.measure(window)
        return turned
