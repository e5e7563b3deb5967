"""OAuth 2 by an assertion: exchange what a program holds already, a private key or another token, for an access token.

OAuth2JWTBearer        a JWT signed with the program's own key (RFC 7523): Google's service accounts, Salesforce
OAuth2TokenExchange    another token (RFC 8693): workload identity, on behalf of a user
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from asyncapi.credentials.oauth.credential import _OAuthCredential
from asyncapi.credentials.oauth.jose import sign_jwt
from asyncapi.credentials.oauth.options import OAuthOptions, TokenOptions, complete, scope_of
from asyncapi.credentials.oauth.server import AuthServer
from asyncapi.credentials.sources import account_of, principal_of, source

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from typing import Unpack

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import Issuer
    from asyncapi.credentials.sources import Value
    from asyncapi.sansio.auth.oauth import Token

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TOKEN_TYPES = "urn:ietf:params:oauth:token-type:"  # noqa: S105 - the name of a kind
_LIFETIME = 300.0  # seconds for which an assertion is valid


class OAuth2JWTBearer(_OAuthCredential, options=TokenOptions):
    """Access tokens for a JWT that the program signs with its own key (RFC 7523 section 2.1; extra `auth`).

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`.
        issuer: Who signs (`iss`): a service account's name, a client id.
        private_key: A PEM or JWK: text, `Env("NAME")`, `File("path")` or a function.
        subject: On whose behalf (`sub`); the issuer by default.
        audience: For whom the JWT is (`aud`); the token endpoint by default.
        scope: The scopes to ask for: in the form and, as Google wants it, among the claims.
        claims: Further claims.
        algorithm: The `alg` of RFC 7518; by default the one that fits the key.
        key_id: The key's `kid`.
        dpop: Bind the token to a key that every request proves to hold (DPoP, RFC 9449).
        token_type: The server's name for its bearer tokens, if that is not "Bearer".
    """

    _grant = "JWT bearer"
    principal = None  # its subject is fixed

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
        **options: Unpack[TokenOptions],
    ) -> None:
        settings = complete(OAuth2JWTBearer, options)
        settings["auth_method"] = "none"  # the assertion itself authenticates (RFC 7523 section 2.1)
        server = AuthServer("OAuth2JWTBearer", token_url, issuer, None, settings)
        self._key = source(private_key, "OAuth2JWTBearer's private_key")
        self._scope = scope_of(scope)
        self._claims = {"iss": issuer, "sub": subject or issuer, "aud": audience, **(claims or {})}
        self._algorithm, self._key_id = algorithm, key_id
        self.account: str = account_of(server.describe(), self._claims, self._scope)
        tokens, _ = server.tokens(self._fetch)
        super().__init__(server, tokens)

    async def _fetch(self, old: Token | None, context: AuthContext) -> Token:
        now = context.clock.wall()
        url = await self._server.find(self._server.where, "token_endpoint", context)
        # RFC 7523 section 3: who, for whom, until when; a new `jti` each time, as servers may refuse a repetition.
        claims = self._claims | {"jti": str(uuid.uuid4()), "iat": int(now), "exp": int(now + _LIFETIME)}
        claims["aud"] = claims["aud"] or url
        if self._scope:
            claims["scope"] = self._scope
        key = await self._key.fetch()
        assertion = sign_jwt(key, claims, algorithm=self._algorithm, key_id=self._key_id)
        form = {"grant_type": _JWT_BEARER, "assertion": assertion, "scope": self._scope}
        return await self._server.token(context, form, key=old.key if old is not None else "")


class OAuth2TokenExchange(_OAuthCredential, options=OAuthOptions):
    """Access tokens in exchange for another token (RFC 8693).

        OAuth2TokenExchange("https://login.example.com/token", "my-service", File("/var/run/secrets/token"),
                            subject_token_type="jwt", audience="https://api.example.com")

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`.
        client_id: The client's id.
        subject_token: The token to exchange: text, `Env("NAME")`, `File("path")` or a function.
        client_secret: The client's secret, if it has one.
        subject_token_type: "access_token", "refresh_token", "id_token", "jwt", "saml2", or a URI.
        actor_token: A token of whoever acts on the subject's behalf, if the server is to know.
        actor_token_type: The type of `actor_token`, as for `subject_token_type`.
        audience: For whom the new token is.
        resource: The URL that the new token is for.
        scope: The scopes to ask for: text, or a list.
        requested_token_type: The type of the new token; "" leaves it to the server.
        auth_method: How the client authenticates; by default, what fits.
        dpop: Bind the token to a key that every request proves to hold (DPoP, RFC 9449; extra `auth`).
        token_type: The server's name for its bearer tokens, if that is not "Bearer".
    """

    _grant = "token exchange"

    def __init__(
        self,
        token_url: str | Issuer,
        client_id: str,
        subject_token: Value,
        *,
        client_secret: Value | None = None,
        subject_token_type: str = "access_token",  # noqa: S107 - the name of a kind
        actor_token: Value | None = None,
        actor_token_type: str = "access_token",  # noqa: S107 - the name of a kind
        audience: str = "",
        resource: str = "",
        scope: str | Sequence[str] = "",
        requested_token_type: str = "",
        **options: Unpack[OAuthOptions],
    ) -> None:
        name = "OAuth2TokenExchange"
        server = AuthServer(name, token_url, client_id, client_secret, complete(OAuth2TokenExchange, options))
        self._subject = source(subject_token, f"{name}'s subject_token")
        self._actor = None if actor_token is None else source(actor_token, f"{name}'s actor_token")
        self._actor_type = _type_uri(actor_token_type)
        # RFC 8693 section 2.1; the form leaves out what is empty.
        self._form = {
            "grant_type": _EXCHANGE, "subject_token_type": _type_uri(subject_token_type), "audience": audience,
            "resource": resource, "scope": scope_of(scope), "requested_token_type": _type_uri(requested_token_type),
        }  # fmt: skip
        tokens, _ = server.tokens(self._fetch)
        super().__init__(server, tokens)
        constant = principal_of(self._subject, *([] if self._actor is None else [self._actor])) is None
        self.principal: Callable[[], Coroutine[Any, Any, str | None]] | None = None if constant else tokens.principal
        self.account: str | None = None
        if constant:
            self.account = account_of(server.describe(), self._form, self._subject, self._actor)

    async def _fetch(self, old: Token | None, context: AuthContext) -> Token:
        form = self._form | {"subject_token": await self._subject.fetch()}
        if self._actor is not None:
            form |= {"actor_token": await self._actor.fetch(), "actor_token_type": self._actor_type}
        return await self._server.token(context, form, key=old.key if old is not None else "")


def _type_uri(name: str) -> str:
    """Return the URI of a token type by its short name (RFC 8693 section 3)."""
    return f"{_TOKEN_TYPES}{name}" if name and ":" not in name else name
