"""What a protocol needs of a client: to build a request and to send it as a call like any other.

A protocol has no retries, limits or time-outs of its own: those of the client hold for every request that it sends. It
says what a response means with `reading` (`asyncapi/messages/meaning.py`), and the layers go by that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.streaming.stream import Opener, Stream, opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.errors import AsyncAPIError
    from asyncapi.messages.meaning import Reading
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.messages.upgrade import Upgrade
    from asyncapi.streaming.stream import StreamSettings
    from asyncapi.types import Send


_SAY_HTTP2 = "say Client(http2=True), or http2='prior' for http:// (h2c)"


@dataclass(frozen=True, slots=True)
class Line:
    """A client, as a protocol sees it.

    Attributes:
        settings: What the streams of the client have in common.
        carry: Sends a built request down the layers.
        status_error: Makes the error of a response whose status is 400 or higher.
        carrier: Composes the client's layers over another innermost step than its transport.
        renew: Has another credential used instead of the one that a request was sent with; returns why, or "" where
            there is no other.
    """

    settings: StreamSettings
    carry: Callable[[Request], Awaitable[Response]]
    status_error: Callable[[Response], AsyncAPIError]
    carrier: Callable[[Send], Callable[[Request], Awaitable[Response]]]
    renew: Callable[[Request], str]

    def over(self, bare: Send) -> Line:
        """Return a line whose attempts are made by `bare` instead of the transport; it shares all limits and counts.

        Args:
            bare: Makes one attempt, as a transport's `send` does.
        """
        return replace(self, carry=self.carrier(bare))

    @property
    def base(self) -> str:
        """What relative URLs are joined to, without its last slash; "" where there is none."""
        return self.settings.builder.base

    def check_http2(self, what: str) -> None:
        """Find out now that the client can't speak HTTP/2, where a protocol needs it.

        Raises:
            ConfigError: The client can't, for the addresses of its base URL.
        """
        transport = self.settings.transport
        why = getattr(transport, "no_http2", None)
        if why is None and getattr(transport, "speaks_http2", True):  # one of the user's own: it may
            return
        reason = _SAY_HTTP2 if why is None else why(self.base)
        if reason is not None:
            raise ConfigError(f"{what} needs HTTP/2: {reason}")

    @property
    def clock(self) -> Clock:
        """The client's clock."""
        return self.settings.clock

    async def call(self, method: str, url: str, *, reading: Reading | None = None, **options: Any) -> Response:
        """Make a whole call; a status of 400 or higher is returned like any other.

        Args:
            method: HTTP method, in upper case.
            url: As in `Client.request`.
            reading: Says what a response means.
            **options: As in `Client.request`.

        Raises:
            AsyncAPIError: There is no response.
        """
        request = self.settings.builder.build(method, url, **options)
        request.call.reading = reading
        return await self.carry(request)

    async def open(
        self,
        method: str,
        url: str | URL,
        *,
        reading: Reading | None = None,
        peek: Callable[[Response], Awaitable[object]] | None = None,
        upgrade: Upgrade | None = None,
        refused: tuple[Any, ...] = (),
        **options: Any,
    ) -> Response:
        """Make a call, and leave the body of a good response open: the caller closes its `open_body`.

        Args:
            method: HTTP method, in upper case.
            url: As in `Client.request`.
            reading: Says what a response means.
            peek: Looks into the open body before `reading` is asked, within the attempt: an error that comes before the
                first message is then retried like any other.
            upgrade: The protocol that the connection is to change to.
            refused: The signatures that an earlier call was refused for: this one waits for a fresh one.
            **options: As in `Client.request`.

        Raises:
            AsyncAPIError: There is no response.
        """
        request = self.settings.builder.build(method, url, **options)
        call = request.call
        call.reading, call.peek, call.upgrade, call.refused = reading, peek, upgrade, refused
        return await opened(self.carry, request)

    def stream(self, method: str, url: str, *, reading: Reading | None = None, **options: Any) -> Stream:
        """Make a call whose response is streamed: `async with` it; no status raises.

        Args:
            method: HTTP method.
            url: As in `Client.request`.
            reading: Says what a response means.
            **options: As in `Client.request`.
        """
        opener = Opener(
            self.settings, self.carry, self.status_error,
            method=method, url=url, options={**options, "raise_for_status": False}, reading=reading,
        )  # fmt: skip
        return Stream(opener.open)


def line_of(api: Any) -> Line:
    """Return the line of a client, or of a declared API's.

    Args:
        api: An `asyncapi.Client`, or an `asyncapi.API` over one.

    Raises:
        ConfigError: It is neither.
    """
    client = getattr(api, "client", api)  # of a declared API
    streams = getattr(client, "_streams", None)
    if streams is None:
        name = f"{type(api).__module__}.{type(api).__name__}".removeprefix("builtins.")
        raise ConfigError(f"{name}: give an asyncapi.Client, or a declared API over one")
    # what a client is to its protocols
    return Line(streams, client._carry, client._status_error, client._carry_over, client._renew)  # noqa: SLF001
