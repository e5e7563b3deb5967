"""The journal, `OUT.journal` beside the output: it lets a job be killed at any point and resumed.

A text file. Its first line is a JSON header (the job's id, and what the job was: the input's digest, the template).
Then one line an event; those of rows are written just after the rows:

    > INDEX             a request that must not be sent twice is about to be sent
    < INDEX             the request had no effect: it may be sent after all
    + INDEX END SUM     the row of INDEX is ok, and the output ends at END after it (bytes, or rows of a table); SUM is
                        the CRC-32 of the row
    - INDEX END SUM     the same for a failed row
    ? INDEX END SUM     the same for a row that may have been sent

The rows of a compressed batch have one END and one SUM, and a fourth number: how many lines of the batch follow.

Rules:
1. Either the journal or the output may be ahead when the process dies. A row counts as written only if its line is
   there and its END is within the output's real size; `recover` says where the last such row ends (the output is
   cut there) and drops the lines of the rest.
2. A line counts only with its newline, and without NULs: what a kill or a power cut has torn is ignored, with all that
   follows it. The lines of a compressed batch count only if all are there.
3. A request that was started and has no row was in flight at the kill: its row becomes "unknown".
4. Each done row takes one bit; nothing else grows with the job.
5. Only one process writes: the file is locked while open.
6. The output must not have changed: if a row has another checksum, somebody has edited, moved or removed it, and
   nothing is known of the rows after it: the resume is refused. (Older journals have no checksums.)
7. In a durable job a line is written once its row has been synced, and is synced itself; `>` before the request is
   sent. A file that is renamed or made has its folder synced. So a power cut loses nothing that a line says.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.bulk import disk
from asyncapi.bulk.disk import write_all
from asyncapi.bulk.indices import Indices
from asyncapi.errors import ConfigError

try:
    import fcntl
except ImportError:  # pragma: no cover - no such thing on Windows: two jobs on one output are the user's to avoid
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from asyncapi.bulk.sinks import Sink

    Line = tuple[str, int, int, int | None, int]
    """A mark, an index, an end and a checksum, and how many lines of the batch follow."""

    IsOwn = Callable[[int, int | None], bool]
    """Called with the end and the checksum of each row in order; says whether the row is unchanged."""

OK, FAILED, UNKNOWN, STARTED, RELEASED = "+", "-", "?", ">", "<"

_NOTES = frozenset({STARTED, RELEASED})


@dataclass(slots=True)
class Past:
    """The state of a job that earlier runs left.

    Attributes:
        job: The id that all runs of the job share.
        what: The identity of the job, as its first run wrote it.
        end: Where the last whole row of the output ends.
        done: The rows that are written.
        started: Rows that were in flight and must not be sent again.
        failed: How many of the written rows are failures.
        unknown: How many are unknown.
        not_ok: The rows that are one or the other.
    """

    job: str
    what: dict[str, Any]
    end: int = 0
    done: Indices = field(default_factory=Indices)
    started: set[int] = field(default_factory=set)
    failed: int = 0
    unknown: int = 0
    not_ok: Indices = field(default_factory=Indices)

    def apply(self, mark: str, index: int, end: int) -> None:
        """Apply a line of the journal."""
        if mark == STARTED:
            self.started.add(index)
            return
        self.started.discard(index)
        if mark == RELEASED:
            return
        self.end = end
        self.done.add(index)
        if mark != OK:
            self.failed += mark == FAILED
            self.unknown += mark == UNKNOWN
            self.not_ok.add(index)


class Journal:
    """An open, locked journal; made by `create` or `recover`."""

    __slots__ = ("_descriptor", "_durable", "path")

    def __init__(self, path: Path, descriptor: int, *, durable: bool = False) -> None:
        self.path: Path = path
        self._descriptor = descriptor
        self._durable = durable

    @classmethod
    def create(
        cls, path: Path, what: dict[str, Any], job_id: str | None = None, *, durable: bool = False
    ) -> tuple[Journal, Past]:
        """Create the journal of a new job, replacing whatever is at `path`.

        Args:
            path: The journal.
            what: The identity of the job.
            job_id: The id of the job; by default one is drawn.
            durable: Whether what it says must survive a power cut.

        Raises:
            OSError: It cannot be written.
            ConfigError: Another process is writing it.
        """
        descriptor = _locked(path, create=True)
        journal = cls(path, descriptor, durable=durable)
        past = Past(job_id or uuid4().hex, what)
        try:
            disk.cut(descriptor, 0)
            journal.append(_header(past))
            journal.sync()
            if durable:
                disk.sync_folder(path)
        except BaseException:
            journal.close()
            raise
        return journal, past

    @classmethod
    def recover(
        cls, path: Path, size: int, output: Sink | None = None, *, durable: bool = False
    ) -> tuple[Journal, Past] | None:
        """Open the journal of an earlier job, without the lines that no longer count (rules 1 and 2).

        Args:
            path: The journal.
            size: The output's real size now.
            output: Its rows are compared with their checksums (rule 6).
            durable: Whether what it says must survive a power cut.

        Returns:
            The journal and the state of the job; None where not even the first line was written, so nothing was
            sent.

        Raises:
            OSError: It cannot be read or written.
            ConfigError: The file is not a journal, another process is writing it, or the output has changed.
        """
        old = _locked(path)
        fresh = path.with_name(path.name + ".new")
        try:
            with path.open("rb") as lines:
                past = _read_header(path, lines)
                if past is None:
                    return None
                new = cls(path, _locked(fresh, create=True), durable=durable)
                try:
                    disk.cut(new._descriptor, 0)
                    new.append(_header(past))
                    with nullcontext() if output is None else output.written() as is_own:
                        new._copy(lines, past, size, is_own, output)
                    new.sync()
                    disk.replace(fresh, path)
                    if durable:
                        disk.sync_folder(path)
                except BaseException:
                    disk.remove(fresh)
                    new.close()
                    raise
        finally:
            disk.close(old)
        return new, past

    def _copy(
        self, lines: IO[bytes], past: Past, size: int, is_own: IsOwn | None = None, output: Sink | None = None
    ) -> None:
        copied: list[str] = []
        batch: list[tuple[str, str, int, int]] = []  # lines of a compressed batch whose last one has not come yet
        for line, (mark, index, end, checksum, following) in self._lines(lines):
            if mark in _NOTES:
                copied.append(line)
                past.apply(mark, index, end)
                continue
            if end <= size and is_own is not None and not is_own(end, checksum):
                if output is None or not output.torn(past.end, end):
                    raise _changed(self.path, len(past.done) + 1)  # rule 6
                size = past.end
            if batch and batch[0][3] != end:
                batch.clear()
            if end <= size:  # rule 1
                batch.append((line, mark, index, end))
                if not following:
                    for entry in batch:
                        copied.append(entry[0])
                        past.apply(*entry[1:])
                    batch.clear()
            if len(copied) >= 10_000:  # noqa: PLR2004 - lines a write
                self.append("".join(copied))
                copied.clear()
        self.append("".join(copied))

    def _lines(self, lines: IO[bytes]) -> Iterator[tuple[str, Line]]:
        """Yield the lines that count, each with what it says (rule 2)."""
        for raw in lines:
            if not raw.endswith(b"\n") or b"\0" in raw:
                return
            line = raw.decode("ascii", "replace")
            try:
                yield line, _read(line)
            except ValueError:
                raise ConfigError(f"{self.path} is damaged at {line!r}: move it away, or pass --overwrite") from None

    def start(self, index: int) -> None:
        """Note that a request is about to be sent that must not be sent twice (rule 3).

        Raises:
            OSError: The note can't be written: the request must not be sent.
        """
        self.append(f"{STARTED} {index}\n")

    def release(self, index: int) -> None:
        """Note that a started request had no effect: it may be sent after all.

        Raises:
            OSError: It cannot be written.
        """
        self.append(f"{RELEASED} {index}\n")

    def append(self, text: str) -> None:
        """Write lines; they outlive this process once this returns.

        Raises:
            OSError: They cannot be written whole.
        """
        write_all(self._descriptor, text.encode("ascii"))

    def sync(self) -> None:
        """Wait until all lines are on the disk, in a durable job (rule 7).

        Raises:
            OSError: They cannot be written.
        """
        if self._durable:
            disk.sync(self._descriptor)

    def close(self) -> None:
        """Close the file, and leave it for a later resume."""
        if self._descriptor >= 0:
            disk.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Remove the file: the job is complete."""
        disk.remove(self.path)
        self.close()


def _locked(path: Path, *, create: bool = False) -> int:
    descriptor = disk.open_append(path, create=create, readable=True)
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # rule 5
        except BlockingIOError:
            disk.close(descriptor)
            raise ConfigError(
                f"another job is writing this output now ({path} is locked): wait for it, or stop it"
            ) from None
        except OSError:  # a file system that has no locks
            pass
    return descriptor


def _header(past: Past) -> str:
    return json.dumps({"asyncapi_journal": 1, "job": past.job, "what": past.what}) + "\n"


def _read_header(path: Path, lines: IO[bytes]) -> Past | None:
    first = lines.readline()
    if not first.endswith(b"\n"):
        return None
    try:
        header = json.loads(first)
        return {1: Past(header["job"], header["what"])}[header["asyncapi_journal"]]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} is not a journal of asyncapi: move it away, or pass --overwrite") from None


def _read(line: str) -> Line:
    """Parse a line: its mark, index, end and checksum, and how many lines of its batch follow.

    Raises:
        ValueError: The line is damaged.
    """
    mark, index, *numbers = line.split()
    if mark in _NOTES:
        return mark, int(index), 0, None, 0
    end, *rest = map(int, numbers)
    return mark, int(index), end, rest[0] if rest else None, rest[1] if len(rest) > 1 else 0


def _changed(path: Path, row: int) -> ConfigError:
    name = path.name.removesuffix(".journal")
    return ConfigError(
        f"{name} has changed since the job stopped: its row {row} was edited, moved or removed. Resuming would lose or "
        "damage rows: restore the file, or start again with --overwrite"
    )
