"""The ways of a client to speak other protocols than plain HTTP: `websocket` and `grpc`. Their speakers load late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from asyncapi.options import SHARED, check_options
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.options import SharedOptions
    from asyncapi.sansio.http.closecodes import ReconnectOn
    from asyncapi.settings import Retry
    from asyncapi.speakers.rpc.channel import Channel
    from asyncapi.speakers.rpc.protocols import Codec, ProtocolName
    from asyncapi.speakers.websocket import WebSocket
    from asyncapi.types import Unset

T = TypeVar("T")


class ProtocolMethods:
    """A base of `Client`, which gives it what it needs to speak them."""

    _retry: Retry | None

    @overload
    def websocket(
        self,
        url: str | URL,
        *,
        model: None = None,
        subprotocols: Iterable[str] = (),
        on_open: Callable[[WebSocket[Any]], Any] | None = None,
        reconnect: Retry | int | Unset | None = UNSET,
        reconnect_on: ReconnectOn = (),
        heartbeat: float | None = 20.0,
        max_message: int | None = 4 << 20,
        compress: bool = True,
        **options: Unpack[SharedOptions],
    ) -> WebSocket[str | bytes]: ...

    @overload
    def websocket(
        self,
        url: str | URL,
        *,
        model: TypeForm[T],
        subprotocols: Iterable[str] = (),
        on_open: Callable[[WebSocket[Any]], Any] | None = None,
        reconnect: Retry | int | Unset | None = UNSET,
        reconnect_on: ReconnectOn = (),
        heartbeat: float | None = 20.0,
        max_message: int | None = 4 << 20,
        compress: bool = True,
        **options: Unpack[SharedOptions],
    ) -> WebSocket[T]: ...

    def websocket(
        self,
        url: str | URL,
        *,
        model: Any = None,
        subprotocols: Iterable[str] = (),
        on_open: Callable[[WebSocket[Any]], Any] | None = None,
        reconnect: Retry | int | Unset | None = UNSET,
        reconnect_on: ReconnectOn = (),
        heartbeat: float | None = 20.0,
        max_message: int | None = 4 << 20,
        compress: bool = True,
        **options: Unpack[SharedOptions],
    ) -> WebSocket[Any]:
        """Open a WebSocket; when the connection is lost, connect again.

            async with api.websocket("/feed", model=Trade | Quote, on_open=subscribe) as ws:
                async for message in ws: ...

        Each handshake is a call like any other, and holds its place in the queues until the connection ends.

        Args:
            url: As in `request`; `ws://` and `wss://` stand for `http://` and `https://`.
            model: What the JSON of each message is; without it, text and bytes come.
            subprotocols: Those that you speak, the best first.
            on_open: Called with the socket on every new connection, before a message of it is handed out: the place to
                subscribe. It may be a coroutine function, send, and receive.
            reconnect: When to connect again, as a `Retry` or a number of attempts, which bounds the failures in a row;
                None for a single connection. By default as `retry`.
            reconnect_on: Close codes to connect again after, beside those of docs/websocket.md; or a function of the
                code and the reason that returns True, False, "renew" (once, with a fresh credential), or None for the
                usual.
            heartbeat: Seconds of silence after which the server is asked whether it is there, and half as many that it
                has to respond; None for none.
            max_message: The largest message that is taken, in bytes; None for no bound.
            compress: Whether to offer compression (permessage-deflate).
            **options: Of each handshake, as in `stream`: all but a body and `raise_for_status`. A `timeout` of its own
                bounds all of it; without it, the client's ends with the handshake and `on_open`.

        Returns:
            WebSocket: `async with` it, then `async for` over it, or `receive()` and `send()`.

        Raises:
            ConfigError: An argument makes no sense.
            TypeError: There is no such option.
        """
        from asyncapi.speakers.handshake import websocket  # noqa: PLC0415 - not every client speaks it
        from asyncapi.speakers.line import line_of  # noqa: PLC0415

        check_options("websocket", options, SHARED)
        return websocket(
            line_of(self), url, self._retry, dict(options),
            model=model, subprotocols=subprotocols, on_open=on_open, reconnect=reconnect, reconnect_on=reconnect_on,
            heartbeat=heartbeat, max_message=max_message, compress=compress,
        )  # fmt: skip

    def grpc(
        self,
        protocol: ProtocolName = "grpc",
        *,
        codec: Codec = "proto",
        compression: Any = None,
        max_message: int | Unset | None = UNSET,
    ) -> Channel:
        """Make the channel that generated stubs of gRPC take; its calls are calls of this client.

            stub = GreeterStub(api.grpc())
            reply = await stub.SayHello(HelloRequest(name="Ada"), timeout=2)

        Args:
            protocol: "grpc", which needs `http2=True`, or `http2="prior"` for http://; "connect" or "grpc-web", which
                don't.
            codec: What messages are written in: "proto", or "json" over Connect.
            compression: How messages are compressed that are sent: "gzip", "deflate", a `grpc.Compression`, or None.
            max_message: Most bytes of a message that is received; by default the client's `max_body`. None for no
                bound.

        Raises:
            ConfigError: The client can't carry the protocol, or a setting makes no sense.
        """
        from asyncapi.speakers.line import line_of  # noqa: PLC0415 - not every client speaks it
        from asyncapi.speakers.rpc.channel import Channel  # noqa: PLC0415

        return Channel(line_of(self), protocol, codec=codec, compression=compression, max_message=max_message)
