"""Define the face of an HTTP/2 engine, and choose one of the two.

`pure` is written in Python, over `hpack`; `ngh2` is libnghttp2, which takes a fifth of the time. Both give the same
events for the same bytes.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, Protocol

from asyncapi.errors import ConfigError
from asyncapi.sansio.http2.events import CANCEL, NO_ERROR
from asyncapi.sansio.http2.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.sansio.http2.events import Event, Fault

Name = Literal["auto", "ngh2", "pure"]


class Engine(Protocol):
    """The client's side of one HTTP/2 connection: bytes in, events out; no sockets, no clock.

    After each call, bytes to write may wait in `outgoing`.

    Attributes:
        going: No new stream may be opened: the server has sent GOAWAY, or the connection is closed or broken.
        last: The highest stream that the server says it may have worked on; 2**31 - 1 until a GOAWAY says less.
        fault: What broke the connection, or None.
    """

    going: bool
    last: int
    fault: Fault | None

    @property
    def limit(self) -> int:
        """The most streams that the server allows at once; 100 until it has said so."""

    @property
    def streams(self) -> int:
        """How many streams are open."""

    @property
    def free(self) -> int:
        """How many streams may be opened now."""

    def open(self) -> None:
        """Begin the connection: the preface, the settings, and the window of the connection (section 3.4)."""

    def request(
        self, method: str, scheme: str, authority: str, path: str, fields: Iterable[tuple[str, str]], *, end: bool
    ) -> int:
        """Open a stream and write the head of a request on it.

        Args:
            method: The method.
            scheme: "https" or "http".
            authority: The host, with its port unless that is the scheme's own.
            path: Path and query as they go on the wire.
            fields: The header lines. Names are made lower case; what belongs to HTTP/1.1's connections alone is left
                out (section 8.2.2), and so is Host, which `authority` replaces. Give a tuple: one that comes again
                costs nothing.
            end: The request has no body.

        Returns:
            The stream's identifier.

        Raises:
            ValueError: A name or value can't stand in a header.
            RuntimeError: `free` is 0.
        """

    def send(self, stream: int, data: bytes | memoryview, *, end: bool) -> int:
        """Send a part of the body, as much as the windows allow.

        Args:
            stream: The stream's identifier.
            data: The bytes; b"" to say only that the body has ended.
            end: The body ends with these bytes: it ends if all of them are taken.

        Returns:
            How many bytes were taken; 0 for a stream that is no longer open. If fewer than given, a `Window` event
            says when to go on.
        """

    def reset(self, stream: int, code: int = CANCEL) -> None:
        """Give a stream up: nothing more is said about it. A stream that isn't open is left alone."""

    def acknowledge(self, stream: int, size: int) -> None:
        """Give back the room of body bytes that have been read: the server may send as many again."""

    def ping(self, payload: bytes) -> None:
        """Ask for a `Pong` with these eight bytes."""

    def close(self, code: int = NO_ERROR) -> None:
        """Say that no more streams will be opened (GOAWAY); open ones go on if the code is NO_ERROR."""

    def receive(self, data: bytes) -> list[Event]:
        """Take in what the server has sent.

        Args:
            data: The bytes, cut anywhere.

        Returns:
            What they say. A `Fault` is the last event of all.
        """

    def outgoing(self) -> bytes:
        """Take out what is to be written now."""


def engine(name: Name = "auto", *, window: int, whole: int = 0, limits: Limits | None = None) -> Engine:
    """Make an engine for a new connection.

    Args:
        name: "ngh2", "pure", or "auto" for ngh2 where it is installed.
        window: How many unread bytes the server may send on each stream.
        whole: How many on the connection as a whole, if more.
        limits: What a server may ask of us; by default `Limits()`.

    Raises:
        ConfigError: What the engine needs isn't installed.
    """
    limits = limits or Limits()
    if name == "ngh2" or (name == "auto" and find_spec("ngh2") is not None):
        try:
            from asyncapi.sansio.http2.ngh2_engine import Ngh2Engine  # noqa: PLC0415  # optional
        except ImportError:
            raise ConfigError("the engine ngh2 isn't installed: pip install 'asyncapi-sdk[http2]'") from None
        return Ngh2Engine(window=window, whole=whole, limits=limits)
    if find_spec("hpack") is None:
        raise ConfigError("HTTP/2 needs ngh2 or hpack: pip install 'asyncapi-sdk[http2]'")
    from asyncapi.sansio.http2.pure import PureEngine  # noqa: PLC0415  # optional

    return PureEngine(window=window, whole=whole, limits=limits)
