"""The journal: what makes a job survive being killed at any point. It lies beside the output as `OUT.journal`.

A text file. Its first line is a JSON header (the job's id, and what the job was: the input's digest, the template).
Then one line an event; those of rows are written just before the rows:

    > INDEX             a request that must not be sent twice is about to be sent
    < INDEX             the server has not done it: it may be sent after all
    + INDEX END SUM     the row of INDEX is ok, and the output ends at END once it is written (bytes, or rows of a
                        table); SUM is the CRC-32 of the row
    - INDEX END SUM     the same for a failed row
    ? INDEX END SUM     the same for a row whose fate is unknown

Rules:
1. Of the journal and the output either may be ahead when the process dies. A row counts as written only if its line is
   there and its END is within the output's real size; `heal` says where the last such row ends (the output is cut
   there) and drops the lines of the rest.
2. A line counts only with its newline: a torn last line is as if it never was.
3. A request that was started and has no row was in flight at the kill: its row becomes "unknown".
4. Indices of done rows are kept as one bit each; nothing else grows with the job.
5. Only one process writes: the file is locked while open.
6. The output must be as the job left it: a row within it whose checksum is another was changed, moved or removed by
   somebody else, and nothing can be said of those after it. Refused. (Older journals have no checksums.)
"""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.errors import ConfigError

try:
    import fcntl
except ImportError:  # pragma: no cover - no such thing on Windows: two jobs on one output are the user's to avoid
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from asyncapi.bulk.sinks import Sink

    IsOwn = Callable[[int, int | None], bool]
    """Called with the end of one row after the other, and its checksum: whether it is still there as it was written."""

OK, FAILED, UNKNOWN, STARTED, RELEASED = "+", "-", "?", ">", "<"

_NOTES = frozenset({STARTED, RELEASED})


class Indices:
    """A set of row numbers, one bit each."""

    __slots__ = ("_bits", "_count")

    def __init__(self) -> None:
        self._bits = bytearray()
        self._count = 0

    def add(self, index: int) -> None:
        """Put one in."""
        place, bit = index >> 3, 1 << (index & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(max(place + 1, 2 * len(self._bits)) - len(self._bits)))
        if not self._bits[place] & bit:
            self._bits[place] |= bit
            self._count += 1

    def __contains__(self, index: int) -> bool:
        place = index >> 3
        return place < len(self._bits) and bool(self._bits[place] & (1 << (index & 7)))

    def __len__(self) -> int:
        return self._count


@dataclass(slots=True)
class Past:
    """What earlier runs of the job did.

    Attributes:
        job: The id that all runs of the job share.
        what: What the job was, as its first run wrote it.
        end: Where the last whole row of the output ends.
        done: The rows that are written.
        started: Rows that were in flight and must not be sent again.
        failed: How many of the written rows are failures.
        unknown: How many are unknown.
    """

    job: str
    what: dict[str, Any]
    end: int = 0
    done: Indices = field(default_factory=Indices)
    started: set[int] = field(default_factory=set)
    failed: int = 0
    unknown: int = 0

    def take(self, mark: str, index: int, end: int) -> None:
        """Take in one line of the journal."""
        if mark == STARTED:
            self.started.add(index)
            return
        self.started.discard(index)
        if mark == RELEASED:
            return
        self.end = end
        self.done.add(index)
        self.failed += mark == FAILED
        self.unknown += mark == UNKNOWN


class Journal:
    """An open, locked journal; made by `create` or `heal`."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path, what: dict[str, Any]) -> tuple[Journal, Past]:
        """Begin a new job, replacing whatever is at `path`.

        Raises:
            OSError: It cannot be written.
            ConfigError: Another process is at work here.
        """
        descriptor = _locked(path, os.O_CREAT)
        journal = cls(path, descriptor)
        past = Past(uuid4().hex, what)
        try:
            os.ftruncate(descriptor, 0)
            journal.append(_header(past))
        except BaseException:
            journal.close()
            raise
        return journal, past

    @classmethod
    def heal(cls, path: Path, size: int, output: Sink | None = None) -> tuple[Journal, Past] | None:
        """Take up an earlier job.

        Args:
            path: The journal.
            size: The output's real size now.
            output: Where the rows are, to be compared with what was written.

        Returns:
            The journal, without the lines that no longer count, and what was done; None where not even the first
            line was written (so nothing was sent).

        Raises:
            OSError: It cannot be read or written.
            ConfigError: It is no journal, another process is at work here, or somebody has changed the output.
        """
        old = _locked(path, 0)
        fresh = path.with_name(path.name + ".new")
        try:
            with path.open("rb") as lines:
                past = _read_header(path, lines)
                if past is None:
                    return None
                new = cls(path, _locked(fresh, os.O_CREAT))
                try:
                    os.ftruncate(new._descriptor, 0)
                    new.append(_header(past))
                    with nullcontext() if output is None else output.written() as is_own:
                        new._keep(lines, past, size, is_own, output)
                    fresh.replace(path)
                except BaseException:
                    fresh.unlink(missing_ok=True)
                    new.close()
                    raise
        finally:
            os.close(old)
        return new, past

    def _keep(
        self, lines: IO[bytes], past: Past, size: int, is_own: IsOwn | None = None, output: Sink | None = None
    ) -> None:
        kept: list[str] = []
        for raw in lines:
            if not raw.endswith(b"\n"):
                break
            line = raw.decode("ascii", "replace")
            try:
                mark, index, end, checksum = _read(line)
            except ValueError:
                raise ConfigError(f"{self.path} is damaged at {line!r}: move it away, or pass --overwrite") from None
            if mark not in _NOTES and end <= size and is_own is not None and not is_own(end, checksum):
                if output is None or not output.torn(past.end, end):
                    raise _changed(self.path, len(past.done) + 1)
                size = past.end
            if mark in _NOTES or end <= size:
                kept.append(line)
                past.take(mark, index, end)
            if len(kept) >= 10_000:  # noqa: PLR2004 - lines a write
                self.append("".join(kept))
                kept.clear()
        self.append("".join(kept))

    def start(self, index: int) -> None:
        """Say that a request is about to be sent that must not be sent twice.

        Raises:
            OSError: It cannot be written: don't send.
        """
        self.append(f"{STARTED} {index}\n")

    def release(self, index: int) -> None:
        """Say that the server has not done what was started: it may be sent after all.

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

    def close(self) -> None:
        """Leave it for a later resume."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """The job is complete: nothing is left to resume."""
        self.path.unlink(missing_ok=True)
        self.close()


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, in as many writes as it takes.

    Raises:
        OSError: No more could be written; some may have been.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _locked(path: Path, flags: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o644)
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
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


def _read(line: str) -> tuple[str, int, int, int | None]:
    """One line: its mark, index, end and checksum.

    Raises:
        ValueError: It is none.
    """
    mark, index, *numbers = line.split()
    if mark in _NOTES:
        return mark, int(index), 0, None
    end, *checksum = map(int, numbers)
    return mark, int(index), end, checksum[0] if checksum else None


def _changed(path: Path, row: int) -> ConfigError:
    output = path.name.removesuffix(".journal")
    return ConfigError(
        f"{output} has changed since the job stopped: its row {row} was edited, moved or removed. Resuming would lose "
        "or damage rows: restore the file, or start again with --overwrite"
    )
