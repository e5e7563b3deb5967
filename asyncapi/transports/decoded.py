"""A body that came coded, decoded as it is read: in bounded steps, and to the end of its own stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncapi.errors import ProtocolError
from asyncapi.sansio.http.codings import CodingError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.sansio.http.codings import Coding

STEP = 256 * 1024  # decoded bytes
_STEPS = 16  # that are taken before others have their turn


class DecodedBody:
    """The decoded bytes of a body.

    Args:
        raw: Gives the next bytes as they came; b"" at their end.
        coding: What they are decoded with.
        framed: Whether the answer says where it ends: else nothing at all is a body that was cut off.
    """

    def __init__(self, raw: Callable[[], Awaitable[bytes]], coding: Coding, *, framed: bool) -> None:
        self._raw = raw
        self._coding = coding
        self._empty = framed  # whether it may still turn out to be empty
        self._steps = 0

    async def read(self) -> bytes:
        """The next decoded bytes; b"" at the end. Cancelling it loses nothing.

        Raises:
            ProtocolError: They can't be decoded, or the stream is not whole.
        """
        coding = self._coding
        while True:
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
