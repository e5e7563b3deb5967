"""Tell the other processes of a fleet what hosts ask for, and hear it from them: pauses, and quotas that run low.

1. A pause that one process was asked for, and that is seen to be everybody's (sansio/limits/host_pause.py), is kept by
   all from the moment they hear of it. Each keeps it as if it had been asked itself, with its own caps.
2. It is kept in Redis too, for processes that start later, and for those that were cut off.
3. A pause that was a mistake is taken back by the process that told of it.
4. A quota is told when less than a quarter of it is left, twenty times a second at most, and when nothing is left. Of a
   window the lowest remaining counts. What is left is then spaced as by one process, not by each for itself.
5. News may be lost. What each process is told by the host's own responses holds in any case.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import astuple, dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from asyncapi.sansio.limits.ratelimit_headers import Quota
from asyncapi.stores.redis import Unavailable
from asyncapi.stores.redis_scripts import READ_PAUSES, TELL_PAUSE, TELL_QUOTA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.clock import Clock
    from asyncapi.sansio.limits.pacing import Pacer
    from asyncapi.stores.redis import RedisConnection

_US = 1_000_000
_LONGEST = 86_400.0  # seconds of a pause that is believed
_LOW = 0.25  # of a quota: it is told from here on
_EVERY = 0.05  # seconds between two tales of one quota
_MOST = 1024  # pauses of hosts that this process has not called yet


class Pace(Protocol):
    """What is known of one host's limits, and the queues that lead to it: `asyncapi.layers.pace.Pace`."""

    @property
    def pacer(self) -> Pacer:
        """Decides when the next attempt may go."""
        ...

    def look_again(self) -> None:
        """Compute the queues anew."""
        ...


@dataclass(frozen=True, slots=True)
class _Pause:
    """What was heard of a host before it was called: until when, on our clock, and the kind of pause."""

    until: float
    kind: str


class News:
    """What one process tells and hears.

    Args:
        name: The fleet's.
        me: Names this process.
        connection: Leads to Redis.
        clock: Times everything.
    """

    def __init__(self, name: str, me: str, connection: RedisConnection, clock: Clock) -> None:
        self._channel = f"{{{name}}}:news"
        self._pauses, self._quotas = f"{{{name}}}:pauses", f"{{{name}}}:quotas"
        self._me = me
        self._connection = connection
        self._clock = clock
        self._paces: WeakValueDictionary[str, Pace] = WeakValueDictionary()
        self._early: dict[str, _Pause] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._listens = False
        self.sharers: int = 1

    def join(self, host: str, pace: Pace) -> None:
        """Tell and hear of a host from now on."""
        self._paces[host] = pace
        pace.pacer.sharers = self.sharers
        pace.pacer.tell = _Teller(self, host)
        early, now = self._early.pop(host, None), self._clock.now()
        if early is not None and early.until > now:
            _hear(pace, now, early.until - now, early.kind)
        if not self._listens:
            self._listens = True
            self._connection.listen(self._channel, self._heard, self._opened)

    def tell_pause(self, host: str, seconds: float, kind: str) -> None:
        """Tell of a pause; 0 seconds take it back."""
        length = int(min(seconds, _LONGEST) * _US)
        self._connection.start(self._publish(TELL_PAUSE, self._pauses, host, length, kind))

    def tell_quotas(self, host: str, quotas: Iterable[Quota]) -> None:
        """Tell of those that run low (rule 4)."""
        now = self._clock.now()
        for quota in quotas:
            limit, left, reset = quota.limit, quota.remaining, quota.reset
            if limit is None or left is None or reset is None or left > _LOW * limit:
                continue
            key = (host, f"{quota.dialect}/{quota.name}")
            if now - self._told.get(key, -inf) < (_EVERY if left > 0 else 0.0):
                continue
            if len(self._told) >= _MOST:
                self._told.clear()
            self._told[key] = now + (_EVERY if left <= 0 else 0.0)
            text = json.dumps([host, *astuple(quota)])
            length = int(min(reset, _LONGEST) * _US)
            self._connection.start(self._publish(TELL_QUOTA, self._quotas, host, key[1], left, length, text))

    async def _publish(self, script: str, key: str, *args: str | float) -> None:
        try:
            heard_by = await self._connection.run(script, (key,), (self._channel, self._me, *args))
        except Unavailable:  # rule 5
            return
        self.sharers = max(1, int(heard_by))
        for pace in list(self._paces.values()):
            pace.pacer.sharers = self.sharers

    async def _opened(self) -> None:
        """Read the pauses that others have told of, and tell of ours that they may have missed (rule 2)."""
        found = await self._connection.run(READ_PAUSES, (self._pauses,))
        for host, pause in zip(found[::2], found[1::2], strict=True):
            length, kind = pause.decode().split()
            self._hear_pause(host.decode("utf-8", "replace"), int(length) / _US, kind)
        now = self._clock.now()
        for host, pace in list(self._paces.items()):
            pause = pace.pacer.pause if pace.pacer.active else None
            if pause is not None and pause.paused and pause.timed and not pause.heard and pause.left(now) > 0:
                self.tell_pause(host, pause.left(now), "-")

    def _heard(self, message: bytes) -> None:
        """Take in a message; one that no process of ours has written is left alone."""
        with suppress(ValueError, TypeError):
            self._read(message)

    def _read(self, message: bytes) -> None:
        what, who, rest = message.decode("utf-8", "replace").split(" ", 2)
        if who == self._me:
            return
        if what == "pause":
            length, kind, host = rest.split(" ", 2)
            self._hear_pause(host, int(length) / _US, kind)
        elif what == "quota":
            host, *fields = json.loads(rest)
            pace = self._paces.get(host)
            if pace is not None:
                pace.pacer.hear_quota(self._clock.now(), Quota(*fields))
                pace.look_again()

    def _hear_pause(self, host: str, seconds: float, kind: str) -> None:
        now, seconds = self._clock.now(), min(seconds, _LONGEST)
        pace = self._paces.get(host)
        if pace is not None:
            _hear(pace, now, seconds, kind)
            return
        self._early.pop(host, None)
        if seconds:
            if len(self._early) >= _MOST:
                del self._early[next(iter(self._early))]
            self._early[host] = _Pause(now + seconds, kind)


class _Teller:
    """Tells of the pauses of one host."""

    __slots__ = ("_host", "_news")

    def __init__(self, news: News, host: str) -> None:
        self._news = news
        self._host = host

    def __call__(self, seconds: float, backlog: bool, explained: bool) -> None:
        self._news.tell_pause(self._host, seconds, f"{'b' * backlog}{'e' * explained}" or "-")


def _hear(pace: Pace, now: float, seconds: float, kind: str) -> None:
    pace.pacer.hear(now, seconds, backlog="b" in kind, explained="e" in kind)
    pace.look_again()
