"""OAuth 2 with a browser on this machine: the authorization code grant with PKCE.

RFC 6749 section 4.1 (the grant), RFC 7636 (PKCE), RFC 8252 (native apps), RFC 9207 (`iss`), RFC 9700 (best practice).
A login takes as long as a person does: `await client.authorize()` waits for it, without the time limits of a call.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.credential import _OAuthCredential
from asyncapi.credentials.oauth.options import LoginOptions, complete, scope_of
from asyncapi.credentials.oauth.server import Issuer
from asyncapi.credentials.oauth.user_session import PATIENCE, Session, login_server
from asyncapi.credentials.redirect_listener import Listener
from asyncapi.errors import AuthError
from asyncapi.sansio.auth.oauth import Refused, Token, authorization_url, challenge, is_ours, read_redirect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.sources import Value

_DONE = "Logged in", "You can close this page and go back."
_FAILED = "Not logged in", "The login did not succeed. You can close this page."


class OAuth2AuthorizationCode(_OAuthCredential, options=LoginOptions):
    """Access tokens for a person who logs in with a browser on this machine (authorization code grant with PKCE).

        auth = OAuth2AuthorizationCode(Issuer("https://login.example.com"), "my-tool", store=FileStore("~/.my-tool"))
        async with Client("https://api.example.com", auth=auth) as api:
            await api.authorize()               # prints the URL to open, waits until the person is back

    The refresh token then renews the access token, and is replaced here and in the store if the server replaces it.

    Args:
        authorization_url: The authorization endpoint, or the `Issuer` whose metadata name all endpoints.
        client_id: The client's id.
        client_secret: The client's secret, if it has one; tools on people's machines have none.
        redirect_port: The port of 127.0.0.1 that the server redirects back to; any free one by default.
        redirect_path: The path that the server redirects back to.
        params: Further parameters of the authorization URL, as `{"prompt": "consent"}`.
        patience: Seconds the person may take.
        token_url: The token endpoint, if no issuer is given.
        scope: The scopes to ask for: text, or a list.
        auth_method: How the client authenticates; by default, what fits.
        show: Called with the text that has the URL; prints it to standard error by default.
        store: Where the tokens are saved, so that people log in once.
        revocation_url: The revocation endpoint, for `revoke`, if no issuer is given.
        dpop: Bind tokens to a key (DPoP, RFC 9449), which is saved with them.
        token_type: The server's name for its bearer tokens, if that is not "Bearer".

    Raises:
        ConfigError: The settings don't go together.
    """

    _grant = "authorization code"

    def __init__(
        self,
        authorization_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        redirect_port: int = 0,
        redirect_path: str = "/callback",
        params: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
        **options: Unpack[LoginOptions],
    ) -> None:
        settings = complete(OAuth2AuthorizationCode, options)
        server = login_server("OAuth2AuthorizationCode", authorization_url, client_id, client_secret, settings)
        self._scope, self._show = scope_of(settings["scope"]), settings["show"]
        self._session = Session(server, self._login, settings["store"], self._scope, settings["revocation_url"])
        super().__init__(server, self._session.tokens)
        self._authorization, self._params = authorization_url, dict(params or {})
        self._port, self._path, self._patience = redirect_port, redirect_path, patience

    async def principal(self) -> str | None:
        """Return the user, as a hash; None before the first login."""
        return await self._session.principal()

    async def revoke(self) -> None:
        """Log out: revoke the tokens at the server (RFC 7009), and forget them here and in the store.

        Raises:
            AuthError: The tokens are forgotten here, but could not be revoked at the server.
        """
        await self._session.revoke()

    async def _login(self, context: AuthContext) -> Token:
        # RFC 7636 section 4.1 wants 43 to 128 characters of verifier, RFC 6749 section 10.10 a `state` nobody guesses.
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        url = await self._server.find(self._authorization, "authorization_endpoint", context)
        places = (self._authorization, self._server.where)
        issuer = next((place for place in places if isinstance(place, Issuer)), None)
        announced = issuer is not None and await issuer.names_itself(context)
        # RFC 9207 section 2.4: a redirect of another issuer is a mix-up attack, and refused.
        issuers = frozenset[str]() if issuer is None else issuer.spellings
        code: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def accept(query: dict[str, str]) -> tuple[str, str] | None:
            if not is_ours(query, state):  # RFC 6749 section 10.12: not the redirect of this login
                return None
            if not code.done():  # browsers may send the request twice; the first counts
                try:
                    code.set_result(read_redirect(query, state=state, issuers=issuers, announced=announced))
                except Refused as refusal:
                    code.set_exception(refusal)
            return _FAILED if code.exception() is not None else _DONE

        listener = Listener(self._path, self._port, accept)
        try:
            redirect_uri = await listener.start()
            # RFC 6749 section 4.1.1, with the challenge of RFC 7636 section 4.3; `plain` is never offered.
            query = {"response_type": "code", "client_id": self._server.client_id, "redirect_uri": redirect_uri,
                     "scope": self._scope, "state": state, "code_challenge": challenge(verifier),
                     "code_challenge_method": "S256", **self._bound(), **self._params}  # fmt: skip
            self._show(f"To log in, open this page in a browser:\n\n    {authorization_url(url, query)}\n")
            async with asyncio.timeout(self._patience):
                await listener.wait()
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise AuthError(f"nobody logged in within {self._patience:g} s") from None
            raise AuthError(f"can't listen on port {self._port} of 127.0.0.1: {error.strerror}") from None
        finally:
            listener.close()
        form = {"grant_type": "authorization_code", "code": await code, "redirect_uri": redirect_uri}
        form["code_verifier"] = verifier  # RFC 7636 section 4.5
        return await self._server.token(context, form)

    def _bound(self) -> dict[str, str]:
        """Return the field that binds the code itself to the key (RFC 9449 section 10)."""
        return {} if self._server.proofs is None else {"dpop_jkt": self._server.proofs.thumbprint}
