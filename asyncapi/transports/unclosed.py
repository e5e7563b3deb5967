"""Warn of a client that nobody closed, and close its connections: when it is collected, or when the program ends.

1. Only a session that was opened here, and never closed, is worth a warning; a shared one is its owner's to close.
2. One warning a client, in our words: aiohttp's own ("Unclosed client session", "Unclosed connector") stay away.
3. The log has it too, because Python shows no ResourceWarning unless it is asked to (`-X dev`, `-W default`).
4. A forked process warns of nothing and closes nothing: the connections are its parent's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
import weakref
from typing import Protocol

log: logging.Logger = logging.getLogger("asyncapi")


class Connections(Protocol):
    """What a transport has opened.

    Attributes:
        loop: The loop that the connections live in.
    """

    loop: asyncio.AbstractEventLoop

    @property
    def closed(self) -> bool:
        """Whether they are closed."""

    def close(self) -> None:
        """Close them, in their loop or where it no longer runs; it doesn't wait."""

    def abandon(self) -> None:
        """Leave them to the parent process: nothing may be closed here (rule 4)."""


def watch_over(owner: object, connections: Connections, origin: str) -> weakref.finalize[..., object]:
    """Warn once `owner` is gone while its connections are open.

    Args:
        owner: What closes the connections; they must hold no reference to it.
        connections: What it has opened.
        origin: Where its first call goes, by which the warning names it.

    Returns:
        finalize: To be detached when the session is closed.
    """
    return weakref.finalize(owner, _left_open, connections, origin, os.getpid())


def warn(what: str, source: object = None) -> None:
    """Log and warn that a client was never closed.

    Args:
        what: The client, and how to close it.
        source: The object whose allocation `-X tracemalloc` shows.
    """
    log.warning(what)
    warnings.warn(what, ResourceWarning, stacklevel=3, source=source)


def _left_open(connections: Connections, origin: str, process: int) -> None:
    if connections.closed:
        return
    if os.getpid() != process:
        connections.abandon()
        return
    loop = connections.loop
    if loop.is_running() and loop is not _running():
        loop.call_soon_threadsafe(connections.close)  # collected in another thread
    else:
        connections.close()
    warn(
        f"unclosed Client (its first call went to {origin}): "
        "use `async with Client(...) as api:`, or `await api.aclose()` at the end of its life",
        connections,
    )


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
