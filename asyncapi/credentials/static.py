"""Credentials that are written as they are: API keys, bearer tokens (RFC 6750), Basic (RFC 7617).

A 401 is answered by one more try where the value's source may have a newer one: a file or variable that has changed, a
function. The same text sent again would be refused again: where asking a function anew does not help, it is not asked
for each call (`sansio/auth/rejections.py`).
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from asyncapi.credentials.base import Signature, route
from asyncapi.credentials.sources import Constant, principal_of, source
from asyncapi.errors import AuthError, ConfigError
from asyncapi.sansio.auth.rejections import Rejections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.sources import Source, Value
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

_UNAUTHORIZED = 401
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_IN_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_IN_TOKEN = re.compile(r"[\x21-\x7e]+")
_IN_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")  # RFC 6265 section 4.1.1
_IN_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")


class Written:
    """A credential made of values: the work behind the classes below.

    Args:
        name: Its class, for messages.
        sources: Where the values come from.
        write: The signature of values.
    """

    __slots__ = ("_name", "_rejections", "_sent", "_signature", "_sources", "_write", "principal")

    def __init__(self, name: str, sources: Sequence[Source], write: Callable[[Sequence[str]], Signature]) -> None:
        self._name = name
        self._sources = sources
        self._write = write
        self._sent: list[str] = []
        self._rejections = Rejections()
        self._signature: Signature | None = None
        self.principal = principal_of(*sources)
        constant = [one.now() for one in sources if isinstance(one, Constant)]
        if len(constant) == len(sources):  # what is wrong with it is said at once
            try:
                self._signed(constant)
            except AuthError as error:
                raise ConfigError(error.message) from None

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:  # noqa: ARG002 - the same for all
        """The signature, if all values are at hand."""
        values = []
        for one in self._sources:
            value = one.now()
            if value is None:
                return None
            values.append(value)
        return self._signed(values)

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:  # noqa: ARG002 - the same for all
        """The signature, from values that have to be fetched."""
        try:
            return self._signed([await one.fetch() for one in self._sources])
        except AuthError:
            raise
        except Exception as error:
            raise AuthError(f"{self._name}: {self._sources!r} failed with {type(error).__name__}") from error

    def on_response(
        self,
        signature: Signature,
        response: Response,
        refused: Sequence[Signature],
        context: AuthContext,
    ) -> str:
        """A 401 is worth another try once, where there may be another value."""
        if response.status != _UNAUTHORIZED or refused:
            if refused and response.status == _UNAUTHORIZED:
                self._rejections.renewal_failed(route(response), object(), context.clock.now())
            elif refused:
                self._rejections.renewal_helped(route(response))
            return ""
        sent: list[str] = signature.by
        renewed = [one for one, value in zip(self._sources, sent, strict=True) if one.renewed(value)]
        known = any(one.now() is not None for one in renewed)  # else only asking can tell
        if not renewed or not (known or self._rejections.may_renew(route(response), context.clock.now())):
            return ""
        return f"401, {self._name} read again"

    def _signed(self, values: list[str]) -> Signature:
        if self._signature is None or values != self._sent:
            self._signature, self._sent = self._write(values), values
        return self._signature


class ApiKey:
    """An API key in a header, a query parameter or a cookie.

        ApiKey(Env("KEY"))                              X-Api-Key: ...
        ApiKey("...", query="api_key")                  ?api_key=...

    Args:
        value: Text, `Env("NAME")`, `File("path")` or a function, which may be async.
        header: Name of the header; `X-Api-Key` where no other place is given.
        query: Name of the query parameter.
        cookie: Name of the cookie.

    Raises:
        ConfigError: More than one place, no name, or a value that does not fit there.
    """

    max_resends = 1

    def __init__(
        self, value: Value, *, header: str | None = None, query: str | None = None, cookie: str | None = None
    ) -> None:
        given = {"header": header, "query": query, "cookie": cookie}
        places = {place: name for place, name in given.items() if name is not None} or {"header": "X-Api-Key"}
        if len(places) > 1:
            raise ConfigError(f"ApiKey: {' and '.join(places)} are given; a key goes into one place")
        [(self._place, self._name)] = places.items()
        if not _NAME.fullmatch(self._name) and (self._place != "query" or not self._name):
            raise ConfigError(f"ApiKey({self._place}={self._name!r}): this is no name of a {self._place}")
        self._source = source(value, "ApiKey's value")
        written = Written("ApiKey", [self._source], self._write)
        self.cached_signature, self.fetch_signature, self.on_response = (
            written.cached_signature,
            written.fetch_signature,
            written.on_response,
        )
        self.principal = written.principal

    def _write(self, values: Sequence[str]) -> Signature:
        [value] = values
        pair = ((self._name, value),)
        match self._place:
            case "header":
                _check("ApiKey", value, _IN_HEADER)
                return Signature(headers=pair, secrets=(value,), by=values)
            case "query":
                _check("ApiKey", value, _IN_TEXT)
                return Signature(params=pair, secrets=(value,), by=values)
            case _:
                _check("ApiKey", value, _IN_COOKIE)
                return Signature(cookies=pair, secrets=(value,), by=values)

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"ApiKey in the {self._place} {self._name}, from {self._source!r}"

    def __repr__(self) -> str:
        return f"ApiKey({self._source!r}, {self._place}={self._name!r})"


class Bearer:
    """A bearer token: `Authorization: Bearer ...` (RFC 6750).

    Args:
        value: Text, `Env("NAME")`, `File("path")` or a function, which may be async.

    Raises:
        ConfigError: The value is empty, or has spaces or other characters that no token has.
    """

    max_resends = 1

    def __init__(self, value: Value) -> None:
        self._source = source(value, "Bearer's value")
        written = Written("Bearer", [self._source], _bearer)
        self.cached_signature, self.fetch_signature, self.on_response = (
            written.cached_signature,
            written.fetch_signature,
            written.on_response,
        )
        self.principal = written.principal

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"Bearer, from {self._source!r}"

    def __repr__(self) -> str:
        return f"Bearer({self._source!r})"


class Basic:
    """A user and a password: `Authorization: Basic ...`, in UTF-8 (RFC 7617).

    Args:
        user: Text, `Env("NAME")`, `File("path")` or a function, which may be async.
        password: The same.

    Raises:
        ConfigError: The user has a colon, or one of them a control character.
    """

    max_resends = 1

    def __init__(self, user: Value, password: Value) -> None:
        self._sources = source(user, "Basic's user"), source(password, "Basic's password")
        written = Written("Basic", self._sources, _basic)
        self.cached_signature, self.fetch_signature, self.on_response = (
            written.cached_signature,
            written.fetch_signature,
            written.on_response,
        )
        self.principal = written.principal

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"Basic, password from {self._sources[1]!r}"

    def __repr__(self) -> str:
        return f"Basic({self._sources[0]!r}, {self._sources[1]!r})"


def _bearer(values: Sequence[str]) -> Signature:
    [token] = values
    return bearer(token, by=values)


def bearer(token: str, *, by: Any = None) -> Signature:
    """The signature of a bearer token.

    Raises:
        AuthError: It could not be sent.
    """
    check_token("Bearer", token)
    return Signature(headers=(("Authorization", f"Bearer {token}"),), secrets=(token,), by=by)


def check_token(name: str, value: str) -> None:
    """Refuse what is no token.

    Raises:
        AuthError: It could not be sent.
    """
    _check(name, value, _IN_TOKEN)


def basic(user: str, password: str) -> str:
    """The value of the header (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _basic(values: Sequence[str]) -> Signature:
    user, password = values
    _check("Basic", user + password, _IN_TEXT)
    if ":" in user:
        raise AuthError("Basic: the user has a colon, which ends the user; it can't be sent")
    value = basic(user, password)
    return Signature(headers=(("Authorization", value),), secrets=(password, value[6:]), by=values)


def _check(name: str, value: str, allowed: re.Pattern[str]) -> None:
    if not allowed.fullmatch(value):
        raise AuthError(
            f"{name}: its value has a space, line break or other character that can't be sent there: "
            "was something else copied with it?"
        )
