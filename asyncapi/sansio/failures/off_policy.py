"""Estimate from what one retry policy did what another one would have led to: off-policy evaluation.

A logged call is a row of decisions, each with the wait that was chosen and how likely that was. Another policy gives
each wait a probability of its own. The estimate is doubly robust (Jiang and Li, "Doubly Robust Off-policy Value
Evaluation for Reinforcement Learning", 2016): what a simple model expects of the other policy, corrected by what was
seen, weighted by the ratio of both probabilities.

Rules:
1. Not to retry needs no estimate: the call has then failed, with what it had cost so far.
2. A retry that a server asked for, or that a rule stopped, is the same under any policy.
3. The model is fitted on half of the calls and used for the other half, so that it can't flatter what it was fitted on.
4. Calls are what is counted: the interval is that of their mean, at 95 %.
5. What the other policy does and the logged one never did counts as failed in the estimate, and as good at the lower
   end of the interval.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_NORMAL = 1.96  # of an interval of 95 %
_SKEWED = 5.0  # weights are: with so many effective samples the interval is twice as wide, with many no wider
_ZERO_OF = 3.0  # none of n seen: at most 3 / n, at 95 %
_BELIEF = 1.0  # retries of a wait that failed, and that did not, before any was seen
_DEEP = 12  # retries that the model looks ahead

Vector = tuple[float, float, float]
"""Failed (0 or 1), attempts, seconds of waiting."""


class RetryPolicy(Protocol):
    """Another policy: how likely each wait is."""

    @property
    def attempts(self) -> int:
        """Attempts at most."""
        ...

    def chances(self, retry: int) -> tuple[Sequence[float], float]:
        """How likely each of the logged waits is before a retry (1 for the first), and a longer one."""
        ...


@dataclass(slots=True)
class Decision:
    """What was decided after one failed attempt.

    Attributes:
        kind: The kind of failure, with its route.
        retry: The number of the retry that it was about: 1 for the first.
        arm: The number of the chosen wait; None for no retry.
        chances: How likely each allowed wait was; empty where the policy had no say (rule 2).
        wait: The wait, in seconds.
        stopped: Whether a rule kept the chosen retry from being sent.
        unknown: Whether a policy chose the wait that doesn't say how likely it was.
    """

    kind: str
    retry: int
    arm: int | None = None
    chances: Sequence[float] = ()
    wait: float = 0.0
    stopped: bool = False
    unknown: bool = False


@dataclass(slots=True)
class Episode:
    """One logged call.

    Attributes:
        decisions: What was decided after its failures, in order.
        failed: How it ended.
        attempts: Its attempts.
        spent: Whether it ended because all attempts were made: a policy with more would have gone on.
        others: Attempts that are no retries: after a redirect, or on another connection.
    """

    decisions: list[Decision] = field(default_factory=list)
    failed: bool = False
    attempts: int = 1
    spent: bool = False
    others: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate with its interval of 95 %.

    Attributes:
        mean: The estimate.
        low: The lower end.
        high: The upper end.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy comes to.

    Attributes:
        failed: The share of calls that fail.
        attempts: Attempts per call.
        wait: Seconds that a call waits between its attempts, on average.
        effective: How many of the calls with a failure the estimate is worth: all, for the logged policy.
        uncovered: The share of the calls with a failure in which the policy does what the logged one never did.
    """

    failed: Figure
    attempts: Figure
    wait: Figure
    effective: float
    uncovered: float


class _Model:
    """What is expected of a policy, from how often retries of each kind and wait failed."""

    def __init__(self, episodes: Sequence[Episode], policy: RetryPolicy, waits: Sequence[float]) -> None:
        self._policy = policy
        self._waits = waits
        self._seen: dict[tuple[str, int], list[float]] = {}
        self._known: dict[tuple[str, int], Vector] = {}
        for episode in episodes:
            decisions = episode.decisions
            for at, decision in enumerate(decisions):
                if decision.arm is None or decision.stopped or not decision.chances:
                    continue
                bad = episode.failed if at == len(decisions) - 1 else True
                for kind in (decision.kind, ""):  # "": all kinds together
                    counts = self._seen.setdefault((kind, decision.arm), [0.0, 0.0])
                    counts[bad] += 1.0

    def after(self, kind: str, retry: int, arm: int) -> Vector:
        """What is expected after a wait: a retry that may fail, and what follows then."""
        good, bad = self._seen.get(("", arm), (0.0, 0.0))
        prior = (bad + _BELIEF) / (good + bad + 2 * _BELIEF)
        good, bad = self._seen.get((kind, arm), (0.0, 0.0))
        chance = (bad + 2 * prior) / (good + bad + 2)
        failed, attempts, wait = self.of(kind, retry + 1)
        return chance * failed, 1.0 + chance * attempts, self._waits[arm] + chance * wait

    def of(self, kind: str, retry: int) -> Vector:
        """What is expected of the policy after a failure."""
        if retry >= min(self._policy.attempts, _DEEP):
            return 1.0, 0.0, 0.0
        known = self._known.get((kind, retry))
        if known is None:
            chances, _ = self._policy.chances(retry)
            failed, attempts, wait = 1.0 - sum(chances), 0.0, 0.0
            for arm, chance in enumerate(chances):
                if chance:
                    after = self.after(kind, retry, arm)
                    failed += chance * after[0]
                    attempts += chance * after[1]
                    wait += chance * after[2]
            known = self._known[kind, retry] = failed, attempts, wait
        return known


def evaluate(episodes: Sequence[Episode], policy: RetryPolicy, waits: Sequence[float]) -> Evaluation:
    """Estimate what another policy comes to.

    Args:
        episodes: The logged calls, at least one.
        policy: The other policy.
        waits: The waits that the logged policy chooses from, in seconds.
    """
    halves = episodes[::2], episodes[1::2]
    models = _Model(halves[1], policy, waits), _Model(halves[0], policy, waits)  # rule 3
    rows: list[Vector] = []
    weights: list[float] = []
    uncovered = 0.0
    for at, episode in enumerate(episodes):
        value, weight, missed = _value(episode, policy, models[at % 2])
        rows.append(value)
        if episode.decisions:
            weights.append(weight)
            uncovered += missed
    squares = sum(weight * weight for weight in weights)
    effective = sum(weights) ** 2 / squares if squares else 0.0
    return _summed(rows, effective, max(0.0, uncovered / len(weights)) if weights else 0.0, len(weights))


def logged(episodes: Sequence[Episode]) -> Evaluation:
    """What the logged policy came to."""
    rows = [
        (float(each.failed), float(each.attempts), sum(one.wait for one in each.decisions if not one.stopped))
        for each in episodes
    ]
    failing = sum(bool(each.decisions) for each in episodes)
    return _summed(rows, float(failing), 0.0, failing)


def _value(episode: Episode, policy: RetryPolicy, model: _Model) -> tuple[Vector, float, float]:
    """Return what one call says of the policy, its weight, and how much of it is not covered."""
    after: Vector = float(episode.failed), 0.0, 0.0
    weight = 1.0
    made = episode.attempts - episode.others
    missed = float(episode.spent and policy.attempts > made)  # rule 5
    for decision in reversed(episode.decisions):
        if decision.retry >= policy.attempts or decision.stopped:  # rules 1 and 2
            after, weight, missed = (1.0, 0.0, 0.0), 1.0, 0.0
        elif decision.chances:
            after, weight, missed = _corrected(decision, policy, model, (*after, weight, missed))
        else:  # rules 2 and 5
            missed = 1.0 if decision.unknown else missed
            if decision.retry < made:
                after = after[0], after[1] + 1.0, after[2] + decision.wait
    return (after[0], after[1] + 1.0 + episode.others, after[2]), weight, missed


def _corrected(
    decision: Decision, policy: RetryPolicy, model: _Model, seen: tuple[float, float, float, float, float]
) -> tuple[Vector, float, float]:
    """Return what is expected of the policy after a failure, corrected by what was seen after the chosen wait."""
    told, longer = policy.chances(decision.retry)
    allowed = len(decision.chances)
    chances = told[:allowed]
    value = [1.0 - sum(chances), 0.0, 0.0]
    for arm, chance in enumerate(chances):
        if chance:
            _add(value, chance, model.after(decision.kind, decision.retry, arm))
    ratio = 0.0
    arm = decision.arm if decision.arm is not None else -1
    if arm >= 0 and decision.chances[arm]:
        ratio = chances[arm] / decision.chances[arm]
    if ratio:
        _add(value, -ratio, model.after(decision.kind, decision.retry, arm))
        _add(value, ratio, (seen[0], seen[1] + 1.0, seen[2] + decision.wait))
    never = sum(chance for chance, logged in zip(chances, decision.chances, strict=True) if not logged)
    beyond = longer if allowed == len(told) else 0.0  # else it would come after the deadline: no retry
    failed, attempts, wait = value
    return (failed, attempts, wait), 1.0 - sum(chances) + ratio * seen[3], beyond + never + ratio * seen[4]


def _add(value: list[float], share: float, vector: Vector) -> None:
    for place, each in enumerate(vector):
        value[place] += share * each


def _summed(rows: Sequence[Vector], effective: float, uncovered: float, failing: int) -> Evaluation:
    figures = []
    wide = _NORMAL * (1.0 + _SKEWED / max(effective, _SKEWED))
    for place, (least, most) in enumerate(((0.0, 1.0), (1.0, None), (0.0, None))):
        values = [row[place] for row in rows]
        mean = sum(values) / len(values)
        spread = sqrt(sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1) / len(values))
        low, high = mean - wide * spread, mean + wide * spread
        if place == 0:
            low -= uncovered * failing / len(rows)
            if spread == 0.0 and mean in {0.0, 1.0}:
                low, high = (low, mean + _ZERO_OF / len(rows)) if mean == 0.0 else (mean - _ZERO_OF / len(rows), high)
        low, high, mean = (
            max(least, each) if most is None else min(most, max(least, each)) for each in (low, high, mean)
        )
        figures.append(Figure(mean, low, high))
    failed, attempts, wait = figures
    return Evaluation(failed, attempts, wait, effective=effective, uncovered=uncovered)


NEEDED: Final = 50.0
"""Effective samples: with fewer, an interval from a normal distribution says nothing."""
MOST_UNCOVERED: Final = 0.05
"""The share of calls with a failure that may be uncovered."""
