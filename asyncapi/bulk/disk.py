"""Change files on the disk: every write, sync, cut, rename and removal of a job's output and journal is in here.

What has been written survives the process. It survives a power cut once it has been synced: the bytes of a file by
`sync`, its name in the folder by `sync_folder`.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such module
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
_NO_SUCH_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})  # of a file system that can't sync a folder


def open_append(path: Path, *, create: bool = True, readable: bool = False) -> int:
    """Open a file whose writes all go to its end, and return its descriptor.

    Raises:
        OSError: It can't be opened.
    """
    flags = (os.O_RDWR if readable else os.O_WRONLY) | os.O_APPEND | (os.O_CREAT if create else 0)
    return os.open(path, flags, 0o644)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte, in as many writes as it takes.

    Raises:
        OSError: No more could be written; some may have been.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def close(descriptor: int) -> None:
    """Close a file.

    Raises:
        OSError: An earlier write has failed.
    """
    os.close(descriptor)


def cut(descriptor: int, size: int) -> None:
    """Cut a file off at a size.

    Raises:
        OSError: It can't be cut.
    """
    os.ftruncate(descriptor, size)


def sync(descriptor: int) -> None:
    """Wait until the bytes of a file are on the disk.

    Raises:
        OSError: They can't be written.
    """
    if _FULL_SYNC is not None:  # pragma: no cover - on macOS fsync leaves them in the drive's cache (man 2 fsync)
        fcntl.fcntl(descriptor, _FULL_SYNC)
    else:
        os.fsync(descriptor)


def sync_path(path: Path) -> None:
    """Wait until the bytes of a file that is not open are on the disk.

    Raises:
        OSError: They can't be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in the folder of a file are on the disk, where a folder can be synced.

    Raises:
        OSError: They can't be written.
    """
    if os.name == "nt":  # pragma: no cover - a folder can't be opened there
        return
    try:
        sync_path(path.parent)
    except OSError as error:
        if error.errno not in _NO_SUCH_SYNC:
            raise


def replace(old: Path, new: Path) -> None:
    """Rename a file over another one: whoever opens it finds one or the other, whole.

    Raises:
        OSError: It can't be renamed.
    """
    os.replace(old, new)  # noqa: PTH105 - what this module wraps


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        OSError: It can't be removed.
    """
    try:
        os.unlink(path)  # noqa: PTH108 - what this module wraps
    except FileNotFoundError:
        return
