"""Send request bodies, the same for every transport: in pieces, and checked against their Content-Length.

A body comes from the caller's code and files. A failure there ends the call as a `ConfigError` that says what failed;
it is never retried, and never taken for a failure of the server.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.messages.request import Body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from asyncapi.messages.request import Request

LARGE = 64 * 1024  # bytes; a larger body is sent in pieces, so that the loop is never blocked and "send" has an end


async def pieces(request: Request) -> AsyncGenerator[bytes, None]:
    """Yield the body in pieces; at its end the phase becomes "headers".

    Raises:
        ConfigError: The body failed, is not bytes, or is not as long as its Content-Length says.
    """
    content = request.content
    unyielded = 0
    source = checked(content) if isinstance(content, Body) else _sliced(content)  # type: ignore[arg-type]
    try:
        async for piece in source:
            yield piece
            unyielded += len(piece)
            if unyielded >= LARGE:  # writing may never have to wait: let other tasks run, and notice a lost connection
                unyielded = 0
                await asyncio.sleep(0)
    finally:  # else the caller's generator would be ended by the loop, some time later
        await source.aclose()
    if request.call.phase == "send":
        request.call.phase = "headers"


async def _sliced(content: bytes) -> AsyncGenerator[bytes, None]:
    view = memoryview(content)
    for start in range(0, len(view), LARGE):
        yield bytes(view[start : start + LARGE])


async def checked(body: Body) -> AsyncGenerator[bytes, None]:
    """Yield a streamed body from its beginning, and check its length.

    Raises:
        ConfigError: As in `pieces`.
    """
    sent, source = 0, body.open()
    try:
        async for piece in source:
            data = _bytes(piece)
            sent += len(data)
            if body.length is not None and sent > body.length:
                break
            yield data
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"reading the request body failed: {type(error).__name__}: {error}") from error
    finally:
        if hasattr(source, "aclose"):
            await source.aclose()
    if body.length is not None and sent != body.length:
        least = "at least " if sent > body.length else ""
        raise ConfigError(
            f"the request body has {least}{sent:,} bytes, but Content-Length says {body.length:,}: did the file change?"
        )


def _bytes(piece: Any) -> bytes:
    # the common case at one comparison
    if type(piece) is bytes:
        return piece
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise ConfigError(f"the request body yields {type(piece).__name__}, not bytes: encode it, or open it with 'rb'")
    return bytes(piece)
