"""Dask (the package `distributed`, extra `dask`) as an engine: `dask://scheduler:8786`, or a `distributed.Client`.

Rules:
1. A chunk is one task: an `async def` that runs on the event loop of a Dask worker, beside the loop's own work.
2. The scheduler gives the tasks of a worker that died to others by itself, and gives up after as many deaths as its
   `allowed-failures` says.
3. A scheduler that dies loses its tasks: their futures end with `EngineLost`. The client connects again by itself.
4. Reports go to the scheduler as events of a topic, which hands them on: no connection of our own.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from distributed import Client, get_worker
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from asyncapi.bulk.fleet import worker
from asyncapi.bulk.fleet.engines import EngineLost, WorkerDied
from asyncapi.bulk.fleet.versions import check_versions, versions
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Report, Task

_TOPIC = "asyncapi-bulk"
_CONNECT = 10.0  # seconds
_TELL = 1.0  # seconds to tell workers something; a frozen one isn't waited for


class Dask:
    """A Dask cluster.

    Args:
        on: The address of its scheduler, such as "tcp://host:8786", or a client or cluster object of Dask.
    """

    def __init__(self, on: Any) -> None:
        self._address = _address(on)
        self._security = getattr(on, "security", None)
        self._client: Any = None
        self._number = 0
        self._running: set[asyncio.Future[Done | None]] = set()

    async def start(self, heard: Callable[[Report], object]) -> None:
        """Connect to the scheduler, and check the versions of its workers."""
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it says is in our own errors
        try:
            self._client = await Client(  # type: ignore[no-untyped-call]
                self._address, asynchronous=True, timeout=_CONNECT, security=self._security, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(f"cannot reach the Dask scheduler at {self._address}: {error}") from None
        self._client.subscribe_topic(_TOPIC, lambda event: heard(pickle.loads(event[1]["report"])))  # noqa: S301 - a worker's
        await self._check()

    async def _check(self) -> None:
        try:
            found = await self._client.run(_check, versions(), on_error="return")
        except Exception as error:
            raise ConfigError(f"the Dask workers can't run this job: {error}") from error
        for address, problem in found.items():
            if problem is not None:
                raise ConfigError(f"the Dask worker {address} can't run this job: {problem}")

    def workers(self) -> int:
        """Return how many workers the scheduler has."""
        info = self._client.scheduler_info()  # a copy that the scheduler renews every two seconds
        return int(info.get("n_workers") or len(info.get("workers", ())))

    def submit(self, task: Task) -> asyncio.Future[Done | None]:
        """Run a chunk on a worker of the scheduler's choice."""
        self._number += 1
        key = f"asyncapi-{task.run}-{task.chunk.number}-{self._number}"
        submitted = self._client.submit(_work, task, key=key, pure=False, retries=0)
        running = asyncio.ensure_future(_result(submitted))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return running

    async def stop(self, run: str, why: str, code: int) -> None:
        """Stop all chunks of a run on every worker."""
        await self._tell(worker.stop, run, why, code)

    async def finish(self, run: str) -> None:
        """Close what a run holds on every worker."""
        await self._tell(worker.finish, run)

    async def aclose(self) -> None:
        """Disconnect."""
        for running in tuple(self._running):
            running.cancel()
        if self._client is not None:
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._client.close(), _TELL)

    async def _tell(self, function: Callable[..., Any], *values: Any) -> None:
        with suppress(Exception):  # whoever doesn't hear it ends its chunks and holds nothing for long
            await asyncio.wait_for(self._client.run(function, *values, on_error="ignore"), _TELL)


def _address(on: Any) -> str:
    if isinstance(on, str):
        return on
    scheduler = getattr(on, "scheduler", None)
    return str(getattr(on, "scheduler_address", None) or getattr(scheduler, "address", on))


async def _result(submitted: Any) -> Done | None:
    try:
        return await submitted  # type: ignore[no-any-return]
    except KilledWorker as error:
        raise WorkerDied(error.allowed_failures + 1) from None
    except (FutureCancelledError, asyncio.CancelledError) as error:
        if isinstance(error, FutureCancelledError):
            raise EngineLost(str(error)) from None
        raise
    finally:
        with suppress(Exception):
            submitted.release()


async def _work(task: Task) -> Done | None:
    """Run a chunk; this runs on a worker."""
    place = get_worker()

    def report(state: Report) -> None:
        place.log_event(_TOPIC, {"report": pickle.dumps(state)})

    return await worker.work(task, place.address, report)


def _check(wanted: dict[str, str]) -> str | None:
    """Compare versions; this runs on a worker."""
    try:
        check_versions(wanted)
    except ConfigError as error:
        return str(error)
    return None
