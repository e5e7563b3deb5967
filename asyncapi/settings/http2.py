"""The settings of HTTP/2."""

from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal

from asyncapi.errors import ConfigError
from asyncapi.settings.base import Seconds, settings
from asyncapi.settings.checks import Bounds

_LEAST_WINDOW = 65_535  # RFC 9113 section 6.9.2: every connection begins with it
_MOST_WINDOW = 2**31 - 1  # section 6.9.1


@settings
class HTTP2:
    """Say how HTTP/2 connections are kept, as `Client(http2=HTTP2(...))`.

    Attributes:
        ping: Seconds of silence, while requests are under way, after which a PING asks the server whether it is still
            there; it has as many seconds to respond before the connection counts as broken. 30 by default; None never
            asks.
        window: Bytes of one body that the server may send before they are read: 16 MiB by default. It bounds the memory
            of a body that nobody reads, and the speed over a long way: window / round-trip time.
        streams: Most requests at a time on one connection; None, the default, for as many as the server allows. Others
            wait in a queue.
    """

    _: KW_ONLY
    ping: Seconds | None = 30.0
    window: Annotated[int, Bounds(strict=True, ge=_LEAST_WINDOW, le=_MOST_WINDOW)] = 16 * 1024 * 1024
    streams: Annotated[int, Bounds(strict=True, ge=1)] | None = None


Choice = bool | Literal["prior"] | HTTP2
"""What `Client(http2=)` takes."""


def http2_of(choice: Any) -> HTTP2 | None:
    """Read `Client(http2=)`; None for HTTP/1.1 alone.

    Raises:
        ConfigError: It is something else.
    """
    if isinstance(choice, HTTP2):
        return choice
    if choice is False or choice is None:
        return None
    if choice is True or choice == "prior":
        return HTTP2()
    raise ConfigError(f"http2={choice!r}: give True, False, 'prior', or HTTP2(...)")
