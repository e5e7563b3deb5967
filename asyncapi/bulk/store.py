"""Write rows to the output and its journal, so that each row is there exactly once whatever happens.

Rules:
1. Rows are written in batches: after 256 rows or 1 MiB, and whenever the engine's clock ticks. A batch takes two
   writes, first the output's, then the journal's; journal.py says why dying between any two bytes of them is safe.
2. After a write that failed half-way nothing more is written.
3. While another program locks the output, rows wait in memory and the clock tries again; `behind` says when so
   many wait that no more should come.
4. In a durable job each of the two writes is synced, and so is a note before its request is sent. All notes that wait
   for that share one sync.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.bulk import disk
from asyncapi.bulk.journal import OK, Journal, Past
from asyncapi.bulk.places import check_empty, journal_path
from asyncapi.bulk.rows import COLUMNS
from asyncapi.bulk.shared_sync import SharedSync
from asyncapi.bulk.sinks import FAILURES
from asyncapi.bulk.sqlite import Busy
from asyncapi.errors import ConfigError
from asyncapi.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncapi.bulk.columns import Columns
    from asyncapi.bulk.failed import FailedRows
    from asyncapi.bulk.packed import Packed
    from asyncapi.bulk.reader import Item
    from asyncapi.bulk.rows import Row
    from asyncapi.bulk.sinks import Sink

_BATCH_ROWS = 256
_BATCH_BYTES = 1024 * 1024
_MAX_ROWS = 20_000  # that wait for a lock, before the job does
_MAX_BYTES = 64 * 1024 * 1024
_LOOK = 0.2  # seconds
_MAX_LOCKED = 600.0  # seconds to wait for a lock of another program


class NotWritten(Exception):
    """The output or its journal cannot be written any more: the message says why."""


class NoReader(NotWritten):
    """Whoever read the rows from a pipe has gone: there is nothing left to do."""


class Store:
    """An open output; made by `open_store`.

    Attributes:
        past: What earlier runs did.
        failed: Collects the requests of failed rows, or None.
    """

    __slots__ = (
        "_batch", "_broken", "_bytes", "_due", "_end", "_journal", "_locked_at", "_sink", "_syncing", "failed", "past",
    )  # fmt: skip

    def __init__(self, sink: Sink, journal: Journal | None, past: Past, end: int) -> None:
        self.past: Past = past
        self.failed: FailedRows | None = None
        self._sink = sink
        self._journal = journal
        self._end = end
        self._batch: list[tuple[str, int, Any]] = []
        self._bytes = 0
        self._due: tuple[Packed, str] | None = None  # rows that are on their way into the output
        self._locked_at: float | None = None
        self._broken = False  # rule 2
        self._syncing = None if journal is None or not sink.durable else SharedSync(journal.sync)

    def start(self, index: int) -> None:
        """Note that a request is about to be sent that must not be sent twice.

        Raises:
            NotWritten: The note can't be written: the request must not be sent.
        """
        if self._journal is not None:
            with self._writing():
                self._journal.start(index)

    async def synced(self) -> None:
        """Wait until the notes are safe from a power cut, in a durable job (rule 4).

        Raises:
            NotWritten: They can't be written: the request must not be sent.
        """
        if self._syncing is not None:
            with self._writing():
                await self._syncing.wait()

    def release(self, index: int) -> None:
        """Note that a started request had no effect: it may be sent after all.

        Raises:
            NotWritten: The journal can't be written.
        """
        if self._journal is not None:
            with self._writing():
                self._journal.release(index)

    @property
    def locked(self) -> float:
        """Seconds for which another program locks the output."""
        return 0.0 if self._locked_at is None else time.monotonic() - self._locked_at

    @property
    def behind(self) -> bool:
        """Whether so many rows wait for a lock that no more should come (rule 3)."""
        rows = len(self._batch) + (0 if self._due is None else len(self._due[0].ends))
        return self._locked_at is not None and (rows >= _MAX_ROWS or self._bytes >= _MAX_BYTES)

    async def room(self) -> None:
        """Wait a while for the lock, where rows are `behind`; the engine's clock writes them meanwhile."""
        await asyncio.sleep(_LOOK)

    def add(self, index: int, mark: str, row: Row, item: Item | None = None) -> str:
        """Add a row; it is written at the next flush.

        Args:
            index: The row of the input.
            mark: How it ended.
            row: What to write.
            item: The request, for the file of failed rows.

        Returns:
            The mark of the row: `mark`, or that of a failure if its data can't be encoded.

        Raises:
            NotWritten: A flush was due and failed.
        """
        try:
            encoded = self._sink.encode(row)
        except Exception as error:  # a model's own serializer may raise anything: the row fails, not the job
            if mark != OK:
                raise
            del row["data"]
            problem = one_line(str(error))
            row |= {"ok": False, "error": f"{type(error).__name__}: the data cannot be written as JSON: {problem}"}
            return self.add(index, "-", row, item)
        if mark != OK and self.failed is not None and item is not None:
            self.failed.add(index, item, row.get("error"))
        self._batch.append((mark, index, encoded))
        self._bytes += len(encoded) if type(encoded) is bytes else _length(encoded)
        if (len(self._batch) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES) and self._locked_at is None:
            self.flush()
        return mark

    def flush(self) -> bool:
        """Write the rows that wait.

        Returns:
            Whether all are written; False while another program locks the output.

        Raises:
            NotWritten: A write failed; the rows written before are safe.
        """
        while not self._broken and (self._due is not None or self._batch):
            with self._writing():
                if self._due is None:
                    self._due = self._packed()
                packed, lines = self._due
                try:
                    self._sink.append(packed.data)  # rule 1
                except Busy:
                    self._wait_for_lock()
                    return False
                if self._journal is not None:
                    self._journal.append(lines)
                    self._journal.sync()
                    self._end = packed.ends[-1]
            self._due = self._locked_at = None
        return True

    def _packed(self) -> tuple[Packed, str]:
        """Take the batch: what is written of it, and its lines of the journal."""
        batch, self._batch, self._bytes = self._batch, [], 0
        if self.failed is not None:
            self.failed.flush(durable=self._sink.durable)
        packed = self._sink.pack([encoded for _, _, encoded in batch], self._end)
        entries = zip(batch, packed.ends, packed.sums, strict=True)
        if packed.whole:
            lines = [
                f"{mark} {index} {end} {checksum} {len(batch) - place}\n"
                for place, ((mark, index, _), end, checksum) in enumerate(entries, 1)
            ]
        else:
            lines = [f"{mark} {index} {end} {checksum}\n" for (mark, index, _), end, checksum in entries]
        return packed, "".join(lines)

    def _wait_for_lock(self) -> None:
        if self._locked_at is None:
            self._locked_at = time.monotonic()
        if self.locked > _MAX_LOCKED:
            raise NotWritten(f"another program has locked it for {_MAX_LOCKED:.0f} s; its last rows are fetched again")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except NotWritten:
            self._broken = True  # rule 2
            raise
        except FAILURES as error:
            self._broken = True
            if isinstance(error, BrokenPipeError) and not self._sink.resumable:
                raise NoReader("nobody reads it any more") from error
            raise NotWritten(getattr(error, "strerror", None) or str(error)) from error

    def look(self) -> None:
        """Check that the output is still where it was opened.

        Raises:
            NotWritten: It was removed or replaced.
        """
        if not self._sink.present():
            self._broken = True
            raise NotWritten("it was removed or replaced while the job ran; its rows are lost")

    def complete(self, *, keep_journal: bool = False) -> None:
        """Finish the output, and remove the journal: every row is written.

        Args:
            keep_journal: Leave the journal there: others learn from it that every row is written.

        Raises:
            NotWritten: A write failed; the job can be resumed.
        """
        with self._writing():
            self._sink.finish()
            if self.failed is not None:
                self.failed.finish()
            if self._journal is not None and not keep_journal:
                self._journal.remove()

    def close(self) -> None:
        """Write the rows that wait, if possible, and close the files."""
        with suppress(NotWritten):
            self.flush()
        if self.failed is not None:
            with suppress(OSError):
                self.failed.close()
        self._sink.close()
        if self._journal is not None:
            self._journal.close()


def _length(cells: tuple[Any, ...]) -> int:
    if len(cells) == len(COLUMNS):
        return len(cells[4]) if type(cells[4]) is str else 0  # `data`, or what is selected of it
    return sum([len(value) for value in cells if type(value) is str])


def open_store(
    sink: Sink,
    what: dict[str, Any],
    *,
    resume: bool = False,
    overwrite: bool = False,
    job_id: str | None = None,
    columns: Columns | None = None,
    durable: bool = False,
) -> Store:
    """Open the output of a new job, or recover that of an earlier one.

    Args:
        sink: The output.
        what: The job's identity; that of a resumed job must be the same.
        resume: Continue an earlier job if there is one.
        overwrite: Replace whatever is there.
        columns: The columns of a table, if not the usual ones.
        durable: Whether rows must survive a power cut.
        job_id: The id of a new job; by default one is drawn.

    Raises:
        ConfigError: It cannot be opened, or belongs to another job.
    """
    sink.columns, sink.durable = columns or sink.columns, durable
    try:
        if not sink.resumable:
            return Store(sink, None, Past(uuid4().hex, what), sink.open(0))
        path = journal_path(sink)
        found = Journal.recover(path, sink.size(), sink, durable=durable) if resume and path.exists() else None
        if resume and found is None:
            check_empty(sink)
        journal, past = found or Journal.create(path, what, job_id, durable=durable)
        try:
            _check_same(path, past.what, what)
            if overwrite:
                for file in sink.files:
                    disk.remove(file)
            return Store(sink, journal, past, sink.open(past.end))
        except BaseException:
            journal.close() if found else journal.remove()
            raise
    except BaseException as error:
        sink.close()
        if not isinstance(error, FAILURES):
            raise
        raise ConfigError(f"cannot write {sink.name}: {getattr(error, 'strerror', None) or error}") from None


def _check_same(path: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if names:
        raise ConfigError(
            f"{path.name} belongs to another job: {' and '.join(names)} changed since it began; "
            "resume it with the input and options that it began with, or start again with --overwrite"
        )
