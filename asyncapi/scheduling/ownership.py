"""Hold an object to one process and one event loop: not copied, not pickled, and not used after a fork.

Sockets are shared by a fork: two processes that write to one connection get each other's responses. So an object that
holds connections or tasks says at once what to do instead.
"""

from __future__ import annotations

import asyncio
import os
from typing import NoReturn

from asyncapi.errors import ConfigError

_forks = 0


class Home:
    """The process and the event loop of a client: the loop is the one of its first call.

    Attributes:
        closed: Whether the client is closed.
    """

    __slots__ = ("_forks", "_loop", "closed")

    def __init__(self) -> None:
        self._forks = _forks
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed: bool = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether this process was forked since the client was made."""
        return self._forks != _forks

    @property
    def state(self) -> str:
        """How the client is, for its repr."""
        return "closed" if self.closed else "not opened yet" if self._loop is None else "open"

    def enter(self) -> None:
        """Check that a call may begin here.

        Raises:
            ConfigError: The client is closed, or belongs to another loop or process.
        """
        if self._forks != _forks:  # before the loop is looked up: a child that is still inside one seems to have none
            raise ConfigError(
                "this client was made before a fork, and its connections are the parent's: "
                "make one in each process, after the fork"
            )
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self.closed:
            self._settle(loop)

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.closed:
            raise ConfigError("this client is closed: make a new Client (its connections are gone)")
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigError(
                "this client belongs to another event loop (its connections live there): "
                "make one Client per loop, inside it; asyncio.run() starts a new loop each time"
            )


def _count() -> None:
    global _forks  # noqa: PLW0603 - of the process, as forks are
    _forks += 1


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_count)


def refuse_copy(self: object, protocol: object = None) -> NoReturn:  # noqa: ARG001 - as `__reduce_ex__` is called
    """Refuse to be copied or pickled: an object's `__reduce_ex__`, which `copy`, `pickle` and `multiprocessing` call.

    Raises:
        ConfigError: Always.
    """
    raise ConfigError(
        f"{_named(self)} cannot be copied or pickled: it holds connections and tasks of one process and event loop; "
        "give a worker the settings instead, and make a new Client there"
    )


def _named(what: object) -> str:
    kind = type(what)
    return f"{kind.__module__}.{kind.__qualname__}"
