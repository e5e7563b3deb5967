"""The errors of protocols that are spoken over HTTP: WebSocket, gRPC and Connect, GraphQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.errors.tree import AsyncAPIError, TransportError
from asyncapi.redact import is_secret

if TYPE_CHECKING:
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.code import Code
    from asyncapi.messages.request import Request


class SocketClosed(TransportError):
    """A WebSocket has ended: the message was not sent, or none comes any more.

    Attributes:
        code: The code of the CLOSE (RFC 6455 section 7.4); 1005 where it had none, 1006 where no CLOSE came.
        reason: What the server's CLOSE says, or "".
    """

    def __init__(self, message: str, *, code: int, reason: str = "", request: Request | None = None) -> None:
        super().__init__(message, request=request)
        self.code: int = code
        self.reason: str = reason


class RPCError(AsyncAPIError):
    """A remote procedure call ended with another status than OK (gRPC, Connect).

    Args:
        code: The status code.
        details: The server's message, or what is wrong with its response.
        metadata: The metadata that came with the status.
        status_details: The details of its `google.rpc.Status`, decoded.
        request: As in `AsyncAPIError`.
        attempts: As in `AsyncAPIError`.

    Attributes:
        code: As above.
        details: As above.
        metadata: As above: `error.metadata["key"]`, or (name, value) pairs; names in -bin have bytes.
        status_details: As above: messages such as `google.rpc.error_details_pb2.RetryInfo`, in their order; a detail
            whose type is unknown here is an `asyncapi.grpc.Detail`, with `.type` and `.value`.
    """

    def __init__(
        self,
        code: Code,
        details: str = "",
        *,
        metadata: Any = (),
        status_details: tuple[Any, ...] = (),
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(f"{code.name}: {details}" if details else code.name, request=request, attempts=attempts)
        self.code: Code = code
        self.details: str = details
        self.metadata: Any = metadata
        self.status_details: tuple[Any, ...] = status_details

    def _portable(self) -> dict[str, Any]:
        state = super()._portable()
        state["metadata"] = type(self.metadata)(
            (name, "***" if is_secret(name) else value) for name, value in self.metadata
        )
        return state


class GraphQLError(AsyncAPIError):
    """A GraphQL response has errors.

    Attributes:
        errors: One object for each error, as the server sent it: `message`, `path`, `locations`, `extensions`.
        data: What there is of the data, as plain data; None where nothing was executed.
        extensions: What the server adds to the response.
        status: The HTTP status of the response.
    """

    def __init__(
        self,
        message: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        data: Any = None,
        extensions: dict[str, Any] | None = None,
        status: int = 200,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message, request=request, attempts=attempts)
        self.errors: list[dict[str, Any]] = errors or []
        self.data: Any = data
        self.extensions: dict[str, Any] = extensions or {}
        self.status: int = status
