"""The SQLite file that keeps a job's responses for later runs: check it before anything is sent, and open it.

Rules:
1. A check makes nothing: the client makes the file, with its folder, when it is first used.
2. A file that another process holds a lock of is a good one.
3. Processes don't take turns to fetch what several of them miss: a claim costs as much CPU time as the rest of a row,
   and rows that run at the same moment in different processes are hardly ever the same.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.stores.sqlite import SQLiteStore
from asyncapi.stores.sqlite_file import NotOurs, is_locked, open_file, reason

if TYPE_CHECKING:
    from pathlib import Path

    from asyncapi.stores.sqlite_responses import SQLiteResponses

_MAX_BYTES = 1024 * 1024 * 1024
_BUSY = 1.0  # seconds to wait for a lock


class JobStore:
    """The store of a job's responses, as `Cache(store=)` takes it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._store = SQLiteStore(path, max_bytes=_MAX_BYTES)

    def responses(self, room: int) -> SQLiteResponses:
        """Make the store of one client's responses (rule 3)."""
        lasting = self._store.responses(room)
        lasting.turns = False
        return lasting

    def __repr__(self) -> str:
        return repr(self._store)


def check_store(path: Path) -> None:
    """Check that a job can keep its responses in a file.

    Raises:
        ConfigError: It can't; the message says why.
    """
    path = path.expanduser()
    if path.is_dir():
        raise ConfigError(f"cannot keep responses in {path}: it is a folder; name a file (--cache-store)")
    if not path.exists():
        _check_folder(path)  # rule 1
        return
    if not path.is_file():
        raise ConfigError(f"cannot keep responses in {path}: it is no regular file (--cache-store)")
    try:
        with closing(open_file(path, busy=_BUSY)) as base:
            base.execute("BEGIN IMMEDIATE")
            base.execute("ROLLBACK")
    except NotOurs as error:
        raise ConfigError(f"cannot keep responses there (--cache-store): {error}") from None
    except (sqlite3.Error, OSError) as error:
        if not is_locked(error):  # rule 2
            raise ConfigError(f"cannot keep responses in {path}: {reason(error)} (--cache-store)") from None


def _check_folder(path: Path) -> None:
    """Check that a file that is not there can be made."""
    folder = next((parent for parent in path.parents if parent.exists()), path.parent)
    if not folder.is_dir():
        raise ConfigError(f"cannot keep responses in {path}: {folder} is no folder (--cache-store)")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot keep responses in {path}: the folder {folder} can't be written (--cache-store)")
