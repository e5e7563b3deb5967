"""Write to a SQLite file in a thread: what comes together in a moment is one transaction.

Rules:
1. Changes are written in the order in which they were asked for, within a twentieth of a second, or at once where
   others wait for them. After a SIGKILL, those that were not yet written are lost, and nothing else.
2. A lock of another process is waited for, here and nowhere else. Where the file can't be written, what was to be
   stored is given up; what was to be removed is kept, and tried again every few seconds.
3. The file, its log (`-wal`) and what a transaction adds together stay below the bound: entries have 13/16 of it, one
   value less than 1/16, and so has one batch. The log is emptied into the file when it has reached 1/16.
4. The file becomes smaller again, by its free pages, when more of it is in use than entries may take.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from asyncapi.stores import sqlite_statements as statements
from asyncapi.stores.records import Records
from asyncapi.stores.sqlite_file import PAGE, NotOurs, is_locked, open_file
from asyncapi.stores.sqlite_unwritten import Change

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_GATHER = 0.05  # seconds in which changes come together
_BUSY = 1.0  # seconds to wait for a lock
_AGAIN = 5.0  # seconds until the next try, where the file can't be written
_LAST_TRIES = 3  # of a client that is closed
_MOST_AT_ONCE = 512
_MOST_WAITING = 100_000  # changes
_MOST_BYTES = 32 * 1024 * 1024  # of values that wait to be written


class Writer:
    """The thread that writes one client's statements. It is started by the first of them.

    Args:
        path: The file.
        max_bytes: The bound of its bytes on the disk.
        key: The user's key, or None.
        written: Called with changes that have been written or given up, and why ("" for written).

    Attributes:
        emptying: Whether everything is to be removed: too many removals could not be written.
        replaced: Whether the file was found to be another one.
        evicted: Entries that were removed to make space.
        lock: Held while changes are taken or handed back.
    """

    def __init__(
        self, path: Path, max_bytes: int, key: str | None, written: Callable[[list[Change], str], None]
    ) -> None:
        self._path = path
        self._key = key
        self._share = max_bytes // 16  # rule 3
        self._bound = max_bytes - 3 * self._share
        self._written = written
        self._records: Records | None = None
        self._file: tuple[int, int] | None = None
        self.emptying = self.replaced = False
        self.evicted: int = 0
        self.lock: threading.RLock = threading.RLock()
        self._came = threading.Condition(self.lock)
        self._waiting: deque[Change] = deque()
        self._bytes = 0
        self._urgent = self._closing = self._ended = False
        self._thread: threading.Thread | None = None
        self._base: sqlite3.Connection | None = None

    @property
    def largest(self) -> int:
        """The most bytes of one value."""
        return self._share

    def has_space_for(self, size: int) -> bool:
        """Whether a value may wait to be written."""
        return self._bytes + size <= _MOST_BYTES and len(self._waiting) < _MOST_WAITING

    def add(self, change: Change, *, urgent: bool = False) -> None:
        """Have a change written."""
        with self._came:
            if self._ended or self._closing:
                return
            if len(self._waiting) >= _MOST_WAITING:  # the file can't be written, and forgetting a removal is no choice
                self.emptying, pointless = True, list(self._waiting)
                self._waiting, self._bytes = deque([Change("drop all")]), 0
                self._written(pointless, "")
            self._waiting.append(change)
            self._bytes += change.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="asyncapi cache", daemon=True)
                self._thread.start()
            self._urgent = self._urgent or urgent or self._bytes > self._share
            if self._urgent or len(self._waiting) == 1:
                self._came.notify()

    def stop(self) -> None:
        """Have the thread write what waits, and end."""
        with self._came:
            self._closing = True
            self._came.notify()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, from another thread."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        tries = 0
        try:
            while batch := self._next_batch():
                pause = self._write(batch)
                if not pause:
                    continue
                tries += self._closing
                if tries > _LAST_TRIES:
                    break
                with self._came:
                    self._came.wait_for(lambda: self._closing, 0.01 if self._closing else pause)
        finally:
            self._ended = True
            if self._base is not None:
                self._base.close()
                self._base = None

    def _next_batch(self) -> list[Change]:
        """Wait for changes, and take as many as belong into one transaction."""
        with self._came:
            self._came.wait_for(lambda: self._waiting or self._closing)
            if not self._urgent:
                self._came.wait_for(lambda: self._urgent or self._closing, _GATHER)
            batch: list[Change] = []
            size = 0
            while self._waiting and len(batch) < _MOST_AT_ONCE:
                if batch and size + self._waiting[0].size > self._share:
                    break
                batch.append(self._waiting.popleft())
                size += batch[-1].size
            self._bytes -= size
            self._urgent = self._urgent and bool(self._waiting)
            return batch

    def _write(self, batch: list[Change]) -> float:
        """Write a batch; return how long to wait until the next, where it could not be written."""
        try:
            if self._base is not None and _file(self._path) != self._file:
                self._base.close()
                self._base, self.replaced = None, True
            if self._base is None or self._records is None:
                self._base = open_file(self._path, busy=_BUSY)
                self._file = _file(self._path)
                self._records = records_of(self._base, self._key)
                self._base.execute(f"PRAGMA journal_size_limit = {self._share}")
            self._transact(self._base, batch, self._records)
        except (sqlite3.Error, OSError, NotOurs) as error:
            if isinstance(error, sqlite3.DatabaseError) and is_locked(error):
                self._put_back(batch)
                return 0.01
            why = str(error) or type(error).__name__
            self._put_back([change for change in batch if change.kind in {"drop", "drop all"}])
            self._written([change for change in batch if change.kind not in {"drop", "drop all"}], why)
            return _AGAIN
        self._written(batch, "")
        return 0.0

    def _put_back(self, batch: list[Change]) -> None:
        with self.lock:
            self._waiting.extendleft(reversed(batch))
            self._bytes += sum(change.size for change in batch)

    def _transact(self, base: sqlite3.Connection, batch: list[Change], records: Records) -> None:
        base.execute("BEGIN IMMEDIATE")
        try:
            size = sum(change.size for change in batch if change.kind == "put" and not change.done)
            self.evicted += statements.make_space(base, size + PAGE, self._bound) if size else 0
            for change in batch:
                if not change.done:
                    self._apply(base, change, records)
            pages = int(base.execute("PRAGMA page_count").fetchone()[0])
            base.execute("COMMIT")
        except BaseException:
            if base.in_transaction:
                base.execute("ROLLBACK")
            raise
        excess = pages * PAGE - self._bound
        with suppress(sqlite3.Error):  # what was to be written is written: the next batch makes up for this
            if excess > 0:  # rule 4
                base.execute(f"PRAGMA incremental_vacuum({excess // PAGE + 1})").fetchall()
            self._checkpoint(base)

    def _checkpoint(self, base: sqlite3.Connection) -> None:
        """Empty the log, where it has grown (rule 3)."""
        try:
            log = self._path.with_name(f"{self._path.name}-wal").stat().st_size
        except OSError:
            return
        if log > self._share:
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _apply(self, base: sqlite3.Connection, change: Change, records: Records) -> None:
        match change.kind:
            case "put":
                self._store(base, change, records)
            case "drop":
                statements.drop(base, [records.place(change.key)])
            case "drop all":
                statements.drop_all(base)
                self.emptying = False
            case "touch":
                statements.touch(base, change.detail)
            case "release":
                statements.release(base, *change.detail)
            case _:
                statements.renew(base, *change.detail)

    def _store(self, base: sqlite3.Connection, change: Change, records: Records) -> None:
        new, gone, begun = change.detail
        place = records.place(change.key)
        if begun is not None and statements.overtaken(base, place, begun):
            return
        packed = [(variant, records.pack(place, record)) for variant, record in new]
        statements.put(base, place, [pair for pair in packed if len(pair[1]) < self._share], gone)


def _file(path: Path) -> tuple[int, int] | None:
    """Which file is at a path now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def records_of(base: sqlite3.Connection, key: str | None) -> Records:
    """What turns records into the bytes of this file, and back."""
    return Records(base.execute("SELECT value FROM facts WHERE name = 'salt'").fetchone()[0], key)
