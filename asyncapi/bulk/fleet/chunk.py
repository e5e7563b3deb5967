"""Run one chunk of a job under a lease, wherever it was left.

Rules:
1. Whoever takes the lease of a chunk goes on where the last holder stopped (epochs.py), unless the chunk is done.
2. A request that must not be sent twice goes out only while the lease holds: that is asked before it is noted, and
   again right before its head is written. If a worker hangs between that look and the write, for longer than the lease,
   the request goes out late: the next holder has its row as unknown, and doesn't send it.
3. A worker that has lost its lease stops the chunk at once, and takes it again unless somebody else does. What was in
   flight is not written.
4. `.done` is made while the lease is confirmed, when every row is in the shard.
5. Where nobody grants leases for `max_outage` seconds, the chunk stops, to be resumed.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from asyncapi.bulk.engine import Engine
from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.epochs import EpochFiles
from asyncapi.bulk.fleet.leases import Lost
from asyncapi.bulk.fleet.merge import shard_ending
from asyncapi.bulk.fleet.slices import slice_reader
from asyncapi.bulk.part import Part
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asyncapi.bulk.fleet.epochs import Epochs
    from asyncapi.bulk.fleet.leases import Lease, Leases
    from asyncapi.bulk.fleet.slices import Chunk
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.part import JoinedClient
    from asyncapi.bulk.progress import Progress
    from asyncapi.bulk.store import Store
    from asyncapi.bulk.summary import Summary

T = TypeVar("T")


async def run_chunk(
    job: Job,
    chunk: Chunk,
    folder: str,
    leases: Leases,
    *,
    job_id: str,
    shared: JoinedClient | None = None,
    progress: Callable[[Progress], object] | None = None,
    opened: Callable[[Engine], object] | None = None,
    give_up: str | None = None,
) -> Done:
    """Run a chunk to its end, or wait until somebody else has done so.

    Args:
        job: The whole job.
        chunk: The chunk.
        folder: The job's folder, which all workers see.
        leases: Where the chunk's lease comes from.
        job_id: The job's id.
        shared: The client of this worker; by default one is made.
        progress: Called about five times a second with the state of the chunk.
        opened: Called with each engine before it runs.
        give_up: Send nothing: why. Rows that are not there become unknown or failed ones.

    Returns:
        How it ended; `stopped` says why it stopped early: it can be resumed.

    Raises:
        ConfigError: A setting is wrong on this worker, or the folder is not the job's any more.
    """
    epochs = _epochs_of(job, folder, chunk.number, job_id)

    def engine_of(lease: Lease, store: Store | None) -> Engine:
        def may_send() -> None:
            if not lease.holds():  # rule 2
                raise Lost(f"the lease of chunk {chunk.number} has run out: not sent")

        reader = slice_reader(job, chunk, folder)
        part = Part(job_id, reader, chunk.first_row, chunk.rows, may_send, shared, store, give_up)
        output = epochs.output(lease.epoch)
        own = replace(job, output=output, resume=True, overwrite=False, report=None, summary=None)
        engine = Engine(own, progress=progress, part=part)
        if opened is not None:
            opened(engine)
        return engine

    try:
        return await _Run(chunk, epochs, engine_of).to_its_end(leases, job.max_outage)
    except OSError as error:
        return Done(chunk=chunk.number, stopped=(f"cannot write in {folder}: {error.strerror or error}", 1))


class _Run:
    """A chunk on this worker; see `run_chunk`."""

    def __init__(self, chunk: Chunk, epochs: Epochs, engine_of: Callable[[Lease, Store | None], Engine]) -> None:
        self._chunk = chunk
        self._epochs = epochs
        self._engine_of = engine_of

    async def to_its_end(self, leases: Leases, max_outage: float) -> Done:
        """Take leases of the chunk until it is done, or stops early (rule 5)."""
        name = f"{self._chunk.number:06d}"
        above = await in_thread(self._epochs.highest)
        while True:
            if (done := await in_thread(self._epochs.done)) is not None:
                return done
            lease = await leases.take(name, above)
            if lease is not None:
                if (ended := await self._under(lease)) is not None:
                    return ended
                above = await in_thread(self._epochs.highest)  # somebody may have begun it meanwhile
            elif leases.silent > max_outage:
                return Done(chunk=self._chunk.number, stopped=(f"no lease for {max_outage:.0f} s: {leases.why}", 1))
            else:
                await asyncio.sleep(leases.pause)

    async def _under(self, lease: Lease) -> Done | None:
        """Run the chunk under a lease; None where the lease was lost, or the epoch had begun already."""
        ended: Done | None = None
        try:
            ended = await _while_held(lease, self._epoch(lease))
        finally:
            await lease.release(done=ended is not None and ended.stopped is None)
        return ended

    async def _epoch(self, lease: Lease) -> Done | None:
        if not await in_thread(lambda: self._epochs.begin(lease.epoch)):
            return None
        if (done := await in_thread(self._epochs.done)) is not None:  # since we looked
            return done
        store = await in_thread(lambda: self._epochs.store(lease.epoch))
        engine = self._engine_of(lease, store)
        summary = await engine.run()
        if engine.stopped is not None:
            stopped = (engine.stopped, engine.code)
            return Done(chunk=self._chunk.number, tally=engine.tally, summary=summary, stopped=stopped)
        done = await in_thread(lambda: self._done(engine, summary, lease.epoch))
        if not await lease.confirm():  # rule 4
            return None
        return replace(await in_thread(lambda: self._epochs.finish(done)), tally=engine.tally, summary=summary)

    def _done(self, engine: Engine, summary: Summary, epoch: int) -> Done:
        past = engine.past
        ok = len(past.done) - past.failed - past.unknown + summary.ok
        failed, unknown = past.failed + summary.failed, past.unknown + summary.unknown
        rows = ok + failed + unknown
        if rows != self._chunk.rows:
            raise ConfigError(
                f"the input has changed while the job ran: {rows} rows where there were {self._chunk.rows} "
                f"(from row {self._chunk.first_row} on)"
            )
        shard, size = self._epochs.measured(epoch)
        return Done(
            chunk=self._chunk.number,
            shard=shard,
            rows=rows,
            ok=ok,
            failed=failed,
            unknown=unknown,
            size=size,
            epoch=epoch,
            skipped=len(past.done),
        )


def _epochs_of(job: Job, folder: str, number: int, job_id: str) -> Epochs:
    if "://" in folder:
        from asyncapi.bulk.fleet.objects import Objects  # noqa: PLC0415 - few jobs need them
        from asyncapi.bulk.fleet.segments import EpochSegments  # noqa: PLC0415 - the same

        return EpochSegments(Objects(folder), number, job_id)
    return EpochFiles(Path(folder), number, shard_ending(job), job_id)


async def _while_held(lease: Lease, work: Coroutine[object, object, T]) -> T | None:
    """Do something as long as a lease holds; None where it is lost first (rule 3)."""
    running = asyncio.ensure_future(work)
    lost = asyncio.ensure_future(lease.lost())
    tasks = (running, lost)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if lost.done() and not running.done():
            return None
        with suppress(Lost):
            return await running
        return None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
