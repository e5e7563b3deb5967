"""OAuth 2 with a refresh token from a login that happened elsewhere (RFC 6749 section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.credential import _OAuthCredential
from asyncapi.credentials.oauth.options import SessionOptions, complete
from asyncapi.credentials.oauth.server import AuthServer
from asyncapi.credentials.oauth.user_session import Session
from asyncapi.credentials.sources import source

if TYPE_CHECKING:
    from typing import Unpack

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import Issuer
    from asyncapi.credentials.sources import Value
    from asyncapi.sansio.auth.oauth import Token


class OAuth2RefreshToken(_OAuthCredential, options=SessionOptions):
    """Access tokens for a user who has logged in elsewhere, renewed by their refresh token (RFC 6749 section 6).

    A server may replace the refresh token at each renewal (rotation). The first one is useless then: without a `store`,
    the next run of the program has none.

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`.
        client_id: The client's id.
        client_secret: The client's secret, if it has one.
        refresh_token: Text, `Env("NAME")`, `File("path")` or a function: the refresh token for the first renewal.
        auth_method: How the client authenticates; by default, what fits.
        store: Where later refresh tokens are saved.
        revocation_url: The revocation endpoint, for `revoke`, if no issuer is given.
        dpop: Bind tokens to a key (DPoP, RFC 9449), which is saved with them.
        token_type: The server's name for its bearer tokens, if that is not "Bearer".
    """

    _grant = "refresh token"

    def __init__(
        self,
        token_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        refresh_token: Value,
        **options: Unpack[SessionOptions],
    ) -> None:
        settings = complete(OAuth2RefreshToken, options)
        self._first = source(refresh_token, "OAuth2RefreshToken's refresh_token")
        server = AuthServer("OAuth2RefreshToken", token_url, client_id, client_secret, settings)
        self._session = Session(server, self._begin, settings["store"], "", settings["revocation_url"])
        super().__init__(server, self._session.tokens)

    async def _begin(self, context: AuthContext) -> Token:
        return await self._session.refresh(await self._first.fetch(), context)

    async def principal(self) -> str | None:
        """Return the user, as a hash; None before the first token."""
        return await self._session.principal()

    async def revoke(self) -> None:
        """Log out: revoke the tokens at the server (RFC 7009), and forget them here and in the store.

        Raises:
            AuthError: The tokens are forgotten here, but could not be revoked at the server.
        """
        await self._session.revoke()
