"""Run a job on several workers: which engine a name or an object stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.bulk.fleet.coordinator import Coordinator
    from asyncapi.bulk.fleet.engines import Fleet
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.progress import Progress
    from asyncapi.bulk.summary import Summary

_NAMES = "local:4, dask://host:8786 or ray://host:10001"


async def run_on(job: Job, on: Any, progress: Callable[[Progress], object] | None = None) -> Summary:
    """Run a job on an engine.

    Args:
        job: The job.
        on: Its name ("local:4", "dask://host:8786", "ray://host:10001"), or a client of Dask.
        progress: Called about five times a second with the state of the job.

    Raises:
        ConfigError: There is no such engine, the job can't run on it, or something else is wrong; nothing was sent.
    """
    return await coordinator(job, on, progress).run()


def coordinator(job: Job, on: Any = None, progress: Callable[[Progress], object] | None = None) -> Coordinator:
    """Make what runs a job on an engine, and can stop it."""
    from asyncapi.bulk.fleet.coordinator import Coordinator  # noqa: PLC0415 - only where it is asked for

    on = on or job.on
    return Coordinator(job, fleet_of(on), on=on, progress=progress)


def fleet_of(on: Any) -> Fleet:
    """Return the engine that a name or an object stands for.

    Raises:
        ConfigError: There is none, or its extra is not installed.
    """
    if not isinstance(on, str):
        kind = type(on).__module__.partition(".")[0]
        if kind in {"distributed", "dask", "dask_kubernetes", "dask_jobqueue", "coiled"}:
            return _dask(on)
        raise ConfigError(f"a job can't run on a {type(on).__name__}: give {_NAMES}, or a client of Dask")
    kind, _, rest = on.partition(":")
    if kind == "local":
        from asyncapi.bulk.fleet.local import Local  # noqa: PLC0415 - the same

        return Local(_count(rest, on))
    if kind == "dask" and rest.startswith("//") and rest.strip("/"):
        return _dask(f"tcp:{rest.rstrip('/')}")
    if kind == "ray" and rest.startswith("//") and rest.strip("/"):
        return _ray(rest.strip("/") if rest.strip("/") in {"local", "auto"} else on)
    raise ConfigError(f"there is no engine {on!r}: give {_NAMES}")


def _count(text: str, on: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1024:  # noqa: PLR2004 - processes
        raise ConfigError(f"{on!r} is no number of processes: give local:4 for four")
    return int(text)


def _dask(on: Any) -> Fleet:
    try:
        from asyncapi.bulk.fleet.dask import Dask  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("running on Dask needs the package distributed: pip install 'asyncapi-sdk[dask]'") from None
    return Dask(on)


def _ray(address: str) -> Fleet:
    try:
        from asyncapi.bulk.fleet.ray import Ray  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError("running on Ray needs the package ray: pip install 'asyncapi-sdk[ray]'") from None
    return Ray(address)
