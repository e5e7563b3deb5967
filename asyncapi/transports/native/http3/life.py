"""Decide whether the server at the other end of a UDP path is still there; all times are passed in.

Rules:
1. A path may fall silent without a word. While requests are under way, and something of ours needs a reply (a request,
   a part of its body, a PING: RFC 9000 section 13.2.1), a server that says nothing for `SILENCE` seconds is lost; on a
   slow path, for `ROUND_TRIPS` times as long as its handshake took.
2. After `QUIET` seconds without a datagram, the server is asked for a sign of life: a slow response is no silence.
3. A connection that carries nothing is not asked. It is closed after the seconds that idle connections are kept.
"""

from __future__ import annotations

from enum import Enum

SILENCE = 3.0
ROUND_TRIPS = 6
QUIET = 10.0


class Verdict(Enum):
    """What is to be done about a connection."""

    NOTHING = "nothing"
    ASK = "ask"  # for a sign of life
    LOST = "lost"  # give it up
    IDLE = "idle"  # close it


class Life:
    """The life of one connection.

    Args:
        now: The time at which its handshake begins.
        keepalive: Seconds an idle connection is kept.

    Attributes:
        heard: When the last datagram came.
        patience: Seconds that something may go without a reply.
        silent: Whether a request was given up for which nothing had come: others need not try this connection.
    """

    heard: float

    __slots__ = ("_asked", "_began", "_idle_since", "_keepalive", "heard", "patience", "silent")

    def __init__(self, now: float, keepalive: float) -> None:
        self._began = self._idle_since = self.heard = now
        self._keepalive = keepalive
        self._asked: float | None = None  # when something was sent that needs a reply, and has none yet
        self.patience: float = SILENCE
        self.silent: bool = False

    def opened(self, now: float) -> None:
        """Take in that the handshake is done."""
        self.patience = max(SILENCE, ROUND_TRIPS * (now - self._began))
        self._idle_since = now

    def hears(self, now: float) -> None:
        """Take in that a datagram has come."""
        self.heard, self._asked, self.silent = now, None, False

    def asks(self, now: float) -> bool:
        """Take in that something is sent that needs a reply; returns False where another one is waited for already."""
        if self._asked is not None:
            return False
        self._asked = now
        return True

    def idles(self, now: float) -> None:
        """Take in that nothing is under way any more."""
        self._idle_since, self._asked = now, None

    def gives_up(self, began: float, now: float) -> None:
        """Take in that a request is given up which began then; one that had little time says nothing."""
        if began > self.heard and now - began > self.patience / 4:
            self.silent = True

    def due(self, *, busy: bool) -> float:
        """Return when to ask for the verdict."""
        if not busy:
            return self._idle_since + self._keepalive
        return self.heard + QUIET if self._asked is None else self._asked + self.patience

    def verdict(self, now: float, *, busy: bool) -> Verdict:
        """Decide what is to be done now."""
        if now < self.due(busy=busy):
            return Verdict.NOTHING
        if not busy:
            return Verdict.IDLE
        return Verdict.ASK if self._asked is None else Verdict.LOST
