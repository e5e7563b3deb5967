"""Lines out of bytes that come in pieces of any size: NDJSON (JSON Lines), logs, text.

A line ends with LF or CRLF; the last one may end with the body. Nothing is held but the line that is not whole yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import final_error

if TYPE_CHECKING:
    from asyncapi.errors import ProtocolError

MOST = 16 * 1024 * 1024  # bytes of one line or event, by default


class LineParser:
    """Bytes in, whole lines out, without their ends.

    Args:
        most: The longest line that is taken, in bytes.
    """

    __slots__ = ("_held", "_most", "_size")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held: list[bytes] = []  # the pieces of the line that is not whole yet
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`.

        Raises:
            ProtocolError: One is longer than it may be.
        """
        first, *rest = data.split(b"\n")
        self._held.append(first)
        self._size += len(first)
        if self._size > self._most or (rest and max(map(len, rest)) > self._most):
            raise too_long("line", self._most)
        if not rest:
            return []
        lines = [b"".join(self._held), *rest[:-1]]
        self._held, self._size = [rest[-1]], len(rest[-1])
        return [line[:-1] if line.endswith(b"\r") else line for line in lines]

    def end(self) -> list[bytes]:
        """The line that ended with the body, if there is one."""
        last = b"".join(self._held)
        self._held, self._size = [], 0
        return [last.removesuffix(b"\r")] if last else []


class ChunkParser:
    """Bytes in, chunks of the same size out; the last may be smaller.

    Args:
        size: Of a chunk, in bytes.
    """

    __slots__ = ("_held", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = bytearray()  # less than a chunk

    def feed(self, data: bytes) -> list[bytes]:
        """The chunks that are full."""
        held, size = self._held, self._size
        held += data
        if len(held) < size:
            return []
        full = len(held) - len(held) % size
        chunks = [bytes(held[at : at + size]) for at in range(0, full, size)]
        del held[:full]
        return chunks

    def end(self) -> list[bytes]:
        """What is left."""
        last = bytes(self._held)
        self._held.clear()
        return [last] if last else []


def too_long(what: str, most: int) -> ProtocolError:
    """The error of a line or an event that does not end."""
    return final_error(f"one {what} is longer than max_{what}={most:,} bytes: raise max_{what} if you expect that")
