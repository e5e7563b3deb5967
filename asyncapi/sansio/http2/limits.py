"""Bound what a server may ask of us, in both engines by the same figures.

There is no clock here, so what is useful pays for what is not:

1. A connection begins with `spare` frames that serve no request: SETTINGS, WINDOW_UPDATE, PRIORITY and unknown frames,
   DATA that is empty, frames for streams that have ended, and interim responses. Each costs one.
2. What serves a request earns `_EARNED` back, up to `spare`: a request, a part of a body in either direction, a final
   response, and each ping of ours.
3. PING and SETTINGS want an answer each: no more than `answers` wait to be written (RFC 9113 section 10.5).
4. A head has at most `head` bytes, as section 6.5.2 counts them. Its frames together have no more, and it comes in at
   most one frame for each 16 KiB, plus `_SPLITS`: an endless head is refused while it comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from asyncapi.sansio.http2.events import ENHANCE_YOUR_CALM, ConnectionFault

_EARNED = 4
_SPLITS = 8
_FRAME = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server may ask of us on one connection.

    Attributes:
        head: Most bytes of a response's head or trailer section, 32 added for each field.
        spare: Most frames that serve no request.
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
        return self.head // _FRAME + _SPLITS


class Meter:
    """Count what a server asks of one connection (rules 1 to 3)."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._spare = limits.spare
        self._answers = 0

    def earn(self) -> None:
        """Count what serves a request."""
        self._spare = min(self.limits.spare, self._spare + _EARNED)

    def spend(self) -> None:
        """Count a frame that serves none.

        Raises:
            ConnectionFault: There were too many.
        """
        self._spare -= 1
        if self._spare < 0:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "the server sent too many frames that serve no request")

    def answer(self) -> None:
        """Count a frame that is to be answered.

        Raises:
            ConnectionFault: Too many answers wait to be written.
        """
        self._answers += 1
        if self._answers > self.limits.answers:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "the server sent more PING or SETTINGS frames than we can answer")

    def written(self) -> None:
        """Take in that the answers have been written."""
        self._answers = 0
