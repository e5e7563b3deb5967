"""Outputs of a job: lines (line_files.py), a table of SQLite (sqlite.py), Parquet (spools.py), a stream.

A sink can be appended to, and has a size that survives the process. Rules:
1. `encode` turns a row into what will be written; `pack` says where each row of a batch will end and what `written`
   recognizes it by; `append` writes the batch. A durable sink has synced it when `append` returns.
2. `open(end)` cuts off everything after `end`: a resume does that first, once it has compared the rows before it with
   what was `written`.
3. Size is bytes for files of lines, rows for SQLite.
4. `columns` and `durable` are set before anything is read or opened.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi.bulk import disk
from asyncapi.bulk.columns import USUAL, Columns
from asyncapi.bulk.compression import codec_of
from asyncapi.bulk.line_files import LinesFile
from asyncapi.bulk.packed import Packed
from asyncapi.bulk.rows import json_line
from asyncapi.bulk.spools import Parquet
from asyncapi.bulk.sqlite import Sqlite
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from asyncapi.bulk.journal import IsOwn
    from asyncapi.bulk.kept import Kept
    from asyncapi.bulk.rows import Row

FAILURES = (OSError, sqlite3.Error)


class Sink(Protocol):
    """The contract of every output.

    Attributes:
        name: Its name in messages.
        files: Every path that it may leave behind, the result first.
        resumable: Whether a later run can cut it and append to it.
        columns: The columns of a table (rule 4).
        durable: Whether rows must survive a power cut (rule 4).
    """

    name: str
    files: tuple[Path, ...]
    resumable: bool
    columns: Columns
    durable: bool

    def exists(self) -> bool:
        """Whether there is a result.

        Raises:
            ConfigError: Nobody can say.
        """
        ...

    def size(self) -> int:
        """Return the size of the output; 0 if it doesn't exist."""
        ...

    def written(self) -> AbstractContextManager[IsOwn]:
        """Read the output row by row, to compare it with what was written.

        Raises:
            ConfigError: It has other columns.
        """
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
        """Encode a row for `pack`."""
        ...

    def pack(self, batch: Sequence[Any], end: int) -> Packed:
        """Make a batch of encoded rows ready to be written after `end`."""
        ...

    def append(self, data: Any) -> None:
        """Write the data of a packed batch.

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

    def rows(self) -> Iterator[Kept]:
        """Read the rows of a finished output.

        Raises:
            ConfigError: It isn't such an output, or has other columns.
            OSError: It can't be read (or `sqlite3.Error`).
        """
        ...


class Stream:
    """Writes JSON lines to stdout, a pipe or a device, which can't be cut or resumed."""

    def __init__(self, path: Path | None) -> None:
        self.name: str = "stdout" if path is None else str(path)
        self.files: tuple[Path, ...] = ()
        self.resumable = False
        self.columns: Columns = USUAL
        self.durable = False
        self._path = path
        self._descriptor = -1

    def exists(self) -> bool:
        return False

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

    def pack(self, batch: Sequence[bytes], end: int) -> Packed:
        return Packed((end,) * len(batch), (0,) * len(batch), b"".join(batch))

    def append(self, data: bytes) -> None:
        disk.write_all(self._descriptor, data)

    def present(self) -> bool:
        return True

    def finish(self) -> None:
        pass

    def close(self) -> None:
        if self._path is not None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def rows(self) -> Iterator[Kept]:
        return iter(())


_DELIMITERS = {"": "", ".jsonl": "", ".ndjson": "", ".csv": ",", ".tsv": "\t"}
_OTHERS: dict[str, Callable[[Path], Sink]] = {".sqlite": Sqlite, ".db": Sqlite, ".parquet": Parquet}
_ENDINGS = ".jsonl, .ndjson, .csv, .tsv (each also with .gz or .zst), .sqlite, .db, .parquet"


def sink_for(output: str | Path) -> Sink:
    """Return the sink for an output, by its ending; nothing is opened yet.

    Raises:
        ConfigError: The ending is unknown, or its extra is not installed.
    """
    if str(output) == "-":
        return Stream(None)
    if "://" in str(output):
        from asyncapi.bulk.uploads import Upload  # noqa: PLC0415 - an extra

        return Upload(str(output), file_sink)
    path = Path(output)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        if path.is_dir():
            raise ConfigError(f"the output {path} is a folder: name a file in it")
        return Stream(path)
    return file_sink(path, path.name)


def file_sink(path: Path, name: str) -> Sink:
    """Return the sink of a file, by the ending of a name.

    Raises:
        ConfigError: The ending is unknown, or its extra is not installed.
    """
    inner, ending = Path(name), Path(name).suffix.lower()
    codec = codec_of(ending)
    if codec is not None:
        inner = inner.with_suffix("")
    form = inner.suffix.lower()
    if form in _DELIMITERS:
        return LinesFile(path, _DELIMITERS[form], codec)
    if form in _OTHERS and codec is None:
        return _OTHERS[form](path)
    if form in _OTHERS:
        raise ConfigError(f"the output {name}: {form} is not compressed as a whole: leave {ending} out")
    raise ConfigError(f"the output {name} has an unknown ending: use one of {_ENDINGS}, or - for stdout")
