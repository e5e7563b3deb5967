"""Keep what the Python engine knows of one stream: its windows, and whether its response may go on as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http2.events import FLOW_CONTROL_ERROR, ConnectionFault

if TYPE_CHECKING:
    from asyncapi.sansio.http2.responses import Section

_NO_BODY = frozenset({204, 304})  # RFC 9110 section 6.4.1


class Stream:
    """One open stream.

    Attributes:
        sending: The request's body has not ended.
        ended: The response has ended.
        begun: A head of the response has come, interim or final.
        headed: The final head has come.
        room: How many bytes we may send; may be negative (section 6.9.2).
        left: How many bytes the server may send.
        unread: How many bytes have been read, and are not yet given back.
    """

    begun: bool
    ended: bool
    headed: bool
    left: int
    room: int
    sending: bool
    unread: int

    __slots__ = ("_due", "_nobody", "begun", "ended", "headed", "left", "room", "sending", "unread")

    def __init__(self, method: str, room: int, left: int, *, sending: bool) -> None:
        self.sending = sending
        self.ended = self.begun = self.headed = False
        self.room = room
        self.left = left
        self.unread = 0
        self._due: int | None = None  # bytes of the body to come, where somebody said
        self._nobody = method == "HEAD"

    def head(self, head: Section, *, end: bool) -> str:
        """Take in a head, interim or final; return what is wrong, or ""."""
        self.begun = True
        if head.why:
            return head.why
        status = head.status
        if status < 200:  # noqa: PLR2004  # 1xx
            if not status:
                return "it has no :status"
            if end or status == 101 or head.length is not None:  # noqa: PLR2004  # section 8.6; RFC 9110 section 8.6
                return "an interim response is 101, has a Content-Length or ends the stream"
            return ""
        self.headed = True
        self._due = head.length
        if self._nobody or status in _NO_BODY:
            if status == 204 and head.length:  # noqa: PLR2004  # RFC 9110 section 8.6
                return "a response of status 204 has a Content-Length"
            self._due = 0
        return self.complete() if end else ""

    def take(self, size: int) -> None:
        """Take in that the server has sent so many bytes, padding included.

        Raises:
            ConnectionFault: They are more than the stream's window allows.
        """
        self.left -= size
        if self.left < 0:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "the server sends more than a stream's window allows")

    def data(self, size: int) -> str:
        """Take in a part of the body; return what is wrong, or ""."""
        if not self.headed:
            return "its body comes before its head"
        if self._due is not None:
            self._due -= size
            if self._due < 0:
                return "its body is longer than its head allows"
        return ""

    def trailers(self, trailers: Section, *, end: bool) -> str:
        """Take in a trailer section; return what is wrong, or ""."""
        if trailers.why:
            return trailers.why
        if trailers.status or not end or trailers.length is not None:
            return "its trailers have what only a head may have, or don't end it"  # section 8.1
        return self.complete()

    def complete(self) -> str:
        """Take in the end; return what is wrong, or ""."""
        return "its body is shorter than its Content-Length" if self._due else ""
