"""A user's session with an authorization server: login, refresh, revoke (RFC 6749, RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.server import AuthServer, Issuer
from asyncapi.credentials.sources import hashed
from asyncapi.errors import AuthError
from asyncapi.sansio.auth.oauth import Refused
from asyncapi.sansio.auth.oauth_errors import read_refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.options import LoginOptions
    from asyncapi.credentials.sources import Value
    from asyncapi.credentials.token_renewal import Tokens
    from asyncapi.sansio.auth.oauth import Token
    from asyncapi.stores.tokens import TokenStore

PATIENCE = 600.0  # seconds that a person may take to log in
_OK = 200


def login_server(
    name: str, login_url: str | Issuer, client_id: str, client_secret: Value | None, options: LoginOptions
) -> AuthServer:
    """Return the server that a person logs in at: its token endpoint is `token_url`, or the issuer names it."""
    where = options["token_url"] or (login_url if isinstance(login_url, Issuer) else "")
    return AuthServer(name, where, client_id, client_secret, options)


class Session:
    """A user's session: login, refresh, revoke (RFC 6749, RFC 7009).

    Args:
        server: The authorization server.
        login: Gets the first token.
        store: Where tokens are saved, or None.
        scope: Part of the session's name in the store.
        revocation_url: The revocation endpoint; None for the one that the issuer names.

    Attributes:
        tokens: The session's current token, and what renews it.
    """

    tokens: Tokens[Token]

    def __init__(
        self,
        server: AuthServer,
        login: Callable[[AuthContext], Awaitable[Token]],
        store: TokenStore | None,
        scope: str,
        revocation_url: str | None,
    ) -> None:
        self._server = server
        self._login = login
        self._revocation = revocation_url or (server.where if isinstance(server.where, Issuer) else None)
        kind = f"{server.name} {server.describe()} {scope}".strip()
        self.tokens, self._stored = server.tokens(self._fetch, store, kind, needed=True)
        # The users of the last two tokens: calls send the old one until the new one is there.
        self._users: list[tuple[Token, str]] = []

    async def _fetch(self, old: Token | None, context: AuthContext) -> Token:
        if old is not None and old.refresh_token:
            try:
                token = await self.refresh(old.refresh_token, context, key=old.key)
            except Refused as refusal:
                if refusal.error != "invalid_grant":  # RFC 6749 section 5.2: only this one ends the session
                    raise
            else:
                return self._remembered(token, self._user(old))
        token = await self._login(context)
        return self._remembered(token, hashed(token.access_token))

    async def principal(self) -> str | None:
        """Identify the user, as a hash: the same through all refreshed tokens, another one after another login."""
        token = self.tokens.token
        return None if token is None else self._user(token)

    def _user(self, token: Token) -> str:
        known = (user for seen, user in self._users if seen is token)
        return next(known, None) or hashed(token.access_token)  # another process' token: it may be another user's

    def _remembered(self, token: Token, user: str) -> Token:
        self._users = [*self._users[-1:], (token, user)]
        return token

    async def refresh(self, refresh_token: str, context: AuthContext, *, key: str = "") -> Token:
        """Exchange a refresh token for a new token (RFC 6749 section 6)."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        with context.finishing():  # the server may have replaced the refresh token already
            return await self._server.token(context, form, before=refresh_token, key=key)

    async def revoke(self) -> None:
        """Log out: revoke the tokens at the server (RFC 7009), and forget them here and in the store.

        Raises:
            AuthError: The tokens are forgotten here, but could not be revoked at the server.
        """
        token, context = self.tokens.token, self.tokens.context
        # Forgotten first: whatever the server says, nobody is logged in here any more.
        self.tokens.forget()
        await self._stored.forget()
        if token is None or context is None:
            return
        if self._revocation is None:
            raise AuthError(
                f"{self._server.name}: the tokens are forgotten here, but not revoked: give revocation_url="
            )
        url = await self._server.find(self._revocation, "revocation_endpoint", context)
        texts = {"refresh_token": token.refresh_token, "access_token": token.access_token}
        for kind, text in texts.items():
            if text:  # RFC 7009 section 2.1
                form = {"token": text, "token_type_hint": kind}
                response = await self._server.ask(context, url, form, who="the revocation endpoint")
                if response.status != _OK:
                    why = f"{response.status}{read_refusal(response.content).before()}"
                    raise AuthError(f"{self._server.name}: the tokens are forgotten here, but not revoked: {why}")
