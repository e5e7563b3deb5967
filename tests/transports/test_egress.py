"""The egress guard: what is checked is what is connected to, at every connection; real redirects, real sockets.

127.0.0.2 plays the outside (allowed where a test says so), 127.0.0.1 the inside: two servers on one port.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import Counter
from contextlib import asynccontextmanager

import aiohttp
import pytest

from asyncapi import (
    TLS,
    AuthError,
    Breaker,
    Client,
    ConfigError,
    ConnectError,
    Egress,
    EgressDenied,
    Fallback,
    OAuth2ClientCredentials,
    RejectedError,
    Retry,
    ServerError,
    TransportError,
)
from asyncapi.sansio.http.egress import Guard
from asyncapi.testing import MockTransport, reply
from certificates import OK
from names import forget, resolving
from servers import IPV6, Peer, always, scripted


def _has(address: str) -> bool:
    try:
        with socket.create_server((address, 0)):
            return True
    except OSError:
        return False


pytestmark = [pytest.mark.lanes, pytest.mark.skipif(not _has("127.0.0.2"), reason="this machine has no 127.0.0.2")]
OUTSIDE = Egress(allow=["127.0.0.2"])


@asynccontextmanager
async def both(outside=always(OK, close=True)):  # noqa: B008
    """The server outside, and the one inside on the same port, which nothing may reach."""
    async with scripted(always(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")) as inside:
        async with scripted(outside, host="127.0.0.2", port=inside.port) as there:
            yield there
        assert inside.peers == []


@pytest.fixture
async def names(monkeypatch):
    """The addresses that names resolve to: each look-up takes the next list."""
    return resolving(monkeypatch)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1",
        "0177.0.0.1", "017700000001", "127.0.0.01", "0", "0.0.0.0", "%31%32%37.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "127.0.0.3", "169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "[fe80::1]",
    ],
)  # fmt: skip
async def test_no_spelling_of_an_inside_address_gets_through(host, names):
    names["localhost"] = names["localhost."] = itertools.repeat(["127.0.0.1"])
    async with both() as outside, Client(egress=OUTSIDE) as api:
        with pytest.raises(EgressDenied) as caught:
            await api.get(f"http://{host}:{outside.port}/")
        assert api.stats.attempts == 1
        assert not isinstance(caught.value, TransportError)


async def test_the_refusal_says_what_and_what_to_do():
    async with Client(egress="public") as api:
        with pytest.raises(EgressDenied) as caught:
            await api.get("http://localhost:1/?api_key=canary")
    error = caught.value
    assert isinstance(error, RejectedError)
    assert "127.0.0.1 is a loopback address" in str(error) or "::1 is a loopback address" in str(error)
    assert "egress: localhost: " in str(error)
    assert str(error).endswith("; to allow it, name it in Egress(allow=[...])")
    assert str(error).startswith("GET http://localhost:1/")
    assert "canary" not in f"{error!r}{error.request!r}"
    assert len(error.attempts) == 1
    async with Client(egress="public") as api:
        with pytest.raises(EgressDenied, match=r"egress: 10\.0\.0\.5 is a private address; to allow it"):
            await api.get("http://10.0.0.5/")


async def test_a_name_is_judged_by_its_addresses(names):
    names["good.example"] = itertools.repeat(["127.0.0.2"])
    names["evil.example"] = itertools.repeat(["127.0.0.1"])
    names["none.example"] = itertools.repeat([])
    async with both() as outside, Client(egress=OUTSIDE, retry=None) as api:
        assert (await api.get(f"http://good.example:{outside.port}/")).text == "hi"
        with pytest.raises(EgressDenied, match=r"evil\.example: 127\.0\.0\.1 is a loopback address"):
            await api.get(f"http://evil.example:{outside.port}/")
        with pytest.raises(ConnectError, match="does not resolve"):
            await api.get(f"http://unknown.example:{outside.port}/")


async def test_of_several_addresses_only_those_allowed_are_tried(names):
    names["mixed.example"] = itertools.cycle([["127.0.0.1", "127.0.0.2", "::1"], ["127.0.0.2", "10.0.0.1"]])
    async with both() as outside, Client(egress=OUTSIDE, retry=None) as api:
        for _ in range(10):
            assert (await api.get(f"http://mixed.example:{outside.port}/")).text == "hi"
            forget(api)
    assert len(outside.seen) == 10


async def test_a_name_that_changes_its_mind_gains_nothing(names):
    """DNS rebinding: good when it is asked the first time, evil when it is asked again, whenever that is."""
    names["rebind.example"] = itertools.cycle([["127.0.0.2"], ["127.0.0.1"]])
    async with both() as outside, Client(egress=OUTSIDE, retry=None) as api:
        results = []
        for _ in range(20):
            try:
                results.append((await api.get(f"http://rebind.example:{outside.port}/")).text)
            except EgressDenied:
                results.append("denied")
            forget(api)
    assert results == ["hi", "denied"] * 10


async def test_names_that_change_while_many_calls_run_gain_nothing(names):
    """A name for each call, so that each is looked up; whichever asks next gets the next list."""
    changing = itertools.cycle([["127.0.0.2", "127.0.0.1"], ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"]])
    names.update({f"rebind{number}.example": changing for number in range(300)})
    async with (
        both() as outside,
        Client(egress=OUTSIDE, retry=None, concurrency=20) as api,
        api.map(f"http://{name}:{outside.port}/" for name in names) as outcomes,
    ):
        errors = [outcome.error async for outcome in outcomes]
    assert Counter(type(error) for error in errors) == {type(None): 200, EgressDenied: 100}


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://localhost:{port}/", "http://2130706433:{port}/", "http://0:{port}/",
     "http://[::ffff:127.0.0.1]:{port}/", "http://169.254.169.254/latest/meta-data/", "http://evil.example:{port}/"],
)  # fmt: skip
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
async def test_a_redirect_does_not_lead_inside(target, status, names):
    names["localhost"] = names["evil.example"] = itertools.repeat(["127.0.0.1"])

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.answer(status=status, Location=target.format(port=peer.server.port))

    async with both(script) as outside, Client(outside.url, egress=OUTSIDE) as api:
        with pytest.raises(EgressDenied) as caught:
            await api.post("/", json={"a": 1}, idempotency_key=True)
    assert [attempt.method for attempt in caught.value.attempts] == ["POST", "GET" if "302" in status else "POST"]


async def test_a_refusal_is_never_retried_and_blames_no_host():
    settings = {"breaker": Breaker(count=2, minimum=1, failure_rate=0.01), "retry": Retry(attempts=5, base=0)}
    async with both() as outside, Client(egress=OUTSIDE, **settings) as api:
        for _ in range(10):
            with pytest.raises(EgressDenied) as caught:
                await api.get(f"http://127.0.0.1:{outside.port}/")
            assert len(caught.value.attempts) == 1
        assert api.stats.retries == 0
        assert {one.state for one in api.stats.circuits.values()} == {"closed"}


async def test_what_was_refused_is_known_not_to_be_done():
    """No OutcomeUnknown for a payment that nobody was sent."""
    async with Client(egress="public") as api:
        with pytest.raises(EgressDenied) as caught:
            await api.post("http://127.0.0.1:1/", json={}, idempotency_key="k-1")
    assert not caught.value.attempts[0].unsure


async def test_tokens_and_fallbacks_go_by_the_guard_too():
    async with both() as outside:
        inside = f"http://127.0.0.1:{outside.port}"
        auth = OAuth2ClientCredentials(f"{inside}/token", "id", "secret")
        async with Client(outside.url, egress=OUTSIDE, auth=auth) as api:
            with pytest.raises(AuthError, match=r"could not get the token: .*127.0.0.1 is a loopback address"):
                await api.get("/")
    async with both(always(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")) as outside:
        inside = f"http://127.0.0.1:{outside.port}"
        async with Client(outside.url, egress=OUTSIDE, retry=None, fallback=Fallback(to=inside)) as api:
            with pytest.raises(ServerError):
                await api.get("/")


async def test_nothing_is_said_on_a_connection_that_is_refused(ours):
    async with both() as outside, Client(egress=OUTSIDE, tls=TLS(ca=ours.file)) as api:
        with pytest.raises(EgressDenied):
            await api.get(f"https://127.0.0.1:{outside.port}/")


async def test_what_is_allowed_is_reached_by_host_network_or_address():
    async with scripted(always(OK)) as server:
        for allow in (["127.0.0.0/8"], ["127.0.0.1"], ["127.0.0.1", "localhost"]):
            async with Client(server.url, egress=Egress(allow)) as api:
                assert (await api.get("/")).text == "hi"
        async with Client(egress=Egress(["localhost"])) as api:
            assert (await api.get(server.url.replace("127.0.0.1", "localhost"))).text == "hi"
            with pytest.raises(EgressDenied):
                await api.get(server.url)
        async with Client(egress=Egress(["127.0.0.0/8"], deny=["localhost"])) as api:
            assert (await api.get(server.url)).text == "hi"
            with pytest.raises(EgressDenied, match="egress: localhost is denied"):
                await api.get(server.url.replace("127.0.0.1", "localhost"))


async def test_only_what_is_named():
    async with Client(egress=Egress(["127.0.0.2"], public=False), retry=None) as api:
        with pytest.raises(EgressDenied, match=r"8\.8\.8\.8 is not among those allowed"):
            await api.get("http://8.8.8.8/")


@IPV6
async def test_ipv6_is_guarded_as_well():
    async with scripted(always(OK), host="::1") as server:
        async with Client(server.url, egress=Egress(["::1"])) as api:
            assert (await api.get("/")).text == "hi"
        async with Client(server.url, egress="public") as api:
            with pytest.raises(EgressDenied, match="::1 is a loopback address"):
                await api.get("/")


async def test_a_kept_connection_costs_nothing(monkeypatch):
    looked = []
    usual = Guard.address
    monkeypatch.setattr(Guard, "address", lambda *args: (looked.append(args), usual(*args))[1])
    async with scripted(always(OK), host="127.0.0.2") as server, Client(server.url, egress=OUTSIDE) as api:
        for _ in range(20):
            await api.get("/")
    assert len(looked) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"proxy": "http://127.0.0.1:1"}, "egress= doesn't work with proxy=: the proxy makes the connections"),
        ({"trust_env": True}, "egress= doesn't work with trust_env=: the proxy makes"),
        ({"unix_socket": "/run/s"}, "egress= doesn't work with unix_socket=: every call goes to that socket"),
        ({"egress": "private"}, r"egress='private': give None, 'public', or Egress\(allow=\[\.\.\.\]"),
        ({"egress": True}, "egress=True: give None, 'public', or Egress"),
    ],
)
def test_what_the_guard_cannot_hold_with_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Client(**{"egress": "public", **settings})


@pytest.mark.lane("aiohttp", reason="session= is aiohttp's")
async def test_a_session_or_transport_of_ones_own_cannot_be_guarded():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError, match="egress= doesn't work with session=: the session makes the connections"):
            Client(egress="public", session=session)

    class Own:
        async def send(self, request): ...

        async def aclose(self): ...

    with pytest.raises(ConfigError, match="egress= doesn't work with transport=: the transport makes the connections"):
        Client(egress="public", transport=Own())


async def test_a_mock_connects_to_nothing_and_needs_no_guard():
    async with Client("http://10.0.0.1", egress="public", transport=MockTransport(lambda _: reply(200))) as api:
        assert (await api.get("/")).status == 200


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: Egress("10.0.0.0/8"),
            r"Egress\(allow='10\.0\.0\.0/8'\): give a list of networks, addresses and hosts",
        ),
        (lambda: Egress(["10.0.0.0/33"]), "'10.0.0.0/33' is not a network, address or host"),
        (lambda: Egress(deny=["http://h"]), "'http://h' is not a network, address or host"),
        (lambda: Egress([5]), "give a list"),
    ],
)
def test_wrong_entries_are_told_at_once(wrong, message):
    with pytest.raises(ConfigError, match=message):
        wrong()


async def test_without_a_guard_nothing_is_refused():
    async with scripted(always(OK)) as server, Client(server.url) as api:
        assert (await api.get("/")).text == "hi"
    await asyncio.sleep(0)
