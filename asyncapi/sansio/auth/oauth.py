"""OAuth 2 without a network: tokens, what a token endpoint answers, PKCE, authorization URLs, server metadata.

RFC 6749 (the framework), 6750 (bearer), 7636 (PKCE), 8414 and OpenID Discovery (metadata), 8628 (device), 9207 (iss).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from asyncapi.messages import uri
from asyncapi.redact import one_line
from asyncapi.sansio.auth.oauth_errors import parse, read_refusal, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_LONGEST = 2**20  # bytes of an answer
OTHER_ISSUER = "another issuer"
NO_BEARER = frozenset({"dpop", "mac", "pop"})  # they need more than the token: never sent as bearer tokens
_BEARER = frozenset({"bearer", "bearertoken", "n_a"})  # "N_A" is RFC 8693's
_DPOP = {"dpop": ": set dpop=True", "bearer": ": the server does not bind tokens to keys"}
_MOVED = frozenset({301, 302, 303, 307, 308})
_NOT_FOLLOWED = ", a redirect: it is not followed, for it would take the secrets along; give the URL it leads to"


class Refused(Exception):
    """The authorization server said no.

    Attributes:
        error: Its code, as `invalid_grant`; "" where it gave none.
        message: One line.
    """

    def __init__(self, message: str, error: str = "") -> None:
        super().__init__(one_line(message))
        self.message = one_line(message)
        self.error = error


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """What a token endpoint gives.

    Attributes:
        access_token: What attempts carry.
        issued_at: When it was given, seconds since the Unix epoch.
        lifetime: Seconds it lives; infinite where the server doesn't say.
        refresh_token: What renews it, or "".
        scope: What it is for, as the server says, or "".
        id_token: OpenID's, or "".
        key: The private key that it is bound to (DPoP), a JWK as text, or "".
    """

    access_token: str
    issued_at: float = 0.0
    lifetime: float = inf
    refresh_token: str = ""
    scope: str = ""
    id_token: str = ""
    key: str = ""

    @property
    def expires_at(self) -> float:
        """Seconds since the Unix epoch."""
        return self.issued_at + self.lifetime

    def dump(self) -> str:
        """As text, secrets and all: for stores."""
        kept = asdict(self)
        if self.lifetime == inf:
            del kept["lifetime"]
        return json.dumps(kept)

    @classmethod
    def load(cls, text: str) -> Token | None:
        """From that text; None if it isn't."""
        try:
            kept: dict[str, Any] = json.loads(text)
            token = cls(**{field.name: kept[field.name] for field in fields(cls) if field.name in kept})
            times = isfinite(token.issued_at) and token.lifetime >= 0
        except (TypeError, ValueError, RecursionError, OverflowError):
            return None
        numbers = {"issued_at", "lifetime"}
        of_type = all(
            isinstance(value := getattr(token, each.name), (int, float) if each.name in numbers else str)
            and not isinstance(value, bool)
            for each in fields(cls)
        )
        return token if times and of_type and token.access_token else None

    def __repr__(self) -> str:
        return f"<Token until {self.expires_at:.0f}{' refreshable' if self.refresh_token else ''}>"


def read_token(
    status: int,
    content: bytes,
    now: float,
    *,
    before: str = "",
    kind: str = "Bearer",
    called: str = "",
    hide: Callable[[bytes], bytes] = bytes,
) -> Token:
    """The token in an answer of a token endpoint (RFC 6749 section 5).

    Args:
        status: HTTP status.
        content: The body.
        now: Seconds since the Unix epoch.
        before: The refresh token that was used: it stays good where the answer brings no other.
        kind: The type of token that is wanted: "Bearer" or "DPoP".
        called: What else this server calls a bearer token, or "".
        hide: Takes out of the body what must not get into a message.

    Raises:
        Refused: It is an error, or no token that can be used here.
    """
    given = read_json(status, content, hide=hide)
    access = given.get("access_token")
    if not isinstance(access, str) or not access:
        told = read_refusal(hide(content), any_text=False)
        raise Refused(f"{status} without an access_token{told.after()}", told.error)
    _check_type(given.get("token_type"), kind, called)
    return Token(
        access,
        issued_at=now,
        lifetime=_seconds(given.get("expires_in")),
        refresh_token=_text(given, "refresh_token") or before,
        scope=_scope(given.get("scope")),
        id_token=_text(given, "id_token"),
    )


def _check_type(given: Any, kind: str, called: str) -> None:
    """RFC 6749 section 7.1: a type that is not understood is not used.

    Raises:
        Refused: It is another than was asked for.
    """
    told = given.strip().lower() if isinstance(given, str) else "" if given is None else None
    if kind == "DPoP":
        fits = told == "dpop"
    else:  # none at all: servers that have one type only, and do not say so
        fits = told is not None and told not in NO_BEARER and told in {"", *_BEARER, called.strip().lower()}
    if fits:
        return
    name = shown(str(given or "Bearer"))[:40]
    hint = _DPOP.get(name.strip().lower(), "")
    if kind == "Bearer" and told is not None and told not in NO_BEARER:
        hint = f": if this server's tokens are sent as bearer tokens, set token_type={name!r}"
    raise Refused(f"a token of type {name!r}, where {kind} was asked for{hint}")


def read_json(status: int, content: bytes, *, hide: Callable[[bytes], bytes] = bytes) -> dict[str, Any]:
    """The object in an answer of an authorization server.

    Args:
        status: HTTP status.
        content: The body: JSON, or a form as servers sent it before RFC 6749.
        hide: Takes out of the body what must not get into a message.

    Raises:
        Refused: It is an error (RFC 6749 section 5.2), or no JSON object.
    """
    if len(content) > _LONGEST:
        raise Refused(f"{status}, with {len(content):,} bytes: no authorization server says that much")
    given = parse(content)
    failed = isinstance(given, dict) and bool(given.get("error")) and isinstance(given["error"], str | dict | list)
    if failed or status >= 300:  # noqa: PLR2004 - where success ends
        told = read_refusal(hide(content))
        told = told._replace(error="") if told.error == str(status) else told
        moved = status in _MOVED and not told.error
        raise Refused(f"{status}{_NOT_FOLLOWED if moved else told.before()}", told.error)
    if not isinstance(given, dict):
        told = read_refusal(hide(content))
        raise Refused(f"{status}, but no JSON object in the answer: is this the right URL?{told.quoted()}", told.error)
    return given


def _seconds(given: Any) -> float:
    """`expires_in`; some servers send it as text. What is no time to come says as little as none at all."""
    try:
        seconds = inf if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        return inf
    return seconds if seconds > 0 else inf


def _scope(given: Any) -> str:
    """As text; some servers send a list."""
    if isinstance(given, list):
        return " ".join(each for each in given if isinstance(each, str))
    return given if isinstance(given, str) else ""


def missing_scope(asked: str, given: str) -> list[str]:
    """What was asked for and not given, where the server says what it gives (RFC 6749 section 5.1)."""
    got = set(re.split(r"[ ,]+", given))
    return [each for each in asked.split() if each not in got] if given else []


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


# -- authorization code --------------------------------------------------------------------------------------------


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def authorization_url(url: str, query: Mapping[str, str]) -> str:
    """Where the user goes to agree; what the URL already has in its query stays."""
    return str(uri.with_replaced(uri.parse(url), [(name, value) for name, value in query.items() if value]))


def is_ours(query: Mapping[str, str], state: str) -> bool:
    """Whether a redirect back carries the state of our question (RFC 6749 section 10.12)."""
    given = query.get("state", "").encode("utf-8", "surrogatepass")
    return hmac.compare_digest(given, state.encode())


def read_redirect(
    query: Mapping[str, str], *, state: str, issuers: Collection[str] = (), announced: bool = False
) -> str:
    """The code that a redirect back brings (RFC 6749 section 4.1.2, RFC 9207).

    Args:
        query: Of the redirect.
        state: That of our question.
        issuers: The spellings of the one issuer that may answer; empty where none is known.
        announced: Whether its metadata say that every answer names it.

    Raises:
        Refused: It is an error, or not the answer to our question.
    """
    if not is_ours(query, state):
        raise Refused("the answer has another state than the question: it was not asked for by us")
    if "iss" in query and issuers and query["iss"] not in issuers:
        raise Refused("the answer comes from another issuer than was asked")
    if announced and "iss" not in query:  # RFC 9207 section 2.4: errors, too
        raise Refused("the answer names no issuer, as the issuer's metadata say that all of its answers do")
    if "error" in query:
        told = shown(query.get("error_description", ""))
        raise Refused(f"{shown(query['error'])}{f': {told}' if told else ''}", query["error"])
    if not query.get("code"):
        raise Refused("the answer brings no code")
    return query["code"]


# -- metadata ------------------------------------------------------------------------------------------------------


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer's metadata may be: RFC 8414 section 3.1, and OpenID Discovery section 4."""
    url = uri.parse(issuer)
    path = url.raw_path.rstrip("/")
    places = [
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/openid-configuration{path}",
    ]
    return [str(url.with_path(place, encoded=True)) for place in dict.fromkeys(places)]


def read_metadata(status: int, content: bytes, issuer: str) -> dict[str, str]:
    """The endpoints in an issuer's metadata, and what it supports ("true").

    Raises:
        Refused: There are none, or it is another issuer's (RFC 8414 section 3.3).
    """
    given = read_json(status, content)
    if str(given.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise Refused(f"the metadata is of another issuer ({shown(str(given.get('issuer')))!r})", OTHER_ISSUER)
    flags = {name: "true" for name, value in given.items() if value is True}
    return flags | {name: value for name, value in given.items() if isinstance(value, str)}
