"""Ask a trace what another retry policy would have led to, without sending anything.

Rules:
1. The trace needs the decisions of a learned policy (`Retry(policy=Learned())`), which tries each wait now and then,
   and records how likely it was to. Of any trace it can be said what no retries at all would have led to.
2. Calls are taken as independent of each other, and the load of another policy as no different: one that sends much
   more than the recorded one may do worse than estimated. Its retry budget is not taken into account.
3. A wait of another policy stands for the recorded wait that is nearest to it (policies.py).
4. Calls are read one by one, and twice: a trace may be larger than memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.sansio.failures.learned import LONGEST, WAITS
from asyncapi.sansio.failures.off_policy import MOST_UNCOVERED, NEEDED, Estimate, Evaluation, Figure, Logged
from asyncapi.sansio.failures.outcomes import Outcomes
from asyncapi.trace.episodes import episodes
from asyncapi.trace.policies import policy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asyncapi.sansio.failures.outcomes import Episode
    from asyncapi.trace.format import Trace
    from asyncapi.trace.policies import Spec

_MIDDLES = tuple((shortest + longest) / 2 for shortest, longest in zip(WAITS, LONGEST, strict=True))
_CERTAIN = 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a policy would have led to.

    Attributes:
        policy: The policy, as it was asked for; "recorded" for that of the trace.
        evaluation: The estimate with its intervals; None where the trace can't tell.
        why_not: Why the trace can't tell; "".
        calls: The calls that count.
        failing: Those with a failed attempt.
        held: Those that waited until their host accepted connections (`Learned(hold=True)`). Without that they would
            have been refused, most likely: so the lower end of an interval counts them as good, the estimate as failed.
    """

    policy: str
    evaluation: Evaluation | None
    why_not: str
    calls: int
    failing: int
    held: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        told: dict[str, Any] = {"policy": self.policy, "calls": self.calls, "failing": self.failing}
        told["held"] = self.held
        evaluation = self.evaluation
        told["tells"] = evaluation is not None
        if evaluation is None:
            return {**told, "why_not": self.why_not}
        for name in ("failed", "attempts", "wait"):
            figure: Figure = getattr(evaluation, name)
            told[name] = {"mean": figure.mean, "low": figure.low, "high": figure.high}
        return {**told, "effective": evaluation.effective, "uncovered": evaluation.uncovered}


def what_if(trace: Trace, *policies: str) -> list[WhatIf]:
    """Estimate what retry policies would have led to in the calls of a trace; the recorded one comes first.

    Args:
        trace: What was recorded.
        policies: "none", "default", "learned" (the recorded one), "attempts=6,base=1,cap=10" or "wait=0.5,attempts=3".

    Raises:
        ConfigError: A policy makes no sense, or the trace has no decisions that can be read.
    """
    return estimates(lambda: trace.decisions, policies)


def estimates(decisions: Callable[[], Iterable[Sequence[Any]]], policies: Sequence[str]) -> list[WhatIf]:
    """Do what `what_if` does, with decisions that are read once more at each call.

    Args:
        decisions: Begins to read the decisions of a trace (`Trace.decisions`).
        policies: As in `what_if`.

    Raises:
        ConfigError: As in `what_if`.
    """
    specs = [(text, policy_of(text)) for text in policies]
    survey, outcomes = _Survey(), Outcomes()
    for number, episode in enumerate(episodes(decisions())):
        survey.add(episode)
        outcomes.add(number, episode)
    if not survey.calls:
        raise ConfigError("the trace has no calls that ended: record some with asyncapi.trace.Recorder")
    recorded = Logged()
    asked = [(text, spec, None if spec is None else Estimate(spec, _MIDDLES, outcomes)) for text, spec in specs]
    for number, episode in enumerate(episodes(decisions())):
        recorded.add(episode)
        for _, _, estimate in asked:
            if estimate is not None:
                estimate.add(number, episode)
    found = [survey.told("recorded", recorded.evaluation(), "")]
    for text, spec, estimate in asked:
        evaluation = found[0].evaluation if estimate is None else estimate.evaluation()
        why = "" if spec is None or evaluation is None else _why_not(survey, spec, evaluation)
        found.append(survey.told(text, None if why else evaluation, why))
    return found


class _Survey:
    """What there is in the calls of a trace."""

    def __init__(self) -> None:
        self.calls = 0
        self.failing = 0  # those with a failed attempt
        self.held = 0  # those that waited for their host
        self.decided = False  # whether a decision says how likely it was
        self.explored = False  # whether one could have been another
        self.drawn = False  # whether a policy has drawn a wait and doesn't say how likely it was
        self.longest = 0  # the number of waits that were tried

    def add(self, episode: Episode) -> None:
        """Take in a call."""
        self.calls += 1
        held = False
        for each in episode.decisions:
            held = held or each.held
            self.drawn = self.drawn or each.unknown
            if each.chances:
                self.decided = True
                self.explored = self.explored or (sum(each.chances) > 0 and max(each.chances) < _CERTAIN)
                self.longest = max(self.longest, len(each.chances))
        self.held += held
        self.failing += any(not each.held for each in episode.decisions)

    def told(self, policy: str, evaluation: Evaluation | None, why: str) -> WhatIf:
        """What a policy comes to in these calls."""
        return WhatIf(policy, evaluation, why, self.calls, self.failing, self.held)


def _why_not(survey: _Survey, policy: Spec, evaluation: Evaluation) -> str:
    """Say why the trace can't tell; "" where it can."""
    if policy.attempts == 1 or not evaluation.failing:
        return ""
    uncovered = evaluation.uncovered > MOST_UNCOVERED
    if uncovered and survey.held > MOST_UNCOVERED * evaluation.failing:
        return (
            f"{survey.held:,} calls waited until their host accepted connections, and what other retries would have "
            "met meanwhile is unknown: record with Learned(hold=False)"
        )
    if not survey.decided:
        unknown = "no decision in the trace says how likely it was: record with Retry(policy=Learned())"
        return unknown if uncovered else ""
    if not survey.explored:
        return "the recorded policy never tries another wait (explore=0): what else would have come of it is unknown"
    if uncovered:
        return (
            f"in {evaluation.uncovered:.0%} of the calls with a failure the policy waits longer than the "
            f"{LONGEST[survey.longest - 1]:g} s that were tried, or makes more attempts"
        )
    if evaluation.effective < NEEDED:
        worth = evaluation.effective
        more = "more" if worth < 1 else f"some {ceil(NEEDED / worth)} times as many calls"
        return (
            f"too few calls did what the policy does: {evaluation.failing:,} calls with a failure are worth "
            f"{worth:.0f}, and {NEEDED:.0f} are needed; record {more}, or with a larger explore="
        )
    return ""
