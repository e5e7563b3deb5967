"""Give the channels of `grpc.aio` the policy of a client: its retries, limits, breaker, credentials and telemetry.

    api = Client("https://greeter.internal", auth=Bearer(...), breaker=Breaker())
    channel = grpc.aio.secure_channel(target, credentials, interceptors=interceptors(api))

The rules are those of `channel_policy.py`, which needs grpcio: it is the user's package, as the channel is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.speakers.line import line_of

if TYPE_CHECKING:
    from collections.abc import Collection


def interceptors(api: Any, *, idempotent: Collection[str] = ()) -> list[Any]:
    """Make the interceptors of a `grpc.aio` channel: what `interceptors=` of the channel takes.

    Args:
        api: An `asyncapi.Client` with a base URL, or a declared API over one. It is yours to close.
        idempotent: Methods that may be sent twice, as "/package.Service/Method" or "/package.Service/*", beside those
            whose descriptor says so (`option idempotency_level`).

    Raises:
        ConfigError: grpcio is missing, the client has no base URL, or a method is not written so.
    """
    line = line_of(api)
    if not line.base:
        raise ConfigError("interceptors: the client needs a base URL: it names the host that limits are kept for")
    methods = [idempotent] if isinstance(idempotent, str) else list(idempotent)
    for method in methods:
        if not str(method).startswith("/") or str(method).count("/") != 2:  # noqa: PLR2004 - as gRPC writes a method
            raise ConfigError(f"interceptors: idempotent={method!r}: write '/package.Service/Method', or '*' for all")
    try:
        from asyncapi.speakers.rpc.channel_policy import policy_of  # noqa: PLC0415 - it needs grpcio
    except ModuleNotFoundError as error:
        if error.name != "grpc":
            raise
        raise ConfigError("interceptors are for channels of grpc.aio: install grpcio") from error
    return policy_of(line, frozenset(methods))
