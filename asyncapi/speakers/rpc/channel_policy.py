"""Run the RPCs of a channel of `grpc.aio` under the layers of a client: what `interceptors.py` makes.

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
from asyncapi.speakers.rpc.channel_attempt import RPC, carried
from asyncapi.speakers.rpc.started import StartedStream, StartedUnary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncapi.speakers.line import Line
    from asyncapi.speakers.rpc.channel_attempt import Continuation


def policy_of(line: Line, idempotent: frozenset[str]) -> list[aio.ClientInterceptor]:
    """Make the interceptors of a channel, one for each of the four kinds of RPCs.

    Args:
        line: The client.
        idempotent: Methods that may be sent twice: "/package.Service/Method" or "/package.Service/*".
    """
    policy = _Policy(line.over(carried), idempotent)
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
