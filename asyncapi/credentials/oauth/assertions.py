"""OAuth 2 by what one has already: a key that signs who one is, or a token of somewhere else.

OAuth2JWTBearer        a JWT of our own, signed with a private key (RFC 7523): Google's service accounts, Salesforce
OAuth2TokenExchange    another token for a token (RFC 8693): workload identity, on behalf of a user
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.client_credentials import scope_of
from asyncapi.credentials.oauth.jose import sign_jwt
from asyncapi.credentials.oauth.server import AuthServer
from asyncapi.credentials.sources import principal_of, source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import AuthMethod, Issuer
    from asyncapi.credentials.sources import Value
    from asyncapi.sansio.auth.oauth import Token

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TOKEN_TYPES = "urn:ietf:params:oauth:token-type:"  # noqa: S105 - the name of a kind
_LIFETIME = 300.0  # seconds an assertion is good for


class OAuth2JWTBearer:
    """A token for a JWT that is signed with one's own key (RFC 7523 section 2.1; extra `auth`).

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`.
        issuer: Who signs (`iss`): a service account's name, a client id.
        private_key: A PEM or JWK: text, `Env("NAME")`, `File("path")` or a function.
        subject: On whose behalf (`sub`); the issuer by default.
        audience: For whom the JWT is (`aud`); the token endpoint by default.
        scope: What the token is for: in the form and, as Google wants it, among the claims.
        claims: Further claims.
        algorithm: As in RFC 7518; what fits the key by default.
        key_id: The key's `kid`.
        dpop: Whether the token is bound to a key of its own (DPoP), as in `OAuth2ClientCredentials`.
        token_type: What the server calls its bearer tokens, as in `OAuth2ClientCredentials`.
    """

    def __init__(
        self,
        token_url: str | Issuer,
        issuer: str,
        private_key: Value,
        *,
        subject: str = "",
        audience: str = "",
        scope: str | Sequence[str] = "",
        claims: Mapping[str, str] | None = None,
        algorithm: str = "",
        key_id: str = "",
        dpop: bool = False,
        token_type: str = "",
    ) -> None:
        self._server = AuthServer(
            "OAuth2JWTBearer", token_url, issuer, None, auth_method="none", dpop=dpop, token_type=token_type
        )
        self._key = source(private_key, "OAuth2JWTBearer's private_key")
        self._scope = scope_of(scope)
        self._claims = {"iss": issuer, "sub": subject or issuer, "aud": audience, **(claims or {})}
        self._algorithm, self._key_id = algorithm, key_id
        tokens, _ = self._server.tokens(self._fetch)
        self.cached_signature, self.fetch_signature, self.on_response = (
            tokens.cached_signature,
            tokens.fetch_signature,
            tokens.on_response,
        )
        self.max_resends = tokens.max_resends
        self.principal = None  # its subject is fixed

    async def _fetch(self, old: Token | None, context: AuthContext) -> Token:
        now = context.clock.wall()
        url = await self._server.find(self._server.where, "token_endpoint", context)
        claims = self._claims | {"jti": str(uuid.uuid4()), "iat": int(now), "exp": int(now + _LIFETIME)}
        claims["aud"] = claims["aud"] or url
        if self._scope:
            claims["scope"] = self._scope
        key = await self._key.fetch()
        assertion = sign_jwt(key, claims, algorithm=self._algorithm, key_id=self._key_id)
        form = {"grant_type": _JWT_BEARER, "assertion": assertion, "scope": self._scope}
        return await self._server.token(context, form, key=old.key if old is not None else "")

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 JWT bearer, {self._server.describe()}"

    def __repr__(self) -> str:
        return f"<OAuth2JWTBearer {self._server.describe()}>"


class OAuth2TokenExchange:
    """Another token for a token that one has (RFC 8693).

        OAuth2TokenExchange("https://login.example.com/token", "my-service", File("/var/run/secrets/token"),
                            subject_token_type="jwt", audience="https://api.example.com")

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`.
        client_id: The client's id.
        subject_token: The token that one has: text, `Env("NAME")`, `File("path")` or a function.
        client_secret: The client's secret, if it has one.
        subject_token_type: "access_token", "refresh_token", "id_token", "jwt", "saml2", or a URI.
        actor_token: Who acts on the subject's behalf, if that is told.
        actor_token_type: As above.
        audience: For whom the new token is.
        resource: The URL it is for.
        scope: What it is for.
        requested_token_type: As above; "" leaves it to the server.
        auth_method: As in `OAuth2ClientCredentials`.
        dpop: The same.
        token_type: What the server calls its bearer tokens, as in `OAuth2ClientCredentials`.
    """

    def __init__(
        self,
        token_url: str | Issuer,
        client_id: str,
        subject_token: Value,
        *,
        client_secret: Value | None = None,
        subject_token_type: str = "access_token",  # noqa: S107 - the name of a kind
        actor_token: Value | None = None,
        actor_token_type: str = "access_token",  # noqa: S107 - the same
        audience: str = "",
        resource: str = "",
        scope: str | Sequence[str] = "",
        requested_token_type: str = "",
        auth_method: AuthMethod | None = None,
        dpop: bool = False,
        token_type: str = "",
    ) -> None:
        name = "OAuth2TokenExchange"
        self._server = AuthServer(
            name, token_url, client_id, client_secret, auth_method=auth_method, dpop=dpop, token_type=token_type
        )
        self._subject = source(subject_token, f"{name}'s subject_token")
        self._actor = None if actor_token is None else source(actor_token, f"{name}'s actor_token")
        self._actor_type = _type(actor_token_type)
        self._form = {
            "grant_type": _EXCHANGE, "subject_token_type": _type(subject_token_type), "audience": audience,
            "resource": resource, "scope": scope_of(scope), "requested_token_type": _type(requested_token_type),
        }  # fmt: skip
        tokens, _ = self._server.tokens(self._fetch)
        self.cached_signature, self.fetch_signature, self.on_response = (
            tokens.cached_signature,
            tokens.fetch_signature,
            tokens.on_response,
        )
        self.max_resends = tokens.max_resends
        constant = principal_of(self._subject, *([] if self._actor is None else [self._actor])) is None
        self.principal = None if constant else tokens.principal

    async def _fetch(self, old: Token | None, context: AuthContext) -> Token:
        form = self._form | {"subject_token": await self._subject.fetch()}
        if self._actor is not None:
            form |= {"actor_token": await self._actor.fetch(), "actor_token_type": self._actor_type}
        return await self._server.token(context, form, key=old.key if old is not None else "")

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 token exchange, {self._server.describe()}"

    def __repr__(self) -> str:
        return f"<OAuth2TokenExchange {self._server.describe()}>"


def _type(given: str) -> str:
    return f"{_TOKEN_TYPES}{given}" if given and ":" not in given else given
