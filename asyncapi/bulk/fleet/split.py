"""Split an input into chunks of rows.

Rules:
1. One pass checks every row, as a job of one process does, and notes where chunks begin: memory is constant but for
   about 200 bytes a chunk.
2. A chunk of a plain text file is a range of its bytes that begins and ends between rows (a quoted field of CSV may
   hold line breaks); with CSV, each slice reads the header first. A chunk of a Parquet file is a range of rows.
3. No other input can be read from its middle: a packed file, a stream, SQLite, URLs and mappings of a program. The
   coordinator reads it, and writes each chunk into the parts folder shortly before a worker needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.delimited import records
from asyncapi.bulk.fleet.slices import Chunk, CountedLines, write_part
from asyncapi.bulk.lines import Lines
from asyncapi.bulk.parquet_source import ParquetSource
from asyncapi.bulk.sources import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.reader import Reader


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of one pass over the input.

    Attributes:
        rows: Rows in all; None of a stream.
        digest: The digest of every byte; "a stream" of a stream.
        chunks: The chunks, in order; None where the coordinator has to write them (rule 3).
        columns: The columns that the output repeats.
        duplicates: What there is to say about ids that appear more than once, or None.
    """

    rows: int | None
    digest: str
    chunks: list[Chunk] | None
    columns: tuple[str, ...] = ()
    duplicates: str | None = None


def split(job: Job, opened: Callable[[Any], object] = id) -> Plan:
    """Check every row of an input, and split it into chunks of `job.chunk` rows.

    Args:
        job: The job.
        opened: Called with the reader before it reads: closing it ends the pass.

    Raises:
        InputError: A row is broken.
        ConfigError: The input can't be read.
    """
    source: Any = source_of(job.input, plain=job.format is not None)
    if type(source) is Lines and source.regular and not source.packed:
        source = CountedLines(source.path)
        reader = job.reader(source=source)
        opened(reader)
        chunks: list[Chunk] | None = _ranges(job, reader, source)
        rows = chunks[-1].first_row + chunks[-1].rows if chunks else 0
    else:
        reader = job.reader(source=source)
        opened(reader)
        if not reader.regular:
            return Plan(None, "a stream", None, reader.columns)
        rows = sum(1 for _ in reader.checked())
        chunks = _row_ranges(rows, job.chunk) if isinstance(source, ParquetSource) else None
    digest = str(source.digest() if job.limit is None else source.digest_all())
    return Plan(rows, digest, chunks, reader.columns, reader.duplicates.text())


def _row_ranges(rows: int, size: int) -> list[Chunk]:
    found = []
    for number, first in enumerate(range(0, rows, size)):
        length = min(size, rows - first)
        found.append(Chunk(number, first, length, begin=first, length=length, first_line=first + 1))
    return found


def _ranges(job: Job, reader: Reader, lines: CountedLines) -> list[Chunk]:
    """Note where chunks begin while every row is checked (rule 2)."""
    chunks: list[Chunk] = []
    begin, first_line, first_row, rows, head = 0, 1, 0, 0, 0

    def end_chunk() -> None:
        length = lines.at - begin
        chunks.append(
            Chunk(len(chunks), first_row, rows - first_row, begin, length, first_line, head=head, format=reader.format)
        )

    for _ in reader.checked():
        if not rows and reader.recipe.table:
            head, lines_of_head = _head_of(lines, reader)
            begin, first_line = head, lines_of_head + 1
        rows += 1
        if rows - first_row >= job.chunk:
            end_chunk()
            begin, first_line, first_row = lines.at, lines.number + 1, rows
    if rows > first_row:
        end_chunk()
    return chunks


def _head_of(lines: CountedLines, reader: Reader) -> tuple[int, int]:
    """Return how many bytes, and lines, the header of a table takes."""
    again = CountedLines(lines.path)
    read = again.read()
    _header(read, reader)
    return again.at, again.number


def _header(lines: Iterator[tuple[int, str]], reader: Reader) -> None:
    """Read up to the end of the header."""
    first = next(line for line in lines if line[1].strip())
    next(records(_chain(first, lines), "\t" if reader.format == "tsv" else ","))


def _chain(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


class _Tap:
    """A source whose items are kept until they are taken away."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.items: list[tuple[int, Any]] = []
        for name in ("name", "plain_name", "columns"):
            if hasattr(source, name):
                setattr(self, name, getattr(source, name))

    @property
    def regular(self) -> bool:
        return bool(self.source.regular)

    @property
    def slow(self) -> bool:
        return bool(self.source.slow)

    @property
    def closed(self) -> bool:
        return bool(self.source.closed)

    @closed.setter
    def closed(self, value: bool) -> None:
        self.source.closed = value

    def digest(self) -> str:
        return str(self.source.digest())

    digest_all = digest

    def broken(self, *problem: Any) -> Exception:
        return self.source.broken(*problem)  # type: ignore[no-any-return]

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Any]]:
        for item in self.source.read(before_read):
            self.items.append(item)
            yield item


def parts(
    job: Job, folder: Path, is_done: Callable[[int], bool], opened: Callable[[Any], object] = id
) -> Iterator[Chunk]:
    """Yield the chunks of an input that only the coordinator can read, and write each before (rule 3).

    Args:
        job: The job.
        folder: The parts folder.
        is_done: Whether a chunk has ended in an earlier run: it isn't written again.
        opened: Called with the reader before it reads: closing it ends the pass.

    Raises:
        InputError: A row of a stream is broken; the chunks before it have been yielded.
        OSError: A part can't be written.
    """
    tap = _Tap(source_of(job.input, plain=job.format is not None))
    reader = job.reader(source=tap)
    opened(reader)
    rows = reader.items() if not reader.regular else reader.checked()
    first_row, number, head = 0, 0, []
    for count in _counts(rows, job.chunk):
        if tap.closed:
            return
        if not number and reader.recipe.table and not hasattr(tap, "columns"):
            items = iter(tap.items)
            _header(items, reader)
            head = tap.items[: len(tap.items) - sum(1 for _ in items)]
            del tap.items[: len(head)]
        chunk = Chunk(number, first_row, count, 0, 0, first_line=0, format=reader.format, part=f"{number:06d}.input")
        if not is_done(number):
            write_part(folder / chunk.part, tap, head, tap.items)
        tap.items.clear()
        first_row, number = first_row + count, number + 1
        yield chunk


def _counts(rows: Iterator[Any], most: int) -> Iterator[int]:
    """Take rows in groups, and yield the size of each; it ends with the one that isn't full."""
    while count := sum(1 for _ in islice(rows, most)):
        yield count
