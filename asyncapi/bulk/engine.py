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
from collections import deque
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from asyncapi.bulk.feed import feed, in_thread
from asyncapi.bulk.journal import FAILED, OK, UNKNOWN
from asyncapi.bulk.prepare import check, client_for, open_output, unsafe_to_repeat
from asyncapi.bulk.progress import Progress, RecentRate
from asyncapi.bulk.report import write_report
from asyncapi.bulk.rows import not_sent_row, row_of, unknown_row
from asyncapi.bulk.store import NotWritten, Store
from asyncapi.bulk.summary import Summary
from asyncapi.bulk.tally import Tally
from asyncapi.bulk.turns import turns_of
from asyncapi.errors import ConfigError
from asyncapi.sansio.failures.resend import IDEMPOTENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.journal import Past
    from asyncapi.bulk.part import Part
    from asyncapi.bulk.prepare import Noted
    from asyncapi.bulk.reader import Item
    from asyncapi.client.client import Client
    from asyncapi.client.stats import Stats
    from asyncapi.fanout.outcomes import Outcomes
    from asyncapi.messages.response import Outcome

GRACE = 1.5  # seconds for requests in flight, once the job is stopping (rule 2)

_TICK = 0.2
_LAST_MOMENT = 0.3  # seconds to wait for another program's lock after a Ctrl-C
_LOOK = 1.0  # seconds between looks at whether the output is still there
_SKIP = 1000  # rows of an earlier run skipped at a time
_INTERRUPTED = 130


async def run(
    job: Job, *, client: Client | None = None, progress: Callable[[Progress], object] | None = None
) -> Summary:
    """Run a job to its end.

    Args:
        job: The job.
        client: A client to use, with its own settings instead of the job's. By default one is made and closed.
        progress: Called about five times a second with the state of the job.

    Returns:
        The figures of the run. A job that stopped early (`stopped` says why) can be resumed. Cancelling the call leaves
        everything written so far, and the journal to resume from.

    Raises:
        ConfigError: A setting, the output, or a row of the input file is wrong; nothing was sent.
    """
    return await Engine(job, client=client, progress=progress).run()


class Engine:
    """Runs a job, and can stop it.

    Args:
        job: The job.
        client: Used instead of one made for the job.
        progress: Called about five times a second.
        part: Run only this part of the job.
    """

    def __init__(
        self,
        job: Job,
        *,
        client: Client | None = None,
        progress: Callable[[Progress], object] | None = None,
        part: Part | None = None,
    ) -> None:
        self.job = job
        self.tally: Tally = Tally()
        self.total: int | None = None
        self.stopped: str | None = None
        self.code: int = 0
        self._client = client
        self._part = part
        self._first_row = 0 if part is None else part.first_row  # the journal counts from there
        self._progress = progress
        self._phase = "reading"
        self._began = time.monotonic()
        self._recent_rate = RecentRate(self._began)
        self._pulled = 0
        self._reader = part.reader if part else job.reader(relative=client is not None and bool(client.base_url))
        self._lost: deque[Item] = deque()  # in flight when an earlier run died (rule 3)
        self._outcomes: Outcomes[Any] | None = None
        self._consumer: asyncio.Task[None] | None = None
        self._store: Store
        self._stats: Callable[[], Stats]
        self._limit = job.limits_text()
        self._paused, self._paused_at = 0.0, -inf  # seconds, and when they were looked up
        stop = partial(self.stop, code=1)
        self._turns = turns_of(job, client, stop=stop, note=self._note, release=self._release)

    async def run(self) -> Summary:
        """Run the job to its end; see `run`."""
        job = self.job
        sink, model = check(job)
        client, joined = self._joined()
        self._stats = lambda: client.stats
        try:
            digest = await self._scan()
            if self.stopped is not None:
                return self._summary(0, 0)
            part = self._part
            self._store = (part and part.store) or await open_output(job, sink, digest, part)
            try:
                with joined:
                    await self._fetch(client, model)
                await self._finish()
            finally:
                self._store.close()
        finally:
            if client is not self._client and (self._part is None or self._part.shared is None):
                await client.aclose()
        return await self._report()

    @property
    def past(self) -> Past:
        """What earlier runs did, once the output is open."""
        return self._store.past

    def interrupt(self) -> None:
        """Stop as Ctrl-C does."""
        self.stop("interrupted", _INTERRUPTED)

    def stop(self, why: str, code: int) -> None:
        """Stop early (rule 2); only the first call counts."""
        if self.stopped is not None:
            return
        self.stopped, self.code, self._phase = why, code, "stopping"
        self._reader.close()
        if self._outcomes is not None:
            self._outcomes.stop(why)
        if self._consumer is not None:
            asyncio.get_running_loop().call_later(GRACE, self._consumer.cancel)

    def _joined(self) -> tuple[Client, AbstractContextManager[object]]:
        """Return the client, and the block in which it sends our rows."""
        part = self._part
        if part is None or part.shared is None:
            return self._client or client_for(self.job, self._note, self._turns), nullcontext()
        return part.shared.client, part.shared.joined(part.first_row, part.rows, self._note, self._turns)

    async def _scan(self) -> str:
        if self._part is not None:
            self.total = self._part.rows
            return f"{self._part.job_id}, rows from {self._part.first_row}"
        if not self._reader.regular:
            return "a stream"
        self._show()
        try:
            found = await in_thread(self._reader.scan)
        except ConfigError:
            if self.stopped is not None:  # cut off in the middle of a row
                return ""
            raise
        if self.stopped is None:
            self.total = found.total
        return found.digest

    async def _fetch(self, client: Client, model: Any) -> None:
        self._phase = "fetching"
        self._began = time.monotonic()
        self._recent_rate = RecentRate(self._began)
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
        if isinstance(end, NotWritten):
            self.stopped, self.code = f"cannot write {self.job.output}: {end}", 1
        elif isinstance(end, ConfigError):
            if self.stopped is None:
                self.stopped, self.code = str(end), 2
        elif end is not None and not isinstance(end, asyncio.CancelledError):
            raise end

    async def _consume(self, client: Client, model: Any) -> None:
        if self._part is not None and self._part.give_up is not None:
            await self._write_off(self._part.give_up)
            return
        source = self._stream() if self._reader.slow else self._rows(await self._first())
        workers = self.job.concurrency
        self._outcomes = client.map(source, model=model, ordered=self.job.ordered, concurrency=workers)
        self._outcomes.hold = self._turns
        async with self._outcomes as outcomes:
            async for outcome in outcomes:
                self._take(outcome)
                while self._store.behind:  # noqa: ASYNC110 - the clock beside it writes (rule 4)
                    await asyncio.sleep(_TICK)
        while self._lost and self.stopped is None:
            self._take_lost()

    async def _write_off(self, why: str) -> None:
        """Write the rows that are not there without sending them."""
        for item in self._rows(await self._first()):
            self._store.add(item.index - self._first_row, FAILED, not_sent_row(item, why))
            self.tally.failed += 1
            if item.index % _SKIP == 0:
                await asyncio.sleep(0)
        while self._lost:
            self._take_lost()

    async def _first(self) -> Iterator[Item]:
        """Return the input from its first row that is not done, without blocking the loop on the way there."""
        items, done, first = self._reader.items(), self._store.past.done, self._first_row
        for item in items:
            if item.index - first not in done:
                return chain((item,), items)
            if item.index % _SKIP == 0:
                await asyncio.sleep(0)
        return items

    def _rows(self, items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            if self._is_due(item):
                yield item

    async def _stream(self) -> AsyncIterator[Item]:
        count = 0
        async for item in feed(self._reader):
            count += 1
            if self._is_due(item):
                yield item
        if self.stopped is None:
            self.total = count

    def _is_due(self, item: Item) -> bool:
        """Whether to send a row."""
        past, row = self._store.past, item.index - self._first_row
        if row in past.done:
            return False
        if row in past.started:
            self._lost.append(item)
            return False
        if item.method not in IDEMPOTENT:
            if item.idempotency_key is True or (self.job.idempotency_key and not item.idempotency_key):
                item.idempotency_key = str(uuid5(UUID(past.job), str(item.index)))
            if self._client is not None and unsafe_to_repeat(item):
                self._note(item.index)
        self._pulled += 1
        return True

    def _note(self, index: int) -> Noted:
        if self._part is None:
            self._store.start(index)
            return None
        self._part.may_send()
        self._store.start(index - self._first_row)
        return partial(self._look, index)

    def _look(self, index: int) -> None:
        """Ask again right before a request is written; it has not been sent where that is refused."""
        try:
            self._part.may_send()  # type: ignore[union-attr]  # only rows of a part come here
        except Exception:
            self._release(index)
            raise

    def _release(self, index: int) -> None:
        self._store.release(index - self._first_row)

    def _take(self, outcome: Outcome[Any]) -> None:
        item: Item = outcome.request  # type: ignore[assignment]  # the source yields items
        while self._lost and (not self.job.ordered or self._lost[0].index < item.index):
            self._take_lost()
        row = row_of(item, outcome)
        self._store.add(item.index - self._first_row, OK if row["ok"] else FAILED, row)
        tally = self.tally
        tally.add(row, outcome, time.monotonic() - self._began)
        if not row["ok"] and self.job.max_errors is not None and tally.failed >= self.job.max_errors:
            self.stop(f"{tally.failed} rows have failed (max_errors)", 1)

    def _take_lost(self) -> None:
        item = self._lost.popleft()
        self._store.add(item.index - self._first_row, UNKNOWN, unknown_row(item))
        self.tally.add_unknown()

    async def _tick(self) -> None:
        looked = 0.0
        while True:
            await asyncio.sleep(_TICK)
            self._store.flush()
            looked += _TICK
            if looked >= _LOOK:
                looked = 0.0
                self._store.look()
            self._show()

    async def _finish(self) -> None:
        """Write the rows that wait, and if all are there, complete the output."""
        try:
            await self._write_all()
            self._store.look()
            if self.stopped is None:
                self._phase = "finishing"
                self._show()
                await in_thread(partial(self._store.complete, keep_journal=self._part is not None))
                self.stopped, self.code = None, 0  # too late for an interrupt
        except NotWritten as error:
            self._end_with(error)
        self._show()

    async def _write_all(self) -> None:
        """Write the rows that wait; wait for another program's lock, but not long after a Ctrl-C."""
        until = time.monotonic() + _LAST_MOMENT
        while not self._store.flush() and (self.code != _INTERRUPTED or time.monotonic() < until):
            self._show()
            await asyncio.sleep(_TICK)

    async def _report(self) -> Summary:
        past = self._store.past
        summary = self._summary(len(past.done), past.failed + past.unknown)
        if self.job.report is not None and self.code != _INTERRUPTED:
            try:
                await in_thread(lambda: write_report(self.job, summary, self.tally))
            except OSError as error:
                why = summary.stopped or f"cannot write the report {self.job.report}: {error.strerror}"
                return replace(summary, stopped=why, exit_code=summary.exit_code or 1)
            return replace(summary, report=self.job.report)
        return summary

    def _summary(self, skipped: int, skipped_failed: int) -> Summary:
        tally = self.tally
        elapsed = time.monotonic() - self._began
        return Summary(
            total=self.total,
            skipped=skipped,
            skipped_failed=skipped_failed,
            elapsed=elapsed,
            rate=tally.done / elapsed if elapsed > 0 else 0.0,
            p99=tally.quantile_ms(0.99),
            paused=sum(self._stats().pauses.values()),
            held=dict(self._turns.waited),
            **tally.figures(),
            output=str(self.job.output),
            report=None,
            stopped=self.stopped,
            exit_code=self.code or (1 if tally.failed + tally.unknown + skipped_failed else 0),
        )

    def _pause(self, now: float) -> float:
        """Return the seconds until the server lets the job continue; looked up once a second: a snapshot is costly."""
        if now - self._paused_at >= _LOOK:
            self._paused, self._paused_at = max(self._stats().paused.values(), default=0.0), now
        return max(0.0, self._paused - (now - self._paused_at))

    def _notes(self) -> Iterator[str]:
        for host, until in self._turns.asked.items():
            yield f"{host or 'the host'} asks to wait until {time.strftime('%H:%M:%S', time.localtime(until))}"
        if self._phase != "reading" and self._store.locked >= _LOOK:
            yield "another program locks the output"

    def _show(self) -> None:
        if self._progress is None:
            return
        tally, now = self.tally, time.monotonic()
        done, reading = tally.done, self._phase == "reading"
        skipped = 0 if reading else len(self._store.past.done)
        rate = self._recent_rate.update(now, done)
        left = None if self.total is None else self.total - skipped - done
        self._progress(
            Progress(
                phase=self._phase,
                total=self.total,
                done=skipped + done,
                skipped=skipped,
                in_flight=self._pulled + tally.unknown - done,
                elapsed=now - self._began,
                rate=rate,
                eta=left / rate if left is not None and rate > 0 else None,
                paused=0.0 if reading else self._pause(now),
                limit=self._limit,
                held={word: rows for word, rows in self._turns.waiting.items() if rows},
                notes=tuple(self._notes()),
                **tally.figures(),
            )
        )
