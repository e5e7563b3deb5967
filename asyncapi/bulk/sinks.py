"""What rows are written to: lines of JSON or CSV, a table of SQLite, Parquet.

A sink is an append-only thing with a size that survives the process. Rules:
1. `encode` turns a row into what will be written, `weight` says how much that adds to `size()`, `append` writes.
2. `cut(end)` takes everything after `end` away: what a resume does before anything else.
3. Size is bytes for files of lines, rows for SQLite. Parquet cannot be appended to: its rows are spooled as JSON
   lines beside it (`OUT.parquet.part`) and turned into Parquet by `finish`, once all are there.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

import csv
import io
import os
import sqlite3
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi import jsontext
from asyncapi.bulk.journal import write_all
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.bulk.rows import Row

COLUMNS = ("id", "url", "status", "ok", "data", "error", "attempts", "elapsed_ms", "at")
FAILURES = (OSError, sqlite3.Error)

_BIGGEST_SQLITE_INT = 2**63


class Sink(Protocol):
    """The contract of every output.

    Attributes:
        files: Every path it may leave behind, the result first.
        resumable: Whether it can be cut and appended to by a later run.
    """

    files: tuple[Path, ...]
    resumable: bool

    def size(self) -> int:
        """How much is there now; 0 if it doesn't exist."""
        ...

    def open(self, end: int) -> int:
        """Cut it at `end`, make it ready to append, and return its size.

        Raises:
            OSError: It cannot be written (or `sqlite3.Error`).
        """
        ...

    def encode(self, row: Row) -> Any:
        """What `append` takes."""
        ...

    def weight(self, encoded: Any) -> int:
        """What it adds to the size."""
        ...

    def append(self, batch: Sequence[Any]) -> None:
        """Write encoded rows.

        Raises:
            OSError: Not all could be written (or `sqlite3.Error`).
        """
        ...

    def present(self) -> bool:
        """Whether the file that is being written is still where it was opened."""
        ...

    def finish(self) -> None:
        """All rows are there: make the result of them."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def json_line(row: Row) -> bytes:
    """A row as one line of JSON."""
    return jsontext.written_anyhow(row) + b"\n"


class JsonLines:
    """One JSON object a line."""

    header = b""

    def __init__(self, path: Path) -> None:
        self.files: tuple[Path, ...] = (path,)
        self.resumable = True
        self.path = path
        self._descriptor = -1

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def open(self, end: int) -> int:
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._descriptor, end)
        if end == 0 and self.header:
            write_all(self._descriptor, self.header)
            return len(self.header)
        return end

    def encode(self, row: Row) -> bytes:
        return json_line(row)

    def weight(self, encoded: bytes) -> int:
        return len(encoded)

    def append(self, batch: Sequence[bytes]) -> None:
        write_all(self._descriptor, b"".join(batch))

    def present(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def finish(self) -> None:
        pass

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Csv(JsonLines):
    """CSV with a header; `data` is JSON text, absent values are empty."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")
        self.header = self._line(COLUMNS)

    def encode(self, row: Row) -> bytes:
        return self._line(_cells(row))

    def _line(self, cells: Sequence[Any]) -> bytes:
        self._writer.writerow(cells)
        line = self._text.getvalue().encode("utf-8", "replace")
        self._text.seek(0)
        self._text.truncate()
        return line


class Stream:
    """JSON lines to stdout, a pipe or a device: can be neither cut nor resumed."""

    def __init__(self, path: Path | None) -> None:
        self.files: tuple[Path, ...] = ()
        self.resumable = False
        self._path = path
        self._descriptor = -1

    def size(self) -> int:
        return 0

    def open(self, end: int) -> int:  # noqa: ARG002 - the contract's
        self._descriptor = sys.stdout.fileno() if self._path is None else os.open(self._path, os.O_WRONLY)
        return 0

    def encode(self, row: Row) -> bytes:
        return json_line(row)

    def weight(self, encoded: bytes) -> int:
        return len(encoded)

    def append(self, batch: Sequence[bytes]) -> None:
        write_all(self._descriptor, b"".join(batch))

    def present(self) -> bool:
        return True

    def finish(self) -> None:
        pass

    def close(self) -> None:
        if self._path is not None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Sqlite:
    """A table `rows` of one file; `data` is JSON text. Every batch is one transaction."""

    _CREATE = (
        "CREATE TABLE IF NOT EXISTS rows (id, url TEXT, status INTEGER, ok INTEGER, data TEXT, error TEXT, "
        "attempts INTEGER, elapsed_ms REAL, at TEXT)"
    )
    _INSERT = f"INSERT INTO rows ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - constants

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: tuple[Path, ...] = (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
        self.resumable = True
        self._base: sqlite3.Connection | None = None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._base is None:
            self._base = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        return self._base

    def size(self) -> int:
        if not self.path.exists():
            return 0
        if not self._open.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone():
            return 0
        return int(self._open.execute("SELECT coalesce(max(rowid), 0) FROM rows").fetchone()[0])

    def open(self, end: int) -> int:
        self._open.execute("PRAGMA journal_mode = WAL")
        self._open.execute("PRAGMA synchronous = NORMAL")
        self._open.execute(self._CREATE)
        self._open.execute("DELETE FROM rows WHERE rowid > ?", (end,))
        return end

    def encode(self, row: Row) -> tuple[Any, ...]:
        return _cells(row)

    def weight(self, encoded: tuple[Any, ...]) -> int:  # noqa: ARG002 - the contract's
        return 1

    def append(self, batch: Sequence[tuple[Any, ...]]) -> None:
        self._open.execute("BEGIN IMMEDIATE")
        try:
            self._open.executemany(self._INSERT, batch)
            self._open.execute("COMMIT")
        except BaseException:
            if self._open.in_transaction:
                self._open.execute("ROLLBACK")
            raise

    def present(self) -> bool:
        return self.path.exists()

    def finish(self) -> None:
        self._open.execute("PRAGMA journal_mode = DELETE")  # leaves one file

    def close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None


class Parquet(JsonLines):
    """JSON lines while the job runs, Parquet at its end."""

    def __init__(self, path: Path) -> None:
        try:
            from asyncapi.bulk import parquet  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("Parquet output needs pyarrow: pip install 'asyncapi-sdk[parquet]'") from None
        super().__init__(path.with_name(path.name + ".part"))
        self._result = path
        self._convert = parquet.convert
        self.files = (path, self.path)
        self._finished = False

    def finish(self) -> None:
        self._convert(self.path, self._result)
        self._finished = True

    def close(self) -> None:
        super().close()
        if self._finished:  # not before the journal is gone: it counts on the spool
            self.path.unlink(missing_ok=True)


def _cells(row: Row) -> tuple[Any, ...]:
    name = row["id"]
    if isinstance(name, int) and not -_BIGGEST_SQLITE_INT <= name < _BIGGEST_SQLITE_INT:
        name = str(name)
    data = None
    if row["ok"]:
        data = jsontext.written_anyhow(row["data"]).decode()
    return (
        name, row["url"], row["status"], int(row["ok"]), data, row.get("error"),
        row["attempts"], row["elapsed_ms"], row["at"],
    )  # fmt: skip


_SINKS: dict[str, Callable[[Path], Sink]] = {
    "": JsonLines, ".jsonl": JsonLines, ".ndjson": JsonLines, ".csv": Csv, ".sqlite": Sqlite, ".db": Sqlite,
    ".parquet": Parquet,
}  # fmt: skip


def sink_for(output: str | Path) -> Sink:
    """The sink an output's ending asks for; nothing is opened yet.

    Raises:
        ConfigError: The ending is unknown, or its extra is not installed.
    """
    if str(output) == "-":
        return Stream(None)
    path = Path(output)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        if path.is_dir():
            raise ConfigError(f"the output {path} is a folder: name a file in it")
        return Stream(path)
    try:
        return _SINKS[path.suffix.lower()](path)
    except KeyError:
        endings = ", ".join(ending for ending in _SINKS if ending)
        raise ConfigError(f"the output {path} has an unknown ending: use one of {endings}, or - for stdout") from None
