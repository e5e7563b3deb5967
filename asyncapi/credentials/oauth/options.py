"""Options that the OAuth 2 credentials share: each is declared, described and given its default once."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

if TYPE_CHECKING:
    from asyncapi.credentials.oauth.server import Issuer
    from asyncapi.stores.tokens import TokenStore

AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]

_CLOSE = 0.75  # similarity from which a name is taken for a misspelling: "scopes" is one of "scope", "store" is not


def show_person(text: str) -> None:
    """Print instructions where a person reads them: on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a person has to read it


class TokenOptions(TypedDict, total=False):
    """Options of every OAuth 2 credential."""

    dpop: bool
    """Bind tokens to a key that every request proves to hold (DPoP, RFC 9449; extra `auth`). A store saves it too."""
    token_type: str
    """The server's name for its bearer tokens, if that is not "Bearer": Slack's "bot", eBay's "Application Access
    Token". A token of a type that needs more than the token itself (DPoP, MAC) is never sent as a bearer token."""


class OAuthOptions(TokenOptions, total=False):
    """Options of the credentials that authenticate a client at the token endpoint."""

    auth_method: AuthMethod | None
    """`client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`. By default the one that fits what is
    given: a private key, else a secret (`client_secret_basic`), else nothing."""


class SessionOptions(OAuthOptions, total=False):
    """Options of the credentials that hold a user's session."""

    store: TokenStore | None
    """Where tokens are saved between runs, so that people log in once."""
    revocation_url: str | None
    """The revocation endpoint, for `revoke`; by default the one that the issuer's metadata name."""


class LoginOptions(SessionOptions, total=False):
    """Options of the credentials with which a person logs in."""

    token_url: str | Issuer | None
    """The token endpoint, if no issuer is given."""
    scope: str | Sequence[str]
    """The scopes to ask for: text, or a list."""
    show: Callable[[str], object]
    """Called with the text for the person; prints it to standard error by default."""


DEFAULTS: LoginOptions = {
    "token_url": None,
    "scope": "",
    "auth_method": None,
    "show": show_person,
    "store": None,
    "revocation_url": None,
    "dpop": False,
    "token_type": "",
}


def complete(credential: type, options: Mapping[str, object]) -> LoginOptions:
    """Fill in the defaults of the options that a credential was not given.

    Raises:
        TypeError: The credential has no option of this name; the message says which it has.
    """
    names = list(inspect.signature(credential).parameters)
    for unknown in [name for name in options if name not in names]:
        close = difflib.get_close_matches(unknown, names, n=1, cutoff=_CLOSE)
        hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(names)}"
        raise TypeError(f"{credential.__name__} has no option {unknown!r}; {hint}")
    return cast("LoginOptions", {**DEFAULTS, **options})


def show_options(function: Callable[..., Any], options: type) -> None:
    """Let `help()` and `inspect.signature` list options by name in place of `**options`."""
    signature = inspect.signature(function)
    *own, variable = signature.parameters.values()
    if variable.kind is not variable.VAR_KEYWORD:
        raise TypeError(f"{function.__qualname__} takes no **options")
    hints: dict[str, Any] = options.__annotations__
    shared = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default,
            annotation=getattr(hints[name], "__forward_arg__", hints[name]),
        )
        for name, default in DEFAULTS.items()
        if name in hints
    ]  # fmt: skip
    function.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]


def scope_of(scope: str | Sequence[str]) -> str:
    """Join scopes with spaces (RFC 6749 section 3.3)."""
    return scope if isinstance(scope, str) else " ".join(scope)
