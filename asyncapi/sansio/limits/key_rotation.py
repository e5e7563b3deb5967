"""Choose which of several keys to one API is used next, and keep a key out of use while it must be.

A key may be used when all of these hold:
    1. its rate limits have a token: buckets
    2. its quota is not used up: for good where the quota has no period, else a bucket
    3. the server's limit leaves room, as its responses to this key state it; spaced when it runs low
    4. it does not rest, after a 429 or a 403 of a limit, until the server lets it come back
    5. it is not in quarantine, after a 401 or 403, for a while or for good
"""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.allotment import Allotment
from asyncapi.sansio.limits.bucket import TOLERANCE
from asyncapi.sansio.limits.pacing import Pacer
from asyncapi.sansio.limits.rate_limited import is_rate_limited, wait_asked
from asyncapi.sansio.limits.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from asyncapi.sansio.limits.bucket import Bucket
    from asyncapi.sansio.limits.ratelimit_headers import Quota

_FIRST_REST = 1.0  # seconds a key rests after a 429 that does not say; doubled by each further one in a row
_LONGEST_REST = 60.0  # seconds
_LONGEST_ASKED = 86_400.0  # seconds that a server may have a key rest
_MOST_PARDONS = 10  # in a row
_FORBIDDEN, _TOO_MANY = 403, 429
_READ = 2000  # bytes of a 403's body that are searched for the words of a limit
_SECONDARY = re.compile(rb"(?i)secondary[ -]rate[ -]limit|abuse[ -](?:detection|rate[ -]limit)")
_MINUTE = 60.0  # seconds that GitHub has clients wait for its secondary limits, where a response does not say
_LIMITS = re.compile(
    rb"(?i)rate[ -]?limit[ -]?(?:was |has been |is )?(?:exceeded|reached)|too many requests"
    rb"|dailylimitexceeded|(?<![a-z])quotaexceeded"
)


def read_limit(status: int, headers: Mapping[str, str], content: bytes, wall: float) -> tuple[bool, float | None]:
    """Tell whether a response is a rate limit's, and how many seconds it asks to wait, where it says so.

    As in `rate_limited.py`; and a 403 also where its body has the words of a limit (GitHub's secondary limits, Google's
    `rateLimitExceeded`).

    Args:
        status: The response's.
        headers: The response's, case-insensitive.
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
    return True, min(seconds, _LONGEST_ASKED) if seconds else None  # 0: rounded down, or by a clock that is ahead


class KeyState:
    """The state of one key.

    Args:
        name: For messages.
        buckets: Its limits.
        quota: Attempts in all that it is good for; None for any number.
        pace: Whether to keep to the limits that the server states.

    Attributes:
        uses: Attempts it was taken for.
        rests_until: When it may be used again after a 429, or another refusal by a limit.
        barred_until: When it leaves quarantine.
        slowed: 429s in a row.
        why: What last put it out of use, for messages.
        allotment: The part of the quota that this process may use, where several share it; else None.
        tell: Called with the seconds for which it rests after a 429: for other processes.
    """

    __slots__ = (
        "_pacer", "_pardons", "_proved", "allotment", "barred_until", "buckets", "name", "quota", "rests_until",
        "slowed", "tell", "uses", "why",
    )  # fmt: skip

    def __init__(
        self, name: str, buckets: Sequence[Bucket] = (), quota: int | None = None, *, pace: bool = True
    ) -> None:
        self.name: str = name
        self.buckets: tuple[Bucket | Slots, ...] = tuple(buckets)
        self.allotment: Allotment | None = None
        self.tell: Callable[[float], object] | None = None
        self.quota: int | None = quota
        self.uses: int = 0
        self.rests_until: float = -inf
        self.barred_until: float = -inf
        self.slowed: int = 0
        self.why: str = ""
        self._proved = False  # whether the server has ever taken it
        self._pardons = 0  # since the server last took it
        self._pacer = Pacer() if pace else None

    def wait(self, now: float) -> float:
        """Seconds until it may be used; 0 for now, infinite for never."""
        if self._is_used_up:  # rule 2
            return inf
        waits = [bucket.delay(now) for bucket in self.buckets]  # rule 1
        if self.allotment is not None:
            waits.append(self.allotment.delay(now))
        if self._pacer is not None:  # rule 3
            waits.append(self._pacer.delay(now))
        return max(self.rests_until - now, self.barred_until - now, 0.0, *waits)  # rules 4 and 5

    @property
    def _is_used_up(self) -> bool:
        """Whether its quota is."""
        if self.allotment is not None:
            return self.allotment.used_up and self.allotment.left < 1
        return self.quota is not None and self.uses >= self.quota

    @property
    def asking(self) -> bool:
        """Whether it is being asked for elsewhere how much may be used: that is known within moments."""
        return any(bucket.asking for bucket in (*self.buckets, self.allotment) if isinstance(bucket, Slots | Allotment))

    @property
    def interval(self) -> float:
        """Seconds between two attempts with it, as far as its limits are known."""
        paced = self._pacer.interval if self._pacer is not None else 0.0
        return max((bucket.interval for bucket in self.buckets), default=paced)

    def take(self, now: float) -> None:
        """Use it: a token of each limit is spent."""
        for bucket in self.buckets:
            bucket.take(now)
        if self.allotment is not None:
            self.allotment.take(now)
        if self._pacer is not None:
            self._pacer.take(now)
        self.uses += 1

    def give_back(self, number: int = 0) -> None:
        """Undo a `take` whose attempt was not sent; `number` is what `begin` gave that attempt, if it had begun."""
        for bucket in self.buckets:
            bucket.give_back()
        if self.allotment is not None:
            self.allotment.give_back()
        if self._pacer is not None:
            self._pacer.give_back(number=number)
        self.uses -= 1

    def begin(self) -> int:
        """Number an attempt that it was taken for and that begins now."""
        return self._pacer.begin() if self._pacer is not None else 0

    def learn(self, now: float, quotas: Iterable[Quota], *, number: int, sent_at: float) -> None:
        """Take in the quotas of this key that the response to attempt `number`, sent at `sent_at`, states."""
        if self._pacer is not None:
            self._pacer.observe(now, number=number, sent_at=sent_at, quotas=quotas)

    def served(self) -> None:
        """Take in that the server took it."""
        self.slowed = self._pardons = 0
        self._proved = True

    def rest(self, now: float, asked: float | None, why: str = "429") -> None:
        """Rest after a 429: as many seconds as the server asks for, or longer each time that it does not say."""
        seconds = asked if asked is not None else min(_LONGEST_REST, _FIRST_REST * 2.0**self.slowed)
        self.slowed += 1
        self.rests_until = max(self.rests_until, now + seconds)
        self.why = why
        if self.tell is not None:
            self.tell(seconds)

    def bar(self, until: float, why: str) -> None:
        """Put it into quarantine, after a 401 or 403."""
        self.barred_until, self.why = until, why

    def free(self) -> None:
        """Take it out of quarantine."""
        self.barred_until, self.why = -inf, ""

    def pardon(self) -> None:
        """Take it out of quarantine, if the server has ever taken it: every key was refused for the same request."""
        if self._proved and self._pardons < _MOST_PARDONS:
            self._pardons += 1
            self.free()

    def describe(self, now: float) -> str:
        """Say in a few words how it is."""
        if self._is_used_up:
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
        least_used: Take the key used least, instead of each in turn.

    Attributes:
        keys: The same.
    """

    __slots__ = ("_least_used", "_next", "keys")

    def __init__(self, keys: Sequence[KeyState], *, least_used: bool = False) -> None:
        self.keys: tuple[KeyState, ...] = tuple(keys)
        self._least_used = least_used
        self._next = 0

    def choose(self, now: float) -> int | None:
        """The index of the key to use next: one that may be used now if there is any, else the one that may be first.

        None if no key ever may be used again.
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
        """Use this key; the turn passes on."""
        self.keys[index].take(now)
        self._next = (index + 1) % len(self.keys)

    def forecast(self, now: float, ahead: float) -> float:
        """Seconds until an attempt gets a key that so many others go before, if no key's state changes."""
        waits = [(key.wait(now), key.interval) for key in self.keys]
        rates = [1.0 / interval if interval else inf for wait, interval in waits if wait < inf]
        return min(wait for wait, _ in waits) + (ahead / sum(rates) if rates else inf)

    def any_ready(self, now: float, without: set[int]) -> bool:
        """Whether a key other than these may be used now."""
        return any(key.wait(now) <= TOLERANCE for index, key in enumerate(self.keys) if index not in without)
