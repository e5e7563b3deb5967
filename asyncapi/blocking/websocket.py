"""Speak WebSocket without `await`: what `client.websocket` of `asyncapi.blocking` returns.

    with api.websocket("/feed", model=Trade | Quote, on_open=subscribe) as ws:
        for message in ws: ...

Rules:
1. The connection is in the client's thread, and so are its heartbeats. Messages are taken on demand: a slow loop slows
   the server down.
2. One thread receives at a time; any number may send and close.
3. `on_open` is a plain function. It runs in a thread of its own, since the client's must not wait. What it does with
   the socket runs in the task that connects, so it may receive, too.
4. A socket ends with its block, and with its client.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, Self, TypeVar

from asyncapi.errors import ConfigError
from asyncapi.scheduling.ownership import refuse_copy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from asyncapi.speakers import websocket

T = TypeVar("T")
R = TypeVar("R")

_END: Any = object()


class _Loop(Protocol):
    """Where the coroutines of a socket run: the client's `Portal`, or an `on_open` (rule 3)."""

    @property
    def running(self) -> bool: ...

    def call(self, work: Callable[[], Awaitable[R]], /) -> R: ...


class WebSocket(Generic[T]):
    """A WebSocket: `with` it, then iterate over it, or `receive()` and `send()`; as `asyncapi.WebSocket`."""

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(self, loop: _Loop, socket: websocket.WebSocket[T]) -> None:
        self._loop = loop
        self._socket = socket

    @property
    def subprotocol(self) -> str | None:
        """The one that the server has chosen, or None."""
        return self._socket.subprotocol

    @property
    def close_code(self) -> int | None:
        """The code of the last close; None before the first."""
        return self._socket.close_code

    @property
    def reconnects(self) -> int:
        """How often it has been connected again."""
        return self._socket.reconnects

    def __enter__(self) -> Self:
        self._loop.call(self._socket.__aenter__)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._loop.running:
            self._loop.call(partial(self._socket.__aexit__, kind, error, tb))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """Return the next message; errors as in `asyncapi.WebSocket`."""
        message = self._loop.call(partial(_next, self._socket))
        if message is _END:
            raise StopIteration
        return message  # type: ignore[no-any-return]

    def receive(self) -> T:
        """Return the next message, as `asyncapi.WebSocket.receive`."""
        return self._loop.call(self._socket.receive)

    def send(self, message: Any) -> None:
        """Send text, bytes, or a model or plain data as JSON text; as `asyncapi.WebSocket.send`."""
        self._loop.call(partial(self._socket.send, message))

    def send_json(self, data: Any) -> None:
        """Send anything as JSON text, text included; as `send`."""
        self._loop.call(partial(self._socket.send_json, data))

    def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message; as `send`."""
        self._loop.call(partial(self._socket.send_bytes, data))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket, two seconds at the most; as `asyncapi.WebSocket.close`. May be called from any thread."""
        if self._loop.running:
            self._loop.call(partial(self._socket.close, code, reason))

    def __repr__(self) -> str:
        return f"<blocking.{repr(self._socket).removeprefix('<')}"


async def _next(socket: websocket.WebSocket[Any]) -> Any:
    return await anext(socket, _END)


def opening(function: Any) -> Any:
    """Make the `on_open` of an async socket from one that doesn't await (rule 3).

    Args:
        function: A plain function of a `WebSocket`; None for none.

    Raises:
        ConfigError: It is a coroutine function.
    """
    if function is None or not callable(function):  # what is no function, the socket itself refuses
        return function
    if inspect.iscoroutinefunction(function):
        raise ConfigError("on_open: give a plain function; in asyncapi.blocking the socket is used without await")

    async def on_open(socket: websocket.WebSocket[Any]) -> None:
        await _Opening(socket, function).run()

    return on_open


class _Opening:
    """Runs an `on_open` in a thread, and what it asks of the socket here."""

    def __init__(self, socket: websocket.WebSocket[Any], function: Callable[[WebSocket[Any]], object]) -> None:
        self._socket = socket
        self._function = function
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Queue[tuple[Callable[[], Awaitable[Any]] | None, Future[Any]]] = asyncio.Queue()
        self._lock = threading.Lock()
        self.running: bool = True

    async def run(self) -> None:
        """Wait for the function, and do meanwhile what it asks for. Cancelled, it leaves the thread to its end."""
        threading.Thread(target=self._live, name="asyncapi-on-open", daemon=True).start()
        outcome: Future[Any] | None = None
        try:
            while True:
                work, outcome = await self._asked.get()
                if work is None:
                    outcome.result()  # raises what the function has raised
                    return
                try:
                    result = await work()
                except Exception as error:
                    outcome.set_exception(error)
                else:
                    outcome.set_result(result)
        finally:
            with self._lock:
                self.running = False
            if outcome is not None and not outcome.done():
                outcome.set_exception(CancelledError())
            while not self._asked.empty():
                self._asked.get_nowait()[1].cancel()

    def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """Have a coroutine run in the task that connects, and wait for it; called in the function's thread."""
        outcome: Future[R] = Future()
        self._put(work, outcome)
        return outcome.result()

    def _put(self, work: Callable[[], Awaitable[Any]] | None, outcome: Future[Any]) -> None:
        with self._lock:
            if not self.running:
                raise ConfigError("on_open is over: use the socket of the `with` block")
            self._loop.call_soon_threadsafe(self._asked.put_nowait, (work, outcome))

    def _live(self) -> None:
        end: Future[Any] = Future()
        try:
            self._function(WebSocket(self, self._socket))
        except BaseException as error:
            end.set_exception(error)
        else:
            end.set_result(None)
        try:
            self._put(None, end)
        except (ConfigError, RuntimeError):  # nobody waits for it any more, or the loop has ended
            return
