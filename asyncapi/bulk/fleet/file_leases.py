"""Leases without Redis: a lease is a lock on a file of a shared folder (flock).

It ends with the process, however that ends, and a holder that hangs is waited for. A file that was removed is no lock
any more: another worker would make a new one.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from asyncapi.bulk.fleet.leases import PAUSE
from asyncapi.errors import ConfigError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

_LOOK = 1.0  # seconds between looks at whether the file is still there


class FileLeases:
    """Leases that are locks on files of a shared folder.

    Args:
        folder: The folder.

    Raises:
        ConfigError: There are no locks here.
    """

    def __init__(self, folder: Path) -> None:
        if fcntl is None:  # pragma: no cover - Windows
            raise ConfigError("this system has no locks on files: give --shared redis://...")
        self.why: str = ""
        self.pause: float = PAUSE
        self._folder = folder

    @property
    def silent(self) -> float:
        """Seconds without a reply: none."""
        return 0.0

    async def begin(self) -> None:
        """Do nothing: no lock outlives its process."""

    async def take(self, name: str, above: int = 0) -> FileLease | None:
        """Take a lock, if nobody has it.

        Raises:
            ConfigError: The file can't be locked.
        """
        path = self._folder / f"{name}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            raise ConfigError(f"the folder of the job is gone: {self._folder}") from None
        except OSError as error:
            raise ConfigError(f"cannot open {path}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lease = FileLease(path, descriptor, above + 1)
            if lease.holds():
                return lease
        except BlockingIOError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise ConfigError(
                f"{path} cannot be locked ({error.strerror}): this file system has no locks; give --shared redis://..."
            ) from None
        os.close(descriptor)
        self.why = "another worker has it"
        return None

    async def aclose(self) -> None:
        """Do nothing."""


class FileLease:
    """A lock on a file; see `Lease`."""

    def __init__(self, path: Path, descriptor: int, epoch: int) -> None:
        self.epoch: int = epoch
        self._path = path
        self._descriptor = descriptor

    def holds(self) -> bool:
        """Whether the file that is locked is still the one that others would lock."""
        try:
            return self._descriptor >= 0 and os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    async def confirm(self) -> bool:
        """Whether it is still ours."""
        return self.holds()

    async def lost(self) -> None:
        """Return when somebody has removed the file."""
        while self.holds():  # noqa: ASYNC110 - nobody tells us of a file
            await asyncio.sleep(_LOOK)

    async def release(self, *, done: bool = False) -> None:  # noqa: ARG002 - the lock is all there is
        """Unlock it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
