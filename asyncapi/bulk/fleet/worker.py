"""Run chunks on a worker, whatever engine it belongs to.

Rules:
1. A run of a job has one client on each worker, for all its chunks.
2. A chunk begins when the one before it has only rows in flight, so that the last rows of that don't wait alone. So
   one chunk or two are open at a time; more wait here, without a lease. A chunk that may have killed a worker is open
   alone.
3. A run that was stopped stays stopped: tasks that arrive later end at once.
4. What a run holds here is closed a while after its last chunk: its coordinator may have died without a word.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from asyncapi.bulk.fleet.chunk import run_chunk
from asyncapi.bulk.fleet.engines import OPEN, Report
from asyncapi.bulk.fleet.leases import leases_of
from asyncapi.bulk.fleet.network import noted_for_all
from asyncapi.bulk.fleet.shared_client import SharedClient
from asyncapi.bulk.fleet.versions import check_versions
from asyncapi.bulk.summary import most_retried
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from asyncapi.bulk.engine import Engine
    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Task
    from asyncapi.bulk.fleet.leases import Leases
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.progress import Progress

_IDLE = 30.0  # seconds (rule 4)
_REMEMBERED = 1000  # runs that were stopped

_runs: dict[str, _Run] = {}
_stopped: dict[str, tuple[str, int]] = {}


class _Place:
    """The place of an open chunk."""

    def __init__(self, places: _Places, *, alone: bool) -> None:
        self.alone = alone
        self.pulls = True
        self._places = places

    def drained(self) -> None:
        """Let the next chunk begin: this one has only rows in flight."""
        if self.pulls and not self.alone:
            self.pulls = False
            self._places.wake()


class _Places:
    """Places for open chunks (rule 2)."""

    def __init__(self) -> None:
        self._open: list[_Place] = []
        self._waiting: deque[tuple[_Place, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, *, alone: bool) -> AsyncIterator[_Place]:
        """Wait for a place, or with `alone` for all of them."""
        place = _Place(self, alone=alone)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((place, turn))
        self.wake()
        try:
            await turn
            yield place
        finally:
            if place in self._open:
                self._open.remove(place)
            else:
                self._waiting.remove((place, turn))
            self.wake()

    def wake(self) -> None:
        """Give places to those who wait, in order."""
        while self._waiting:
            place, turn = self._waiting[0]
            if any(other.pulls for other in self._open) or len(self._open) >= (1 if place.alone else OPEN):
                return
            self._waiting.popleft()
            self._open.append(place)
            if not turn.done():
                turn.set_result(None)


class _Run:
    """What a run has on this worker (rule 1)."""

    def __init__(self, task: Task, job: Job, shared: SharedClient, leases: Leases) -> None:
        self.name = task.run
        self.job = job
        self.shared = shared
        self.leases = leases
        self.places = _Places()
        self.engines: set[Engine] = set()
        self.tasks = 0
        self.closing: asyncio.TimerHandle | None = None


async def work(task: Task, worker: str, report: Callable[[Report], object]) -> Done | None:
    """Run a chunk.

    Args:
        task: The chunk.
        worker: The name of this worker.
        report: Called every now and then with how far the chunk is.

    Returns:
        What was done; None if the run was stopped before the chunk began.

    Raises:
        ConfigError: Something is wrong on this worker: versions, a variable that is not set, a folder it can't see.
    """
    if task.run in _stopped:  # rule 3
        return None
    try:
        run = _runs.get(task.run) or _begin(task)
    except ConfigError as error:
        raise ConfigError(f"on the worker {worker}: {error}") from None
    if run.closing is not None:
        run.closing.cancel()
        run.closing = None
    run.tasks += 1
    try:
        async with run.places.taken(alone=task.alone) as place:
            if task.run in _stopped:
                return None
            done = await _work(task, run, place, _throttled(task, worker, report))
            learned = run.shared.client.stats.learned if run.job.retry_policy else {}
            return replace(done, worker=worker, learned=most_retried(learned))
    except ConfigError as error:
        raise ConfigError(f"on the worker {worker}: {error}") from None
    finally:
        run.tasks -= 1
        if not run.tasks:
            run.closing = asyncio.get_running_loop().call_later(_IDLE, _close, run)


def stop(run: str, why: str, code: int) -> None:
    """Stop the chunks of a run on this worker (rule 3)."""
    _stopped[run] = (why, code)
    while len(_stopped) > _REMEMBERED:
        del _stopped[next(iter(_stopped))]
    found = _runs.get(run)
    for engine in () if found is None else tuple(found.engines):
        engine.stop(why, code)


async def finish(run: str) -> None:
    """Close what a run holds on this worker."""
    found = _runs.pop(run, None)
    if found is not None:
        await found.shared.aclose()
        await found.leases.aclose()


def _begin(task: Task) -> _Run:
    check_versions(task.versions)
    job = noted_for_all(pickle.loads(task.job), task.folder)  # noqa: S301 - from the coordinator, as the task itself
    run = _runs[task.run] = _Run(task, job, SharedClient(job), leases_of(job.shared_limits(), task.folder, task.job_id))
    return run


def _close(run: _Run) -> None:
    if _runs.get(run.name) is run:
        closing = asyncio.ensure_future(finish(run.name))
        run.closing = closing  # type: ignore[assignment]  # keeps the task alive


async def _work(task: Task, run: _Run, place: _Place, progress: Callable[[Progress], object]) -> Done:
    opened: list[Engine] = []

    def note(engine: Engine) -> None:
        opened.append(engine)
        engine.due.drained = place.drained
        run.engines.add(engine)
        if run.name in _stopped:
            engine.stop(*_stopped[run.name])

    try:
        return await run_chunk(
            run.job,
            task.chunk,
            task.folder,
            run.leases,
            job_id=task.job_id,
            shared=run.shared,
            progress=progress,
            opened=note,
        )
    finally:
        run.engines.difference_update(opened)


def _throttled(task: Task, worker: str, report: Callable[[Report], object]) -> Callable[[Progress], object]:
    last = time.monotonic()  # a chunk that is done sooner needs no report

    def progress(state: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= task.every:
            last = now
            with suppress(OSError):  # the coordinator is gone: the chunk goes on
                report(Report(task.run, worker, task.chunk.number, state))

    return progress
