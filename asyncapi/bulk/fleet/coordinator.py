"""Run a job on several workers: split the input, hand chunks to an engine, add up what they report, merge.

Rules:
1. Everything that can be wrong is found before anything is sent, as in a job of one process.
2. What must not be lost is in files, each written by the worker that knows it. The coordinator may be killed at any
   time; the next one finds in the parts folder which chunks have ended.
3. A chunk never fails the job for the others. One that killed three workers, with no row getting done in between, is
   given up: its rows that may have been sent are unknown, the others failed, and the job goes on.
4. `stop(why, code)` stops the job early, as that of `Engine` does: workers get 1.5 seconds for requests in flight.
5. A few chunks for each worker are handed out at a time: what the engine loses is little, and a worker that joins gets
   some at once.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.bulk.engine import GRACE
from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.fleet.chunk import run_chunk
from asyncapi.bulk.fleet.done import all_done
from asyncapi.bulk.fleet.engines import EngineLost, Task, WorkerDied
from asyncapi.bulk.fleet.leases import TTL, leases_of
from asyncapi.bulk.fleet.merge import merge
from asyncapi.bulk.fleet.parts import absolute, check_parts, is_there, open_parts, publish
from asyncapi.bulk.fleet.refusals import refuse
from asyncapi.bulk.fleet.split import split
from asyncapi.bulk.fleet.totals import Totals
from asyncapi.bulk.fleet.versions import versions
from asyncapi.bulk.report import check_report, write_report
from asyncapi.bulk.summary import Summary
from asyncapi.errors import ConfigError
from asyncapi.messages.decoding import adapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Fleet, Report
    from asyncapi.bulk.fleet.leases import Lease, Leases
    from asyncapi.bulk.fleet.parts import Parts
    from asyncapi.bulk.fleet.split import Chunk, Plan
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.progress import Progress

WINDOW = 3  # chunks for each worker (rule 5)
DEATHS = 3  # rule 3

_LEAST = 4  # chunks that are handed out, however few workers there are
_TICK = 0.2
_INTERRUPTED = 130
_LOCK = 2.0  # seconds, beyond a lease, to wait for that of the coordinator
_AGAIN = 0.5  # seconds before a chunk is handed out again that the engine has lost


class _Trouble:
    """What has happened to a chunk that did not end well."""

    __slots__ = ("deaths", "done", "why")

    def __init__(self) -> None:
        self.deaths = 0
        self.done = 0
        self.why = ""


class Coordinator:
    """Runs a job on an engine, and can stop it.

    Args:
        job: The job.
        fleet: The engine.
        on: What the user called it.
        progress: Called about five times a second.
    """

    def __init__(
        self, job: Job, fleet: Fleet, *, on: Any = None, progress: Callable[[Progress], object] | None = None
    ) -> None:
        self.job = job
        self.stopped: str | None = None
        self.code: int = 0
        self._fleet = fleet
        self._on = on
        self._progress = progress
        self._phase = "reading"
        self._run = uuid4().hex
        self._totals = Totals()
        self._parts: Parts
        self._leases: Leases
        self._done: dict[int, Done] = {}
        self._open: dict[asyncio.Future[Done], Chunk] = {}
        self._again: list[tuple[float, Chunk]] = []
        self._trouble: dict[int, _Trouble] = {}
        self._given_up: dict[int, tuple[Chunk, str]] = {}
        self._stopping: asyncio.Task[None] | None = None
        self._lost_at: float | None = None

    async def run(self) -> Summary:
        """Run the job to its end; see `asyncapi.bulk.run`."""
        job = self.job
        self._check()
        plan = await self._split()
        if self.stopped is not None:
            return self._summary()
        what = job.what(plan.digest) | {"chunk": job.chunk}
        self._parts = await in_thread(partial(open_parts, job, what))
        self._leases = leases_of(job.shared, str(self._parts.path), self._parts.job_id)
        try:
            lease = await self._lock(what)
            keeper = asyncio.create_task(self._keep(lease))
            try:
                await self._send(plan)
                await self._finish(plan)
            finally:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
                await lease.release()
        finally:
            await self._leases.aclose()
        return await self._report()

    def interrupt(self) -> None:
        """Stop as Ctrl-C does."""
        self.stop("interrupted", _INTERRUPTED)

    def stop(self, why: str, code: int) -> None:
        """Stop early (rule 4); only the first call counts."""
        if self.stopped is not None:
            return
        self.stopped, self.code, self._phase = why, code, "stopping"
        if self._open:
            self._stopping = asyncio.get_running_loop().create_task(self._fleet.stop(self._run, why, code))

    def _check(self) -> None:
        job = self.job
        refuse(job, self._on)
        check_parts(job)
        if job.report is not None:
            check_report(job.report)
        model = job.model_type()
        if model is not None:
            adapter(model)

    async def _split(self) -> Plan:
        self._show()
        plan = await in_thread(partial(split, self.job, self.job.reader()))
        self._totals.total = plan.rows
        return plan

    async def _lock(self, what: dict[str, Any]) -> Lease:
        if self._parts.fresh:
            await self._leases.begin()
        until = time.monotonic() + TTL + _LOCK
        while (lease := await self._leases.take("coordinator")) is None:
            if time.monotonic() > until or self.stopped is not None:  # that of one that was killed has run out by then
                raise ConfigError(f"another job is writing {self.job.output} now: wait for it, or stop it")
            self._show()
            await asyncio.sleep(self._leases.pause)
        await in_thread(partial(publish, self._parts, what))
        return lease

    async def _keep(self, lease: Lease) -> None:
        """Keep the coordinator's lease; stop if it is lost, since another coordinator may have it then."""
        await lease.lost()
        self.stop("the lease of the coordinator has run out (this process or Redis was away for too long)", 1)

    async def _send(self, plan: Plan) -> None:
        self._phase = "fetching"
        for done in all_done(str(self._parts.path)):
            self._done[done.chunk] = done
            self._totals.before(done)
        todo = [chunk for chunk in plan.chunks if chunk.number not in self._done]
        if not todo:
            return
        job = self._settings()
        try:
            await self._fleet.start(self._totals.heard)
            self._totals.restart()
            await self._hand_out(iter(todo), job)
            await self._give_up()
        finally:
            if self._stopping is not None:
                await self._stopping
            await self._fleet.aclose()

    def _settings(self) -> bytes:
        """Return the settings of the chunks' jobs, pickled: all but what the coordinator does itself."""
        job = replace(
            absolute(self.job), resume=False, overwrite=False, max_errors=None, report=None, summary=None, on=None,
            limit=None, verbose=False, failed_to=None,
        )  # fmt: skip
        try:
            return pickle.dumps(job)
        except Exception as error:  # what a setting holds may refuse in any way
            raise ConfigError(
                f"the job can't be sent to workers ({type(error).__name__}: {error}): give the model by its name, "
                "'package.module:Model', and settings that hold no functions of the program itself"
            ) from None

    async def _hand_out(self, todo: Iterator[Chunk], job: bytes) -> None:
        """Keep a few chunks at each worker until all have ended, or the job stops (rule 5)."""
        left = True
        grace = None
        while True:
            now = time.monotonic()
            if self.stopped is None:
                left = self._fill(todo, job, now) if left or self._again else False
            elif grace is None:
                grace = now + GRACE + 2 * _TICK
            if (not self._open and (self.stopped is not None or not (left or self._again))) or (grace or now) < now:
                break
            if self._open:
                await asyncio.wait(self._open, timeout=_TICK, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(_TICK)
            for future in [future for future in self._open if future.done()]:
                self._settle(self._open.pop(future), future)
            self._show()
        for future in self._open:
            future.cancel()

    def _fill(self, todo: Iterator[Chunk], job: bytes, now: float) -> bool:
        """Hand out chunks; return whether there are more."""
        window = max(_LEAST, WINDOW * self._fleet.workers())
        while len(self._open) < window:
            if self._again and self._again[0][0] <= now:
                chunk = self._again.pop(0)[1]
            else:
                found = next(todo, None)
                if found is None:
                    return False
                chunk = found
            task = Task(self._run, self._parts.job_id, job, str(self._parts.path), chunk, versions())
            self._open[self._fleet.submit(task)] = chunk
        return True

    def _settle(self, chunk: Chunk, future: asyncio.Future[Done]) -> None:
        try:
            done = future.result()
        except WorkerDied as error:
            self._note_trouble(chunk, error.times, "")
        except EngineLost as error:
            self._note_lost(chunk, str(error))
        except ConfigError as error:
            self.stop(str(error), 2)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # rule 3: whatever it is, the other chunks go on
            self._note_trouble(chunk, 1, f"{type(error).__name__}: {error}")
        else:
            self._lost_at = None
            self._note_done(done)

    def _note_done(self, done: Done | None) -> None:
        if done is None:  # it was stopped before it began
            return
        if done.stopped is not None:
            self._totals.stopped_at(done)
            self.stop(*done.stopped)
            return
        self._done[done.chunk] = replace(done, tally=None, summary=None)
        self._totals.ended(done)

    def _note_trouble(self, chunk: Chunk, deaths: int, why: str) -> None:
        """Hand a chunk out again that a worker has not survived, or give it up (rule 3)."""
        trouble = self._trouble.setdefault(chunk.number, _Trouble())
        state = self._totals.open.pop(chunk.number, None)
        done = 0 if state is None else state.done
        trouble.deaths = deaths if done > trouble.done else trouble.deaths + deaths
        trouble.done, trouble.why = max(done, trouble.done), why or trouble.why
        if trouble.deaths < DEATHS:
            self._again.append((time.monotonic(), chunk))
            return
        self._given_up[chunk.number] = (chunk, trouble.why or f"its chunk killed {DEATHS} workers")

    def _note_lost(self, chunk: Chunk, why: str) -> None:
        """Hand a chunk out again that the engine has lost; stop if it is away for too long."""
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        if now - self._lost_at > self.job.max_outage:
            self.stop(f"the engine has been away for {now - self._lost_at:.0f} s: {why}", 1)
        self._again.append((now + _AGAIN, chunk))

    async def _give_up(self) -> None:
        """Write the rows of chunks that were given up, here."""
        for chunk, why in self._given_up.values():
            if self.stopped is not None:
                return
            self._note_done(
                await run_chunk(
                    self._chunk_job(),
                    chunk,
                    str(self._parts.path),
                    self._leases,
                    job_id=self._parts.job_id,
                    give_up=why,
                )
            )

    def _chunk_job(self) -> Job:
        return pickle.loads(self._settings())  # type: ignore[no-any-return]  # noqa: S301 - our own

    async def _finish(self, plan: Plan) -> None:
        """Merge the shards, and remove the parts: every row is there."""
        if self.stopped is not None:
            return
        self._phase = "finishing"
        self._show()
        shards = [self._done[chunk.number] for chunk in plan.chunks]
        try:
            if await in_thread(lambda: merge(self.job, self._parts.path, shards, lambda: self.stopped is not None)):
                await in_thread(self._parts.remove)
                self.stopped, self.code = None, 0  # too late for an interrupt
        except OSError as error:
            self.stopped, self.code = f"cannot write {self.job.output}: {error.strerror}", 1
        self._show()

    async def _report(self) -> Summary:
        summary = self._summary()
        if self.job.report is not None and self.code != _INTERRUPTED:
            try:
                await in_thread(lambda: write_report(self.job, summary, self._totals.tally))
            except OSError as error:
                why = summary.stopped or f"cannot write the report {self.job.report}: {error.strerror}"
                return replace(summary, stopped=why, exit_code=summary.exit_code or 1)
            return replace(summary, report=self.job.report)
        return summary

    def _summary(self) -> Summary:
        totals = self._totals
        counts, tally = totals.now(), totals.tally
        elapsed = time.monotonic() - totals.began
        figures = tally.figures() | {"ok": counts.ok, "failed": counts.failed, "unknown": counts.unknown}
        return Summary(
            total=totals.total,
            skipped=counts.skipped,
            skipped_failed=counts.skipped_failed,
            elapsed=elapsed,
            rate=counts.done / elapsed if elapsed > 0 else 0.0,
            p99=tally.quantile_ms(0.99),
            paused=totals.paused,
            held=dict(totals.held),
            **figures,
            output=str(self.job.output),
            report=None,
            stopped=self.stopped,
            exit_code=self.code or (1 if counts.failed + counts.unknown + counts.skipped_failed else 0),
        )

    def _show(self) -> None:
        if self._progress is None:
            return
        notes = () if self._phase == "reading" else (f"{self._fleet.workers()} workers",)
        self._progress(self._totals.progress(self._phase, self.job.limits_text(), notes))
