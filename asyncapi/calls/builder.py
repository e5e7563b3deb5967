"""From what the user asks for to the Request that goes down the layers.

Everything that can be wrong with a request is found here, before anything is sent, as a `ConfigError`. The common
case, a path joined to the base URL with no headers, parameters or body of its own, costs one URL parse.
"""

from __future__ import annotations

import re
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from yarl import URL

from asyncapi.errors import ConfigError
from asyncapi.layers import deadline
from asyncapi.layers.retry import inside_retrying_call
from asyncapi.messages import encoding
from asyncapi.messages.call import Call, CallSettings
from asyncapi.messages.decoding import parse_url
from asyncapi.messages.request import Body, Request
from asyncapi.messages.uri import has_dot_segments, with_pairs
from asyncapi.redact import redact_broken, redact_url
from asyncapi.sansio.failures.idempotency import UsedKeys
from asyncapi.sansio.failures.resend import METHODS
from asyncapi.settings import Retry, Timeout
from asyncapi.types import UNSET, Unset
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.clock import Clock
    from asyncapi.types import Headers, Params

_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*://|https?:", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
# RFC 9110 section 5.5, and what has no bytes; U+DC80 to U+DCFF have: the headers of answers keep them so (PEP 383).
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
_FRAMING = ("Content-Length", "Transfer-Encoding")
_USER_AGENT = f"asyncapi-sdk/{VERSION}"
_KEY_HEADER = "Idempotency-Key"  # draft-ietf-httpapi-idempotency-key-header
_KEY = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # what RFC 9651 section 3.3.3 takes, less spaces at the ends


class Builder:
    """The client's part of every request: base URL, headers, parameters, limits.

    Args:
        base_url: Absolute URL that relative ones are joined to, or "".
        headers: Sent with every request.
        params: Added to every URL.
        timeout: The client's limits.
        retry: The client's retries.
        wait: How long its calls stand in line.
        clock: Dates the calls.

    Attributes:
        base: The base URL without its last slash.
        used: What idempotency keys were used for.
    """

    def __init__(
        self,
        base_url: str | URL,
        *,
        headers: Headers | None,
        params: Params | None,
        timeout: Timeout,
        retry: Retry | None,
        wait: bool | float,
        clock: Clock,
    ) -> None:
        self.base, self._host = _base(base_url)
        self._headers = checked_headers(headers)
        for name in _FRAMING:
            if name in self._headers:
                raise ConfigError(f"header {name}: it is each request's own, and is set where there is a body")
        self._headers.setdefault("User-Agent", _USER_AGENT)
        self._params = tuple(flat_params(params))
        self._total = timeout.total
        self._settings = CallSettings(timeout.connect, timeout.attempt, retry, max_wait=max_wait_of(wait))
        self._now = clock.now
        self.used = UsedKeys()

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
            wait=asked.wait,
            priority=asked.priority,
            tenant=asked.tenant,
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
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
    ) -> Request:
        """The request as it goes down the layers.

        Raises:
            ConfigError: It can't be sent as it is.
        """
        built = Request.__new__(Request)
        if method not in METHODS:
            _check_method(method)
        built.method = method
        built.url, host = self._target(url, params)
        built.headers = self._headers if headers is None else self._merged(headers)
        built.params = built.id = None
        built.json, built.data, built.content, built.files = json, data, content, files
        built.timeout, built.retry, built.route = timeout, retry, route
        built.idempotency_key = idempotency_key
        built.wait, built.priority, built.tenant = wait, priority, tenant
        self._begin(built, host)
        if json is not None or content is not None or data is not None or files is not None:
            self._add_body(built)
        elif headers is not None:
            _check_framing(built.headers, 0)
        if idempotency_key is not None or headers is not None or _KEY_HEADER in built.headers:
            _add_key(built)
            if idempotency_key is not True and not self.used.fits(built):
                raise ConfigError(self.used.describe(built), request=built)
        return built

    def _begin(self, built: Request, host: str) -> None:
        """Start the clock of the call that `built` makes."""
        total, settings = self._total, self._settings
        limited = built.timeout is not UNSET or built.retry is not UNSET or built.wait is not UNSET
        if limited or built.priority is not None or built.tenant is not None:
            total, settings = self._own_settings(built)
        if settings.retry is not None and inside_retrying_call():  # single-flight must not join the two kinds
            settings = settings.without_retry()
        now = self._now()
        due = None if total is None else now + total
        scope = deadline.current.get()
        built.deadline = scope if due is None else due if scope is None else min(due, scope)
        built.call = Call(now, host, settings, built.url)

    def _own_settings(self, built: Request) -> tuple[float | None, CallSettings]:
        """The total and the settings of a call that has some of its own."""
        client, limits = self._settings, built.timeout
        limits = (self._total, client.connect, client.attempt) if limits is UNSET else limits_of(limits)
        policy = client.retry if built.retry is UNSET else policy_of(built.retry)
        max_wait = client.max_wait if built.wait is UNSET else max_wait_of(built.wait)
        priority, tenant = _place(built.priority, built.tenant)
        total, connect, attempt = limits
        return total, CallSettings(connect, attempt, policy, max_wait, priority, tenant)

    def _target(self, url: str | URL, params: Params | None) -> tuple[URL, str]:
        """The whole URL and its host."""
        if self.base and type(url) is str and url[:1] == "/":  # the common case: its host is known
            target, host = self._below(url, ""), self._host
        else:
            target = url if type(url) is URL and url.absolute else self._join(url)
            host = target.host_port_subcomponent or ""
            if not host or target.scheme not in {"http", "https"}:
                raise ConfigError(_unusable(target))
        if params is None and not self._params:
            return target, host
        pairs = (*self._params, *flat_params(params))
        return (with_pairs(target, pairs) if pairs else target), host

    def _join(self, given: Any) -> URL:
        if not self.base or not isinstance(given, str | URL) or _ABSOLUTE.match(url := str(given)):
            return parse_url(given)
        return self._below(url, "" if not url or url.startswith(("/", "?", "#")) else "/")

    def _below(self, url: str, slash: str) -> URL:
        """The URL below the base; anything that servers would read as another path is refused, never rewritten."""
        if has_dot_segments(url):
            why = "a '.' or '..' between slashes would make it another path: leave it out, or give the whole URL"
            raise ConfigError(f"{redact_broken(url)!r}: {why}")
        return parse_url(f"{self.base}{slash}{url}")

    def _merged(self, headers: Headers) -> CIMultiDict[str]:
        merged = CIMultiDict(self._headers)
        merged.update(checked_headers(headers))
        return merged

    def _add_body(self, built: Request) -> None:
        """Encode the body, once for all attempts."""
        content, kind = encoding.encode(built)
        headers = CIMultiDict(built.headers)
        if built.files is not None and kind is not None:
            headers["Content-Type"] = kind  # what was given by hand, with the boundary
        elif kind is not None:
            headers.setdefault("Content-Type", kind)
        length = content.length if isinstance(content, Body) else len(content or b"")
        promised = _check_framing(headers, length)
        if promised is not None:
            headers["Content-Length"] = str(promised)
            if isinstance(content, Body):
                content = Body(content.open, length=promised, rewindable=content.rewindable)
        built.content, built.headers = content, headers


def _check_method(method: str) -> None:
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise ConfigError(
            f"method {method!r}: give an HTTP method, such as GET"
            + ("; tunnels are made by proxy=" if method == "CONNECT" else "")
        )


def _check_framing(headers: CIMultiDict[str], length: int | None) -> int | None:
    """The length of the body: as known, or as promised for a stream by a Content-Length given by hand.

    Raises:
        ConfigError: A header that frames the body says something else than the body.
    """
    if "Transfer-Encoding" in headers:
        raise ConfigError("header Transfer-Encoding: leave it out; a body of unknown length is sent chunked by itself")
    given = headers.get("Content-Length")
    if given is None:
        return length
    if not (given.isascii() and given.isdecimal()) or length not in {None, int(given)}:
        raise ConfigError(f"header Content-Length: {given!r}, but the body has {length} bytes: leave it out")
    return int(given)


def _add_key(built: Request) -> None:
    """Make the idempotency key, once for all attempts; a header of that name given by hand counts as one."""
    key = built.idempotency_key
    if key is None or key is False:
        built.idempotency_key = found = built.headers.get(_KEY_HEADER)
        if found is not None:
            _check_key(found)
        return
    built.idempotency_key = key = str(uuid.uuid4()) if key is True else _check_key(key)
    built.headers = CIMultiDict(built.headers)
    built.headers[_KEY_HEADER] = key


def _check_key(key: Any) -> str:
    """A key that every server reads as it was meant. An empty one would be none, and the call not safe to resend."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ConfigError(
            f"idempotency_key={key!r}: give True, or text of visible ASCII characters (none at all: None)"
        )
    return key


def _place(priority: Any, tenant: Any) -> tuple[int, str]:
    """What a user gives as priority and tenant."""
    if priority is not None and (not isinstance(priority, int) or isinstance(priority, bool)):
        raise ConfigError(f"priority={priority!r}: give a whole number; the higher goes first, 0 is usual")
    if tenant is not None and not isinstance(tenant, str):
        raise ConfigError(f"tenant={tenant!r}: give text")
    return priority or 0, tenant or ""


def limits_of(timeout: Any) -> tuple[float | None, float | None, float | None]:
    """(total, connect, attempt) of what a user gives as a timeout: a Timeout, seconds in all, or None."""
    try:
        return _limits_of(timeout)
    except TypeError:  # it can't be hashed: none of the three
        raise ConfigError(f"timeout={timeout!r}: give seconds, Timeout(...) or None") from None


def max_wait_of(wait: Any) -> float | None:
    """Seconds to stand in line, None for as long as the deadline allows, of what a user gives as wait."""
    if wait is True:
        return None
    if wait is False:
        return 0.0
    if not isinstance(wait, int | float) or not wait >= 0:
        raise ConfigError(f"wait={wait!r}: True, False, or a number of seconds")
    return float(wait)


def policy_of(retry: Any) -> Retry | None:
    """The policy of what a user gives as retry: a Retry, attempts in all, or None."""
    try:
        return _policy_of(retry)
    except TypeError:
        raise ConfigError(f"retry={retry!r}: give the attempts in all, Retry(...) or None") from None


@lru_cache(maxsize=256)
def _limits_of(timeout: Any) -> tuple[float | None, float | None, float | None]:
    if timeout is None:
        return None, None, None
    if not isinstance(timeout, Timeout):
        timeout = Timeout(timeout)
    return timeout.total, timeout.connect, timeout.attempt


@lru_cache(maxsize=256)
def _policy_of(retry: Any) -> Retry | None:
    if retry is None:
        return None
    return retry if isinstance(retry, Retry) else Retry(retry)


def checked_headers(headers: Headers | None) -> CIMultiDict[str]:
    """A copy of `headers` that is safe to send.

    Raises:
        ConfigError: A name or value that would break out of its line, or is no text.
    """
    made: CIMultiDict[str] = CIMultiDict()
    for name, value in encoding.pairs("headers", headers) if headers is not None else ():
        if not _TOKEN.fullmatch(name):
            raise ConfigError(f"header name {name!r}: only letters, digits and !#$%&'*+-.^_`|~ are allowed")
        if not isinstance(value, str):
            raise ConfigError(f"header {name}: its value is {type(value).__name__}, give text")
        if (found := _FORBIDDEN.search(value)) is not None:
            what = "line break or control character" if found[0] < "\ud800" else "lone surrogate"
            raise ConfigError(f"header {name}: a {what} in its value (header injection?): remove it")
        made.add(name, value)
    return made


def flat_params(params: Params | None) -> Iterable[tuple[str, str]]:
    """Query parameters as text pairs: None is left out, a list repeats its key, booleans are true and false.

    Raises:
        ConfigError: A value that has no plain text form, or text that has no bytes.
    """
    if isinstance(params, str):
        raise ConfigError("params= takes a mapping or pairs; a query string goes into the URL")
    for name, value in encoding.flatten("params", params) if params is not None else ():
        yield name, encoding.to_text("params", name, value)


def _base(base_url: str | URL) -> tuple[str, str]:
    """The base URL without its last slash, and its host."""
    if not base_url:
        return "", ""
    url = parse_url(base_url)
    if url.scheme not in {"http", "https"} or not url.host_port_subcomponent:
        raise ConfigError(f"base_url={redact_url(url)!r}: give an absolute URL, like https://api.example.com/v1")
    if url.raw_query_string or url.raw_fragment or url.raw_path.endswith("?"):
        raise ConfigError(f"base_url={redact_url(url)!r}: no query or fragment here; give params= instead")
    if has_dot_segments(url.raw_path):
        raise ConfigError(f"base_url={redact_url(url)!r}: a '.' or '..' in its path: write the path that is meant")
    return str(url).rstrip("/"), url.host_port_subcomponent


def _unusable(url: URL) -> str:
    shown = repr(redact_url(url))
    if not url.scheme:
        return f"{shown} is relative and the client has no base_url: give Client('https://...') or an absolute URL"
    if url.scheme not in {"http", "https"}:
        return f"{shown}: unknown scheme {url.scheme!r}, only http and https are spoken"
    return f"{shown} has no host: write {url.scheme}://host/path"
