"""Read server-sent events from bytes that come in pieces of any size (WHATWG HTML, section 9.2.6).

A line ends with LF, CR or CRLF; a byte order mark before the first one is skipped. A field is `name: value`:

    data    a line of the event's data; several are joined by LF
    event   its type
    id      what a reconnecting client sends back as Last-Event-ID; stays until the next id, ignored with a NUL in it
    retry   milliseconds to wait before a reconnection; ignored unless all digits, ten at the most

An id may hold control characters, which no header may (RFC 9110 section 5.5): such an id is read, and not sent back.

A line that begins with a colon is a comment, other names are ignored. An empty line ends the event; without data there
is none. What the end of the body cuts off is no event either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from asyncapi.messages import decoding
from asyncapi.sansio.http.ndjson import MOST, too_long

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")

_LINE_END = re.compile(rb"\r\n|\n|\r")
_NEVER_SENT = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BOM = b"\xef\xbb\xbf"
_LONGEST_WAIT = 10  # digits of a retry: more are a mistake


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: Its data as text.
        event: Its type, "message" where the server names none.
        id: The id of the last event that had one, "" before the first.
        retry: Seconds to wait before a reconnection, where the server said so within this event.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: float | None = None

    def json(self) -> Any:
        """The data as plain data.

        Raises:
            DecodeError: It is not JSON.
        """
        return decoding.json(self.data.encode(), "text/event-stream")

    def parse(self, model: TypeForm[T]) -> T:
        """The data, which is JSON, as any pydantic type.

        Raises:
            DecodeError: It is not JSON.
            SchemaError: It is JSON, but does not fit.
        """
        return decoding.parse(model, self.data.encode(), "text/event-stream")


def sendable(last_id: str) -> bool:
    """Whether the id of an event may be sent in a `Last-Event-ID` header (RFC 9110 section 5.5)."""
    return _NEVER_SENT.search(last_id) is None


class EventParser:
    """Parse bytes into events.

    Args:
        max_bytes: The longest event that is accepted, in bytes; a longer line is refused too.
        last_id: The last event's id before the first event.
        bare: Whether an event that has a type, but no data, is one too, as servers of GraphQL end with it.

    Attributes:
        last_id: The id to resume from.
        retry: Seconds to wait before a reconnection, as the server last said, or None.
    """

    __slots__ = (
        "_after_cr", "_bare", "_data", "_event", "_first", "_id", "_max_bytes", "_pieces", "_retry", "_size", "last_id",
        "retry",
    )  # fmt: skip

    last_id: str

    def __init__(self, max_bytes: int = MOST, last_id: str = "", *, bare: bool = False) -> None:
        self.last_id = self._id = last_id
        self.retry: float | None = None
        self._max_bytes = max_bytes
        self._bare = bare
        self._pieces: list[bytes] = []  # of the line that is not whole yet
        self._size = 0  # bytes of the event so far
        self._after_cr = False  # whether a LF now belongs to the line before it
        self._first = True
        self._data: list[str] = []
        self._event = ""
        self._retry: float | None = None

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that end in `data`.

        Raises:
            ProtocolError: An event is longer than allowed.
        """
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        *lines, rest = _LINE_END.split(data)
        events = []
        for piece in lines:
            self._count(piece)
            self._pieces.append(piece)
            line, self._pieces = b"".join(self._pieces), []
            if self._first:
                self._first, line = False, line.removeprefix(_BOM)
            if line:
                self._field(line)
            elif (event := self._dispatch()) is not None:
                events.append(event)
        if rest:
            self._count(rest)
            self._pieces.append(rest)
        return events

    def end(self) -> list[ServerSentEvent]:
        """Return nothing: what has not ended is no event."""
        return []

    def _count(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise too_long("event", self._max_bytes)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        elif name == b"id":
            if "\0" not in text:
                self._id = text
        elif name == b"retry":
            if text.isascii() and text.isdecimal() and len(digits := text.lstrip("0")) <= _LONGEST_WAIT:
                self.retry = self._retry = int(digits or "0") / 1000
        elif not name:  # a comment: no part of the event
            self._size -= len(line)

    def _dispatch(self) -> ServerSentEvent | None:
        """The event that an empty line ends, if it has data."""
        self.last_id = self._id
        data, event, retry = self._data, self._event, self._retry
        self._data, self._event, self._retry, self._size = [], "", None, 0
        if not data and not (self._bare and event):
            return None
        return ServerSentEvent("\n".join(data), event or "message", self.last_id, retry)
