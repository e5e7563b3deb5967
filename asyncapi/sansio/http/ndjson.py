"""Read lines from bytes that come in pieces of any size: NDJSON (JSON Lines), logs, text.

A line ends with LF or CRLF; the last one may end with the body. Only the line that is not whole yet is buffered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import final_error

if TYPE_CHECKING:
    from asyncapi.errors import ProtocolError

MOST = 16 * 1024 * 1024  # bytes of one line or event, by default


class LineParser:
    """Parse bytes into whole lines, without their ends.

    Args:
        max_bytes: The longest line that is accepted.
    """

    __slots__ = ("_max_bytes", "_pieces", "_size")

    def __init__(self, max_bytes: int = MOST) -> None:
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []  # of the line that is not whole yet
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`.

        Raises:
            ProtocolError: A line is longer than allowed.
        """
        first, *rest = data.split(b"\n")
        self._pieces.append(first)
        self._size += len(first)
        if self._size > self._max_bytes or (rest and max(map(len, rest)) > self._max_bytes):
            raise too_long("line", self._max_bytes)
        if not rest:
            return []
        lines = [b"".join(self._pieces), *rest[:-1]]
        self._pieces, self._size = [rest[-1]], len(rest[-1])
        return [line[:-1] if line.endswith(b"\r") else line for line in lines]

    def end(self) -> list[bytes]:
        """The line that ended with the body, if there is one."""
        last = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return [last.removesuffix(b"\r")] if last else []


class ChunkParser:
    """Parse bytes into chunks of the same size; the last may be smaller.

    Args:
        size: Of a chunk, in bytes.
    """

    __slots__ = ("_rest", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._rest = bytearray()  # less than a chunk

    def feed(self, data: bytes) -> list[bytes]:
        """The chunks that are full."""
        rest, size = self._rest, self._size
        rest += data
        if len(rest) < size:
            return []
        full = len(rest) - len(rest) % size
        chunks = [bytes(rest[at : at + size]) for at in range(0, full, size)]
        del rest[:full]
        return chunks

    def end(self) -> list[bytes]:
        """The last chunk, if there is one."""
        last = bytes(self._rest)
        self._rest.clear()
        return [last] if last else []


def too_long(what: str, max_bytes: int) -> ProtocolError:
    """The error of a line or an event that does not end."""
    return final_error(f"one {what} is longer than max_{what}={max_bytes:,} bytes: raise max_{what} if you expect that")
