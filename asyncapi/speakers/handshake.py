"""Check what users ask for in `client.websocket(...)`, and make the socket of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from asyncapi.calls.arguments import TOKEN, checked_headers, policy_of, shared_options
from asyncapi.errors import ConfigError
from asyncapi.messages.upgrade import Upgrade
from asyncapi.speakers.websocket import WebSocket
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yarl import URL

    from asyncapi.settings import Retry
    from asyncapi.speakers.line import Line

_SCHEME = re.compile(r"^ws(s?)://", re.IGNORECASE)
_OURS = {
    "Upgrade": "it is set by itself",
    "Connection": "it is set by itself",
    "Sec-WebSocket-Key": "it is set by itself",
    "Sec-WebSocket-Version": "it is set by itself",
    "Sec-WebSocket-Extensions": "say compress=True or False",
    "Sec-WebSocket-Protocol": "say subprotocols=",
}


def websocket(
    line: Line,
    url: str | URL,
    usual: Retry | None,
    options: dict[str, Any],
    *,
    subprotocols: Iterable[str],
    reconnect: Any,
    reconnect_on: Any,
    heartbeat: Any,
    max_message: Any,
    compress: Any,
    **how: Any,
) -> WebSocket[Any]:
    """Make a socket that is opened in its block.

    Args:
        line: The client.
        url: As in `Client.websocket`.
        usual: The client's retries.
        options: Those of each handshake.
        subprotocols: As in `Client.websocket`, as all that follow.
        reconnect: As there.
        reconnect_on: As there.
        heartbeat: As there.
        max_message: As there.
        compress: As there.
        how: The other arguments of `WebSocket`.

    Raises:
        ConfigError: One of them makes no sense.
    """
    options = shared_options(options)
    _check_headers(options.get("headers"))
    retry = options.get("retry", UNSET)
    policy = usual if retry is UNSET else policy_of(retry)
    if how.get("on_open") is not None and not callable(how["on_open"]):
        raise ConfigError(f"on_open={how['on_open']!r}: give a function of the socket, or None")
    upgrade = Upgrade(
        _subprotocols(subprotocols),
        heartbeat=_heartbeat(heartbeat),
        max_message=_max_message(max_message),
        compress=_flag(compress),
    )
    return WebSocket(
        line, _SCHEME.sub(r"http\1://", url) if isinstance(url, str) else _of_http(url), upgrade, options,
        policy=policy if reconnect is UNSET else policy_of(reconnect),
        reconnect_on=_codes(reconnect_on), **how,
    )  # fmt: skip


def _of_http(url: URL) -> URL:
    return url.with_scheme("https" if url.scheme == "wss" else "http") if url.scheme in {"ws", "wss"} else url


def _check_headers(headers: Any) -> None:
    given = checked_headers(headers)
    for name, instead in _OURS.items():
        if name in given:
            raise ConfigError(f"header {name}: {instead}; leave it out")


def _subprotocols(given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise ConfigError(f"subprotocols: {name!r} can't be the name of one (RFC 6455 section 4.1)")
    if len(set(names)) < len(names):
        raise ConfigError("subprotocols: one of them is named twice (RFC 6455 section 4.1)")
    return names


def _codes(given: Any) -> Any:
    if callable(given):
        return given
    if isinstance(given, str | bytes) or not isinstance(given, Collection):
        raise ConfigError(f"reconnect_on={given!r}: give close codes, such as {{4000, 4001}}, or a function of them")
    for code in given:
        if not isinstance(code, int) or isinstance(code, bool) or not 1000 <= code <= 4999:  # noqa: PLR2004
            raise ConfigError(f"reconnect_on: {code!r} is no close code: they go from 1000 to 4999")
    return frozenset(given)


def _heartbeat(given: Any) -> float | None:
    if given is None:
        return None
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 < given < float("inf"):
        raise ConfigError(f"heartbeat={given!r}: give seconds, or None for no heartbeat")
    return float(given)


def _max_message(given: Any) -> int | None:
    if given is not None and (type(given) is not int or given < 1):
        raise ConfigError(f"max_message={given!r}: give a number of bytes, at least 1, or None for no bound")
    return given


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise ConfigError(f"compress={given!r}: give True or False")
    return given


def check(
    *,
    headers: Any,
    subprotocols: Any,
    on_open: Any,
    reconnect: Any,
    reconnect_on: Any,
    heartbeat: Any,
    max_message: Any,
    compress: Any,
) -> None:
    """Check the arguments of `Client.websocket` without a client, for what is declared before there is one.

    Raises:
        ConfigError: One of them makes no sense.
    """
    _check_headers(headers)
    _subprotocols(subprotocols)
    _heartbeat(heartbeat)
    _max_message(max_message)
    _flag(compress)
    _codes(reconnect_on)
    if reconnect is not UNSET:
        policy_of(reconnect)
    if on_open is not None and not callable(on_open):
        raise ConfigError(f"on_open={on_open!r}: give a function of the socket, or None")
