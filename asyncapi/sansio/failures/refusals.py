"""Decide who may go to a host that refuses connections: one attempt now and then, until it is back.

    state      event                                          next       what follows
    open       a refusal                                      open       that call goes again as a probe, after a while
               `RUN` refusals in a row                        refusing   everybody waits but for one probe at a time
    refusing   a probe is refused                             refusing   the next one goes later (rule 1)
               a connection                                   returning  those who wait may go, faster and faster
    returning  a connection                                   returning  one more may be under way at a time
               nobody waits any more                          open
               `RUN` refusals in a row                        refusing

Rules:
1. The time to the next probe begins at `FIRST` and doubles, up to a third of the time that the host has refused for,
   and up to `LONGEST`: a short outage is noticed to be over at once, a long one costs a probe now and then.
2. A probe that gets no verdict for `LEASE` seconds (its response is slow, its connection hangs) holds nobody up for
   longer: one more may go, then two, then four. So does whatever else ends without a verdict: a cancelled probe.
3. Refusals of attempts that began before the last connection was made are old news, and so are connections of attempts
   that began before the first refusal.
4. Refusals that were seen long ago say nothing of now: after a minute without one, the count begins anew.
5. A call is held only where the outage is likely to end in its time: what has lasted for some time lasts as long
   again, as often as not. So it is held for an outage that is up to twice as old as the time that it has left; and
   where it has a fallback, as long as that is worth less than the chance that the host is back in time.
6. A call that waits alone has only its own attempts to probe with. So each comes when the outage is twice as old as at
   the one before, and the last one when it is `_LAST` times as old, and more.
7. A host may connect before it can work, and say so (a 5xx). Then those who wait go slowly, until responses are good;
   but it is connections that they wait for: after as long again as the outage, they go in any case.
"""

from __future__ import annotations

from math import inf

RUN = 5  # refusals in a row until all others wait
FIRST = 0.05  # seconds to the first probe
LONGEST = 2.0  # seconds between two probes, at the most
LEASE = 0.5  # seconds (rule 2)
_GROWTH = 2.0
_SETTLES = 0.05  # seconds, at the least
_SHARE = 1 / 3  # of the time that the host has refused for (rule 1)
_OLD = 60.0  # seconds (rule 4)
_OUTLASTS = 2.0  # times the time left (rule 5)
_LAST = 6.0  # times the age of the outage (rule 6)
_PAUSE = 0.1  # seconds between two calls, while a host that is back responds with errors (rule 7)
_SOON = 1.0  # seconds that a host has for its return, at the least (rule 7)
_PRICE = 0.15  # as for retries (learned.py)
_STEPS = 20  # of the time left, in which the end of a wait is looked for


def _worth(age: float, left: float) -> float:
    """What it is worth to wait for a host that has refused for `age` seconds, with so many seconds left (rule 5)."""
    return left / (left + age) - _PRICE if left > 0 else 0.0


class Refusals:
    """What is known of one host that refuses connections, or has done so.

    Attributes:
        run: Refusals in a row.
        since: When the first of them was seen.
        out: Attempts under way that were let go one by one.
        next: When the next probe may go.
        returning: Whether the host is back, and those who wait go faster and faster.
        settles: Seconds after which an attempt has a connection, or would have been refused: four times what a
            refusal takes.
    """

    __slots__ = (
        "_all_from",
        "_gap",
        "_last",
        "_room",
        "_verdict",
        "next",
        "out",
        "returning",
        "run",
        "settles",
        "since",
    )

    def __init__(self) -> None:
        self.run: int = 0
        self.since: float = -inf
        self.out: int = 0
        self.next: float = -inf
        self.returning: bool = False
        self._gap = FIRST
        self.settles: float = _SETTLES
        self._last = -inf  # when the last refusal was seen
        self._verdict = -inf  # when the last connection was made, or the last probe let go
        self._room = 1
        self._all_from = inf  # returning: when nobody waits any longer (rule 7)

    @property
    def refusing(self) -> bool:
        """Whether everybody waits but for a probe."""
        return self.run >= RUN

    def refused(self, began: float, now: float, draw: float) -> None:
        """Take in that an attempt was refused a connection.

        Args:
            began: When it began.
            now: Now, in seconds.
            draw: A uniform draw from [0, 1): probes of many processes should not go at the same time.
        """
        if now > self._last + _OLD:  # rule 4
            self.run = 0
        if not self.run:
            self.since, self._gap = now, FIRST
            if not self.returning:
                self.next = now + FIRST * (1 + 0.5 * draw)
        elif now >= self.next and not self.returning:  # a probe
            self._gap = min(LONGEST, self._gap * _GROWTH, max(FIRST, _SHARE * (now - self.since)))
            self.next = now + self._gap * (1 + 0.5 * draw)
        self.run, self._last, self.settles = self.run + 1, now, min(LEASE, max(_SETTLES, 4 * (now - began)))
        if self.run >= RUN:
            self.returning, self._room = False, 1

    def connected(self, began: float, now: float, *, well: bool) -> None:
        """Take in that an attempt got a connection.

        Args:
            began: When it began.
            now: Now, in seconds.
            well: Whether the host does its work again, as far as is known (rule 7).
        """
        if self.run:
            if began < self.since:  # rule 3
                return
            if self.run >= RUN:
                self.returning, self._room = True, 1
                self._all_from = now + max(_SOON, now - self.since)
            self.run = 0
        if not self.returning:
            return
        self._verdict = now
        if well:
            self._room += 1
            self.next = now
        else:
            self.next = max(self.next, now + _PAUSE)

    def emptied(self) -> None:
        """Take in that nobody waits any more."""
        self.returning = False

    def may_go(self, now: float) -> bool:
        """Whether one more may go now."""
        if self.returning and now >= self._all_from:  # rule 7
            return True
        if now < self.next:
            return False
        if self.out < self._room or not (self.refusing or self.returning):
            return True
        if now >= self._verdict + LEASE:  # rule 2
            self._room, self._verdict = self._room + max(1, self.out), now
            return True
        return False

    def go(self, now: float) -> None:
        """Take in that one was let go."""
        self.out += 1
        if not self.returning:
            self._verdict = now

    def alone_from(self, *, last: bool) -> float:
        """When the only call that waits may go: it must make its attempts last (rule 6).

        Args:
            last: Whether it is the last attempt that it has.
        """
        return self._last + (_LAST if last else 1.0) * max(FIRST, self._last - self.since)

    def ended(self) -> None:
        """Take in that an attempt that was let go has ended, however it did."""
        self.out = max(0, self.out - 1)

    def due(self) -> float:
        """When the next one may go, if nothing is heard until then."""
        if self.returning and self.next > self._all_from:
            return self._all_from
        if self.out < self._room or not (self.refusing or self.returning):
            return self.next
        return max(self.next, self._verdict + LEASE)

    def worth_waiting(self, now: float, left: float, instead: float = 0.0) -> float:
        """How many seconds a call should wait for the host; 0 if it should not (rule 5).

        Args:
            now: Now, in seconds.
            left: The most seconds that it may wait.
            instead: What else can be had at once, a fallback, is worth so much: from 0 for nothing to 1.
        """
        age = now - self.since if now <= self._last + _OLD else 0.0
        if not instead:
            return left if age <= _OUTLASTS * left else 0.0
        step, waits = left / _STEPS, 0.0
        while waits < left and _worth(age + waits, left - waits) >= instead:
            waits += step
        return waits

    def lasted(self, now: float) -> float:
        """Seconds for which the host has refused connections."""
        return max(0.0, now - self.since) if self.run else 0.0
