"""Store tokens between calls, or between runs of a program.

    MemoryStore     as long as the process lives
    FileStore       one encrypted file (Fernet), readable by its owner alone (0600), replaced atomically
    KeyringStore    the system's keyring (extra `keyring`)
    SQLiteStore     a SQLite file, each token encrypted; also for responses (sqlite.py)
    RedisStore      a Redis server, encrypted, for a fleet; also for responses (extra `redis`; redis_tokens.py)

1. Whoever renews a token holds the store's lock and reads the store first: of two processes that share a file, one
   renews the token, the other takes the new one. Without that, a server that rotates refresh tokens would end the
   session of one of them.
2. The contents are secrets: nothing of them is ever logged or put into a message.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

try:
    import fcntl
except ImportError:  # Windows has no flock: its processes do not wait for each other
    fcntl = None  # type: ignore[assignment]

_POLL = 0.05  # seconds between two looks at a lock that another process holds


class TokenStore(Protocol):
    """Save text by name: four methods, for stores of your own too."""

    async def load(self, name: str) -> str | None:
        """Return the text that was saved under this name, or None."""
        ...

    async def save(self, name: str, text: str) -> None:
        """Save the text under this name, in place of what was there."""
        ...

    async def delete(self, name: str) -> None:
        """Delete what was saved under this name, if anything."""
        ...

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Lock the store against other processes, while a token is renewed (rule 1)."""
        ...


@asynccontextmanager
async def _no_lock() -> AsyncIterator[None]:
    yield


class MemoryStore:
    """Store tokens as long as the process lives."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    async def load(self, name: str) -> str | None:
        """Return the text that was saved under this name, or None."""
        return self._texts.get(name)

    async def save(self, name: str, text: str) -> None:
        """Save the text under this name."""
        self._texts[name] = text

    async def delete(self, name: str) -> None:
        """Delete what was saved under this name, if anything."""
        self._texts.pop(name, None)

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Do nothing: no other process shares this store."""
        return _no_lock()

    def __repr__(self) -> str:
        return "MemoryStore()"


class FileStore:
    """Store tokens in one encrypted file, for its owner alone.

        FileStore("~/.config/tool/tokens", key=Env("TOOL_TOKEN_KEY"))

    Args:
        path: The file; its folder is created if need be.
        key: A Fernet key (`FileStore.new_key()`), as text, `SecretStr`, or a source such as `Env` or `File`. Without
            one, a key file is created beside it (0600): it protects the file when it is copied alone, as in a backup.

    Raises:
        ConfigError: `cryptography` is not installed (extra `auth`), or the key is not a Fernet key.
    """

    def __init__(self, path: str | os.PathLike[str], *, key: Any = None) -> None:
        self._path = Path(path).expanduser()
        self._key = key
        self._fernet: Any = None
        cryptography_of("FileStore")
        if hasattr(key, "get_secret_value"):  # pydantic's SecretStr
            key = key.get_secret_value()
        if isinstance(key, str):
            self._fernet = fernet_of("FileStore", key)

    @staticmethod
    def new_key() -> str:
        """Make a random key."""
        return str(cryptography_of("FileStore").Fernet.generate_key().decode())

    async def load(self, name: str) -> str | None:
        """Return the text that was saved under this name, or None.

        Raises:
            AuthError: The file can't be read, or was written with another key.
        """
        return (await asyncio.to_thread(self._read)).get(name)

    async def save(self, name: str, text: str) -> None:
        """Save the text under this name.

        Raises:
            AuthError: The file can't be written.
        """
        await asyncio.to_thread(self._change, lambda texts: texts.__setitem__(name, text))

    async def delete(self, name: str) -> None:
        """Delete what was saved under this name, if anything."""
        await asyncio.to_thread(self._change, lambda texts: texts.pop(name, None))

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Lock a file beside it, so that one process at a time renews a token."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise AuthError(f"the token file {self._path} can't be locked: {error.strerror}") from None
        try:
            # The lock ends with the process that holds it, however it ends.
            while not _locked(handle):  # noqa: ASYNC110 - another process holds it
                await asyncio.sleep(_POLL)
            yield
        finally:
            os.close(handle)

    def cipher(self) -> Any:
        """Return what seals the contents; reads the key, and creates one where there is none.

        Raises:
            AuthError: The key can't be read or created.
        """
        if self._fernet is None:
            self._fernet = fernet_of("FileStore", self._own_key() if self._key is None else self._key.now())
        return self._fernet

    def _own_key(self) -> str:
        path = Path(f"{self._path}.key")
        try:
            with suppress(FileNotFoundError):
                return path.read_text(encoding="latin-1").strip()
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{path.name}.")  # 0600
            with os.fdopen(handle, "w") as file:
                file.write(self.new_key())
            # A link fails if the file exists, where a rename would replace it: the first process' key counts.
            with suppress(FileExistsError):
                os.link(name, path)
            Path(name).unlink()
            return path.read_text(encoding="latin-1").strip()
        except OSError as error:
            raise AuthError(f"the key file {path} can't be read or created: {error.strerror}") from None

    def _read(self) -> dict[str, str]:
        try:
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise AuthError(f"the token file {self._path} can't be read: {error.strerror}") from None
        cipher = self.cipher()
        with suppress(cryptography_of("FileStore").InvalidToken, ValueError, TypeError, RecursionError):
            return dict(json.loads(cipher.decrypt(sealed)))
        raise AuthError(  # outside of the `with`: a parser's own error holds the decrypted text (rule 2)
            f"the token file {self._path} was written with another key, or is damaged: give that key, or delete it"
        )

    def _change(self, change: Callable[[dict[str, str]], object]) -> None:
        texts = self._read()
        change(texts)
        sealed = self.cipher().encrypt(json.dumps(texts).encode())
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # 0600
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(sealed)
                    # On the disk before the rename: after a power failure the file is the old one or the new one.
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise AuthError(f"the token file {self._path} can't be written: {error.strerror}") from None

    def __repr__(self) -> str:
        return f"FileStore({str(self._path)!r})"


class KeyringStore:
    """Store tokens in the system's keyring (macOS Keychain, Secret Service, Windows Credential Locker).

    Args:
        service: The name under which the keyring lists them.

    Raises:
        ConfigError: `keyring` is not installed (extra `keyring`).
    """

    def __init__(self, service: str) -> None:
        try:
            self._keyring: Any = import_module("keyring")
        except ImportError:
            raise ConfigError("KeyringStore needs keyring: pip install 'asyncapi-sdk[keyring]'") from None
        self._service = service

    async def load(self, name: str) -> str | None:
        """Return the text that was saved under this name, or None.

        Raises:
            AuthError: There is no keyring, or it is locked.
        """
        return await self._ask("read", self._keyring.get_password, name)  # type: ignore[no-any-return]

    async def save(self, name: str, text: str) -> None:
        """Save the text under this name.

        Raises:
            AuthError: There is no keyring, or it is locked.
        """
        await self._ask("written", self._keyring.set_password, name, text)

    async def delete(self, name: str) -> None:
        """Delete what was saved under this name, if anything."""
        if await self.load(name) is not None:
            await self._ask("written", self._keyring.delete_password, name)

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Do nothing: keyrings have no locks."""
        return _no_lock()

    async def _ask(self, what: str, function: Callable[..., Any], *args: str) -> Any:
        try:
            return await asyncio.to_thread(function, self._service, *args)
        except self._keyring.errors.KeyringError as error:
            raise AuthError(f"the system's keyring can't be {what}: {type(error).__name__}") from None

    def __repr__(self) -> str:
        return f"KeyringStore({self._service!r})"


def _locked(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def cryptography_of(who: str) -> Any:
    """Return cryptography's module of Fernet.

    Raises:
        ConfigError: It is not installed; the message names `who` needs it.
    """
    try:
        return import_module("cryptography.fernet")
    except ImportError:
        raise ConfigError(f"{who} needs cryptography: pip install 'asyncapi-sdk[auth]'") from None


def fernet_of(who: str, key: str) -> Any:
    """Return the cipher of a Fernet key.

    Raises:
        ConfigError: It is no such key; the message does not show it.
    """
    with suppress(ValueError):
        return cryptography_of(who).Fernet(key)
    raise ConfigError(f"{who}: the key is not a Fernet key: make one with FileStore.new_key()")


def key_text(who: str, key: Any) -> str:
    """Return a Fernet key as text, from text, a `SecretStr` or a source.

    Raises:
        ConfigError: It is no such key; the message does not show it.
    """
    if hasattr(key, "get_secret_value"):  # pydantic's SecretStr
        key = key.get_secret_value()
    text = key.now() if hasattr(key, "now") else key
    fernet_of(who, text)
    return str(text)
