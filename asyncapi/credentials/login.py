"""OAuth 2 for people: somebody logs in once, then the refresh token renews what they agreed to.

    OAuth2AuthorizationCode    in a browser on this machine (RFC 6749 section 4.1, PKCE by RFC 7636, RFC 8252)
    OAuth2DeviceCode           in a browser anywhere: the person types a code (RFC 8628)
    OAuth2RefreshToken         somebody has logged in elsewhere, and this is their refresh token

A login takes as long as a person does: `await client.authorize()` waits for it, without the limits of a call. With a
store, it happens once. A refresh token that the server replaces (rotation) is replaced here and in the store.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import TYPE_CHECKING, Any

from yarl import URL

from asyncapi.credentials.oauth2 import scope_of
from asyncapi.credentials.server import AuthServer, Issuer
from asyncapi.credentials.tokens import Tokens
from asyncapi.credentials.values import source
from asyncapi.errors import AuthError
from asyncapi.sansio.oauth import Refused, Token, authorization_url, challenge, read_redirect
from asyncapi.transports.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asyncapi.credentials.credential import Means
    from asyncapi.credentials.server import AuthMethod
    from asyncapi.credentials.values import Value
    from asyncapi.stores.tokens import TokenStore

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER = 5.0  # seconds that `slow_down` adds (RFC 8628 section 3.5)
_OK = 200
_LOGIN = 600.0  # seconds a person may take


def _show(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a person has to read it


class _Session:
    """What the credentials of people have in common: a login, then refresh tokens.

    Args:
        server: Where tokens come from.
        login: Gets the first token, or None where nobody can log in.
        store: Where tokens are kept.
        scope: Names the session in the store.
        revocation_url: The revocation endpoint; None for what the issuer names.
    """

    def __init__(
        self,
        server: AuthServer,
        login: Callable[[Means], Any] | None,
        store: TokenStore | None,
        scope: str,
        revocation_url: str | None,
    ) -> None:
        self._server = server
        self._login = login
        self._revocation = revocation_url or (server.where if isinstance(server.where, Issuer) else None)
        kept = None if store is None else (store, f"{server.name} {server.told()} {scope}".strip())
        self.tokens = Tokens(server.name, self._fetch, kept)

    async def _fetch(self, old: Token | None, means: Means) -> Token:
        if old is not None and old.refresh_token:
            try:
                return await self.refresh(old.refresh_token, means)
            except Refused as refusal:
                if refusal.error != "invalid_grant" or self._login is None:
                    raise
        if self._login is None:
            raise AuthError("nobody is logged in")
        token: Token = await self._login(means)
        return token

    async def revoke(self) -> None:
        """Log out: the server is told to forget the tokens (RFC 7009), and so are we."""
        token, means = self.tokens.token, self.tokens.means
        await self.tokens.forget()
        if token is None or means is None:
            return
        if self._revocation is None:
            raise AuthError(f"{self._server.name}: forgotten here, but not revoked: give revocation_url=")
        url = await self._server.find(self._revocation, "revocation_endpoint", means)
        which = {"refresh_token": token.refresh_token, "access_token": token.access_token}
        for kind, text in which.items():
            if text:
                form = {"token": text, "token_type_hint": kind}
                response = await self._server.ask(means, url, form, who="the revocation endpoint")
                if response.status != _OK:
                    raise AuthError(f"{self._server.name}: forgotten here, but not revoked: {response.status}")

    async def refresh(self, refresh_token: str, means: Means) -> Token:
        """A new token for a refresh token (RFC 6749 section 6)."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self._server.token(means, form, before=refresh_token)


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
    """

    resends = 1

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
    ) -> None:
        self._first = source(refresh_token, "OAuth2RefreshToken's refresh_token")
        self._server = AuthServer("OAuth2RefreshToken", token_url, client_id, client_secret, auth_method=auth_method)
        self._session = _Session(self._server, self._begin, store, "", revocation_url)
        tokens = self._session.tokens
        self.ready, self.obtain, self.answered = tokens.ready, tokens.obtain, tokens.answered

    async def _begin(self, means: Means) -> Token:
        return await self._session.refresh(await self._first.fetch(), means)

    async def revoke(self) -> None:
        """Log out: tell the server to forget the tokens (RFC 7009), and forget them here and in the store.

        Raises:
            AuthError: They are forgotten here, but the server could not be told.
        """
        await self._session.revoke()

    def told(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 refresh token, {self._server.told()}"

    def __repr__(self) -> str:
        return f"<OAuth2RefreshToken {self._server.told()}>"


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

    Raises:
        ConfigError: They don't go together.
    """

    resends = 1

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
        show: Callable[[str], object] = _show,
        patience: float = _LOGIN,
        store: TokenStore | None = None,
        revocation_url: str | None = None,
    ) -> None:
        where = token_url or (authorization_url if isinstance(authorization_url, Issuer) else "")
        self._server = AuthServer("OAuth2AuthorizationCode", where, client_id, client_secret, auth_method=auth_method)
        self._authorization = authorization_url
        self._scope, self._params = scope_of(scope), dict(params or {})
        self._port, self._path = redirect_port, redirect_path
        self._show, self._patience = show, patience
        self._session = _Session(self._server, self._login, store, self._scope, revocation_url)
        tokens = self._session.tokens
        self.ready, self.obtain, self.answered = tokens.ready, tokens.obtain, tokens.answered

    async def _login(self, means: Means) -> Token:
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        url = await self._server.find(self._authorization, "authorization_endpoint", means)
        issuer = self._authorization.url if isinstance(self._authorization, Issuer) else ""
        came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def accept(query: dict[str, str]) -> tuple[str, str] | None:
            if query.get("state") != state or came.done():
                return None
            try:
                came.set_result(read_redirect(query, state=state, issuer=issuer))
            except Refused as refusal:
                came.set_exception(refusal)
                return "Not logged in", "The login did not succeed. You can close this page."
            return "Logged in", "You can close this page and go back."

        listener = Listener(self._path, self._port, accept)
        try:
            back = await listener.start()
            query = {"response_type": "code", "client_id": self._server.client_id, "redirect_uri": back,
                     "scope": self._scope, "state": state, "code_challenge": challenge(verifier),
                     "code_challenge_method": "S256", **self._params}  # fmt: skip
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
        return await self._server.token(means, form)

    async def revoke(self) -> None:
        """Log out: tell the server to forget the tokens (RFC 7009), and forget them here and in the store.

        Raises:
            AuthError: They are forgotten here, but the server could not be told.
        """
        await self._session.revoke()

    def told(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 authorization code, {self._server.told()}"

    def __repr__(self) -> str:
        return f"<OAuth2AuthorizationCode {self._server.told()}>"


class OAuth2DeviceCode:
    """The token of a person who logs in with a browser on another device, and types a code there (RFC 8628).

    For machines without a browser: `await client.authorize()` prints where to go and what to type.

    Args:
        device_url: The device authorization endpoint, or the `Issuer` whose metadata name all endpoints.
        client_id: The client's id.
        client_secret: Its secret, if it has one.
        token_url: The token endpoint, where no issuer is given.
        scope: What is asked for: text, or a list of scopes.
        auth_method: As in `OAuth2ClientCredentials`.
        show: Called with the text for the person; prints it to standard error by default.
        store: Where the tokens are kept, so that people log in once.
        revocation_url: The revocation endpoint, for `revoke`, where no issuer is given.

    Raises:
        ConfigError: They don't go together.
    """

    resends = 1

    def __init__(
        self,
        device_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        token_url: str | Issuer | None = None,
        scope: str | Sequence[str] = "",
        auth_method: AuthMethod | None = None,
        show: Callable[[str], object] = _show,
        store: TokenStore | None = None,
        revocation_url: str | None = None,
    ) -> None:
        where = token_url or (device_url if isinstance(device_url, Issuer) else "")
        self._server = AuthServer("OAuth2DeviceCode", where, client_id, client_secret, auth_method=auth_method)
        self._device = device_url
        self._scope = scope_of(scope)
        self._show = show
        self._session = _Session(self._server, self._login, store, self._scope, revocation_url)
        tokens = self._session.tokens
        self.ready, self.obtain, self.answered = tokens.ready, tokens.obtain, tokens.answered

    async def _login(self, means: Means) -> Token:
        url = await self._server.find(self._device, "device_authorization_endpoint", means)
        asked = {"client_id": self._server.client_id, "scope": self._scope}
        given = await self._server.object(means, url, asked, who="the device endpoint")
        code, person, page = (str(given.get(name) or "") for name in ("device_code", "user_code", "verification_uri"))
        page = page or str(given.get("verification_url") or "")  # Google's name
        if not (code and person and _is_web(page)):
            raise AuthError("the device endpoint's answer has no device_code, user_code or verification_uri")
        self._show(f"To log in, open {page} in a browser and enter the code {person}")
        interval = max(1.0, _number(given.get("interval"), 5.0))
        until = means.clock.now() + _number(given.get("expires_in"), _LOGIN)
        while means.clock.now() + interval < until:
            await means.clock.sleep(interval)
            try:
                return await self._server.token(means, {"grant_type": _DEVICE_GRANT, "device_code": code})
            except Refused as refusal:
                if refusal.error not in {"authorization_pending", "slow_down"}:
                    raise
                interval += _SLOWER if refusal.error == "slow_down" else 0.0
            except AuthError:  # not reached: RFC 8628 section 3.5 wants us slower
                interval *= 2
        raise AuthError("nobody entered the code in time")

    async def revoke(self) -> None:
        """Log out: tell the server to forget the tokens (RFC 7009), and forget them here and in the store.

        Raises:
            AuthError: They are forgotten here, but the server could not be told.
        """
        await self._session.revoke()

    def told(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 device code, {self._server.told()}"

    def __repr__(self) -> str:
        return f"<OAuth2DeviceCode {self._server.told()}>"


def _number(given: Any, usual: float) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        return usual


def _is_web(url: str) -> bool:
    try:
        return URL(url).scheme in {"http", "https"} and url.isprintable()
    except ValueError:
        return False
