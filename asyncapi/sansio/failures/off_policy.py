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
6. A call that was held because its host refused connections would have been refused without that, most likely. So rule
   5 holds for all that follows, whatever the other policy is.
7. Calls are read twice, one by one: what is kept does not grow with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING, Final

from asyncapi.sansio.failures.outcomes import DEEP, Model, Outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asyncapi.sansio.failures.outcomes import Decision, Episode, RetryPolicy, Vector

_NORMAL = 1.96  # of an interval of 95 %
_SKEWED = 5.0  # weights are: with so many effective samples the interval is twice as wide, with many no wider
_ZERO_OF = 3.0  # none of n seen: at most 3 / n, at 95 %


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
        failing: The calls with a failure, or held.
    """

    failed: Figure
    attempts: Figure
    wait: Figure
    effective: float
    uncovered: float
    failing: int


class Estimate:
    """What another policy comes to, from calls that are taken in one by one.

    Args:
        policy: The other policy.
        waits: The waits that the logged policy chooses from, in seconds.
        outcomes: How the retries of the same calls have ended.
    """

    def __init__(self, policy: RetryPolicy, waits: Sequence[float], outcomes: Outcomes) -> None:
        self._policy = policy
        self._models = tuple(Model(outcomes.elsewhere(half), policy, waits) for half in (0, 1))
        self._sums = _Sums()
        self._failing = 0
        self._weight = self._squares = self._uncovered = 0.0

    def add(self, number: int, episode: Episode) -> None:
        """Take in a call, by its number."""
        value, weight, missed = _value(episode, self._policy, self._models[number % 2])
        self._sums.add(value)
        if episode.decisions:
            self._failing += 1
            self._weight += weight
            self._squares += weight * weight
            self._uncovered += missed

    def evaluation(self) -> Evaluation:
        """What the calls come to."""
        effective = self._weight**2 / self._squares if self._squares else 0.0
        uncovered = max(0.0, self._uncovered / self._failing) if self._failing else 0.0
        return self._sums.summed(effective, uncovered, self._failing, self._policy.attempts)


class Logged:
    """What the logged policy came to, from calls that are taken in one by one."""

    def __init__(self) -> None:
        self._sums = _Sums()
        self._failing = 0

    def add(self, episode: Episode) -> None:
        """Take in a call."""
        wait = sum(one.wait for one in episode.decisions if not one.stopped)
        self._sums.add((float(episode.failed), float(episode.attempts), wait))
        self._failing += bool(episode.decisions)

    def evaluation(self) -> Evaluation:
        """What the calls come to."""
        return self._sums.summed(float(self._failing), 0.0, self._failing, 1)


def evaluate(episodes: Iterable[Episode], policy: RetryPolicy, waits: Sequence[float]) -> Evaluation:
    """Estimate what another policy comes to.

    Args:
        episodes: The logged calls, at least one.
        policy: The other policy.
        waits: The waits that the logged policy chooses from, in seconds.
    """
    calls, outcomes = list(episodes), Outcomes()
    for number, episode in enumerate(calls):
        outcomes.add(number, episode)
    estimate = Estimate(policy, waits, outcomes)
    for number, episode in enumerate(calls):
        estimate.add(number, episode)
    return estimate.evaluation()


def logged(episodes: Iterable[Episode]) -> Evaluation:
    """What the logged policy came to, in at least one call."""
    found = Logged()
    for episode in episodes:
        found.add(episode)
    return found.evaluation()


def _value(episode: Episode, policy: RetryPolicy, model: Model) -> tuple[Vector, float, float]:
    """Return what one call says of the policy, its weight, and how much of it is not covered."""
    after: Vector = float(episode.failed), 0.0, 0.0
    weight = 1.0
    made = episode.attempts - episode.others
    missed = float(episode.spent and policy.attempts > made)  # rule 5
    for decision in reversed(episode.decisions):
        if decision.held:  # rule 6
            after, weight, missed = (1.0, 0.0, 0.0), 1.0, 1.0
        elif decision.retry >= policy.attempts or decision.stopped:  # rules 1 and 2
            after, weight, missed = (1.0, 0.0, 0.0), 1.0, 0.0
        elif decision.chances:
            after, weight, missed = _corrected(decision, policy, model, (*after, weight, missed))
        elif decision.unknown:  # rule 5
            after, weight, missed = (1.0, 0.0, 0.0), 1.0, 1.0
        elif decision.retry < made:  # rule 2
            after = after[0], after[1] + 1.0, after[2] + decision.wait
    return (after[0], after[1] + 1.0 + episode.others, after[2]), weight, missed


def _corrected(
    decision: Decision, policy: RetryPolicy, model: Model, seen: tuple[float, float, float, float, float]
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


class _Sums:
    """Sums of what calls came to, and of its squares."""

    def __init__(self) -> None:
        self._calls = 0
        self._sums = [0.0, 0.0, 0.0]
        self._squares = [0.0, 0.0, 0.0]

    def add(self, row: Vector) -> None:
        self._calls += 1
        for place, value in enumerate(row):
            self._sums[place] += value
            self._squares[place] += value * value

    def summed(self, effective: float, uncovered: float, failing: int, attempts: int) -> Evaluation:
        """Make the figures, with their intervals.

        Args:
            effective: How many of the calls with a failure the estimate is worth.
            uncovered: The share of them that is not covered (rule 5).
            failing: How many they are.
            attempts: Attempts at most, of the policy.
        """
        calls, figures = self._calls, list[Figure]()
        wide = _NORMAL * (1.0 + _SKEWED / max(effective, _SKEWED))
        missed, unseen = uncovered * failing / calls, 0.0
        if attempts > 1 and effective:  # none of them failed: still, one in `effective / 3` might
            unseen = _ZERO_OF / effective * failing / calls
        more = 0.0, missed * (min(attempts, DEEP) - 1), 0.0
        for place, (least, most) in enumerate(((0.0, 1.0), (0.0, inf), (0.0, inf))):
            mean = self._sums[place] / calls
            variance = max(0.0, self._squares[place] - calls * mean * mean) / max(1, calls - 1)
            reach = wide * sqrt(variance / calls)
            low, high = mean - reach, mean + reach + more[place]
            if place == 0:
                low, high = low - missed - unseen, high + unseen
                if variance == 0.0 and mean in {0.0, 1.0}:
                    low, high = (low, mean + _ZERO_OF / calls) if mean == 0.0 else (mean - _ZERO_OF / calls, high)
            figures.append(Figure(*(min(most, max(least, each)) for each in (mean, low, high))))
        failed, made, wait = figures
        return Evaluation(failed, made, wait, effective=effective, uncovered=uncovered, failing=failing)


NEEDED: Final = 50.0
"""Effective samples: with fewer, an interval from a normal distribution says nothing."""
MOST_UNCOVERED: Final = 0.05
"""The share of calls with a failure that may be uncovered."""
