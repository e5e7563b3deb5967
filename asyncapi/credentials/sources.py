"""Where the value of a credential comes from: text, an environment variable, a file, or a function.

    text, SecretStr      as it is
    Env("NAME")          read at every attempt
    File("/run/key")     read again when the file changes, as mounted secrets do
    a function           called at every attempt; may be async, and keeps its own cache

No value ever shows in a repr or a message.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from asyncapi.errors import AuthError, ConfigError

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
        self.name = name

    def now(self) -> str:
        """The value.

        Raises:
            AuthError: It is not set, or empty.
        """
        value = os.environ.get(self.name)
        if not value:
            state = "not set" if value is None else "empty"
            raise AuthError(f"the environment variable {self.name} is {state}: set it")
        return value

    async def fetch(self) -> str:
        """The same."""
        return self.now()

    def renewed(self, sent: str) -> bool:
        """Whether it is another one than was sent."""
        return self.now() != sent

    def __repr__(self) -> str:
        return f"Env({self.name!r})"


class File:
    """The content of a file without its last line break, read again when the file changes.

    While it is missing or empty, as in the middle of being replaced, the last value goes on.

    Args:
        path: Where it is.
    """

    __slots__ = ("_seen", "_value", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._seen: tuple[int, int, int] | None = None
        self._value = ""

    def now(self) -> str:
        """The value.

        Raises:
            AuthError: It can't be read and never could, or is empty.
        """
        why: str | None = ""
        try:
            stat = self.path.stat()
            seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if seen != self._seen:
                self._value = self.path.read_text(encoding="utf-8").rstrip("\r\n") or self._value
                self._seen = seen
        except OSError as error:
            why = error.strerror
        except UnicodeDecodeError:  # it holds the file's bytes: it must not be the context of what is raised
            why = "it is not UTF-8 text"
        if not self._value:
            raise AuthError(f"the credential file {self.path} " + (f"can't be read: {why}" if why else "is empty"))
        return self._value

    async def fetch(self) -> str:
        """The same."""
        return self.now()

    def renewed(self, sent: str) -> bool:
        """Whether it is another one than was sent; the file is read again to tell."""
        self._seen = None
        return self.now() != sent

    def __repr__(self) -> str:
        return f"File({str(self.path)!r})"


Value = str | SecretStr | Env | File | Callable[[], Given | Awaitable[Given]]


class Source(Protocol):
    """One of the four."""

    def now(self) -> str | None:
        """The value, or None where only `fetch` can tell."""
        ...

    async def fetch(self) -> str:
        """The value."""
        ...

    def renewed(self, sent: str) -> bool:
        """Whether asking again may give another value than was sent."""
        ...


class Constant:
    """Text that was given."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def now(self) -> str:
        """The text."""
        return self._value

    async def fetch(self) -> str:
        """The same."""
        return self._value

    def renewed(self, sent: str) -> bool:
        """Never."""
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
        given: Any = self._function()
        value = await given if inspect.isawaitable(given) else given
        value = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(value, str) or not value:
            raise AuthError(f"{self} gave {'empty text' if value == '' else type(value).__name__}, not a credential")
        return value

    def renewed(self, sent: str) -> bool:  # noqa: ARG002 - it is asked again: who knows
        return True

    def __repr__(self) -> str:
        return f"{getattr(self._function, '__qualname__', type(self._function).__name__)}()"


def source(value: Any, what: str) -> Source:
    """The source of a value; `what` names it in messages.

    Raises:
        ConfigError: It is empty, or none of the kinds above.
    """
    if isinstance(value, SecretStr):
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
    """The value, if it is text that has an encoding; `what` names it in messages.

    Raises:
        AuthError: It has half of a surrogate pair, as variables and files have that are not UTF-8. (Python's own error
            would hold the value.)
    """
    if not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
        raise AuthError(f"{what} is not text in UTF-8: it can't be sent")
    return value


PrincipalOf = Callable[[], Awaitable[str | None]]
"""Tells the user that a credential acts for now: a text that is another one for another user; None if it can't tell."""


def principal_of(*sources: Source) -> PrincipalOf | None:
    """The user by the values of these sources: a hash; None where they never change, and so there is one user."""
    if all(isinstance(one, Constant) for one in sources):
        return None

    async def told() -> str:
        return hashed(*[await one.fetch() for one in sources])

    return told


def hashed(*values: str) -> str:
    """What tells them apart and shows none."""
    return sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()
