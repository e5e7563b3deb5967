"""OAuth 2 without a network: tokens, what a token endpoint answers, PKCE, authorization URLs, server metadata.

RFC 6749 (the framework), 6750 (bearer), 7636 (PKCE), 8414 and OpenID Discovery (metadata), 8628 (device), 9207 (iss).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, fields
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.redact import one_line
from asyncapi.uri import parse, with_replaced

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 200  # characters of what a server says of an error
_DPOP = {"dpop": ": set dpop=True", "bearer": ": the server does not bind tokens to keys"}


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
        except (TypeError, ValueError):
            return None
        numbers = {"issued_at", "lifetime"}
        fit = all(isinstance(value, (int, float) if name in numbers else str) for name, value in kept.items())
        return token if fit else None

    def __repr__(self) -> str:
        return f"<Token until {self.expires_at:.0f}{' refreshable' if self.refresh_token else ''}>"


def read_token(status: int, content: bytes, now: float, *, before: str = "", kind: str = "Bearer") -> Token:
    """The token in an answer of a token endpoint (RFC 6749 section 5).

    Args:
        status: HTTP status.
        content: The body.
        now: Seconds since the Unix epoch.
        before: The refresh token that was used: it stays good where the answer brings no other.
        kind: The type of token that is wanted: "Bearer" or "DPoP".

    Raises:
        Refused: It is an error, or no token that can be used here.
    """
    given = read_json(status, content)
    access = given.get("access_token")
    if not isinstance(access, str) or not access:
        raise Refused(f"{status} without an access_token")
    got = str(given.get("token_type", "Bearer"))
    if got.lower() != kind.lower() and (got.lower(), kind) != ("n_a", "Bearer"):
        raise Refused(f"a token of type {got[:40]!r}, where {kind} was asked for{_DPOP.get(got.lower(), '')}")
    return Token(
        access,
        issued_at=now,
        lifetime=_seconds(given.get("expires_in")),
        refresh_token=_text(given, "refresh_token") or before,
        scope=_text(given, "scope"),
        id_token=_text(given, "id_token"),
    )


def read_json(status: int, content: bytes) -> dict[str, Any]:
    """The object in an answer of an authorization server.

    Raises:
        Refused: It is an error (RFC 6749 section 5.2), or no JSON object.
    """
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        given = None
    if isinstance(given, dict) and isinstance(given.get("error"), str):
        said = given.get("error_description")
        told = f": {said[:_SHOWN]}" if isinstance(said, str) and said.isprintable() else ""
        raise Refused(f"{status} {given['error'][:_SHOWN]}{told}", given["error"])
    if status >= 300:  # noqa: PLR2004 - redirects are not followed: the credentials are for that URL
        raise Refused(f"{status}")
    if not isinstance(given, dict):
        raise Refused(f"{status}, but no JSON object in the answer: is this the right URL?")
    return given


def _seconds(given: Any) -> float:
    """`expires_in`; some servers send it as text."""
    try:
        return max(0.0, float(given)) if given is not None else inf
    except (TypeError, ValueError, OverflowError):
        return inf


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""


# -- authorization code --------------------------------------------------------------------------------------------


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def authorization_url(url: str, query: Mapping[str, str]) -> str:
    """Where the user goes to agree; what the URL already has in its query stays."""
    return str(with_replaced(parse(url), [(name, value) for name, value in query.items() if value]))


def read_redirect(query: Mapping[str, str], *, state: str, issuer: str = "") -> str:
    """The code that a redirect back brings (RFC 6749 section 4.1.2, RFC 9207).

    Raises:
        Refused: It is an error, or not the answer to our question.
    """
    if not hmac.compare_digest(query.get("state", ""), state):
        raise Refused("the answer has another state than the question: it was not asked for by us")
    if "iss" in query and issuer and query["iss"] != issuer:
        raise Refused("the answer comes from another issuer than was asked")
    if "error" in query:
        said = query.get("error_description", "")
        told = f": {said[:_SHOWN]}" if said.isprintable() and said else ""
        raise Refused(f"{query['error'][:_SHOWN]}{told}", query["error"])
    if not query.get("code"):
        raise Refused("the answer brings no code")
    return query["code"]


# -- metadata ------------------------------------------------------------------------------------------------------


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer's metadata may be: RFC 8414 section 3.1, and OpenID Discovery section 4."""
    url = parse(issuer)
    path = url.raw_path.rstrip("/")
    places = [
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/openid-configuration{path}",
    ]
    return [str(url.with_path(place, encoded=True)) for place in dict.fromkeys(places)]


def read_metadata(status: int, content: bytes, issuer: str) -> dict[str, str]:
    """The endpoints in an issuer's metadata.

    Raises:
        Refused: There are none, or it is another issuer's (RFC 8414 section 3.3).
    """
    given = read_json(status, content)
    if str(given.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise Refused(f"the metadata is of another issuer ({str(given.get('issuer'))[:_SHOWN]!r})")
    return {name: value for name, value in given.items() if isinstance(value, str)}
