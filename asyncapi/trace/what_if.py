"""Ask a trace what another retry policy would have led to, without sending anything.

Rules:
1. The trace needs the decisions of a learned policy (`Retry(policy=Learned())`), which tries each wait now and then,
   and records how likely it was to. Of any trace it can be said what no retries at all would have led to.
2. A call has failed if it ended without a response below 400; one with a fallback's response has, too.
3. Calls that their callers cancelled are left out.
4. Calls are taken as independent of each other, and the load of another policy as no different: one that sends much
   more than the recorded one may do worse than estimated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.sansio.failures.learned import LONGEST, WAITS, propensities
from asyncapi.sansio.failures.off_policy import (
    MOST_UNCOVERED,
    NEEDED,
    Decision,
    Episode,
    Evaluation,
    Figure,
    evaluate,
    logged,
)
from asyncapi.trace.policies import policy_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.trace.format import Trace
    from asyncapi.trace.policies import Spec

_MIDDLES = tuple((shortest + longest) / 2 for shortest, longest in zip(WAITS, LONGEST, strict=True))
_WAITED = re.compile(r"retried after ([0-9.]+(?:e[-+]?\d+)?) s(?: \((backoff|wait strategy))?")
_DRAWN = frozenset({"backoff", "wait strategy"})  # another policy would have waited otherwise; others: as a server asks
_CERTAIN = 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a policy would have led to.

    Attributes:
        policy: The policy, as it was asked for; "recorded" for that of the trace.
        evaluation: The estimate with its intervals; None where the trace can't tell.
        why_not: Why the trace can't tell; "".
        calls: The calls that count.
        failing: Those whose first attempt failed.
    """

    policy: str
    evaluation: Evaluation | None
    why_not: str
    calls: int
    failing: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        told: dict[str, Any] = {"policy": self.policy, "calls": self.calls, "failing": self.failing}
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
    specs = [(text, policy_of(text)) for text in policies]
    episodes = _episodes(trace)
    if not episodes:
        raise ConfigError("the trace has no calls that ended: record some with asyncapi.trace.Recorder")
    failing = sum(bool(each.decisions) for each in episodes)
    found = [WhatIf("recorded", logged(episodes), "", len(episodes), failing)]
    for text, spec in specs:
        if spec is None:
            found.append(WhatIf(text, found[0].evaluation, "", len(episodes), failing))
            continue
        evaluation = evaluate(episodes, spec, _MIDDLES)
        why = _why_not(episodes, spec, evaluation)
        found.append(WhatIf(text, None if why else evaluation, why, len(episodes), failing))
    return found


def _why_not(episodes: Sequence[Episode], policy: Spec, evaluation: Evaluation) -> str:
    """Say why the trace can't tell; "" where it can."""
    decided = [each for episode in episodes for each in episode.decisions if each.chances]
    drawn = any(each.unknown for episode in episodes for each in episode.decisions)
    failing = sum(bool(each.decisions) for each in episodes)
    if policy.attempts == 1 or not failing:
        return ""
    if not decided and not drawn:
        return ""
    if not decided:
        return "no decision in the trace says how likely it was: record with Retry(policy=Learned())"
    if all(max(each.chances, default=1.0) >= _CERTAIN or not sum(each.chances) for each in decided):
        return "the recorded policy never tries another wait (explore=0): what else would have come of it is unknown"
    if evaluation.uncovered > MOST_UNCOVERED:
        longest = max(len(each.chances) for each in decided)
        return (
            f"in {evaluation.uncovered:.0%} of the calls with a failure the policy waits longer than the "
            f"{LONGEST[longest - 1]:g} s that were tried, or makes more attempts"
        )
    if evaluation.effective < NEEDED:
        return (
            f"too few calls did what the policy does: {failing:,} calls with a failure are worth "
            f"{evaluation.effective:.0f}, and {NEEDED:.0f} are needed; record more, or with a larger explore="
        )
    return ""


def _episodes(trace: Trace) -> list[Episode]:
    """Read the decisions of a trace.

    Raises:
        ConfigError: They can't be read.
    """
    found: list[Episode] = []
    for number, steps in enumerate(trace.decisions, 1):
        try:
            episode = _episode(steps)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError):
            raise ConfigError(
                f"the decisions of call {number} can't be read: is the trace one of this version?"
            ) from None
        if episode is not None:
            found.append(episode)
    return found


def _episode(steps: Sequence[Any]) -> Episode | None:
    """Read one call; None for one that doesn't count (rule 3)."""
    *attempts, end = steps
    if end == "cancelled" or not attempts:
        return None
    then = str(attempts[-1][3])
    episode = Episode([], _failed(str(end)), len(attempts), spent="attempts made" in then)
    for place, step in enumerate(attempts, 1):
        said, last, retry = str(step[3]), place == len(attempts), len(episode.decisions) + 1
        learned = step[6].get("learned") if len(step) > 6 else None  # noqa: PLR2004 - the number of what else a step has
        if learned is not None:
            episode.decisions.append(_decision(learned, retry))
        elif last and episode.failed and said.startswith("gave up"):
            episode.decisions.append(Decision("", retry, stopped=not episode.spent))
        elif not last and (waited := _WAITED.match(said)):
            episode.decisions.append(Decision("", retry, wait=float(waited[1]), unknown=waited[2] in _DRAWN))
        elif not last:
            episode.others += 1
    return episode


def _failed(end: str) -> bool:
    """Whether a call has failed (rule 2)."""
    status = end.partition(",")[0]
    return not (status.isdecimal() and int(status) < 400) or ", degraded: " in end  # noqa: PLR2004 - where errors begin


def _decision(told: dict[str, Any], retry: int) -> Decision:
    arm, allowed, best, propensity = told["arm"], int(told["arms"]), told["best"], float(told["propensity"])
    if not 0 <= allowed <= len(WAITS) or not 0 < propensity <= 1 or not (arm is None or 0 <= arm < allowed):
        raise ValueError
    if not allowed:
        explore = 0.0
    elif arm != best:
        explore = propensity * allowed
    elif best is None:
        explore = 1.0 - propensity
    else:
        explore = 0.0 if allowed == 1 else (1.0 - propensity) / (1.0 - 1.0 / allowed)
    chances = propensities(allowed, best, min(1.0, explore))[:-1]
    wait = 0.0 if told["wait"] is None else float(told["wait"])
    return Decision(
        f"{told['route']} {told['kind']}", retry, arm, chances, wait, stopped=bool(told["overruled"]) or not allowed
    )
