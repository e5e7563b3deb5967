"""Make a client's transport from its settings; each lane is imported only where a client needs it."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.errors import ConfigError
from asyncapi.settings.http3 import http3_of

if TYPE_CHECKING:
    import aiohttp

    from asyncapi.clock import Clock
    from asyncapi.sansio.http.egress import Guard
    from asyncapi.settings import HTTP2, TLS, Egress
    from asyncapi.transports.tls import Handshakes
    from asyncapi.types import Transport

LANES = ("aiohttp", "native")  # the transports that have a name
DEFAULT = "aiohttp"  # the one of a client that names none
MAX_BODY = 64 * 1024 * 1024  # bytes of a decoded body, by default
LEAST_HEADERS = 8192  # bytes of headers that servers rely on


def choose_transport(
    transport: Transport | str | None,
    clock: Clock,
    *,
    egress: Egress | Literal["public"] | None,
    session: aiohttp.ClientSession | None = None,
    http2: Any = False,
    http3: Any = False,
    **settings: Any,
) -> Transport:
    """Return the transport that a client was given, or make the one that it names, with these settings.

    Raises:
        ConfigError: `transport` is no name of a transport, has no `send` or `aclose`, or does not go with `egress` or
            `session`.
    """
    if transport is None or isinstance(transport, str):
        return http_transport(
            clock, transport=transport, egress=egress, session=session, http2=http2, http3=http3, **settings
        )
    if not callable(getattr(transport, "send", None)) or not callable(getattr(transport, "aclose", None)):
        raise ConfigError(f"transport={transport!r}: it needs `send` and `aclose`, as MockTransport(handler) has them")
    if _streams(http2) is not None:
        raise ConfigError("http2= doesn't work with transport=: it is the native transport's; leave one of them out")
    if http3_of(http3) is not False:
        raise ConfigError("http3= doesn't work with transport=: it is the native transport's; leave one of them out")
    if egress is not None and not getattr(transport, "offline", False):
        raise ConfigError(
            "egress= doesn't work with transport=: the transport makes the connections; set the restrictions there"
        )
    return transport


def http_transport(
    clock: Clock,
    *,
    transport: str | None = None,
    tls: bool | str | PathLike[str] | TLS = True,
    egress: Egress | Literal["public"] | None = None,
    session: aiohttp.ClientSession | None = None,
    http2: Any = False,
    http3: Any = False,
    **settings: Any,
) -> Transport:
    """Make a transport over HTTP.

    Args:
        clock: Times the attempts.
        transport: "aiohttp" or "native"; None for aiohttp with a session, else for the default.
        tls: As in `asyncapi.Client`.
        egress: As in `asyncapi.Client`.
        session: As in `asyncapi.Client`.
        http2: As in `asyncapi.Client`.
        http3: As in `asyncapi.Client`.
        settings: As in `AioHTTPTransport` and `NativeTransport`.

    Raises:
        ConfigError: There is no such transport; a TLS file is missing or is not what it should be; settings that don't
            go together.
    """
    datagrams = http3_of(http3)
    if datagrams is not False:
        transport = _native_for("http3=", transport, session)
        _check_http3(settings)
        http2 = http2 or True  # what its TCP side negotiates
        settings = {**settings, "http3": datagrams}
    streams = _streams(http2)
    if streams is not None:
        transport = _native_for("http2=", transport, session)
        settings = {**settings, "http2": streams, "prior": http2 == "prior"}
    lane = transport if transport is not None else ("aiohttp" if session is not None else DEFAULT)
    if lane not in LANES:
        raise ConfigError(f"transport={lane!r}: give 'aiohttp', 'native', or an object with `send` and `aclose`")
    if session is not None and lane == "native":
        raise ConfigError("session= doesn't work with transport='native': aiohttp sends over a session; leave one out")
    max_body = settings["max_body"]
    if max_body is not None and (type(max_body) is not int or max_body < 1):
        raise ConfigError(f"max_body={max_body!r}: give a number of bytes, at least 1, or None for no bound")
    max_headers = settings.get("max_headers")
    if max_headers is not None and (type(max_headers) is not int or max_headers < LEAST_HEADERS):
        raise ConfigError(f"max_headers={max_headers!r}: give a number of bytes, at least {LEAST_HEADERS:,}, or None")
    settings = {**settings, "clock": clock, "tls": _handshakes(tls), "guard": _guard(egress)}
    return _native(settings) if lane == "native" else _aiohttp({**settings, "session": session})


def _native_for(setting: str, transport: str | None, session: Any) -> str:
    """Choose the transport of a client with `http2=` or `http3=`."""
    if session is not None:
        raise ConfigError(f"{setting} doesn't work with session=: aiohttp speaks HTTP/1.1 alone; leave one of them out")
    if transport == "aiohttp":
        raise ConfigError(
            f"{setting} doesn't work with transport='aiohttp', which speaks HTTP/1.1 alone: leave one out"
        )
    return transport or "native"


def _check_http3(settings: dict[str, Any]) -> None:
    """Check that HTTP/3 can be spoken at all."""
    for name, why in (("proxy", "proxies forward TCP alone"), ("unix_socket", "every call goes to that socket")):
        if settings.get(name) is not None:
            raise ConfigError(f"http3= doesn't work with {name}=: {why}; leave one of them out")


def _aiohttp(settings: dict[str, Any]) -> Transport:
    from asyncapi.transports.aiohttp import AioHTTPTransport  # noqa: PLC0415

    return AioHTTPTransport(**settings)


def _native(settings: dict[str, Any]) -> Transport:
    from asyncapi.transports.native.transport import NativeTransport  # noqa: PLC0415

    return NativeTransport(**settings)


def _streams(http2: Any) -> HTTP2 | None:
    if http2 is False:
        return None
    from asyncapi.settings.http2 import http2_of  # noqa: PLC0415

    return http2_of(http2)


def _handshakes(tls: bool | str | PathLike[str] | TLS) -> Handshakes | None:
    """Read `tls=`; None for the default."""
    if tls is True:
        return None
    from asyncapi.settings import TLS  # noqa: PLC0415
    from asyncapi.transports.tls import Handshakes  # noqa: PLC0415

    if not isinstance(tls, bool | str | PathLike | TLS):
        raise ConfigError(f"tls={tls!r}: give True, False, the path of a file of authorities, or TLS(...)")
    if not isinstance(tls, TLS):
        tls = TLS(ca=fspath(tls)) if isinstance(tls, str | PathLike) else TLS(verify=False)
    return Handshakes(
        ca=tls.ca,
        cert=tls.cert,
        key=tls.key,
        password=tls.password.get_secret_value() if tls.password is not None else None,
        verify=tls.verify,
        min_version=tls.min_version,
        pins=tls.pins,
    )


def _guard(egress: Egress | Literal["public"] | None) -> Guard | None:
    if egress is None:
        return None
    from asyncapi.settings import Egress  # noqa: PLC0415

    if egress == "public":
        egress = Egress()
    if not isinstance(egress, Egress):
        raise ConfigError(f"egress={egress!r}: give None, 'public', or Egress(allow=[...], deny=[...])")
    return egress.guard()
