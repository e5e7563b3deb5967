"""Estimate the share of attempts that a host refuses whatever is sent: what no limit of its explains.

One binomial estimate, shared by what learns a limit from refusals: `adaptive.py` (attempts at a time) and `pacing.py`
(attempts a second). It is learned where the limit can't be the reason, and left out of account where one is looked for.
"""

from __future__ import annotations

from math import sqrt

_WEIGHT = 200  # answers at which a sample weighs as much as all before
_SIGMAS = 3.0  # standard deviations that chance may add to what is expected


class Background:
    """The share of attempts that a host refuses at random.

    Args:
        seen: Answers without a refusal that are taken for seen at the start.

    Attributes:
        share: The estimate, from 0 to 1; 0 until something is learned.
    """

    __slots__ = ("_seen", "share")

    def __init__(self, seen: int = _WEIGHT) -> None:
        self.share = 0.0
        self._seen = seen

    def learn(self, answers: int, refused: int) -> None:
        """Take in a sample: of so many answers, so many were refusals, and no limit was the reason."""
        self.share += (refused / answers - self.share) * answers / (answers + self._seen)
        self._seen = min(_WEIGHT, self._seen + answers)

    def explains(self, answers: int) -> float:
        """How many refusals among so many answers may be chance: one, and what is expected with three sigmas."""
        expected = self.share * answers
        return 1.0 + expected + _SIGMAS * sqrt(expected)
