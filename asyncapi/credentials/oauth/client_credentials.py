"""OAuth 2 for services: the client credentials grant (RFC 6749 section 4.4), which needs no person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.credential import _OAuthCredential
from asyncapi.credentials.oauth.options import OAuthOptions, complete, scope_of
from asyncapi.credentials.oauth.server import AuthServer
from asyncapi.credentials.sources import account_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import Issuer
    from asyncapi.credentials.sources import Value
    from asyncapi.sansio.auth.oauth import Token
    from asyncapi.stores.tokens import TokenStore


class OAuth2ClientCredentials(_OAuthCredential, options=OAuthOptions):
    """A service's own access token, by the client credentials grant (RFC 6749 section 4.4).

        OAuth2ClientCredentials("https://login.example.com/token", "my-service", Env("CLIENT_SECRET"), scope="read")

    The token is fetched at the first call, and renewed before it expires, while the old one still serves.

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`, whose metadata name it.
        client_id: The client's id.
        client_secret: The client's secret: text, `Env("NAME")`, `File("path")` or a function.
        scope: The scopes to ask for: text, or a list.
        private_key: A PEM or JWK, for `private_key_jwt`.
        key_id: The key's `kid`, if the server knows several keys of this client.
        params: Further fields of the request, as `{"audience": ...}`.
        store: Where the token is saved between runs; by default it is kept in memory.
        auth_method: `client_secret_basic` (usual), `client_secret_post` or `private_key_jwt`.
        dpop: Bind the token to a key that every request proves to hold (DPoP, RFC 9449; extra `auth`).
        token_type: The server's name for its bearer tokens, if that is not "Bearer", as Slack's "bot" or eBay's
            "Application Access Token". A token of a type that needs more than the token itself (DPoP, MAC) is never
            sent as a bearer token.

    Raises:
        ConfigError: The settings don't go together.
    """

    _grant = "client credentials"
    principal = None  # a service acts for one user: itself

    def __init__(
        self,
        token_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        scope: str | Sequence[str] = "",
        private_key: Value | None = None,
        key_id: str = "",
        params: Mapping[str, str] | None = None,
        store: TokenStore | None = None,
        **options: Unpack[OAuthOptions],
    ) -> None:
        server = AuthServer(
            "OAuth2ClientCredentials", token_url, client_id, client_secret, complete(OAuth2ClientCredentials, options),
            private_key=private_key, key_id=key_id,
        )  # fmt: skip
        self._form = {"grant_type": "client_credentials", "scope": scope_of(scope), **(params or {})}
        kind = f"client_credentials {server.describe()} {self._form['scope']}"
        self.account: str = account_of(server.describe(), self._form)
        tokens, _ = server.tokens(self._fetch, store, kind)
        super().__init__(server, tokens)

    async def _fetch(self, old: Token | None, context: AuthContext) -> Token:
        return await self._server.token(context, self._form, key=old.key if old is not None else "")
