"""Leases: one worker at a time works on a chunk, and knows when it no longer may.

A lease has an epoch: a number that grows with every holder of the chunk. Redis grants leases (redis_leases.py), or they
are locks on files of a shared folder (file_leases.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.settings import Redis

TTL = 10.0  # seconds
PAUSE = 0.25  # seconds between attempts to take a lease


class Lost(Exception):
    """The lease has run out: what it was for must not be done any more."""


class Lease(Protocol):
    """The right to work on one chunk.

    Attributes:
        epoch: Its number: higher than that of every earlier holder.
    """

    epoch: int

    def holds(self) -> bool:
        """Whether it can still be relied on, by our own clock."""
        ...

    async def confirm(self) -> bool:
        """Ask whether it is still ours."""
        ...

    async def lost(self) -> None:
        """Keep it alive; return when it is lost."""
        ...

    async def release(self, *, done: bool = False) -> None:
        """Give it up; `done`: nobody will need this chunk again."""
        ...


class Leases(Protocol):
    """Where leases of one job come from.

    Attributes:
        why: Why the last one was refused.
        pause: Seconds to wait before the next attempt.
    """

    why: str
    pause: float

    @property
    def silent(self) -> float:
        """Seconds for which nobody has replied."""
        ...

    async def begin(self) -> None:
        """Say that the job is new, so that nobody can hold a lease of it.

        Raises:
            ConfigError: Nobody replies.
        """
        ...

    async def take(self, name: str, above: int = 0) -> Lease | None:
        """Take a lease whose epoch is over `above`; None where it can't be had now: `why` says the reason.

        Raises:
            ConfigError: It can never be had.
        """
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


def leases_of(shared: Redis | None, folder: str, job_id: str, *, ttl: float = TTL) -> Leases:
    """Make the leases of a job.

    Args:
        shared: The Redis that grants them; None for locks on files.
        folder: The job's folder.
        job_id: The job's id.
        ttl: Seconds a lease lasts.

    Raises:
        ConfigError: There is no way to have leases.
    """
    from asyncapi.bulk.fleet.file_leases import FileLeases  # noqa: PLC0415 - they import this module
    from asyncapi.bulk.fleet.redis_leases import RedisLeases, RedisScripts  # noqa: PLC0415 - the same

    if shared is None:
        if "://" in folder:
            raise ConfigError(f"{folder} is an object store, which has no locks: give --shared redis://...")
        return FileLeases(Path(folder))
    return RedisLeases(RedisScripts(shared.url), f"{shared.name}:leases:{job_id}", ttl=ttl)
