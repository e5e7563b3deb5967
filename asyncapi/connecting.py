"""The default transport, from the client's settings; aiohttp is loaded only where a client needs it."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from asyncapi.config import TLS
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.types import Transport

MAX_BODY = 64 * 1024 * 1024  # bytes of a decoded body, by default


def carried_by(transport: Transport | None, clock: Clock, **settings: Any) -> Transport:
    """The transport a client was given, or one over aiohttp with these settings.

    Raises:
        ConfigError: It is none.
    """
    if transport is None:
        return http_transport(clock, **settings)
    if not callable(getattr(transport, "send", None)) or not callable(getattr(transport, "aclose", None)):
        raise ConfigError(f"transport={transport!r}: it needs `send` and `aclose`, as MockTransport(handler) has them")
    return transport


def http_transport(clock: Clock, *, tls: bool | str | PathLike[str] | TLS, **settings: Any) -> Transport:
    """A transport over aiohttp.

    Args:
        clock: Times its attempts.
        tls: As in `asyncapi.Client`.
        settings: As in `AioHTTPTransport`.

    Raises:
        ConfigError: A TLS file is missing or is not what it should be.
    """
    from asyncapi.transports.aiohttp import AioHTTPTransport  # noqa: PLC0415
    from asyncapi.transports.tls import context  # noqa: PLC0415

    max_body = settings["max_body"]
    if max_body is not None and (type(max_body) is not int or max_body < 1):
        raise ConfigError(f"max_body={max_body!r}: a number of bytes, at least 1, or None for no bound")
    if not isinstance(tls, bool | str | PathLike | TLS):
        raise ConfigError(f"tls={tls!r}: True, False, the path of a file of authorities, or TLS(...)")
    if isinstance(tls, str | PathLike):
        tls = TLS(ca=fspath(tls))
    elif tls is False:
        tls = TLS(verify=False)
    if isinstance(tls, TLS):
        password = tls.password.get_secret_value() if tls.password is not None else None
        settings["tls"] = context(
            ca=tls.ca, cert=tls.cert, key=tls.key, password=password, verify=tls.verify, min_version=tls.min_version
        )
    return AioHTTPTransport(clock=clock, **settings)
