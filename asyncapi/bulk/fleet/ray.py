"""Ray (extra `ray`) as an engine: `ray://host:10001` for a cluster, `ray://local` for this machine.

Rules:
1. A worker is an actor, one for each CPU of the cluster; actors that join or leave are looked for now and then.
2. Chunks go to the actor that has the fewest. An actor that dies is replaced by Ray, and its chunks are reported as
   killed.
3. Reports wait in the actor until the coordinator asks for them, twice a second.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from asyncapi.bulk.fleet import worker
from asyncapi.bulk.fleet.engines import EngineLost, WorkerDied
from asyncapi.bulk.fleet.versions import check_versions, versions
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.fleet.engines import Report, Task

_AT_A_TIME = 1000  # calls of an actor; chunks beyond worker.OPEN wait in it
_ASK = 0.5  # seconds between looks for reports (rule 3)
_LOOK = 10.0  # seconds between looks for CPUs that have joined (rule 1)
_TELL = 1.0  # seconds to tell actors something; a frozen one isn't waited for
_KEPT = 1000  # reports that wait for the coordinator


class Actor:
    """What runs in an actor."""

    def __init__(self) -> None:
        self._reports: list[Report] = []

    async def check(self, wanted: dict[str, str]) -> str | None:
        """Compare versions."""
        try:
            check_versions(wanted)
        except ConfigError as error:
            return str(error)
        return None

    async def work(self, task: Task) -> Done | None:
        """Run a chunk."""
        name = ray.get_runtime_context().get_actor_id()
        return await worker.work(task, f"actor {name}", self._note)

    async def reports(self) -> list[Report]:
        """Hand over the reports."""
        reports, self._reports = self._reports, []
        return reports

    async def stop(self, run: str, why: str, code: int) -> None:
        """Stop the chunks of a run."""
        worker.stop(run, why, code)

    def _note(self, report: Report) -> None:
        del self._reports[:-_KEPT]
        self._reports.append(report)


class _Handle:
    """An actor, and what was given to it."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.tasks = 0


class Ray:
    """A Ray cluster.

    Args:
        address: Such as "ray://host:10001", "auto" for the cluster that this machine belongs to, or "local".
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._handles: list[_Handle] = []
        self._asking: list[asyncio.Task[None]] = []
        self._owns = False

    async def start(self, heard: Callable[[Report], object]) -> None:
        """Connect, and start the actors."""
        if not ray.is_initialized():
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._connect)
            except (ConnectionError, RuntimeError, ValueError, RayError) as error:
                raise ConfigError(f"cannot reach the Ray cluster at {self._address}: {error}") from None
            self._owns = True
        self._grow()
        await self._check()
        self._asking = [asyncio.create_task(self._ask(heard)), asyncio.create_task(self._look())]

    def _connect(self) -> None:
        address = None if self._address == "local" else self._address
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")

    async def _check(self) -> None:
        handle = self._handles[0]
        try:
            problem = await handle.actor.check.remote(versions())
        except RayError as error:
            raise ConfigError(f"the Ray workers can't run this job: {error}") from None
        if problem is not None:
            raise ConfigError(f"the Ray workers can't run this job: {problem}")

    def _grow(self) -> None:
        """Have an actor for each CPU (rule 1)."""
        wanted = max(1, int(ray.cluster_resources().get("CPU", 1)))
        make = ray.remote(max_concurrency=_AT_A_TIME, max_restarts=-1, num_cpus=1)(Actor)
        while len(self._handles) < wanted:
            self._handles.append(_Handle(make.remote()))

    def workers(self) -> int:
        """Return how many actors there are."""
        return len(self._handles)

    def submit(self, task: Task) -> asyncio.Future[Done | None]:
        """Run a chunk on the actor that has the fewest."""
        handle = min(self._handles, key=lambda handle: handle.tasks)
        handle.tasks += 1
        return asyncio.ensure_future(_result(handle, handle.actor.work.remote(task)))

    async def stop(self, run: str, why: str, code: int) -> None:
        """Stop all chunks of a run in every actor."""
        await self._tell([handle.actor.stop.remote(run, why, code) for handle in self._handles])

    async def aclose(self) -> None:
        """End the actors, and disconnect if `start` has connected."""
        for asking in self._asking:
            asking.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        for handle in self._handles:
            with suppress(RayError):
                ray.kill(handle.actor)
        if self._owns:
            ray.shutdown()

    async def _tell(self, calls: list[Any]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TELL):
                await asyncio.gather(*calls, return_exceptions=True)

    async def _ask(self, heard: Callable[[Report], object]) -> None:
        """Hand reports on (rule 3)."""
        while True:
            await asyncio.sleep(_ASK)
            calls = [asyncio.ensure_future(_reports(handle)) for handle in self._handles]
            done, late = await asyncio.wait(calls, timeout=_TELL)
            for call in late:
                call.cancel()
            for call in done:
                for report in call.result():
                    heard(report)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            with suppress(RayError):
                self._grow()


async def _reports(handle: _Handle) -> list[Report]:
    try:
        return await handle.actor.reports.remote()  # type: ignore[no-any-return]
    except RayError:
        return []


async def _result(handle: _Handle, call: Any) -> Done | None:
    try:
        return await call  # type: ignore[no-any-return]
    except RayActorError:  # ActorUnavailableError, while Ray starts it again, is one
        raise WorkerDied from None
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except RayError as error:
        raise EngineLost(str(error)) from None
    finally:
        handle.tasks -= 1
