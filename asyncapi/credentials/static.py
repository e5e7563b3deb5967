"""Sign with values as they are: API keys, bearer tokens (RFC 6750), Basic (RFC 7617).

After a 401 the call is sent once more if the value's source may have a newer value: a file or variable that has
changed, or a function. The same text would be refused again. A function whose new values don't help is not called again
for each 401 (`sansio/auth/rejections.py`).
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from asyncapi.credentials.base import Signature, route
from asyncapi.credentials.renamed import with_old_names
from asyncapi.credentials.sources import Constant, account_of, hashed, principal_of, source
from asyncapi.errors import AuthError, ConfigError
from asyncapi.sansio.auth.rejections import Rejections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.sources import PrincipalOf, Source, Value
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

_UNAUTHORIZED = 401
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_IN_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_IN_TOKEN = re.compile(r"[\x21-\x7e]+")
_IN_COOKIE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")  # RFC 6265 section 4.1.1
_IN_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")


@with_old_names
class _ValueCredential:
    """Sign with values as they are: the base of the classes below.

    Args:
        name: The credential's class, for messages.
        sources: Where the values come from.
        write: Makes the signature of the values.

    Attributes:
        principal: The user by the values, as a hash; None if they are constants, which belong to one user.
        account: That one user, as a hash; None if the values may change.
    """

    # Slots, so that `vars(credential)`, which debuggers and error trackers print, shows none of the values.
    __slots__ = ("_name", "_rejections", "_sent", "_signature", "_sources", "_write", "account", "principal")

    max_resends = 1

    def __init__(self, name: str, sources: Sequence[Source], write: Callable[[Sequence[str]], Signature]) -> None:
        self._name = name
        self._sources = sources
        self._write = write
        self._sent: list[str] = []
        self._rejections = Rejections()
        self._signature: Signature | None = None
        self.principal: PrincipalOf | None = principal_of(*sources)
        self.account: str | None = account_of(name, *sources) if self.principal is None else None
        constant = [each.now() for each in sources if isinstance(each, Constant)]
        if len(constant) == len(sources):  # a mistake in constants shows when the credential is made
            try:
                self._signed(constant)
            except AuthError as error:
                raise ConfigError(error.message) from None

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:  # noqa: ARG002 - the same for all
        """Return the signature, or None if a value has to be fetched."""
        values = []
        for each in self._sources:
            value = each.now()
            if value is None:
                return None
            values.append(value)
        return self._signed(values)

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:  # noqa: ARG002 - the same for all
        """Fetch the values, and return their signature."""
        try:
            return self._signed([await each.fetch() for each in self._sources])
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
        """After a 401, have the call sent once more if there may be another value."""
        if response.effective_status != _UNAUTHORIZED or refused:
            if refused and response.effective_status == _UNAUTHORIZED:
                self._rejections.renewal_failed(route(response), object(), context.clock.now())
            elif refused:
                self._rejections.renewal_helped(route(response))
            return ""
        sent: list[str] = signature.source
        renewed = [each for each, value in zip(self._sources, sent, strict=True) if each.renewed(value)]
        known = any(each.now() is not None for each in renewed)  # else only calling the function can tell
        if not renewed or not (known or self._rejections.may_renew(route(response), context.clock.now())):
            return ""
        return f"401, {self._name} read again"

    def user_of(self, signature: Signature) -> str | None:
        """Return the user that a signature acts for, as `principal` would have named it; None if there is only one."""
        return None if self.principal is None else hashed(*signature.source)

    def _signed(self, values: list[str]) -> Signature:
        if self._signature is None or values != self._sent:
            self._signature, self._sent = self._write(values), values
        return self._signature


class ApiKey(_ValueCredential):
    """An API key in a header, a query parameter or a cookie.

        ApiKey(Env("KEY"))                              X-Api-Key: ...
        ApiKey("...", query="api_key")                  ?api_key=...

    Args:
        value: Text, `Env("NAME")`, `File("path")` or a function, which may be async.
        header: Name of the header; `X-Api-Key` if no other place is given.
        query: Name of the query parameter.
        cookie: Name of the cookie.

    Raises:
        ConfigError: More than one place, no name, or a value that does not fit there.
    """

    def __init__(
        self, value: Value, *, header: str | None = None, query: str | None = None, cookie: str | None = None
    ) -> None:
        names = {"header": header, "query": query, "cookie": cookie}
        places = {place: name for place, name in names.items() if name is not None} or {"header": "X-Api-Key"}
        if len(places) > 1:
            raise ConfigError(f"ApiKey: give one of {' and '.join(places)}: a key goes into one place")
        [(self._place, self._field)] = places.items()
        if not _NAME.fullmatch(self._field) and (self._place != "query" or not self._field):
            raise ConfigError(f"ApiKey({self._place}={self._field!r}): this is not a valid name of a {self._place}")
        self._source = source(value, "ApiKey's value")
        super().__init__("ApiKey", [self._source], self._in_place)

    def _in_place(self, values: Sequence[str]) -> Signature:
        [value] = values
        pair = ((self._field, value),)
        match self._place:
            case "header":
                _check("ApiKey", value, _IN_HEADER)
                return Signature(headers=pair, secrets=(value,), source=values)
            case "query":
                _check("ApiKey", value, _IN_TEXT)
                return Signature(params=pair, secrets=(value,), source=values)
            case _:
                _check("ApiKey", value, _IN_COOKIE)
                return Signature(cookies=pair, secrets=(value,), source=values)

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        return f"ApiKey in the {self._place} {self._field}, from {self._source!r}"

    def __repr__(self) -> str:
        return f"ApiKey({self._source!r}, {self._place}={self._field!r})"


class Bearer(_ValueCredential):
    """A bearer token: `Authorization: Bearer ...` (RFC 6750).

    Args:
        value: Text, `Env("NAME")`, `File("path")` or a function, which may be async.

    Raises:
        ConfigError: The value is empty, or has spaces or other characters that no token has.
    """

    def __init__(self, value: Value) -> None:
        self._source = source(value, "Bearer's value")
        super().__init__("Bearer", [self._source], _bearer)

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        return f"Bearer, from {self._source!r}"

    def __repr__(self) -> str:
        return f"Bearer({self._source!r})"


class Basic(_ValueCredential):
    """A user and a password: `Authorization: Basic ...`, in UTF-8 (RFC 7617 section 2.1).

    Args:
        user: Text, `Env("NAME")`, `File("path")` or a function, which may be async.
        password: As for `user`.

    Raises:
        ConfigError: The user has a colon, or the user or password a control character.
    """

    def __init__(self, user: Value, password: Value) -> None:
        super().__init__("Basic", [source(user, "Basic's user"), source(password, "Basic's password")], _basic)

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        return f"Basic, password from {self._sources[1]!r}"

    def __repr__(self) -> str:
        return f"Basic({self._sources[0]!r}, {self._sources[1]!r})"


def _bearer(values: Sequence[str]) -> Signature:
    [token] = values
    return bearer(token, source=values)


def bearer(token: str, *, source: Any = None) -> Signature:
    """Make the signature of a bearer token (RFC 6750 section 2.1).

    Raises:
        AuthError: The token can't be sent.
    """
    check_token("Bearer", token)
    return Signature(headers=(("Authorization", f"Bearer {token}"),), secrets=(token,), source=source)


def check_token(name: str, value: str) -> None:
    """Refuse a token that can't be sent in a header; `name` is the credential's.

    Raises:
        AuthError: The token has a space, a control character or a character beyond ASCII.
    """
    _check(name, value, _IN_TOKEN)


def basic(user: str, password: str) -> str:
    """Make the value of the Authorization header (RFC 7617 section 2)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _basic(values: Sequence[str]) -> Signature:
    user, password = values
    _check("Basic", user + password, _IN_TEXT)
    if ":" in user:  # RFC 7617 section 2
        raise AuthError("Basic: the user has a colon, which would end it: it can't be sent")
    value = basic(user, password)
    return Signature(headers=(("Authorization", value),), secrets=(password, value[6:]), source=values)


def _check(name: str, value: str, allowed: re.Pattern[str]) -> None:
    if not allowed.fullmatch(value):
        raise AuthError(
            f"{name}: its value has a space, line break or other character that can't be sent there: "
            "was something else copied with it?"
        )
