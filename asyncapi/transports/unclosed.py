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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

log: logging.Logger = logging.getLogger("asyncapi")


def watch_over(owner: object, session: aiohttp.ClientSession, origin: str) -> weakref.finalize[..., object]:
    """Warn once `owner` is gone while its session is open.

    Args:
        owner: What closes the session; the session must hold no reference to it.
        session: The session that it has opened.
        origin: Where its first call goes, by which the warning names it.

    Returns:
        finalize: To be detached when the session is closed.
    """
    return weakref.finalize(owner, _left_open, session, origin, os.getpid())


def warn(what: str, source: object = None) -> None:
    """Log and warn that a client was never closed.

    Args:
        what: The client, and how to close it.
        source: The object whose allocation `-X tracemalloc` shows.
    """
    log.warning(what)
    warnings.warn(what, ResourceWarning, stacklevel=3, source=source)


def _left_open(session: aiohttp.ClientSession, origin: str, process: int) -> None:
    if session.closed:
        return
    loop, connector = session._loop, session.connector  # noqa: SLF001 - the loop that its connections live in
    session.detach()  # rule 2: it is closed now, and says nothing
    if os.getpid() != process:
        if connector is not None:
            connector._closed = True  # noqa: SLF001 - rule 4: else aiohttp's finalizer would close them
        return
    if connector is not None and not connector.closed:
        close = connector._close  # noqa: SLF001 - as aiohttp's own finalizer: `close()` wants to be awaited
        if loop.is_running() and loop is not _running():
            loop.call_soon_threadsafe(close)  # collected in another thread
        else:
            close()
    warn(
        f"unclosed Client (its first call went to {origin}): "
        "use `async with Client(...) as api:`, or `await api.aclose()` at the end of its life",
        session,
    )


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
