"""HTTP/3 beside TCP: where it is tried, who wins, and what a path without UDP costs."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import asyncapi
from asyncapi import TLS, Client, ConfigError, ConnectError, Egress, ProtocolError, Retry, TLSError
from asyncapi.sansio.http.pins import pin
from asyncapi.transports.native.http3 import alternatives
from asyncapi.transports.native.http3 import life as http3_life
from certificates import aged
from daemons import free_port
from http3_server import FALLBACK, http3_server
from servers import scripted

OTHER_PIN = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


class Origin:
    """An origin: TCP, and UDP at a port of its own; each says which it is.

    Attributes:
        tcp: The HTTP/1.1 server.
        udp: The HTTP/3 server.
        offer: What TCP says in Alt-Svc; None for nothing. {port} is UDP's.
        datagrams: How many UDP has received.
    """

    def __init__(self) -> None:
        self.offer = 'h3=":{port}"; ma=60'
        self.answer = None
        self.datagrams = 0

    async def over_tcp(self, peer):
        while (seen := await peer.request()) is not None:
            self.last = seen
            offer = "" if self.offer is None else f"Alt-Svc: {self.offer.format(port=self.udp.port)}\r\n"
            await peer.write(f"HTTP/1.1 200 OK\r\n{offer}Content-Length: 3\r\n\r\ntcp")

    async def over_udp(self, asked):
        if self.answer is not None:
            await self.answer(asked)
        else:
            asked.respond(body=b"udp")

    def count(self):
        take = self.udp.datagram_received

        def received(data, address):
            self.datagrams += 1
            take(data, address)

        self.udp.datagram_received = received


@pytest.fixture
def serve(ours):
    """An origin, and a client of it."""

    @asynccontextmanager
    async def both(*, http3=True, offer="", names=(), retry=None, **settings):
        origin = Origin()
        if offer != "":
            origin.offer = offer
        udp, tcp = http3_server(origin.over_udp, ours, *names), scripted(origin.over_tcp, tls=ours.server())
        settings = {"tls": ours.file, "retry": retry, "http3": http3, **settings}
        async with udp as origin.udp, tcp as origin.tcp:
            origin.count()
            async with Client(origin.tcp.url, **settings) as api:
                yield origin, api
            pool = api._transport._pool
            assert not pool.alternatives._attempts
            assert not pool.alternatives._connections
            assert pool.alive == 0

    return both


@pytest.fixture
def no_head_start(monkeypatch):
    monkeypatch.setattr(alternatives, "HEAD_START", 0.01)


@pytest.fixture
def patient(monkeypatch):
    """A head start that no test waits for: what goes on before its end has a reason of its own."""
    monkeypatch.setattr(alternatives, "HEAD_START", 60.0)
    monkeypatch.setattr(alternatives, "LIMIT", 60.0)


@pytest.fixture
def dials(monkeypatch):
    """The attempts to make an HTTP/3 connection, one entry each."""
    made, dial = [], alternatives.dial

    async def counted(*args, **named):
        made.append(1)
        return await dial(*args, **named)

    monkeypatch.setattr(alternatives, "dial", counted)
    return made


async def texts(api, count=1):
    return [(await api.get("/")).text for _ in range(count)]


# --- when it is tried -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [None, 'h2=":{port}"', 'h3-29=":{port}"', 'h3=":{port}"; ma=0', "h3=:{port}"])
async def test_without_an_offer_no_datagram_is_sent(serve, offer):
    async with serve(offer=offer) as (origin, api):
        assert await texts(api, 3) == ["tcp"] * 3
        assert origin.datagrams == 0


async def test_after_an_offer_calls_go_over_http3(serve, patient):
    async with serve() as (origin, api):
        assert await texts(api, 3) == ["tcp", "udp", "udp"]
        fields = origin.udp.seen[0].fields
        assert fields[":authority"] == f"127.0.0.1:{origin.tcp.port}"
        assert fields["alt-used"] == f"127.0.0.1:{origin.udp.port}"
        assert len(origin.udp.peers) == 1
        assert (await api.get("/")).http_version == "3"


async def test_an_offer_that_is_taken_back_ends_it(serve, patient):
    async def answer(asked):
        asked.respond(body=b"udp", alt_svc="clear")

    async with serve() as (origin, api):
        origin.answer = answer
        assert await texts(api, 2) == ["tcp", "udp"]
        origin.offer = None
        assert await texts(api, 2) == ["tcp", "tcp"]


async def test_an_offer_over_http_counts_for_nothing(ours):
    origin = Origin()
    async with http3_server(origin.over_udp, ours) as origin.udp, scripted(origin.over_tcp) as origin.tcp:
        origin.count()
        async with Client(origin.tcp.url, tls=ours.file, http3=True) as api:
            assert await texts(api, 3) == ["tcp"] * 3
        async with Client(origin.tcp.url, tls=ours.file, http3="prior") as api:
            assert await texts(api, 3) == ["tcp"] * 3
        assert origin.datagrams == 0


async def test_an_environments_proxy_is_used_without_http3(serve, monkeypatch):
    async with serve(trust_env=True) as (origin, api):
        assert await texts(api, 2) == ["tcp", "udp"]
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        with pytest.raises(ConnectError):
            await api.get("/")
        assert len(origin.udp.seen) == 1


async def test_a_hundred_calls_after_the_offer_make_one_connection(serve, patient):
    async with serve() as (origin, api):
        await api.get("/")
        responses = await asyncio.gather(*(api.get("/") for _ in range(100)))
        assert {response.text for response in responses} == {"udp"}
        assert len(origin.udp.peers) == 1


async def test_post_bodies_go_over_http3_too(serve, patient):
    async def answer(asked):
        await asked.ended.wait()
        asked.respond(body=bytes(asked.body))

    async with serve() as (origin, api):
        origin.answer = answer
        await api.get("/")
        assert (await api.post("/", content=b"x" * 200_000)).content == b"x" * 200_000


# --- who wins -------------------------------------------------------------------------------------------------------


async def test_where_udp_is_blocked_tcp_takes_over_and_later_calls_do_not_try(serve, no_head_start, monkeypatch, dials):
    monkeypatch.setattr(alternatives, "LIMIT", 60.0)
    async with serve() as (origin, api):
        origin.udp.path.dead = True
        assert await texts(api) == ["tcp"]
        # without an idle connection, TCP has to be dialed beside
        responses = await asyncio.gather(api.get("/"), api.get("/"))
        assert {response.text for response in responses} == {"tcp"}
        assert origin.datagrams > 0
        assert await texts(api, 5) == ["tcp"] * 5
        assert len(dials) == 1


async def test_an_idle_tcp_connection_takes_over_at_once_and_the_attempt_goes_on(serve, no_head_start):
    async with serve() as (origin, api):
        origin.udp.path.dead = True
        assert await texts(api, 2) == ["tcp", "tcp"]
        assert len(origin.tcp.peers) == 1
        origin.udp.path.dead = False  # the handshake's datagrams are sent again
        while not api._transport._pool.alternatives._connections:
            await asyncio.sleep(0.01)
        assert await texts(api) == ["udp"]


async def test_an_attempt_ends_at_its_limit(serve, no_head_start, monkeypatch, dials):
    monkeypatch.setattr(alternatives, "LIMIT", 0.1)
    async with serve() as (origin, api):
        origin.udp.path.dead = True
        assert await texts(api, 2) == ["tcp", "tcp"]
        while api._transport._pool.alternatives._attempts:
            await asyncio.sleep(0.01)
        origin.udp.path.dead = False
        assert await texts(api, 3) == ["tcp"] * 3
        assert len(dials) == 1


async def test_a_closed_port_is_noticed_at_once(serve, patient):
    async with serve() as (origin, api):
        origin.udp.close()
        assert await texts(api, 3) == ["tcp"] * 3


async def mute(peer):
    await peer.gone()


async def test_http3_wins_where_tcp_is_slower(ours, no_head_start):
    origin, port = Origin(), free_port()
    async with http3_server(origin.over_udp, ours, port=port) as origin.udp, scripted(mute, port=port) as tcp:
        origin.udp.path.dead = True
        async with Client(origin.udp.url, tls=ours.file, http3="prior", retry=None) as api:
            call = asyncio.ensure_future(api.get("/"))
            while not tcp.peers:
                await asyncio.sleep(0.01)
            origin.udp.path.dead = False
            assert (await call).text == "udp"
            await asyncio.gather(*tcp.tasks)  # the loser was closed
            assert (await api.get("/")).text == "udp"
            assert len(tcp.peers) == 1


async def test_prior_tries_http3_at_once_and_falls_back(ours, no_head_start):
    origin, port = Origin(), free_port()
    origin.offer = None
    settings = {"tls": ours.file, "http3": "prior", "retry": None}
    async with http3_server(origin.over_udp, ours, port=port) as origin.udp:
        async with Client(origin.udp.url, **settings) as api:
            assert await texts(api) == ["udp"]
            assert "alt-used" not in origin.udp.seen[0].fields
        origin.udp.path.dead = True
        tcp = scripted(origin.over_tcp, tls=ours.server(), port=port)
        async with tcp, Client(origin.udp.url, **settings) as api:
            assert await texts(api, 2) == ["tcp", "tcp"]


async def test_where_both_fail_the_error_is_tcps_and_names_both(ours, theirs):
    origin = Origin()
    async with http3_server(origin.over_udp, ours) as origin.udp:
        for settings in ({"tls": theirs.file}, {}):
            async with Client(origin.udp.url, http3="prior", retry=None, **settings) as api:
                with pytest.raises(ConnectError, match=r"can't connect to .*; HTTP/3 failed, too: .*issuer"):
                    await api.get("/")


async def test_a_handshake_that_takes_longer_than_a_failing_tcp_is_waited_for(ours, no_head_start):
    origin = Origin()
    async with http3_server(origin.over_udp, ours) as origin.udp:
        origin.udp.path.dead = True
        async with Client(origin.udp.url, tls=ours.file, http3="prior", retry=None) as api:
            call = asyncio.ensure_future(api.get("/"))
            await asyncio.sleep(0.3)
            assert not call.done()
            origin.udp.path.dead = False
            assert (await call).text == "udp"


# --- what breaks later ----------------------------------------------------------------------------------------------


async def test_when_udp_dies_gets_go_on_over_tcp(serve, monkeypatch, dials):
    monkeypatch.setattr(http3_life, "SILENCE", 0.3)
    monkeypatch.setattr(http3_life, "ROUND_TRIPS", 0)
    async with serve(retry=Retry(3)) as (origin, api):
        assert await texts(api, 3) == ["tcp", "udp", "udp"]
        origin.udp.path.dead = True
        responses = await asyncio.gather(*(api.get("/") for _ in range(10)))
        assert {response.text for response in responses} == {"tcp"}
        assert await texts(api, 3) == ["tcp"] * 3
        assert len(dials) == 1


async def test_when_udp_dies_a_post_is_not_sent_twice(serve, monkeypatch):
    monkeypatch.setattr(http3_life, "SILENCE", 0.3)
    monkeypatch.setattr(http3_life, "ROUND_TRIPS", 0)
    async with serve(retry=Retry(3)) as (origin, api):
        assert await texts(api, 2) == ["tcp", "udp"]
        origin.udp.path.dead = True
        with pytest.raises(ProtocolError, match="fell silent"):
            await api.post("/", content=b"pay")


@pytest.mark.parametrize("how", ["421", "fallback"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_server_that_does_not_serve_the_origin_over_http3_is_left_alone(serve, how, method):
    async def answer(asked):
        if how == "421":
            asked.respond(421)
        else:
            asked.refuse(FALLBACK)

    async with serve(retry=Retry(2)) as (origin, api):
        origin.answer = answer
        assert await texts(api) == ["tcp"]
        assert (await api.request(method, "/")).text == "tcp"
        assert len(origin.udp.seen) == 1
        assert await texts(api, 3) == ["tcp"] * 3  # though TCP offers it again
        assert len(origin.udp.seen) == 1


async def test_a_server_that_closes_every_connection_costs_no_call(serve):
    async def answer(asked):
        asked.peer.close()

    async with serve(retry=Retry(4)) as (origin, api):
        origin.answer = answer
        assert await texts(api) == ["tcp"]
        with pytest.raises(ProtocolError):
            await api.post("/", content=b"x")
        assert len(origin.udp.seen) == 1


# --- whom it trusts -------------------------------------------------------------------------------------------------


async def test_the_certificate_must_be_for_the_origin(serve, patient):
    async with serve(offer='h3="localhost:{port}"', names=["localhost"]) as (origin, api):
        assert await texts(api, 3) == ["tcp"] * 3
        assert origin.udp.seen == []


async def test_the_certificate_need_not_be_for_the_alternative(serve, patient):
    async with serve(offer='h3="localhost:{port}"', names=["127.0.0.1"]) as (origin, api):
        assert await texts(api, 2) == ["tcp", "udp"]
        assert origin.udp.seen[0].fields["alt-used"] == f"localhost:{origin.udp.port}"


async def test_the_guard_covers_the_alternative(serve, patient):
    egress = Egress(allow=["127.0.0.1"], deny=["localhost"])
    async with serve(offer='h3="localhost:{port}"', egress=egress) as (origin, api):
        assert await texts(api, 3) == ["tcp"] * 3
        assert origin.datagrams == 0
    async with serve(offer='h3="127.0.0.2:{port}"', egress=Egress(allow=["127.0.0.1"])) as (origin, api):
        assert await texts(api, 3) == ["tcp"] * 3
    async with serve(egress=egress) as (origin, api):
        assert await texts(api, 2) == ["tcp", "udp"]


async def test_a_name_that_does_not_resolve_is_no_alternative(serve, patient):
    async with serve(offer='h3="nowhere.invalid:{port}"') as (_, api):
        assert await texts(api, 3) == ["tcp"] * 3


async def test_pins_are_checked_before_anything_is_sent(serve, ours, patient):
    own = pin(socket_certificate(ours))
    async with serve(tls=TLS(ca=ours.file, pins=[OTHER_PIN, own])) as (_, api):
        assert await texts(api, 2) == ["tcp", "udp"]
    async with serve(http3="prior", tls=TLS(ca=ours.file, pins=[OTHER_PIN])) as (origin, api):
        origin_udp = origin.udp
        async with Client(origin_udp.url, tls=TLS(ca=ours.file, pins=[OTHER_PIN]), http3="prior") as other:
            with pytest.raises(ConnectError):
                await other.get("/")
        with pytest.raises(TLSError, match="not pinned"):
            await api.get("/")
        assert origin_udp.seen == []
        assert origin_udp.last.h3 is None or origin_udp.last.h3.received_settings is None


def socket_certificate(authority):
    """The authority's own certificate: the server's are new for each server."""
    return ssl.PEM_cert_to_DER_cert(authority.made.cert_pem.bytes().decode())


async def test_verification_that_is_off_warns_once(serve):
    async with serve(tls=False) as (_, api):
        with pytest.warns(match="is not verified") as warned:
            assert await texts(api, 3) == ["tcp", "udp", "udp"]
        assert len(warned) == 1


async def test_new_files_retire_its_connections(ours, tmp_path, monkeypatch):
    monkeypatch.setattr("asyncapi.transports.tls.SETTLED", -1.0)
    file = tmp_path / "ca.pem"
    file.write_bytes(ours.made.cert_pem.bytes())
    aged(file)
    origin = Origin()
    udp = http3_server(origin.over_udp, ours)
    async with udp as origin.udp, Client(origin.udp.url, tls=str(file), http3="prior", retry=None) as api:
        assert await texts(api, 2) == ["udp", "udp"]
        api._transport._pool.retire()
        assert await texts(api, 2) == ["udp", "udp"]
        assert len(origin.udp.peers) == 2


# --- what it shows --------------------------------------------------------------------------------------------------


async def test_stats_and_explain_show_what_is_open(serve, no_head_start):
    go_on = asyncio.Event()

    async def answer(asked):
        await go_on.wait()
        asked.respond()

    async with serve() as (origin, api):
        assert api.stats.http3 == {}
        await texts(api)
        origin.answer = answer
        calls = [asyncio.ensure_future(api.get("/")) for _ in range(3)]
        while len(origin.udp.seen) < 3:
            await asyncio.sleep(0.01)
        assert api.stats.http3 == {"connections": 1, "streams": 3, "waiting": 0, "broken": 0}
        assert "HTTP/3 where an origin offers it; 1 connections, 3 streams" in api.explain()
        go_on.set()
        await asyncio.gather(*calls)


# --- what it leaves behind ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.005, 0.05, 0.3])
async def test_a_call_that_is_cancelled_in_the_race_leaves_nothing(ours, no_head_start, after):
    origin, port = Origin(), free_port()
    async with http3_server(origin.over_udp, ours, port=port) as origin.udp, scripted(mute, port=port) as tcp:
        origin.udp.path.dead = True
        async with Client(origin.udp.url, tls=ours.file, http3="prior", retry=None) as api:
            calls = [asyncio.ensure_future(api.get("/")) for _ in range(3)]
            await asyncio.sleep(after)
            for call in calls:
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
        if (pool := api._transport._pool) is not None:
            assert pool.alive == 0
            assert not pool.alternatives._attempts
        await asyncio.gather(*tcp.tasks)


async def test_a_client_that_is_closed_during_the_race_leaves_nothing(ours, no_head_start):
    origin = Origin()
    async with http3_server(origin.over_udp, ours) as origin.udp:
        origin.udp.path.dead = True
        api = Client(origin.udp.url, tls=ours.file, http3="prior", retry=None)
        call = asyncio.ensure_future(api.get("/"))
        await asyncio.sleep(0.1)
        await api.aclose()
        with pytest.raises((ProtocolError, ConnectError)):
            await call
        assert api._transport._pool.alive == 0


# --- the extra ------------------------------------------------------------------------------------------------------


def test_nothing_of_it_is_imported_without_http3():
    code = (
        "import sys; from asyncapi import Client; Client(transport='native'); "
        "print([name for name in sys.modules if 'qh3' in name or 'http3_' in name or 'alternatives' in name])"
    )
    here = Path(asyncapi.__file__).parent.parent
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=here)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "qh3", None)
    monkeypatch.delitem(sys.modules, "asyncapi.transports.native.http3.alternatives")
    with pytest.raises(ConfigError, match=r"http3= needs the package qh3: pip install 'asyncapi-sdk\[http3\]'"):
        Client(http3=True)
