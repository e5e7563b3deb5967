"""No credential crosses an origin: every kind of it, every redirect status, scheme, host and port, over real servers."""

from __future__ import annotations

import ssl

import pytest
import trustme
from aiohttp import web

from asyncapi import Client, ProtocolError
from servers import application

pytest.importorskip("cryptography")
from kinds import CANARY, KINDS, make

pytestmark = pytest.mark.lanes

STATUSES = [301, 302, 303, 307, 308]


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server's TLS context, and the file of its authority."""
    authority, made = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(made)
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return made, str(file)


class Places:
    """/start wants to see a credential, and sends on to /away at another place; what comes there is kept."""

    def __init__(self) -> None:
        self.status, self.to, self.kind = 302, "", ""
        self.arrived: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.started = 0

    async def token(self, request):
        form = await request.post()
        assert request.path == "/token", form
        kind = "DPoP" if "DPoP" in request.headers else "Bearer"
        return web.json_response({"access_token": CANARY, "token_type": kind})

    async def start(self, request):
        await request.read()
        if self.kind == "digest" and "Authorization" not in request.headers:
            challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        assert carried(request), "no credential came"
        self.started += 1
        return web.Response(status=self.status, headers={"Location": f"{self.to}/away?{request.query_string}"})

    async def away(self, request):
        self.arrived.append(request)
        self.bodies.append(await request.read())
        return web.Response(text="there")

    def routes(self):
        return [
            web.post("/token", self.token),
            web.route("*", "/start", self.start),
            web.route("*", "/away", self.away),
        ]


# What a client sends without any credential.
USUAL = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Content-Length", "X-Mine"}


def carried(request: web.Request) -> list[str]:
    """All that is no part of the call itself."""
    headers = [name for name in request.headers if name.title() not in USUAL]
    return [*headers, *(name for name in request.query if name != "mine"), *request.cookies]


@pytest.mark.parametrize("to", ["same", "port", "host", "scheme"])
@pytest.mark.parametrize("kind", KINDS)
async def test_only_its_own_origin_gets_a_credential(kind, to, tls):
    places = Places()
    async with (
        application(*places.routes()) as one,
        application(*places.routes()) as two,
        application(*places.routes(), tls=tls[0]) as three,
    ):
        at = {"same": one, "port": two, "host": one.replace("127.0.0.1", "localhost"), "scheme": three}
        places.kind, places.to = kind, at[to]
        given = make(kind, f"{one}/token")
        for auth, base in ((given, one), (given, ""), ({one: given}, two)):
            async with Client(base, auth=auth, tls=tls[1], headers={"X-Mine": "1"}) as api:
                for places.status in STATUSES:
                    for method in ("GET", "POST"):
                        await api.request(method, f"{one}/start?mine=1", content=b"body" if method == "POST" else None)
    assert places.started == len(places.arrived) == 3 * len(STATUSES) * 2
    for request, body in zip(places.arrived, places.bodies, strict=True):
        assert request.headers["X-Mine"] == "1"
        assert body == (b"body" if request.method == "POST" else b"")
        if to == "same":
            assert carried(request), f"{kind} was lost on its own origin"
        else:
            assert carried(request) == [], f"{kind} went to another origin"
            assert CANARY not in f"{request.raw_path} {dict(request.headers)}"


@pytest.mark.parametrize("kind", KINDS)
async def test_from_https_to_http_nothing_is_followed(kind, tls):
    places = Places()
    places.kind = kind
    async with application(*places.routes()) as plain, application(*places.routes(), tls=tls[0]) as safe:
        for places.to in (plain, safe.replace("https", "http")):
            async with Client(safe, auth=make(kind, f"{safe}/token"), tls=tls[1]) as api:
                for places.status in STATUSES:
                    with pytest.raises(ProtocolError, match="refused, because it would be sent unencrypted") as caught:
                        await api.get("/start")
                    assert CANARY not in f"{caught.value} {caught.value.__dict__}"
    assert places.arrived == []
