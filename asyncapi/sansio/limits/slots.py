"""Spend one rate limit from several processes: book slots of a common time-line, and use each at its time.

The Generic Cell Rate Algorithm (ITU-T I.371) says when each token of a bucket is due. A token that was booked is a
slot: this process may send at its time, or a little later, and nobody else may. So the booking, which costs a round
trip, is done in batches and ahead of need, and the slots are spent without asking anybody.

1. A lease is a row of slots, an interval apart. A call takes the first that are due; one of weight 3 takes three.
2. A slot is used no later than the burst's depth after it was due; then it lapses. A process that was stalled must not
   send at once what it should have sent meanwhile. Whatever the processes do, no window of `t` seconds sees more than
   the burst and `t` seconds' tokens.
3. A lease is for `HOLD` seconds of this process's own use, and for the calls that wait; the store cuts it to an equal
   share of what the limit yields in that time. The next one is asked for when half is left, so calls seldom wait for
   it. A process that makes less than one call in that time books only when it has a call.
4. When the store is away, the process goes on alone: at its share of the limit, evenly spaced, without the burst. The
   sum over all processes stays within the limit.
5. When the store comes back, it is told how far the time-line was known to be: if it has lost its memory, it goes on
   from there, and nobody gets a second burst.

`Slots` is used as a `Bucket` is (delay, take, try_take, give_back, interval), so that one kind of queue serves both.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.bucket import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable

HOLD = 0.1  # seconds of use that a lease is for
WITHHELD = 1.0  # seconds: a burst that comes back in this time is not there when a quota begins
_LATE = 0.01  # seconds that a timer may be late: no slot lapses sooner
_MEASURED = 0.05  # seconds; own use is measured over at least so long
_SMOOTH = 0.5  # weight of the newest measurement of own use
_LOOK = 0.1  # seconds until a call that waits for a lease is looked at again, if none has come


class _Lease:
    """A row of slots: the first is due at `first`, each lapses `late` seconds after it was due."""

    __slots__ = ("count", "first", "interval", "late")

    def __init__(self, first: float, count: float, interval: float, late: float) -> None:
        self.first = first
        self.count = count
        self.interval = interval
        self.late = late


class Slots:
    """The slots of one limit that this process has booked.

    Args:
        amount: Tokens that come back per `per` seconds, for all processes together.
        per: Seconds.
        burst: The bucket's depth, tokens.
        workers: How many processes share the limit, as far as is told; more may be seen.

    Attributes:
        ask: Called when slots are to be booked; it leads to `granted` or `go_alone`, at once or later.
        asking: Whether an answer to that is awaited.
        rate: Tokens per second of the whole limit.
        late: Seconds after which a slot lapses (rule 2).
        grace: Seconds of them that are left for slots which are due when they are booked.
        workers: Processes that share the limit, as told.
        seen: Processes that have asked lately, as the store last said; 0 before it has.
        alone: Whether the store is away (rule 4).
        used: Slots used so far.
        lapsed: Slots that lapsed so far.
        leases: Leases so far.
    """

    __slots__ = (
        "_interval", "_leases", "_left", "_local_end", "_low", "_mark", "_mark_used", "_next", "_own_use",
        "_short", "_used_up", "alone", "ask", "asking", "burst", "grace", "lapsed", "late", "leases", "rate", "seen",
        "used", "waiting", "workers",
    )  # fmt: skip

    def __init__(self, amount: float, per: float, burst: float, *, workers: int = 1) -> None:
        self._interval = per / amount
        self.burst: float = burst
        self.rate: float = amount / per
        self.workers: int = workers
        self.seen: int = 0
        self.late: float = max((burst - 1.0) * self._interval, self._interval, _LATE)
        self.grace: float = min(HOLD, self.late / 2)
        if self._interval > self.grace:  # it is less than a token: the burst need not be cut for it
            self.late += self.grace
        self.ask: Callable[[], object] = _nothing
        self.waiting: Callable[[], float] = _none
        self.asking: bool = False
        self.alone: bool = False
        self.used: float = 0.0
        self.lapsed: float = 0.0
        self.leases: int = 0
        self._leases: deque[_Lease] = deque()
        self._left = 0.0  # slots in all leases
        self._low = 0.0  # so few are left: the next lease is asked for
        self._short = 0.0  # the weight of the call that found too few slots
        self._own_use = 0.0  # slots a second
        self._mark, self._mark_used = -inf, 0.0
        self._next = -inf  # when the limit's next slot is due, as far as is known
        self._local_end = -inf  # when the next slot is due that this process gives itself
        self._used_up = False  # whether the last slots were due only after they were booked

    # --- as a bucket ------------------------------------------------------------------------------------------------

    @property
    def interval(self) -> float:
        """Seconds between two of our calls: the limit's interval, times those that share it where it is used up."""
        sharers = max(self.workers, self.seen) if self.alone else self.seen if self._used_up else 1
        return self._interval * max(1, sharers)

    def try_take(self, now: float, weight: float = 1.0) -> bool:
        """Take slots, if there are enough that are due."""
        leases = self._leases
        if leases and weight == 1.0:
            lease = leases[0]
            first = lease.first
            if first <= now <= first + lease.late and lease.count >= 1.0:
                lease.first = first + lease.interval
                lease.count -= 1.0
                if lease.count <= 0.0:
                    leases.popleft()
                self.used += 1.0
                self._left -= 1.0
                if self._left <= self._low and not self.asking:
                    self._ask_ahead(now)
                return True
        if self.delay(now, weight) > TOLERANCE:
            return False
        self.take(now, weight)
        return True

    def delay(self, now: float, weight: float = 1.0) -> float:
        """Seconds until so many slots are due; 0 or less if they are now. It asks for more where there are too few."""
        self._lapse(now, weight)
        due = self._due(weight)
        if due == inf:
            self._short = weight
            if not self.asking:
                self._ask()
                due = self._due(weight)
            if due == inf:
                return max(_LOOK, self._next - now)
        return due - now

    def forecast(self, now: float, weight: float = 1.0, ahead: float = 0.0) -> float:
        """Seconds until the turn of an attempt that so many slots are to be taken before, as is likely.

        The burst counts, as far as it is known to be there. The wait for the store does not.
        """
        due = self._due(weight + ahead)
        if due < inf:
            return due - now
        whole = now - self.late + self.grace
        begins = max(self._next, whole) if self._next > -inf or self.late > WITHHELD else now
        missing = weight + ahead - self._left
        return max(0.0, begins + (missing - 1.0) * self.interval - now)

    def take(self, now: float, weight: float = 1.0) -> None:
        """Take so many slots, due or not."""
        self.used += weight
        self._short = 0.0
        leases = self._leases
        while leases and weight > 0:
            lease = leases[0]
            part = min(weight, lease.count)
            lease.first += part * lease.interval
            lease.count -= part
            weight -= part
            self._left -= part
            if lease.count <= TOLERANCE:
                leases.popleft()
        if not leases:
            self._left = 0.0
        if self._left <= self._low and not self.asking:
            self._ask_ahead(now)

    def give_back(self, weight: float = 1.0) -> None:
        """Undo a `take` that was not used, if later slots of ours are left; else they lapse."""
        self.used -= weight
        if self._leases:
            lease = self._leases[0]
            lease.first -= weight * lease.interval
            lease.count += weight
            self._left += weight

    def available(self, now: float) -> float:
        """Slots that are due now."""
        due = 0.0
        for lease in self._leases:
            if lease.first <= now:
                due += min(lease.count, (now - lease.first) // lease.interval + 1.0)
        return due

    # --- leases -----------------------------------------------------------------------------------------------------

    def want(self, now: float) -> float:
        """How many slots to book now (rule 3)."""
        self._measure(now)
        return float(ceil(max(self.need, self._own_use * HOLD + self.waiting())))

    @property
    def need(self) -> float:
        """How many of them the next call needs, whatever its share is: those that are held may lapse meanwhile."""
        return max(1.0, self._short)

    def ahead(self, now: float) -> float | None:
        """How many seconds from now the limit's next slot is due, as far as is known; negative in the past."""
        return self._next - now if self._next > -inf else None

    def granted(self, asked_at: float, now: float, offset: float, count: float, seen: int) -> None:
        """Take in a lease.

        Args:
            asked_at: When it was asked for: when the store booked it, it was not earlier.
            now: When its answer came.
            offset: Seconds from when it was booked until its first slot is due.
            count: How many slots.
            seen: How many processes have asked lately.
        """
        self.asking = self.alone = False
        self.seen = seen
        self.leases += 1
        self._used_up = offset > 0
        # It was booked at some time since it was asked for. No slot is used early, and none lapses late.
        late = self.late - (now - asked_at)
        self._next = asked_at + offset + count * self._interval
        if late > 0:
            self._leases.append(_Lease(now + offset, count, self._interval, late))
            self._left += count
            self._low = count / 2

    def go_alone(self, now: float) -> None:
        """Go on without the store: book some slots of this process's own share (rule 4)."""
        self.asking, self.alone = False, True
        sharers = max(1, self.workers, self.seen)
        interval = self._interval * sharers
        last = self._leases[-1] if self._leases else None
        held_until = last.first + last.count * last.interval if last is not None else -inf
        late = max((self.burst / sharers - 1.0) * interval, self.need * interval, _LATE)  # a share of the burst
        goes_on = self._local_end > now - late
        # Not before what others may hold: they have booked up to the limit's next slot, as far as is known.
        first = max(held_until, self._local_end if goes_on else now, self._next)
        count = max(self.need, float(int(HOLD / interval)))
        self._local_end = first + count * interval
        self._leases.append(_Lease(first, count, interval, late))
        self._left += count
        self._low = 0.0

    def came_back(self, now: float) -> None:
        """Take in that the store is there again: what was sent meanwhile has left nothing of the burst (rule 5)."""
        if self.alone:
            self.alone = False
            self._next = max(self._next, now)
            self._left = 0.0
            self._leases.clear()
            self._local_end = -inf

    # --- within -----------------------------------------------------------------------------------------------------

    def _due(self, weight: float) -> float:
        """When so many slots are due; infinite if there are fewer."""
        if weight > self._left + TOLERANCE:
            return inf
        missing, due = weight, -inf
        for lease in self._leases:
            part = min(missing, lease.count)
            due = max(due, lease.first + max(0.0, part - 1.0) * lease.interval)
            missing -= part
            if missing <= TOLERANCE:
                break
        if weight > self.burst:  # as of a Bucket: it conforms when that is full
            due = min(due, self._leases[0].first + self.late)
        return due

    def _lapse(self, now: float, weight: float) -> None:
        """Drop the slots that are too late (rule 2)."""
        leases = self._leases
        while leases:
            lease = leases[0]
            # A call that waits for most of the burst holds its first slots until the last one is due.
            late = lease.late + weight * lease.interval if 2 * weight > self.burst else lease.late
            over = now - late - lease.first
            if over <= 0:
                return
            gone = min(lease.count, float(ceil(over / lease.interval)))
            self.lapsed += gone
            self._left -= gone
            lease.first += gone * lease.interval
            lease.count -= gone
            if lease.count > TOLERANCE:
                return
            leases.popleft()
        self._left = 0.0

    def _ask_ahead(self, now: float) -> None:
        """Ask for the next lease before anybody needs it, if calls come so often (rule 3)."""
        self._measure(now)
        if self._own_use * HOLD + self.waiting() >= 1.0:
            self._ask()

    def _ask(self) -> None:
        self.asking = True
        self.ask()

    def _measure(self, now: float) -> None:
        """Measure own use."""
        lasted = now - self._mark
        if lasted == inf:
            self._mark, self._mark_used = now, self.used
        elif lasted >= _MEASURED:
            self._own_use += _SMOOTH * ((self.used - self._mark_used) / lasted - self._own_use)
            self._mark, self._mark_used = now, self.used


def _nothing() -> None:
    """Ask nobody."""


def _none() -> float:
    """Nobody waits."""
    return 0.0
