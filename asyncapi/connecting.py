"""The default transport, from the client's settings; aiohttp is loaded only where a client needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.config import TLS

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.types import Transport

MAX_BODY = 64 * 1024 * 1024  # bytes of a decoded body, by default


def http_transport(clock: Clock, *, tls: bool | str | TLS, **settings: Any) -> Transport:
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

    if isinstance(tls, str):
        tls = TLS(ca=tls)
    elif tls is False:
        tls = TLS(verify=False)
    if isinstance(tls, TLS):
        password = tls.password.get_secret_value() if tls.password is not None else None
        settings["tls"] = context(
            ca=tls.ca, cert=tls.cert, key=tls.key, password=password, verify=tls.verify, min_version=tls.min_version
        )
    return AioHTTPTransport(clock=clock, **settings)
