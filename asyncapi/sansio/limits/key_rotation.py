"""Several keys to one API: which one goes next, and when one must not go.

A key may go when all of these hold:
    its rate limits have a token     (buckets)
    its quota is not used up         (for good where the quota has no period, else a bucket of it)
    the server's limit leaves room   (as its answers to this key tell it; spaced over the window when it runs low)
    it does not rest                 (after a 429, or a 403 of a limit, until the server lets it come back)
    it is not in quarantine          (after a 401 or 403, for a while or for good)
"""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.bucket import TOLERANCE
from asyncapi.sansio.limits.pacing import Pacer
from asyncapi.sansio.limits.rate_limited import is_rate_limited, wait_asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asyncapi.sansio.limits.bucket import Bucket
    from asyncapi.sansio.limits.ratelimit_headers import Quota

_FIRST_REST = 1.0  # seconds a key rests after a 429 that does not say; doubled by each further one in a row
_LONGEST_REST = 60.0
_LONGEST_TOLD = 86_400.0  # seconds that a server may have a key rest
_MOST_PARDONS = 10  # in a row
_FORBIDDEN, _TOO_MANY = 403, 429
_READ = 2000  # bytes of a 403 in which it may say that it is a limit's
_SECONDARY = re.compile(rb"(?i)secondary[ -]rate[ -]limit|abuse[ -](?:detection|rate[ -]limit)")
_MINUTE = 60.0  # seconds that GitHub has one wait for its secondary limits, where it does not say
_LIMITS = re.compile(
    rb"(?i)rate[ -]?limit[ -]?(?:was |has been |is )?(?:exceeded|reached)|too many requests"
    rb"|dailylimitexceeded|(?<![a-z])quotaexceeded"
)


def limit_told(status: int, headers: Mapping[str, str], content: bytes, wall: float) -> tuple[bool, float | None]:
    """Whether an answer is a rate limit's, and for how many seconds it has one wait, where it says so.

    As in `ratelimited.py`; and a 403 also where its body has the words of a limit (GitHub's secondary limits, Google's
    `rateLimitExceeded`).

    Args:
        status: The answer's.
        headers: The answer's, case-insensitive.
        content: The beginning of its body.
        wall: Now, seconds since the Unix epoch.
    """
    if status not in {_FORBIDDEN, _TOO_MANY}:
        return False, None
    content = content[:_READ]
    secondary = _SECONDARY.search(content) is not None
    if not is_rate_limited(status, headers) and not (secondary or _LIMITS.search(content)):
        return False, None
    seconds = wait_asked(status, headers, wall)
    if seconds is None and secondary:
        seconds = _MINUTE
    return True, min(seconds, _LONGEST_TOLD) if seconds else None  # 0: rounded down, or by a clock that is ahead


class KeyState:
    """One key's.

    Args:
        name: For messages.
        buckets: Its limits.
        quota: Attempts in all that it is good for; None for any number.
        pace: Whether to keep to what the server tells of its limit.

    Attributes:
        uses: Attempts it was taken for.
        rests_until: When it may go again after a 429, or another answer of a limit.
        barred_until: When it leaves quarantine.
        why: What last kept it away, for messages.
    """

    __slots__ = (
        "_pacer", "_pardons", "_proved", "barred_until", "buckets", "name", "quota", "rests_until", "slowed", "uses",
        "why",
    )  # fmt: skip

    def __init__(
        self, name: str, buckets: Sequence[Bucket] = (), quota: int | None = None, *, pace: bool = True
    ) -> None:
        self.name = name
        self.buckets = tuple(buckets)
        self.quota = quota
        self.uses = 0
        self.rests_until = -inf
        self.barred_until = -inf
        self.slowed = 0  # 429s in a row
        self.why = ""
        self._proved = False  # the server has taken it
        self._pardons = 0  # since then
        self._pacer = Pacer() if pace else None

    def wait(self, now: float) -> float:
        """Seconds until it may go; 0 for now, infinite for never."""
        if self.quota is not None and self.uses >= self.quota:
            return inf
        waits = [bucket.delay(now) for bucket in self.buckets]
        if self._pacer is not None:
            waits.append(self._pacer.delay(now))
        return max(self.rests_until - now, self.barred_until - now, 0.0, *waits)

    @property
    def interval(self) -> float:
        """Seconds between two attempts with it, as far as its limits tell."""
        paced = self._pacer.interval if self._pacer is not None else 0.0
        return max((bucket.interval for bucket in self.buckets), default=paced)

    def take(self, now: float) -> None:
        """It goes: a token of each limit is spent."""
        for bucket in self.buckets:
            bucket.take(now)
        if self._pacer is not None:
            self._pacer.take(now)
        self.uses += 1

    def give_back(self, number: int = 0) -> None:
        """Undo a `take` that was not used, of the attempt that `begin` gave this number, if it did."""
        for bucket in self.buckets:
            bucket.give_back()
        if self._pacer is not None:
            self._pacer.give_back(number=number)
        self.uses -= 1

    def begin(self) -> int:
        """An attempt that it was taken for begins: its number."""
        return self._pacer.begin() if self._pacer is not None else 0

    def learn(self, now: float, quotas: Iterable[Quota], *, number: int, sent_at: float) -> None:
        """Take in the quotas of this key that the response to attempt `number`, sent at `sent_at`, states."""
        if self._pacer is not None:
            self._pacer.observe(now, number=number, sent_at=sent_at, quotas=quotas)

    def served(self) -> None:
        """The server took it."""
        self.slowed = self._pardons = 0
        self._proved = True

    def rest(self, now: float, told: float | None, why: str = "429") -> None:
        """A limit of its: rest as long as the server says, or longer each time that it does not say."""
        seconds = told if told is not None else min(_LONGEST_REST, _FIRST_REST * 2.0**self.slowed)
        self.slowed += 1
        self.rests_until = max(self.rests_until, now + seconds)
        self.why = why

    def bar(self, until: float, why: str) -> None:
        """A 401 or 403: into quarantine."""
        self.barred_until, self.why = until, why

    def free(self) -> None:
        """Out of quarantine."""
        self.barred_until, self.why = -inf, ""

    def pardon(self) -> None:
        """Every key was refused for the same request: out of quarantine, if the server has ever taken this one."""
        if self._proved and self._pardons < _MOST_PARDONS:
            self._pardons += 1
            self.free()

    def describe(self, now: float) -> str:
        """How it is, in a few words."""
        if self.quota is not None and self.uses >= self.quota:
            return f"its quota of {self.quota} is used up"
        if self.barred_until > now:
            left = "" if self.barred_until == inf else f" for {self.barred_until - now:.3g} s"
            return f"in quarantine{left} ({self.why})"
        if self.rests_until > now:
            return f"rests for {self.rests_until - now:.3g} s ({self.why})"
        return "ready" if self.wait(now) <= TOLERANCE else f"next token in {self.wait(now):.3g} s"


class Ring:
    """All keys of a pool.

    Args:
        keys: In the order in which they take turns.
        least_used: Take the one used least, instead of each in turn.

    Attributes:
        keys: The same.
    """

    __slots__ = ("_least_used", "_next", "keys")

    def __init__(self, keys: Sequence[KeyState], *, least_used: bool = False) -> None:
        self.keys = tuple(keys)
        self._least_used = least_used
        self._next = 0

    def choose(self, now: float) -> int | None:
        """The index of the key to go next: one that may go now if there is any, else that which may first.

        None if none of them ever may.
        """
        count = len(self.keys)
        waits = [key.wait(now) for key in self.keys]
        soonest = min(waits)
        if soonest == inf:
            return None
        turns = [(self._next + step) % count for step in range(count)]
        fit = [index for index in turns if waits[index] <= soonest]
        return min(fit, key=lambda index: self.keys[index].uses) if self._least_used else fit[0]

    def take(self, index: int, now: float) -> None:
        """This key goes; the turn passes on."""
        self.keys[index].take(now)
        self._next = (index + 1) % len(self.keys)

    def forecast(self, now: float, ahead: float) -> float:
        """Seconds until one may go that so many go before, if nothing new is told of any key."""
        waits = [(key.wait(now), key.interval) for key in self.keys]
        rates = [1.0 / interval if interval else inf for wait, interval in waits if wait < inf]
        return min(wait for wait, _ in waits) + (ahead / sum(rates) if rates else inf)

    def any_ready(self, now: float, without: set[int]) -> bool:
        """Whether another than these may go now."""
        return any(key.wait(now) <= TOLERANCE for index, key in enumerate(self.keys) if index not in without)
