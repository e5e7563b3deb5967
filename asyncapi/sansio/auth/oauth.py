"""Read and write the messages of OAuth 2: tokens, responses of token endpoints, PKCE, authorization URLs, metadata.

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

_LONGEST = 2**20  # bytes of a response
OTHER_ISSUER = "another issuer"
NO_BEARER = frozenset({"dpop", "mac", "pop"})  # they need more than the token: never sent as bearer tokens
_BEARER = frozenset({"bearer", "bearertoken", "n_a"})  # "N_A" is RFC 8693's
_DPOP = {"dpop": ": set dpop=True", "bearer": ": the server does not bind tokens to keys"}
_MOVED = frozenset({301, 302, 303, 307, 308})
_NOT_FOLLOWED = ", a redirect: it is not followed, because it would carry the secrets along; use the URL it leads to"


class Refused(Exception):
    """The authorization server has refused a request.

    Attributes:
        error: Its error code, such as `invalid_grant`; "" where it sent none.
        message: One line.
    """

    def __init__(self, message: str, error: str = "") -> None:
        super().__init__(one_line(message))
        self.message: str = one_line(message)
        self.error = error


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """The tokens that a token endpoint issues (RFC 6749 section 5.1).

    Attributes:
        access_token: The token that attempts carry.
        issued_at: When it was issued, seconds since the Unix epoch.
        lifetime: Seconds for which it is valid; infinite where the server doesn't say.
        refresh_token: The token that renews it, or "".
        scope: Its scope as the server says, or "".
        id_token: OpenID Connect's, or "".
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
        """When it expires, seconds since the Unix epoch."""
        return self.issued_at + self.lifetime

    def dump(self) -> str:
        """The token as text for stores, with all its secrets."""
        fields = asdict(self)
        if self.lifetime == inf:
            del fields["lifetime"]
        return json.dumps(fields)

    @classmethod
    def load(cls, text: str) -> Token | None:
        """Read a token from the text of `dump`; None if the text is something else."""
        try:
            values: dict[str, Any] = json.loads(text)
            token = cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})
            times = isfinite(token.issued_at) and token.lifetime >= 0
        except (TypeError, ValueError, RecursionError, OverflowError):
            return None
        numbers = {"issued_at", "lifetime"}
        of_type = all(
            isinstance(value := getattr(token, field.name), (int, float) if field.name in numbers else str)
            and not isinstance(value, bool)
            for field in fields(cls)
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
    """Read the token in a response of a token endpoint (RFC 6749 section 5).

    Args:
        status: HTTP status.
        content: The body.
        now: Seconds since the Unix epoch.
        before: The refresh token that was used: it stays valid where the response has no new one (section 6).
        kind: The type of token that is wanted: "Bearer" or "DPoP".
        called: Another name of this server for a bearer token, or "".
        hide: Removes from the body what must not get into a message.

    Raises:
        Refused: The response is an error, or has no token that can be used here.
    """
    fields = read_json(status, content, hide=hide)
    access = fields.get("access_token")
    if not isinstance(access, str) or not access:
        refusal = read_refusal(hide(content), any_text=False)
        raise Refused(f"{status} without an access_token{refusal.after()}", refusal.error)
    _check_type(fields.get("token_type"), kind, called)
    return Token(
        access,
        issued_at=now,
        lifetime=_seconds(fields.get("expires_in")),
        refresh_token=_text(fields, "refresh_token") or before,
        scope=_scope(fields.get("scope")),
        id_token=_text(fields, "id_token"),
    )


def _check_type(token_type: Any, kind: str, called: str) -> None:
    """Check the type of a token: one that is not understood is not used (RFC 6749 section 7.1).

    Raises:
        Refused: It is another type than was requested.
    """
    folded = token_type.strip().lower() if isinstance(token_type, str) else "" if token_type is None else None
    if kind == "DPoP":  # RFC 9449 section 5
        fits = folded == "dpop"
    else:  # servers that have one type only may name none
        fits = folded is not None and folded not in NO_BEARER and folded in {"", *_BEARER, called.strip().lower()}
    if fits:
        return
    name = shown(str(token_type or "Bearer"))[:40]
    hint = _DPOP.get(name.strip().lower(), "")
    if kind == "Bearer" and folded is not None and folded not in NO_BEARER:
        hint = f": if this server's tokens are sent as bearer tokens, set token_type={name!r}"
    raise Refused(f"a token of type {name!r}, but {kind} was requested{hint}")


def read_json(status: int, content: bytes, *, hide: Callable[[bytes], bytes] = bytes) -> dict[str, Any]:
    """Read the object in a response of an authorization server.

    Args:
        status: HTTP status.
        content: The body: JSON, or a form as servers sent it before RFC 6749.
        hide: Removes from the body what must not get into a message.

    Raises:
        Refused: The response is an error (RFC 6749 section 5.2), or not a JSON object.
    """
    if len(content) > _LONGEST:
        raise Refused(f"{status}, with {len(content):,} bytes: more than an authorization server sends")
    fields = parse(content)
    failed = isinstance(fields, dict) and bool(fields.get("error")) and isinstance(fields["error"], str | dict | list)
    if failed or status >= 300:  # noqa: PLR2004 - where success ends
        refusal = read_refusal(hide(content))
        refusal = refusal._replace(error="") if refusal.error == str(status) else refusal
        moved = status in _MOVED and not refusal.error
        raise Refused(f"{status}{_NOT_FOLLOWED if moved else refusal.before()}", refusal.error)
    if not isinstance(fields, dict):
        refusal = read_refusal(hide(content))
        message = f"{status}, but no JSON object in the response: is this the right URL?{refusal.quoted()}"
        raise Refused(message, refusal.error)
    return fields


def _seconds(expires_in: Any) -> float:
    """The lifetime; some servers send it as text. What is not a time to come counts as none."""
    try:
        seconds = inf if isinstance(expires_in, bool) else float(expires_in)
    except (TypeError, ValueError, OverflowError):
        return inf
    return seconds if seconds > 0 else inf


def _scope(value: Any) -> str:
    """The scope as text; some servers send a list."""
    if isinstance(value, list):
        return " ".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def missing_scope(requested: str, granted: str) -> list[str]:
    """The scopes that were requested and not granted, where the server names those it grants (RFC 6749 section 5.1)."""
    names = set(re.split(r"[ ,]+", granted))
    return [scope for scope in requested.split() if scope not in names] if granted else []


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


# -- authorization code --------------------------------------------------------------------------------------------


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def authorization_url(url: str, query: Mapping[str, str]) -> str:
    """The URL where the user grants access (RFC 6749 section 4.1.1); its own query stays."""
    return str(uri.with_replaced(uri.parse(url), [(name, value) for name, value in query.items() if value]))


def is_ours(query: Mapping[str, str], state: str) -> bool:
    """Whether a redirect back carries the state of our request (RFC 6749 section 10.12)."""
    theirs = query.get("state", "").encode("utf-8", "surrogatepass")
    return hmac.compare_digest(theirs, state.encode())


def read_redirect(
    query: Mapping[str, str], *, state: str, issuers: Collection[str] = (), announced: bool = False
) -> str:
    """Read the code in a redirect back (RFC 6749 section 4.1.2, RFC 9207).

    Args:
        query: The redirect's.
        state: The state of our request.
        issuers: The spellings of the one issuer that may respond; empty where none is known.
        announced: Whether its metadata say that every response names it.

    Raises:
        Refused: The redirect is an error, or does not belong to our request.
    """
    if not is_ours(query, state):
        raise Refused("the redirect has another state than our request: it does not belong to this login")
    if "iss" in query and issuers and query["iss"] not in issuers:
        raise Refused("the redirect comes from another issuer than the one that was asked")
    if announced and "iss" not in query:  # RFC 9207 section 2.4: errors name it, too
        raise Refused("the redirect names no issuer, but the issuer's metadata say that all of its responses do")
    if "error" in query:
        text = shown(query.get("error_description", ""))
        raise Refused(f"{shown(query['error'])}{f': {text}' if text else ''}", query["error"])
    if not query.get("code"):
        raise Refused("the redirect has no code")
    return query["code"]


# -- metadata ------------------------------------------------------------------------------------------------------


def metadata_urls(issuer: str) -> list[str]:
    """The URLs at which an issuer's metadata may be: RFC 8414 section 3.1, and OpenID Discovery section 4."""
    url = uri.parse(issuer)
    path = url.raw_path.rstrip("/")
    places = [
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/openid-configuration{path}",
    ]
    return [str(url.with_path(place, encoded=True)) for place in dict.fromkeys(places)]


def read_metadata(status: int, content: bytes, issuer: str) -> dict[str, str]:
    """Read the endpoints in an issuer's metadata, and what it supports ("true").

    Raises:
        Refused: There are none, or they are another issuer's (RFC 8414 section 3.3).
    """
    metadata = read_json(status, content)
    if str(metadata.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise Refused(f"the metadata belong to another issuer ({shown(str(metadata.get('issuer')))!r})", OTHER_ISSUER)
    flags = {name: "true" for name, value in metadata.items() if value is True}
    return flags | {name: value for name, value in metadata.items() if isinstance(value, str)}
