"""Outputs of a job: lines of JSON or CSV, a table of SQLite (sqlite.py), Parquet.

A sink can be appended to, and has a size that survives the process. Rules:
1. `encode` turns a row into what will be written, `weight` says how much that adds to `size()`, `append` writes.
2. `open(end)` cuts off everything after `end`: a resume does that first, once it has compared the rows before it with
   what was `written`.
3. Size is bytes for files of lines, rows for SQLite. Parquet cannot be appended to: its rows are spooled as JSON
   lines beside it (`OUT.parquet.part`) and turned into Parquet by `finish`, once all are there.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

import io
import os
import sqlite3
import stat
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from zlib import crc32

from asyncapi.bulk.journal import write_all
from asyncapi.bulk.rows import COLUMNS, cells, csv_line, json_line
from asyncapi.bulk.sqlite import Sqlite
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from asyncapi.bulk.journal import IsOwn
    from asyncapi.bulk.rows import Row

FAILURES = (OSError, sqlite3.Error)

_CHUNK = 1 << 20  # bytes read at a time


class Sink(Protocol):
    """The contract of every output.

    Attributes:
        files: Every path that it may leave behind, the result first.
        resumable: Whether a later run can cut it and append to it.
    """

    files: tuple[Path, ...]
    resumable: bool

    def size(self) -> int:
        """Return the size of the output; 0 if it doesn't exist."""
        ...

    def written(self) -> AbstractContextManager[IsOwn]:
        """Read the output row by row, to compare it with what was written."""
        ...

    def torn(self, begin: int, end: int) -> bool:
        """Whether a row and all after it end in NULs, as a power cut leaves the last rows."""
        ...

    def open(self, end: int) -> int:
        """Cut the output at `end`, open it for appending, and return its size.

        Raises:
            OSError: The output can't be written (or `sqlite3.Error`).
        """
        ...

    def encode(self, row: Row) -> Any:
        """Encode a row for `append`."""
        ...

    def weight(self, encoded: Any) -> int:
        """Return how much an encoded row adds to the size."""
        ...

    def checksum(self, encoded: Any) -> int:
        """Return the CRC-32 by which `written` recognizes a row."""
        ...

    def append(self, batch: Sequence[Any]) -> None:
        """Write encoded rows.

        Raises:
            Busy: Another program has locked the output: nothing was written, try again.
            OSError: Not all could be written (or `sqlite3.Error`).
        """
        ...

    def present(self) -> bool:
        """Whether the open file is still at its path."""
        ...

    def finish(self) -> None:
        """Turn the rows into the result: all are there."""
        ...

    def close(self) -> None:
        """Close the output."""
        ...


class JsonLines:
    """Writes a JSON object a line."""

    header = b""

    def __init__(self, path: Path) -> None:
        self.files: tuple[Path, ...] = (path,)
        self.resumable = True
        self.path = path
        self._descriptor = -1

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @contextmanager
    def written(self) -> Iterator[IsOwn]:
        at = 0

        def is_own(end: int, checksum: int | None) -> bool:
            nonlocal at
            begin, at = at, end
            if not begin and self.header and file.read(len(self.header)) == self.header:
                begin = len(self.header)
            found = _checksum(file, end - begin)
            return found is not None and checksum in {None, found}

        with self.path.open("rb") if self.path.exists() else io.BytesIO() as file:
            yield is_own

    def torn(self, begin: int, end: int) -> bool:
        with self.path.open("rb") as file:
            file.seek(begin)
            whole = True
            while chunk := file.read(_CHUNK):
                text = chunk.rstrip(b"\0")
                if text and (not whole or begin + len(text) >= end):
                    return False
                whole, begin = whole and len(text) == len(chunk), begin + len(chunk)
        return not whole

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

    def checksum(self, encoded: bytes) -> int:
        return crc32(encoded)

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
    """Writes CSV with a header; `data` is JSON text, absent values are empty."""

    header: bytes = csv_line(COLUMNS)

    def encode(self, row: Row) -> bytes:
        return csv_line(cells(row))


class Stream:
    """Writes JSON lines to stdout, a pipe or a device, which can't be cut or resumed."""

    def __init__(self, path: Path | None) -> None:
        self.files: tuple[Path, ...] = ()
        self.resumable = False
        self._path = path
        self._descriptor = -1

    def size(self) -> int:
        return 0

    def written(self) -> AbstractContextManager[IsOwn]:
        return nullcontext(lambda _end, _checksum: True)

    def torn(self, begin: int, end: int) -> bool:  # noqa: ARG002 - the contract's
        return False

    def open(self, end: int) -> int:  # noqa: ARG002 - the contract's
        self._descriptor = sys.stdout.fileno() if self._path is None else os.open(self._path, os.O_WRONLY)
        return 0

    def encode(self, row: Row) -> bytes:
        return json_line(row)

    def weight(self, encoded: bytes) -> int:
        return len(encoded)

    def checksum(self, encoded: bytes) -> int:
        return crc32(encoded)

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


class Parquet(JsonLines):
    """Writes JSON lines while the job runs, and converts them to Parquet at its end (rule 3)."""

    def __init__(self, path: Path) -> None:
        try:
            from asyncapi.bulk import parquet  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("Parquet output needs pyarrow: pip install 'asyncapi-sdk[parquet]'") from None
        super().__init__(path.with_name(path.name + ".part"))
        self._result = path
        self._convert = parquet.convert
        self.files: tuple[Path, ...] = (path, self.path)
        self._finished = False

    def finish(self) -> None:
        self._convert(self.path, self._result)
        self._finished = True

    def close(self) -> None:
        super().close()
        if self._finished:  # not before the journal is removed, which needs the spool
            self.path.unlink(missing_ok=True)


def _checksum(file: IO[bytes], count: int) -> int | None:
    """Return the checksum of the next `count` bytes; None if there are fewer."""
    checksum = 0
    while count > 0 and (chunk := file.read(min(count, _CHUNK))):
        checksum, count = crc32(chunk, checksum), count - len(chunk)
    return None if count else checksum


_SINKS: dict[str, Callable[[Path], Sink]] = {
    "": JsonLines, ".jsonl": JsonLines, ".ndjson": JsonLines, ".csv": Csv, ".sqlite": Sqlite, ".db": Sqlite,
    ".parquet": Parquet,
}  # fmt: skip


def sink_for(output: str | Path) -> Sink:
    """Return the sink for an output, by its ending; nothing is opened yet.

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
