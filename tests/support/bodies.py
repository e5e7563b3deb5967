"""Scripted bodies of streamed responses, and the check that a client has let go of everything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi import Client


class Source:
    """Pieces with pauses; says how far it was read and whether it was closed."""

    def __init__(self, *pieces: bytes | float | BaseException) -> None:
        self.pieces = pieces
        self.given = 0
        self.closed = False

    async def __aiter__(self):
        try:
            for piece in self.pieces:
                if isinstance(piece, BaseException):
                    raise piece
                if isinstance(piece, bytes):
                    self.given += 1
                    yield piece
                else:
                    await asyncio.sleep(piece)
        finally:
            self.closed = True


def at_rest(api: Client, concurrency: int = 100) -> bool:
    parts = api._state
    assert len(parts.watchdog) == 0
    assert (api.stats.in_flight, parts.gate.free) == (0, concurrency)
    return True
