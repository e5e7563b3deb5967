"""The files that say that a chunk is done: `000042.done`, a JSON object that names the shard with its rows.

Rules:
1. Such a file is made by one step that fails if it exists (a link, or a conditional PUT): the first one stands.
2. What can't be read as one says nothing. A power cut may leave that; the next holder of the chunk's lease replaces it.
"""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.bulk.summary import LearnedByHost, Summary
    from asyncapi.bulk.tally import Tally

ENDING = ".done"

_NOT_IN_FILE = ("skipped", "tally", "summary", "stopped", "worker", "learned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a chunk ended.

    Attributes:
        chunk: Its number.
        shard: The file in the job's folder that has its rows, or the folder of its segments; "" where it is not done.
        rows: How many rows the shard has.
        ok: How many of them have data.
        failed: How many have an error.
        unknown: How many were in flight when a worker died.
        size: Bytes of the shard.
        epoch: The epoch of the lease under which it was done.
        skipped: Rows that were there before this call.
        tally: The figures of this call; None where it has sent nothing.
        summary: The summary of this call.
        stopped: Why the chunk stopped early and with which exit code; None: it is done.
        worker: The worker that has sent it.
        learned: What the client of that worker has learned of retries so far, of the kinds that it retried most.
    """

    chunk: int
    shard: str = ""
    rows: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    size: int = 0
    epoch: int = 0
    skipped: int = 0
    tally: Tally | None = None
    summary: Summary | None = None
    stopped: tuple[str, int] | None = None
    worker: str = ""
    learned: LearnedByHost = field(default_factory=dict)

    def text(self) -> str:
        """Return the content of its file."""
        known = {name: value for name, value in asdict(self).items() if name not in _NOT_IN_FILE}
        return json.dumps({**known, "by": f"{platform.node()}:{os.getpid()}"}) + "\n"


_FILED = tuple(each.name for each in fields(Done) if each.name not in _NOT_IN_FILE)


def done_of(text: bytes | str) -> Done | None:
    """Read the content of a file; None if it isn't whole (rule 2)."""
    try:
        found: Any = json.loads(text)
        values = {name: found[name] for name in _FILED}
    except (ValueError, KeyError, TypeError):
        return None
    whole = all(isinstance(values[name], str if name == "shard" else int) for name in _FILED)
    return Done(**values) if whole else None


def done_path(folder: str | Path, number: int) -> Path:
    """Return the path of the file of a chunk."""
    return Path(folder) / f"{number:06d}{ENDING}"


def done_in(folder: str | Path, number: int) -> Done | None:
    """Return how a chunk was done, or None.

    Raises:
        OSError: The file is there and can't be read.
    """
    try:
        return done_of(done_path(folder, number).read_bytes())
    except FileNotFoundError:
        return None


def all_done(folder: Any) -> Iterator[Done]:
    """Yield every chunk of a folder (a path, or `Objects`) that is done, in no order.

    Raises:
        OSError: The folder can't be read.
    """
    if not isinstance(folder, str | Path):
        for name in folder.names():
            stem, dot, ending = name.partition(".")
            if dot + ending == ENDING and stem.isdigit() and (done := done_of(folder.read(name) or b"")) is not None:
                yield done
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, ending = entry.name.partition(".")
            if dot + ending == ENDING and stem.isdigit() and (done := done_in(folder, int(stem))) is not None:
                yield done


def make_done(folder: Path, done: Done, unique: str) -> Done:
    """Make the file of a chunk, once its shard is whole and its lease has been confirmed.

    Returns:
        What stands: somebody else's, if that was there first (rule 1).

    Raises:
        OSError: It can't be made.
    """
    path = done_path(folder, done.chunk)
    draft = path.with_name(f"{path.name}.{unique}.tmp")
    try:
        with draft.open("w") as file:
            file.write(done.text())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except OSError as error:  # it exists, or the file system has no links
            standing = done_in(folder, done.chunk)
            if standing is not None:
                return standing
            if isinstance(error, FileExistsError):
                draft.replace(path)  # rule 2
            else:
                _create(path, done)
        _sync(folder)
        return done
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _create(path: Path, done: Done) -> None:
    """Make the file where there are no links: it may be torn for a moment, and says nothing as long (rule 2)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(done.text())
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    """Have the folder's entries written, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
