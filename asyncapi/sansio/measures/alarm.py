"""Decide when an alarm begins and ends: by a rule over a `Window`, judged after everything that is counted.

    error_rate > 0.1    failed calls of all calls; "10%" is 0.1
    p95 > 2             a quantile of the latency of calls, seconds (p50, p99, p99.9 ...)
    429_share > 5%      attempts that got this status, of all attempts

1. An episode begins when the value is above the threshold, over enough calls (attempts, for a share of statuses).
2. It ends when the value is back at four fifths of the threshold: a value that wavers is one episode, not a hundred.
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

_BACK = 0.8  # of the threshold: the episode is over
_RULE = re.compile(
    r"\s*(?:(?P<errors>error_rate)|p(?P<quantile>[1-9]\d(?:\.\d+)?)|(?P<status>[1-5]\d\d)_share)"
    r"\s*>\s*(?P<line>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>%|ms|s)?\s*"
)
_UNITS = {None: 1.0, "%": 0.01, "s": 1.0, "ms": 0.001}
_SHARES, _TIMES = {None, "%"}, {None, "s", "ms"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is measured, and the threshold it must not pass.

    Attributes:
        measure: The value of a window.
        count: How many calls or attempts the value is taken from.
        threshold: The rule holds above this value.
        is_above: Whether the value is above a threshold, where that is cheaper than the value; else None.
    """

    measure: Measure
    count: Callable[[Window], int]
    threshold: float
    is_above: Callable[[Window, float], bool] | None = None


def parse(when: str) -> Rule:
    """Read a rule.

    Raises:
        ConfigError: The text is not a rule.
    """
    found = _RULE.fullmatch(when)
    if found is None or found["unit"] not in (_TIMES if found["quantile"] else _SHARES):
        raise ConfigError(f"when={when!r}: write 'error_rate > 0.1', 'p95 > 2' (seconds) or '429_share > 5%'")
    threshold = float(found["line"]) * _UNITS[found["unit"]]
    if found["status"]:
        status = int(found["status"])
        rule = Rule(lambda window: window.share(status), lambda window: window.attempts, threshold)
    elif found["quantile"]:
        share = float(found["quantile"]) / 100
        rule = Rule(
            lambda window: window.quantile(share),
            lambda window: window.calls,
            threshold,
            lambda window, threshold: window.is_above(share, threshold),
        )
    else:
        rule = Rule(lambda window: window.error_rate, lambda window: window.calls, threshold)
    if found["quantile"] is None and threshold >= 1:
        raise ConfigError(f"when={when!r}: a share is at most 1, and never above it; write 10% or 0.1")
    return rule


class Episodes:
    """The episodes of one alarm.

    Args:
        rule: Decides.
        at_least: How many calls or attempts an episode needs to begin.

    Attributes:
        under_way: Whether the alarm is on.
        value: The value measured when the last episode began or ended, or later.
    """

    __slots__ = ("_at_least", "_rule", "under_way", "value")

    def __init__(self, rule: Rule, at_least: int) -> None:
        self._rule = rule
        self._at_least = at_least
        self.under_way: bool = False
        self.value: float = 0.0

    def judge(self, window: Window) -> bool:
        """Judge a window: whether an episode begins or ends now."""
        rule = self._rule
        threshold = rule.threshold * _BACK if self.under_way else rule.threshold  # rule 2
        if rule.is_above is None:
            self.value = rule.measure(window)
            above = self.value > threshold
        else:
            above = rule.is_above(window, threshold)
        turned = not above if self.under_way else above and rule.count(window) >= self._at_least  # rule 1
        if turned:
            self.under_way = not self.under_way
            if rule.is_above is not None:
                self.value = rule.measure(window)
        return turned
