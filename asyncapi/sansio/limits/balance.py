"""Pick the endpoint of each attempt: power of two choices, over the requests in flight and the latency.

Two endpoints are drawn by their weights, and the one with the lower cost is picked: (requests in flight / weight + 1) x
latency (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing"; Finagle's "peak EWMA").

Rules:
1. Who is drawn from, in this order: endpoints that are in; not held back by a limit or a circuit of ours; not tried by
   this call; of the lowest priority number (RFC 2782); in our zone. What applies to none of them is left out.
2. Latencies within a factor of two of each other, or two milliseconds, count as equal: chance makes as much of a
   difference. At equal costs the first that was drawn is picked, so that weights hold.
3. An endpoint that was passed over for `_LONG` seconds and `_MANY` picks is picked once: a latency may be out of date.
4. At most half of the endpoints are out. One more that fails is probed like those, but it may be drawn: where the
   others have their hands full, and where no other has its priority.
5. An endpoint whose ejection is over gets one request as a probe: one that may be sent again where it fails. If none
   of that kind comes for as long as the ejection took, any request is the probe.
6. Our zone is used alone while enough of its endpoints are in (`zone_share`); below, every zone is drawn from.
7. What becomes of other requests to an endpoint that is out says nothing: they were sent before.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from asyncapi.sansio.limits.endpoint_health import Health, Rules

_SIMILAR = 2.0  # times the latency (rule 2)
_NOISE = 0.002  # seconds (rule 2)
_LONG, _MANY = 10.0, 200  # seconds, and picks per endpoint (rule 3)
_FAILING = 32.0  # times the cost (rule 4)
_NONE: frozenset[Health] = frozenset()


class Balancer:
    """The endpoints of one set.

    Args:
        rules: Hold for all of them.
        random: Draws from [0, 1).

    Attributes:
        rules: As above.
        members: The endpoints.
        picks: How often one was picked.
    """

    __slots__ = ("_alike", "_random", "_usual_weight", "members", "picks", "rules")

    def __init__(self, rules: Rules, random: Callable[[], float]) -> None:
        self.rules: Rules = rules
        self.members: list[Health] = []
        self.picks: int = 0
        self._random = random
        self._usual_weight = 1.0
        self._alike = False  # whether all may be drawn alike, while nothing is wrong with any

    def replace(self, members: Iterable[Health]) -> None:
        """Use these endpoints from now on; those that stay keep their state."""
        self.members = list(members)
        self._usual_weight = sum(member.weight for member in self.members) / len(self.members)
        self._alike = not self.rules.zone and len({member.priority for member in self.members}) == 1
        ejected = sorted((member for member in self.members if member.out), key=lambda member: member.until)
        while len(ejected) > self.most_out:  # rule 4
            member = ejected.pop(0)
            member.out, member.probes = False, None

    @property
    def most_out(self) -> int:
        """How many may be out at a time (rule 4)."""
        return len(self.members) // 2

    def pick(
        self,
        now: float,
        holder: object,
        *,
        tried: Sequence[str] = (),
        held: Collection[Health] = _NONE,
        may_probe: bool = True,
    ) -> Health:
        """Pick an endpoint for an attempt, which counts as in flight there until `done`.

        Args:
            now: Seconds.
            holder: Who asks: a probe is held by it until the verdict.
            tried: Keys of the endpoints that the call has tried, the last one last.
            held: Endpoints where the attempt would be held back.
            may_probe: Whether the request may be sent again, whatever becomes of it.
        """
        self.picks += 1
        troubled = False  # the common case is quick: all are in, and one is as good as another
        for member in self.members:
            if member.out or member.failing:
                troubled = True
        picked = self._due(now, tried, held, may_probe=may_probe) if troubled else None
        if picked is not None:
            picked.probes = holder
        else:
            able = self.members if self._alike and not (troubled or held or tried) else self._able(tried, held)
            picked = self._forgotten(now, able) or self._better(now, able)
        self._count(picked, now)
        return picked

    def take(self, member: Health, now: float) -> None:
        """Count an attempt that goes to this endpoint in any case."""
        self.picks += 1
        self._count(member, now)

    def _count(self, member: Health, now: float) -> None:
        member.in_flight += 1
        member.picks += 1
        member.picked_at, member.picked_of = now, self.picks

    def done(self, member: Health, holder: object) -> None:
        """Count an attempt as no longer in flight; a probe without a verdict is given up."""
        member.in_flight -= 1
        if member.probes is holder:
            member.probes = None

    def succeeded(self, member: Health, holder: object, now: float) -> None:
        """Take in that a response of it says: it works."""
        if not (member.out or member.failing):
            member.failures = 0
        elif member.probes is holder:  # rule 7
            member.come_back(now)

    def failed(self, member: Health, holder: object, now: float, *, wants_out: bool = False) -> None:
        """Take in a failure of it, or that it wants no more requests; eject it where that is due, and may be."""
        if (member.out or member.failing) and member.probes is not holder:  # rule 7
            return
        member.failures = max(member.failures + 1, self.rules.failures if wants_out else 0)
        if member.failing:
            others = sum(other.out for other in self.members if other is not member)
            member.eject(now, out=others < self.most_out)

    def left(self, member: Health, now: float, seconds: float) -> None:
        """Take in that a request was given up after so many seconds: a response would have taken longer."""
        if member.latency is None:
            slowest = max((other.latency or 0.0 for other in self.members), default=0.0)
            if seconds > (slowest or inf):
                member.learn(now, seconds)
        elif seconds * _SIMILAR >= member.latency:
            member.learn(now, max(seconds, member.latency))

    def _due(self, now: float, tried: Sequence[str], held: Collection[Health], *, may_probe: bool) -> Health | None:
        """Return an endpoint that waits for its probe (rule 5)."""
        for member in self.members:
            if (member.out or member.failing) and member.probes is None and not (member.key in tried or member in held):
                due = member.until if may_probe else member.until + member.ejected_for
                if now >= due:
                    return member
        return None

    def _able(self, tried: Sequence[str], held: Collection[Health]) -> Sequence[Health]:
        """Return those that are drawn from (rule 1)."""
        able: Sequence[Health] = [member for member in self.members if not member.out] or self.members
        if held:
            able = [member for member in able if member not in held] or able
        if tried:
            others = [member for member in able if member.key not in tried]
            able = others or [member for member in able if member.key != tried[-1]] or able
        fit = [member for member in able if not member.failing] or able
        first = min(member.priority for member in fit)
        able = [member for member in able if member.priority == first]
        zone = self.rules.zone
        if zone and self._zone_is_well(zone, first):
            able = [member for member in able if member.zone == zone] or able
        return able

    def _zone_is_well(self, zone: str, priority: int) -> bool:
        """Rule 6."""
        ours = [member for member in self.members if member.zone == zone and member.priority == priority]
        return sum(not (member.out or member.failing) for member in ours) >= self.rules.zone_share * len(ours)

    def _forgotten(self, now: float, able: Sequence[Health]) -> Health | None:
        """Return one that was passed over for long (rule 3)."""
        few = self.picks - _MANY * len(able)
        for member in able:
            if not member.failing and member.picked_of <= few and now - member.picked_at >= _LONG and len(able) > 1:
                return member
        return None

    def _better(self, now: float, able: Sequence[Health]) -> Health:
        """Draw two, and return the one with the lower cost (rule 2)."""
        if len(able) == 1:
            return able[0]
        usual = self._usual_weight
        shares = [member.share(now) / usual for member in able]
        first = self._draw(shares)
        one = able[first]
        share, shares[first] = shares[first], 0.0
        second = self._draw(shares)
        other = able[second]
        latency = its = 1.0
        if one.judged is not None and other.judged is not None:
            mine, theirs = one.judged + _NOISE, other.judged + _NOISE
            if max(mine, theirs) > _SIMILAR * min(mine, theirs):
                latency, its = mine, theirs
        cost = (one.in_flight / share + 1) * latency * (_FAILING if one.failing else 1)
        its_cost = (other.in_flight / shares[second] + 1) * its * (_FAILING if other.failing else 1)
        return other if its_cost < cost else one

    def _draw(self, shares: Sequence[float]) -> int:
        """Draw an index by its share."""
        point, last = self._random() * sum(shares), 0
        for index, share in enumerate(shares):
            if share:
                last = index
                if point < share:
                    return index
                point -= share
        return last
