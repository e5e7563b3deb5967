"""OAuth 2 for services (RFC 6749): tokens that are had without a person.

The grants for people, who log in, are in `login.py`. What they have in common, one token for any number of callers,
renewed ahead, is in `tokens.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.server import AuthServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import AuthMethod, Issuer
    from asyncapi.credentials.sources import Value
    from asyncapi.sansio.auth.oauth import Token
    from asyncapi.stores.tokens import TokenStore


class OAuth2ClientCredentials:
    """A service's own token, by the client credentials grant (RFC 6749 section 4.4).

        OAuth2ClientCredentials("https://login.example.com/token", "my-service", Env("CLIENT_SECRET"), scope="read")

    The token is fetched at the first call, and then ahead of its end while the old one still serves.

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`, whose metadata name it.
        client_id: The client's id.
        client_secret: Its secret: text, `Env("NAME")`, `File("path")` or a function.
        scope: What the token is for: text, or a list of scopes.
        auth_method: `client_secret_basic` (usual), `client_secret_post` or `private_key_jwt`.
        private_key: A PEM or JWK, for `private_key_jwt`.
        key_id: The key's `kid`, where the server knows several.
        params: Further fields of the request, as `{"audience": ...}`.
        store: Where the token is kept between runs; by default with this object.
        dpop: Whether the token is bound to a key that every request proves to hold (DPoP, RFC 9449; extra `auth`).
        token_type: What the server calls its bearer tokens, where that is not "Bearer", as Slack's "bot" or eBay's
            "Application Access Token". What needs more than the token (DPoP, MAC) is never sent as a bearer token.

    Raises:
        ConfigError: They don't go together.
    """

    def __init__(
        self,
        token_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        scope: str | Sequence[str] = "",
        auth_method: AuthMethod | None = None,
        private_key: Value | None = None,
        key_id: str = "",
        params: Mapping[str, str] | None = None,
        store: TokenStore | None = None,
        dpop: bool = False,
        token_type: str = "",
    ) -> None:
        self._server = AuthServer(
            "OAuth2ClientCredentials", token_url, client_id, client_secret,
            auth_method=auth_method, private_key=private_key, key_id=key_id, dpop=dpop, token_type=token_type,
        )  # fmt: skip
        self._form = {"grant_type": "client_credentials", "scope": scope_of(scope), **(params or {})}
        kind = f"client_credentials {self._server.describe()} {self._form['scope']}"
        self._tokens, _ = self._server.tokens(self._fetch, store, kind)
        self.cached_signature, self.fetch_signature, self.on_response = (
            self._tokens.cached_signature,
            self._tokens.fetch_signature,
            self._tokens.on_response,
        )
        self.max_resends = self._tokens.max_resends
        self.principal = None  # a service has one user: itself

    async def _fetch(self, old: Token | None, context: AuthContext) -> Token:
        return await self._server.token(context, self._form, key=old.key if old is not None else "")

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 client credentials, {self._server.describe()}"

    def __repr__(self) -> str:
        return f"<OAuth2ClientCredentials {self._server.describe()}>"


def scope_of(given: str | Sequence[str]) -> str:
    """Scopes as one text."""
    return given if isinstance(given, str) else " ".join(given)
