"""Read the value of a credential from its source: text, an environment variable, a file, or a function.

    text, SecretStr      as it is
    Env("NAME")          read at every attempt
    File("/run/key")     read again when the file changes, as mounted secrets do
    a function           called at every attempt; may be async; should cache what is slow

No value ever shows in a repr or a message.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from pydantic import SecretStr

    Given = str | SecretStr


class Env:
    """The value of an environment variable, read at every attempt.

    Args:
        name: The variable's name.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        if not name:
            raise ConfigError("Env(''): give the name of an environment variable")
        self.name: str = name

    def now(self) -> str:
        """Return the variable's value.

        Raises:
            AuthError: The variable is not set, or empty.
        """
        value = os.environ.get(self.name)
        if not value:
            state = "not set" if value is None else "empty"
            raise AuthError(f"the environment variable {self.name} is {state}: set it")
        return value

    async def fetch(self) -> str:
        """Return the value, as `now` does."""
        return self.now()

    def renewed(self, sent: str) -> bool:
        """Whether the variable's value differs from what was sent."""
        return self.now() != sent

    def __repr__(self) -> str:
        return f"Env({self.name!r})"


class File:
    """The content of a file without its last line break, read again when the file changes.

    While the file is missing or empty, as in the middle of being replaced, its last content is used.

    Args:
        path: The file's path.
    """

    __slots__ = ("_seen", "_value", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self._seen: tuple[int, int, int] | None = None
        self._value = ""

    def now(self) -> str:
        """Return the file's content.

        Raises:
            AuthError: The file is empty or can't be read, and has had no content yet.
        """
        why: str | None = ""
        try:
            # Size and inode too: a mounted secret is swapped by its link, maybe within the resolution of the time.
            stat = self.path.stat()
            seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if seen != self._seen:
                self._value = self.path.read_text(encoding="utf-8").rstrip("\r\n") or self._value
                self._seen = seen
        except OSError as error:
            why = error.strerror
        except UnicodeDecodeError:  # raised below, outside: this error holds the file's bytes
            why = "it is not UTF-8 text"
        if not self._value:
            raise AuthError(f"the credential file {self.path} " + (f"can't be read: {why}" if why else "is empty"))
        return self._value

    async def fetch(self) -> str:
        """Return the value, as `now` does."""
        return self.now()

    def renewed(self, sent: str) -> bool:
        """Whether the content differs from what was sent."""
        self._seen = None  # read again: a file may change without a new time, size or inode
        return self.now() != sent

    def __repr__(self) -> str:
        return f"File({str(self.path)!r})"


if TYPE_CHECKING:
    Value = str | SecretStr | Env | File | Callable[[], Given | Awaitable[Given]]


class Source(Protocol):
    """Where a value comes from."""

    def now(self) -> str | None:
        """Return the value, or None if only `fetch` can get it."""
        ...

    async def fetch(self) -> str:
        """Return the value, waiting for it if need be."""
        ...

    def renewed(self, sent: str) -> bool:
        """Whether reading the source again may give another value than was sent."""
        ...


class Constant:
    """A value that never changes."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def now(self) -> str:
        """Return the text."""
        return self._value

    async def fetch(self) -> str:
        """Return the value, as `now` does."""
        return self._value

    def renewed(self, sent: str) -> bool:
        """Whether the text differs from what was sent: never."""
        return sent != self._value

    def __repr__(self) -> str:
        return "***"


class _Called:
    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], Given | Awaitable[Given]]) -> None:
        self._function = function

    def now(self) -> None:
        return None

    async def fetch(self) -> str:
        value: Any = self._function()
        value = await value if inspect.isawaitable(value) else value
        value = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        if not isinstance(value, str) or not value:
            found = "empty text" if value == "" else type(value).__name__
            raise AuthError(f"{self} returned {found}, not a credential")
        return value

    def renewed(self, sent: str) -> bool:  # noqa: ARG002 - only calling it again can tell
        return True

    def __repr__(self) -> str:
        return f"{getattr(self._function, '__qualname__', type(self._function).__name__)}()"


def source(value: Any, what: str) -> Source:
    """Return the source of a value; `what` names the value in messages.

    Raises:
        ConfigError: The value is empty, or of no kind listed above.
    """
    if hasattr(value, "get_secret_value"):  # pydantic's SecretStr
        value = value.get_secret_value()
    if isinstance(value, str):
        if not value:
            raise ConfigError(f"{what} is empty: give text, Env('NAME'), File('path') or a function")
        return Constant(value)
    if isinstance(value, Env | File):
        return value
    if callable(value):
        return _Called(value)
    raise ConfigError(f"{what} is {type(value).__name__}: give text, Env('NAME'), File('path') or a function")


def sendable(value: str, what: str) -> str:
    """Return the value if it can be encoded; `what` names it in messages.

    Raises:
        AuthError: The value has half of a surrogate pair, as variables that are not UTF-8 have. (Python's own error
            would hold the value.)
    """
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise AuthError(f"{what} is not UTF-8 text and can't be sent")
    return value


PrincipalOf = Callable[[], Awaitable[str | None]]
"""Returns a text that identifies the user that a credential acts for now; None if that is unknown."""


def principal_of(*sources: Source) -> PrincipalOf | None:
    """Return a function that identifies the user by the values of sources; None if they never change: one user."""
    if all(isinstance(each, Constant) for each in sources):
        return None

    async def principal() -> str:
        return hashed(*[await each.fetch() for each in sources])

    return principal


def account_of(*parts: object) -> str:
    """Hash the constants of a credential, which tell its only user from those of other credentials."""
    return hashed(*(each.now() if isinstance(each, Constant) else repr(each) for each in parts))


def hashed(*values: str) -> str:
    """Hash values: equal for equal values, without showing any."""
    return sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()
