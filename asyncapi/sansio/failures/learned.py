"""Learn whether a retry pays, and after what wait: for each host, route and kind of failure.

What was seen is kept for nine waits, the arms: how many retries after such a wait ended well, and how many did not.
After a failure each wait that ends in time has a value:

    chance      the share that ended well, with a mild belief that retries help (`_BELIEF`) where little has been seen
    value       chance x (1 - patience x wait / time left, at most ten seconds) - price of a retry

The wait with the highest value is chosen; if even that is hardly worth anything, or less than what else can be had at
once (a fallback), there is no retry. It is a multi-armed bandit (epsilon-greedy): a small share of the decisions tries
any of the waits, so that what has changed is noticed.

Rules:
1. It only refuses a retry or picks its wait. What makes a retry unsafe, too late or too many is decided elsewhere.
2. A retry that ended well counts half for the next longer wait, too; one that did not, for the next shorter.
3. What was seen counts half after `memory` further retries of its kind, and half after an hour: a host changes.
4. Every decision takes two draws, whatever is decided; nothing else is random. So a replay decides the same.
5. There are at most 256 keys. Where no place is free, those that come new share one for each kind of failure. A place
   is free once its key was not needed for ten minutes.
6. Where a call has no `route=`, its path stands for it, and each segment with a digit in it, or a very long one, for
   any: `/users/17` and `/users/18` are one route.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.errors import TransportError
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

WAITS: Final = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
"""The waits to choose from, seconds; each is drawn out by up to half a step, so that calls don't come back at once."""
LONGEST: Final = (0.025, 0.075, 0.15, 0.3, 0.6, 1.2, 2.4, 4.8, 9.6)
"""The same, drawn out as far as they go."""

HALF_LIFE: Final = 3600.0
"""Seconds (rule 3)."""

MAX_KEYS = 256  # of one host
_BELIEF = 1.0, 0.5  # retries that ended well, and that did not, before any was seen
_PRICE = 0.15  # of a retry: what it costs the host, in successes
_LEAST = 0.05  # the value from which on a retry is sent
_SPARE = 0.05  # seconds that an attempt needs after the wait, at the very least
_HORIZON = 10.0  # seconds: waiting costs as if no more were left where there are, or where there is no deadline
_AGED = 60.0  # seconds after which the age of what was seen is taken into account
_BIG, _ALMOST_NOTHING = 1e9, 1e-12  # of units and of shares: beyond, numbers would lose their precision
_IDLE = 600.0  # seconds (rule 5)
_OTHERS = "other routes"
_SHARED_FROM = 192  # keys: those after them are shared ones, of one kind of failure each
_SEGMENT, _SEGMENTS = 32, 12  # characters and segments of a path that keys keep
_ROUTE, _KIND = 256, 48  # characters of a route and of a kind

Key = tuple[str, str]
"""Route and kind of failure."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for all hosts of a client.

    Attributes:
        patience: How much the value of a retry falls while it waits: by so many times the share of the time left.
        explore: The share of decisions that try any wait.
        memory: Retries after which what was seen before them counts half.
    """

    patience: float = 1.5
    explore: float = 0.05
    memory: float = 200.0

    @property
    def keep(self) -> float:
        """What is left of what was seen, after one more retry."""
        return float(0.5 ** (1.0 / self.memory))


@dataclass(slots=True, eq=False)
class Choice:
    """What was decided after one failure.

    Attributes:
        key: The route and the kind of failure.
        arm: The number of the chosen wait; None if there is no retry.
        wait: Seconds to wait; 0 if there is no retry.
        value: The value of the chosen wait, or the highest one that was refused; 0 where none ends in time.
        propensity: How likely this choice was, of all that were allowed (rule 4).
        reason: Why, in words.
        allowed: How many waits were allowed: the first ones of `WAITS`.
        best: The number of the wait with the highest value; None if that was too low, or none ends in time.
        explored: Whether it was made to see what happens.
        left: Seconds until the deadline; None without one.
        overruled: What kept the chosen retry from being sent: a rule that stands after this one. "" for nothing.
    """

    key: Key
    arm: int | None
    wait: float
    value: float
    propensity: float
    reason: str
    allowed: int
    best: int | None
    explored: bool
    left: float | None
    seen: Seen
    overruled: str = ""

    def propensities(self, explore: float) -> list[float]:
        """How likely each allowed wait was, and last, how likely it was that there is no retry."""
        return propensities(self.allowed, self.best, explore)

    def as_dict(self) -> dict[str, Any]:
        """Return the choice as plain data, for records and traces."""
        route, kind = self.key
        return {
            "route": route,
            "kind": kind,
            "arm": self.arm,
            "wait": None if self.arm is None else self.wait,
            "value": self.value,
            "propensity": self.propensity,
            "arms": self.allowed,
            "best": self.best,
            "explored": self.explored,
            "left": self.left,
            "reason": self.reason,
            "overruled": self.overruled,
        }


def propensities(allowed: int, best: int | None, explore: float) -> list[float]:
    """How likely each of the allowed waits is, and last, how likely it is that there is no retry.

    Args:
        allowed: How many waits are allowed.
        best: The number of the best one; None where none is good enough.
        explore: The share of decisions that try any.
    """
    if not allowed:
        return [1.0]
    each = [explore / allowed] * allowed
    if best is None:
        return [*each, 1.0 - explore]
    each[best] += 1.0 - explore
    return [*each, 0.0]


class Seen:
    """What the retries of one key have led to.

    Old retries count less (rule 3): counts are in units, and instead of all of them getting smaller, the unit grows.

    Attributes:
        gains: For each wait, how many retries ended well, in units; halves count (rule 2).
        losses: For each wait, how many did not, in units.
        unit: How much one retry counts now.
        tried: Retries in all, in units.
        won: Those that ended well, in units.
        asked: Decisions.
        refused: Decisions against a retry.
        best: The wait that was best at the last decision, as a number; None if none was good enough.
        at: When its age was taken into account last.
        used: When it was needed last.
        left_of: What is left of what was known when it was last written down: a share.
        new: Retries since then.
    """

    __slots__ = (
        "asked", "at", "best", "gains", "left_of", "losses", "new", "refused", "tried", "unit", "used", "won",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.gains: list[float] = [0.0] * len(WAITS)
        self.losses: list[float] = [0.0] * len(WAITS)
        self.unit: float = 1.0
        self.tried: float = 0.0
        self.won: float = 0.0
        self.asked: float = 0.0
        self.refused: float = 0.0
        self.best: int | None = 0
        self.at: float = now
        self.used: float = now
        self.left_of: float = 1.0
        self.new: int = 0

    @property
    def good(self) -> list[float]:
        """For each wait, how many retries ended well; old ones count less."""
        return [count / self.unit for count in self.gains]

    @property
    def bad(self) -> list[float]:
        """For each wait, how many did not."""
        return [count / self.unit for count in self.losses]

    def fill(self, good: list[float], bad: list[float], tried: float, won: float) -> None:
        """Take over what is known from elsewhere, in place of what is known here."""
        self.gains, self.losses, self.tried, self.won = list(good), list(bad), tried, won
        self.unit, self.left_of, self.new = 1.0, 1.0, 0

    def fade(self, share: float) -> None:
        """Let what was seen count less."""
        self.left_of *= share
        self.unit /= max(share, _ALMOST_NOTHING)
        if self.unit > _BIG:
            kept = self.left_of, self.new
            self.fill(self.good, self.bad, self.tried / self.unit, self.won / self.unit)
            self.left_of, self.new = kept

    def grow_old(self, now: float) -> None:
        """Let what was seen count less, as time has passed (rule 3); a clock that was set back changes nothing."""
        age = now - self.at
        if age >= _AGED:
            share = 0.5 ** (age / HALF_LIFE)
            self.fade(share)
            self.asked *= share
            self.refused *= share
            self.at = now
        elif age < 0:
            self.at = now

    def add(self, arm: int, *, good: bool) -> None:
        """Take in how a retry after a wait has ended (rule 2)."""
        unit = self.unit
        self.tried += unit
        self.new += 1
        if good:
            self.won += unit
            self.gains[arm] += unit
            if arm + 1 < len(WAITS):
                self.gains[arm + 1] += unit / 2
        else:
            self.losses[arm] += unit
            if arm:
                self.losses[arm - 1] += unit / 2


class Learning:
    """What one host's retries have led to, and what follows for the next failure.

    Args:
        rules: What is the same for all hosts.
        recall: Fills in what is known of a key from elsewhere when it is first needed; None where nothing is.
    """

    __slots__ = ("_explore", "_keep", "_patience", "_places", "_recall")

    def __init__(self, rules: Rules, recall: Callable[[Key, Seen], object] | None = None) -> None:
        self._recall = recall
        self._patience = rules.patience
        self._explore = rules.explore
        self._keep = rules.keep
        self._places: dict[Key, Seen] = {}

    def choose(
        self,
        key: Key,
        left: float | None,
        draws: tuple[float, float],
        now: float,
        *,
        instead: float = 0.0,
        most: float = inf,
        told: bool = False,
    ) -> Choice:
        """Decide whether to retry, and after what wait.

        Args:
            key: The route and the kind of failure (`key_of`).
            left: Seconds until the deadline; None without one.
            draws: Two uniform draws from [0, 1).
            now: Now, in seconds.
            instead: What else can be had at once, a fallback, is worth so much: from 0 for nothing to 1.
            most: The longest wait that the user allows, seconds.
            told: Whether the server says that a retry is worth it: then it only picks the wait.
        """
        key, seen = self._seen(key, now)
        seen.asked = seen.asked * self._keep + 1.0
        allowed, top, value = self._rate(seen, left, most)
        if not allowed:
            seen.refused = seen.refused * self._keep + 1.0
            why = f"{max(0.0, left or 0.0):.2g} s are left, too little for another attempt"
            return Choice(key, None, 0.0, 0.0, 1.0, why, 0, None, explored=False, left=left, seen=seen)
        best = top if told or value >= max(_LEAST, instead) else None
        explored = draws[0] < self._explore
        arm = min(allowed - 1, int(draws[0] / self._explore * allowed)) if explored else best
        seen.best = best
        seen.refused = seen.refused * self._keep + (arm is None)
        chance = self._explore / allowed if explored else 0.0
        if arm == best:
            chance = 1.0 - self._explore + (0.0 if arm is None else self._explore / allowed)
        if arm is None:
            why = _why_not(key, seen, instead if instead > max(_LEAST, 0.0) else 0.0)
            return Choice(key, None, 0.0, value, chance, why, allowed, None, explored=False, left=left, seen=seen)
        wait = min(most, WAITS[arm] + (LONGEST[arm] - WAITS[arm]) * draws[1])
        why = _why(seen, arm, best, explored=explored)
        if arm != top:
            value = self._value(seen, arm, left)
        return Choice(key, arm, wait, value, chance, why, allowed, best, explored=explored, left=left, seen=seen)

    def settle(self, choice: Choice, good: bool) -> None:
        """Take in how the retry that was chosen has ended; once, and only if it was sent.

        Args:
            choice: What was chosen.
            good: Whether the retry ended the trouble.
        """
        if choice.arm is None:
            return
        seen = choice.seen
        seen.fade(self._keep)
        seen.add(choice.arm, good=good)

    def items(self) -> list[tuple[Key, Seen]]:
        """What is known, by key."""
        return list(self._places.items())

    def _rate(self, seen: Seen, left: float | None, most: float) -> tuple[int, int, float]:
        """Return how many waits are allowed, the best of them, and its value; the first is, whatever `most` says."""
        allowed = len(WAITS) if left is None else bisect_left(LONGEST, left - _SPARE)
        if most < LONGEST[-1] and allowed:
            allowed = min(allowed, max(1, bisect_right(LONGEST, most)))
        if not allowed:
            return 0, 0, 0.0
        pull = self._patience / (_HORIZON if left is None or left > _HORIZON else left)
        top, value = 0, -inf
        hope, doubt = _BELIEF[0] * seen.unit, _BELIEF[1] * seen.unit
        for arm, good, bad in zip(range(allowed), seen.gains, seen.losses, strict=False):
            most_worth = 1.0 - pull * WAITS[arm]
            if most_worth <= value:
                break
            good += hope
            worth = good / (good + bad + doubt) * most_worth
            if worth > value:
                top, value = arm, worth
        return allowed, top, value - _PRICE

    def _value(self, seen: Seen, arm: int, left: float | None) -> float:
        horizon = _HORIZON if left is None or left > _HORIZON else left
        good = seen.gains[arm] + _BELIEF[0] * seen.unit
        chance = good / (good + seen.losses[arm] + _BELIEF[1] * seen.unit)
        return chance * (1.0 - self._patience * WAITS[arm] / horizon) - _PRICE

    def _seen(self, key: Key, now: float) -> tuple[Key, Seen]:
        """Return what is known for a key, or for the key that stands for it (rule 5)."""
        places = self._places
        seen = places.pop(key, None)
        if seen is None and len(places) >= _SHARED_FROM:
            oldest = next(iter(places))
            if now - places[oldest].used >= _IDLE:
                del places[oldest]
            else:
                key = (_OTHERS, key[1])
                if key not in places and len(places) >= MAX_KEYS - 1:
                    key = (_OTHERS, "other failures")
                seen = places.pop(key, None)
        if seen is None:
            seen = Seen(now)
            if self._recall is not None:
                self._recall(key, seen)
        else:
            seen.grow_old(now)
            seen.used = now
        places[key] = seen  # the newest one: the dict is in the order of use
        return key, seen


def key_of(request: Request, failure: Response | TransportError) -> Key:
    """Name the route and the kind of failure that a retry is learned for (rule 6)."""
    call = request.call
    route = request.route if request.route is not None else route_of(call.original.path)
    return f"{request.method} {route[:_ROUTE]}", kind_of(failure)


def kind_of(failure: Response | TransportError) -> str:
    """Name the kind of a failure: its status, the code of its protocol, or the class of its error."""
    if isinstance(failure, Exception):
        return type(failure).__name__[:_KIND]
    meaning = failure.meaning
    if meaning is not None and meaning.text:
        return str(meaning.shown)[:_KIND]
    return str(failure.effective_status)


@lru_cache(1024)
def route_of(path: str) -> str:
    """Make a route of a path: what looks like the name of one thing stands for any (rule 6)."""
    segments = path.partition("?")[0].split("/", _SEGMENTS + 1)
    del segments[_SEGMENTS + 1 :]
    return "/".join("{}" if _is_name_of_one(segment) else segment for segment in segments) or "/"


def _is_name_of_one(segment: str) -> bool:
    if len(segment) > _SEGMENT:
        return True
    if segment[:1] == "v" and segment[1:].isdecimal():  # a version
        return False
    return any(character.isdecimal() for character in segment)


def _why(seen: Seen, arm: int, best: int | None, *, explored: bool) -> str:
    """Say why this wait: "41 of 52 such waits ended well; 0 s: 9 of 31"."""
    unit, good = seen.unit, seen.gains[arm]
    tried = good + seen.losses[arm]
    text = f"{good / unit:.0f} of {tried / unit:.0f} such waits ended well" if tried else "no such wait was seen yet"
    if explored and arm != best:
        text = f"to see what it leads to; {text}"
    other = best if explored and best is not None else 0
    good = seen.gains[other]
    tried = good + seen.losses[other]
    if tried and other != arm:
        text = f"{text}; {WAITS[other]:g} s: {good / unit:.0f} of {tried / unit:.0f}"
    return text


def _why_not(key: Key, seen: Seen, instead: float) -> str:
    """Say why there is no retry: "1 of 38 retries of 500 on GET /poison ended well"."""
    unit = seen.unit
    text = f"{seen.won / unit:.0f} of {seen.tried / unit:.0f} retries of {key[1]} on {key[0]} ended well"
    return f"a fallback is worth more now: {text}" if instead else text
