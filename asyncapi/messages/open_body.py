"""Open bodies: response bodies that are still on the wire, and what is released when they end.

Rules:
1. A call that wants its body streamed has a list in `call.open_bodies`. A transport that finds one leaves the body of a
   good response (2xx) open, adds it to the list, and returns the Response with it in `.open_body`. It reads any other
   body to its end, as always.
2. A layer that has taken something for the attempt (a place in a queue), or counts it (a call in flight), releases it
   when the body ends, and in one way only: `release_at_end(response, release)`.
3. Whoever opened the call closes every body of the list but that of the response it received, so that no retry, race
   or cancellation in between can lose one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.messages.response import Response
    from asyncapi.messages.upgrade import Socket

    Release = Callable[[BaseException | None], object]

NO_TRAILERS: Final[CIMultiDictProxy[str]] = CIMultiDictProxy(CIMultiDict())
"""The trailers of a response that has none."""


class OpenBody:
    """The bytes of a response as they arrive, and the releases that run when they end.

    Args:
        read: Returns the next decoded bytes, b"" at the end; raises a `TransportError` where the body breaks off.
            Cancelling it loses nothing: the next call continues.
        stop: Closes the connection, or returns it to the pool where the body was read to its end. It doesn't wait. None
            where there is no connection.

    Attributes:
        read: As above.
        closed: Whether the body has ended: read, closed or broken off.
        trailers: The fields after the body; the transport sets them before `read` returns b"".
        socket: The WebSocket that the connection has changed to (`asyncapi/messages/upgrade.py`), instead of `read`.
    """

    __slots__ = ("_releases", "_stop", "closed", "read", "socket", "trailers")

    def __init__(self, read: Callable[[], Awaitable[bytes]], stop: Callable[[], object] | None) -> None:
        self.read: Callable[[], Awaitable[bytes]] = read
        self._stop = stop
        self._releases: list[Release] = []
        self.closed: bool = False
        self.trailers: CIMultiDictProxy[str] = NO_TRAILERS
        self.socket: Socket | None = None

    def hold(self, release: Release) -> None:
        """Call `release` when the body closes, with the failure that closed it or None; at once if it is closed."""
        if self.closed:
            release(None)
        else:
            self._releases.append(release)

    def close(self, error: BaseException | None = None) -> None:
        """Let go of the connection, then run the releases in the order of `hold`. May be called twice.

        Args:
            error: The failure that ends the body; None where it was read to its end or the reader closed it.
        """
        if self.closed:
            return
        self.closed = True
        stop, releases = self._stop, self._releases
        self.read, self._stop, self._releases = _over, None, []  # break the cycle body -> release -> call -> body
        try:
            if stop is not None:
                stop()
        finally:
            for release in releases:
                release(error)


def release_at_end(response: Response | None, release: Release) -> None:
    """Call `release` when the response's body has ended: at once, if it was read already or there is no response.

    Args:
        response: The response of the attempt or call; None where it failed.
        release: Takes the failure that ended the body, or None.
    """
    body = None if response is None else response.open_body
    if body is None:
        release(None)
    else:
        body.hold(release)


async def _over() -> bytes:
    raise ConfigError("the stream is closed: read it inside its `async with` block, before its client is closed")
