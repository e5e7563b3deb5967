"""Bound what a server may ask of us, in both engines by the same figures (RFC 9113 section 10.5).

There is no clock here, so what is useful pays for what is not:

1. A connection begins with `spare` in hand, and never has more. Each frame costs one, but for DATA: a part of a body
   earns, an end is free, and an empty part costs one. What we send earns, too: it is what the server's frames are for.
2. PING and SETTINGS want an answer each: no more than `answers` wait to be written.
3. A head has at most `head` bytes, as section 6.5.2 counts them. Its frames together have no more, and it comes in at
   most one frame for each 16 KiB, and a few: an endless head is refused while it comes.
4. A head whose fields have up to `BOMB` times as many bytes is read, and its stream refused; a larger one breaks the
   connection, because HPACK's table can't be kept without reading all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from asyncapi.sansio.http2.events import ENHANCE_YOUR_CALM, ConnectionFault
from asyncapi.sansio.http2.frames import ACK, CONTINUATION, DATA, END_STREAM, HEADERS, LEAST_FRAME, PING, SETTINGS

BOMB = 4

_ANSWERED = frozenset({PING, SETTINGS})
_REQUEST = 10  # what a request earns: it is worth a few frames without data
PART = 4
_SPLITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server may ask of us on one connection.

    Attributes:
        head: Most bytes of a response's head or trailer section, 32 added for each field.
        spare: Most frames in a row that serve no request.
        answers: Most answers to PING and SETTINGS that wait to be written.
        settings: Most values in one SETTINGS frame.
    """

    head: int = 262_144
    spare: int = 2_000
    answers: int = 1_000
    settings: int = 32

    @property
    def continuations(self) -> int:
        """Most CONTINUATION frames of one head."""
        return self.head // LEAST_FRAME + _SPLITS


class Meter:
    """Count what a server asks of one connection.

    Attributes:
        earned: What has been earned since the last frame that cost something (rule 1). A part of a response's body
            earns `PART`; whoever reads frames adds it here, since most frames are such parts.
    """

    earned: int

    def __init__(self, limits: Limits) -> None:
        self.earned = 0
        self._most = self._spare = limits.spare
        self._head = limits.head
        self._parts = limits.continuations
        self._answers = limits.answers
        self._waiting = 0
        self._block = self._block_parts = 0

    def frame(self, kind: int, flags: int, size: int) -> None:
        """Count a frame that is no part of a body.

        Args:
            kind: Its type.
            flags: Its flags.
            size: The bytes of its payload.

        Raises:
            ConnectionFault: It is one too many.
        """
        if kind == HEADERS:
            self._block, self._block_parts = size, 0
        elif kind == CONTINUATION:
            self._continue(size)
            return
        elif kind == DATA and flags & END_STREAM:
            return
        spare = self._spare + self.earned
        self.earned = 0
        self._spare = spare = (spare if spare < self._most else self._most) - 1  # noqa: FURB136  # half as long as min
        if spare < 0:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "the server sends too many frames that serve no request")
        if kind != HEADERS and kind in _ANSWERED and not flags & ACK:
            self._waiting += 1
            if self._waiting > self._answers:
                raise ConnectionFault(
                    ENHANCE_YOUR_CALM, "the server sends PING or SETTINGS frames faster than answers go"
                )

    def _continue(self, size: int) -> None:
        self._block += size
        self._block_parts += 1
        if self._block > self._head or self._block_parts > self._parts:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "the headers of a response are much too large")

    def requested(self) -> None:
        """Count a request, or a ping of ours."""
        self.earned += _REQUEST

    def sent(self) -> None:
        """Count a part of a request's body."""
        self.earned += PART

    def written(self) -> None:
        """Take in that the answers have been written."""
        self._waiting = 0
