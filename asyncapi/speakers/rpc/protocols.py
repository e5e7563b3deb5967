"""The protocols that a channel speaks, by their names; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.sansio.rpc.protocol import RPCProtocol

ProtocolName = Literal["grpc", "connect", "grpc-web"]

_HOMES = {
    "grpc": ("asyncapi.sansio.rpc.grpc", "GRPC"),
    "connect": ("asyncapi.sansio.rpc.connect", "Connect"),
    "grpc-web": ("asyncapi.sansio.rpc.web", "GRPCWeb"),
}


def protocol_of(name: str, max_message: int | None) -> RPCProtocol:
    """Make the protocol of this name.

    Args:
        name: "grpc", "connect" or "grpc-web".
        max_message: Most bytes of a message; None for no bound.

    Raises:
        ConfigError: There is no such protocol.
    """
    if name not in _HOMES:
        raise ConfigError(f"protocol={name!r}: give 'grpc', 'connect' or 'grpc-web'")
    module, kind = _HOMES[name]
    made: RPCProtocol = getattr(import_module(module), kind)(max_message)
    return made
