"""RPCs that stream, as grpc.aio's calls are used: `async for`, `read`, `write`, `done_writing`.

Rules:
1. A message is read from the connection when it is asked for: a slow reader slows the server down, and a slow server
   the writer.
2. The time that a message may take is `Timeout.read`, while somebody waits for it; `timeout=` of the call and a
   `deadline()` scope bound the whole.
3. The server may end the call at any time: what it has sent before is read first, and what is written then is refused.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from asyncapi.errors import AsyncAPIError, ConfigError, RequestTimeout, RPCError
from asyncapi.layers import deadline
from asyncapi.messages.code import Code
from asyncapi.speakers.rpc.call import RPC, received
from asyncapi.speakers.rpc.failures import ended, no_more, of_call, unreadable
from asyncapi.streaming.response import StreamedResponse
from asyncapi.streaming.stream import opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.rpc.protocol import Messages
    from asyncapi.speakers.rpc.requests import Written
    from asyncapi.speakers.rpc.site import Site


class _End:
    """What `read()` returns at the end; false, and equal to grpc.aio's."""

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return other is self or other is _theirs()

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "EOF"


EOF: Final = _End()


def _theirs() -> Any:
    return getattr(sys.modules.get("grpc.aio"), "EOF", EOF)


class _Streaming(RPC):
    """The base of calls that stream: they run in a task that does not hold them.

    Args:
        site: The method that is called.
        request: The request of the call.
        written: Where its messages are written to; None where they come from elsewhere.
        timeout: The call's own limits.
    """

    def __init__(self, site: Site, request: Request, written: Written | None, timeout: Any) -> None:
        super().__init__(site, request)
        self._written = written
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._carry()(request))
        self._task.add_done_callback(_arrival(weakref.ref(self)))

    def _carry(self) -> Callable[[Request], Any]:
        raise NotImplementedError

    def _take(self, task: asyncio.Task[Response]) -> None:
        """Take in what the task has come to."""
        raise NotImplementedError

    def _settled(self) -> None:
        if self._written is not None:
            self._written.stop()

    def _settle(self, *args: Any) -> None:
        super()._settle(*args)
        self._settled()

    def _stop(self) -> None:
        self._task.cancel()
        self._fail(asyncio.CancelledError())

    def __del__(self) -> None:  # rule 3 of `call`
        if self._ending is None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_let_go, self._task, getattr(self, "_streamed", None))

    # --- writing -----------------------------------------------------------------------------------------------------

    async def write(self, message: Any) -> None:
        """Send a message; waits while the server doesn't take what was sent before.

        Raises:
            RPCError: The call has ended.
            ConfigError: The messages of this call come from an iterator, or `done_writing` was called.
        """
        written = self._writable()
        frame = written.frame(message)
        try:
            taken = await self._bounded(written.write(frame), "send", read=None)
        except asyncio.CancelledError:
            self.cancel()
            raise
        if not taken:
            self._refuse()

    async def done_writing(self) -> None:
        """Say that no more messages will be written; may be called twice."""
        if self._written is None:
            raise ConfigError("done_writing(): the messages of this call come from the iterator that it was given")
        self._written.close()

    def _writable(self) -> Written:
        if self._written is None:
            raise ConfigError("write(): the messages of this call come from the iterator that it was given")
        if self._ending is not None:
            self._refuse()
        if self._written.closed:
            raise ConfigError("write() after done_writing()")
        return self._written

    def _refuse(self) -> NoReturn:
        """Say why a message is not taken (rule 3)."""
        if self._error is not None:
            raise self._error
        raise no_more(self._site.method, Code.OK if self._ending is None else self._ending.code)

    async def _bounded(self, work: Awaitable[Any], phase: Any, *, read: float | None) -> Any:
        """Wait for something, within the call's time (rule 2).

        Raises:
            RPCError: Time ran out, and the call has ended with that.
        """
        line = self._site.line
        now, due = line.clock.now(), self._request.deadline
        why = f"the deadline passed during {phase}"
        scope = deadline.current.get()
        if scope is not None and (due is None or scope < due):
            due = scope
        if read is not None and (due is None or now + read < due):
            due, why = now + read, f"no message came for {read:g} s (Timeout.read)"
        if due is None:
            return await work
        guard = line.settings.watchdog.enter(due)
        try:
            return await work
        except asyncio.CancelledError:
            if not guard.fired():
                raise
            late = RequestTimeout(why, phase=phase, request=self._request)
            late.held_by = "deadline" if why.startswith("the deadline") else None
            self._task.cancel()
            raise self._fail(late) from None
        finally:
            line.settings.watchdog.leave(guard)


def _arrival(ref: weakref.ref[_Streaming]) -> Callable[[asyncio.Task[Response]], None]:
    def arrived(task: asyncio.Task[Response]) -> None:
        call = ref()
        if call is not None and not call.done():
            call._take(task)  # noqa: SLF001 - a function of its class that does not hold it
        elif not task.cancelled() and task.exception() is None:
            _close(task.result())

    return arrived


def _close(response: Response) -> None:
    if response.open_body is not None:
        response.open_body.close()


def _let_go(task: asyncio.Task[Response], streamed: StreamedResponse | None) -> None:
    task.cancel()
    if streamed is not None:
        streamed.close()


class StreamUnaryCall(_Streaming):
    """A call that takes a stream of messages and returns one: `await` it for the message."""

    _reply: Any = None

    def _carry(self) -> Callable[[Request], Any]:
        return self._site.line.carry

    def _take(self, task: asyncio.Task[Response]) -> None:
        try:
            self._reply, self._initial, ending = received(self._site, task.result())
        except BaseException as error:  # whoever awaits the call gets it
            self._fail(error)
        else:
            self._settle(ending)

    def __await__(self) -> Any:
        return self._result().__await__()

    async def _result(self) -> Any:
        try:
            await self._bounded(self._ended(), "headers", read=None)
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self._error is not None:
            raise self._error
        return self._reply


class _Reading(_Streaming):
    """The base of calls that return a stream."""

    _streamed: StreamedResponse | None = None
    _messages: Messages
    _read_by = False  # whether somebody waits for a message

    def __init__(self, site: Site, request: Request, written: Written | None, timeout: Any) -> None:
        super().__init__(site, request, written, timeout)
        self._ready: deque[bytes] = deque()
        self._limits = site.line.settings.limits(timeout)

    def _carry(self) -> Callable[[Request], Any]:
        carry = self._site.line.carry
        return lambda request: opened(carry, request)

    def _take(self, task: asyncio.Task[Response]) -> None:
        try:
            response = task.result()
        except BaseException as error:  # whoever reads gets it
            self._fail(error)
            return
        try:
            self._messages = self._site.protocol.messages(response, self._site.method)
        except RPCError as error:
            _close(response)
            self._fail(of_call(error, response, self._site.line))
            return
        self._response = response
        self._streamed = StreamedResponse(response, self._limits, self._request.deadline)
        self._pieces = self._streamed.bytes()
        self._head(self._messages.initial)

    def _stop(self) -> None:
        self._ready.clear()
        super()._stop()
        if self._streamed is not None:
            self._streamed.close()

    def _settled(self) -> None:
        super()._settled()
        if self._streamed is not None:
            self._streamed.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        message = await self._next()
        if message is None:
            raise StopAsyncIteration
        return self._made(message)

    async def read(self) -> Any:
        """Return the next message; at the end of the stream `EOF`, which is false.

        Raises:
            RPCError: The call has failed.
        """
        message = await self._next()
        return _theirs() if message is None else self._made(message)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()

    def _made(self, message: bytes) -> Any:
        try:
            return self._site.read(message)
        except Exception as error:
            shown = of_call(unreadable("message", error), self._response, self._site.line)
            self._task.cancel()
            self._fail(shown)
            raise shown from error

    async def _next(self) -> bytes | None:
        if self._read_by:
            raise ConfigError("two tasks read one call: let one of them read it, and share what it reads")
        ready = self._ready
        while not ready:
            if self._ending is not None:
                if self._error is not None:
                    raise self._error
                return None
            self._read_by = True
            try:
                if self._streamed is None:
                    await self._bounded(self._change(), "headers", read=self._limits.read)
                else:
                    await self._piece()
            except asyncio.CancelledError:
                self.cancel()  # rule 2 of `call`
                raise
            finally:
                self._read_by = False
        return ready.popleft()

    async def _piece(self) -> None:
        """Read a piece of the body, or its end."""
        streamed = self._streamed
        assert streamed is not None  # noqa: S101 - the caller looks
        try:
            piece = await anext(self._pieces, b"")
            if piece:
                self._ready.extend(self._messages.feed(piece))
                return
            ending = self._messages.end(streamed.trailers.items())
        except RPCError as error:
            self._fail(of_call(error, self._response, self._site.line))
            return
        except AsyncAPIError as error:
            self._fail(error)
            return
        if ending.code is Code.OK:
            self._settle(ending)
        else:
            self._settle(ending, ended(ending, self._response, self._site.line))


class UnaryStreamCall(_Reading):
    """A call that takes one message and returns a stream: `async for` over it, or `read()`."""


class StreamStreamCall(_Reading):
    """A call that takes and returns a stream: `write`, `done_writing`; `async for` over it, or `read()`."""
