"""A body that waits to be asked for (`Expect: 100-continue`) waits for a while, then goes.

Many servers know nothing of it, and a client is not to wait for ever (RFC 9110 section 10.1.1). aiohttp does (seen in
3.14.5).
"""

from __future__ import annotations

import asyncio
from typing import Any

PATIENCE = 1.0  # seconds; curl's


async def hurried(request: Any, handler: Any) -> Any:
    """Carry a request of aiohttp's: a middleware of its sessions."""
    asked: asyncio.Future[bool] | None = request._continue  # noqa: SLF001 - there is no other way to it
    send = request.send

    async def timed(connection: Any) -> Any:
        """Send the head: from here on it waits."""
        if asked is not None:
            timer = asyncio.get_running_loop().call_later(PATIENCE, _go, asked)
            asked.add_done_callback(lambda _: timer.cancel())
        return await send(connection)

    request.send = timed
    return await handler(request)


def _go(asked: asyncio.Future[bool]) -> None:
    if not asked.done():
        asked.set_result(True)
