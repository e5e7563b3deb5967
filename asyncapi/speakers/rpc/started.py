"""Stand for calls of `grpc.aio` that stream: while their attempts are made, and while they are read.

An interceptor has to return at once where the user writes messages with `call.write()`: until it does, grpc.aio writes
none. So the attempts are made in a task, and `StartedUnary` and `StartedStream` pass everything on to the call that
comes of it. `OpenedStream` is what comes of a single request.

Whoever drops a call that is under way cancels it, as without interceptors: so the channel's call, which lives until its
end, must not hold what the user holds, not even by a callback.
"""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from grpc import StatusCode, aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from asyncapi.speakers.rpc.channel_attempt import RPC

_BEHIND = "messages are written to the call that the stub has returned"


class _Callbacks:
    """Calls back when the channel's call has ended, without being held by it."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Any], None]] = []

    def _watch(self, made: Any, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)
        if len(self._callbacks) == 1:
            made.add_done_callback(partial(_ended, weakref.ref(self)))


def _ended(ref: weakref.ref[_Callbacks], _: object) -> None:
    call = ref()
    if call is not None:
        callbacks, call._callbacks = call._callbacks, []  # noqa: SLF001 - a function of its class that does not hold it
        for callback in callbacks:
            callback(call)


class _Started(_Callbacks):
    """What both kinds have in common.

    Args:
        task: Makes the attempts.
        rpc: Whose attempts they are.
    """

    _done_writing_flag = False  # as grpc.aio asks a call that it has made itself

    def __init__(self, task: asyncio.Task[Any], rpc: RPC) -> None:
        super().__init__()
        self._task = task
        self._rpc = rpc
        task.add_done_callback(_seen)

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        if self._failed:
            return self._task.cancelled()
        return self._task.done() and bool(self._rpc.made.cancelled())

    def done(self) -> bool:
        """Whether it has ended."""
        return self._failed or (self._task.done() and bool(self._rpc.made.done()))

    def cancel(self) -> bool:
        """Cancel it, whatever it is doing."""
        self._rpc.cancel()
        if not self._task.done():
            return self._task.cancel()
        return not self._failed and bool(self._rpc.made.cancel())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` when it has ended."""

        def ended(_: object) -> None:
            if self.done():
                callback(self)
            else:
                self._watch(self._rpc.made, callback)

        if self._task.done():
            ended(None)
        else:
            self._task.add_done_callback(ended)

    def time_remaining(self) -> float | None:
        """Seconds until its deadline; None where there is none, or no attempt has been made."""
        made = self._rpc.made
        return None if made is None else made.time_remaining()

    async def initial_metadata(self) -> Any:
        """Wait for the metadata before the messages."""
        error = await self._error()
        return await self._rpc.made.initial_metadata() if error is None else error.initial_metadata()

    async def trailing_metadata(self) -> Any:
        """Wait for the metadata after the messages."""
        error = await self._error()
        return await self._rpc.made.trailing_metadata() if error is None else error.trailing_metadata()

    async def code(self) -> StatusCode:
        """Wait for the status."""
        error = await self._error()
        found: StatusCode = await self._rpc.made.code() if error is None else error.code()
        return found

    async def details(self) -> str | None:
        """Wait for the words beside the status."""
        error = await self._error()
        found: str | None = await self._rpc.made.details() if error is None else error.details()
        return found

    async def debug_error_string(self) -> str | None:
        """Wait for what grpc's core has to say."""
        error = await self._error()
        found: str | None = await self._rpc.made.debug_error_string() if error is None else error.debug_error_string()
        return found

    async def wait_for_connection(self) -> None:
        """Wait until an attempt has begun to get its response."""
        await self._error()

    async def write(self, request: Any) -> None:
        """Refuse: the call that the stub has returned writes."""
        raise NotImplementedError(_BEHIND)

    async def done_writing(self) -> None:
        """Refuse: the call that the stub has returned writes."""
        raise NotImplementedError(_BEHIND)

    @property
    def _failed(self) -> bool:
        """Whether there will be no call of the channel's."""
        return self._task.done() and (self._task.cancelled() or self._task.exception() is not None)

    async def _error(self) -> aio.AioRpcError | None:
        """Wait until the attempts are over: why there is no call."""
        await asyncio.wait({self._task})
        if self._task.cancelled():
            return aio.AioRpcError(StatusCode.CANCELLED, aio.Metadata(), aio.Metadata(), "cancelled by the caller")
        error = self._task.exception()
        if error is None or isinstance(error, aio.AioRpcError):
            return error
        raise error


class StartedUnary(_Started, aio.StreamUnaryCall):
    """A stream of requests with a single response."""

    def __await__(self) -> Generator[Any, None, Any]:
        call = yield from self._task.__await__()
        return (yield from call.__await__())


class StartedStream(_Started, aio.StreamStreamCall):
    """A stream of requests with a stream of responses."""

    def __init__(self, task: asyncio.Task[Any], rpc: RPC) -> None:
        super().__init__(task, rpc)
        self._messages: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._messages is None:
            self._messages = self._each()
        return self._messages

    async def read(self) -> Any:
        """Wait for the next message; `grpc.aio.EOF` at the end."""
        try:
            return await anext(aiter(self))
        except StopAsyncIteration:
            return aio.EOF

    async def _each(self) -> AsyncIterator[Any]:
        async for message in await self._task:
            yield message


class OpenedStream(_Callbacks, aio.UnaryStreamCall):
    """A stream of responses to a single request.

    Args:
        made: The channel's call.
        messages: What it gives.
    """

    def __init__(self, made: Any, messages: AsyncIterator[Any]) -> None:
        super().__init__()
        self._made = made
        self._messages = messages

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._messages

    async def read(self) -> Any:
        """Wait for the next message; `grpc.aio.EOF` at the end."""
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            return aio.EOF

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return bool(self._made.cancelled())

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self._made.done())

    def cancel(self) -> bool:
        """Cancel it."""
        return bool(self._made.cancel())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` when it has ended."""
        if self.done():
            callback(self)
        else:
            self._watch(self._made, callback)

    def time_remaining(self) -> float | None:
        """Seconds until its deadline; None where there is none."""
        left: float | None = self._made.time_remaining()
        return left

    async def initial_metadata(self) -> Any:
        """Wait for the metadata before the messages."""
        return await self._made.initial_metadata()

    async def trailing_metadata(self) -> Any:
        """Wait for the metadata after the messages."""
        return await self._made.trailing_metadata()

    async def code(self) -> StatusCode:
        """Wait for the status."""
        code: StatusCode = await self._made.code()
        return code

    async def details(self) -> str | None:
        """Wait for the words beside the status."""
        details: str | None = await self._made.details()
        return details

    async def debug_error_string(self) -> str | None:
        """Wait for what grpc's core has to say."""
        said: str | None = await self._made.debug_error_string()
        return said

    async def wait_for_connection(self) -> None:
        """Do nothing: the stream has begun."""

    def __del__(self) -> None:
        if not self._made.done():
            self._made.cancel()


def _seen(task: asyncio.Task[Any]) -> None:
    """Take in the error: whoever awaits the call gets it, if anybody does."""
    if not task.cancelled():
        task.exception()
