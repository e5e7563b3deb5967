"""The epochs of a chunk in an object store, which can't append: an epoch is a row of numbered segments.

    000042/e2/begun             the second holder has begun: what it found of the first one's, as a list of names
    000042/e2/000001.started    the numbers of rows that must not be sent twice, written before they are sent
    000042/e2/000001.jsonl      rows, beneath a line with their numbers and marks
    000042/e2/whole             the names of all segments of the chunk, once every row is there

Rules:
1. A segment appears whole or not at all, so that no journal is needed: its rows are written, with their marks, or not.
2. Rows are written after 1.5 seconds or 4 MiB, or when no more come. If the worker dies, those that wait are fetched
   again.
3. Requests that must not be sent twice wait until an object names them. At most 100 of a chunk are named and have no
   written row: so many become unknown if the worker dies.
4. `begun` can be created once. Whoever creates it has listed what counts of the epoch before: what that one's holder
   writes later is in no list.
5. `.done` is created too: the first one stands.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.fleet.done import ENDING, Done, done_of
from asyncapi.bulk.fleet.remote_parts import JOB
from asyncapi.bulk.journal import OK, RELEASED, STARTED, Past
from asyncapi.bulk.rows import json_line
from asyncapi.bulk.store import NotWritten
from asyncapi.errors import ConfigError
from asyncapi.redact import one_line

if TYPE_CHECKING:
    from asyncapi.bulk.fleet.objects import Objects
    from asyncapi.bulk.item import Item
    from asyncapi.bulk.rows import Row

_SECONDS = 1.5  # rule 2
_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 64 * 1024 * 1024  # that wait, before the job does
_GROUP = 100  # rule 3
_LOOK = 0.1  # seconds


class EpochSegments:
    """The segments of a chunk; see `Epochs`.

    Args:
        objects: The job's folder.
        number: The chunk's number.
        job_id: The job.
    """

    def __init__(self, objects: Objects, number: int, job_id: str) -> None:
        self._objects = objects
        self._name = f"{number:06d}"
        self._job_id = job_id
        self._begun: list[str] = []

    def folder(self, epoch: int) -> str:
        """Return the folder of an epoch."""
        return f"{self._name}/e{epoch}"

    def output(self, epoch: int) -> str:
        """Return the name of the list of all segments."""
        return f"{self.folder(epoch)}/whole"

    def done(self) -> Done | None:
        """Return how the chunk was done, or None."""
        found = self._objects.read(self._name + ENDING)
        return None if found is None else done_of(found)

    def highest(self) -> int:
        """Return the highest epoch that has begun."""
        found = self._objects.names(self._name)
        return max((int(name.split("/")[1][1:]) for name in found if name.endswith("/begun")), default=0)

    def begin(self, epoch: int) -> bool:
        """Begin an epoch (rule 4)."""
        found = self._objects.read(JOB)
        if found is None or json.loads(found).get("job") != self._job_id:
            raise ConfigError(f"{self._objects.shown} is gone, or belongs to another job now")
        past = self.highest()
        if past >= epoch:
            return False
        begun: list[str] = []
        if past:
            begun = json.loads(self._objects.read(f"{self.folder(past)}/begun") or b"[]")
            begun += [name for name in self._objects.names(self.folder(past)) if name.endswith((".jsonl", ".started"))]
        self._begun = begun
        return self._objects.create(f"{self.folder(epoch)}/begun", json.dumps(begun).encode())

    def store(self, epoch: int) -> Any:
        """Return the open store of an epoch."""
        past = Past(self._job_id, {})
        notes = [name for name in self._begun if name.endswith(".started")]
        rows = [name for name in self._begun if name.endswith(".jsonl")]
        heads = []
        for name in rows:
            with self._objects.open(name) as file:
                heads.append((_epoch_of(name), json.loads(file.readline())))
        events = [(epoch_, *event, RELEASED) for epoch_, head in heads for event in head["released"]]
        for name in notes:
            events += [(_epoch_of(name), *event, STARTED) for event in json.loads(self._objects.read(name) or b"[]")]
        for _, _, index, mark in sorted(events):
            past.apply(mark, index, 0)
        for _, head in heads:
            for index, mark in zip(head["rows"], head["marks"], strict=True):
                past.apply(mark, index, 0)
        return SegmentStore(self._objects, self.folder(epoch), past, rows)

    def measured(self, epoch: int) -> tuple[str, int]:
        """Return the name of the list of all segments, and how many they are."""
        name = self.output(epoch)
        return name, len(json.loads(self._objects.read(name) or b"[]"))

    def finish(self, done: Done) -> Done:
        """Make the chunk done (rule 5)."""
        name = self._name + ENDING
        if self._objects.create(name, done.text().encode()):
            return done
        standing = self.done()
        if standing is None:
            raise OSError(f"{name} can't be read")
        return standing


def _epoch_of(name: str) -> int:
    return int(name.split("/")[1][1:])


class SegmentStore:
    """Where the rows of an epoch go: as much of `asyncapi.bulk.store.Store` as the engine calls."""

    locked: float = 0.0
    failed: None = None

    def __init__(self, objects: Objects, folder: str, past: Past, segments: list[str]) -> None:
        self.past: Past = past
        self._objects = objects
        self._folder = folder
        self._segments = list(segments)
        self._count = 0
        self._notes: deque[tuple[int, int]] = deque()  # that are not written yet
        self._open: set[int] = set()  # rows with a note that is or will be written, and without a written row
        self._last = self._admitted = 0  # the note that was made last, and the last one that is written
        self._progress = asyncio.Event()
        self._admitting: asyncio.Future[None] | None = None
        self._noted = 0
        self._serial = 0  # of notes and releases: the last one of a row counts
        self._released: list[tuple[int, int]] = []
        self._rows: list[tuple[int, str, bytes]] = []
        self._bytes = 0
        self._since = 0.0
        self._fresh = False  # whether rows have come since the last look
        self._writing: asyncio.Future[None] | None = None
        self._failure = ""

    @property
    def behind(self) -> bool:
        """Whether so many rows wait that no more should come."""
        return self._bytes >= _MOST_BYTES

    async def room(self) -> None:
        """Wait a while."""
        await asyncio.sleep(_LOOK)
        self.flush()

    def start(self, index: int) -> None:
        """Note a row that must not be sent twice; `synced`, called next, waits until the note is written (rule 3)."""
        self._check()
        if index in self._open:  # a retry: it is noted already
            self._last = 0
            return
        self._serial += 1
        self._last = self._serial
        self._notes.append((self._serial, index))

    async def synced(self) -> None:
        """Wait until the last note is written.

        Raises:
            NotWritten: It can't be written: the request must not be sent.
        """
        mine = self._last
        self._admit_soon()
        while self._admitted < mine:
            self._check()
            self._progress.clear()
            await self._progress.wait()
        self._check()

    def release(self, index: int) -> None:
        """Note that a started request had no effect; that is written with the next rows."""
        self._serial += 1
        self._released.append((self._serial, index))
        self._open.discard(index)
        self._admit_soon()

    def add(self, index: int, mark: str, row: Row, item: Item | None = None) -> str:  # noqa: ARG002 - as a store
        """Add a row; it is written later (rule 2).

        Raises:
            NotWritten: Rows before it could not be written.
        """
        self._check()
        try:
            line = json_line(row)
        except Exception as error:  # a model's own serializer may raise anything: the row fails, not the job
            if mark != OK:
                raise
            del row["data"]
            problem = f"{type(error).__name__}: the data cannot be written as JSON: {one_line(str(error))}"
            row |= {"ok": False, "error": problem}
            return self.add(index, "-", row)
        if not self._rows:
            self._since = time.monotonic()
        self._rows.append((index, mark, line))
        self._bytes += len(line)
        self._fresh = True
        if len(self._open) >= _GROUP and index in self._open:
            self.flush()
        return mark

    def flush(self) -> bool:
        """Begin to write the rows that wait, if it is time (rule 2).

        Returns:
            Whether all are written.

        Raises:
            NotWritten: They can't be written.
        """
        self._check()
        fresh, self._fresh = self._fresh, False
        if self._writing is None and self._rows:
            due = self._bytes >= _BYTES or time.monotonic() - self._since >= _SECONDS or len(self._open) >= _GROUP
            if due or not fresh:
                self._writing = asyncio.ensure_future(self._write())
        return self._writing is None and not self._rows

    def look(self) -> None:
        """Check that nothing has failed.

        Raises:
            NotWritten: Rows can't be written.
        """
        self._check()

    def complete(self, *, keep_journal: bool = False) -> None:  # noqa: ARG002 - there is none
        """Write the list of all segments.

        Raises:
            NotWritten: It can't be written.
        """
        try:
            self._objects.put(f"{self._folder}/whole", json.dumps(self._segments).encode())
        except OSError as error:
            raise self._broken(error) from None

    def close(self) -> None:
        """Leave what is written to the next holder."""
        for task in (self._writing, self._admitting):
            if task is not None:
                task.cancel()

    async def _write(self) -> None:
        rows, released, self._rows, self._released = self._rows, self._released, [], []
        self._count += 1
        name = f"{self._folder}/{self._count:06d}.jsonl"
        marks = "".join(mark for _, mark, _ in rows)
        head: dict[str, Any] = {"rows": [index for index, _, _ in rows], "marks": marks, "released": released}
        lines = [json.dumps(head).encode() + b"\n", *(line for _, _, line in rows)]
        try:
            await in_thread(lambda: self._objects.put(name, b"".join(lines)))
            self._segments.append(name)
            self._bytes -= sum(len(line) for _, _, line in rows)
            self._open.difference_update(index for index, _, _ in rows)
        except OSError as error:
            self._broken(error)
        finally:
            self._writing = None
        self._admit_soon()

    def _admit_soon(self) -> None:
        if self._admitting is None and self._notes and len(self._open) < _GROUP:
            self._admitting = asyncio.ensure_future(self._admit())

    async def _admit(self) -> None:
        """Write the notes that wait, as far as there is room (rule 3)."""
        try:
            while self._notes and (room := _GROUP - len(self._open)) > 0:
                group = [self._notes.popleft() for _ in range(min(room, len(self._notes)))]
                self._open.update(index for _, index in group)
                self._noted += 1
                name, data = f"{self._folder}/{self._noted:06d}.started", json.dumps(group).encode()
                await in_thread(partial(self._objects.put, name, data))
                self._admitted = group[-1][0]
                self._progress.set()
        except OSError as error:
            self._broken(error)
        finally:
            self._admitting = None

    def _check(self) -> None:
        if self._failure:
            raise NotWritten(self._failure)

    def _broken(self, error: OSError) -> NotWritten:
        self._failure = error.strerror or str(error)
        self._progress.set()
        return NotWritten(self._failure)
