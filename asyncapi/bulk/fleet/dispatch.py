"""Hand chunks to an engine, a few for each worker, until all have ended.

Rules:
1. A few chunks for each worker are out at a time: what the engine loses is little, and a worker that joins gets some at
   once.
2. A chunk never fails the job for the others. One that was open in three workers that died, the last time alone, with
   no row getting done in between, is given up; so is one that failed three times for a reason that nobody expects.
3. What the engine has lost is handed out again. The chunk's lease and journal see to it that no row is sent twice.
4. A chunk that was reported on and then no more is handed out a second time after about as long as a lease lasts: its
   worker may be frozen. So are those that wait, once nothing is heard of any. The one that ends first counts.
5. What is wrong with a worker as such (its environment, its versions) is wrong with the job: it stops.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi.bulk.engine import GRACE
from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.fleet.engines import EngineLost, WorkerDied
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Fleet, Task
    from asyncapi.bulk.fleet.slices import Chunk
    from asyncapi.bulk.fleet.totals import Totals

WINDOW = 3  # chunks for each worker (rule 1)
DEATHS = 3  # rule 2
TICK = 0.2  # seconds

_LEAST = 4  # chunks that are out, however few workers there are
_REPORTS = 50.0  # workers that make a report a second later
_AGAIN = 0.5  # seconds before a chunk is handed out again that the engine has lost


class Job(Protocol):
    """What the coordinator does.

    Attributes:
        stopped: Why the job stops, or None.
    """

    stopped: str | None

    def stop(self, why: str, code: int) -> None:
        """Stop the job."""
        ...

    def ended(self, chunk: Chunk, done: Done) -> None:
        """Take over how a chunk has ended."""
        ...

    def show(self) -> None:
        """Show how far the job is."""
        ...


class _Trouble:
    """What has happened to a chunk that did not end well."""

    __slots__ = ("deaths", "done", "why")

    def __init__(self) -> None:
        self.deaths = 0
        self.done = 0
        self.why = ""


class Dispatch:
    """Hands chunks out.

    Args:
        fleet: The engine.
        chunks: The chunks; the next one may take a while.
        task: Makes the task of a chunk; it is told whether the chunk is to be open alone.
        job: What is told of what happens.
        totals: Knows how far each chunk is.
        max_outage: Seconds for which the engine may be away.
        silence: Seconds without a report after which a chunk is handed out a second time.

    Attributes:
        given_up: Chunks that were given up, and why.
    """

    def __init__(
        self,
        fleet: Fleet,
        chunks: Iterator[Chunk],
        task: Callable[[Chunk, bool], Task],
        job: Job,
        totals: Totals,
        *,
        max_outage: float,
        silence: float = 8.0,
    ) -> None:
        self.given_up: list[tuple[Chunk, str]] = []
        self._fleet = fleet
        self._chunks = chunks
        self._task = task
        self._job = job
        self._totals = totals
        self._max_outage = max_outage
        self._silence = silence
        self._open: dict[asyncio.Future[Done | None], Chunk] = {}
        self._again: list[tuple[float, Chunk]] = []
        self._trouble: dict[int, _Trouble] = {}
        self._lost_at: float | None = None
        self._ended_at = time.monotonic()
        self._next: asyncio.Task[Chunk | None] | None = None
        self._left = True

    @property
    def open(self) -> int:
        """How many chunks are out."""
        return len(self._open)

    async def run(self) -> None:
        """Hand out all chunks, until they have ended or the job stops."""
        until: float | None = None
        while True:
            if self._job.stopped is None:
                self._fill()
                if not (self._open or self._again or self._left):
                    break
            elif until is None:
                until = time.monotonic() + GRACE + TICK
            if self._job.stopped is not None and (not self._open or time.monotonic() > (until or 0.0)):
                break
            await self._wait()
            for future in [future for future in self._open if future.done()]:
                self._settle(self._open.pop(future), future)
            self._job.show()
        for future in self._open:
            future.cancel()
        if self._next is not None:
            self._next.cancel()

    async def _wait(self) -> None:
        waiting: set[asyncio.Future[Any]] = set(self._open)
        if self._next is not None and not self._next.done():  # one that is done waits for a worker
            waiting.add(self._next)
        if waiting:
            await asyncio.wait(waiting, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(TICK)

    def _fill(self) -> None:
        """Hand out chunks (rule 1)."""
        now = time.monotonic()
        self._hand_out_silent(now)
        while len(self._open) < max(_LEAST, WINDOW * self._fleet.workers()):
            chunk = self._due(now)
            if chunk is None:
                return
            alone = chunk.number in self._trouble
            self._open[self._fleet.submit(self._task(chunk, alone))] = chunk

    def _due(self, now: float) -> Chunk | None:
        """Return the next chunk, if there is one now."""
        if self._again and self._again[0][0] <= now:
            return self._again.pop(0)[1]
        if not self._left:
            return None
        if self._next is None:
            self._next = asyncio.create_task(self._read())
            return None
        if not self._next.done():
            return None
        try:
            chunk = self._next.result()
        except ConfigError as error:  # a broken row of a stream
            self._job.stop(str(error), 2)
            chunk = None
        except OSError as error:
            self._job.stop(f"cannot write a part of the input: {error.strerror or error}", 1)
            chunk = None
        self._next = None
        if chunk is None:
            self._left = False
            return None
        self._next = asyncio.create_task(self._read())
        return chunk

    async def _read(self) -> Chunk | None:
        return await in_thread(lambda: next(self._chunks, None))

    def _settle(self, chunk: Chunk, future: asyncio.Future[Done | None]) -> None:
        """Take over how a task has ended."""
        try:
            done = future.result()
        except WorkerDied as error:
            self._note_trouble(chunk, error.times, "")
        except EngineLost as error:
            self._note_lost(chunk, str(error))
        except ConfigError as error:  # rule 5
            self._job.stop(str(error), 2)
        except asyncio.CancelledError:
            return
        except Exception as error:  # rule 2: whatever it is, the other chunks go on
            self._note_trouble(chunk, 1, f"{type(error).__name__}: {error}")
        else:
            self._lost_at = None
            self._ended_at = time.monotonic()
            if done is not None:  # else it was stopped before it began
                self._forget_copies(chunk)
                self._job.ended(chunk, done)

    def _hand_out_silent(self, now: float) -> None:
        """Hand out a second time what nothing has been heard of (rule 4)."""
        numbers, alone = [chunk.number for chunk in self._open.values()], False
        silence = self._silence + self._fleet.workers() / _REPORTS  # with many workers, each reports less often
        heard_at = self._totals.heard_at
        latest = max(self._ended_at, *heard_at.values(), 0.0)  # those that wait at a frozen worker are not heard of
        for chunk in list(self._open.values()):
            heard = heard_at.get(chunk.number, latest)
            if now - heard > silence and numbers.count(chunk.number) == 1:
                self._open[self._fleet.submit(self._task(chunk, alone))] = chunk

    def _forget_copies(self, chunk: Chunk) -> None:
        for future in [future for future, other in self._open.items() if other.number == chunk.number]:
            del self._open[future]
            future.cancel()

    def _note_trouble(self, chunk: Chunk, deaths: int, why: str) -> None:
        """Hand a chunk out again, or give it up (rule 2)."""
        if any(other.number == chunk.number for other in self._open.values()):  # rule 4: a copy goes on
            return
        was_alone = chunk.number in self._trouble
        trouble = self._trouble.setdefault(chunk.number, _Trouble())
        state = self._totals.open.pop(chunk.number, None)
        self._totals.heard_at.pop(chunk.number, None)
        done = 0 if state is None else state.done
        trouble.deaths = deaths if done > trouble.done else trouble.deaths + deaths
        trouble.done, trouble.why = max(done, trouble.done), why or trouble.why
        if trouble.deaths < DEATHS or not was_alone:
            self._again.append((time.monotonic(), chunk))
        else:
            self.given_up.append((chunk, trouble.why or f"its chunk has killed {trouble.deaths} workers"))

    def _note_lost(self, chunk: Chunk, why: str) -> None:
        """Hand a chunk out again that the engine has lost (rule 3); stop if it is away for too long."""
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        if now - self._lost_at > self._max_outage:
            self._job.stop(f"the engine has been away for {now - self._lost_at:.0f} s: {why}", 1)
        self._totals.open.pop(chunk.number, None)
        self._totals.heard_at.pop(chunk.number, None)
        self._again.append((now + _AGAIN, chunk))
