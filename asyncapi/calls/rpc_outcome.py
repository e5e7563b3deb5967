"""Make the error of a plain call whose response has the outcome of an RPC in its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import RPCError

if TYPE_CHECKING:
    from asyncapi.messages.response import Response


def rpc_error(response: Response) -> RPCError:
    """Return the `RPCError` of a `grpc-status` among the headers or trailers of a 2xx."""
    from asyncapi.sansio.rpc import metadata, statuses  # noqa: PLC0415 - few calls are of gRPC

    fields = response.headers if "grpc-status" in response.headers else response.trailers
    code = statuses.code_of(fields.get("grpc-status", "").strip())
    details = metadata.message_of(fields.get("grpc-message", ""))
    return RPCError(
        code, details, metadata=metadata.read(fields.items()), request=response.request, attempts=response.attempts
    )
