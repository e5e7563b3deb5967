"""One RPC under way, as grpc.aio's calls are used: how it ends, and what the server says before and after the messages.

Rules:
1. A call begins in the turn of the loop in which it is made, or in the next; nobody has to await it.
2. Whoever is cancelled while waiting for a call has cancelled the call: the server sees it at once (RST_STREAM).
3. A call that nobody holds any more is cancelled, unless it is a unary one, which ends by its deadline.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncapi.errors import AsyncAPIError, RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.metadata import NONE, Metadata
from asyncapi.sansio.rpc.protocol import Ending
from asyncapi.speakers.rpc.failures import cancelled, ended, failed, of_call, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.speakers.rpc.site import Site


class RPC:
    """The base of all calls.

    Args:
        site: The method that is called.
        request: The request of the call.
    """

    _ending: Ending | None = None
    _error: BaseException | None = None
    _initial: Metadata | None = None
    _cancelled = False
    _changed: asyncio.Future[None] | None = None  # there while somebody waits for the head or the end
    _callbacks: tuple[Callable[[Any], object], ...] = ()

    def __init__(self, site: Site, request: Request) -> None:
        self._site = site
        self._request = request

    # --- as of grpc.aio ----------------------------------------------------------------------------------------------

    async def code(self) -> Code:
        """Return the status code, once the call has ended."""
        return (await self._ended()).code

    async def details(self) -> str:
        """Return the server's message, once the call has ended."""
        return (await self._ended()).details

    async def trailing_metadata(self) -> Metadata:
        """Return the metadata that came with the status, once the call has ended."""
        return (await self._ended()).trailing

    async def initial_metadata(self) -> Metadata:
        """Return the metadata that comes before the messages, once it is there; none where the call failed before."""
        while self._initial is None and self._ending is None:
            await self._change()
        return self._initial or NONE

    async def wait_for_connection(self) -> None:
        """Wait until the server has begun to respond.

        Raises:
            AsyncAPIError: The call has failed.
        """
        await self.initial_metadata()
        if self._error is not None:
            raise self._error

    async def debug_error_string(self) -> str:
        """Return the failure as text, once the call has ended; "" where it has none."""
        await self._ended()
        return "" if self._error is None else str(self._error)

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._ending is not None

    def cancelled(self) -> bool:
        """Whether the caller has cancelled it."""
        return self._cancelled

    def cancel(self) -> bool:
        """End the call: the server sees it. Returns whether it was still under way."""
        if self._ending is not None:
            return False
        self._cancelled = True
        self._stop()
        return True

    def time_remaining(self) -> float | None:
        """Return the seconds until its deadline; None where it has none."""
        due = self._request.deadline
        return None if due is None else max(0.0, due - self._site.line.clock.now())

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Have `callback(call)` called when the call has ended; at once if it has."""
        if self._ending is not None:
            callback(self)
        else:
            self._callbacks += (callback,)

    # --- how it goes on ----------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """End what is under way; the subclass says how."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Begin the call now, if it has not; for the one class that puts it off."""

    async def _change(self) -> None:
        """Wait for the head or the end."""
        self._begin()
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    async def _ended(self) -> Ending:
        while self._ending is None:
            await self._change()
        return self._ending

    def _head(self, initial: Metadata) -> None:
        self._initial = initial
        self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            if not self._changed.done():
                self._changed.set_result(None)
            self._changed = None

    def _settle(self, ending: Ending, error: BaseException | None = None) -> None:
        """Take in how the call has ended, once."""
        if self._ending is not None:
            return
        self._ending, self._error = ending, error
        self._tell()
        callbacks, self._callbacks = self._callbacks, ()
        for callback in callbacks:
            callback(self)

    def _fail(self, error: BaseException) -> BaseException:
        """Take in what ended the call; returns the error that the caller gets."""
        if self._cancelled or isinstance(error, asyncio.CancelledError):
            self._cancelled = True
            told = cancelled(self._site.method)
            self._settle(Ending(told.code, told.details), asyncio.CancelledError(told.details))
            return error if isinstance(error, asyncio.CancelledError) else self._error or error
        shown = failed(error) if isinstance(error, AsyncAPIError) else error
        if isinstance(shown, RPCError):
            trailing = shown.metadata if isinstance(shown.metadata, Metadata) else Metadata(shown.metadata)
            self._settle(Ending(shown.code, shown.details, trailing), shown)
        else:
            text = shown.message if isinstance(shown, AsyncAPIError) else str(shown)
            self._settle(Ending(_code_of(shown), text), shown)
        return shown

    def __repr__(self) -> str:
        state = "under way" if self._ending is None else self._ending.code.name
        return f"<{type(self).__name__} {self._site.method.path} ({state})>"


def _code_of(error: BaseException) -> Code:
    """The code of what the client itself refused, or of what is no error of an RPC."""
    if isinstance(error, TimeoutError):
        return Code.DEADLINE_EXCEEDED
    return Code.UNAVAILABLE if isinstance(error, AsyncAPIError) else Code.UNKNOWN


class UnaryUnaryCall(RPC):
    """A call that takes one message and returns one: `await` it for the message.

    Args:
        site: The method that is called.
        request: The request of the call.
    """

    _reply: Any = None
    _runner: asyncio.Task[Any] | None = None

    def __init__(self, site: Site, request: Request) -> None:
        super().__init__(site, request)
        # rule 1; whoever awaits it in this turn saves it the task
        self._later: asyncio.Handle | None = asyncio.get_running_loop().call_soon(self._begin)

    def __await__(self) -> Any:
        if self._later is not None:
            self._later.cancel()
            self._later = None
            return self._run().__await__()
        return self._result().__await__()

    def _begin(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
            task = asyncio.get_running_loop().create_task(self._run())
            task.add_done_callback(_looked_at)

    def _stop(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._runner is None:
            self._fail(asyncio.CancelledError())
        else:
            self._runner.cancel()

    async def _result(self) -> Any:
        try:
            await self._ended()
        except asyncio.CancelledError:
            self.cancel()  # rule 2
            raise
        if self._error is not None:
            raise self._error
        return self._reply

    async def _run(self) -> Any:
        site = self._site
        self._runner = asyncio.current_task()
        try:
            response = await site.line.carry(self._request)
            self._reply, self._initial, ending = received(site, response)
            self._settle(ending)
        except BaseException as error:
            if self._cancelled and isinstance(error, asyncio.CancelledError) and self._runner is not None:
                self._runner.uncancel()  # it was `cancel()` that cancelled the task
            shown = self._fail(error)
            if shown is error:
                raise
            raise shown from shown.__cause__
        finally:
            self._runner = None
        return self._reply


def received(site: Site, response: Response) -> tuple[Any, Metadata, Ending]:
    """Read a whole response: the message, the metadata of the head, and how the call has ended.

    Raises:
        RPCError: It has ended badly, or the response is not whole.
    """
    try:
        message, ending, initial = site.protocol.read(response, site.method)
    except RPCError as error:
        raise of_call(error, response, site.line) from error.__cause__
    if ending.code is not Code.OK or message is None:
        raise ended(ending, response, site.line)
    if site.deserialize is None:
        return message, initial, ending
    try:
        return site.deserialize(message), initial, ending
    except Exception as error:
        raise of_call(unreadable("response", error), response, site.line) from error


def _looked_at(task: asyncio.Task[Any]) -> None:
    """Have asyncio know that a failure was seen: whoever wants it gets it from the call."""
    if not task.cancelled():
        task.exception()
