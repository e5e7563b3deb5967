"""Limit the wait for `100 Continue`: a request with `Expect: 100-continue` sends its body after a while all the same.

Many servers don't know the header, and a client must not wait forever (RFC 9110 section 10.1.1). aiohttp does (seen in
3.14.5).
"""

from __future__ import annotations

import asyncio
from typing import Any

PATIENCE = 1.0  # seconds; curl's


async def hurried(request: Any, handler: Any) -> Any:
    """Send a request of aiohttp's: a middleware of its sessions."""
    continued: asyncio.Future[bool] | None = request._continue  # noqa: SLF001 - there is no other way to it
    send = request.send

    async def timed(connection: Any) -> Any:
        """Send the head, and start the timer."""
        if continued is not None:
            timer = asyncio.get_running_loop().call_later(PATIENCE, _go, continued)
            continued.add_done_callback(lambda _: timer.cancel())
        return await send(connection)

    request.send = timed
    return await handler(request)


def _go(continued: asyncio.Future[bool]) -> None:
    if not continued.done():
        continued.set_result(True)
