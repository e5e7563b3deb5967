"""SQLite as an output: a table `rows` of one file; `data` is JSON text. Every batch is one transaction.

Others may read the file and write to it while the job runs. Rules:
1. No lock is waited for on the event loop: `append` raises `Busy` at once, and is tried again later.
2. Opening and finishing run in a thread, and do wait.
3. While another program has it open at the end, the file stays in WAL mode: every row is in it, or in `-wal` beside it.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from zlib import crc32

from asyncapi.bulk.rows import COLUMNS, cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from asyncapi.bulk.journal import IsOwn
    from asyncapi.bulk.rows import Row

_CREATE = (
    "CREATE TABLE IF NOT EXISTS rows (id, url TEXT, status INTEGER, ok INTEGER, data TEXT, error TEXT, "
    "attempts INTEGER, elapsed_ms REAL, at TEXT)"
)
_INSERT = f"INSERT INTO rows ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - constants
_SELECT = f"SELECT rowid, {', '.join(COLUMNS)} FROM rows ORDER BY rowid"  # noqa: S608 - the same
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_OPENING, _FINISHING = 30.0, 1.0  # seconds to wait for a lock


class Busy(Exception):
    """Another program has locked the output: nothing was written, try again later."""


class Sqlite:
    """A table `rows` of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: tuple[Path, ...] = (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
        self.resumable = True
        self._base: sqlite3.Connection | None = None
        self._place: os.stat_result | None = None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._base is None:
            self._base = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_OPENING)
        return self._base

    def size(self) -> int:
        if not self.path.exists():
            return 0
        if not self._open.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
            return 0
        return int(self._open.execute("SELECT coalesce(max(rowid), 0) FROM rows").fetchone()[0])

    @contextmanager
    def written(self) -> Iterator[IsOwn]:
        rows = iter(self._open.execute(_SELECT) if self.size() else ())

        def is_own(end: int, checksum: int | None) -> bool:
            place, *found = next(rows, (None,))
            return place == end and checksum in {None, self.checksum(tuple(found))}

        yield is_own

    def torn(self, begin: int, end: int) -> bool:  # noqa: ARG002 - the contract's
        return False

    def open(self, end: int) -> int:
        self._open.execute("PRAGMA journal_mode = WAL")
        self._open.execute("PRAGMA synchronous = NORMAL")
        self._open.execute(_CREATE)
        self._open.execute("DELETE FROM rows WHERE rowid > ?", (end,))
        self._open.execute("PRAGMA busy_timeout = 0")  # rule 1
        self._place = self.path.stat()
        return end

    def encode(self, row: Row) -> tuple[Any, ...]:
        return cells(row)

    def weight(self, encoded: tuple[Any, ...]) -> int:  # noqa: ARG002 - the contract's
        return 1

    def checksum(self, encoded: tuple[Any, ...]) -> int:
        return crc32(repr(encoded).encode())

    def append(self, batch: Sequence[tuple[Any, ...]]) -> None:
        try:
            self._open.execute("BEGIN IMMEDIATE")
            self._open.executemany(_INSERT, batch)
            self._open.execute("COMMIT")
        except BaseException as error:
            if self._open.in_transaction:
                self._open.execute("ROLLBACK")
            if is_locked(error):
                raise Busy from error
            raise

    def present(self) -> bool:
        try:
            return self._place is None or os.path.samestat(self.path.stat(), self._place)
        except OSError:
            return False

    def finish(self) -> None:
        self._open.execute(f"PRAGMA busy_timeout = {_FINISHING * 1000:.0f}")
        try:
            self._open.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._open.execute("PRAGMA journal_mode = DELETE")  # leaves one file
        except sqlite3.OperationalError as error:
            if not is_locked(error):  # rule 3
                raise

    def close(self) -> None:
        if self._base is not None:
            with suppress(sqlite3.OperationalError):  # locked: whoever closes last tidies up
                self._base.execute("PRAGMA busy_timeout = 0")
            self._base.close()
            self._base = None


def is_locked(error: BaseException) -> bool:
    """Whether the error says that another program holds a lock."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _LOCKED
