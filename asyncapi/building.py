"""From what the user asks for to the Request that goes down the layers.

Everything that can be wrong with a request is found here, before anything is sent, as a `ConfigError`. The common
case, a path joined to the base URL with no headers, parameters or body of its own, costs one URL parse.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from yarl import URL

from asyncapi import bodies
from asyncapi.config import Retry, Timeout
from asyncapi.decoding import parse_url
from asyncapi.errors import ConfigError
from asyncapi.layers import deadline
from asyncapi.types import UNSET, Body, Call, Request
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.clock import Clock
    from asyncapi.layers.retry import RetryPolicy
    from asyncapi.types import Headers, Params

_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*://")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_FORBIDDEN = re.compile(r"[\r\n\0]")  # RFC 9110 section 5.5
_USER_AGENT = f"asyncapi-sdk/{VERSION}"
_KEY_HEADER = "Idempotency-Key"  # draft-ietf-httpapi-idempotency-key-header


class Builder:
    """The client's part of every request: base URL, headers, parameters, limits.

    Args:
        base_url: Absolute URL that relative ones are joined to, or "".
        headers: Sent with every request.
        params: Added to every URL.
        timeout: The client's limits.
        retry: The client's retries.
        clock: Dates the calls.
    """

    def __init__(
        self,
        base_url: str | URL,
        *,
        headers: Headers | None,
        params: Params | None,
        timeout: Timeout,
        retry: RetryPolicy | None,
        clock: Clock,
    ) -> None:
        self._base, self._host = _base(base_url)
        self._headers = checked_headers(headers)
        self._headers.setdefault("User-Agent", _USER_AGENT)
        self._params = tuple(flat_params(params))
        self._timeout = (timeout.total, timeout.connect, timeout.attempt)
        self._retry = retry
        self._now = clock.now

    def rebuild(self, asked: Request) -> Request:
        """A Request that the user made, as it goes down the layers; `asked` itself is left as it is."""
        built = self.build(
            asked.method,
            asked.url,
            params=asked.params,
            headers=asked.headers or None,
            json=asked.json,
            data=asked.data,
            content=asked.content,
            files=asked.files,
            timeout=asked.timeout,
            retry=asked.retry,
            idempotency_key=asked.idempotency_key,
            route=asked.route,
        )
        built.id = asked.id
        return built

    def build(
        self,
        method: str,
        url: str | URL,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        json: Any = None,
        data: Any = None,
        content: Any = None,
        files: Any = None,
        timeout: Any = UNSET,
        retry: Any = UNSET,
        idempotency_key: str | bool | None = None,
        route: str | None = None,
    ) -> Request:
        """The request as it goes down the layers.

        Raises:
            ConfigError: It can't be sent as it is.
        """
        built = Request.__new__(Request)
        built.method = method
        built.url, host = self._target(url, params)
        built.headers = self._headers if headers is None else self._merged(headers)
        built.params = built.id = None
        built.json, built.data, built.content, built.files = json, data, content, files
        built.timeout, built.retry, built.route = timeout, retry, route
        built.idempotency_key = idempotency_key
        total, connect, attempt = self._timeout if timeout is UNSET else limits_of(timeout)
        policy = self._retry if retry is UNSET else policy_of(retry)
        now = self._now()
        due = None if total is None else now + total
        scope = deadline.current.get()
        built.deadline = scope if due is None else due if scope is None else min(due, scope)
        built.call = Call(now, host, connect, attempt, policy)
        if json is not None or content is not None or data is not None or files is not None:
            self._add_body(built)
        if idempotency_key or headers is not None or _KEY_HEADER in built.headers:
            _add_key(built)
        return built

    def _target(self, url: str | URL, params: Params | None) -> tuple[URL, str]:
        """The whole URL and its host."""
        if self._base and type(url) is str and url[:1] == "/":  # the common case: its host is known
            target, host = parse_url(self._base + url), self._host
        else:
            target = url if type(url) is URL and url.absolute else self._join(str(url))
            host = target.host_port_subcomponent or ""
            if not host or target.scheme not in {"http", "https"}:
                raise ConfigError(_unusable(target))
        if params is None and not self._params:
            return target, host
        pairs = (*self._params, *flat_params(params))
        return (target.extend_query(pairs) if pairs else target), host

    def _join(self, url: str) -> URL:
        if url.startswith("/"):
            url = self._base + url
        elif not _ABSOLUTE.match(url):
            url = f"{self._base}/{url}" if url and not url.startswith(("?", "#")) else self._base + url
        return parse_url(url)

    def _merged(self, headers: Headers) -> CIMultiDict[str]:
        merged = CIMultiDict(self._headers)
        merged.update(checked_headers(headers))
        return merged

    def _add_body(self, built: Request) -> None:
        """Encode the body, once for all attempts."""
        content, kind = bodies.encode(built)
        headers = CIMultiDict(built.headers)
        if kind is not None:
            headers.setdefault("Content-Type", kind)
        length = content.length if isinstance(content, Body) else len(content or b"")
        if length is not None:
            headers.setdefault("Content-Length", str(length))
        built.content, built.headers = content, headers


def _add_key(built: Request) -> None:
    """Make the idempotency key, once for all attempts; a header of that name given by hand counts as one."""
    key = built.idempotency_key
    if not key:
        built.idempotency_key = built.headers.get(_KEY_HEADER)
        return
    built.idempotency_key = str(uuid.uuid4()) if key is True else key
    built.headers = CIMultiDict(built.headers)
    built.headers.update(checked_headers({_KEY_HEADER: built.idempotency_key}))


@lru_cache(maxsize=256)
def limits_of(timeout: Any) -> tuple[float | None, float | None, float | None]:
    """(total, connect, attempt) of what a user gives as a timeout: a Timeout, seconds in all, or None."""
    if timeout is None:
        return None, None, None
    if not isinstance(timeout, Timeout):
        timeout = Timeout(timeout)
    return timeout.total, timeout.connect, timeout.attempt


@lru_cache(maxsize=256)
def policy_of(retry: Any) -> RetryPolicy | None:
    """The policy of what a user gives as retry: a Retry, attempts in all, or None."""
    if retry is None:
        return None
    return (retry if isinstance(retry, Retry) else Retry(retry)).policy()


def checked_headers(headers: Headers | None) -> CIMultiDict[str]:
    """A copy of `headers` that is safe to send.

    Raises:
        ConfigError: A name or value that would break out of its line, or is no text.
    """
    made: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items() if isinstance(headers, Mapping) else headers or ():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigError(f"header name {name!r}: only letters, digits and !#$%&'*+-.^_`|~ are allowed")
        if not isinstance(value, str):
            raise ConfigError(f"header {name}: its value is {type(value).__name__}, give text")
        if _FORBIDDEN.search(value):
            raise ConfigError(f"header {name}: a line break or NUL in its value (header injection?): remove it")
        made.add(name, value)
    return made


def flat_params(params: Params | None) -> Iterable[tuple[str, str]]:
    """Query parameters as text pairs: None is left out, a list repeats its key, booleans are true and false.

    Raises:
        ConfigError: A value that has no plain text form.
    """
    if isinstance(params, str):
        raise ConfigError("params= takes a mapping or pairs; a query string goes into the URL")
    for name, value in params.items() if isinstance(params, Mapping) else params or ():
        for one in value if isinstance(value, list | tuple | set | frozenset) else (value,):
            if one is not None:
                yield name, _param(name, one)


def _param(name: str, value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | bytes):
        raise ConfigError(f"params[{name!r}] is a {type(value).__name__}: give text, a number or a list of them")
    return str(value)


def _base(base_url: str | URL) -> tuple[str, str]:
    """The base URL without its last slash, and its host."""
    if not base_url:
        return "", ""
    url = parse_url(base_url)
    if url.scheme not in {"http", "https"} or not url.host_port_subcomponent:
        raise ConfigError(f"base_url={str(base_url)!r}: give an absolute URL, like https://api.example.com/v1")
    if url.raw_query_string or url.raw_fragment:
        raise ConfigError(f"base_url={str(base_url)!r}: no query or fragment here; give params= instead")
    return str(url).rstrip("/"), url.host_port_subcomponent


def _unusable(url: URL) -> str:
    if not url.scheme:
        return f"{str(url)!r} is relative and the client has no base_url: give Client('https://...') or an absolute URL"
    if url.scheme not in {"http", "https"}:
        return f"{str(url)!r}: unknown scheme {url.scheme!r}, only http and https are spoken"
    return f"{str(url)!r} has no host"
