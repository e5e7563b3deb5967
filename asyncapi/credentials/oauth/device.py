"""OAuth 2 on a machine without a browser: the device authorization grant (RFC 8628)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yarl import URL

from asyncapi.credentials.oauth.credential import _OAuthCredential
from asyncapi.credentials.oauth.options import LoginOptions, complete, scope_of
from asyncapi.credentials.oauth.user_session import PATIENCE, Session, login_server
from asyncapi.errors import AuthError
from asyncapi.sansio.auth.oauth import Refused, Token

if TYPE_CHECKING:
    from typing import Unpack

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import Issuer
    from asyncapi.credentials.sources import Value

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_LONGEST = 3600.0  # seconds for which a code is polled, whatever lifetime the server gives it
_SLOWER = 5.0  # seconds that `slow_down` adds to the interval (RFC 8628 section 3.5)


class OAuth2DeviceCode(_OAuthCredential, options=LoginOptions):
    """Access tokens for a person who logs in with a browser on another device, and types a code there (RFC 8628).

    For machines without a browser: `await client.authorize()` prints where to go and what to type.

    Args:
        device_url: The device authorization endpoint, or the `Issuer` whose metadata name all endpoints.
        client_id: The client's id.
        client_secret: The client's secret, if it has one.
        token_url: The token endpoint, if no issuer is given.
        scope: The scopes to ask for: text, or a list.
        auth_method: How the client authenticates; by default, what fits.
        show: Called with the text for the person; prints it to standard error by default.
        store: Where the tokens are saved, so that people log in once.
        revocation_url: The revocation endpoint, for `revoke`, if no issuer is given.
        dpop: Bind tokens to a key (DPoP, RFC 9449), which is saved with them.
        token_type: The server's name for its bearer tokens, if that is not "Bearer".

    Raises:
        ConfigError: The settings don't go together.
    """

    _grant = "device code"

    def __init__(
        self,
        device_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        **options: Unpack[LoginOptions],
    ) -> None:
        settings = complete(OAuth2DeviceCode, options)
        server = login_server("OAuth2DeviceCode", device_url, client_id, client_secret, settings)
        self._scope, self._show = scope_of(settings["scope"]), settings["show"]
        self._session = Session(server, self._login, settings["store"], self._scope, settings["revocation_url"])
        super().__init__(server, self._session.tokens)
        self._device = device_url

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
        url = await self._server.find(self._device, "device_authorization_endpoint", context)
        form = {"client_id": self._server.client_id, "scope": self._scope}
        reply = await self._server.object(context, url, form, who="the device endpoint")
        code, typed, page = (str(reply.get(name) or "") for name in ("device_code", "user_code", "verification_uri"))
        page = page or str(reply.get("verification_url") or "")  # Google's name
        if not (code and typed and typed.isprintable() and _is_web(page)):  # both are shown in a terminal
            raise AuthError("the device endpoint's response has no device_code, user_code or verification_uri")
        self._show(f"To log in, open {page} in a browser and enter the code {typed}")
        interval = max(1.0, _number(reply.get("interval"), 5.0))  # RFC 8628 section 3.2: 5 s by default
        until = context.clock.now() + min(_LONGEST, _number(reply.get("expires_in"), PATIENCE))
        while context.clock.now() + interval < until:
            await context.clock.sleep(interval)
            try:
                return await self._server.token(context, {"grant_type": _DEVICE_GRANT, "device_code": code})
            except Refused as refusal:
                if refusal.error not in {"authorization_pending", "slow_down"}:  # RFC 8628 section 3.5
                    raise
                interval += _SLOWER if refusal.error == "slow_down" else 0.0
            except AuthError:  # no response: RFC 8628 section 3.5 wants exponential backoff then
                interval *= 2
        raise AuthError("nobody entered the code in time")


def _number(value: Any, default: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default


def _is_web(url: str) -> bool:
    try:
        return URL(url).scheme in {"http", "https"} and url.isprintable()
    except ValueError:
        return False
