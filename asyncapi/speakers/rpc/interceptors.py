"""Give the channels of `grpc.aio` the policy of a client: its retries, limits, breaker, credentials and telemetry.

    api = Client("https://greeter.internal", auth=Bearer(...), breaker=Breaker())
    channel = grpc.aio.secure_channel(target, credentials, interceptors=interceptors(api))

Rules:
1. The client opens no connection: each attempt is one `continuation(...)` of the channel (`channel_attempt.py`). Its
   base URL names the host that budgets, limits, the breaker and the credential belong to.
2. What the channel raises stays what it is. A refusal or a time-out of the client is an `AioRpcError`, too, whose cause
   is the client's own error: code that is written for `grpc.aio` needs no other `except`.
3. An RPC is sent again where its method is idempotent, as its descriptor or `idempotent=` says, or where it was never
   sent; a stream only before its first message came, and before more than one message went.
4. The client's `total` and `attempt` don't bound a stream, in either direction, as with `api.grpc()`; what `timeout=`
   of the call or a `deadline()` scope says does.
5. A stream holds its place in `concurrency=` until it ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from grpc import StatusCode, aio

from asyncapi.errors import AsyncAPIError, AuthError, ConfigError, DeadlineExceeded, RejectedError, RequestTimeout
from asyncapi.speakers.line import line_of
from asyncapi.speakers.rpc.channel_attempt import RPC, carried
from asyncapi.speakers.rpc.started import StartedStream, StartedUnary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from asyncapi.speakers.line import Line
    from asyncapi.speakers.rpc.channel_attempt import Continuation


def interceptors(api: Any, *, idempotent: Collection[str] = ()) -> list[aio.ClientInterceptor]:
    """Make the interceptors of a `grpc.aio` channel, one for each of the four kinds of RPCs.

    Args:
        api: An `asyncapi.Client` with a base URL, or a declared API over one. It is yours to close.
        idempotent: Methods that may be sent twice, as "/package.Service/Method" or "/package.Service/*", beside those
            whose descriptor says so (`option idempotency_level`).

    Raises:
        ConfigError: The client has no base URL, or a method is not written so.
    """
    line = line_of(api)
    if not line.base:
        raise ConfigError("interceptors: the client needs a base URL: it names the host that limits are kept for")
    for method in idempotent:
        if not method.startswith("/") or method.count("/") != 2:  # noqa: PLR2004 - as gRPC writes a method
            raise ConfigError(f"interceptors: idempotent={method!r}: write '/package.Service/Method', or '*' for all")
    policy = _Policy(line.over(carried), frozenset(idempotent))
    return [_UnaryUnary(policy), _UnaryStream(policy), _StreamUnary(policy), _StreamStream(policy)]


class _Policy:
    """Runs RPCs under the layers of a client."""

    __slots__ = ("_idempotent", "_line")

    def __init__(self, line: Line, idempotent: frozenset[str]) -> None:
        self._line = line
        self._idempotent = idempotent

    def rpc(self, continuation: Continuation, details: aio.ClientCallDetails, **kind: Any) -> RPC:
        method = details.method
        path = method.decode() if isinstance(method, bytes) else method
        named = path in self._idempotent or f"{path.rpartition('/')[0]}/*" in self._idempotent
        return RPC(self._line, continuation, details, path, idempotent=True if named else None, **kind)

    @staticmethod
    async def run(rpc: RPC) -> Any:
        """Run an RPC up to its response, or the first message of it."""
        try:
            return await rpc.run()
        except ConfigError:
            raise
        except AsyncAPIError as error:
            raise _as_grpc(error) from error


def _as_grpc(error: AsyncAPIError) -> aio.AioRpcError:
    """Say what the client says in the words of the channel (rule 2)."""
    if isinstance(error, RequestTimeout | DeadlineExceeded):
        code = StatusCode.DEADLINE_EXCEEDED
    elif isinstance(error, AuthError):
        code = StatusCode.UNAUTHENTICATED
    elif isinstance(error, RejectedError) and error.held_by not in {None, "breaker"}:
        code = StatusCode.RESOURCE_EXHAUSTED
    else:
        code = StatusCode.UNAVAILABLE
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(), f"{type(error).__name__}: {error.message}")


class _UnaryUnary(aio.UnaryUnaryClientInterceptor):
    def __init__(self, policy: _Policy) -> None:
        self._policy = policy

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        rpc = self._policy.rpc(continuation, client_call_details, request=request)
        return await self._policy.run(rpc)


class _UnaryStream(aio.UnaryStreamClientInterceptor):
    def __init__(self, policy: _Policy) -> None:
        self._policy = policy

    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> AsyncIterator[Any]:
        rpc = self._policy.rpc(continuation, client_call_details, request=request, streams=True)
        messages: AsyncIterator[Any] = await self._policy.run(rpc)
        return messages


class _StreamUnary(aio.StreamUnaryClientInterceptor):
    def __init__(self, policy: _Policy) -> None:
        self._policy = policy

    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        rpc = self._policy.rpc(continuation, client_call_details, requests=request_iterator)
        return StartedUnary(asyncio.create_task(self._policy.run(rpc)), rpc)


class _StreamStream(aio.StreamStreamClientInterceptor):
    def __init__(self, policy: _Policy) -> None:
        self._policy = policy

    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        rpc = self._policy.rpc(continuation, client_call_details, requests=request_iterator, streams=True)
        return StartedStream(asyncio.create_task(self._policy.run(rpc)), rpc)
