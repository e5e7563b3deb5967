"""Run a job: input -> client.map -> rows -> store, with a clock beside it that flushes and shows.

Rules:
1. Everything that can be wrong is found before anything is sent: settings, the output, every row of a regular file.
2. There is one way to stop early, `stop(why, code)`: nothing more is pulled, requests in flight have 1.5 seconds, the
   responses are written, and the journal stays for a resume. Ctrl-C, `max_errors`, a broken row of a stream and a
   full disk all use it.
3. A request that must not be sent twice is noted in the journal just before it is sent (with a client of the user's,
   when it is handed to it); if the job dies before its row is written, the next run writes it as unknown.
4. No task, timer or write per row: the clock ticks five times a second.
5. A row that a setting of ours refuses doesn't fail while it has attempts and time left: it is held back (turns.py).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.columns import map_model
from asyncapi.bulk.commentary import Commentary
from asyncapi.bulk.due import DueRows
from asyncapi.bulk.ending import INTERRUPTED, ended, summary_of_nothing, summary_of_run
from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.gauges import Gauges
from asyncapi.bulk.opening import Opened, opened
from asyncapi.bulk.prepare import check, check_beside, client_for, is_stopped
from asyncapi.bulk.results import Results
from asyncapi.bulk.store import NoReader, NotWritten
from asyncapi.bulk.summary import Summary, summary_of
from asyncapi.bulk.tally import Tally
from asyncapi.bulk.turns import Turns, turns_of
from asyncapi.errors import ConfigError
from asyncapi.fanout.outcomes import Outcomes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.journal import Past
    from asyncapi.bulk.part import Part
    from asyncapi.bulk.prepare import Noted
    from asyncapi.bulk.progress import Progress
    from asyncapi.bulk.reader import Item
    from asyncapi.bulk.retried import Retried
    from asyncapi.bulk.saving import Saver
    from asyncapi.bulk.sinks import Sink
    from asyncapi.bulk.store import Store
    from asyncapi.client.client import Client
    from asyncapi.client.stats import Stats

GRACE = 1.5  # seconds for requests in flight, once the job is stopping (rule 2)

_TICK = 0.2
_LAST_MOMENT = 0.3  # seconds to wait for another program's lock after a Ctrl-C
_LOOK = 5  # ticks between looks at whether the output is still there


class Engine:
    """Runs a job, and can stop it.

    Args:
        job: The job.
        client: Used instead of one made for the job.
        progress: Called about five times a second.
        part: Run only this part of the job.
        store: Takes the rows instead of `Job.output`.

    Attributes:
        job: The job.
        tally: The figures so far.
        total: Rows of the input; None while unknown.
        phase: As in `Progress`.
        began: When it began to send, on the monotonic clock.
        due: The rows that are to be sent.
        store: Where rows go, once it is open.
        turns: Decides which rows are held back.
        notes: What the user should know, in words.
        stopped: Why the job ended early, or None.
        code: The exit code of what stopped it; 0 if nothing has.
    """

    store: Store

    def __init__(
        self,
        job: Job,
        *,
        client: Client | None = None,
        progress: Callable[[Progress], object] | None = None,
        part: Part | None = None,
        store: Store | None = None,
    ) -> None:
        self.job: Job = job
        self.tally: Tally = Tally()
        self.total: int | None = None
        self.phase: str = "reading"
        self.began: float = time.monotonic()
        self.notes: list[str] = []
        self.stopped: str | None = None
        self.code: int = 0
        self._client = client
        self._used: Client | None = client
        self._part = part
        self._given_store: Store | None = store if part is None else part.store
        self._first_row = 0 if part is None else part.first_row  # the journal counts from there
        self._reader = part.reader if part else job.reader(relative=client is not None and bool(client.base_url))
        self._first: Engine | None = None  # finishes a stopped job, before its failed rows are sent again
        self._retried: Retried | None = None
        self._saver: Saver | None = None  # of a job that wants files
        self._outcomes: Outcomes[Any] | None = None
        self._consumer: asyncio.Task[None] | None = None
        self._commentary = Commentary() if job.verbose else None
        stop = partial(self.stop, code=1)
        self.turns: Turns = turns_of(job, client, stop=stop, note=self._note, release=self._release)
        self.turns.commentary = self._commentary
        self.due: DueRows = DueRows(
            job, self._reader, ended=self._ended, first_row=self._first_row, note=None if client is None else self._note
        )
        self._gauges = Gauges(self, progress)

    def stats(self) -> Stats:
        """Return what the client has done."""
        return self._used.stats  # type: ignore[union-attr]  # only asked while there is a client

    def sending(self) -> int | None:
        """Count the attempts that are being sent; None where the client doesn't tell."""
        return getattr(getattr(self._used, "_transport", None), "sending", None)

    def refused(self) -> int:
        """Count the attempts that wait in the client because their host refuses connections."""
        lines = None if self._used is None else self._used._state.lines  # noqa: SLF001 - a snapshot of it all is costly
        return sum(line.length for line in lines.values()) if lines else 0

    async def run(self) -> Summary:
        """Run the job to its end; see `run`."""
        unfinished = await self._finish_first()
        if unfinished is not None:
            return unfinished
        job, part = self.job, self._part
        sink, model = check(job) if self._given_store is None else (None, check_beside(job))
        client, joined = self._joined()
        self._used = client
        try:
            digest, carried = await self._scan()
            there = Opened()  # of a job that was stopped before
            if self.stopped is None:
                there = Opened(self._given_store) if sink is None else await self._opened(sink, model, digest, carried)
            if there.store is None:
                idle = there != Opened()
                summary = summary_of_nothing(self, there) if idle else summary_of(self)
                return await ended(self, summary, idle=idle)
            self.store, self._retried = there.store, there.retried
            try:
                with joined:
                    await self._fetch(client, model)
                await self._finish()
            finally:
                self.store.close()
        finally:
            if client is not self._client and (part is None or part.shared is None):
                await client.aclose()
        return await ended(self, summary_of_run(self, there.retried))

    async def _finish_first(self) -> Summary | None:
        """Finish a job that was stopped before its failed rows are sent again; its summary, if that stops early."""
        job = self.job
        if not (job.retry_failed and job.resume and is_stopped(job)):
            return None
        plain = replace(job, retry_failed=False, include_unknown=False, report=None, summary=None)
        self._first = first = Engine(plain, client=self._client, progress=self._gauges.callback)
        try:
            summary = await first.run()
        finally:
            self._first = None
        if summary.stopped is None:
            return None
        self.tally, self.stopped, self.code = first.tally, summary.stopped, summary.exit_code
        return await ended(self, summary)

    @property
    def past(self) -> Past:
        """What earlier runs did, once the output is open."""
        return self.store.past

    def interrupt(self) -> None:
        """Stop as Ctrl-C does."""
        self.stop("interrupted", INTERRUPTED)

    def stop(self, why: str, code: int) -> None:
        """Stop early (rule 2); only the first call counts."""
        if self.stopped is not None:
            return
        if self._first is not None:
            self._first.stop(why, code)
            return
        self.stopped, self.code, self.phase = why, code, "stopping"
        self._reader.close()
        if self._outcomes is not None:
            self._outcomes.stop(why)
        if self._consumer is not None:
            asyncio.get_running_loop().call_later(GRACE, self._consumer.cancel)

    def _joined(self) -> tuple[Client, AbstractContextManager[object]]:
        """Return the client, and the block in which it sends our rows."""
        part = self._part
        if part is None or part.shared is None:
            synced = self._synced if self.job.durable else None
            client = self._client or client_for(self.job, self._note, self.turns, self._commentary, synced)
            return client, nullcontext()
        joined = part.shared.joined(part.first_row, part.rows, self._note, self.turns, self._synced)
        return part.shared.client, joined

    async def _synced(self) -> None:
        await self.store.synced()

    async def _scan(self) -> tuple[str, tuple[str, ...]]:
        """Check the input, and return its digest and the columns that are carried to the output."""
        if self._part is not None:
            self.total = self._part.rows
            return f"{self._part.job_id}, rows from {self._part.first_row}", self._reader.columns
        if not self._reader.regular:
            return "a stream", self._reader.columns
        self._gauges.show()
        try:
            found = await in_thread(self._reader.scan)
        except ConfigError:
            if self.stopped is not None:  # cut off in the middle of a row
                return "", ()
            raise
        if self.stopped is None:
            self.total = found.total
        if found.duplicates is not None:
            self.notes.append(found.duplicates)
        return found.digest, found.columns

    async def _opened(self, sink: Sink, model: Any, digest: str, carried: tuple[str, ...]) -> Opened:
        try:
            return await opened(self.job, sink, model, self._reader, digest, carried=carried, part=self._part)
        except ConfigError:
            if self.stopped is not None:  # cut off while it read the input
                return Opened()
            raise

    async def _fetch(self, client: Client, model: Any) -> None:
        self.phase = "fetching"
        self.began = time.monotonic()
        self._gauges.restart()
        self._consumer = asyncio.create_task(self._consume(client, model))
        ticker = asyncio.create_task(self._tick())
        try:
            await asyncio.wait({self._consumer, ticker}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = (self._consumer, ticker)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            self._end_with(end)

    def _end_with(self, end: BaseException | None) -> None:
        """Take over how the consumer or the clock ended."""
        if isinstance(end, NoReader):
            return  # as `| head` does: what was wanted has been read
        if isinstance(end, NotWritten):
            self.stopped, self.code = f"cannot write {self.job.output}: {end}", 1
        elif isinstance(end, ConfigError):
            if self.stopped is None:
                self.stopped, self.code = str(end), 2
        elif end is not None and not isinstance(end, asyncio.CancelledError):
            raise end

    async def _consume(self, client: Client, model: Any) -> None:
        source = await self._source(client)
        results = Results(self, model, first_row=self._first_row, commentary=self._commentary)
        if self._part is not None and self._part.give_up is not None:
            await results.write_off(source, self._part.give_up)  # type: ignore[arg-type]  # a part is no stream
            return
        workers, ordered = self.job.concurrency, self.job.ordered
        if self._saver is None:
            model = map_model(self.job, model)
            self._outcomes = client.map(source, model=model, ordered=ordered, concurrency=workers)
        else:
            clock = client._clock  # noqa: SLF001 - as its own `map`
            call: Any = self._saver.call  # its response is a streamed one
            self._outcomes = Outcomes(call, source, clock, workers=workers, ordered=ordered)
        self._outcomes.hold = self.turns
        async with self._outcomes as outcomes:
            async for outcome in outcomes:
                results.take(outcome)
                while self.store.behind:
                    await self.store.room()
        while self.due.lost and self.stopped is None:
            results.take_lost()

    async def _source(self, client: Client) -> Iterator[Item] | AsyncIterator[Item]:
        """Return the rows to send, and prepare what looks at them on their way."""
        job, due, past = self.job, self.due, self.store.past
        due.weights = getattr(getattr(client, "_transport", None), "weights", None)
        if self._retried is not None:
            self.total, due.is_wanted = self._retried.due_rows, self._retried.due
        if (failed := self.store.failed) is not None:
            due.passed = lambda item: failed.passed(item.index - self._first_row, item, past)
        if job.save_dir is not None:
            from asyncapi.bulk.saving import Saver  # noqa: PLC0415 - most jobs save no files

            silence = job.limits().attempt
            self._saver = Saver(job.save_dir, str(job.output), client, silence=silence, durable=job.durable)
            await in_thread(self._saver.open)
            due.claim = self._saver.claim
        return await due.open(past, self._part.job_id if self._part is not None else past.job)

    def _ended(self, count: int) -> None:
        if self.stopped is None:
            self.total = count
        if (duplicates := self._reader.duplicates.text()) is not None:
            self.notes.append(duplicates)

    def _note(self, index: int) -> Noted:
        if self._part is None:
            self.store.start(index)
            return None
        row = index - self._first_row
        return self._part.noted(partial(self.store.start, row), partial(self.store.release, row))

    def _release(self, index: int) -> None:
        self.store.release(index - self._first_row)

    async def _tick(self) -> None:
        for tick in count(1):
            await asyncio.sleep(_TICK)
            self.store.flush()
            if tick % _LOOK == 0:
                self.store.look()
            self._gauges.sample()

    async def _finish(self) -> None:
        """Write the rows that wait, and if all are there, complete the output."""
        try:
            await self._write_all()
            self.store.look()
            if self.stopped is None:
                self.phase = "finishing"
                self._gauges.show()
                await in_thread(partial(self.store.complete, keep_journal=self._part is not None))
                if self._saver is not None:
                    self._saver.close()
                self.stopped, self.code = None, 0  # too late for an interrupt
        except NotWritten as error:
            self._end_with(error)
        self._gauges.show()

    async def _write_all(self) -> None:
        """Write the rows that wait; wait for another program's lock, but not long after a Ctrl-C."""
        until = time.monotonic() + _LAST_MOMENT
        while not self.store.flush() and (self.code != INTERRUPTED or time.monotonic() < until):
            self._gauges.show()
            await asyncio.sleep(_TICK)
