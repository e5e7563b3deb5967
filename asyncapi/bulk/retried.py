"""Send the failed rows of a finished output again, and put what comes of them in their places.

Rules:
1. The rows that are sent again go into `OUT.retry`, which has a journal of its own: killed, it is resumed as any job.
2. At the end, the rows that stay and the new ones are written to `OUT.retry.new`, which then takes the place of the
   output. So the output is the old one or the new one, whole. In an ordered output each new row stands where the failed
   one was; else the new ones are last, as they were the last to end.
3. `OUT.retry.done` says what the new output will be: found after a kill, it tells whether the output is already the new
   one.
4. A row is known by its id and URL. The input must have every failed row, and as often as the output has it.
5. What grows are eight bytes for each failed row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from asyncapi.bulk import disk
from asyncapi.bulk.around import Around
from asyncapi.bulk.item import Item
from asyncapi.bulk.line_files import LinesFile
from asyncapi.bulk.places import journal_path
from asyncapi.bulk.rows import UNKNOWN, id_text
from asyncapi.bulk.sinks import FAILURES, file_sink, sink_for
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from asyncapi.bulk.columns import Columns
    from asyncapi.bulk.kept import Kept
    from asyncapi.bulk.reader import Reader
    from asyncapi.bulk.sinks import Sink

    Again = Callable[[Item, int | None, str], bool]
    """Whether a row may be sent again, given the status and the error of its failed row."""

_BATCH = 256  # rows


class Retried:
    """The failed rows of an output.

    Args:
        output: The output.
        columns: Its columns.
        again: Whether a row may be sent again.
        include_unknown: Send also what must not be sent twice.
        ordered: Whether the output is in the order of the input.

    Attributes:
        total: Rows of the output.
        failed: Rows of the output that have failed.
        due_rows: Rows that are sent again.
        kept: Failed rows that are not sent again, since the server may have processed them.
        identity: What tells this output from others, for the journal.
        sink: Where the new rows go; its `finish` replaces the output.

    Raises:
        ConfigError: There is no such output, or it can't be read.
    """

    def __init__(
        self,
        output: str | Path,
        columns: Columns,
        again: Again,
        *,
        include_unknown: bool = False,
        ordered: bool = False,
    ) -> None:
        if "://" in str(output) or str(output) == "-":
            raise ConfigError(f"--retry-failed needs the output as a file on this machine, not {output}")
        self._output = sink_for(output)
        self._output.columns = columns
        self._again = again
        self._include_unknown = include_unknown
        self._path = Path(output)
        self._clear, self._doubtful = array("Q"), array("Q")
        self.total: int = 0
        self.failed: int = 0
        self.due_rows: int = 0
        self.kept: int = 0
        self._check()
        self.identity: str = self._read()
        self._tidy_up()
        kind = LinesFile if self._path.suffix.lower() == ".parquet" else file_sink
        path = self._path.with_name(f"{self._path.name}.retry")
        self.sink: Sink = _Merging(
            kind(path, "" if kind is LinesFile else self._path.name), self._path, self._output, ordered=ordered
        )
        self.sink.columns = columns

    def _check(self) -> None:
        if not self._output.resumable:
            raise ConfigError(f"--retry-failed needs the output as a file, not {self._path}")
        if not self._output.exists():
            raise ConfigError(f"there is no output {self._path} whose failed rows could be sent again")
        if journal_path(self._output).exists():
            raise ConfigError(
                f"{self._path} belongs to a stopped job: "
                "--resume --retry-failed finishes it, then sends its failed rows again"
            )

    def _read(self) -> str:
        """Read the output: which rows have failed, and its digest."""
        post, digest = Item("POST", "http://host/"), 0
        clear, doubtful = self._clear, self._doubtful
        try:
            for row in self._output.rows():
                self.total += 1
                digest += _number(row.name, row.url, row.error, 16)
                if not row.ok:
                    self.failed += 1
                    rows = clear if self._again(post, row.status, row.error) else doubtful
                    rows.append(_number(row.name, row.url))
        except FAILURES as error:
            raise ConfigError(f"cannot read {self._path}: {getattr(error, 'strerror', None) or error}") from None
        finally:
            self._output.close()
        self._clear, self._doubtful = array("Q", sorted(clear)), array("Q", sorted(doubtful))
        return f"{self.total}-{digest % (1 << 128):032x}"

    def _tidy_up(self) -> None:
        """Remove what a run has left that was killed after its output was in place (rule 3)."""
        done = self._path.with_name(f"{self._path.name}.retry.done")
        if not done.exists():
            return
        if done.read_text() == self.identity:
            for ending in ("", "-wal", "-shm", ".journal"):
                disk.remove(self._path.with_name(f"{self._path.name}.retry{ending}"))
        disk.remove(done)

    def check_input(self, reader: Reader) -> None:
        """Count what is sent again, and check that the input has the failed rows (rule 4).

        Raises:
            ConfigError: It doesn't.
        """
        found = 0
        for item in reader.items():
            number = _number(_name(item), item.given)
            if _has(self._clear, number) or _has(self._doubtful, number):
                found += 1
                self.due_rows += self.due(item)
        if found != self.failed:
            raise ConfigError(
                f"{self._path} has {self.failed:,} failed rows, of which the input has {found:,}, by their ids and "
                "URLs: give the input and the options that the output was made with, and ids that are unique"
            )
        self.kept = self.failed - self.due_rows

    def due(self, item: Item) -> bool:
        """Whether a row of the input is sent again."""
        number = _number(_name(item), item.given)
        if _has(self._clear, number):
            return True
        return _has(self._doubtful, number) and (self._include_unknown or self._again(item, None, UNKNOWN))


class _Merging(Around):
    """Collects the new rows, and at the end puts them into the output (rule 2)."""

    def __init__(self, inner: Sink, path: Path, output: Sink, *, ordered: bool) -> None:
        super().__init__(inner)
        self._path = path
        self._output = output
        self._ordered = ordered
        self._finished = False

    def finish(self) -> None:
        self.inner.finish()
        self.inner.close()
        new = file_sink(self._path.with_name(f"{self._path.name}.retry.new"), self._path.name)
        new.columns = self.columns
        for file in new.files:
            disk.remove(file)
        size = new.open(0)
        rows, digest, total = self._merged(), 0, 0
        try:
            while batch := list(islice(rows, _BATCH)):
                total += len(batch)
                digest += sum(_number(row.name, row.url, row.error, 16) for row in batch)
                packed = new.pack([row.encoded for row in batch], size)
                new.append(packed.data)
                size = packed.ends[-1]
            new.finish()
        finally:
            rows.close()
            new.close()
        self._replace(new, f"{total}-{digest % (1 << 128):032x}")
        self._finished = True

    def _replace(self, new: Sink, identity: str) -> None:
        wal = self._path.with_name(f"{self._path.name}-wal")
        if wal.exists():
            raise OSError(f"another program has {self._path} open: close it, and give the command again")
        done = self._path.with_name(f"{self._path.name}.retry.done")
        disk.sync_path(new.files[0])
        disk.remove(done)
        descriptor = disk.open_append(done)
        try:
            disk.write_all(descriptor, identity.encode())
            disk.sync(descriptor)
        finally:
            disk.close(descriptor)
        disk.sync_folder(self._path)
        disk.replace(new.files[0], self._path)
        disk.sync_folder(self._path)

    def _merged(self) -> Generator[Kept]:
        numbers = array("Q", sorted(_number(row.name, row.url) for row in self.inner.rows()))
        fresh = self.inner.rows()
        following: Kept | None = next(fresh, None)
        try:
            for row in self._output.rows():
                if row.ok or not _has(numbers, _number(row.name, row.url)):
                    yield row
                elif self._ordered and following is not None and following[:2] == row[:2]:
                    yield following
                    following = next(fresh, None)
            yield from chain(() if following is None else (following,), fresh)
        finally:
            self._output.close()

    def close(self) -> None:
        self.inner.close()
        if self._finished:
            for file in self.files:
                disk.remove(file)
            disk.remove(self._path.with_name(f"{self._path.name}.retry.done"))


def _name(item: Item) -> str:
    return id_text(item.index if item.name is None else item.name)


def _number(name: str, url: str, error: str = "", size: int = 8) -> int:
    text = f"{len(name)}:{name}{len(url)}:{url}{error}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=size).digest(), "big")


def _has(numbers: array[int], number: int) -> bool:
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number
