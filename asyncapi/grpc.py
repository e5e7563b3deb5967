"""What RPCs are made of: status codes, metadata, the channel and its calls."""

from typing import TYPE_CHECKING

from asyncapi.faces import lazy_face

if TYPE_CHECKING:
    from asyncapi.errors import RPCError
    from asyncapi.messages.code import Code
    from asyncapi.sansio.rpc.metadata import Metadata
    from asyncapi.speakers.rpc.call import RPC, UnaryUnaryCall
    from asyncapi.speakers.rpc.channel import Channel, MultiCallable, StreamMultiCallable
    from asyncapi.speakers.rpc.details import Detail
    from asyncapi.speakers.rpc.failures import RPCBroken, RPCFailed, RPCTimeout, RPCUnreachable
    from asyncapi.speakers.rpc.interceptors import interceptors
    from asyncapi.speakers.rpc.options import RPCOptions
    from asyncapi.speakers.rpc.streams import EOF, StreamStreamCall, StreamUnaryCall, UnaryStreamCall

__all__ = [
    "EOF",
    "RPC",
    "Channel",
    "Code",
    "Detail",
    "Metadata",
    "MultiCallable",
    "RPCBroken",
    "RPCError",
    "RPCFailed",
    "RPCOptions",
    "RPCTimeout",
    "RPCUnreachable",
    "StreamMultiCallable",
    "StreamStreamCall",
    "StreamUnaryCall",
    "UnaryStreamCall",
    "UnaryUnaryCall",
    "interceptors",
]

_HOMES = {
    "errors": "RPCError",
    "messages.code": "Code",
    "sansio.rpc.metadata": "Metadata",
    "speakers.rpc.call": "RPC UnaryUnaryCall",
    "speakers.rpc.channel": "Channel MultiCallable StreamMultiCallable",
    "speakers.rpc.details": "Detail",
    "speakers.rpc.failures": "RPCBroken RPCFailed RPCTimeout RPCUnreachable",
    "speakers.rpc.interceptors": "interceptors",
    "speakers.rpc.options": "RPCOptions",
    "speakers.rpc.streams": "EOF StreamStreamCall StreamUnaryCall UnaryStreamCall",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_face(__name__, _HOMES, below="asyncapi")
