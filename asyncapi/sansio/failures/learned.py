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
6. Retries under way count as half a bad one of their wait while none of that wait has ended well: other waits are
   tried until it is known, instead of the same one again and again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.sansio.failures.retry_keys import Key

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
_ALL = len(WAITS)
_SPANS = tuple(longest - wait for wait, longest in zip(WAITS, LONGEST, strict=True))  # of the draw
_ENOUGH = LONGEST[-1] + 1.0  # seconds: with more left, every wait ends in time
_HORIZON = 10.0  # seconds: waiting costs as if no more were left where there are, or where there is no deadline
_AGED = 60.0  # seconds after which the age of what was seen is taken into account
_BIG, _ALMOST_NOTHING = 1e9, 1e-12  # of units and of shares: beyond, numbers would lose their precision
_IDLE = 600.0  # seconds (rule 5)
_OTHERS = "other routes"
_SHARED_FROM = 192  # keys: those after them are shared ones, of one kind of failure each


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
        seen: What is known of it.
        arm: The number of the chosen wait; None if there is no retry.
        wait: Seconds to wait; 0 if there is no retry.
        value: The value of the chosen wait, or the highest one that was refused; 0 where none ends in time.
        allowed: How many waits were allowed: the first ones of `WAITS`.
        best: The number of the wait with the highest value; None if that was too low, or none ends in time.
        explored: Whether it was made to see what happens.
        left: Seconds until the deadline; None without one.
        explore: The share of decisions that try any wait.
        facts: What `reason` is made of when somebody reads it.
        overruled: What kept the chosen retry from being sent: a rule that stands after this one. "" for nothing.
    """

    key: Key
    seen: Seen
    arm: int | None
    wait: float
    value: float
    allowed: int
    best: int | None
    explored: bool
    left: float | None
    explore: float
    facts: tuple[float, ...]
    overruled: str = ""

    @property
    def propensity(self) -> float:
        """How likely this choice was, of all that were allowed (rule 4)."""
        if not self.allowed:
            return 1.0
        chance = self.explore / self.allowed if self.explored else 0.0
        if self.arm == self.best:
            chance = 1.0 - self.explore + (0.0 if self.arm is None else self.explore / self.allowed)
        return chance

    @property
    def reason(self) -> str:
        """Why, in words."""
        if not self.allowed:
            return f"{max(0.0, self.left or 0.0):.2g} s are left, too little for another attempt"
        if self.arm is None:
            return _why_not(self.key, self.facts)
        return _why(self.arm, self.best, self.facts, explored=self.explored)

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
        under_way: For each wait, how many retries were chosen whose end is not known yet.
        left_of: What is left of what was known when it was last written down: a share.
        new: Retries since then.
    """

    __slots__ = (
        "asked", "at", "best", "gains", "left_of", "losses", "new", "refused", "tried", "under_way", "unit",
        "used", "won",
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
        self.under_way: list[int] = [0] * len(WAITS)
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
            self.rescale()

    def rescale(self) -> None:
        """Count in units of 1 again, before numbers lose their precision."""
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

    def add(self, arm: int, good: bool, keep: float) -> None:
        """Take in how a retry after a wait has ended (rules 2 and 3); `keep` is left of what was seen before."""
        self.left_of *= keep
        self.unit = unit = self.unit / keep
        if unit > _BIG:
            self.rescale()
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

    __slots__ = ("_explore", "_full_until", "_keep", "_patience", "_places", "_recall")

    def __init__(self, rules: Rules, recall: Callable[[Key, Seen], object] | None = None) -> None:
        self._recall = recall
        self._patience = rules.patience
        self._explore = rules.explore
        self._keep = rules.keep
        self._places: dict[Key, Seen] = {}
        self._full_until = -inf  # no place is free before (rule 5)

    def choose(
        self,
        key: Key,
        left: float | None,
        draws: tuple[float, float],
        now: float,
        *,
        instead: float = 0.0,
        most: float = inf,
        told: Callable[[], bool] | None = None,
    ) -> Choice:
        """Decide whether to retry, and after what wait.

        Args:
            key: The route and the kind of failure (`key_of`).
            left: Seconds until the deadline; None without one.
            draws: Two uniform draws from [0, 1).
            now: Now, in seconds.
            instead: What else can be had at once, a fallback, is worth so much: from 0 for nothing to 1.
            most: The longest wait that the user allows, seconds.
            told: Whether the server says that a retry is worth it: then it only picks the wait. None for no.
        """
        seen = self._places.get(key)
        if seen is None:
            key, seen = self._place(key, now)
        elif not 0.0 <= now - seen.at < _AGED:
            seen.grow_old(now)
        seen.used = now
        keep, explore = self._keep, self._explore
        seen.asked = seen.asked * keep + 1.0
        allowed, top, value = self._rate(seen, left, most)
        if not allowed:
            seen.refused = seen.refused * keep + 1.0
            return Choice(key, seen, None, 0.0, 0.0, 0, None, explored=False, left=left, explore=explore, facts=())
        pays = (value >= _LEAST and value >= instead) or (told is not None and told())
        arm = best = top if pays else None
        explored = draws[0] < explore
        if explored:
            arm = min(allowed - 1, int(draws[0] / explore * allowed))
        seen.best = best
        seen.refused = seen.refused * keep + (arm is None)
        if arm is None:
            facts: tuple[float, ...] = (seen.unit, seen.won, seen.tried, instead if instead > _LEAST else 0.0)
            return Choice(key, seen, None, 0.0, value, allowed, best, explored, left, explore, facts)
        wait = WAITS[arm] + _SPANS[arm] * draws[1]
        if arm != top:
            value = self._value(seen, arm, left)
        if wait > most:  # noqa: PLR1730 - quicker
            wait = most
        gains, losses, other = seen.gains, seen.losses, best if explored and best is not None else 0
        facts = (seen.unit, gains[arm], losses[arm], gains[other], losses[other])
        return Choice(key, seen, arm, wait, value, allowed, best, explored, left, explore, facts)

    def settle(self, choice: Choice, good: bool) -> None:
        """Take in how the retry that was chosen has ended; once, and only if it was sent.

        Args:
            choice: What was chosen.
            good: Whether the retry ended the trouble.
        """
        if choice.arm is not None:
            choice.seen.add(choice.arm, good, self._keep)

    def items(self) -> list[tuple[Key, Seen]]:
        """What is known, by key."""
        return list(self._places.items())

    def _rate(self, seen: Seen, left: float | None, most: float) -> tuple[int, int, float]:
        """Return how many waits are allowed, the best of them, and its value; the first is, whatever `most` says."""
        allowed = _ALL if left is None or left > _ENOUGH else bisect_left(LONGEST, left - _SPARE)
        if most < LONGEST[-1] and allowed:
            allowed = min(allowed, max(1, bisect_right(LONGEST, most)))
        if not allowed:
            return 0, 0, 0.0
        pull = self._patience / (_HORIZON if left is None or left > _HORIZON else left)
        arm, top, value, unit = 0, 0, -inf, seen.unit
        hope, doubt = _BELIEF[0] * unit, _BELIEF[1] * unit
        waits = WAITS if allowed == _ALL else WAITS[:allowed]
        for wait, good, bad, under_way in zip(waits, seen.gains, seen.losses, seen.under_way):  # noqa: B905
            most_worth = 1.0 - pull * wait
            if most_worth <= value:
                break
            if under_way and not good:  # rule 6
                bad += unit / 2
            good += hope
            worth = good / (good + bad + doubt) * most_worth
            if worth > value:
                top, value = arm, worth
            arm += 1  # noqa: SIM113 - quicker
        return allowed, top, value - _PRICE

    def _value(self, seen: Seen, arm: int, left: float | None) -> float:
        horizon = _HORIZON if left is None or left > _HORIZON else left
        good = seen.gains[arm] + _BELIEF[0] * seen.unit
        chance = good / (good + seen.losses[arm] + _BELIEF[1] * seen.unit)
        return chance * (1.0 - self._patience * WAITS[arm] / horizon) - _PRICE

    def _place(self, key: Key, now: float) -> tuple[Key, Seen]:
        """Return what is known for a key that has no place yet, or for the key that stands for it (rule 5)."""
        places = self._places
        if len(places) >= _SHARED_FROM and not self._make_room(now):
            key = (_OTHERS, key[1])
            if key not in places and len(places) >= MAX_KEYS - 1:
                key = (_OTHERS, "other failures")
            if (shared := places.get(key)) is not None:
                shared.grow_old(now)
                return key, shared
        seen = places[key] = Seen(now)
        if self._recall is not None:
            self._recall(key, seen)
        return key, seen

    def _make_room(self, now: float) -> bool:
        """Give up the place that was needed least lately, if it was idle for long (rule 5)."""
        if now < self._full_until:
            return False
        oldest = min(self._places.items(), key=lambda place: place[1].used)
        free_at = oldest[1].used + _IDLE
        if now < free_at:
            self._full_until = free_at
            return False
        del self._places[oldest[0]]
        return True


def _why(arm: int, best: int | None, facts: tuple[float, ...], *, explored: bool) -> str:
    """Say why this wait: "41 of 52 such waits ended well; 0 s: 9 of 31"."""
    unit, good, bad, others_good, others_bad = facts
    tried = good + bad
    text = f"{good / unit:.0f} of {tried / unit:.0f} such waits ended well" if tried else "no such wait was seen yet"
    if explored and arm != best:
        text = f"to see what it leads to; {text}"
    other = best if explored and best is not None else 0
    tried = others_good + others_bad
    if tried and other != arm:
        text = f"{text}; {WAITS[other]:g} s: {others_good / unit:.0f} of {tried / unit:.0f}"
    return text


def _why_not(key: Key, facts: tuple[float, ...]) -> str:
    """Say why there is no retry: "1 of 38 retries of 500 on GET /poison ended well"."""
    unit, won, tried, instead = facts
    text = f"{won / unit:.0f} of {tried / unit:.0f} retries of {key[1]} on {key[0]} ended well"
    return f"a fallback is worth more now: {text}" if instead else text
