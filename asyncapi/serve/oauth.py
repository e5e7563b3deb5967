"""`/oauth/token` and `/me`: OAuth 2 client credentials and refresh tokens that expire soon (RFC 6749, RFC 6750).

The client is `demo` with the secret `secret`, sent as Basic authentication or in the form. A refresh token works once.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_plus

from asyncapi.serve.query import seconds
from asyncapi.serve.replies import Refusal, Reply, json_reply

if TYPE_CHECKING:
    from aiohttp import web

CLIENT_ID, CLIENT_SECRET = "demo", "secret"
LIFETIME = 30.0

_FORM = "application/x-www-form-urlencoded"
_MANY = 100_000
_PRIVATE = [("Cache-Control", "no-store")]


class Tokens:
    """Issues tokens and knows which are alive.

    Attributes:
        issued: How many access tokens so far.
    """

    def __init__(self) -> None:
        self.issued: int = 0
        self.access: dict[str, tuple[float, str]] = {}
        self.refresh: dict[str, str] = {}

    async def token(self, request: web.BaseRequest, rest: str) -> Reply:
        """`POST /oauth/token`; `?expires_in=` sets the seconds that the token lives."""
        if rest != "token":
            raise Refusal(404, "no such endpoint: the tokens are at /oauth/token")
        if request.content_type != _FORM:
            return _refused("invalid_request", f"send the parameters as {_FORM}")
        form = dict(parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True))
        lifetime = request.query.get("expires_in")
        alive = LIFETIME if lifetime is None else seconds(lifetime, "expires_in")
        if _client(request, form) != (CLIENT_ID, CLIENT_SECRET):
            return _refused("invalid_client", f"the client is {CLIENT_ID!r}, its secret {CLIENT_SECRET!r}", 401)
        grant = form.get("grant_type")
        if grant == "client_credentials":
            return self._issue(form.get("scope", ""), alive)
        if grant == "refresh_token":
            scope = self.refresh.pop(form.get("refresh_token", ""), None)
            if scope is None:
                return _refused("invalid_grant", "this refresh token is unknown or was used before")
            return self._issue(scope, alive)
        return _refused("unsupported_grant_type", "use client_credentials or refresh_token")

    async def me(self, request: web.BaseRequest, _rest: str) -> Reply:
        """`GET /me`: who the bearer token belongs to."""
        return json_reply({"client_id": CLIENT_ID, "scope": self._known(request)[1]})

    def expiry(self, request: web.BaseRequest) -> float:
        """When the bearer token of a request expires, on the monotonic clock.

        Raises:
            Refusal: There is none, or it has expired (401).
        """
        return self._known(request)[0]

    def _known(self, request: web.BaseRequest) -> tuple[float, str]:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, "a bearer token is needed", [("WWW-Authenticate", "Bearer")])
        known = self.access.get(token.strip(), (0.0, ""))
        if known[0] <= time.monotonic():
            challenge = 'Bearer error="invalid_token", error_description="expired or unknown"'
            raise Refusal(401, "invalid_token", [("WWW-Authenticate", challenge)])
        return known

    def _issue(self, scope: str, alive: float) -> Reply:
        access, refresh = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self.issued += 1
        self.access[access] = (time.monotonic() + alive, scope)
        self.refresh[refresh] = scope
        for store in (self.access, self.refresh):
            if len(store) > _MANY:
                del store[next(iter(store))]
        token = {"access_token": access, "token_type": "Bearer", "expires_in": int(alive), "refresh_token": refresh}
        return json_reply(token | ({"scope": scope} if scope else {}), headers=_PRIVATE)


def _client(request: web.BaseRequest, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)  # RFC 6749 section 2.3.1: both are form-encoded first


def _refused(error: str, description: str, status: int = 400) -> Reply:
    headers = [*_PRIVATE, ("WWW-Authenticate", 'Basic realm="token"')] if status == 401 else _PRIVATE  # noqa: PLR2004
    return json_reply({"error": error, "error_description": description}, status, headers)
