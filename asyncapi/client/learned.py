"""What one client has learned of retries: for each policy, for each host; and how it is kept from one run to the next.

Rules of what is kept (`Learned(store=)`):
1. It is read before the first decision, which waits for that a second at most; without it, it begins from nothing.
2. It is written now and then while something is learned, and when the client closes, for a few seconds at most. Nothing
   else waits for it.
3. Several processes may keep it in one place: each adds its own (sansio/failures/learned_snapshot.py), while it holds
   the lock of the store.
4. A store that fails, or a text that is something else, is a warning in the log: retries go on. The text of a later
   version is left as it is.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from asyncapi.client.stats import LearnedStats
from asyncapi.sansio.failures import learned_snapshot
from asyncapi.sansio.failures.learned import WAITS, Learning
from asyncapi.sansio.failures.learned_snapshot import Counts, Foreign
from asyncapi.sansio.failures.lessons import Lessons
from asyncapi.sansio.limits.keyed import Keyed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from asyncapi.clock import Clock
    from asyncapi.sansio.failures.learned import Seen
    from asyncapi.sansio.failures.learned_snapshot import Place
    from asyncapi.settings import Learned

NAME = "learned retries"
"""The name of the text in the store."""

_MAX_HOSTS = 1024
_LOAD = 1.0  # seconds that a decision waits for what is kept
_CLOSE = 5.0  # seconds that the end of a client waits until it is written
_EVERY = 30.0  # seconds between two times that it is written

log: logging.Logger = logging.getLogger("asyncapi")


class LearnedRetries:
    """What the calls with one policy have learned; policies with equal settings are one.

    Args:
        settings: The policy.
        clock: The client's clock.

    Attributes:
        hosts: What is known of each host.
    """

    def __init__(self, settings: Learned, clock: Clock) -> None:
        rules, kept = settings.rules, settings.store is not None
        self._clock = clock
        self._store = settings.store
        self._keep = rules.keep
        self._known: dict[Place, Counts] = {}  # as it was read or written last
        self._taken: dict[Place, Counts] = {}  # what of that is in what is known here
        self._loading: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._due: float | None = None
        self._spoilt = self._warned = False  # whether a later version wrote the text, and it was said (rule 4)
        self._waited = self._closed = False
        self.hosts: Keyed[Learning] = Keyed(
            lambda host: Learning(rules, (lambda key, seen: self._recall((host, key), seen)) if kept else None),
            _MAX_HOSTS,
            named=True,
        )

    def lessons(self, host: str) -> Lessons | Awaitable[Lessons]:
        """Begin the lessons of one call; what is kept may have to be waited for (rule 1)."""
        if self._store is None:
            return Lessons(self.hosts[host])
        self.begin()
        if self._loading is not None and not self._loading.done() and not self._waited:
            return self._lessons_when_loaded(host, self._loading)
        return Lessons(self.hosts[host], self._noted)

    async def _lessons_when_loaded(self, host: str, loading: asyncio.Task[None]) -> Lessons:
        await asyncio.wait([loading], timeout=_LOAD)
        self._waited = True
        return Lessons(self.hosts[host], self._noted)

    def begin(self) -> None:
        """Begin to read what is kept."""
        if self._loading is None and self._store is not None and not self._closed:
            self._loading = asyncio.create_task(self._load())

    async def aclose(self) -> None:
        """Write what was learned (rule 2)."""
        self._closed = True
        running = [task for task in (self._loading, self._saving) if task is not None and not task.done()]
        last = asyncio.create_task(self._finish(running)) if running or self._due is not None else None
        if last is None:
            return
        try:
            await asyncio.wait([last], timeout=_CLOSE)
        finally:
            if not last.done():
                log.warning("what was learned of retries can't be kept in %r: it takes too long", self._store)
                for task in (last, *running):
                    task.cancel()
        await asyncio.wait([last, *running])

    async def _finish(self, running: list[asyncio.Task[None]]) -> None:
        if running:
            await asyncio.wait(running)
        if self._due is not None and not self._spoilt:
            await self._save()

    def stats(self) -> dict[str, dict[str, LearnedStats]]:
        """What is known, by host, and by "503 on GET /items"."""
        return {
            host: {f"{kind} on {route}": _stats(seen) for (route, kind), seen in learning.items()}
            for host, learning in self.hosts.items()
        }

    def _noted(self) -> None:
        """Write what was learned, if it is time to."""
        now = self._clock.now()
        if self._spoilt or self._closed:
            return
        if self._due is None:
            self._due = now + _EVERY
        elif now >= self._due and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(self._save())

    async def _load(self) -> None:
        try:
            text = await self._store.load(NAME)
            if text is not None:
                self._known = {**self._read(text), **self._known}
        except Exception as error:
            self._warn("can't be read from", error, "retries go on, and learn anew")

    async def _save(self) -> None:
        """Add what was learned here to what is kept (rule 3)."""
        try:
            async with getattr(self._store, "lock", nullcontext)():
                text = await self._store.load(NAME)
                stored = {} if text is None else self._read(text)
                if self._spoilt:
                    return
                self._due = None
                joined, theirs = self._join(stored)
                try:
                    await self._store.save(NAME, learned_snapshot.write(joined))
                except BaseException:
                    self._taken = theirs  # what is new here is still to be written
                    raise
        except Exception as error:
            self._due = self._clock.now() + _EVERY
            self._warn("can't be kept in", error, "retries go on")

    def _read(self, text: str) -> dict[Place, Counts]:
        try:
            return learned_snapshot.read(text, self._clock.wall())
        except Foreign as error:
            self._spoilt = error.newer
            what_now = "it is left as it is, and nothing is kept of this run" if error.newer else "it will be replaced"
            self._warn("can't be read from", error, what_now)
            return {}

    def _join(self, stored: dict[Place, Counts]) -> tuple[dict[Place, Counts], dict[Place, Counts]]:
        """Take over what others have written; return all, as it is to be written, and what of that is theirs."""
        wall, now = self._clock.wall(), self._clock.now()
        joined = dict(stored)
        theirs: dict[Place, Counts] = {}
        for place, seen in self._seen():
            seen.grow_old(now)
            mine = _counts(seen, wall)
            if (before := self._taken.get(place)) is not None:
                mine = mine.plus(before.scaled(seen.left_of, wall), -1.0)
            if (found := stored.get(place)) is not None:
                theirs[place] = found.aged(wall).scaled(self._keep**seen.new, wall)
                mine = mine.plus(theirs[place])
            elif not seen.new:  # it was dropped from the store, or is old: nothing new is known
                continue
            joined[place] = mine
            seen.fill(mine.good, mine.bad, mine.tried, mine.won)
        self._known = joined
        self._taken = {place: joined[place] for place, _ in self._seen() if place in joined}
        return joined, theirs

    def _seen(self) -> Iterable[tuple[Place, Seen]]:
        for host, learning in self.hosts.items():
            for key, seen in learning.items():
                yield (host, key), seen

    def _recall(self, place: Place, seen: Seen) -> None:
        """Fill in what is kept of a key."""
        known = self._known.get(place)
        self._taken.pop(place, None)
        if known is not None:
            self._taken[place] = known = known.aged(self._clock.wall())
            seen.fill(known.good, known.bad, known.tried, known.won)

    def _warn(self, what: str, error: Exception, what_now: str) -> None:
        if self._warned:  # once is enough
            return
        self._warned = True
        why = str(error) or type(error).__name__
        log.warning("what was learned of retries %s %r: %s; %s", what, self._store, why, what_now)


def _counts(seen: Seen, wall: float) -> Counts:
    return Counts(wall, seen.good, seen.bad, seen.tried / seen.unit, seen.won / seen.unit)


def _stats(seen: Seen) -> LearnedStats:
    waits: dict[float, tuple[float, float]] = {
        wait: (_shown(good), _shown(bad))
        for wait, good, bad in zip(WAITS, seen.good, seen.bad, strict=True)
        if good or bad
    }
    return LearnedStats(
        good=_shown(seen.won / seen.unit),
        bad=_shown(max(0.0, seen.tried - seen.won) / seen.unit),
        waits=waits,
        choice=None if seen.best is None else WAITS[seen.best],
        refused=_shown(seen.refused / seen.asked) if seen.asked else 0.0,
    )


def _shown(number: float) -> float:
    return round(number, 3)


def snapshots(learned: dict[Learned, Any]) -> dict[str, dict[str, LearnedStats]]:
    """What all policies of a client have learned; where two know the same key, the one that is used more."""
    found: dict[str, dict[str, LearnedStats]] = {}
    for retries in learned.values():
        for host, known in retries.stats().items():
            into = found.setdefault(host, {})
            for name, stats in known.items():
                other = into.get(name)
                if other is None or other.good + other.bad < stats.good + stats.bad:
                    into[name] = stats
    return found
