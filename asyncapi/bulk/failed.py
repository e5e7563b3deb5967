"""Write the failed rows of a job as an input again: JSON lines with the requests as they were given.

`asyncapi fetch FAILED ...` with the options of the job sends them again. Each line also has `asyncapi_error`, which the
reader takes away. Rules:
1. While the job runs, the rows are collected in `FAILED.part`, each before it is written to the output: so none is
   missing there that the journal has. A resume drops those that the journal doesn't have.
2. Rows of earlier runs that are not in `FAILED.part` (a power cut, or nobody asked for them then) are added as they are
   passed over in the input; what went wrong with them stands in the output.
3. `FAILED` is replaced as a whole: whenever the job ends, however it ends.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from asyncapi.bulk import disk
from asyncapi.bulk.indices import Indices
from asyncapi.bulk.recipe import ERROR_KEY
from asyncapi.errors import ConfigError
from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.bulk.item import Item
    from asyncapi.bulk.journal import Past

_BATCH = 1000  # lines a write


class FailedRows:
    """The file of failed rows of one job.

    Args:
        path: Where it goes at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self._part = path.with_name(path.name + ".part")
        self._descriptor = -1
        self._batch: list[bytes] = []
        self._known = Indices()

    def check(self, *others: str | Path) -> None:
        """Check that the file can be written, before anything is sent.

        Args:
            others: The input and the output, which it must not replace: a resume needs both.

        Raises:
            ConfigError: It can't.
        """
        if any("://" not in str(other) and self.path.resolve() == Path(other).resolve() for other in others):
            raise ConfigError(
                f"the failed rows can't go to {self.path}: it is the input or the output; name another file"
            )
        if self.path.is_dir():
            raise ConfigError(f"cannot write the failed rows to {self.path}: it is a folder; name a file")
        if not self.path.parent.is_dir():
            raise ConfigError(f"cannot write the failed rows to {self.path}: there is no folder {self.path.parent}")

    def open(self, past: Past) -> None:
        """Open the file of rows, with those of earlier runs that the journal has (rule 1).

        Raises:
            ConfigError: It can't be written.
        """
        new = self._part.with_name(self._part.name + ".new")
        try:
            disk.remove(new)
            self._descriptor = disk.open_append(new)
            if self._part.exists():
                with self._part.open("rb") as file:
                    _write(self._descriptor, self._kept(file, past))
            disk.replace(new, self._part)
        except OSError as error:
            raise ConfigError(f"cannot write the failed rows to {self.path}: {error.strerror}") from None

    def _kept(self, file: IO[bytes], past: Past) -> Iterator[bytes]:
        for index, line in _lines(file):
            if index in past.not_ok and index not in self._known:
                self._known.add(index)
                yield line

    def add(self, index: int, item: Item, error: str | None = None) -> None:
        """Add a row.

        Args:
            index: Its number in the journal.
            item: The row.
            error: What went wrong; None where only the output knows.
        """
        row = {name: value for name, value in item.row.items() if name != ERROR_KEY}
        if error is not None:
            row[ERROR_KEY] = error
        self._batch.append(b"%d\t%s\n" % (index, written_anyhow(row)))

    def passed(self, index: int, item: Item, past: Past) -> None:
        """Look at a row that an earlier run has written: it is added if it failed and isn't there (rule 2)."""
        if index in past.not_ok and index not in self._known:
            self._known.add(index)
            self.add(index, item)

    def flush(self, *, durable: bool = False) -> None:
        """Write the rows that were added.

        Raises:
            OSError: They can't be written.
        """
        if self._batch and self._descriptor >= 0:
            disk.write_all(self._descriptor, b"".join(self._batch))
            self._batch = []
            if durable:
                disk.sync(self._descriptor)

    def publish(self) -> None:
        """Replace the file by one with all rows so far (rule 3).

        Raises:
            OSError: It can't be written.
        """
        self.flush()
        new = self.path.with_name(self.path.name + ".new")
        disk.remove(new)
        descriptor = disk.open_append(new)
        try:
            with self._part.open("rb") as file:
                _write(descriptor, (line.partition(b"\t")[2] for _, line in _lines(file)))
            disk.sync(descriptor)
        finally:
            disk.close(descriptor)
        disk.replace(new, self.path)

    def finish(self) -> None:
        """Replace the file, and remove what was collected: the job is complete.

        Raises:
            OSError: It can't be written.
        """
        self.publish()
        self._let_go()
        disk.remove(self._part)

    def close(self) -> None:
        """Replace the file, if the job is not complete.

        Raises:
            OSError: It can't be written.
        """
        if self._descriptor >= 0:
            try:
                self.publish()
            finally:
                self._let_go()

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                disk.close(self._descriptor)
            self._descriptor = -1


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines with their numbers; a power cut may have left others."""
    for line in file:
        number, _, text = line.partition(b"\t")
        if number.isdigit() and text.startswith(b"{") and text.endswith(b"}\n"):
            yield int(number), line


def _write(descriptor: int, lines: Iterator[bytes]) -> None:
    while batch := b"".join(islice(lines, _BATCH)):
        disk.write_all(descriptor, batch)
