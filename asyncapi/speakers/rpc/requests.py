"""The messages of a call that takes a stream, on their way to the transport: from an iterator, or written one by one.

Rules:
1. One message waits at a time: whoever writes waits while the server doesn't take them.
2. Before the first message was taken, nothing is lost if the request is sent again; after that, only where the messages
   are a list, which can be read again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.messages.request import Body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Written:
    """Messages that are written one by one.

    Args:
        frame: Makes the bytes of one.

    Attributes:
        frame: As above.
        body: The request's body.
        closed: Whether no more messages will be written, or taken.
    """

    __slots__ = ("_frames", "_news", "_stopped", "_taken", "body", "closed", "frame")

    def __init__(self, frame: Callable[[Any], bytes]) -> None:
        self.frame: Callable[[Any], bytes] = frame
        self.body: Body = Body(self._open, length=None, rewindable=True)
        self.closed: bool = False
        self._stopped = False
        self._frames: deque[bytes] = deque()
        self._news: asyncio.Future[None] | None = None  # there while the transport waits for a message
        self._taken: asyncio.Future[None] | None = None  # there while a writer waits for the transport

    async def write(self, frame: bytes) -> bool:
        """Hand over a message, once those before it are taken (rule 1); returns False where nobody takes it."""
        if self.closed:
            return False
        self._frames.append(frame)
        _wake(self._news)
        while self._frames and not self.closed:
            if self._taken is None:
                self._taken = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._taken)
        return not self._frames

    def close(self) -> None:
        """End the stream: no more messages will be written."""
        self.closed = True
        _wake(self._news)

    def stop(self) -> None:
        """Take no more messages: the call has ended. What the server has got so far must not seem whole to it."""
        self.closed = self._stopped = True
        _wake(self._taken)
        self._taken = None

    async def _open(self) -> AsyncIterator[bytes]:
        while True:
            while self._frames:
                self.body.rewindable = False  # rule 2
                frame = self._frames.popleft()
                _wake(self._taken)
                self._taken = None
                yield frame
            if self.closed and not self._stopped:
                return
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None


def body_of(messages: Any, frame: Callable[[Any], bytes]) -> Body:
    """Make the body of the messages of an iterable, or an async one.

    Args:
        messages: The caller's.
        frame: Makes the bytes of one.

    Raises:
        ConfigError: It can't be iterated over.
    """
    if not isinstance(messages, AsyncIterable | Iterable) or isinstance(messages, str | bytes | dict):
        raise ConfigError(
            f"a call that takes a stream of messages takes an iterable of them, or an async one, not "
            f"{type(messages).__name__}"
        )
    again = isinstance(messages, Iterable) and iter(messages) is not messages

    async def opened() -> AsyncIterator[bytes]:
        body.rewindable = again  # rule 2
        if isinstance(messages, AsyncIterable):
            async for message in messages:
                yield frame(message)
        else:
            for message in messages:
                yield frame(message)

    body = Body(opened, length=None, rewindable=True)
    return body


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
