"""Write down what was learned, read it again, and join what several processes have learned.

The text is JSON: `{"format": ..., "version": 1, "seen": [[host, route, kind, at, good, bad, tried, won], ...]}`, `at`
being a date in seconds since the Unix epoch. The newest 1,000 keys are kept.

Joining: each process adds what it has seen since it last read the text, and takes over what others have added. What was
there counts less after as many retries as this process has seen since, and with time, as everywhere (learned.py).
"""

from __future__ import annotations

import json
from math import inf, isfinite
from typing import Any, Final

from asyncapi.sansio.failures.learned import HALF_LIFE, WAITS
from asyncapi.sansio.failures.retry_keys import Key

FORMAT: Final = "asyncapi learned retries"
VERSION: Final = 1
MOST_ROWS: Final = 1000

_MOST_TEXT = 1024  # characters of a host, a route, a kind
_MOST_SEEN = 1e9  # retries: more cannot be told apart

Place = tuple[str, Key]
"""A host, and a key of it."""


class Counts:
    """What the retries of one key have led to, as numbers.

    Attributes:
        at: The date at which it counts as it is here, seconds since the Unix epoch.
        good: As in `Seen`.
        bad: As in `Seen`.
        tried: As in `Seen`.
        won: As in `Seen`.
    """

    __slots__ = ("at", "bad", "good", "tried", "won")

    def __init__(self, at: float, good: list[float], bad: list[float], tried: float, won: float) -> None:
        self.at: float = at
        self.good: list[float] = good
        self.bad: list[float] = bad
        self.tried: float = tried
        self.won: float = won

    def aged(self, wall: float) -> Counts:
        """The same at a later date; a date before its own changes nothing."""
        return self.scaled(0.5 ** (max(0.0, wall - self.at) / HALF_LIFE), wall)

    def scaled(self, share: float, at: float) -> Counts:
        """A share of it, as of a date."""
        return Counts(
            at, [count * share for count in self.good], [count * share for count in self.bad],
            self.tried * share, self.won * share,
        )  # fmt: skip

    def plus(self, other: Counts, sign: float = 1.0) -> Counts:
        """The sum of both, or with -1 the difference, never below nothing."""
        return Counts(
            self.at,
            [max(0.0, one + sign * two) for one, two in zip(self.good, other.good, strict=True)],
            [max(0.0, one + sign * two) for one, two in zip(self.bad, other.bad, strict=True)],
            max(0.0, self.tried + sign * other.tried),
            max(0.0, self.won + sign * other.won),
        )


class Foreign(ValueError):
    """The text is not what was learned; `newer` if it is that of a later version, which is to be left alone."""

    def __init__(self, why: str, *, newer: bool = False) -> None:
        super().__init__(why)
        self.newer = newer


def nothing(at: float) -> Counts:
    """What is known of a key before anything was seen."""
    return Counts(at, [0.0] * len(WAITS), [0.0] * len(WAITS), 0.0, 0.0)


def write(rows: dict[Place, Counts]) -> str:
    """Write down what was learned."""
    fit = (row for row in rows.items() if len(row[0][0]) <= _MOST_TEXT)
    newest = sorted(fit, key=lambda row: -row[1].at)[:MOST_ROWS]
    seen = [
        [
            host, route, kind, round(counts.at, 3), _rounded(counts.good), _rounded(counts.bad),
            round(counts.tried, 4), round(counts.won, 4),
        ]
        for (host, (route, kind)), counts in newest
    ]  # fmt: skip
    return json.dumps({"format": FORMAT, "version": VERSION, "seen": seen}, separators=(",", ":"))


def read(text: str, wall: float = inf) -> dict[Place, Counts]:
    """Read what was written down.

    Args:
        text: The text.
        wall: Now, as a date: what seems to come from later is as of now. A clock was wrong when it was written, or is.

    Raises:
        Foreign: It is something else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Foreign("it is not JSON") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Foreign("it is something else")
    version = found.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise Foreign("a later version of asyncapi has written it" if newer else "its version is unknown", newer=newer)
    rows = found.get("seen")
    if not isinstance(rows, list):
        raise Foreign("it has no rows")
    return dict(_row(row, wall) for row in rows[:MOST_ROWS])


def _row(row: Any, wall: float) -> tuple[Place, Counts]:
    try:
        host, route, kind, at, good, bad, tried, won = row
        texts, numbers = (host, route, kind), (at, *good, *bad, tried, won)
        right = (
            all(isinstance(text, str) and len(text) <= _MOST_TEXT for text in texts)
            and len(good) == len(bad) == len(WAITS)
            and all(type(number) in {int, float} and isfinite(number) and number >= 0 for number in numbers)
            and max(*good, *bad, tried, won) <= _MOST_SEEN
        )
    except (TypeError, ValueError, OverflowError):
        right = False
    if not right:
        raise Foreign("a row of it is broken")
    return (host, (route, kind)), Counts(min(float(at), wall), _floats(good), _floats(bad), float(tried), float(won))


def _rounded(counts: list[float]) -> list[float]:
    return [round(count, 4) for count in counts]


def _floats(counts: list[Any]) -> list[float]:
    return [float(count) for count in counts]
