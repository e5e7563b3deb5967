"""Build the Request that goes down the layers from what the user asks for.

Everything that can be wrong with a request is found here, before anything is sent, as a `ConfigError`. The common
case, a path joined to the base URL with no headers or body of its own, makes no URL object.
"""

from __future__ import annotations

import re
import uuid
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from yarl import URL

from asyncapi.calls.arguments import (
    TOKEN,
    check_redirects,
    checked_auth,
    checked_headers,
    cookie_header,
    flat_params,
    limits_of,
    max_wait_of,
    own_options,
    place_of,
    policy_of,
)
from asyncapi.errors import ConfigError
from asyncapi.layers import deadline
from asyncapi.messages import encoding
from asyncapi.messages.base_url import base_of, root_of
from asyncapi.messages.call import Call, CallSettings
from asyncapi.messages.request import Body, Request
from asyncapi.messages.target import Target, is_plain
from asyncapi.messages.uri import has_dot_segments
from asyncapi.redact import redact_broken, redact_url
from asyncapi.sansio.failures.idempotency import UsedKeys
from asyncapi.sansio.failures.resend import METHODS
from asyncapi.scheduling.retrying import retrying_call
from asyncapi.types import UNSET, Unset
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.clock import Clock
    from asyncapi.settings import Retry, Timeout
    from asyncapi.types import Headers, Params

_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*://|https?:", re.IGNORECASE)
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
        wait: How long its calls may wait in a queue.
        clock: Dates the calls.
        mesh_retries: Whether one attempt is several of a mesh's: it then lasts as long as the call.

    Attributes:
        base: The base URL without its last slash.
        used: What idempotency keys were used for.
        names_itself: Whether the user gave a User-Agent.
    """

    base: str
    names_itself: bool

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
        mesh_retries: bool = False,
    ) -> None:
        self.base = base_of(base_url)
        self._root = root_of(self.base) if self.base else None
        self._headers = checked_headers(headers)
        for name in _FRAMING:
            if name in self._headers:
                raise ConfigError(f"header {name}: each request sets its own where it has a body; leave it out")
        self.names_itself = "User-Agent" in self._headers
        self._headers.setdefault("User-Agent", _USER_AGENT)
        self._params = tuple(flat_params(params))
        self._total = timeout.total
        usual = CallSettings(timeout.connect, timeout.attempt, retry, max_wait=max_wait_of(wait))
        self._settings = usual.left_to_mesh() if mesh_retries and timeout.total is not None else usual
        self._own_settings = partial(_settings_of, timeout.total, usual, mesh_retries)
        # Calls with the same options share their settings; by type too: wait=True is not wait=1.
        self._known_settings = lru_cache(maxsize=128, typed=True)(self._own_settings)
        self._now = clock.now
        self.used: UsedKeys = UsedKeys()

    def rebuild(self, original: Request, shared: Mapping[str, Any] = MappingProxyType({})) -> Request:
        """Build a Request that the user made; `original` itself is left as it is.

        Args:
            original: As the user wrote it.
            shared: What `shared_options` gives: holds where the Request says nothing of its own.
        """
        built = self.build(original.method, original.target, **own_options(original, shared))
        built.id = original.id
        return built

    def build(
        self,
        method: str,
        url: str | URL | Target,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        json: Any = None,
        timeout: Any = UNSET,
        retry: Any = UNSET,
        idempotency_key: str | bool | None = None,
        route: str | None = None,
        raise_for_status: bool | None = None,  # noqa: ARG002 - for who sends it
        auth: Any = UNSET,
        data: Any = None,
        content: Any = None,
        files: Any = None,
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
        cookies: Mapping[str, str] | None = None,
        redirects: int | None = None,
        idempotent: bool | None = None,
    ) -> Request:
        """Build the request as it goes down the layers.

        Raises:
            ConfigError: It can't be sent as it is.
        """
        built = Request.__new__(Request)
        if method not in METHODS:
            _check_method(method)
        built.method = method
        built.target = target = self._target(url, params)
        built.headers = self._headers if headers is None else self._merged(headers)
        built.params = built.id = built.cookies = None
        built.auth, built.redirects = auth, redirects
        if auth is not UNSET or cookies is not None or redirects is not None:
            self._set_own(built, cookies)
        if idempotent is not None and not isinstance(idempotent, bool):
            raise ConfigError(f"idempotent={idempotent!r}: give True, False, or None for what the method says")
        built.json, built.data, built.content, built.files = json, data, content, files
        built.timeout, built.retry, built.route = timeout, retry, route
        built.idempotency_key, built.idempotent = idempotency_key, idempotent
        built.wait, built.priority, built.tenant = wait, priority, tenant
        total, settings = self._total, self._settings
        limited = timeout is not UNSET or retry is not UNSET or wait is not UNSET
        if limited or priority is not None or tenant is not None:
            try:
                total, settings = self._known_settings(timeout, retry, wait, priority, tenant)
            except TypeError:  # one can't be hashed: say which
                total, settings = self._own_settings(timeout, retry, wait, priority, tenant)
        self._begin(built, target, total, settings)
        if json is not None or content is not None or data is not None or files is not None:
            self._add_body(built)
        elif headers is not None:
            _check_framing(built.headers, 0)
        if idempotency_key is not None or headers is not None or _KEY_HEADER in built.headers:
            _add_key(built)
            if idempotency_key is not True and not self.used.fits(built):
                raise ConfigError(self.used.describe(built), request=built)
        return built

    def again(self, like: Request, content: bytes) -> Request:
        """Build a request like one that was built, with another body and a call of its own.

        Args:
            like: A request without an idempotency key or a credential of its own; its headers don't say a length.
            content: The body.
        """
        built = like.with_headers(like.headers)
        built.content = content
        total, settings = self._known_settings(like.timeout, like.retry, like.wait, like.priority, like.tenant)
        self._begin(built, like.target, total, settings)
        return built

    def _set_own(self, built: Request, cookies: Mapping[str, str] | None) -> None:
        """Set the credential, the cookies and the redirects of the call's own."""
        built.auth = checked_auth(built.auth)
        if built.redirects is not None:
            check_redirects(built.redirects)
        if cookies is not None:
            usual = self._headers.get("Cookie", "")
            if built.headers.get("Cookie", "") != usual:
                raise ConfigError("cookies= and a Cookie header: give one of the two")
            written = cookie_header(cookies, usual)
            if written:
                built.headers = CIMultiDict(built.headers)
                built.headers["Cookie"] = written

    def _begin(self, built: Request, target: Target, total: float | None, settings: CallSettings) -> None:
        """Start the clock of the call that `built` makes."""
        outer = retrying_call.get()
        if outer is not None and outer.running and settings.retry is not None:  # single-flight must not join the two
            settings = settings.without_retry()
        now = self._now()
        due = None if total is None else now + total
        scope = deadline.current.get()
        built.deadline = scope if due is None else due if scope is None else min(due, scope)
        built.call = Call(now, target.host, settings, target)

    def _target(self, url: str | URL | Target, params: Params | None) -> Target:
        """Join the URL to the base and add the parameters."""
        target = self._join(url)
        if not target.usable:
            raise ConfigError(_unusable(target.url))
        if params is None and not self._params:
            return target
        pairs = (*self._params, *flat_params(params))
        return target.with_pairs(pairs) if pairs else target

    def _join(self, url: Any) -> Target:
        if type(url) is Target and not url.host:
            url = url.text
        root = self._root
        if root is not None and type(url) is str and url[:1] == "/":  # the common case
            # without a dot or a code, there are no dot segments
            if "." in url or "%" in url:
                _check_segments(url)
            return root.below(url) if is_plain(url) else Target.of(f"{self.base}{url}")
        if root is None or not isinstance(url, str | URL) or _ABSOLUTE.match(text := str(url)):
            return Target.of(url)
        if type(url) is URL and url.absolute:
            return Target.of(url)
        _check_segments(text)
        slash = "" if not text or text.startswith(("/", "?", "#")) else "/"
        return Target.of(f"{self.base}{slash}{text}")

    def _merged(self, headers: Headers) -> CIMultiDict[str]:
        merged = CIMultiDict(self._headers)
        merged.update(checked_headers(headers))
        return merged

    def _add_body(self, built: Request) -> None:
        """Encode the body, once for all attempts."""
        content, kind = encoding.encode(built)
        headers = CIMultiDict(built.headers)
        if built.files is not None and kind is not None:
            headers["Content-Type"] = kind  # the user's own type, with the boundary
        elif kind is not None:
            headers.setdefault("Content-Type", kind)
        length = content.length if isinstance(content, Body) else len(content or b"")
        promised = _check_framing(headers, length)
        if promised is not None:
            headers["Content-Length"] = str(promised)
            if isinstance(content, Body):
                content = Body(content.open, length=promised, rewindable=content.rewindable)
        built.content, built.headers = content, headers


def _settings_of(  # noqa: PLR0917 - by position it is quicker
    usual_total: float | None,
    usual: CallSettings,
    mesh_retries: bool,
    timeout: Any,
    retry: Any,
    wait: Any,
    priority: Any,
    tenant: Any,
) -> tuple[float | None, CallSettings]:
    """The total and the settings of a call with these options; the client's `usual` ones for those that are unset."""
    limits = (usual_total, usual.connect, usual.attempt) if timeout is UNSET else limits_of(timeout)
    policy = usual.retry if retry is UNSET else policy_of(retry)
    max_wait = usual.max_wait if wait is UNSET else max_wait_of(wait)
    total, connect, attempt = limits
    settings = CallSettings(connect, attempt, policy, max_wait, *place_of(priority, tenant))
    return total, settings.left_to_mesh() if mesh_retries and total is not None else settings


def _check_method(method: str) -> None:
    if not TOKEN.fullmatch(method) or method == "CONNECT":
        raise ConfigError(
            f"method {method!r}: give an HTTP method, such as GET"
            + ("; tunnels are made by proxy=" if method == "CONNECT" else "")
        )


def _check_framing(headers: CIMultiDict[str], length: int | None) -> int | None:
    """Return the length of the body: as known, or as the user's own Content-Length promises for a stream.

    Raises:
        ConfigError: A header that frames the body contradicts it.
    """
    if "Transfer-Encoding" in headers:
        raise ConfigError("header Transfer-Encoding: leave it out; a body of unknown length is sent chunked by itself")
    promised = headers.get("Content-Length")
    if promised is None:
        return length
    if not (promised.isascii() and promised.isdecimal()) or length not in {None, int(promised)}:
        raise ConfigError(f"header Content-Length: {promised!r}, but the body has {length} bytes: leave it out")
    return int(promised)


def _add_key(built: Request) -> None:
    """Make the idempotency key, once for all attempts; the user's own header of that name counts as one."""
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
    """Return a key that every server reads as it was meant; an empty one would not make the call safe to resend."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ConfigError(f"idempotency_key={key!r}: give True, or text of visible ASCII characters; None for no key")
    return key


def _check_segments(url: str) -> None:
    """Refuse what servers would read as another path; it is never rewritten."""
    if has_dot_segments(url):
        why = "a '.' or '..' between slashes would make it another path: leave it out, or give the whole URL"
        raise ConfigError(f"{redact_broken(url)!r}: {why}")


def _unusable(url: URL) -> str:
    shown = repr(redact_url(url))
    if not url.scheme:
        return f"{shown} is relative and the client has no base_url: give Client('https://...') or an absolute URL"
    if url.scheme not in {"http", "https"}:
        return f"{shown}: unknown scheme {url.scheme!r}: only http and https can be used"
    return f"{shown} has no host: write {url.scheme}://host/path"
