"""Routes for RPCs: messages, functions and statuses, over gRPC, grpc-web and Connect alike.

Rules:
1. A function that responds has the request: its message, or, of a call that takes a stream, an async iterator of them.
   It returns a message, an iterable of them, or an async one; it may be an async generator. An `RPCError` ends it.
2. Where no function takes the messages of a stream, they are read while the response goes out; its end waits until
   all have come.
3. What responds to a stream runs in a task of its own, as a server does: a client may write before it reads.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from asyncapi.errors import ConfigError, RPCError
from asyncapi.messages.code import Code
from asyncapi.messages.open_body import release_at_end
from asyncapi.testing import matching, rpc_wire
from asyncapi.testing.rpc_wire import Ended
from asyncapi.testing.script import Script, first_step
from asyncapi.testing.steps import FAULTS, Step, failing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from re import Pattern

    from asyncapi.messages.response import Response
    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall


class RPCRoute(Script):
    """A route of `api_mock` for one method; without a `reply`, it replies with an empty message.

    Attributes:
        kind: The class of its request messages, or None for bytes.
    """

    kind: type[Any] | None = None

    @staticmethod
    def asked(method: str | Pattern[str], kind: type[Any] | None, message: Any) -> list[Condition]:
        """Return what a route for a method asks of a request.

        Args:
            method: The method, as in "/package.Service/Method".
            kind: The class of its requests.
            message: As in `APIMock.grpc`.

        Raises:
            ConfigError: It is no method.
        """
        found = [_is_rpc(method)]
        if message is not None:
            found.append(_message_is(message, kind))
        return found

    def default(self) -> Step:
        """Return what it does without a script: an empty message."""
        return first_step(RPCRoute("", [], "", required=False, handshake=False).reply(b""))

    def reply(
        self,
        *messages: Any,
        metadata: Mapping[str, Any] | None = None,
        trailing: Mapping[str, Any] | None = None,
        delay: float = 0.0,
        times: int | None = None,
    ) -> Self:
        """Reply to calls with messages: one, or all that a stream returns; or with a function (rule 1).

        Args:
            messages: Protobuf messages, or bytes; or a function.
            metadata: Initial metadata.
            trailing: Trailing metadata.
            delay: Seconds before the response.
            times: For how many calls.

        Raises:
            ConfigError: They can't be sent.
        """
        ended = Ended(trailing=tuple(rpc_wire.written(trailing)))
        initial = rpc_wire.written(metadata)
        function = messages[0] if len(messages) == 1 and inspect.isroutine(messages[0]) else None
        for message in () if function is not None else messages:
            if not isinstance(message, bytes) and not hasattr(message, "SerializeToString"):
                raise ConfigError(f"reply({message!r:.60}): give protobuf messages, bytes, or a function")

        async def make(call: MockCall) -> Response:
            end = replace(ended)
            sent = _Sent(call, self.kind, end)
            source = sent.given(messages) if function is None else sent.returned(function)
            if rpc_wire.kind_of(call.request) == "connect unary":
                return await rpc_wire.unary(call.request, source, end, initial)
            if not rpc_wire.is_stream(call.request):
                return rpc_wire.streamed(call.request, source, end, initial)
            server = _Server(source, call)
            response = rpc_wire.streamed(call.request, server.messages(), end, initial)
            release_at_end(response, lambda _: server.stop())
            return response

        return self.add(Step(make, delay=delay), times)

    def fail(
        self,
        code: Any,
        details: str = "",
        *,
        metadata: Mapping[str, Any] | None = None,
        trailing: Mapping[str, Any] | None = None,
        pushback: float | None = None,
        delay: float = 0.0,
        times: int | None = None,
    ) -> Self:
        """Have calls end with a status, or attempts fail as in `Route.fail`.

        Args:
            code: An `asyncapi.grpc.Code` or its name in capitals, a `grpc.StatusCode`; or a fault as in `Route.fail`.
            details: The server's message.
            metadata: Initial metadata.
            trailing: Trailing metadata.
            pushback: Seconds that the server asks to wait before a retry (`grpc-retry-pushback-ms`); below 0, it
                forbids one.
            delay: Seconds before it.
            times: For how many calls.

        Raises:
            ConfigError: There is no such code and no such fault.
        """
        if not _is_code(code):
            return self.add(Step(failing(code), delay=delay), times)
        ms = None if pushback is None else round(pushback * 1000)
        ended = Ended(_code(code), details, tuple(rpc_wire.written(trailing)), ms)
        initial = rpc_wire.written(metadata)
        return self.add(Step(lambda call: rpc_wire.refusal(call.request, ended, initial), delay=delay), times)


class _Server:
    """Makes the messages of a response in a task of its own (rule 3); at most 16 wait for the client.

    Args:
        source: Yields them.
        call: The call that it responds to.
    """

    def __init__(self, source: AsyncIterator[Any], call: MockCall) -> None:
        self._made: asyncio.Queue[Any] = asyncio.Queue(16)
        self._call = call
        self._error: Exception | None = None
        self._task = asyncio.ensure_future(self._run(source))

    async def _run(self, source: AsyncIterator[Any]) -> None:
        try:
            async for message in source:
                await self._made.put(message)
        except Exception as error:  # raised where the client reads
            self._error = error
            if isinstance(error, AssertionError) and self._call.on_assertion is not None:
                self._call.on_assertion(error)
        await self._made.put(self)

    async def messages(self) -> AsyncIterator[Any]:
        """Yield the messages as they are made."""
        while (message := await self._made.get()) is not self:
            yield message
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the task: nobody reads any more."""
        self._task.cancel()


class _Sent:
    """The messages of one response, and the call that they respond to."""

    def __init__(self, call: MockCall, kind: type[Any] | None, ended: Ended) -> None:
        self._call = call
        self._kind = kind
        self._ended = ended

    async def given(self, messages: Iterable[Any]) -> AsyncIterator[Any]:
        """Yield messages; read what the client sends meanwhile (rule 2)."""
        reading = asyncio.ensure_future(self._read_all()) if rpc_wire.is_stream(self._call.request) else None
        try:
            for message in messages:
                yield message
            if reading is not None:
                await reading
        finally:
            if reading is not None:
                reading.cancel()

    async def _read_all(self) -> None:
        async for _ in rpc_wire.arriving(self._call.request, self._call.messages):
            pass

    async def returned(self, function: Callable[..., Any]) -> AsyncIterator[Any]:
        """Yield what a function returns for the request (rule 1)."""
        request, call = self._call.request, self._call
        try:
            stream = rpc_wire.is_stream(request)
            made = function(self._incoming() if stream else self._read(call.messages[0] if call.messages else b""))
            if inspect.isawaitable(made):
                made = await made
            if isinstance(made, AsyncIterable):
                async for message in made:
                    yield message
            elif isinstance(made, Iterable) and not isinstance(made, bytes):
                for message in made:
                    yield message
            else:
                yield made
        except RPCError as error:
            self._ended.code, self._ended.details = error.code, error.details

    async def _incoming(self) -> AsyncIterator[Any]:
        async for message in rpc_wire.arriving(self._call.request, self._call.messages):
            yield self._read(message)

    def _read(self, message: bytes) -> Any:
        return _read(self._kind, message, as_json=rpc_wire.is_json(self._call.request))


def _read(kind: Any, message: bytes, *, as_json: bool) -> Any:
    if kind is None:
        return message
    if as_json:
        from google.protobuf.json_format import Parse  # noqa: PLC0415 - an extra's

        return Parse(message, kind())
    return kind.FromString(message)


def _is_rpc(method: str | Pattern[str]) -> Condition:
    if isinstance(method, str):
        if method.strip("/").count("/") != 1:
            raise ConfigError(f"grpc({method!r}): give a method, as in '/package.Service/Method'")
        method = f"/{method.strip('/')}"

    def difference(call: MockCall) -> str:
        path = call.url.path
        if rpc_wire.kind_of(call.request) is None:
            return "it is no RPC"
        same = path.endswith(method) if isinstance(method, str) else method.search(path) is not None
        return "" if same else f"the method is {path}, not {matching.shown(method)}"

    return matching.Condition("path", method if isinstance(method, str) else method.pattern, difference)


def _message_is(expected: Any, kind: type[Any] | None) -> Condition:
    known = type(expected) if hasattr(expected, "SerializeToString") else kind

    def difference(call: MockCall) -> str:
        if not call.messages:
            return "it has no message yet: of a stream, ask for them in a function"
        given = _read(known, call.messages[0], as_json=rpc_wire.is_json(call.request))
        return "" if matching.fits(expected, given) else f"the message is {_line(given)}, not {_line(expected)}"

    return matching.Condition("body", "message", difference)


def _line(message: Any) -> str:
    return matching.shown(" ".join(str(message).split()) if hasattr(message, "SerializeToString") else message)


def _is_code(code: Any) -> bool:
    return isinstance(code, Code) or type(code).__name__ == "StatusCode" or (isinstance(code, str) and code.isupper())


def _code(code: Any) -> Code:
    name = code if isinstance(code, str) else code.name
    if name not in Code.__members__ or name == "OK":
        names = ", ".join(each for each in Code.__members__ if each != "OK")
        raise ConfigError(f"fail({name!r}): the codes are {names}; the faults are {', '.join(FAULTS)}")
    return Code[name]
