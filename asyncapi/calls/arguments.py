"""Check what users give as the options of a call, and turn it into what a request is built of.

Each function says in one `ConfigError` what is wrong with an option, and what it takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import ConfigError
from asyncapi.layers.auth import checked as checked_credential
from asyncapi.messages import encoding
from asyncapi.settings import Retry, Timeout
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.messages.request import Request
    from asyncapi.types import Headers, Params

NO_LIMITS = Timeout(None, connect=None, read=None)
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
# RFC 9110 section 5.5, and what has no bytes; U+DC80 to U+DCFF have: response headers keep them so (PEP 383).
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")


def place_of(priority: Any, tenant: Any) -> tuple[int, str]:
    """Check a priority and a tenant; return them with their defaults."""
    if priority is not None and (not isinstance(priority, int) or isinstance(priority, bool)):
        raise ConfigError(f"priority={priority!r}: give a whole number: the higher goes first, 0 is usual")
    if tenant is not None and not isinstance(tenant, str):
        raise ConfigError(f"tenant={tenant!r}: give text")
    return priority or 0, tenant or ""


_UNSET_OPTIONS = ("auth", "timeout", "retry", "wait")  # None means something
_NONE_OPTIONS = (
    "params", "cookies", "json", "data", "content", "files", "redirects", "idempotency_key", "idempotent",
    "route", "priority", "tenant",
)  # fmt: skip


def own_options(original: Request, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a Request that the user made, and those of `shared` that it does not set itself."""
    options = dict(shared)
    for name in _UNSET_OPTIONS:
        if (value := getattr(original, name)) is not UNSET:
            options[name] = value
    for name in _NONE_OPTIONS:
        if (value := getattr(original, name)) is not None:
            options[name] = value
    if original.headers:
        options["headers"] = original.headers
    if shared:
        _join(options, original, shared)
    return options


def shared_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check options for more than one call, and read what only the first call could read (an iterator).

    Raises:
        ConfigError: An option makes no sense.
    """
    shared = dict(options)
    if (headers := shared.get("headers")) is not None:
        shared["headers"] = checked_headers(headers)
    if (params := shared.get("params")) is not None:
        shared["params"] = tuple(flat_params(params))
    if (cookies := shared.get("cookies")) is not None:
        cookie_header(cookies)
        shared["cookies"] = dict(cookies)
    if "auth" in shared:
        shared["auth"] = checked_auth(shared["auth"])
    if shared.get("timeout", UNSET) is not UNSET:
        limits_of(shared["timeout"])
    if shared.get("retry", UNSET) is not UNSET:
        policy_of(shared["retry"])
    if shared.get("wait", UNSET) is not UNSET:
        max_wait_of(shared["wait"])
    if shared.get("redirects") is not None:
        check_redirects(shared["redirects"])
    place_of(shared.get("priority"), shared.get("tenant"))
    return shared


def _join(options: dict[str, Any], original: Request, shared: Mapping[str, Any]) -> None:
    """Join what a Request and the options of all items both name: headers, parameters and cookies."""
    if original.headers and shared.get("headers"):
        options["headers"] = headers = CIMultiDict(shared["headers"])
        headers.update(original.headers)
    if original.params is not None and shared.get("params"):
        options["params"] = (*shared["params"], *flat_params(original.params))
    if shared.get("cookies"):
        if "Cookie" in original.headers:  # which says all of them
            options["cookies"] = None
        elif original.cookies is not None:
            options["cookies"] = {**shared["cookies"], **original.cookies}


def checked_auth(auth: Any) -> Any:
    """Check the credential of one call: None for none, UNSET for the client's.

    Raises:
        ConfigError: It isn't a credential.
    """
    if auth is UNSET or auth is None:
        return auth
    if isinstance(auth, Mapping):
        raise ConfigError("auth: give one credential; a call has one origin")
    return checked_credential(auth)


def check_redirects(redirects: Any) -> None:
    """Refuse what isn't a number of redirects.

    Raises:
        ConfigError: It isn't a whole number, 0 or more.
    """
    if not isinstance(redirects, int) or isinstance(redirects, bool) or redirects < 0:
        raise ConfigError(f"redirects={redirects!r}: give the most redirects to follow; 0 returns them")


def cookie_header(cookies: Any, before: str = "") -> str:
    """Write the Cookie header of these cookies, verbatim, after those of `before` with other names.

    Raises:
        ConfigError: They are not a mapping of texts, or one holds a character that would end it.
    """
    if not isinstance(cookies, Mapping):
        raise ConfigError(f"cookies: give a mapping of names to values, not {type(cookies).__name__}")
    for name, value in cookies.items():
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise ConfigError(f"cookies: {name!r} can't be the name of a cookie: letters, digits, '-' and '_' can")
        if not isinstance(value, str) or ";" in value or _FORBIDDEN.search(value) is not None:
            raise ConfigError(f"cookies[{name!r}]: its value must be text without ';' or a control character")
    others = [pair for pair in before.split("; ") if pair and pair.partition("=")[0] not in cookies]
    return "; ".join([*others, *(f"{name}={value}" for name, value in cookies.items())])


def timeout_of(timeout: Any) -> Timeout:
    """Turn `timeout=` (a Timeout, seconds in all, or None for no limit) into a Timeout.

    Raises:
        ConfigError: It is none of the three.
    """
    if isinstance(timeout, Timeout):
        return timeout
    if isinstance(timeout, tuple | list):  # as requests and aiohttp's old versions take them
        raise ConfigError(f"timeout={timeout!r}: give seconds in all, or Timeout(total=..., connect=..., read=...)")
    return NO_LIMITS if timeout is None else Timeout(timeout)


def limits_of(timeout: Any) -> tuple[float | None, float | None, float | None]:
    """Turn a timeout (a Timeout, seconds in all, or None) into (total, connect, attempt)."""
    try:
        return _limits_of(timeout)
    except TypeError:  # it can't be hashed, so it is none of the three
        raise ConfigError(f"timeout={timeout!r}: give seconds, Timeout(...) or None") from None


def max_wait_of(wait: Any) -> float | None:
    """Turn `wait=` into the most seconds in a queue, None for as long as the deadline allows."""
    if wait is True:
        return None
    if wait is False:
        return 0.0
    if not isinstance(wait, int | float) or not wait >= 0:
        raise ConfigError(f"wait={wait!r}: give True, False, or a number of seconds")
    return float(wait)


def policy_of(retry: Any) -> Retry | None:
    """Turn `retry=` (a Retry, the attempts in all, or None) into a policy."""
    try:
        return _policy_of(retry)
    except TypeError:
        raise ConfigError(f"retry={retry!r}: give the attempts in all, Retry(...) or None") from None


@lru_cache(maxsize=256)
def _limits_of(timeout: Any) -> tuple[float | None, float | None, float | None]:
    limits = timeout_of(timeout)
    return limits.total, limits.connect, limits.attempt


@lru_cache(maxsize=256)
def _policy_of(retry: Any) -> Retry | None:
    if retry is None:
        return None
    return retry if isinstance(retry, Retry) else Retry(retry)


def checked_headers(headers: Headers | None) -> CIMultiDict[str]:
    """Return a copy of `headers` that is safe to send.

    Raises:
        ConfigError: A name or value would break out of its line, or isn't text.
    """
    checked: CIMultiDict[str] = CIMultiDict()
    if headers is None or headers == {}:
        return checked
    for name, value in encoding.pairs("headers", headers):
        if not TOKEN.fullmatch(name):
            raise ConfigError(f"header name {name!r}: only letters, digits and !#$%&'*+-.^_`|~ are allowed")
        if not isinstance(value, str):
            raise ConfigError(f"header {name}: its value is {type(value).__name__}, give text")
        if (found := _FORBIDDEN.search(value)) is not None:
            what = "line break or control character" if found[0] < "\ud800" else "lone surrogate"
            raise ConfigError(f"header {name}: a {what} in its value (header injection?): remove it")
        checked.add(name, value)
    return checked


def flat_params(params: Params | None) -> Iterable[tuple[str, str]]:
    """Query parameters as text pairs: None is left out, a list repeats its key, booleans are true and false.

    Raises:
        ConfigError: A value has no plain text form, or a text can't be encoded.
    """
    if isinstance(params, str):
        raise ConfigError("params= takes a mapping or pairs; a query string goes into the URL")
    for name, value in encoding.flatten("params", params) if params is not None else ():
        yield name, encoding.to_text("params", name, value)
