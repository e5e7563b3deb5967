"""Keep responses and tokens in one SQLite file: for all processes of a machine, and for the next run.

1. Responses are stored as they are, in a file that its owner alone may read (0600); with `key=` they are sealed. Tokens
   are always sealed, with `key=` or a key of its own beside the file, as those of a `FileStore`.
2. Each client has connections of its own, from its first call to its end. Tokens need one for a moment.
3. It needs a local file system: SQLite's processes share memory.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AuthError
from asyncapi.stores.responses import bound_of
from asyncapi.stores.sqlite_file import NotOurs, open_file, reason
from asyncapi.stores.sqlite_responses import SQLiteResponses
from asyncapi.stores.tokens import FileStore, cryptography_of, key_text

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

_MAX_BYTES = 256 * 1024 * 1024
_BUSY = 4.0  # seconds to wait for a lock; those who use a store wait for five


class SQLiteStore:
    """Keep responses, or tokens, in a SQLite file that several processes may share.

        Client("https://api.example.com", cache=Cache(store=SQLiteStore("~/.cache/tool/responses")))

    Where the file can't be used (damaged, another program's, read-only, a full disk), a warning says why, and responses
    are kept in memory. The file has to be on a local disk.

    Args:
        path: The file; it is created if need be, with its folder, for its owner alone.
        max_bytes: Most bytes on the disk, 256 MiB by default, the log beside the file included. The least recently used
            responses go first; one of a sixteenth or more is not stored.
        key: A Fernet key (`FileStore.new_key()`), as text, `SecretStr`, or a source such as `Env` or `File`, to encrypt
            responses too. Without one only tokens are encrypted, with a key that is created beside the file (0600).

    Raises:
        ConfigError: `max_bytes` is below 64 KiB, the key is not a Fernet key, or `cryptography` is needed and not
            installed (extra `auth`).
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int = _MAX_BYTES, key: Any = None) -> None:
        self._path = Path(path).expanduser()
        self._max_bytes = bound_of("SQLiteStore", max_bytes)
        self._key = key
        self._sealing = FileStore(path, key=key) if key is not None else None

    def responses(self, room: int) -> SQLiteResponses:
        """Make the store of one client's responses; `room` is the bytes of memory while the file can't be used."""
        key = None if self._key is None else key_text("SQLiteStore", self._key)
        return SQLiteResponses(self._path, self._max_bytes, room, key)

    async def load(self, name: str) -> str | None:
        """Return the text that was saved under this name, or None.

        Raises:
            AuthError: The file can't be read, or was written with another key.
        """
        row = await self._ask(lambda base: base.execute("SELECT value FROM texts WHERE name = ?", (name,)).fetchone())
        if row is None:
            return None
        cipher = await asyncio.to_thread(self._tokens.cipher)
        with suppress(cryptography_of("SQLiteStore").InvalidToken, ValueError, TypeError):
            return str(cipher.decrypt(row[0]).decode())
        raise AuthError(
            f"a token in {self._path} was written with another key, or is damaged: give that key, or delete it"
        )

    async def save(self, name: str, text: str) -> None:
        """Save the text under this name.

        Raises:
            AuthError: The file can't be written.
        """
        cipher = await asyncio.to_thread(self._tokens.cipher)
        sealed = cipher.encrypt(text.encode())
        await self._ask(lambda base: base.execute("INSERT OR REPLACE INTO texts VALUES (?, ?)", (name, sealed)))

    async def delete(self, name: str) -> None:
        """Delete what was saved under this name, if anything.

        Raises:
            AuthError: The file can't be written.
        """
        await self._ask(lambda base: base.execute("DELETE FROM texts WHERE name = ?", (name,)))

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Lock a file beside it, so that one process at a time renews a token."""
        return self._tokens.lock()

    @property
    def _tokens(self) -> FileStore:
        """What seals and locks tokens, with its key and its lock beside the file."""
        if self._sealing is None:
            self._sealing = FileStore(self._path)
        return self._sealing

    async def _ask(self, question: Callable[[sqlite3.Connection], Any]) -> Any:
        """Open the file for one question, in a thread."""

        def ask() -> Any:
            with closing(open_file(self._path, busy=_BUSY)) as base:
                # a login is not to be lost with the power
                base.execute("PRAGMA synchronous = FULL")
                return question(base)

        try:
            return await asyncio.to_thread(ask)
        except NotOurs as error:
            raise AuthError(f"the token store: {error}") from None
        except (sqlite3.Error, OSError) as error:
            raise AuthError(f"the token store {self._path} can't be used: {reason(error)}") from None

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self._path)!r})"
