"""OAuth 2 for people on machines without a browser: the device authorization grant (RFC 8628)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yarl import URL

from asyncapi.credentials.oauth.client_credentials import scope_of
from asyncapi.credentials.oauth.server import AuthServer, Issuer
from asyncapi.credentials.oauth.user_session import PATIENCE, Session, show_person
from asyncapi.errors import AuthError
from asyncapi.sansio.auth.oauth import Refused, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncapi.credentials.base import AuthContext
    from asyncapi.credentials.oauth.server import AuthMethod
    from asyncapi.credentials.sources import Value
    from asyncapi.stores.tokens import TokenStore

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_LONGEST = 3600.0  # seconds that codes are asked for
_SLOWER = 5.0  # seconds that `slow_down` adds (RFC 8628 section 3.5)


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
        dpop: Whether tokens are bound to a key that is kept with them (DPoP), as in `OAuth2ClientCredentials`.
        token_type: What the server calls its bearer tokens, as in `OAuth2ClientCredentials`.

    Raises:
        ConfigError: They don't go together.
    """

    def __init__(
        self,
        device_url: str | Issuer,
        client_id: str,
        client_secret: Value | None = None,
        *,
        token_url: str | Issuer | None = None,
        scope: str | Sequence[str] = "",
        auth_method: AuthMethod | None = None,
        show: Callable[[str], object] = show_person,
        store: TokenStore | None = None,
        revocation_url: str | None = None,
        dpop: bool = False,
        token_type: str = "",
    ) -> None:
        where = token_url or (device_url if isinstance(device_url, Issuer) else "")
        self._server = AuthServer(
            "OAuth2DeviceCode",
            where,
            client_id,
            client_secret,
            auth_method=auth_method,
            dpop=dpop,
            token_type=token_type,
        )
        self._device = device_url
        self._scope = scope_of(scope)
        self._show = show
        self._session = session = Session(self._server, self._login, store, self._scope, revocation_url)
        self.cached_signature, self.fetch_signature, self.on_response = (
            session.cached_signature,
            session.fetch_signature,
            session.on_response,
        )
        self.max_resends, self.revoke, self.principal = session.max_resends, session.revoke, session.principal

    async def _login(self, context: AuthContext) -> Token:
        url = await self._server.find(self._device, "device_authorization_endpoint", context)
        asked = {"client_id": self._server.client_id, "scope": self._scope}
        given = await self._server.object(context, url, asked, who="the device endpoint")
        code, person, page = (str(given.get(name) or "") for name in ("device_code", "user_code", "verification_uri"))
        page = page or str(given.get("verification_url") or "")  # Google's name
        if not (code and person and person.isprintable() and _is_web(page)):  # they go to a terminal
            raise AuthError("the device endpoint's answer has no device_code, user_code or verification_uri")
        self._show(f"To log in, open {page} in a browser and enter the code {person}")
        interval = max(1.0, _number(given.get("interval"), 5.0))
        until = context.clock.now() + min(_LONGEST, _number(given.get("expires_in"), PATIENCE))
        while context.clock.now() + interval < until:
            await context.clock.sleep(interval)
            try:
                return await self._server.token(context, {"grant_type": _DEVICE_GRANT, "device_code": code})
            except Refused as refusal:
                if refusal.error not in {"authorization_pending", "slow_down"}:
                    raise
                interval += _SLOWER if refusal.error == "slow_down" else 0.0
            except AuthError:  # not reached: RFC 8628 section 3.5 wants us slower
                interval *= 2
        raise AuthError("nobody entered the code in time")

    def describe(self) -> str:
        """One line for `explain()`."""
        return f"OAuth 2 device code, {self._server.describe()}"

    def __repr__(self) -> str:
        return f"<OAuth2DeviceCode {self._server.describe()}>"


def _number(given: Any, usual: float) -> float:
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError):
        return usual


def _is_web(url: str) -> bool:
    try:
        return URL(url).scheme in {"http", "https"} and url.isprintable()
    except ValueError:
        return False
