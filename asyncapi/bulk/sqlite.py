"""SQLite as an output: a table `rows` of one file. Every batch is one transaction.

Booleans are 0 and 1, in columns of the type BOOLEAN: SQLite has no such values. Others may read the file and write to
it while the job runs. Rules:
1. No lock is waited for on the event loop: `append` raises `Busy` at once, and is tried again later.
2. Opening and finishing run in a thread, and do wait.
3. A value is only stored where its column keeps it as it is (https://sqlite.org/datatype3.html, section 3): a row has
   to be read back unchanged.
4. While another program has it open at the end, the file stays in WAL mode: every row is in it, or in `-wal` beside it.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from zlib import crc32

from asyncapi.bulk import disk
from asyncapi.bulk.columns import USUAL, Columns
from asyncapi.bulk.kept import Kept, other_columns
from asyncapi.bulk.packed import Packed
from asyncapi.bulk.rows import id_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from asyncapi.bulk.journal import IsOwn
    from asyncapi.bulk.rows import Row

_TYPES = {"text": "TEXT", "int": "INTEGER", "real": "REAL", "bool": "BOOLEAN", "time": "TEXT", "json": "TEXT"}
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_OPENING, _FINISHING = 30.0, 1.0  # seconds to wait for a lock


class Busy(Exception):
    """Another program has locked the output: nothing was written, try again later."""


class Sqlite:
    """A table `rows` of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name: str = str(path)
        self.files: tuple[Path, ...] = (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
        self.resumable = True
        self.columns: Columns = USUAL
        self.durable = False
        self._base: sqlite3.Connection | None = None
        self._place: os.stat_result | None = None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._base is None:
            self._base = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_OPENING)
        return self._base

    def exists(self) -> bool:
        return self.path.exists()

    def size(self) -> int:
        if not self.path.exists():
            return 0
        if not self._open.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
            return 0
        return int(self._open.execute("SELECT coalesce(max(rowid), 0) FROM rows").fetchone()[0])

    @contextmanager
    def written(self) -> Iterator[IsOwn]:
        if self.size():
            self._check_columns()
        rows = iter(self._open.execute(self._select()) if self.size() else ())

        def is_own(end: int, checksum: int | None) -> bool:
            place, *found = next(rows, (None,))
            return place == end and checksum in {None, _checksum(tuple(found))}

        yield is_own

    def torn(self, begin: int, end: int) -> bool:  # noqa: ARG002 - the contract's
        return False

    def open(self, end: int) -> int:
        columns = ", ".join(
            f"{_quoted(column.name)} {_TYPES.get(column.kind, '')}".strip() for column in self.columns.columns
        )
        self._open.execute("PRAGMA journal_mode = WAL")
        self._open.execute(f"PRAGMA synchronous = {'FULL' if self.durable else 'NORMAL'}")
        self._open.execute(f"PRAGMA fullfsync = {int(self.durable)}")  # on macOS, as disk.sync
        self._open.execute(f"CREATE TABLE IF NOT EXISTS rows ({columns})")
        self._check_columns()
        self._open.execute("DELETE FROM rows WHERE rowid > ?", (end,))
        if self.durable:
            disk.sync_folder(self.path)
        self._open.execute("PRAGMA busy_timeout = 0")  # rule 1
        self._place = self.path.stat()
        return end

    def _check_columns(self) -> None:
        there = tuple(row[1] for row in self._open.execute("PRAGMA table_info(rows)"))
        if there != self.columns.names:
            raise other_columns(self.path.name, ", ".join(there), ", ".join(self.columns.names))

    def _select(self) -> str:
        return f"SELECT rowid, {self._names()} FROM rows ORDER BY rowid"  # noqa: S608 - the names are quoted

    def _names(self) -> str:
        return ", ".join(map(_quoted, self.columns.names))

    def encode(self, row: Row) -> tuple[Any, ...]:
        found = self.columns.cells(row)
        if self.columns.usual:
            return (*found[:3], int(found[3]), *found[4:])
        return tuple([int(value) if type(value) is bool else value for value in found])

    def pack(self, batch: Sequence[tuple[Any, ...]], end: int) -> Packed:
        return Packed(range(end + 1, end + 1 + len(batch)), list(map(_checksum, batch)), batch)

    def append(self, data: Sequence[tuple[Any, ...]]) -> None:
        insert = f"INSERT INTO rows ({self._names()}) VALUES ({', '.join('?' * len(self.columns.names))})"  # noqa: S608 - the names are quoted
        try:
            self._open.execute("BEGIN IMMEDIATE")
            self._open.executemany(insert, data)
            self._open.execute("COMMIT")
        except BaseException as error:
            if self._open.in_transaction:
                self._open.execute("ROLLBACK")
            if is_locked(error):
                raise Busy from error
            raise

    def rows(self) -> Iterator[Kept]:
        self._check_columns()
        for _, *cells in self._open.execute(self._select()):
            row = dict(zip(self.columns.names, cells, strict=True))
            name, url, ok, status, error = (row[key] for key in ("id", "url", "ok", "status", "error"))
            yield Kept(id_text(name), url, bool(ok), status, error or "", tuple(cells))

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
            if not is_locked(error):  # rule 4
                raise

    def close(self) -> None:
        if self._base is not None:
            with suppress(sqlite3.OperationalError):  # locked: whoever closes last tidies up
                self._base.execute("PRAGMA busy_timeout = 0")
            self._base.close()
            self._base = None


def _checksum(encoded: tuple[Any, ...]) -> int:
    return crc32(repr(encoded).encode())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def is_locked(error: BaseException) -> bool:
    """Whether the error says that another program holds a lock."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _LOCKED
