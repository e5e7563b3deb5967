"""Split an input into chunks of rows, and read one chunk.

Rules:
1. One pass checks every row, as a job of one process does, and notes where chunks begin: memory is constant but for
   about 100 bytes a chunk.
2. A chunk of a text file is a range of its bytes that begins and ends between rows (a quoted field of CSV may hold line
   breaks). Each slice of a CSV reads the header first.
3. Rows keep their numbers: an id or an idempotency key is the same whichever worker sends the row. Lines keep theirs: an
   error names the line of the whole file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from asyncapi.bulk.lines import Lines
from asyncapi.bulk.sources import local_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.lines import Line
    from asyncapi.bulk.reader import Reader

_MAX_LINE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the input.

    Attributes:
        number: Its place among the chunks, from 0.
        first_row: The number of its first row in the input, from 0.
        rows: How many rows it has.
        begin: Where it begins, in bytes.
        length: How many bytes it has.
        first_line: The number of its first line in the input, from 1.
        head: How many bytes at the beginning of the input every slice reads first: the header of a CSV.
        format: The format of the input.
        part: The file in the parts folder that holds the chunk, if the input itself can't be read in slices.
    """

    number: int
    first_row: int
    rows: int
    begin: int
    length: int
    first_line: int
    head: int = 0
    format: str | None = None
    part: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of one pass over the input.

    Attributes:
        chunks: The chunks, in order.
        rows: Rows in all.
        digest: The digest of every byte.
    """

    chunks: list[Chunk]
    rows: int
    digest: str


class _Counted(Lines):
    """Lines that say where the last one ended."""

    at = 0
    number = 0

    def _decoded(self, raw: Iterator[bytes], update: Callable[[bytes], object]) -> Iterator[Line]:
        self.at = self.number = 0
        return super()._decoded(self._count(raw), update)

    def _count(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        for line in raw:
            self.at += len(line)
            self.number += 1
            yield line


class _Slice(Lines):
    """The lines of a chunk."""

    def __init__(self, path: str | Path, chunk: Chunk) -> None:
        super().__init__(path)
        self._chunk = chunk

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[Line]:  # noqa: ARG002 - a file
        chunk = self._chunk
        with Path(str(self.path)).open("rb") as file:
            yield from self._decoded(_part(file, chunk.head), bytes)
            file.seek(chunk.begin)
            for number, line in self._decoded(_part(file, chunk.length), bytes):
                yield number + chunk.first_line - 1, line


def _part(file: IO[bytes], length: int) -> Iterator[bytes]:
    while length > 0 and (line := file.readline(min(length, _MAX_LINE + 1))):
        length -= len(line)
        yield line


def split(job: Job, reader: Reader) -> Plan:
    """Check every row of a regular file, and split it into chunks of `job.chunk` rows.

    Raises:
        InputError: A row is broken.
    """
    lines = _Counted(local_file(job.input))
    reader = job.reader(relative=True, source=lines)
    chunks: list[Chunk] = []
    begin, first_line, first_row, rows = 0, 1, 0, 0
    for _ in reader.checked():
        rows += 1
        if rows - first_row >= job.chunk:
            chunks.append(Chunk(len(chunks), first_row, rows - first_row, begin, lines.at - begin, first_line))
            begin, first_line, first_row = lines.at, lines.number + 1, rows
    if rows > first_row:
        chunks.append(Chunk(len(chunks), first_row, rows - first_row, begin, lines.at - begin, first_line))
    return Plan(chunks, rows, lines.digest())


def slice_reader(job: Job, chunk: Chunk, folder: str) -> Reader:
    """Make the reader of one chunk (rule 3)."""
    return job.reader(relative=True, source=_Slice(local_file(job.input), chunk), first_row=chunk.first_row)
