"""The channel that generated stubs take: `GreeterStub(api.grpc())`.

A stub asks it for one callable a method, by `unary_unary` and its three sisters, as it asks a channel of grpc.aio.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

from asyncapi.errors import ConfigError
from asyncapi.sansio.rpc.codings import coding_of
from asyncapi.speakers.rpc.call import UnaryUnaryCall
from asyncapi.speakers.rpc.idempotency import method_of
from asyncapi.speakers.rpc.protocols import protocol_of
from asyncapi.speakers.rpc.requests import Written, body_of
from asyncapi.speakers.rpc.site import Site
from asyncapi.speakers.rpc.streams import StreamStreamCall, StreamUnaryCall, UnaryStreamCall
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.request import Body
    from asyncapi.speakers.line import Line
    from asyncapi.speakers.rpc.options import RPCOptions
    from asyncapi.speakers.rpc.protocols import Codec, ProtocolName
    from asyncapi.types import Unset

C = TypeVar("C")


class Channel:
    """Calls the methods of the services behind a client: what a generated stub takes.

    Args:
        line: The client.
        protocol: "grpc", "connect" or "grpc-web".
        codec: What messages are written in: "proto", or "json" over Connect.
        compression: How messages are compressed that are sent: "gzip", "deflate", a `grpc.Compression`, or None.
        max_message: Most bytes of a message that is received; by default the client's `max_body`. None for no bound.

    Raises:
        ConfigError: The client can't carry the protocol, or a setting makes no sense.
    """

    def __init__(
        self,
        line: Line,
        protocol: ProtocolName = "grpc",
        *,
        codec: Codec = "proto",
        compression: Any = None,
        max_message: int | Unset | None = UNSET,
    ) -> None:
        most: Any = line.settings.max_body if max_message is UNSET else max_message
        if most is not None and (type(most) is not int or most < 1):
            raise ConfigError(f"max_message={most!r}: give a number of bytes, at least 1, or None for no bound")
        self._line = line
        self._protocol = protocol_of(protocol, most, codec)
        self._json = codec == "json"
        self._compression = coding_of(compression)
        if self._protocol.needs_http2:
            line.check_http2("gRPC")

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> MultiCallable[UnaryUnaryCall]:
        """Return the callable of a method that takes one message and returns one."""
        site = self._site(method, request_serializer, response_deserializer, streams_in=False, streams_out=False)
        return MultiCallable(partial(_unary, site))

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> MultiCallable[UnaryStreamCall]:
        """Return the callable of a method that takes one message and returns a stream."""
        site = self._site(method, request_serializer, response_deserializer, streams_in=False, streams_out=True)
        return MultiCallable(partial(_to_stream, site))

    def stream_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> StreamMultiCallable[StreamUnaryCall]:
        """Return the callable of a method that takes a stream of messages and returns one."""
        site = self._site(method, request_serializer, response_deserializer, streams_in=True, streams_out=False)
        return StreamMultiCallable(partial(_of_stream, site, StreamUnaryCall))

    def stream_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes] | None = None,
        response_deserializer: Callable[[bytes], Any] | None = None,
        _registered_method: bool | None = False,
    ) -> StreamMultiCallable[StreamStreamCall]:
        """Return the callable of a method that takes and returns a stream of messages."""
        site = self._site(method, request_serializer, response_deserializer, streams_in=True, streams_out=True)
        return StreamMultiCallable(partial(_of_stream, site, StreamStreamCall))

    def _site(
        self,
        path: str,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
        *,
        streams_in: bool,
        streams_out: bool,
    ) -> Site:
        if not path.startswith("/"):
            raise ConfigError(f"method {path!r}: give its path, '/package.Service/Method'")
        if self._json:
            from asyncapi.speakers.rpc.json_codec import serializers  # noqa: PLC0415 - few need it

            serialize, deserialize = serializers(serialize, deserialize)
        method = method_of(path, streams_in=streams_in, streams_out=streams_out)
        return Site(self._line, self._protocol, method, serialize, deserialize, self._compression)

    async def close(self, grace: float | None = None) -> None:
        """Do nothing: the connections are the client's, and close with it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Channel {self._protocol.name} {self._line.base or 'without a base URL'}>"


class MultiCallable(Generic[C]):
    """Calls one method that takes one message."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[Any, dict[str, Any]], C]) -> None:
        self._call = call

    def __call__(self, request: Any, **options: Unpack[RPCOptions]) -> C:
        """Make a call.

        Args:
            request: The message.
            **options: Each is described in `asyncapi.speakers.rpc.options.RPCOptions`: `timeout`, `metadata`,
                `compression`, `retry`, `idempotent`, `auth`, `wait`, `priority`, `tenant`, `route`.

        Raises:
            ConfigError: It can't be sent as it is.
            TypeError: There is no such option.
        """
        return self._call(request, options)  # type: ignore[arg-type]  # a TypedDict is a dict


class StreamMultiCallable(Generic[C]):
    """Calls one method that takes a stream of messages."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[Any, dict[str, Any]], C]) -> None:
        self._call = call

    def __call__(self, request_iterator: Any = None, **options: Unpack[RPCOptions]) -> C:
        """Make a call.

        Args:
            request_iterator: The messages: an iterable, or an async one; None where `write` sends them.
            **options: As in `MultiCallable`.

        Raises:
            ConfigError: It can't be sent as it is.
            TypeError: There is no such option.
        """
        return self._call(request_iterator, options)  # type: ignore[arg-type]  # a TypedDict is a dict


def _unary(site: Site, message: Any, options: dict[str, Any]) -> UnaryUnaryCall:
    return UnaryUnaryCall(site, site.request(site.serialized(message), None, options))


def _to_stream(site: Site, message: Any, options: dict[str, Any]) -> UnaryStreamCall:
    request = site.request(site.serialized(message), None, options)
    return UnaryStreamCall(site, request, None, options.get("timeout", UNSET))


def _of_stream(site: Site, kind: Callable[..., C], messages: Any, options: dict[str, Any]) -> C:
    coding = site.coding(options)
    if kind is StreamStreamCall and not site.protocol.needs_http2:  # which has found out already
        site.line.check_http2("a call that streams in both directions")

    def frame(message: Any) -> bytes:
        return site.protocol.frame(site.serialized(message), coding)

    written = Written(frame) if messages is None else None
    body: Body = body_of(messages, frame) if written is None else written.body
    return kind(site, site.request(None, body, options), written, options.get("timeout", UNSET))
