"""The protocols that a channel speaks, by their names; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.sansio.rpc.protocol import RPCProtocol

ProtocolName = Literal["grpc", "connect", "grpc-web"]
Codec = Literal["proto", "json"]

_HOMES = {
    "grpc": ("asyncapi.sansio.rpc.grpc", "GRPC"),
    "connect": ("asyncapi.sansio.rpc.connect", "Connect"),
    "grpc-web": ("asyncapi.sansio.rpc.web", "GRPCWeb"),
}


def protocol_of(name: str, max_message: int | None, codec: str = "proto") -> RPCProtocol:
    """Make the protocol of this name.

    Args:
        name: "grpc", "connect" or "grpc-web".
        max_message: Most bytes of a message; None for no bound.
        codec: What messages are written in: "proto", or "json" over Connect.

    Raises:
        ConfigError: There is no such protocol, or it can't carry the codec.
    """
    if name not in _HOMES:
        raise ConfigError(f"protocol={name!r}: give 'grpc', 'connect' or 'grpc-web'")
    module, kind = _HOMES[name]
    if codec not in {"proto", "json"}:
        raise ConfigError(f"codec={codec!r}: give 'proto' or 'json'")
    if codec == "json" and name != "connect":
        raise ConfigError(f"codec='json': {name} carries protobuf alone; use protocol='connect'")
    more = (codec,) if name == "connect" else ()
    made: RPCProtocol = getattr(import_module(module), kind)(max_message, *more)
    return made
