"""An authorization server and the API it guards, behind a mock transport: what tests turn is an attribute."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qsl

from asyncapi import Client, OAuth2ClientCredentials
from asyncapi.errors import ConnectError
from asyncapi.testing import FakeClock, MockTransport, reply

CANARY = "canary" + "bird"


def service(**settings) -> OAuth2ClientCredentials:
    """The credential of a service that the provider knows."""
    return OAuth2ClientCredentials("https://h/token", "me", settings.pop("secret", CANARY), **settings)


class Provider:
    """`/token` gives tokens 1, 2, 3 ...; everything else wants a living one.

    Attributes:
        lifetime: Seconds that tokens live.
        down: What the token endpoint answers instead: a status, or "cut".
        slow: Seconds the token endpoint takes.
        asked: The forms that came to it, with the Authorization header.
        served: (token, status) of each call of the API.
    """

    def __init__(self, clock: FakeClock | None = None, lifetime: float | None = 3600.0) -> None:
        self.clock = clock or FakeClock()
        self.lifetime = lifetime
        self.down: int | str | None = None
        self.slow = 0.0
        self.rotating = False
        self.asked: list[dict[str, str]] = []
        self.served: list[tuple[str, int]] = []
        self.alive: dict[str, float] = {}
        self.refreshable: set[str] = set()

    async def __call__(self, request):
        if request.url.path == "/token":
            return await self.token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        status = 200 if self.alive.get(token, 0) > self.clock.wall() else 401
        self.served.append((token.removeprefix(CANARY), status))
        return reply(status, json={"by": token})

    async def token(self, request):
        form = dict(parse_qsl(request.content.decode()))
        self.asked.append({**form, "Authorization": request.headers.get("Authorization", "")})
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.down == "cut":
            raise ConnectError("refused", request=request)
        if self.down is not None:
            return reply(self.down, json={"error": "temporarily_unavailable"} if self.down < 500 else None)
        if "refresh_token" in form:
            if form["refresh_token"] not in self.refreshable:
                return reply(400, json={"error": "invalid_grant"})
            if self.rotating:
                self.refreshable.discard(form["refresh_token"])
        return self.issue()

    def issue(self):
        name = f"{CANARY}{len(self.alive) + 1}"
        self.alive[name] = self.clock.wall() + (1e9 if self.lifetime is None else self.lifetime)
        given = {"access_token": name, "token_type": "Bearer"}
        if self.lifetime is not None:
            given["expires_in"] = self.lifetime
        refresh = f"{CANARY}-refresh-{len(self.alive)}"
        self.refreshable.add(refresh)
        return reply(200, content=json.dumps(given | {"refresh_token": refresh}).encode())

    def client(self, auth, **settings) -> Client:
        return Client(
            "https://h", auth=auth, transport=MockTransport(self, clock=self.clock), clock=self.clock, **settings
        )
