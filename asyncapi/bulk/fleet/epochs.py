"""The files of a chunk in a shared folder: each epoch has a shard and a journal of its own, `000042.e2.jsonl`.

Rules:
1. An epoch begins with an empty shard that only one worker can make (O_EXCL). So no two write the same files, even if
   the same epoch was granted twice, and what a worker writes that has lost its lease lies in files that nobody reads.
2. Epochs have no gaps: whoever begins one makes the shards of those below it that are not there. So the highest is
   found without a look at the whole folder, and a holder that has not begun by then never will.
3. An epoch counts once its journal is there. It begins with a copy of the newest epoch that counts: first its journal,
   then its shard. Lines of rows beyond the copied shard are left out: the other worker may still be writing these rows.
4. A journal stays when its chunk is done: over a network file system others may see the shard before `.done`.
5. The folder belongs to one job, named in `job.json`. In another job's folder a worker does nothing.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from asyncapi.bulk.fleet.done import Done, done_in, make_done
from asyncapi.bulk.fleet.remote_parts import JOB
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


_ROWS = frozenset(b"+-?")


class Epochs(Protocol):
    """The epochs of one chunk, wherever they are kept. All methods block."""

    def done(self) -> Done | None:
        """Return how the chunk was done, or None."""
        ...

    def highest(self) -> int:
        """Return the highest epoch that has begun; 0 if none has."""
        ...

    def begin(self, epoch: int) -> bool:
        """Begin an epoch, with what the ones before it have done; False if it has begun already.

        Raises:
            ConfigError: The folder isn't that of the job any more.
            OSError: It can't be read or written.
        """
        ...

    def output(self, epoch: int) -> str:
        """Return the output of an epoch."""
        ...

    def store(self, epoch: int) -> Any:
        """Return the open store of an epoch, with what the engine calls of `Store`; None: `output` is to be opened."""
        ...

    def measured(self, epoch: int) -> tuple[str, int]:
        """Return the name of an epoch's shard, and its size.

        Raises:
            OSError: It can't be read.
        """
        ...

    def finish(self, done: Done) -> Done:
        """Make the chunk done, if it isn't; return what stands.

        Raises:
            OSError: It can't be written.
        """
        ...


class EpochFiles:
    """The files of a chunk.

    Args:
        folder: The job's folder.
        number: The chunk's number.
        ending: The ending of a shard, such as `.jsonl`.
        job_id: The job.
    """

    def __init__(self, folder: Path, number: int, ending: str, job_id: str) -> None:
        self._folder = folder
        self._number = number
        self._ending = ending
        self._job_id = job_id
        self._unique = uuid4().hex

    def shard(self, epoch: int) -> Path:
        """Return the path of a shard."""
        return self._folder / f"{self._number:06d}.e{epoch}{self._ending}"

    def journal(self, epoch: int) -> Path:
        """Return the path of the journal beside it."""
        shard = self.shard(epoch)
        return shard.with_name(f"{shard.name}.journal")

    def output(self, epoch: int) -> str:
        """Return the output of an epoch."""
        return str(self.shard(epoch))

    def store(self, epoch: int) -> Any:  # noqa: ARG002 - a file like any other
        """Return None: `output` is a file."""
        return None

    def done(self) -> Done | None:
        """Return how the chunk was done, or None."""
        return done_in(self._folder, self._number)

    def highest(self) -> int:
        """Return the highest epoch that has begun (rule 2)."""
        epoch = 0
        while self.shard(epoch + 1).exists():
            epoch += 1
        return epoch

    def begin(self, epoch: int) -> bool:
        """Begin an epoch (rules 1 to 3)."""
        self._check_job()
        for below in range(1, epoch):
            _make(self.shard(below))
        if not _make(self.shard(epoch)):
            return False
        for past in range(epoch - 1, 0, -1):
            if self._copy(past, epoch):
                break
        return True

    def measured(self, epoch: int) -> tuple[str, int]:
        """Return the name of an epoch's shard, and its size in bytes."""
        shard = self.shard(epoch)
        return shard.name, shard.stat().st_size

    def finish(self, done: Done) -> Done:
        """Make the chunk done."""
        self._check_job()
        shard = self.shard(done.epoch)
        with shard.open("rb") as file:
            os.fsync(file.fileno())
        return make_done(self._folder, done, self._unique)

    def _check_job(self) -> None:
        try:
            found = json.loads((self._folder / JOB).read_bytes())["job"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = getattr(error, "strerror", None) or "it can't be read"
            raise ConfigError(f"the folder of the job is gone: {self._folder / JOB}: {why}") from None
        if found != self._job_id:
            raise ConfigError(f"{self._folder} belongs to another job now: this one was started again with --overwrite")

    def _copy(self, past: int, epoch: int) -> bool:
        """Copy an epoch (rule 3); returns False where it doesn't count."""
        journal = self.journal(epoch)
        whole = journal.with_name(f"{journal.name}.{self._unique}.tmp")
        draft = journal.with_name(f"{journal.name}.{self._unique}.draft")
        try:
            try:
                shutil.copyfile(self.journal(past), whole)
            except FileNotFoundError:
                return False
            shutil.copyfile(self.shard(past), self.shard(epoch))
            with self.shard(epoch).open("r+b") as shard:
                end = _sealed(whole, draft, os.fstat(shard.fileno()).st_size)
                if end < 0:
                    os.ftruncate(shard.fileno(), 0)
                    return False
                os.ftruncate(shard.fileno(), end)
                os.fsync(shard.fileno())
            draft.replace(journal)
            return True
        finally:
            whole.unlink(missing_ok=True)
            draft.unlink(missing_ok=True)


def _make(path: Path) -> bool:
    """Make an empty file; False if there is one."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        return False
    return True


def _sealed(journal: Path, draft: Path, size: int) -> int:
    """Write the lines of a journal that count for a shard of this size.

    Returns:
        Where the last row ends; -1 for a journal without its first line: nothing was sent.
    """
    end = 0
    with journal.open("rb") as lines, draft.open("wb") as copy:
        head = lines.readline()
        if not head.endswith(b"\n"):
            return -1
        copy.write(head)
        for line in lines:
            if not line.endswith(b"\n"):
                break
            if line[0] in _ROWS:
                with suppress(ValueError, IndexError):  # damaged: whoever resumes says so
                    at = int(line.split(b" ", 3)[2])
                    if at > size:
                        continue
                    end = at
            copy.write(line)
        copy.flush()
        os.fsync(copy.fileno())
    return end
