"""Run a job on several workers: split the input, hand its chunks to an engine, add up what they report, merge.

Rules:
1. Everything that can be wrong is found before anything is sent, as in a job of one process.
2. What must not be lost is in files, each written by the worker that knows it. The coordinator may be killed at any
   time; the next one finds in the parts folder which chunks have ended.
3. `stop(why, code)` stops the job early, as that of `Engine` does: workers get 1.5 seconds for requests in flight.
4. One coordinator at a time writes an output: it holds a lease, as a worker does of a chunk.
5. Chunks that dispatch.py has given up are written here: rows that may have been sent are unknown, the others failed.
"""

from __future__ import annotations

import asyncio
import pickle
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.bulk.columns import columns_of
from asyncapi.bulk.ending import write_end
from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.finished import finished
from asyncapi.bulk.fleet.chunk import run_chunk
from asyncapi.bulk.fleet.dispatch import Dispatch
from asyncapi.bulk.fleet.done import all_done
from asyncapi.bulk.fleet.engines import OPEN, Task
from asyncapi.bulk.fleet.leases import TTL, leases_of
from asyncapi.bulk.fleet.merge import Merge, is_folder, shard_ending
from asyncapi.bulk.fleet.parts import absolute, begun, check_parts, is_there, old_parts, open_parts, publish
from asyncapi.bulk.fleet.refusals import refuse
from asyncapi.bulk.fleet.remote_parts import is_written, remote_output
from asyncapi.bulk.fleet.split import Plan, parts, split
from asyncapi.bulk.fleet.totals import Totals
from asyncapi.bulk.fleet.versions import versions
from asyncapi.bulk.opening import Opened, nothing_to_do
from asyncapi.bulk.prepare import check_beside
from asyncapi.bulk.sinks import FAILURES, file_sink
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Fleet
    from asyncapi.bulk.fleet.leases import Lease, Leases
    from asyncapi.bulk.fleet.parts import Parts
    from asyncapi.bulk.fleet.slices import Chunk
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.progress import Progress
    from asyncapi.bulk.summary import Summary

_INTERRUPTED = 130
_REPORT = 0.5  # seconds between reports of a chunk
_REPORTS = 200.0  # a second, of all workers
_LOCK = 2.0  # seconds, beyond those of a lease, to wait for another coordinator's


class Coordinator:
    """Runs a job on an engine, and can stop it.

    Args:
        job: The job.
        fleet: The engine.
        on: What the user called it.
        progress: Called about five times a second.

    Attributes:
        job: The job.
        stopped: Why the job stops, or None.
        code: The exit code that goes with it.
    """

    def __init__(
        self, job: Job, fleet: Fleet, *, on: Any = None, progress: Callable[[Progress], object] | None = None
    ) -> None:
        self.job: Job = job
        self.stopped: str | None = None
        self.code: int = 0
        self._fleet = fleet
        self._on = on
        self._progress = progress
        self._phase = "reading"
        self._run = uuid4().hex
        self._totals = Totals()
        self._workers = 0
        self._parts: Parts
        self._leases: Leases
        self._done: dict[int, Done] = {}
        self._reader: Any = None
        self._stopping: asyncio.Task[None] | None = None
        self._carried: tuple[str, ...] = ()
        self._notes: tuple[str, ...] = ()

    async def run(self) -> Summary:
        """Run the job to its end; see `asyncapi.bulk.run`."""
        job = self.job
        self._check()
        plan = await self._split()
        if self.stopped is not None:
            return await write_end(job, self._summary(), self._totals.tally)
        if job.resume and (there := await in_thread(lambda: self._finished(plan))) is not None:
            return await write_end(job, there, self._totals.tally)
        if plan.chunks is None and remote_output(job) is not None:
            raise ConfigError(
                f"with --on and an output in an object store, give the input as a plain file of lines, CSV or Parquet: "
                f"{job.input} can't be read in slices"
            )
        # workers of an earlier run may still hold leases: those of Redis don't know locks on files
        what = job.what(plan.digest) | {"chunk": job.chunk, "the use of --shared": job.shared is not None}
        if job.overwrite:
            await self._evict()
        self._parts = await in_thread(partial(open_parts, job, what))
        self._leases = leases_of(job.shared_limits(), str(self._parts.path), self._parts.job_id)
        try:
            lease = await self._lock(what)
            keeper = asyncio.create_task(self._keep(lease))
            try:
                count = await self._send(plan)
                await self._finish(count, keeper)
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
                await lease.release()
        finally:
            await self._leases.aclose()
        return await write_end(job, self._summary(), self._totals.tally)

    def interrupt(self) -> None:
        """Stop as Ctrl-C does."""
        self.stop("interrupted", _INTERRUPTED)

    def stop(self, why: str, code: int) -> None:
        """Stop early (rule 3); only the first call counts."""
        if self.stopped is not None:
            return
        self.stopped, self.code = why, code
        if self._reader is not None:
            self._reader.close()
        if self._phase == "fetching":
            self._stopping = asyncio.get_running_loop().create_task(self._fleet.stop(self._run, why, code))
        self._phase = "stopping"

    def ended(self, chunk: Chunk, done: Done) -> None:
        """Take over how a chunk has ended."""
        if done.stopped is not None:
            self._totals.stopped_at(done)
            self.stop(*done.stopped)
            return
        self._done[done.chunk] = replace(done, tally=None, summary=None)
        self._totals.ended(done)
        if chunk.part:
            (self._parts.path / chunk.part).unlink(missing_ok=True)
        failed = self._totals.now().failed
        if self.job.max_errors is not None and failed >= self.job.max_errors:
            self.stop(f"{failed} rows have failed (max_errors)", 1)

    def show(self) -> None:
        """Show how far the job is."""
        if self._phase == "fetching":
            self._workers = self._fleet.workers()
            failed = self._totals.now().failed
            if self.job.max_errors is not None and failed >= self.job.max_errors:
                self.stop(f"{failed} rows have failed (max_errors)", 1)
        if self._progress is not None:
            notes = (f"{self._workers} worker{'' if self._workers == 1 else 's'}",) if self._workers else ()
            self._progress(self._totals.progress(self._phase, self.job.limits_text(), notes))

    def _check(self) -> None:
        job = self.job
        refuse(job, self._on)
        check_parts(job)
        check_beside(job)

    def _opened(self, reader: Any) -> None:
        self._reader = reader

    async def _split(self) -> Plan:
        self.show()
        try:
            plan = await in_thread(partial(split, self.job, self._opened))
        except ConfigError:
            if self.stopped is None:
                raise
            plan = Plan(None, "", None)  # cut off in the middle of a row
        self._totals.total, self._carried = plan.rows, plan.columns
        self._notes = () if plan.duplicates is None else (plan.duplicates,)
        if plan.duplicates is not None and self.job.save_dir is not None:
            raise ConfigError(
                f"with --on, --save-dir needs ids that differ, since files are named by them: {plan.duplicates}"
            )
        return plan

    def _finished(self, plan: Plan) -> Summary | None:
        """Return the summary of a job that an earlier run has finished; None where there is something to do."""
        job = self.job
        if is_there(job):
            return None
        if (url := remote_output(job)) is not None:
            note = f"nothing to do: {url} is complete"  # it appears when it is whole
            return replace(self._summary(), notes=(note,)) if is_written(url) else None
        if not Path(job.output).exists() or is_folder(job.output):
            return None
        sink = file_sink(Path(job.output), Path(job.output).name)
        found = finished(sink, columns_of(job, job.model_type(), plan.columns), job.reader())
        if found is None:
            raise ConfigError(
                f"{job.output} exists, and was not written by this job or is not complete: --overwrite starts again"
            )
        self._totals.counts.skipped, self._totals.counts.skipped_failed = found.total, found.failed
        return replace(self._summary(), notes=(nothing_to_do(job, Opened(None, finished=found)),))

    async def _lock(self, what: dict[str, Any]) -> Lease:
        """Take the lease of the coordinator (rule 4); that of one that was killed soon runs out."""
        if self._parts.fresh:
            await self._leases.begin()
        lease = await self._only_one(self._leases)
        await in_thread(partial(publish, self._parts, what))
        return lease

    async def _only_one(self, leases: Leases) -> Lease:
        until = time.monotonic() + TTL + _LOCK
        while (lease := await leases.take("coordinator")) is None:
            if self.stopped is not None or time.monotonic() > until:
                raise ConfigError(
                    f"{self.job.output} can't be written now, {leases.why}: if it is another job, wait for it or "
                    "stop it"
                )
            self.show()
            await asyncio.sleep(leases.pause)
        return lease

    async def _evict(self) -> None:
        """See that no other job writes the parts that are to be overwritten."""
        place, job_id = await in_thread(partial(old_parts, self.job))
        if job_id is not None:
            leases = leases_of(self.job.shared_limits(), place, job_id)
            try:
                await (await self._only_one(leases)).release()
            finally:
                await leases.aclose()

    async def _keep(self, lease: Lease) -> None:
        """Keep the lease; stop if it is lost, since another coordinator may have it then."""
        await lease.lost()
        self.stop("the coordinator's lease has run out: this process, or Redis, was away for too long", 1)

    async def _send(self, plan: Plan) -> int:
        """Have all chunks run; return how many there are."""
        for done in await in_thread(lambda: list(all_done(self._parts.path))):
            self._done[done.chunk] = done
            self._totals.before(done)
        self._totals.partial = await in_thread(partial(begun, self._parts.path)) - self._done.keys()
        if plan.chunks is not None and len(self._done) == len(plan.chunks):
            return len(plan.chunks)
        job = self._settings(sliced=plan.chunks is not None)
        chunks = self._counted(self._chunks(plan))
        dispatch = Dispatch(
            self._fleet, chunks, partial(self._task, job), self, self._totals, max_outage=self.job.max_outage
        )
        try:
            await self._fleet.start(self._totals.heard)
            self._totals.restart()
            self._phase = "fetching" if self.stopped is None else self._phase
            await dispatch.run()
            await self._give_up(dispatch.given_up, pickle.loads(job))  # noqa: S301 - our own
        finally:
            if self._phase == "fetching" and dispatch.open:
                self.stop("it was cancelled", 1)
            if self._stopping is not None:
                await self._stopping
            await self._fleet.aclose()
        self._totals.total = self._rows if self.stopped is None else self._totals.total
        return self._count

    def _chunks(self, plan: Plan) -> Iterator[Chunk]:
        if plan.chunks is not None:
            return iter(plan.chunks)
        return parts(self.job, self._parts.path, self._done.__contains__, self._opened)

    def _counted(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Count the chunks, and leave out those that have ended."""
        self._count = self._rows = 0
        for chunk in chunks:
            self._count, self._rows = chunk.number + 1, chunk.first_row + chunk.rows
            if chunk.number not in self._done:
                yield chunk

    def _task(self, job: bytes, chunk: Chunk, alone: bool) -> Task:
        every = max(_REPORT, OPEN * self._fleet.workers() / _REPORTS)
        return Task(self._run, self._parts.job_id, job, str(self._parts.path), chunk, versions(), alone, every)

    def _settings(self, *, sliced: bool) -> bytes:
        """Return the settings of the chunks' jobs, pickled: all but what the coordinator does itself."""
        carry = self.job.carry
        if carry == "all" and not shard_ending(self.job).startswith(".jsonl"):
            carry = self._carried  # every shard has the same columns
        job = absolute(self.job)
        is_here = str(self._on).startswith(
            "local:"
        )  # its processes have our folder: rows name files as one process does
        job = replace(
            job, carry=carry, resume=False, overwrite=False, max_errors=None, report=None, summary=None, on=None,
            limit=None, save_dir=self.job.save_dir if is_here else job.save_dir, input=job.input if sliced else "-",
        )  # fmt: skip
        try:
            return pickle.dumps(job)
        except Exception as error:  # what a setting holds may refuse in any way
            raise ConfigError(
                f"the job can't be sent to workers ({type(error).__name__}: {error}): give the model by its name, "
                "'package.module:Model', and settings that hold no functions of the program itself"
            ) from None

    async def _give_up(self, chunks: list[tuple[Chunk, str]], job: Job) -> None:
        """Write the rows of chunks that were given up (rule 5); nothing is sent, so no credential is needed."""
        job = replace(job, auth_env=None, api_key_env=None, cert=None, key=None, shared=None)
        for chunk, why in chunks:
            if self.stopped is not None:
                return
            done = await run_chunk(
                job, chunk, str(self._parts.path), self._leases, job_id=self._parts.job_id, give_up=why
            )
            self.ended(chunk, done)

    async def _finish(self, count: int, keeper: asyncio.Task[None]) -> None:
        """Merge the shards, and remove the parts: every row is there."""
        if self.stopped is not None:
            return
        self._phase = "finishing"
        self.show()
        shards = [self._done[number] for number in range(count)]
        merge = Merge(self.job, self._parts.path, self._carried, lambda: self.stopped is not None)
        try:
            if await in_thread(lambda: merge.run(shards, self._run)):
                keeper.cancel()
                await in_thread(self._tidy)
                self.stopped, self.code = None, 0  # too late for an interrupt
        except FAILURES as error:
            self.stopped, self.code = f"cannot write {self.job.output}: {getattr(error, 'strerror', None) or error}", 1
        self.show()

    def _tidy(self) -> None:
        """Remove the parts, and what workers that died have left among saved bodies."""
        self._parts.remove()
        if self.job.save_dir is not None:
            for left in Path(self.job.save_dir).glob(".[0-9]*.e[0-9]*.part"):
                shutil.rmtree(left, ignore_errors=True)

    def _summary(self) -> Summary:
        summary = self._totals.summary(str(self.job.output), self.stopped, self.code)
        return replace(summary, notes=(*summary.notes, *self._notes))
