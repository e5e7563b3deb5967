"""Decode a coded body while it is read: in bounded steps, and to the end of the coded stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncapi.errors import ProtocolError
from asyncapi.sansio.http.codings import CodingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.sansio.http.codings import Coding

STEP = 256 * 1024  # decoded bytes
_STEPS = 16  # steps before other tasks get a turn


class DecodedBody:
    """The decoded bytes of a body.

    Args:
        raw: Returns the next coded bytes; b"" at their end.
        coding: Decodes them.
        framed: Whether the response says where its body ends; if not, an empty body is one that was cut off.
    """

    def __init__(self, raw: Callable[[], Awaitable[bytes]], coding: Coding, *, framed: bool) -> None:
        self._raw = raw
        self._coding = coding
        self._empty = framed  # whether the body may still turn out to be empty
        self._steps = 0

    async def read(self) -> bytes:
        """Return the next decoded bytes; b"" at the end. Cancelling it loses nothing.

        Raises:
            ProtocolError: The bytes can't be decoded, or the coded stream is incomplete.
        """
        coding = self._coding
        while True:
            # a body that decodes in many small steps must not block the loop
            if self._steps == _STEPS:
                self._steps = 0
                await asyncio.sleep(0)
            self._steps += 1
            data = b""
            if not coding.pending:
                data = await self._raw()
                if not data:
                    self._end()
                    return b""
                self._empty = True
            try:
                piece = coding.step(data, STEP)
            except CodingError as error:
                failed = _undecodable(error)
            else:
                if piece:
                    return piece
                continue
            raise failed

    def _end(self) -> None:
        failed: CodingError | None = None if self._empty else CodingError("it ends before it began")
        try:
            self._coding.end()
        except CodingError as error:
            failed = error
        if failed is not None:
            raise _undecodable(failed)


def _undecodable(error: CodingError) -> ProtocolError:
    failed = ProtocolError(f"the body can't be decoded: {error}")
    failed.final = error.final
    return failed
