"""Estimate the share of attempts that a host refuses whatever is sent: what no limit of its explains.

One binomial estimate, shared by what learns a limit from refusals: `adaptive.py` (attempts at a time) and `pacing.py`
(attempts a second). It is learned where the limit can't be the reason, and left out of account where one is looked for.
"""

from __future__ import annotations

from math import inf, sqrt

_WEIGHT = 200  # answers at which a sample weighs as much as all before
_LARGE = 20  # answers in a sample
_MOST = 0.4  # of a sample refused: more is a limit
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


class Sample:
    """Answers that the background is learned from, as they come in.

    Attributes:
        answers: How many.
        refused: Of them.
        since: Only attempts sent after it count: others went at another rate.
    """

    __slots__ = ("_marked", "answers", "refused", "since")

    def __init__(self) -> None:
        self.answers = self.refused = 0
        self.since = -inf
        self._marked = 0, 0

    def add(self, sent_at: float, *, refused: int) -> None:
        """One more."""
        if sent_at > self.since:
            self.answers += 1
            self.refused += refused

    def mark(self) -> None:
        """What comes now may be evidence of a limit."""
        self._marked = self.answers, self.refused

    def forget(self) -> None:
        """It was: go back to the mark."""
        self.answers, self.refused = self._marked

    def teach(self, background: Background) -> bool:
        """Have the background learn from it, if it is large enough: whether it did."""
        if self.answers < _LARGE:
            return False
        learned = self.refused <= _MOST * self.answers
        if learned:
            background.learn(self.answers, self.refused)
        self.answers = self.refused = 0
        return learned
