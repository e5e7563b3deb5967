"""The stored responses of one client in Redis or Valkey, for a fleet; with a copy in memory for when it is away.

Rules:
1. A call asks for its key each time, and waits for a tenth of a second at most. While the server is away, nobody asks:
   what this process knows of is used from memory.
2. Writes are sent as they come, in their order; no call waits for them, but one that invalidates, for a tenth of a
   second at most. What could not be invalidated is, once the server is back, and is not read from it before.
3. What is stored is sealed with a key that the server never sees. Its keys are hashes, keyed too.
4. A response that was requested before a write of any process, and comes after it, is not stored.
5. A call that asks for a key waits until what is on its way to the server has arrived: a client reads its own writes.
6. A server that was frozen may have heard a claim whose reply came too late: it is given back once the server is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.stores.answers import Answers
from asyncapi.stores.records import Records
from asyncapi.stores.redis import TIMEOUT, RedisConnection, Unavailable
from asyncapi.stores.redis_response_scripts import CLAIM, INVALIDATE, INVALIDATE_ALL, READ, RELEASE, STORE
from asyncapi.stores.responses import LEASE, RENEW, StoreCounts

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from asyncapi.sansio.http.stored_response import Record
    from asyncapi.stores.responses import Claimed

log: logging.Logger = logging.getLogger("asyncapi")

_IDLE = 7 * 86_400_000  # milliseconds after which an unused response goes
_LARGEST = 4 * 1024 * 1024  # bytes of one response: more takes too long to send
_MOST_ON_THE_WAY = 32 * 1024 * 1024  # bytes
_MOST_GONE = 10_000  # invalidations that wait for the server
_MOST_SEEN = 4096
_LONGEST_FETCH = 3500.0  # seconds; the server remembers an invalidation for an hour
_CLOSING = 1.0  # seconds for the last writes


class RedisResponses:
    """The stored responses of one client.

    Args:
        url: The server's URL.
        name: What its keys begin with.
        max_bytes: The bound of all responses under this name.
        room: Bytes of memory for the copies.
        key: Seals what is stored.

    Attributes:
        counts: What it has done.
        far: True: every key has to be brought.
        largest: The most bytes of all records of a key.
        turns: Whether processes take turns with single-flight.
    """

    def __init__(self, url: str, name: str, max_bytes: int, room: int, key: str) -> None:
        self._url = url
        self._records = Records(b"", key)
        self._prefix = f"{{{name}}}:response"
        self._account = tuple(f"{self._prefix}s:{part}" for part in ("used", "sizes", "total"))
        self._max_bytes = max_bytes
        self._largest = min(_LARGEST, max_bytes // 16)
        self._near: Answers[Any] = Answers(room)
        self._connection: RedisConnection | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self._storing: dict[str, asyncio.Task[None]] = {}  # the last write of a key that is on its way
        self._on_the_way = 0
        self._gone: dict[str, None] = {}  # keys whose invalidation has not arrived
        self._all_gone = False
        self._seen: OrderedDict[str, str] = OrderedDict()  # the last invalidation of keys, as it was read
        self._under_way: dict[str, list[Any]] = {}
        self._renewals: dict[str, asyncio.TimerHandle] = {}
        self._doubtful: dict[str, None] = {}  # claims that the server may have heard of (rule 6)
        self._me = uuid4().hex
        self._warned = self._closed = False
        self._again = 0.0
        self.counts: StoreCounts = StoreCounts()
        self.far: bool = True
        self.largest: int = self._largest - 1
        self.turns: bool = True

    def get(self, key: str) -> tuple[Record, ...] | None:
        """Return the records of a key, as they were brought last, or None."""
        found: tuple[Record, ...] | None = self._near.get(key)
        return found

    def put(self, key: str, records: tuple[Record, ...], size: int) -> None:
        """Replace the records of a key; by nothing where it is too large, or too much is on its way."""
        own = self._records
        before = {own.variant(record): record for record in self.get(key) or ()}
        after = {own.variant(record): record for record in records}
        self._near.put(key, records, size)
        if self._closed or self._is_away() or key in self._gone or self._all_gone:
            self._lose(key)
            return
        if size >= self._largest or self._on_the_way + size > _MOST_ON_THE_WAY:
            self._lose(key)
            return
        begun = min(self._under_way.get(key, ()), default=None, key=lambda each: each[0])
        since = "*" if begun is None else begun[1] if time.monotonic() - begun[0] < _LONGEST_FETCH else "?"
        place = own.place(key)
        gone = [name for name in before if name not in after]
        new = [part for name, record in after.items() if before.get(name) != record
               for part in (name, own.pack(place, record))]  # fmt: skip
        self._storing[key] = self._send(self._store(key, since, gone, new, size))

    def drop(self, key: str) -> None:
        """Remove a key, for all processes."""
        self._near.drop(key)
        self._lose(key)

    def _lose(self, key: str) -> None:
        """Have what the server has of a key removed, now or when it is back (rule 2)."""
        if self._closed:
            return
        if len(self._gone) < _MOST_GONE:
            self._gone[key] = None
        else:
            self._gone.clear()
            self._all_gone = True
        if not self._is_away():
            self._send(self._invalidate())

    async def bring(self, *keys: str) -> None:
        """Read keys from the server (rule 1)."""
        keys = tuple(key for key in keys if key not in self._gone)
        if not keys or self._closed or self._all_gone or time.monotonic() < self._again:
            return
        connection = self._opened()
        if connection.away:
            self._warn(connection.away)
            return
        places = [self._place(key) for key in keys]
        try:
            async with asyncio.timeout(TIMEOUT):
                await connection.reached()
                if on_the_way := {self._storing[key] for key in keys if key in self._storing}:
                    await asyncio.wait(on_the_way)  # rule 5
            found = await connection.run(READ, (self._account[0], *places), (_IDLE,))
        except (Unavailable, TimeoutError) as error:
            self._failed(error)
            return
        for key, fields in zip(keys, found, strict=True):
            if key not in self._gone and key not in self._storing:  # what is in memory is newer
                self._take(key, fields)

    def _take(self, key: str, fields: list[bytes]) -> None:
        """Keep what the server has of a key, and which invalidation was its last."""
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        self._seen[key] = pairs.pop(b"g", b"").decode()
        self._seen.move_to_end(key)
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        place = self._records.place(key)
        records = [record for value in pairs.values() if (record := self._records.unpack(place, value)) is not None]
        if records:
            self._near.put(key, tuple(records), sum(len(value) + 500 for value in pairs.values()))
        else:
            self._near.drop(key)

    def begin(self, key: str) -> object:
        """Note that a request for a key goes out."""
        begun = (time.monotonic(), self._seen.get(key, "?"))  # not known: any invalidation overtakes it
        self._under_way.setdefault(key, []).append(begun)
        return begun

    def end(self, key: str, begun: object) -> None:
        """Note that such a request is done."""
        begins = self._under_way[key]
        begins.remove(begun)
        if not begins:
            del self._under_way[key]

    async def settle(self) -> None:
        """Wait until what was dropped has arrived, for a tenth of a second at most."""
        if self._writes:
            await asyncio.wait(tuple(self._writes), timeout=TIMEOUT)

    async def claim(self, name: str) -> Claimed:
        """Ask to be the one process that fetches something: "free" where everybody may."""
        if self._closed or self._is_away():
            return "free"
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._opened().reached()
            state = await self._opened().run(CLAIM, (self._claim(name),), (self._me, int(LEASE * 1000)))
        except (Unavailable, TimeoutError) as error:
            if len(self._doubtful) < _MOST_SEEN:
                self._doubtful[name] = None
            self._failed(error)
            return "free"
        except asyncio.CancelledError:  # the server may grant what nobody waits for any more
            self._give_back(name)
            raise
        if state == b"mine":
            self._renew_later(name)
            return "mine"
        return "held" if state == b"held" else "free"

    def release(self, name: str, *, shared: float) -> None:
        """Give a claim back, behind all that was put before."""
        timer = self._renewals.pop(name, None)
        if timer is not None:
            timer.cancel()
            self._give_back(name, shared)

    def _give_back(self, name: str, shared: float = 0.0) -> None:
        self._send(self._run(RELEASE, (self._claim(name),), (self._me, int(shared * 1000))))

    def _renew_later(self, name: str) -> None:
        def renew() -> None:
            self._send(self._run(CLAIM, (self._claim(name),), (self._me, int(LEASE * 1000))))
            self._renew_later(name)

        self._renewals[name] = asyncio.get_running_loop().call_later(RENEW, renew)

    def occupancy(self) -> dict[str, int]:
        """The copies in memory: what the server holds is not asked for."""
        return {"entries": len(self._near), "bytes": self._near.size}

    async def aclose(self) -> None:
        """Send what is to be sent, and close. May be called twice."""
        self._closed = True
        for timer in self._renewals.values():
            timer.cancel()
        try:
            if self._writes:
                await asyncio.wait(tuple(self._writes), timeout=_CLOSING)
        finally:
            connection, self._connection = self._connection, None
            for task in self._writes:
                task.cancel()
            if connection is not None:
                await connection.aclose()

    async def _store(self, key: str, since: str, gone: list[bytes], new: list[bytes], size: int) -> None:
        self._on_the_way += size
        try:
            keys = (*self._account, self._place(key))
            evicted = await self._run(STORE, keys, (since, _IDLE, self._max_bytes, len(gone), *gone, *new))
        finally:
            self._on_the_way -= size
            if self._storing.get(key) is asyncio.current_task():
                del self._storing[key]
        if evicted is None:  # it is away: the copy in memory is used (rule 1)
            return
        if evicted < 0:
            self._near.drop(key)
        else:
            self.counts.evicted += evicted

    async def _invalidate(self) -> None:
        """Send the invalidations that have not arrived."""
        keys = tuple(self._gone)
        while self._all_gone:
            left = await self._run(INVALIDATE_ALL, self._account, (uuid4().hex,))
            if left is None:
                return
            self._all_gone = left > 0
        if keys:
            done = await self._run(INVALIDATE, (*self._account, *map(self._place, keys)), (uuid4().hex,))
            for key in keys if done is not None else ():
                self._gone.pop(key, None)

    async def _run(self, script: str, keys: tuple[str, ...], args: tuple[Any, ...]) -> Any:
        """Run a script; None where the server can't be asked."""
        try:
            return await self._opened().run(script, keys, args)
        except Unavailable as error:
            self._failed(error)
            return None

    def _send(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        """Have something done that no call waits for; in order, as each is sent at once."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return task

    def _opened(self) -> RedisConnection:
        if self._connection is None:
            self._connection = RedisConnection(self._url, tells=False)
            self._connection.on_return.append(self._back)
        return self._connection

    def _is_away(self) -> bool:
        return bool(self._opened().away)

    def _back(self) -> None:
        """Take in that the server is there, at first or again."""
        if self._warned:
            log.warning("Redis at %s is back: the cache uses it again", self._opened().shown)
        self._warned, self._again = False, 0.0
        if self._closed:
            return
        if self._gone or self._all_gone:
            self._send(self._invalidate())
        for name in self._doubtful:
            if name not in self._renewals:
                self._give_back(name)
        self._doubtful.clear()

    def _failed(self, error: Exception) -> None:
        self.counts.errors += 1
        if isinstance(error, TimeoutError):  # it is being connected to: the next calls don't wait for that
            self._again = time.monotonic() + TIMEOUT
        self._warn(str(error) or f"no reply within {TIMEOUT:g} s")

    def _warn(self, why: str) -> None:
        """Say once that responses are kept in memory."""
        if not self._warned:
            log.warning(
                "Redis at %s can't be used (%s): the cache keeps responses in memory", self._opened().shown, why
            )
        self._warned = True

    def _place(self, key: str) -> str:
        return f"{self._prefix}:{self._records.place(key).hex()}"

    def _claim(self, name: str) -> str:
        return f"{self._prefix}-claim:{self._records.place(name).hex()}"
