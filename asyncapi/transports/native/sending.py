"""Send the body of a request, the same for every version of HTTP: as fast as it is taken, until a response comes.

Rules:
1. A response that comes early ends the upload: the server wants no more (RFC 9112 section 9.5).
2. A streamed body is the caller's code and may wait for anything: a task of its own reads it, so that an early response
   is noticed at once. A body in memory needs no task.
3. The wait for `100 Continue` ends after a second: many servers don't know `Expect` (RFC 9110 section 10.1.1).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncapi.messages.request import Body
from asyncapi.transports import upload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.transports.native.exchange import Exchange

PATIENCE = 1.0  # seconds; curl's


async def send(exchange: Exchange, write: Callable[[bytes], Awaitable[bool]]) -> bool:
    """Send the body; returns whether all of it was taken.

    Args:
        exchange: The exchange; its waiter is done as soon as the response is there, or a failure.
        write: Writes a piece, waits while the way is full, and returns False where nobody takes more.

    Raises:
        ConfigError: The body failed, is not bytes, or is not as long as its Content-Length says.
    """
    if not isinstance(exchange.request.content, Body):
        return await _send(exchange, write)
    task = asyncio.ensure_future(_send(exchange, write))
    try:
        await asyncio.wait((task, exchange.waiter), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():  # rule 1, or the caller is cancelled
            task.cancel()
            await asyncio.wait((task,))
    return not task.cancelled() and task.result()


async def _send(exchange: Exchange, write: Callable[[bytes], Awaitable[bool]]) -> bool:
    exchange.request.call.phase = "send"
    pieces = upload.pieces(exchange.request)
    try:
        async for piece in pieces:
            if exchange.waiter.done() or not await write(piece):
                return False
    finally:
        await pieces.aclose()
    return not exchange.waiter.done()


async def wait_to_proceed(proceed: asyncio.Future[None], exchange: Exchange) -> None:
    """Wait for `100 Continue`, the final response, or long enough (rule 3)."""
    await asyncio.wait((proceed, exchange.waiter), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
