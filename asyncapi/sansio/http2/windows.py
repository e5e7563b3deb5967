"""Keep the windows of one connection, in both directions (RFC 9113 sections 5.2 and 6.9).

Room that has been read goes back to the server half a window at a time, so that few frames say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http2.events import FLOW_CONTROL_ERROR, ConnectionFault
from asyncapi.sansio.http2.frames import FIRST_WINDOW, LARGEST_WINDOW, WINDOW_UPDATE, grown, moved, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.http2.streams import Stream


class Windows:
    """The windows of a connection, and of streams when they open.

    Args:
        window: How many unread bytes the server may send on each stream.
        whole: How many on the connection, if more.
        out: Where frames wait to be written.

    Attributes:
        room: How many bytes we may send on the connection.
        first_room: How many we may send on a new stream.
        first_left: How many the server may send on a new stream. Our settings count once the server has acknowledged
            them; until then the larger window does (section 6.5.3).
        whole: How many unread bytes the server may send on the connection.
    """

    room: int
    first_room: int
    first_left: int
    whole: int

    def __init__(self, window: int, whole: int, out: list[bytes]) -> None:
        self.room = self.first_room = FIRST_WINDOW
        self.first_left = max(window, FIRST_WINDOW)
        self.whole = max(whole, self.first_left)
        self._window = window
        self._left = self.whole
        self._unread = 0
        self._out = out

    def receive(self, size: int) -> None:
        """Take in that the server has sent so many bytes.

        Raises:
            ConnectionFault: They are more than the connection's window allows.
        """
        self._left -= size
        if self._left < 0:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "the server sends more than the connection's window allows")

    def give_back(self, size: int) -> None:
        """Give room back to the connection."""
        self._unread += size
        if 2 * self._unread >= self.whole:
            self._left += self._unread
            self._out.append(number(WINDOW_UPDATE, 0, self._unread))
            self._unread = 0

    def give_back_to(self, stream: int, found: Stream, size: int) -> None:
        """Give room back to a stream."""
        found.unread += size
        if 2 * found.unread >= self._window:
            found.left += found.unread
            self._out.append(number(WINDOW_UPDATE, stream, found.unread))
            found.unread = 0

    def widen(self, more: int) -> None:
        """Take in a WINDOW_UPDATE for the connection."""
        self.room = grown(self.room, more)

    def begin_with(self, room: int, streams: Iterable[Stream]) -> None:
        """Take in the server's SETTINGS_INITIAL_WINDOW_SIZE, which moves open windows, too (section 6.9.2)."""
        if room > LARGEST_WINDOW:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "a setting makes the windows too large")
        more, self.first_room = room - self.first_room, room
        for found in streams:
            found.room = moved(found.room, more)

    def settle(self, streams: Iterable[Stream]) -> None:
        """Take in that the server keeps our settings from now on."""
        less, self.first_left = self.first_left - self._window, self._window
        for found in streams:
            found.left -= less
