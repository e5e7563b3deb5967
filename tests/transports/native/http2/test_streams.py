"""One connection an origin: how it is chosen and shared, who waits for its streams, and how it is replaced."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from asyncapi import (
    HTTP2,
    TLS,
    Client,
    ConfigError,
    ConnectError,
    EgressDenied,
    ProtocolError,
    QueueFull,
    RequestTimeout,
    Retry,
    Timeout,
    TLSError,
)
from asyncapi.testing import run
from asyncapi.transports.native.origins import Origin
from certificates import OK, openssl
from http2_engines import engine  # noqa: F401 - a fixture
from http2_memory import Server, goaway, left_nothing
from http2_memory import client as memory_client
from http2_server import HTTP_1_1_REQUIRED, at_rest, client, connections, http2_server, until
from memory_wire import Net
from servers import always, scripted, tunnel
from socks_proxy import Socks

pytestmark = pytest.mark.usefixtures("engine")

ONCE = Retry(1)


async def ok(peer, asked):
    await asked.ended.wait()
    await peer.respond(asked.stream, body=asked.path.encode())


async def mute(peer):
    await peer.gone()


def secure(server) -> str:
    return server.url.replace("http://", "https://")


# --- the protocol is chosen -------------------------------------------------------------------------------------------


async def test_over_tls_the_server_is_asked_and_chooses_http2(ours):
    async with http2_server(ok, tls=ours.server()) as server, client(server, http2=True, tls=ours.file) as api:
        assert (await api.get("/")).http_version == "2"
        assert server.requests[0].get(":scheme") == "https"


async def test_a_server_that_does_not_know_it_gets_http1(ours):
    async with scripted(always(OK), tls=ours.server()) as server, client(server, http2=True, tls=ours.file) as api:
        responses = await api.gather(["/"] * 5)
        assert {response.http_version for response in responses} == {"1.1"}
        assert (await api.get("/")).http_version == "1.1"


async def test_a_server_that_chooses_http1_keeps_its_connections_alive(ours):
    async def script(peer):
        while await peer.request():
            await peer.answer(b"hi")

    context = ours.server()
    context.set_alpn_protocols(["http/1.1"])
    async with scripted(script, tls=context) as server, client(server, http2=True, tls=ours.file) as api:
        for _ in range(3):
            assert (await api.get("/")).content == b"hi"
        assert len(server.peers) == 1
        await api.gather(["/"] * 10)
        assert 1 < len(server.peers) <= 10


async def test_a_server_that_learns_http2_is_spoken_to_in_it(ours):
    gate = Gate()
    async with (
        http2_server(gate.script, tls=ours.server()) as server,
        client(server, http2=True, tls=ours.file) as api,
    ):
        calls = [asyncio.create_task(api.get("/old"))]
        await until(lambda: gate.held)
        [origin] = api._transport._pool.origins.values()
        origin.streams.current.retire()
        origin.streams.http1 = True  # as if it had chosen HTTP/1.1 last
        calls += [asyncio.create_task(api.get(f"/{number}")) for number in range(2)]
        await until(lambda: len(gate.held) == 3)
        await gate.let_go(3)
        assert {(await call).http_version for call in calls} == {"2"}
        assert origin.streams.http1 is False


async def test_plain_http_stays_http1_unless_it_is_said(ours):
    async with scripted(always(OK)) as server, client(server, http2=True) as api:
        assert (await api.get("/")).http_version == "1.1"


async def test_prior_knowledge_speaks_http2_over_tls_too(ours):
    async with http2_server(ok, tls=ours.server()) as server, client(server, tls=ours.file) as api:
        assert (await api.get("/")).http_version == "2"


@pytest.mark.parametrize("offer", [None, ["http/1.1"]])
async def test_prior_knowledge_that_is_wrong_is_an_error_before_anything_is_sent(ours, offer):
    context = ours.server()
    if offer:
        context.set_alpn_protocols(offer)
    async with scripted(always(OK), tls=context) as server, client(server, tls=ours.file, retry=4) as api:
        with pytest.raises(TLSError, match="http2='prior': the server does not speak HTTP/2"):
            await api.get("/")
        assert not server.seen


@pytest.mark.parametrize("told", ["421", "HTTP_1_1_REQUIRED"])
async def test_a_server_that_refuses_http2_is_spoken_to_in_http1_from_then_on(ours, told, monkeypatch):
    """The two are one address here: a listener that is HTTP/2's where the client offers that."""

    async def refuse(peer, asked):
        if told == "421":
            await peer.respond(asked.stream, 421)
        else:
            await peer.reset(asked.stream, HTTP_1_1_REQUIRED)

    async def http1(peer):
        while await peer.request():
            await peer.answer(b"hi")

    async with (
        http2_server(refuse, tls=ours.server()) as two,
        scripted(http1, tls=ours.server()) as one,
        client(two, http2=True, tls=ours.file) as api,
    ):
        dial = None

        async def dialed(place, factory, *, protocols=("http/1.1",), limit):
            if "h2" not in protocols:
                place = type(place)(place.secure, place.host, one.port, place.authority)
            return await dial(place, factory, protocols=protocols, limit=limit)

        with pytest.raises(ConnectError):
            await api.get("https://127.0.0.1:9/")  # makes the dialer
        dialer = api._transport._pool.dialer
        dial = dialer.dial
        monkeypatch.setattr(dialer, "dial", dialed, raising=False)
        response = await api.post("/", json={})
        assert (response.content, response.http_version) == (b"hi", "1.1")
        assert [attempt.status for attempt in response.attempts] == [None, 200]
        assert (await api.get("/")).http_version == "1.1"
        for connection in connections(api):
            connection.close()  # the origin is forgotten, and what it said is not
        assert (await api.get("/")).http_version == "1.1"
        assert (len(two.requests), len(two.peers)) == (1, 1)


async def test_a_421_without_a_way_back_is_the_response(ours):
    async def script(peer, asked):
        await asked.ended.wait()
        await peer.respond(asked.stream, 421, body=b"not here")

    async def once():
        yield b"x"

    async with http2_server(script, tls=ours.server()) as server:
        async with client(server, http2=True, tls=ours.file, raise_for_status=False) as api:
            assert (await api.post("/", content=once())).status == 421  # it can't be sent again
        async with client(server, tls=ours.file, raise_for_status=False) as api:
            assert (await api.get("/")).content == b"not here"  # HTTP/2 alone


async def test_http_1_1_required_is_final_where_nothing_else_may_be_spoken():
    async def script(peer, asked):
        await peer.reset(asked.stream, HTTP_1_1_REQUIRED)

    async with http2_server(script) as server, client(server, retry=4) as api:
        with pytest.raises(ProtocolError, match="HTTP_1_1_REQUIRED") as caught:
            await api.get("/")
        assert (caught.value.final, caught.value.unprocessed, len(server.requests)) == (True, True, 1)


# --- one connection for all -------------------------------------------------------------------------------------------


async def test_a_hundred_first_calls_make_one_origin_and_one_connection(ours):
    async with http2_server(ok, tls=ours.server()) as server, client(server, http2=True, tls=ours.file) as api:
        responses = await asyncio.gather(*[api.get(f"/{number}") for number in range(100)])
        assert [response.text for response in responses] == [f"/{number}" for number in range(100)]
        assert len(server.peers) == len(connections(api)) == len(api._transport._pool.origins) == 1


async def test_a_hundred_first_calls_to_a_dead_port_each_get_an_error_of_their_own():
    async with client_to("http://127.0.0.1:9") as api:
        errors = await asyncio.gather(*[api.get(f"/{number}") for number in range(100)], return_exceptions=True)
        assert {type(error) for error in errors} == {ConnectError}
        assert len({id(error) for error in errors}) == 100
        assert {error.request.url.path for error in errors} == {f"/{number}" for number in range(100)}
        assert {len(error.attempts) for error in errors} == {1}
        assert not api._transport._pool.origins


def client_to(url: str, **settings) -> Client:
    return Client(url, **{"http2": "prior", "retry": ONCE, "pace": False, **settings})


@pytest.mark.parametrize("leave", ["all", "some", "first"])
async def test_callers_that_leave_while_the_connection_is_made_leave_nothing(leave):
    async with http2_server(ok) as server, client(server) as api:
        calls = [asyncio.create_task(api.get(f"/{number}")) for number in range(10)]
        for _ in range(6):
            await asyncio.sleep(0)
        for call in {"all": calls, "some": calls[:5], "first": calls[:1]}[leave]:
            call.cancel()
        await asyncio.wait(calls)
        assert sum(call.cancelled() for call in calls) in {10, 5, 1}
        assert (await api.get("/after")).text == "/after"
        assert len(connections(api)) == 1
        assert at_rest(api)
        assert not api._transport._pool.dials


async def test_each_call_keeps_to_its_own_connect_limit():
    async with scripted(mute) as server, client_to(secure(server), http2=True) as api:
        slow = asyncio.create_task(api.get("/slow", timeout=Timeout(5, connect=1.0)))
        await asyncio.sleep(0)
        quick = asyncio.create_task(api.get("/quick", timeout=Timeout(5, connect=0.1)))
        with pytest.raises(RequestTimeout, match=r"no connection within 0\.1 s") as caught:
            await quick
        assert (caught.value.phase, slow.done()) == ("connect", False)
        with pytest.raises(RequestTimeout, match="no connection within 1 s"):
            await slow
        assert not api._transport._pool.dials
        assert not api._transport._pool.origins


async def test_two_origins_have_a_connection_each():
    async with http2_server(ok) as one, http2_server(ok) as two, client(one) as api:
        for server in (one, two, one, two):
            await api.get(f"{server.url}/x")
        assert (len(one.peers), len(two.peers)) == (1, 1)


# --- the queue --------------------------------------------------------------------------------------------------------


class Gate:
    """A server that holds every request until it is let go."""

    def __init__(self) -> None:
        self.held: list[tuple[object, object]] = []

    async def script(self, peer, asked):
        self.held.append((peer, asked))

    async def let_go(self, number: int = 1) -> list[str]:
        gone = []
        for _ in range(number):
            peer, asked = self.held.pop(0)
            gone.append(asked.path)
            await peer.respond(asked.stream, body=asked.path.encode())
        return gone


@pytest.mark.parametrize("by", ["the server", "the client"])
async def test_calls_wait_for_a_stream_first_come_first_served(by):
    gate = Gate()
    first = {3: 2} if by == "the server" else {3: 100}
    async with http2_server(gate.script, first=first) as server:
        settings = HTTP2() if by == "the server" else HTTP2(streams=2)
        async with client(server) as api:
            api._transport._http2 = settings
            warm = asyncio.create_task(api.get("/warm"))  # the server's limit is known after it
            await until(lambda: gate.held)
            await gate.let_go()
            await warm
            calls = [asyncio.create_task(api.get(f"/{number}")) for number in range(6)]
            await until(lambda: len(gate.held) == 2)
            await asyncio.sleep(0.05)
            assert len(gate.held) == 2
            assert api.stats.queued == 4
            assert api.stats.http2 == {"connections": 1, "streams": 2, "waiting": 4, "refused": 0}
            assert "1 connections, 2 streams, 4 waiting, 0 refused" in api.explain()
            order = []
            for _ in range(6):
                await until(lambda: gate.held)
                order += await gate.let_go()
            assert order == [f"/{number}" for number in range(6)]
            responses = await asyncio.gather(*calls)
            assert len(server.peers) == 1
            record = responses[-1].attempts[0]
            assert record.queued > 0.0
            assert record.held.startswith("stream ")
            assert record.held.endswith(" behind 3")
            assert record.elapsed < responses[-1].elapsed
            assert api.stats.queued == 0
            assert api.stats.http2 == {"connections": 1, "streams": 0, "waiting": 0, "refused": 0}


async def test_a_call_that_leaves_the_queue_gives_its_turn_to_the_next():
    gate = Gate()
    async with http2_server(gate.script) as server, client(server) as api:
        api._transport._http2 = HTTP2(streams=1)
        calls = [asyncio.create_task(api.get(f"/{number}")) for number in range(4)]
        await until(lambda: gate.held)
        await asyncio.sleep(0.02)
        calls[1].cancel()
        await gate.let_go()
        await until(lambda: gate.held)
        calls[3].cancel()
        assert await gate.let_go() == ["/2"]
        await asyncio.wait(calls)
        assert [call.cancelled() for call in calls] == [False, True, False, True]
        assert at_rest(api)


@pytest.mark.parametrize("turns", range(8))
async def test_a_call_cancelled_as_its_turn_comes_loses_no_stream(turns):
    gate = Gate()
    async with http2_server(gate.script) as server, client(server) as api:
        api._transport._http2 = HTTP2(streams=1)
        first, second, third = (asyncio.create_task(api.get(f"/{number}")) for number in range(3))
        await until(lambda: gate.held)
        await asyncio.sleep(0.02)
        await gate.let_go()
        await first
        for _ in range(turns):
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        await until(lambda: gate.held and gate.held[-1][1].path == "/2")
        gate.held = gate.held[-1:]
        await gate.let_go()
        assert (await third).text == "/2"
        assert at_rest(api)


@pytest.mark.parametrize(("wait", "error"), [(False, QueueFull), (0.05, QueueFull), (True, RequestTimeout)])
async def test_how_long_a_call_waits_for_a_stream_is_its_own_to_say(wait, error):
    gate = Gate()
    async with http2_server(gate.script) as server, client(server) as api:
        api._transport._http2 = HTTP2(streams=1)
        first = asyncio.create_task(api.get("/first"))
        await until(lambda: gate.held)
        with pytest.raises(error) as caught:
            await api.post("/second", json={}, wait=wait, timeout=0.3)
        if error is RequestTimeout:
            assert caught.value.phase == "queue"
        else:
            assert "all 1 streams of the connection to 127.0.0.1" in caught.value.message
            assert caught.value.held_by == "queue"
        await gate.let_go()
        assert (await first).status == 200
        assert len(server.requests) == 1


async def test_those_who_wait_move_to_the_next_connection_in_their_order():
    gate = Gate()
    async with http2_server(gate.script) as server, client(server) as api:
        api._transport._http2 = HTTP2(streams=1)
        calls = [asyncio.create_task(api.post(f"/{number}", json={})) for number in range(4)]
        await until(lambda: gate.held)
        await asyncio.sleep(0.02)
        peer, asked = gate.held[0]
        await peer.goaway(asked.stream)
        await until(lambda: len(gate.held) == 2)
        order = await gate.let_go(2)
        for _ in range(2):
            await until(lambda: gate.held)
            order += await gate.let_go()
        assert order == ["/0", "/1", "/2", "/3"]
        assert {response.status for response in await asyncio.gather(*calls)} == {200}
        assert [len(response.attempts) for response in await asyncio.gather(*calls)] == [1] * 4
        assert len(server.peers) == 2


async def test_a_server_that_allows_no_stream_for_a_while_is_waited_for():
    async def script(peer, asked):
        if asked.path == "/none":
            await peer.settings(max_streams=0)
            await ok(peer, asked)
            await asyncio.sleep(0.1)
            await peer.settings(max_streams=10)
            return
        await ok(peer, asked)

    async with http2_server(script) as server, client(server) as api:
        await api.get("/none")
        responses = await asyncio.gather(*[api.get("/") for _ in range(5)])
        assert {response.status for response in responses} == {200}
        assert len(server.peers) == 1


# --- what surrounds a connection --------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True])
async def test_through_a_proxy_the_protocol_is_asked_for_in_its_tunnel(ours, secure):
    async with (
        http2_server(ok, tls=ours.server()) as server,
        scripted(tunnel, tls=ours.server() if secure else None) as proxy,
        client(server, http2=True, tls=ours.file, proxy=proxy.url) as api,
    ):
        responses = await api.gather(["/"] * 30)
        assert {response.http_version for response in responses} == {"2"}
        assert len(proxy.peers) == 1


@pytest.mark.parametrize("secure", [True, False])
async def test_through_socks_it_is_spoken_too(ours, secure):
    socks = Socks()
    tls = ours.server() if secure else None
    async with http2_server(ok, tls=tls) as server, scripted(socks.script) as proxy:
        url = proxy.url.replace("http://", "socks5h://")
        async with client(server, tls=ours.file, proxy=url) as api:
            assert (await api.get("/")).http_version == "2"
        assert socks.asked == [("127.0.0.1", server.port)]


async def test_prior_knowledge_does_not_go_through_a_forwarding_proxy():
    async with client_to("http://h.example", proxy="http://127.0.0.1:9") as api:
        for _ in range(2):  # nor does the second call fall back to HTTP/1.1
            with pytest.raises(ConfigError, match="doesn't work for http:// through an HTTP proxy"):
                await api.get("/")


async def test_a_unix_socket_carries_it(tmp_path):
    path = str(tmp_path / "socket")
    async with http2_server(ok) as server:
        listener = await asyncio.start_unix_server(server.accept, path)
        async with listener, client_to("http://h.example", unix_socket=path) as api:
            assert (await api.get("/x")).text == "/x"
        assert server.requests[0].get(":authority") == "h.example"


async def test_a_wrong_pin_closes_the_connection_before_anything_is_written(ours):
    async with http2_server(ok, tls=ours.server()) as server:
        tls = TLS(ca=ours.file, pins=["sha256/" + "A" * 43 + "="])
        async with client(server, http2=True, tls=tls) as api:
            with pytest.raises(TLSError, match="pin"):
                await api.get("/")
            await server.quiet()
            assert not server.requests
            assert not any(peer.got_settings for peer in server.peers)
            assert not api._transport._pool.origins


async def test_new_tls_files_retire_the_connection_after_its_streams(ours):
    gate = Gate()
    async with (
        http2_server(gate.script, tls=ours.server()) as server,
        client(server, http2=True, tls=ours.file) as api,
    ):
        old = asyncio.create_task(api.get("/old"))
        await until(lambda: gate.held)
        api._transport._pool.retire()
        new = asyncio.create_task(api.get("/new"))
        await until(lambda: len(gate.held) == 2)
        await gate.let_go(2)
        assert [(await call).text for call in (old, new)] == ["/old", "/new"]
        await until(lambda: server.open == 1)


async def test_the_guard_holds_before_any_connection():
    async with http2_server(ok) as server, client(server, egress="public") as api:
        errors = await asyncio.gather(*[api.get("/") for _ in range(5)], return_exceptions=True)
        assert {type(error) for error in errors} == {EgressDenied}
        assert not server.peers


async def test_an_untrusted_certificate_is_an_error_for_each(ours, theirs):
    async with http2_server(ok, tls=theirs.server()) as server, client(server, http2=True, tls=ours.file) as api:
        errors = await asyncio.gather(*[api.get("/") for _ in range(5)], return_exceptions=True)
        assert {type(error) for error in errors} == {TLSError}
        assert all(isinstance(error.__cause__, ssl.SSLError) for error in errors)


async def test_closing_the_client_ends_the_dial_and_those_who_wait():
    async with scripted(mute) as server:
        api = client_to(secure(server), http2=True)
        calls = [asyncio.create_task(api.get("/")) for _ in range(3)]
        await until(lambda: api._transport._pool is not None and api._transport._pool.dials)
        await asyncio.sleep(0.02)
        await api.aclose()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in errors} == {ProtocolError}
        assert not api._transport._pool.dials
        assert not api._transport._pool.origins


async def test_origins_without_http2_have_none():
    async with scripted(always(OK)) as server, Client(server.url, transport="native") as api:
        await api.get("/")
        assert [origin.streams for origin in api._transport._pool.origins.values()] in ([], [None])
        assert Origin.__slots__


def test_a_stream_that_is_promised_as_its_connection_goes_away_keeps_its_turn():
    class Ending(Server):
        def _step(self, line, key, steps):
            if len(steps) == 1 and self.paths[key] == "/first":
                [last] = steps
                steps = [lambda: (last(), line.send(goaway(key[1])))]  # in one turn, in two reads
            super()._step(line, key, steps)

    async def scenario():
        server = Ending()
        net = Net(server)
        async with memory_client(net, http2=HTTP2(ping=None, streams=1)) as api:
            calls = [asyncio.create_task(api.post(f"/{name}", json={})) for name in ("first", "second", "third")]
            assert [(await call).text for call in calls] == ["first", "second", "third"]
            assert [len((await call).attempts) for call in calls] == [1, 1, 1]
            assert list(server.paths.values()) == ["/first", "/second", "/third"]
            assert len(net.lines) == 2
            assert left_nothing(api, net)

    run(scenario())


async def test_a_server_that_asks_for_a_client_certificate_is_named_as_such(ours):
    """With TLS 1.3 it says so after the handshake, in place of the first response."""
    context = ours.asking()
    context.set_alpn_protocols(["h2"])
    async with openssl(context) as url, client_to(url, http2=True, tls=ours.file) as api:
        errors = await asyncio.gather(*[api.post("/", json={}) for _ in range(3)], return_exceptions=True)
        assert {type(error) for error in errors} == {TLSError}
        assert all("TLS(cert=" in str(error) for error in errors)
