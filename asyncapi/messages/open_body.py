"""A body that is still on the wire: what a transport leaves open for a streamed call, and layers hold things for.

A call that wants its body streamed has a list in `call.open_bodies`. A transport that sees one leaves the body of a
good response (2xx) open, puts it into the list, and returns the Response with it in `.open_body`; any other body is
read as always. A layer that has taken something for the attempt (a place), or counts it (a call in flight), gives it
back when the body closes: `body.hold(give_back)`. Whoever opened the call closes every body of the list but the one it
was given, so that no retry, race or cancellation in between can lose one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Release = Callable[[BaseException | None], object]


class OpenBody:
    """The bytes of an answer as they come, and what is given back at their end.

    Args:
        read: Gives the next decoded bytes, b"" at the end; a `TransportError` where they break off. Cancelling it loses
            nothing: the next call goes on.
        stop: Closes the connection, or gives it back where the body has been read to its end. Waits for nothing.

    Attributes:
        read: As above.
        closed: Whether it has come to its end, one way or the other.
    """

    __slots__ = ("_held", "_stop", "closed", "read")

    def __init__(self, read: Callable[[], Awaitable[bytes]], stop: Callable[[], object]) -> None:
        self.read = read
        self._stop: Callable[[], object] | None = stop
        self._held: list[Release] = []
        self.closed = False

    def hold(self, release: Release) -> None:
        """Call `release` when it closes, with the failure that has closed it or None; at once if it is closed."""
        if self.closed:
            release(None)
        else:
            self._held.append(release)

    def close(self, error: BaseException | None = None) -> None:
        """Let go of the connection, then of all that is held, in the order of `hold`. May be called twice.

        Args:
            error: What it ends by, if not by its own end or by the reader's wish.
        """
        if self.closed:
            return
        self.closed = True
        stop, held = self._stop, self._held
        self.read, self._stop, self._held = _over, None, []  # which hold the call, which holds this
        try:
            if stop is not None:
                stop()
        finally:
            for release in held:
                release(error)


async def _over() -> bytes:
    raise ConfigError("the stream is closed: read it inside its `async with` block, before its client is closed")
