"""What a job asks of an engine: run this chunk somewhere, and say when it ended.

Everything that must not be lost is in files (chunk.py). So an engine may lose a task, run it twice, or die: the chunk
is then run again, and its lease and journal see to it that no row is sent or written twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.slices import Chunk
    from asyncapi.bulk.progress import Progress

OPEN = 2  # chunks that a worker has open at a time


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk to run.

    Attributes:
        run: The run of the coordinator that asks.
        job_id: The job, which outlives its runs.
        job: The pickled settings of the job; each worker reads them once a run.
        folder: The folder of the parts.
        chunk: The chunk.
        versions: What the coordinator runs on (versions.py): a worker with other versions refuses.
        alone: Whether no other chunk is to be open on its worker: it may be what has killed one.
        every: Seconds between reports.
    """

    run: str
    job_id: str
    job: bytes
    folder: str
    chunk: Chunk
    versions: Mapping[str, str]
    alone: bool = False
    every: float = 0.5


@dataclass(frozen=True, slots=True)
class Report:
    """How far a chunk is.

    Attributes:
        run: The run of the coordinator.
        worker: The worker that runs it.
        chunk: The chunk's number.
        progress: Its state.
    """

    run: str
    worker: str
    chunk: int
    progress: Progress


class WorkerDied(Exception):
    """Workers died while they ran a chunk.

    Attributes:
        times: How many.
    """

    def __init__(self, times: int = 1) -> None:
        super().__init__(f"{times} workers died")
        self.times: int = times


class EngineLost(Exception):
    """The engine can't be reached any more; what it was running may go on or not."""


class Fleet(Protocol):
    """An engine, as a job sees it."""

    async def start(self, heard: Callable[[Report], object]) -> None:
        """Connect; from now on, `heard` is called with each report of a worker.

        Raises:
            ConfigError: There is no such engine, or its workers have other versions.
            EngineLost: It can't be reached at this time.
        """
        ...

    def workers(self) -> int:
        """Return how many workers there are now."""
        ...

    def submit(self, task: Task) -> asyncio.Future[Done | None]:
        """Run a chunk on some worker.

        The future raises `WorkerDied`, `EngineLost`, or what the chunk itself raised; it is None where the run was
        stopped before the chunk began.
        """
        ...

    async def stop(self, run: str, why: str, code: int) -> None:
        """Stop all chunks of a run, wherever they are, as Ctrl-C stops a job."""
        ...

    async def aclose(self) -> None:
        """Disconnect; end what `start` has started."""
        ...
