"""Estimate the share of attempts that a host refuses whatever is sent: what no limit of its explains.

One binomial estimate, used wherever a limit is learned from refusals: in `ceiling.py` (attempts at a time) and
`pacing.py` (attempts a second). It is learned where no limit can be the reason, and left out of account elsewhere.
"""

from __future__ import annotations

from math import inf, sqrt

_WEIGHT = 200  # responses at which a sample weighs as much as all before
_LARGE = 20  # responses in a sample, at least
_MOST = 0.4  # of a sample refused: more is a limit
_SIGMAS = 3.0  # standard deviations that chance may add to what is expected


class Background:
    """The share of attempts that a host refuses at random.

    Args:
        seen: Responses without a refusal that are taken for seen at the start.

    Attributes:
        share: The estimate, from 0 to 1; 0 until something is learned.
    """

    __slots__ = ("_seen", "share")

    def __init__(self, seen: int = _WEIGHT) -> None:
        self.share: float = 0.0
        self._seen = seen

    def learn(self, responses: int, refused: int) -> None:
        """Take in a sample: of so many responses, so many were refusals, and no limit was the reason."""
        self.share += (refused / responses - self.share) * responses / (responses + self._seen)
        self._seen = min(_WEIGHT, self._seen + responses)

    def explains(self, responses: int) -> float:
        """How many refusals among so many responses may be chance: one, and what is expected with three sigmas."""
        expected = self.share * responses
        return 1.0 + expected + _SIGMAS * sqrt(expected)


class Sample:
    """Responses that the background is learned from, as they come in.

    Args:
        responses: How many came before, none of them a refusal.

    Attributes:
        responses: How many there are.
        refused: How many of them are refusals.
        since: Only attempts sent after it count: others went at another rate.
    """

    __slots__ = ("_marked", "refused", "responses", "since")

    def __init__(self, responses: int = 0) -> None:
        self.responses: int = responses
        self.refused: int = 0
        self.since: float = -inf
        self._marked = 0, 0

    def add(self, sent_at: float, *, refused: int) -> None:
        """Count a response."""
        if sent_at > self.since:
            self.responses += 1
            self.refused += refused

    def mark(self) -> None:
        """Mark where evidence of a limit may begin."""
        self._marked = self.responses, self.refused

    def forget(self) -> None:
        """Go back to the mark: what came since was evidence of a limit."""
        self.responses, self.refused = self._marked

    def teach(self, background: Background) -> bool:
        """Let the background learn from the sample, if it is large enough: whether it did."""
        if self.responses < _LARGE:
            return False
        learned = self.refused <= _MOST * self.responses
        if learned:
            background.learn(self.responses, self.refused)
        self.responses = self.refused = 0
        return learned
