"""The stored responses of one client in a SQLite file: read at once, written by a thread (sqlite_writer.py).

Rules:
1. Reads run on the event loop: in write-ahead logging they wait for no lock, and take some microseconds. So do claims
   and removals, which try for the lock without waiting for it.
2. What waits to be written is read from memory.
3. The file is opened by the first call. Where it can't be opened, read or written, a warning says why, once, and
   responses are kept in memory; it is tried again every few seconds, unless it is damaged or is not ours.
4. What was removed while the file could not be written is not read from it.
5. A file that was deleted or replaced is opened again, as it is now, at the next write. The writer's thread finds that
   out and sets `_base` to None: who uses it holds a reference of its own.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING
from weakref import finalize, ref

from asyncapi.stores import sqlite_statements as statements
from asyncapi.stores.answers import Answers
from asyncapi.stores.responses import StoreCounts
from asyncapi.stores.sqlite_claims import Claims
from asyncapi.stores.sqlite_file import PAGE, NotOurs, is_locked, open_file, reason
from asyncapi.stores.sqlite_unwritten import Change, Unwritten
from asyncapi.stores.sqlite_writer import Writer, records_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from asyncapi.sansio.http.stored_response import Record
    from asyncapi.stores.records import Records
    from asyncapi.stores.responses import Claimed

log: logging.Logger = logging.getLogger("asyncapi")

_PAUSE = 0.005  # seconds between two tries to get a lock
_TRIES = 20
_OPENING_TRIES = 100
_AGAIN = 5.0  # seconds until the next try to open the file
_TOUCHES = 256  # uses that are written down together
_CLOSING = 5.0  # seconds for the last changes
_MANY, _LOOK = 10_000, 1.0  # entries that take a while to count, and seconds for which their number is remembered


class SQLiteResponses:
    """The stored responses of one client.

    Args:
        path: The file.
        max_bytes: The bound of its bytes on the disk.
        room: Bytes of memory for responses while it can't be used.
        key: The user's key, or None.

    Attributes:
        counts: What it has done.
        far: Whether the file is still to be opened.
        turns: Whether processes take turns with single-flight.
    """

    def __init__(self, path: Path, max_bytes: int, room: int, key: str | None) -> None:
        self._path = path
        self._key = key
        self._near: Answers[Any] = Answers(room)
        self._records: Records | None = None
        self._base: sqlite3.Connection | None = None
        self._writer = Writer(path, max_bytes, key, _weakly(self))
        finalize(self, self._writer.stop)
        self._unwritten = Unwritten()
        self._values = self._unwritten.values
        self._touched: dict[int, None] = {}
        self._under_way: dict[str, list[Any]] = {}
        self._claims = Claims(self._writer)
        self._warned = self._closed = self._cannot_write = False
        self._left: list[sqlite3.Connection] = []  # of files that were replaced
        self._again = 0.0
        self._entries: tuple[float, int] = (0.0, 0)
        self.counts: StoreCounts = StoreCounts()
        self.far: bool = True
        self.turns: bool = True

    def get(self, key: str) -> tuple[Record, ...] | None:
        """Return the records of a key, or None."""
        if self._cannot_write:
            found = self._near.get(key)
            if found is not None or self._writer.emptying:  # rule 4
                return found
        base, records = self._base, self._records
        if base is None or records is None:
            return self._near.get(key)
        if self._values and (left := self._values.get(key)) is not None:  # rule 2
            return left or None
        place = records.place(key)
        try:
            rows = base.execute(statements.GET, (place,)).fetchall()
        except sqlite3.Error as error:
            self._ill(error)
            return None
        if not rows:
            return None
        recent = time.time() - statements.FRESH_USE
        for number, used, _ in rows:
            if used < recent:
                self._touch(number)
        return tuple([record for row in rows if (record := records.unpack(place, row[2])) is not None]) or None

    @property
    def largest(self) -> int:
        """The most bytes of all records of a key."""
        return self._writer.largest - 1

    def put(self, key: str, records: tuple[Record, ...], size: int) -> None:
        """Replace the records of a key; by nothing where it is too large, or too much waits to be written."""
        own = self._records
        if own is None:
            self._near.put(key, records, size)
            return
        if self._cannot_write:  # what the file has is older
            self._add(Change("drop", key), ())
            self._near.put(key, records, size)
            return
        if size >= self._writer.largest or not self._writer.has_space_for(size):
            self.drop(key)
            return
        before = {own.variant(record): record for record in self.get(key) or ()}
        after = {own.variant(record): record for record in records}
        new = [(name, record) for name, record in after.items() if before.get(name) != record]
        gone = [name for name in before if name not in after]
        begun = min(self._under_way.get(key, ()), default=None)
        self._add(Change("put", key, size, new, gone, begun), records)

    def drop(self, key: str) -> None:
        """Remove a key, for all processes."""
        self._near.drop(key)
        if self._records is None and not self.far:  # it is not ours
            return
        self._add(Change("drop", key), ())

    def _add(self, change: Change, left: tuple[Record, ...]) -> None:
        with self._writer.lock:
            self._unwritten.add(change, left)
        self._writer.add(change, urgent=change.kind == "drop")

    async def bring(self, *keys: str) -> None:  # noqa: ARG002 - the contract's
        """Open the file, if that has not been done (rule 3)."""
        if self._closed or time.monotonic() < self._again:
            return
        for _ in range(1 if self._warned else _OPENING_TRIES):  # only the first calls wait for it
            if self._open():
                return
            await asyncio.sleep(_PAUSE)
        self._warn(f"{self._path} is locked by another process, or its file system has no locks: it needs a local disk")
        self._again = time.monotonic() + _AGAIN

    def _open(self) -> bool:
        """Try to open the file; return False where it is locked."""
        if self._base is not None or self._closed or not self.far:
            return True
        try:
            base = open_file(self._path, busy=0.0)
            self._records = records_of(base, self._key)
        except NotOurs as error:
            self._warn(str(error))
            self.far = False
            return True
        except (sqlite3.Error, OSError) as error:
            if is_locked(error):
                return False
            self._warn(f"{self._path} can't be used: {reason(error)}")
            self._again = time.monotonic() + _AGAIN
            return True
        self._base, self.far, self._warned = base, False, False
        self._near = Answers(self._near.max_bytes)
        return True

    def begin(self, key: str) -> object:
        """Note that a request for a key goes out."""
        number, base = 0, self._base  # rule 5
        if base is not None:
            try:
                number = statements.last_drop(base)
            except sqlite3.Error as error:
                self._ill(error)
        begun = (number, time.monotonic())
        self._under_way.setdefault(key, []).append(begun)
        return begun

    def end(self, key: str, begun: object) -> None:
        """Note that such a request is done."""
        begins = self._under_way[key]
        begins.remove(begun)
        if not begins:
            del self._under_way[key]

    async def settle(self) -> None:
        """Write what was dropped, if the lock can be had within a tenth of a second (rule 1)."""
        for _ in range(_TRIES):
            waiting, records = self._unwritten.drops(), self._records
            if not waiting or self._base is None or records is None or self._cannot_write:
                return
            places = [records.place(change.key) for change in waiting]
            with self._writer.lock:
                if self._at_once(partial(statements.drop, places=places)):
                    for change in waiting:
                        change.done = True
                    self._unwritten.clear(waiting)
                    return
            await asyncio.sleep(_PAUSE)

    async def claim(self, name: str) -> Claimed:
        """Ask to be the one process that fetches something: "free" where everybody may."""
        base, records = self._base, self._records  # rule 5
        if base is None or records is None or self._cannot_write:
            return "free"
        try:
            return await self._claims.take(base, records.place(name))
        except sqlite3.Error as error:
            self._ill(error)
            return "free"

    def release(self, name: str, *, shared: float) -> None:
        """Give a claim back, behind all that was put before."""
        if self._records is not None:
            self._claims.release(self._records.place(name), shared)

    def occupancy(self) -> dict[str, int]:
        """What it holds now."""
        self.counts.evicted = self._writer.evicted
        base = self._base  # rule 5
        if base is None:
            return {"entries": len(self._near), "bytes": self._near.size}
        try:
            at, entries = self._entries
            if entries < _MANY or time.monotonic() - at > _LOOK:
                entries = int(base.execute("SELECT count(*) FROM entries").fetchone()[0])
                self._entries = (time.monotonic(), entries)
            unwritten = sum(1 for left in tuple(self._values.values()) if left)
            return {"entries": entries + unwritten, "bytes": statements.pages_in_use(base) * PAGE}
        except sqlite3.Error as error:
            self._ill(error)
            return {"entries": 0, "bytes": 0}

    async def aclose(self) -> None:
        """Write what is to be written, and close. May be called twice."""
        self._closed, self.far = True, False
        self._claims.close()
        if self._touched:
            self._writer.add(Change("touch", "", 0, *self._touched))
            self._touched = {}
        self._writer.stop()
        bases, self._base, self._records = [*self._left, self._base], None, None
        self._left = []
        open_ones = [base for base in bases if base is not None]
        if open_ones:
            await asyncio.to_thread(self._end, open_ones)

    def _end(self, bases: list[sqlite3.Connection]) -> None:
        """Wait for the last statements. Who closes the last connection empties the log, and waits for the disk."""
        self._writer.join(_CLOSING)
        for base in bases:
            base.close()

    def _at_once(self, change: Callable[[sqlite3.Connection], object]) -> bool:
        """Make a change on the event loop; return False where it can't be made."""
        base = self._base  # rule 5
        try:
            return base is not None and statements.at_once(base, change)
        except sqlite3.Error as error:
            self._ill(error)
            return False

    def _touch(self, number: int) -> None:
        self._touched[number] = None
        if len(self._touched) >= _TOUCHES:
            self._writer.add(Change("touch", "", 0, *self._touched))
            self._touched = {}

    def _written(self, done: list[Change], why: str) -> None:
        """Take in what the writer has written or given up; in its thread."""
        with self._writer.lock:
            cleared = self._unwritten.clear(done)
            if why:
                for change, left in cleared:
                    self._near.put(change.key, left, change.size)
                self.counts.errors += 1
                self._warn(f"{self._path} can't be written: {why}")
            elif self._cannot_write:
                self._near = Answers(self._near.max_bytes)
                self._warned = False
            self._cannot_write = bool(why)
            if self._writer.replaced and not self._closed:
                self._writer.replaced = False
                if self._base is not None:
                    self._left.append(self._base)  # the event loop may be reading from it
                self._base, self.far = None, True

    def _ill(self, error: sqlite3.Error) -> None:
        """Take in that the file can't be read: a locked one can, in a moment; a damaged one is left alone."""
        if is_locked(error):
            return
        self.counts.errors += 1
        self._warn(f"{self._path} can't be used: {reason(error)}")
        base = self._base  # rule 5
        if not isinstance(error, sqlite3.OperationalError) and base is not None:
            base.close()
            self._base = self._records = None

    def _warn(self, why: str) -> None:
        """Say once that responses are kept in memory (rule 3)."""
        if not self._warned:
            log.warning("the cache keeps responses in memory for now: %s", why)
        self._warned = True


def _weakly(store: SQLiteResponses) -> Callable[[list[Change], str], None]:
    """The store's `_written`, for a thread that must not keep the store alive."""
    reference = ref(store)

    def written(done: list[Change], why: str) -> None:
        found = reference()
        if found is not None:
            found._written(done, why)  # noqa: SLF001 - its own

    return written
