"""Open the SQLite file of a store: make it, check that it is ours, and say in words what is wrong with it.

Rules:
1. A file that is not ours is never written to. It is ours if it says so (`application_id`), or is empty.
2. A file of an older version loses its responses, and keeps its texts; one of a newer version is left alone.
3. It is made for its owner alone (0600, its folder 0700). SQLite gives `-wal` and `-shm` beside it the same mode.
4. It needs write-ahead logging: readers then never wait for a writer. Network file systems can't have it, because its
   processes share memory (https://sqlite.org/wal.html).
5. A checkpoint, which waits for the disk, is only made by who asks for it (`wal_autocheckpoint = 0`).
6. A connection stays with the process that opened it (https://sqlite.org/howtocorrupt.html, section 2.6): after a fork
   the child forgets it without closing it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = 0x41504943  # "APIC", our application_id
VERSION = 1
PAGE = 4096  # bytes
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_TABLES = (
    "CREATE TABLE facts(name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # what a store of tokens keeps, sealed
    "CREATE TABLE texts(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
)
_RESPONSES = (
    # the values apart, so that writing down when one was used does not write it anew
    """CREATE TABLE entries(id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, variant BLOB NOT NULL,
    used INTEGER NOT NULL, size INTEGER NOT NULL, UNIQUE(key, variant))""",
    "CREATE INDEX by_use ON entries(used)",
    "CREATE TABLE bodies(id INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    # which keys were invalidated, in which order
    "CREATE TABLE dropped(number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, at INTEGER NOT NULL)",
    "CREATE INDEX dropped_by_key ON dropped(key)",
    "CREATE TABLE claims(name BLOB PRIMARY KEY, holder TEXT NOT NULL, ends REAL NOT NULL) WITHOUT ROWID",
)


class NotOurs(Exception):
    """A file that can't be the store's; `str()` says why, and what to do."""


def open_file(path: Path, *, busy: float) -> sqlite3.Connection:
    """Open the file, and make it if it is not there.

    Args:
        path: The file.
        busy: Seconds to wait for a lock of another process.

    Raises:
        NotOurs: It is another program's, a newer version's, or damaged.
        sqlite3.Error, OSError: It can't be opened, or is locked.
    """
    _make(path)
    base = _Connection(path, isolation_level=None, check_same_thread=False, timeout=busy)
    try:
        _check(base, path)
    except sqlite3.DatabaseError as error:
        base.close()
        if is_locked(error) or isinstance(error, sqlite3.OperationalError):
            raise
        raise NotOurs(f"{path} is no SQLite database, or a damaged one: give another path") from None
    except BaseException:
        base.close()
        raise
    _OPEN.add(base)
    return base


def is_locked(error: BaseException) -> bool:
    """Whether an error says that another process holds a lock."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _LOCKED


def reason(error: BaseException) -> str:
    """Say in a few words why a file can't be read or written."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


class _Connection(sqlite3.Connection):
    """A connection that can be forgotten."""


_OPEN: WeakSet[_Connection] = WeakSet()
_forgotten: list[_Connection] = []  # never closed (rule 6)


def _forget() -> None:
    _forgotten.extend(_OPEN)
    _OPEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _make(path: Path) -> None:
    """Make an empty file (rule 3)."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _check(base: sqlite3.Connection, path: Path) -> None:
    """See whose file it is, and make it ours where it is new or old (rules 1 and 2)."""
    owner, version = _number(base, "application_id"), _number(base, "user_version")
    if owner != APPLICATION and (owner or version or _count(base)):
        raise NotOurs(f"{path} is a database of another program: give another path")
    if version > VERSION:
        raise NotOurs(f"{path} was made by a newer version of asyncapi: give another path, or update")
    if owner != APPLICATION or version < VERSION:
        if not owner:
            base.execute(f"PRAGMA page_size = {PAGE}")
            base.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table: the file can become smaller
        _write_ahead(base)
        _set_up(base)
    else:
        _write_ahead(base)
    for pragma in ("synchronous = NORMAL", "wal_autocheckpoint = 0", "temp_store = MEMORY", "trusted_schema = OFF"):
        base.execute(f"PRAGMA {pragma}")
    base.execute("SELECT 1 FROM entries LIMIT 1").fetchall()


def _write_ahead(base: sqlite3.Connection) -> None:
    mode = base.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(f"its file system has no write-ahead logging (journal mode {mode})")


def _set_up(base: sqlite3.Connection) -> None:
    base.execute("BEGIN IMMEDIATE")
    try:
        if _number(base, "application_id") != APPLICATION:  # another process may have been first
            for table in _TABLES:
                base.execute(table)
            base.execute("INSERT INTO facts VALUES ('salt', ?)", (os.urandom(32),))
            base.execute(f"PRAGMA application_id = {APPLICATION}")
        if _number(base, "user_version") < VERSION:
            for name in ("entries", "bodies", "dropped", "claims"):
                base.execute(f"DROP TABLE IF EXISTS {name}")
            for table in _RESPONSES:
                base.execute(table)
            base.execute(f"PRAGMA user_version = {VERSION}")
        base.execute("COMMIT")
    except BaseException:
        if base.in_transaction:
            base.execute("ROLLBACK")
        raise


def _number(base: sqlite3.Connection, pragma: str) -> int:
    return int(base.execute(f"PRAGMA {pragma}").fetchone()[0])


def _count(base: sqlite3.Connection) -> int:
    return int(base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
