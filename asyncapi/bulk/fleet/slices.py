"""Read one chunk of an input, on whatever worker.

Rules:
1. Rows keep their numbers: an id or an idempotency key is the same whichever worker sends the row. Lines keep theirs:
   an error names the line of the whole input.
2. A chunk that the coordinator has written into the parts folder is a file of JSON: one line says what the input is,
   and then each line or row of it has a line `[number, item]`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from asyncapi.bulk.lines import InputError, Lines, input_error
from asyncapi.bulk.parquet_source import ParquetSource
from asyncapi.bulk.remote import RemoteFile
from asyncapi.bulk.sources import source_of
from asyncapi.bulk.template import shown_row
from asyncapi.errors import ConfigError
from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.reader import Format, Reader

_MAX_LINE = 16 * 1024 * 1024
_BATCH = 1000  # rows


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the input.

    Attributes:
        number: Its place among the chunks, from 0.
        first_row: The number of its first row in the input, from 0.
        rows: How many rows it has.
        begin: Where it begins: in bytes, or for Parquet in rows.
        length: How long it is, in the same.
        first_line: The number of its first line in the input, from 1.
        head: How many bytes at the beginning of the input every slice reads first: the header of a CSV.
        format: The format of the input, where it is text.
        part: The file in the parts folder that holds the chunk, where the input itself can't be read in slices.
    """

    number: int
    first_row: int
    rows: int
    begin: int
    length: int
    first_line: int
    head: int = 0
    format: Format | None = None
    part: str = ""


class CountedLines(Lines):
    """Lines that say where the last one ended.

    Attributes:
        at: The end of the last line, in bytes.
        number: Its number.
    """

    at: int = 0
    number: int = 0

    def _decoded(self, raw: Iterator[bytes], update: Callable[[bytes], object]) -> Iterator[tuple[int, str]]:
        self.at = self.number = 0
        return super()._decoded(self._count(raw), update)

    def _count(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        for line in raw:
            self.at += len(line)
            self.number += 1
            yield line


class _LineSlice(Lines):
    """The lines of a chunk."""

    def __init__(self, path: str | Path | RemoteFile, chunk: Chunk) -> None:
        super().__init__(path)
        self.slow = False  # a worker has nothing else to do
        self._chunk = chunk

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, str]]:  # noqa: ARG002
        chunk, path = self._chunk, self.path
        with path.open() if isinstance(path, RemoteFile) else Path(path).open("rb") as file:
            yield from self._decoded(_part(file, chunk.head), bytes)
            file.seek(chunk.begin)
            for number, line in self._decoded(_part(file, chunk.length), bytes):
                yield number + chunk.first_line - 1, line


def _part(file: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0 and (line := file.readline(min(length, _MAX_LINE + 1))):
        length -= len(line)
        yield line


class _ParquetSlice(ParquetSource):
    """The rows of a chunk of a Parquet file."""

    def __init__(self, path: Any, chunk: Chunk) -> None:
        super().__init__(path)
        self.slow = False
        self._chunk = chunk

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:  # noqa: ARG002
        chunk = self._chunk
        with self._opened() as file:
            groups, skip = _groups(file.metadata, chunk)
            names = None if self.wanted is None else [name for name in self.columns if name in self.wanted]
            batches = file.iter_batches(batch_size=_BATCH, row_groups=groups, columns=names, use_threads=False)
            number, left = chunk.begin, chunk.length
            while left and (batch := self._next(batches)) is not None:
                rows = self._rows(batch)
                for row in rows[skip : skip + left]:
                    number, left = number + 1, left - 1
                    yield number, row
                skip = max(0, skip - len(rows))


def _groups(metadata: Any, chunk: Chunk) -> tuple[list[int], int]:
    """Return the row groups that have a chunk's rows, and how many rows of the first come before them."""
    groups: list[int] = []
    at = skip = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if at < chunk.begin + chunk.length and chunk.begin < at + rows:
            if not groups:
                skip = chunk.begin - at
            groups.append(group)
        at += rows
    return groups, skip


class _PartLines:
    """Lines that the coordinator has written (rule 2)."""

    regular = True
    slow = False

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.name: str = head["name"]
        self.plain_name: str = head["plain_name"]
        self.closed = False
        self._path = path

    def digest(self) -> str:
        """Return nothing: the input was digested by the coordinator."""
        return ""

    digest_all = digest

    def broken(self, number: int, problem: str, line: str = "", secrets: Iterable[str] = ()) -> InputError:
        """Make the error of a line."""
        return input_error(f"{self.name}:{number}", problem, line, secrets)

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Any]]:  # noqa: ARG002
        """Yield each item with its number."""
        with self._path.open("rb") as file:
            file.readline()
            for line in file:
                number, item = json.loads(line)
                yield number, item


class _PartRows(_PartLines):
    """Rows that the coordinator has written (rule 2)."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        super().__init__(path, head)
        self.columns: tuple[str, ...] | None = None if head["columns"] is None else tuple(head["columns"])

    def broken(self, number: int, problem: str, row: Any = None, secrets: Iterable[str] = ()) -> InputError:  # noqa: ARG002
        """Make the error of a row."""
        return input_error(f"{self.name}:{number}", problem, *shown_row(row))


def write_part(path: Path, source: Any, *items: Sequence[tuple[int, Any]]) -> None:
    """Write the items of a chunk into the parts folder (rule 2); the file appears whole.

    Raises:
        OSError: It can't be written.
    """
    columns = getattr(source, "columns", ())
    head = {
        "name": source.name, "plain_name": getattr(source, "plain_name", ""),
        "rows": hasattr(source, "columns"), "columns": None if columns is None else list(columns),
    }  # fmt: skip
    fresh = path.with_name(f"{path.name}.tmp")
    with fresh.open("wb") as file:
        file.write(json.dumps(head).encode() + b"\n")
        for each in items:
            for number, item in each:
                file.write(b"[%d,%b]\n" % (number, written_anyhow(item)))
    fresh.replace(path)


def slice_reader(job: Job, chunk: Chunk, folder: str) -> Reader:
    """Make the reader of one chunk (rule 1).

    Raises:
        ConfigError: This worker can't read the input.
    """
    reader = job.reader(source=_source(job, chunk, folder), first_row=chunk.first_row)
    reader.format = chunk.format
    return reader


def _source(job: Job, chunk: Chunk, folder: str) -> Any:
    if chunk.part:
        path = Path(folder) / chunk.part
        try:
            with path.open("rb") as file:
                head = json.loads(file.readline())
        except (OSError, ValueError) as error:
            raise ConfigError(f"cannot read the part {path}: {getattr(error, 'strerror', None) or error}") from None
        return (_PartRows if head["rows"] else _PartLines)(path, head)
    source: Any = source_of(job.input, plain=job.format is not None)
    if isinstance(source, ParquetSource):
        return _ParquetSlice(source.path, chunk)
    return _LineSlice(source.path, chunk)
