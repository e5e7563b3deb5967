"""Run a job from Python: to its end, with its progress, or row by row.

summary = await run(job)

running = run(job)
async for progress in running: ...
summary = await running

async for row in stream(job): ...
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.bulk.engine import Engine
from asyncapi.bulk.journal import Past
from asyncapi.bulk.summary import Summary
from asyncapi.errors import AsyncAPIError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from asyncapi.bulk.fleet.coordinator import Coordinator
    from asyncapi.bulk.item import Item
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.progress import Progress
    from asyncapi.bulk.rows import Row
    from asyncapi.client.client import Client

_ROOM = 256  # rows that wait for the reader of a stream
_LEFT = "its progress was no longer read"
_OF_OUTPUTS = ("resume", "overwrite", "retry_failed", "failed_to", "save_dir", "on")


class JobStopped(AsyncAPIError):
    """A job that is read by `stream` stopped before the end of its input.

    Attributes:
        summary: The figures of the run.
        partial: What there is of a result; of `frame`, a frame of the rows before.
    """

    def __init__(self, message: str, summary: Summary | None = None) -> None:
        super().__init__(message)
        self.summary: Summary | None = summary
        self.partial: Any = None


class Run(Coroutine[Any, Any, Summary]):
    """A job that runs: await it for its `Summary`, or iterate over its `Progress` first.

    It begins when it is first awaited or iterated over. Leaving the iteration early stops the job as `max_errors` does:
    what has arrived is written, and it can be resumed.
    """

    def __init__(
        self,
        job: Job,
        *,
        client: Client | None = None,
        progress: Callable[[Progress], object] | None = None,
        on: Any = None,
    ) -> None:
        self._job = job
        self._client = client
        self._progress = progress
        self._on = on if on is not None else job.on
        self._engine: Engine | Coordinator | None = None
        self._work: Coroutine[Any, Any, Summary] | None = None
        self._task: asyncio.Task[Summary] | None = None
        if self._on is not None and client is not None:
            raise ConfigError("client= runs a job here, on= runs it elsewhere: give one of them")

    def __await__(self) -> Generator[Any, Any, Summary]:
        """Run the job to its end."""
        if self._task is not None:
            return self._task.__await__()
        return self._coroutine().__await__()

    def send(self, value: Any) -> Any:
        """Go on, as a coroutine."""
        return self._coroutine().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error inside, as a coroutine."""
        return self._coroutine().throw(*error)

    def close(self) -> None:
        """End, as a coroutine."""
        if self._work is not None:
            self._work.close()

    def stop(self, why: str = "stopped") -> None:
        """Stop the job early: what has arrived is written, and it can be resumed."""
        if self._engine is not None:
            self._engine.stop(why, 1)
        elif self._task is not None:
            self._task.cancel()

    async def __aiter__(self) -> AsyncIterator[Progress]:
        """Yield the state of the job about five times a second, and once more at its end."""
        if self._work is not None or self._task is not None:
            raise ConfigError("this run has begun already: call run(job) again")
        latest: deque[Progress] = deque(maxlen=1)  # a slow reader gets the newest
        changed = asyncio.Event()
        shown = self._progress

        def show(state: Progress) -> None:
            if shown is not None:
                shown(state)
            latest.append(state)
            changed.set()

        self._progress = show
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: changed.set())
        try:
            while not self._task.done() or latest:
                await changed.wait()
                changed.clear()
                if latest:
                    yield latest.pop()
            self._task.result()
        finally:
            if not self._task.done():
                self.stop(_LEFT)
                await asyncio.wait({self._task})

    def _coroutine(self) -> Coroutine[Any, Any, Summary]:
        if self._work is None:
            self._work = self._run()
        return self._work

    async def _run(self) -> Summary:
        if self._on is not None:
            from asyncapi.bulk.cluster import coordinator  # noqa: PLC0415 - few jobs need it

            self._engine = coordinator(self._job, self._on, self._progress)
            return await self._engine.run()
        self._engine = Engine(self._job, client=self._client, progress=self._progress)
        return await self._engine.run()


def run(
    job: Job,
    *,
    client: Client | None = None,
    progress: Callable[[Progress], object] | None = None,
    on: Any = None,
) -> Run:
    """Run a job to its end.

    Args:
        job: The job.
        client: A client to use, with its own settings instead of the job's. By default one is made and closed.
        progress: Called about five times a second with the state of the job.
        on: Where to run it, as `Job.on`; or a client of Dask.

    Returns:
        What to await for the `Summary`, the figures of the run, or to iterate over for its `Progress`. A job that
        stopped early (`stopped` says why) can be resumed. Cancelling it leaves everything written so far, and the
        journal to resume from.

    Raises:
        ConfigError: A setting, the output, or a row of the input file is wrong; nothing was sent.
    """
    return Run(job, client=client, progress=progress, on=on)


async def stream(
    job: Job, *, client: Client | None = None, progress: Callable[[Progress], object] | None = None
) -> AsyncGenerator[Row, None]:
    """Run a job, and yield its rows as they complete, or in the order of the input with `ordered`. Nothing is written.

    A reader that is slow slows the job down. Leaving early ends it at once; `contextlib.aclosing` makes sure of that
    where the rows are read in a loop that may be left.

    Args:
        job: The job; its output is not used.
        client: As in `run`.
        progress: As in `run`.

    Raises:
        ConfigError: A setting, or a row of the input, is wrong. A broken row of a stream is found when it arrives.
        JobStopped: The job stopped early, as `max_errors` and `fail_fast` demand; the rows before were yielded.
    """
    for name in _OF_OUTPUTS:
        if getattr(job, name):
            raise ConfigError(f"stream(job) writes no output: leave {name}= out, or use run(job)")
    rows = _Rows()
    engine = Engine(job, client=client, progress=progress, store=rows)  # type: ignore[arg-type]  # a store of rows
    task = asyncio.create_task(engine.run())
    task.add_done_callback(lambda _: rows.arrived.set())
    try:
        while True:
            while (row := rows.take()) is not None:
                yield row
            if task.done():
                break
            await rows.arrived.wait()
            rows.arrived.clear()
        summary = task.result()
        if summary.stopped is not None:
            raise ConfigError(summary.stopped) if engine.code == 2 else JobStopped(summary.stopped, summary)  # noqa: PLR2004
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Rows:
    """A store that hands rows over: as much of `asyncapi.bulk.store.Store` as the engine calls."""

    locked = 0.0
    failed = None

    def __init__(self) -> None:
        self.past: Past = Past(uuid4().hex, {})
        self.arrived: asyncio.Event = asyncio.Event()
        self._taken: asyncio.Event = asyncio.Event()
        self._rows: deque[Row] = deque()

    @property
    def behind(self) -> bool:
        return len(self._rows) >= _ROOM

    async def room(self) -> None:
        self._taken.clear()
        await self._taken.wait()

    def take(self) -> Row | None:
        """Return the next row, if there is one."""
        if not self._rows:
            return None
        row = self._rows.popleft()
        if len(self._rows) < _ROOM:
            self._taken.set()
        return row

    def add(self, index: int, mark: str, row: Row, item: Item | None = None) -> str:  # noqa: ARG002 - as a store
        self._rows.append(row)
        self.arrived.set()
        return mark

    def start(self, index: int) -> None:
        """Note nothing: there is no later run."""

    async def synced(self) -> None:
        """Sync nothing."""

    def release(self, index: int) -> None:
        """Note nothing."""

    def flush(self) -> bool:
        return True

    def look(self) -> None:
        """Look at nothing."""

    def complete(self, *, keep_journal: bool = False) -> None:
        """Complete nothing."""

    def close(self) -> None:
        """Close nothing."""
