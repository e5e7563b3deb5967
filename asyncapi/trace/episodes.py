"""Read what a retry policy has decided in the calls of a trace, for an estimate of other ones.

Rules:
1. A call has failed if it ended without a response below 400; one with a fallback's response has, too.
2. Calls that their callers cancelled are left out.
3. A wait in the queue of a host that refuses connections (`Learned(hold=True)`) is a decision of its own: another
   policy would have sent the attempt, and would have been refused. It is so for a call that was never sent, too.
"""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.sansio.failures.learned import WAITS, propensities
from asyncapi.sansio.failures.outcomes import Decision, Episode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SECONDS = r"([0-9.]+(?:e[-+]?\d+)?) s"
_WAITED = re.compile(rf"retried after {_SECONDS}(?: \((backoff|wait strategy))?")
_DRAWN = frozenset({"backoff", "wait strategy"})  # another policy would have waited otherwise; others: as a server asks
_HELD = re.compile(rf"(?:^|, )hold {_SECONDS}")
_UNSENT = re.compile(rf"has refused connections for .*; the call was held back for {_SECONDS}$", re.DOTALL)
_MORE, _ERRORS = 6, 400  # the place of what a policy has decided in a step; the status from which on one is an error


def episodes(decisions: Iterable[Sequence[Any]]) -> Iterator[Episode]:
    """Read the calls of a trace that count (rule 2), one by one.

    Raises:
        ConfigError: One can't be read.
    """
    for number, steps in enumerate(decisions, 1):
        try:
            episode = _episode(steps)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ZeroDivisionError, OverflowError):
            raise ConfigError(
                f"the decisions of call {number} can't be read: is the trace one of this version?"
            ) from None
        if episode is not None:
            yield episode


def _episode(steps: Sequence[Any]) -> Episode | None:
    if not steps:  # it was under way when the trace was saved
        return None
    *attempts, end = steps
    if end == "cancelled":
        return None
    end = str(end)
    episode = Episode([], _failed(end), len(attempts))
    for place, step in enumerate(attempts, 1):
        _take(episode, step, last=place == len(attempts))
    if unsent := _UNSENT.search(end):
        episode.decisions.append(_held(unsent, episode))
    if not attempts and not episode.decisions:  # nothing was sent: from a cache, or refused by a limit of ours
        episode.others = -1
    return episode


def _take(episode: Episode, step: Sequence[Any], *, last: bool) -> None:
    """Read an attempt, and what was decided after it."""
    held, said = _HELD.search(str(step[2])), str(step[3])
    if held is not None:
        episode.decisions.append(_held(held, episode))
    retry = len(episode.decisions) + 1
    learned = step[_MORE].get("learned") if len(step) > _MORE else None
    if learned is not None:
        episode.decisions.append(_decision(learned, retry))
    elif said.startswith("held until"):
        episode.decisions.append(Decision("", retry, unknown=True))
    elif last and episode.failed and said.startswith("gave up"):
        episode.spent = "attempts made" in said
        episode.decisions.append(Decision("", retry, stopped=not episode.spent))
    elif not last and (waited := _WAITED.match(said)):
        episode.decisions.append(Decision("", retry, wait=float(waited[1]), unknown=waited[2] in _DRAWN))
    elif not last:
        episode.others += 1


def _held(found: re.Match[str], episode: Episode) -> Decision:
    return Decision("", len(episode.decisions) + 1, wait=float(found[1]), held=True)


def _failed(end: str) -> bool:
    """Whether a call has failed (rule 1)."""
    status = end.partition(",")[0]
    return not (status.isdecimal() and int(status) < _ERRORS) or ", degraded: " in end


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
    if not 0 <= wait < inf:
        raise ValueError
    return Decision(
        f"{told['route']} {told['kind']}", retry, arm, chances, wait, stopped=bool(told["overruled"]) or not allowed
    )
