"""Write rows to the output and its journal, so that each row is there exactly once whatever happens.

Rules:
1. Rows are written in batches: after 256 rows or 1 MiB, and whenever the engine's clock ticks. A batch takes two
   writes, first the journal's, then the output's; journal.py says why dying between any two bytes of them is safe.
2. After a write that failed half-way nothing more is written.
3. While another program locks the output, rows wait in memory and the clock tries again; `behind` says when so
   many wait that no more should come.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.bulk.journal import OK, Journal, Past
from asyncapi.bulk.sinks import FAILURES
from asyncapi.bulk.sqlite import Busy
from asyncapi.errors import ConfigError
from asyncapi.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncapi.bulk.rows import Row
    from asyncapi.bulk.sinks import Sink

_BATCH_ROWS = 256
_BATCH_BYTES = 1024 * 1024
_MAX_ROWS = 20_000  # that wait for a lock, before the job does
_MAX_BYTES = 64 * 1024 * 1024
_MAX_LOCKED = 600.0  # seconds to wait for a lock of another program


class NotWritten(Exception):
    """The output or its journal cannot be written any more: the message says why."""


def journal_path(sink: Sink) -> Path:
    """Return the path of an output's journal."""
    return sink.files[0].with_name(sink.files[0].name + ".journal")


def check_output(sink: Sink, source: str | Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to overwrite or mix outputs, before anything is opened.

    Raises:
        ConfigError: The output exists, or can't be resumed; the message says what to pass.
    """
    if resume and overwrite:
        raise ConfigError("--resume continues the output, --overwrite replaces it: give one of them")
    if not sink.resumable:
        if resume:
            raise ConfigError("stdout and pipes cannot be resumed: write to a file with -o")
        return
    _check_place(sink.files[0], source)
    output, journal = sink.files[0], journal_path(sink)
    if resume and not journal.exists():
        _check_empty(sink)
    if resume or overwrite:
        return
    if journal.exists():
        raise ConfigError(f"{output} belongs to a stopped job: --resume continues it, --overwrite starts again")
    if output.exists():
        raise ConfigError(f"{output} exists: --overwrite replaces it, --resume continues a job that was stopped")


def _check_place(output: Path, source: str | Path) -> None:
    if not output.parent.is_dir():
        raise ConfigError(f"cannot write {output}: there is no folder {output.parent}")
    if str(source) != "-" and output.exists() and output.samefile(source):
        raise ConfigError(f"the output {output} is also the input: name another output")


def _check_empty(sink: Sink) -> None:
    if any(file.exists() and file.stat().st_size for file in sink.files):
        raise ConfigError(
            f"{sink.files[0]} has no journal ({journal_path(sink).name}) to resume from: it is complete, or was "
            "written by something else; --overwrite starts again"
        )


class Store:
    """An open output; made by `open_store`.

    Attributes:
        past: What earlier runs did.
    """

    __slots__ = ("_batch", "_broken", "_bytes", "_due", "_end", "_journal", "_locked_at", "_sink", "past")

    def __init__(self, sink: Sink, journal: Journal | None, past: Past, end: int) -> None:
        self.past: Past = past
        self._sink = sink
        self._journal = journal
        self._end = end
        self._batch: list[tuple[str, int, Any]] = []
        self._bytes = 0
        self._due: list[Any] = []  # rows that are in the journal, and not yet in the output
        self._locked_at: float | None = None
        self._broken = False  # rule 2

    def start(self, index: int) -> None:
        """Note that a request is about to be sent that must not be sent twice.

        Raises:
            NotWritten: The note can't be written: the request must not be sent.
        """
        if self._journal is not None:
            with self._writing():
                self._journal.start(index)

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
        rows = len(self._batch) + len(self._due)
        return self._locked_at is not None and (rows >= _MAX_ROWS or self._bytes >= _MAX_BYTES)

    def add(self, index: int, mark: str, row: Row) -> str:
        """Add a row; it is written at the next flush.

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
            return self.add(index, "-", row)
        self._batch.append((mark, index, encoded))
        self._bytes += len(encoded) if type(encoded) is bytes else len(encoded[4] or "")
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
        while not self._broken and (self._due or self._batch):
            with self._writing():
                if not self._due:
                    self._write_journal()  # rule 1
                try:
                    self._sink.append(self._due)
                except Busy:
                    self._wait_for_lock()
                    return False
            self._due, self._locked_at = [], None
        return True

    def _write_journal(self) -> None:
        """Write the batch's lines of the journal; then its rows are due."""
        batch, self._batch, self._bytes = self._batch, [], 0
        if self._journal is not None:
            end, lines = self._end, []
            for mark, index, encoded in batch:
                end += self._sink.weight(encoded)
                lines.append(f"{mark} {index} {end} {self._sink.checksum(encoded)}\n")
            self._journal.append("".join(lines))
            self._end = end
        self._due = [encoded for _, _, encoded in batch]

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
            if self._journal is not None and not keep_journal:
                self._journal.remove()

    def close(self) -> None:
        """Write the rows that wait, if possible, and close the files."""
        with suppress(NotWritten):
            self.flush()
        self._sink.close()
        if self._journal is not None:
            self._journal.close()


def open_store(
    sink: Sink, what: dict[str, Any], *, resume: bool = False, overwrite: bool = False, job_id: str | None = None
) -> Store:
    """Open the output of a new job, or recover that of an earlier one.

    Args:
        sink: The output.
        what: The job's identity; that of a resumed job must be the same.
        resume: Continue an earlier job if there is one.
        overwrite: Replace whatever is there.
        job_id: The id of a new job; by default one is drawn.

    Raises:
        ConfigError: It cannot be opened, or belongs to another job.
    """
    try:
        if not sink.resumable:
            return Store(sink, None, Past(uuid4().hex, what), sink.open(0))
        path = journal_path(sink)
        found = Journal.recover(path, sink.size(), sink) if resume and path.exists() else None
        if resume and found is None:
            _check_empty(sink)
        journal, past = found or Journal.create(path, what, job_id)
        try:
            _check_same(path, past.what, what)
            if overwrite:
                for file in sink.files:
                    file.unlink(missing_ok=True)
            return Store(sink, journal, past, sink.open(past.end))
        except BaseException:
            journal.close() if found else journal.remove()
            raise
    except BaseException as error:
        sink.close()
        if not isinstance(error, FAILURES):
            raise
        name = sink.files[0] if sink.files else "stdout"
        raise ConfigError(f"cannot write {name}: {getattr(error, 'strerror', None) or error}") from None


def _check_same(path: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if names:
        raise ConfigError(
            f"{path.name} belongs to another job: {' and '.join(names)} changed since it began; "
            "resume it with the input and options that it began with, or start again with --overwrite"
        )
