"""Logged calls, and what other retry policies are expected to come to, from how the retries of these calls have ended.

The rules are those of off_policy.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_BELIEF = 1.0  # retries of a wait that failed, and that did not, before any was seen
DEEP: Final = 12
"""Retries that the model looks ahead."""

Vector = tuple[float, float, float]
"""Failed (0 or 1), attempts, seconds of waiting."""
Counts = dict[tuple[str, int], list[float]]
"""Retries that ended well, and that did not, by kind and wait."""


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
        unknown: Whether the wait was chosen by something that doesn't say how likely it was.
        held: Whether it is no failure, but a wait for a host that refused connections (rule 6).
    """

    kind: str
    retry: int
    arm: int | None = None
    chances: Sequence[float] = ()
    wait: float = 0.0
    stopped: bool = False
    unknown: bool = False
    held: bool = False


@dataclass(slots=True)
class Episode:
    """One logged call.

    Attributes:
        decisions: What was decided after its failures, in order.
        failed: How it ended.
        attempts: Its attempts.
        spent: Whether it ended because all attempts were made: a policy with more would have gone on.
        others: Attempts that are no retries, beside the first: after a redirect, or on another connection. -1 where
            nothing was sent.
    """

    decisions: list[Decision] = field(default_factory=list)
    failed: bool = False
    attempts: int = 1
    spent: bool = False
    others: int = 0


class Outcomes:
    """How the retries of each kind and wait have ended, for each half of the calls (rule 3)."""

    def __init__(self) -> None:
        self._halves: tuple[Counts, Counts] = {}, {}

    def add(self, number: int, episode: Episode) -> None:
        """Take in a call, by its number."""
        half, decisions = self._halves[number % 2], episode.decisions
        for at, decision in enumerate(decisions):
            if decision.arm is None or decision.stopped or not decision.chances:
                continue
            after = decisions[at + 1] if at + 1 < len(decisions) else None
            if after is not None and after.held:  # it ended otherwise than it would have
                continue
            bad = episode.failed if after is None else True
            for kind in (decision.kind, ""):  # "": all kinds together
                half.setdefault((kind, decision.arm), [0.0, 0.0])[bad] += 1.0

    def elsewhere(self, half: int) -> Counts:
        """What the calls of the other half have led to."""
        return self._halves[1 - half]


class Model:
    """What is expected of a policy, from how often retries of each kind and wait failed.

    Args:
        seen: How they have ended (`Outcomes.elsewhere`).
        policy: The policy.
        waits: The waits that the logged policy chooses from, in seconds.
    """

    def __init__(self, seen: Counts, policy: RetryPolicy, waits: Sequence[float]) -> None:
        self._policy = policy
        self._waits = waits
        self._seen = seen
        self._known: dict[tuple[str, int], Vector] = {}

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
        if retry >= min(self._policy.attempts, DEEP):
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
