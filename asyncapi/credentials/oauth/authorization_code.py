"""OAuth 2 for people: somebody logs in once, then the refresh token renews what they agreed to.

    OAuth2AuthorizationCode    in a browser on this machine (RFC 6749 section 4.1, PKCE by RFC 7636, RFC 8252)
    OAuth2DeviceCode           in a browser anywhere: the person types a code (RFC 8628); in `device.py`
    OAuth2RefreshToken         somebody has logged in elsewhere, and this is their refresh token

A login takes as long as a person does: `await client.authorize()` waits for it, without the limits of a call. With a
store, it happens once. A refresh token that the server replaces (rotation) is replaced here and in the store.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from asyncapi.credentials.oauth.client_credentials import scope_of
from asyncapi.credentials.oauth.server import AuthServer, Issuer
from asyncapi.credentials.oauth.user_session import PATIENCE, Session, show_person
from asyncapi.credentials.redirect_listener import Listener
from asyncapi.credentials.sources import source
from asyncapi.errors import AuthError
from asyncapi.sansio.auth.oauth import Refused, Token, authorization_url, challenge, is_ours, read_redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import AuthMethod
    from asyncapi.credentials.sources import Value
    from asyncapi.stores.tokens import TokenStore

_DONE = "Logged in", "You can close this page and go back."
_FAILED = "Not logged in", "The login did not succeed. You can close this page."


class OAuth2RefreshToken:
    """The token of somebody who has logged in elsewhere: it is renewed by their refresh token (RFC 6749 section 6).

    Args:
        token_url: The token endpoint, or `Issuer("https://login.example.com")`.
        client_id: The client's id.
        client_secret: Its secret, if it has one.
        refresh_token: Text, `Env("NAME")`, `File("path")` or a function: what the first renewal is made with.
        auth_method: As in `OAuth2ClientCredentials`.
        store: Where later refresh tokens are kept. A server that replaces refresh tokens (rotation) makes the first one
            useless: without a store, the next run has none.
        revocation_url: The revocation endpoint, for `revoke`, where no issuer is given.
        dpop: Whether tokens are bound to a key that is kept with them (DPoP), as in `OAuth2ClientCredentials`.
        token_type: What the server calls its bearer tokens, as in `OAuth2ClientCredentials`.
    """

    def __init__(
        self,
        token_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        refresh_token: Value,
        auth_method: AuthMethod | None = None,
        store: TokenStore | None = None,
        revocation_url: str | None = None,
        dpop: bool = False,
        token_type: str = "",
    ) -> None:
        self._first = source(refresh_token, "OAuth2RefreshToken's refresh_token")
        self._server = AuthServer(
            "OAuth2RefreshToken",
            token_url,
            client_id,
            client_secret,
            auth_method=auth_method,
            dpop=dpop,
            token_type=token_type,
        )
        self._session = session = Session(self._server, self._begin, store, "", revocation_url)
        self.cached_signature, self.fetch_signature, self.on_response = (
            session.cached_signature,
            session.fetch_signature,
            session.on_response,
        )
        self.max_resends, self.revoke, self.principal = session.max_resends, session.revoke, session.principal

    async def _begin(self, context: AuthContext) -> Token:
        return await self._session.refresh(await self._first.fetch(), context)

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 refresh token, {self._server.describe()}"

    def __repr__(self) -> str:
        return f"<OAuth2RefreshToken {self._server.describe()}>"


class OAuth2AuthorizationCode:
    """The token of a person who logs in with a browser on this machine, by the authorization code grant with PKCE.

        auth = OAuth2AuthorizationCode(Issuer("https://login.example.com"), "my-tool", store=FileStore("~/.my-tool"))
        async with Client("https://api.example.com", auth=auth) as api:
            await api.authorize()               # prints the URL to open, waits until the person is back

    Args:
        authorization_url: The authorization endpoint, or the `Issuer` whose metadata name all endpoints.
        client_id: The client's id.
        client_secret: Its secret, if it has one; tools on people's machines have none.
        token_url: The token endpoint, where no issuer is given.
        scope: What is asked for: text, or a list of scopes.
        auth_method: As in `OAuth2ClientCredentials`.
        redirect_port: The port that the server redirects back to, on 127.0.0.1; any free one by default.
        redirect_path: The path of it.
        params: Further fields of the authorization URL, as `{"prompt": "consent"}`.
        show: Called with the text that has the URL; prints it to standard error by default.
        patience: Seconds the person may take.
        store: Where the tokens are kept, so that people log in once.
        revocation_url: The revocation endpoint, for `revoke`, where no issuer is given.
        dpop: Whether tokens are bound to a key that is kept with them (DPoP), as in `OAuth2ClientCredentials`.
        token_type: What the server calls its bearer tokens, as in `OAuth2ClientCredentials`.

    Raises:
        ConfigError: They don't go together.
    """

    def __init__(
        self,
        authorization_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        token_url: str | Issuer | None = None,
        scope: str | Sequence[str] = "",
        auth_method: AuthMethod | None = None,
        redirect_port: int = 0,
        redirect_path: str = "/callback",
        params: Mapping[str, str] | None = None,
        show: Callable[[str], object] = show_person,
        patience: float = PATIENCE,
        store: TokenStore | None = None,
        revocation_url: str | None = None,
        dpop: bool = False,
        token_type: str = "",
    ) -> None:
        where = token_url or (authorization_url if isinstance(authorization_url, Issuer) else "")
        self._server = AuthServer(
            "OAuth2AuthorizationCode",
            where,
            client_id,
            client_secret,
            auth_method=auth_method,
            dpop=dpop,
            token_type=token_type,
        )
        self._authorization = authorization_url
        self._scope, self._params = scope_of(scope), dict(params or {})
        self._port, self._path = redirect_port, redirect_path
        self._show, self._patience = show, patience
        self._session = session = Session(self._server, self._login, store, self._scope, revocation_url)
        self.cached_signature, self.fetch_signature, self.on_response = (
            session.cached_signature,
            session.fetch_signature,
            session.on_response,
        )
        self.max_resends, self.revoke, self.principal = session.max_resends, session.revoke, session.principal

    async def _login(self, context: AuthContext) -> Token:
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        url = await self._server.find(self._authorization, "authorization_endpoint", context)
        issuer = next((one for one in (self._authorization, self._server.where) if isinstance(one, Issuer)), None)
        announced = issuer is not None and await issuer.names_itself(context)
        issuers = frozenset[str]() if issuer is None else issuer.spellings
        came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def accept(query: dict[str, str]) -> tuple[str, str] | None:
            if not is_ours(query, state):
                return None
            if not came.done():  # browsers ask twice; the first time counts
                try:
                    came.set_result(read_redirect(query, state=state, issuers=issuers, announced=announced))
                except Refused as refusal:
                    came.set_exception(refusal)
            return _FAILED if came.exception() is not None else _DONE

        listener = Listener(self._path, self._port, accept)
        try:
            back = await listener.start()
            query = {"response_type": "code", "client_id": self._server.client_id, "redirect_uri": back,
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
        form = {"grant_type": "authorization_code", "code": await came, "redirect_uri": back, "code_verifier": verifier}
        return await self._server.token(context, form)

    def _bound(self) -> dict[str, str]:
        """Binds the code to the key already (RFC 9449 section 10)."""
        return {} if self._server.proofs is None else {"dpop_jkt": self._server.proofs.thumbprint}

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 authorization code, {self._server.describe()}"

    def __repr__(self) -> str:
        return f"<OAuth2AuthorizationCode {self._server.describe()}>"
