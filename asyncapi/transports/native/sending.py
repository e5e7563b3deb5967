"""Send the body of a request, the same for every version of HTTP: as fast as it is taken, until a response comes.

Rules:
1. A response that is whole ends the upload: the server wants no more (RFC 9112 section 9.5). While its body comes, the
   upload goes on, and the body of a streamed call is handed out meanwhile: some servers send back what they receive,
   and read no more until that is taken.
2. A streamed body is the caller's code and may wait for anything: a task of its own reads it, so that an early response
   is noticed at once. So does a streamed call. A body in memory needs no task otherwise.
3. The wait for `100 Continue` ends after a second: many servers don't know `Expect` (RFC 9110 section 10.1.1). Where
   the final head comes instead, the body is not sent.
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


async def send(exchange: Exchange, write: Callable[[bytes], Awaitable[bool]], end: Callable[[], object]) -> None:
    """Send the body, and its end where all of it was taken.

    Args:
        exchange: The exchange; it gets the task that sends on after the head of a streamed response (rule 1).
        write: Writes a piece, waits while the way is full, and returns False where nobody takes more.
        end: Called in the turn in which the last piece was taken.

    Raises:
        ConfigError: The body failed, is not bytes, or is not as long as its Content-Length says.
    """
    request = exchange.request
    if not isinstance(request.content, Body) and request.call.open_bodies is None:
        await _send(exchange, write, end)
        return
    task = asyncio.ensure_future(_send(exchange, write, end))
    task.add_done_callback(_looked_at)
    going_on = False
    try:
        await asyncio.wait((task, exchange.waiter), return_when=asyncio.FIRST_COMPLETED)
        going_on = not exchange.ended
    finally:
        if not going_on and not task.done():  # rule 1, or the caller is cancelled
            task.cancel()
            await asyncio.wait((task,))
    if not task.done():
        exchange.send_on(task)
    elif not task.cancelled():
        task.result()


async def _send(exchange: Exchange, write: Callable[[bytes], Awaitable[bool]], end: Callable[[], object]) -> None:
    exchange.request.call.phase = "send"
    pieces = upload.pieces(exchange.request)
    try:
        async for piece in pieces:
            if exchange.ended or not await write(piece):
                return
    finally:
        await pieces.aclose()
    if not exchange.ended:
        end()


def _looked_at(task: asyncio.Task[None]) -> None:
    """Have asyncio know that a failure was seen: of a caller that is cancelled in the same turn, nobody asks for it."""
    if not task.cancelled():
        task.exception()


async def wait_to_proceed(proceed: asyncio.Future[None], exchange: Exchange) -> bool:
    """Wait for `100 Continue`, the final head, or long enough; returns whether the body is to be sent (rule 3)."""
    await asyncio.wait((proceed, exchange.waiter), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    return not exchange.headed
