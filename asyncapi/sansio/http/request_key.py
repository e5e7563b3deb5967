"""Recognise identical requests by the headers that may change the response, not by those that only trace a request.

The key of a stored response is the URL as text, and the host where the request names another one: a request's own
`Host` names another server behind the same address (RFC 9110 section 7.2). Its identity is the principal it belongs to,
as a hash: no credential is kept.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from asyncapi.redact import is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

_TRACING = frozenset({
    "b3", "baggage", "correlation-id", "request-id", "traceparent", "tracestate", "x-amzn-trace-id",
    "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid", "x-correlation-id", "x-request-id",
})  # fmt: skip
_is_secret = lru_cache(maxsize=1024)(is_secret)  # called for every header of every call
_NOBODY_KNOWS = "?"  # the identity of no stored response


def key_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers that may change the response, credentials included, sorted by their lower-case names."""
    pairs = ((name.lower(), value) for name, value in headers.items())
    return tuple(sorted(pair for pair in pairs if pair[0] not in _TRACING))


def url_key(url: str, host: str, headers: MultiMapping[str]) -> str:
    """The URL without its fragment, and the host where the request names another one."""
    text = url.partition("#")[0]
    if "Host" in headers:
        hosts = [name.lower() for name in headers.getall("Host")]
        if hosts != [host]:
            return f"{text} {' '.join(hosts)}"
    return text


def identity(headers: Mapping[str, str], user: str | None) -> str:
    """Hash the credentials in a request's headers and the user of `auth=`; "" without any, "?" for an unknown user."""
    if user is None:
        return _NOBODY_KNOWS
    secrets = [(name.lower(), value) for name, value in headers.items() if _is_secret(name)]
    # the same key for all requests without credentials
    if not secrets and not user:
        return ""
    secrets.sort()
    if user:
        secrets.append(("", user))
    return sha256(repr(secrets).encode("utf-8", "surrogatepass")).hexdigest()
