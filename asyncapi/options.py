"""The options of a call, each written down once, and the errors for names that are none of them.

    SharedOptions    what every way to call takes: `request`, the verbs, `stream`, `events`, `paginate`, `map`, `gather`
    MapOptions       those, and what `map` and `gather` take for each of their items
    CallOptions      those, and the body: what `request`, the verbs and `stream` take

Signatures name them as `**options: Unpack[CallOptions]`, which type checkers and editors expand. A name that is no
option is a `TypeError` that says which one was meant.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from asyncapi.credentials import Credential
    from asyncapi.messages.request import Body
    from asyncapi.settings import Retry, Timeout
    from asyncapi.types import Content, Headers, Params, Unset

F = TypeVar("F", bound="Callable[..., Any]")


class SharedOptions(TypedDict, total=False):
    """What every way to call takes; `CallOptions` adds the body."""

    params: Params | None
    """Query parameters, added to those of the URL; None values are left out, lists repeat their key."""
    headers: Headers | None
    """Added to the client's headers, replacing those of the same name."""
    cookies: Mapping[str, str] | None
    """Cookies for this call alone: name -> value, sent verbatim, never stored. The client's own go beside them."""
    auth: Credential | Unset | None
    """A credential (`Bearer`, `Basic`, ...) instead of the client's, for the origin of this call's URL alone; None for
    a call without one."""
    timeout: Timeout | float | Unset | None
    """A `Timeout`, or seconds in all, instead of the client's; None for no limit."""
    retry: Retry | int | Unset | None
    """A `Retry`, or the attempts in all, instead of the client's; None for a single attempt."""
    redirects: int | None
    """The most redirects followed, instead of the client's; 0 returns them. Such a call bypasses the cache."""
    route: str | None
    """The template of the URL (`/users/{id}`): its name in metrics."""
    wait: bool | float | Unset
    """Whether, or for how many seconds at the most, to wait in a queue for a place or a token."""
    priority: int | None
    """The higher goes first in every queue; 0 is usual."""
    tenant: str | None
    """On whose behalf: tenants of the same priority take turns."""


class MapOptions(SharedOptions, total=False):
    """What `map` and `gather` take for each of their items; a `Request` keeps what it sets itself."""

    raise_for_status: bool | None
    """Whether a 4xx or 5xx is a failure, instead of the client's setting."""


class CallOptions(MapOptions, total=False):
    """What one call takes: `request`, the verbs and `stream`."""

    json: Any
    """A JSON body: plain data or a pydantic model."""
    data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None
    """Form fields."""
    content: Content | Body | None
    """A raw body: bytes, text, a path, a file, an iterable or async iterable of bytes."""
    files: Mapping[str, Any] | Iterable[tuple[str, Any]] | None
    """A multipart body: name -> path, bytes, file, or (filename, content[, content type])."""
    idempotency_key: str | bool | None
    """True makes one, text is sent as it is: the request becomes safe to resend."""
    idempotent: bool | None
    """Your word on whether sending it twice does its work once: True for a search by POST, False for a GET that does
    something. None for what the method and the key say."""


SHARED: frozenset[str] = SharedOptions.__optional_keys__
MAPPED: frozenset[str] = MapOptions.__optional_keys__
CALL: frozenset[str] = CallOptions.__optional_keys__

# Settings of a client that no call takes.
SETTINGS: frozenset[str] = frozenset(
    {
        "attempt_header", "breaker", "cache", "chaos", "clock", "concurrency", "deadline_header", "egress", "endpoints",
        "fallback", "hedge", "hooks", "http2", "http3", "layers", "max_body", "max_headers", "max_queue", "mesh",
        "pace", "proxy", "rate", "session", "shared", "single_flight", "tls", "transport", "trust_env", "unix_socket",
        "watch",
    }
)  # fmt: skip
# The arguments of a method that are no options, for "did you mean".
_ARGUMENTS = {
    "stream": set[str](),
    "events": {"model", "last_id", "until", "max_event"},
    "websocket": {
        "model",
        "subprotocols",
        "on_open",
        "reconnect",
        "reconnect_on",
        "heartbeat",
        "max_message",
        "compress",
    },
    "paginate": {"by", "items", "model", "json", "prefetch", "concurrency", "max_pages", "start", "allow_origins"},
    "map": {"model", "ordered", "on_error", "max_errors", "concurrency"},
    "gather": {"model", "concurrency", "return_exceptions"},
}
_CLIENT_ONLY = {
    "verify": "TLS is set on the client: Client(tls=...)",
    "ssl": "TLS is set on the client: Client(tls=...)",
    "cert": "a client certificate is set on the client: Client(tls=TLS(cert=..., key=...))",
    "proxies": "a proxy is set on the client: Client(proxy=...)",
    "base_url": "it is the client's: Client('https://...'); an absolute URL needs none",
}
# What other libraries call it (requests, httpx, aiohttp, the SDKs of vendors), and what it is here.
_OF_CALLS = _CLIENT_ONLY | {
    "retries": "say retry=",
    "max_retries": "say retry=, which counts the first attempt too",
    "follow_redirects": "say redirects=, the most to follow; 0 returns them",
    "allow_redirects": "say redirects=, the most to follow; 0 returns them",
    "max_redirects": "say redirects=",
    "body": "say json= for data, content= for bytes or text, data= for a form",
    "payload": "say json= for data, content= for bytes or text, data= for a form",
    "extra_body": "say json=",
    "query": "say params=",
    "query_params": "say params=",
    "extra_query": "say params=",
    "extra_headers": "say headers=",
    "stream": "call client.stream(method, url), which reads the response as it comes",
    "response_model": "say model=",
    "response_type": "say model=",
    "cast_to": "say model=",
    "deadline": "say timeout=, or open a scope: with deadline(...)",
    "connect_timeout": "say timeout=Timeout(connect=...)",
    "read_timeout": "say timeout=Timeout(read=...)",
    "max_workers": "say concurrency=",
    "return_errors": "say return_exceptions=",
}
_OF_CLIENTS = {
    "verify": "say tls=: True, False, a file of authorities, or TLS(...)",
    "ssl": "say tls=: True, False, a file of authorities, or TLS(...)",
    "cert": "say tls=TLS(cert=..., key=...)",
    "proxies": "say proxy=, or trust_env=True",
    "retries": "say retry=, the attempts in all, or Retry(...)",
    "max_retries": "say retry=, the attempts in all, or Retry(...)",
    "limits": "say concurrency=, the attempts at a time",
    "max_connections": "say concurrency=, the attempts at a time",
    "max_concurrency": "say concurrency=, the attempts at a time",
    "pool_size": "say concurrency=, the attempts at a time",
    "connector": "say session=aiohttp.ClientSession(connector=...)",
    "timeout_total": "say timeout=, seconds in all, or Timeout(total=...)",
    "total_timeout": "say timeout=, seconds in all, or Timeout(total=...)",
    "connect_timeout": "say timeout=Timeout(connect=...)",
    "read_timeout": "say timeout=Timeout(read=...)",
    "backoff": "say retry=Retry(base=..., cap=...)",
    "follow_redirects": "say redirects=, the most to follow; 0 returns them",
    "allow_redirects": "say redirects=, the most to follow; 0 returns them",
    "max_redirects": "say redirects=",
    "rate_limit": "say rate=RateLimit(amount, per=seconds)",
    "url": "say base_url=, or give it first",
    "api_key": "say auth=ApiKey(...) or auth=Bearer(...)",
    "token": "say auth=Bearer(...)",
    "default_headers": "say headers=",
    "default_query": "say params=",
    "query_params": "say params=",
    "event_hooks": "say hooks=[...], functions of each attempt's record",
    "middleware": "say layers=[...]",
    "middlewares": "say layers=[...]",
    "circuit_breaker": "say breaker=Breaker()",
    "http1": "leave it out: http2=True takes what the server offers, http2='prior' HTTP/2 alone",
    "http_version": "say http2=True",
}


def check_options(method: str, options: Mapping[str, object], known: AbstractSet[str]) -> None:
    """Refuse what is no option of a method.

    Raises:
        TypeError: One is not among `known`.
    """
    if options and not options.keys() <= known:
        raise unknown_option(method, options, known)


def unknown_option(method: str, options: Mapping[str, object], known: AbstractSet[str]) -> TypeError:
    """The error for the first option that is not among `known`: it says which one was meant."""
    name = next(name for name in options if name not in known)
    return TypeError(f"{method}() has no option {name!r}{_hint(method, name, known)}")


def _hint(method: str, name: str, known: AbstractSet[str]) -> str:
    if name in _OF_CALLS:
        return f": {_OF_CALLS[name]}"
    if name == "raise_for_status":
        return ": it always raises for an error status"
    if name in CALL:
        return ": its items are GETs; give Requests for anything else" if known is MAPPED else ": it sends plain GETs"
    if name in SETTINGS:
        return f": it is a setting of the client, Client({name}=...)"
    close = _closest(name, known | _ARGUMENTS.get(method, {"model"}))
    return "" if close is None else f"; did you mean {close!r}?"


def _closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that it is most likely to be a slip of."""
    from difflib import get_close_matches  # noqa: PLC0415 - for errors alone

    return next(iter(get_close_matches(name, sorted(known), 1)), None)


def says_settings(init: F) -> F:
    """Have a client's constructor answer an unknown setting with the one that was meant."""
    code = init.__code__
    known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(init)
    def checked(self: object, *args: Any, **settings: Any) -> None:
        name = next((name for name in settings if name not in known), None)
        if name is not None:
            raise TypeError(f"Client() has no setting {name!r}{_setting_hint(name, known)}")
        init(self, *args, **settings)

    return checked  # type: ignore[return-value]  # it takes what `init` takes


def _setting_hint(name: str, known: Iterable[str]) -> str:
    if name in _OF_CLIENTS:
        return f": {_OF_CLIENTS[name]}"
    if (close := _closest(name, known)) is not None:
        return f"; did you mean {close!r}?"
    return f": it is an option of a call, like client.get(url, {name}=...)" if name in CALL | {"model"} else ""
