"""Make one attempt of an RPC over a channel of `grpc.aio`, as a transport makes one of a request.

Rules:
1. The outcome of an attempt is a response whose headers are the status and the trailing metadata, so that it is read as
   any gRPC response that has no message.
2. What was added to the request's headers (a credential, the trace) goes along as metadata; the user's own metadata
   goes as it was given.
3. An attempt of a stream is over with its first message, or with its initial metadata and a short wait for the first
   message: an error in the place of that is an outcome of the attempt.
4. A stream of requests may begin again until its second message goes: nothing but the first is kept.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from grpc import StatusCode, aio

from asyncapi.errors import RPCError
from asyncapi.messages.code import Code
from asyncapi.messages.open_body import OpenBody, release_at_end
from asyncapi.messages.request import Body
from asyncapi.messages.response import Response
from asyncapi.sansio.rpc.statuses import read_head
from asyncapi.speakers.rpc.idempotency import method_of
from asyncapi.speakers.rpc.site import of_stream
from asyncapi.speakers.rpc.started import OpenedStream
from asyncapi.transports import attempt_limit
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.request import Request
    from asyncapi.speakers.line import Line

    Continuation = Callable[[aio.ClientCallDetails, Any], Awaitable[Any]]

PEEK = 1.0  # seconds to wait for the first message, once the initial metadata is there (rule 3)
_NEVER_SENT = "failed to connect to all addresses"  # how grpc's core begins; no attempt has left this process then
_FROM_PEER = "received from peer"  # said of every status that the server has sent
_UNSENT = "x-never-sent"
_SHORTEST = 0.001  # seconds; a time-out of 0 is one that has passed
_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "te", "user-agent"}
)
_END: Final = object()

_settling: set[asyncio.Task[None]] = set()  # asyncio itself holds no task
_running: ContextVar[RPC] = ContextVar("asyncapi_rpc")


async def carried(request: Request) -> Response:
    """Make one attempt of the RPC that is running: what takes the place of a transport's `send`."""
    return await _running.get().attempt(request)


class RPC:
    """One RPC of the user, and its attempts.

    Args:
        line: Ends in `carried`.
        continuation: The channel's.
        details: As the user made the call.
        path: "/package.Service/Method".
        idempotent: Whether it may be sent twice; None where its descriptor decides.
        request: The message, where it is a single one.
        requests: The messages otherwise.
        streams: Whether several messages come back.

    Attributes:
        made: The channel's call of the latest attempt, or None.
    """

    def __init__(
        self,
        line: Line,
        continuation: Continuation,
        details: aio.ClientCallDetails,
        path: str,
        *,
        idempotent: bool | None,
        request: Any = None,
        requests: Any = None,
        streams: bool = False,
    ) -> None:
        self._line = line
        self._continuation: Continuation | None = continuation
        self._given = details
        self._path = path
        self._message = request
        self._requests = None if requests is None else Requests(requests)
        self._streams = streams
        described = method_of(path, streams_in=requests is not None, streams_out=streams)
        self._idempotent = described.idempotent if idempotent is None else idempotent
        self._outcomes: list[tuple[Response, Any]] = []
        self.made: Any = None

    def cancel(self) -> None:
        """Stop waiting for messages of the user's."""
        if self._requests is not None:
            self._requests.cancel()

    async def run(self) -> Any:
        """Make the attempts: return the call of the last one; where requests and responses stream, its messages.

        Raises:
            AsyncAPIError: The client refused, or time ran out.
            aio.AioRpcError: An interceptor below this one failed.
        """
        metadata = _text(self._given.metadata)
        body = None if self._requests is None else self._requests.body
        token = _running.set(self)
        response: Response | None = None
        try:
            timeout = self._timeout()
            response = await self._line.open(
                "POST", self._path, headers=metadata, content=body, timeout=timeout, reading=_meaning,
                route=self._path, idempotent=self._idempotent,
            )  # fmt: skip
        finally:
            _running.reset(token)
            # the channel's tasks hold this object by their context: it must not hold the user's call, which is
            # cancelled when nobody else holds it
            self._continuation = None
            if self._requests is not None:  # nobody takes the user's messages any more
                release_at_end(response, self._requests.cancel)
        outcomes, self._outcomes = self._outcomes, []
        outcome = next((made for seen, made in reversed(outcomes) if seen is response), None)
        if outcome is None:  # of a fallback, which has no message
            outcome = outcomes[-1][1] if outcomes else _no_message(response)
        if isinstance(outcome, aio.AioRpcError):
            raise outcome
        return outcome

    async def attempt(self, request: Request) -> Response:
        """Make one attempt."""
        settings, call = self._line.settings, request.call
        call.phase = "headers"
        guard = attempt_limit.enter(settings.watchdog, settings.clock, request)
        made: Any = None
        assert self._continuation is not None  # noqa: S101 - attempts are made inside `run`
        try:
            message = self._message if self._requests is None else aiter(self._requests)
            made = self.made = await self._continuation(self._details(request), message)
            response, outcome = await (self._first(made, request) if self._streams else _only(made))
        except aio.AioRpcError as error:  # of an interceptor below
            response, outcome = _response(error), error
        except asyncio.CancelledError:
            if made is not None:
                made.cancel()
            if guard is not None and guard.fired():
                raise attempt_limit.timed_out(request) from None
            raise
        finally:
            if guard is not None:
                settings.watchdog.leave(guard)
        self._outcomes.append((response, outcome))
        return response

    def _timeout(self) -> Any:
        """The limits of the call: the user's, or the client's, as far as they hold for its kind."""
        if self._given.timeout is not None:
            return max(self._given.timeout, _SHORTEST)
        return of_stream(self._line.settings.timeout) if self._streams or self._requests is not None else UNSET

    def _details(self, request: Request) -> aio.ClientCallDetails:
        """Add to the user's details what the layers have added (rule 2)."""
        given, metadata = self._given, aio.Metadata()
        for name, value in request.headers.items():
            lower = name.lower()
            if lower not in _OURS and not lower.startswith("grpc-"):  # which are for the channel alone
                metadata.add(lower, value)
        for name, value in given.metadata or ():
            if not _is_text(name, value):
                metadata.add(name, value)
        due = request.deadline
        left = None if due is None else max(due - self._line.clock.now(), _SHORTEST)
        return aio.ClientCallDetails(given.method, left, metadata, given.credentials, given.wait_for_ready)

    async def _first(self, made: Any, request: Request) -> tuple[Response, Any]:
        """Wait until the stream has begun (rule 3)."""
        messages = aiter(made)
        first = asyncio.ensure_future(_next(messages))
        head = asyncio.ensure_future(made.initial_metadata())
        try:
            await asyncio.wait({first, head}, return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                await asyncio.wait({first}, timeout=PEEK)
        except asyncio.CancelledError:
            first.cancel()
            raise
        finally:
            head.cancel()
        error = first.exception() if first.done() and not first.cancelled() else None
        if isinstance(error, aio.AioRpcError):
            return _response(error), error
        response = Response(200, {"grpc-status": "0"})
        body = OpenBody(_nothing, made.cancel)
        response.open_body = body
        if request.call.open_bodies is not None:
            request.call.open_bodies.append(body)
        made.add_done_callback(partial(_settle, made, body))
        opened = _messages(first, messages, body)
        return response, opened if self._requests is not None else OpenedStream(made, opened)


class Requests:
    """The messages of a stream: each attempt begins with the first, until a second one went (rule 4).

    Attributes:
        body: Says to the layers whether the messages can be sent again.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._source: AsyncIterator[Any] | None = None
        self._first: asyncio.Future[Any] | None = None
        self._later: asyncio.Future[Any] | None = None  # the one after it that was asked for last
        self._place = 0  # of that one
        self.body: Body = Body(_no_bytes, length=None, rewindable=True)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for place in count():
            # an attempt that is given up must not take the message that it waits for with it
            message = await asyncio.shield(self._at(place))
            if message is _END:
                return
            if place:
                self.body.rewindable = False
            yield message

    def cancel(self, _: object = None) -> None:
        """Stop waiting for the next message."""
        for waiting in (self._first, self._later):
            if waiting is not None:
                waiting.cancel()

    def _at(self, place: int) -> asyncio.Future[Any]:
        if place == 0:
            if self._first is None:
                self._first = self._pull()
            return self._first
        if self._later is None or place > self._place:
            self._later, self._place = self._pull(), place
        return self._later

    def _pull(self) -> asyncio.Future[Any]:
        if self._source is None:
            self._source = aiter(self._given) if hasattr(self._given, "__aiter__") else _each(self._given)
        return asyncio.ensure_future(_next(self._source))


def _meaning(response: Response) -> Meaning | None:
    meaning = read_head(response)
    if meaning is not None and _UNSENT in response.headers:
        meaning.unprocessed = True
    return meaning


async def _only(made: Any) -> tuple[Response, Any]:
    try:
        await made
    except aio.AioRpcError as error:
        return _response(error), made
    return Response(200, {"grpc-status": "0"}), made


def _response(error: aio.AioRpcError) -> Response:
    """Write the status of an RPC as the headers of a response (rule 1)."""
    headers = [("grpc-status", str(error.code().value[0])), ("grpc-message", quote(error.details() or ""))]
    for name, value in error.trailing_metadata() or ():
        if isinstance(value, bytes):
            headers.append((name, b64encode(value).decode()))
        elif name not in {"grpc-status", "grpc-message"}:
            headers.append((name, value))
    if (error.details() or "").startswith(_NEVER_SENT) and _FROM_PEER not in (error.debug_error_string() or ""):
        headers.append((_UNSENT, "1"))
    return Response(200, headers)


def _text(metadata: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in metadata or () if _is_text(name, value)]


def _is_text(name: str, value: Any) -> bool:
    """Whether metadata can stand among the headers, where a credential of the user's own is seen."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and not name.endswith("-bin")


async def _next(messages: AsyncIterator[Any]) -> Any:
    try:
        return await anext(messages)
    except StopAsyncIteration:
        return _END


async def _messages(
    first: asyncio.Future[Any], messages: AsyncIterator[Any], body: OpenBody | None = None
) -> AsyncIterator[Any]:
    """Give the messages of a stream; with its last one, or its error, the body closes."""
    failed: RPCError | None = None
    try:
        message = await first
        while message is not _END:
            yield message
            message = await _next(messages)
    except aio.AioRpcError as error:
        failed = _failure(error.code(), error.details())
        raise
    finally:
        if body is not None:
            body.close(failed)


def _settle(made: Any, body: OpenBody, _: object) -> None:
    """Close the body of a stream that has ended, by its status (rule 5 of `channel_policy.py`)."""
    task = asyncio.ensure_future(_settled(made, body))
    _settling.add(task)
    task.add_done_callback(_settling.discard)


async def _settled(made: Any, body: OpenBody) -> None:
    code = await made.code()
    body.close(_failure(code, await made.details()) if code.value[0] else None)


def _no_message(response: Response) -> aio.AioRpcError:
    why = f"{response.degraded or 'the response'} has no message: fallbacks are for plain calls"
    return aio.AioRpcError(StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata(), why)


def _failure(code: Any, details: str | None) -> RPCError:
    return RPCError(Code(code.value[0]), details or "")


async def _each(given: Any) -> AsyncIterator[Any]:
    for message in given:
        yield message


async def _nothing() -> bytes:
    return b""


async def _no_bytes() -> AsyncIterator[bytes]:
    if False:  # an iterator without an item
        yield b""
