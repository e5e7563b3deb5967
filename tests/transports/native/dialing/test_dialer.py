"""New connections: to the addresses that were checked, with TLS, within their limit, and with nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager
from itertools import cycle

import pytest

from asyncapi import ConfigError, ConnectError, EgressDenied, ProtocolError, RequestTimeout, TLSError
from asyncapi.sansio.http.egress import Guard
from asyncapi.sansio.http.pins import pin
from asyncapi.transports.tls import Handshakes
from certificates import aged, openssl
from servers import IPV6, Peer, scripted
from stepping import each_cancellation
from wires import Wire, dialer, hung_up, place, resolving, settled


async def greeting(peer: Peer) -> None:
    """A script: a word, without being asked."""
    await peer.write(b"hello")
    await peer.gone()


async def silent(peer: Peer) -> None:
    await peer.gone()


def trusting(authority, **settings) -> Handshakes:
    return Handshakes(ca=authority.file, **settings)


# Plain


async def test_a_connection_is_there_when_the_dialer_returns_it():
    async with scripted(greeting) as server:
        transport, wire = await dialer().dial(place(server.url), Wire, limit=20)
        assert wire.transport is transport
        assert await wire.reads(5) == b"hello"
        transport.abort()


async def test_small_writes_are_not_held_back():
    async def resolve(host, port):
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    async with scripted(greeting) as server:
        for host in (f"127.0.0.1:{server.port}", f"localhost:{server.port}"):
            transport, _ = await dialer(resolve=resolve).dial(place(f"http://{host}"), Wire, limit=20)
            assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            transport.abort()


@IPV6
async def test_an_ipv6_address_may_have_a_zone():
    async with scripted(greeting, host="::1") as server:
        for url in (server.url, server.url.replace("::1", "::1%25lo")):
            transport, wire = await dialer().dial(place(url), Wire, limit=20)
            assert await wire.reads(5) == b"hello"
            transport.abort()


async def test_an_address_that_refuses_gives_way_to_the_next():
    async with scripted(greeting) as server:
        resolve = resolving(h_example=["127.0.0.3", "127.0.0.1"])
        transport, wire = await dialer(resolve=resolve).dial(place(f"http://h.example:{server.port}"), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        transport.abort()


async def test_an_address_that_does_not_respond_gives_way_to_the_next():
    with full_backlog("127.0.0.3") as port:
        async with scripted(greeting, port=port) as server:
            resolve = resolving(h_example=["127.0.0.3", "127.0.0.1"])
            target = place(f"http://h.example:{server.port}")
            transport, wire = await dialer(resolve=resolve).dial(target, Wire, limit=20)
            assert await wire.reads(5) == b"hello"
            transport.abort()


@contextmanager
def full_backlog(host: str = "127.0.0.1"):
    """A port whose queue of connections is full: the next one is neither accepted nor refused."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


REFUSED = [
    ("http://127.0.0.1:1", ConnectError, r"can't connect to 127\.0\.0\.1:1: Connection refused"),
    ("http://h.example:1", ConnectError, r"can't connect to h\.example:1: Connection refused"),
    ("http://[::1]:1", ConnectError, r"can't connect to \[::1\]:1: "),
    ("http://no.example", ConnectError, r"the name 'no\.example' does not resolve: no such host: no\.example"),
    ("http://none.example", ConnectError, r"the name 'none\.example' does not resolve: it has no address"),
    ("http://127.1", ConfigError, r"the host '127\.1' is an odd spelling of an address: write four decimal numbers"),
    ("http://0x7f000001", ConfigError, r"the host '0x7f000001' is an odd spelling of an address"),
]


@pytest.mark.parametrize(("url", "kind", "message"), REFUSED)
async def test_what_can_not_be_connected_to_is_one_clear_error(url, kind, message):
    resolve = resolving(h_example=["127.0.0.1"], none_example=[])
    with pytest.raises(kind, match=message) as caught:
        await dialer(resolve=resolve).dial(place(url), Wire, limit=20)
    assert caught.value.request is None


async def test_a_host_that_is_no_name_is_an_error_that_is_not_retried():
    for host in ("a..b", "a" * 300):
        with pytest.raises(ConfigError, match=f"the host '{host}' can't be looked up: .*; check the host in the URL"):
            await dialer().dial(place(f"http://{host}"), Wire, limit=20)


# The guard


async def test_a_refused_address_is_never_connected_to():
    async with scripted(greeting) as server:
        guarded = dialer(guard=Guard(), resolve=resolving(h_example=["127.0.0.1"]))
        for host, who in (("127.0.0.1", ""), ("h.example", "h.example: ")):
            why = f"egress: {who}127.0.0.1 is a loopback address; to allow it, name it in Egress"
            with pytest.raises(EgressDenied) as caught:
                await guarded.dial(place(f"http://{host}:{server.port}"), Wire, limit=20)
            assert str(caught.value).startswith(why)
        with pytest.raises(EgressDenied, match=r"egress: 127\.1 is an odd spelling of an address"):
            await guarded.dial(place(f"http://127.1:{server.port}"), Wire, limit=20)
        denying = dialer(guard=Guard(deny=["h.example"]), resolve=resolving())
        with pytest.raises(EgressDenied, match=r"egress: h\.example is denied"):
            await denying.dial(place(f"http://h.example:{server.port}"), Wire, limit=20)
        assert server.peers == []


async def test_of_several_addresses_only_those_allowed_are_tried():
    async with scripted(greeting) as inside, scripted(greeting, host="127.0.0.2", port=inside.port) as outside:
        resolve = resolving(h_example=["127.0.0.1", "127.0.0.2", "127.0.0.3"])
        guarded = dialer(guard=Guard(allow=["127.0.0.2"]), resolve=resolve)
        for _ in range(6):
            transport, wire = await guarded.dial(place(f"http://h.example:{inside.port}"), Wire, limit=20)
            assert await wire.reads(5) == b"hello"
            transport.abort()
        assert (len(inside.peers), len(outside.peers)) == (0, 6)


async def test_a_name_that_changes_its_mind_gains_nothing():
    turns = cycle([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"]])

    async def rebinding(host, port):
        return await resolving(h_example=next(turns))(host, port)

    async with scripted(greeting) as inside, scripted(greeting, host="127.0.0.2", port=inside.port):
        guarded, results = dialer(guard=Guard(allow=["127.0.0.2"]), resolve=rebinding), []
        for _ in range(9):
            try:
                transport, _ = await guarded.dial(place(f"http://h.example:{inside.port}"), Wire, limit=20)
                results.append("there")
                transport.abort()
            except EgressDenied:
                results.append("denied")
            guarded.names.forget()
        assert results == ["there", "denied", "there"] * 3
        assert inside.peers == []


async def test_addresses_are_to_be_had_without_a_connection():
    guarded = dialer(guard=Guard(allow=["127.0.0.2"]), resolve=resolving(h_example=["127.0.0.1", "127.0.0.2"]))
    [found] = await guarded.addresses("h.example", 443)
    assert found[4] == ("127.0.0.2", 443)


# TLS


async def test_the_server_s_name_is_verified(ours, theirs):
    async with scripted(greeting, tls=ours.server("h.example")) as server:
        resolve = resolving(h_example=["127.0.0.1"], other_example=["127.0.0.1"])
        transport, wire = await dialer(tls=trusting(ours), resolve=resolve).dial(
            place(f"https://h.example:{server.port}"), Wire, limit=20
        )
        assert await wire.reads(5) == b"hello"
        transport.abort()
        with pytest.raises(TLSError, match=r"TLS: Hostname mismatch.*other\.example.*; check the host in the URL"):
            await dialer(tls=trusting(ours), resolve=resolve).dial(
                place(f"https://other.example:{server.port}"), Wire, limit=20
            )
        with pytest.raises(TLSError, match="for a private certificate authority give its file"):
            await dialer(tls=trusting(theirs), resolve=resolve).dial(
                place(f"https://h.example:{server.port}"), Wire, limit=20
            )


async def test_the_name_in_the_handshake_has_no_dot_at_its_end_and_no_zone(ours):
    asked, context = [], ours.server("h.example", "::1")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with scripted(greeting, tls=context) as server:
        secure = dialer(tls=trusting(ours), resolve=resolving(h_example=["127.0.0.1"]))
        for host in ("h.example", "h.example."):
            transport, _ = await secure.dial(place(f"https://{host}:{server.port}"), Wire, limit=20)
            transport.abort()
    assert asked == ["h.example"] * 2


@IPV6
async def test_the_certificate_of_an_address_with_a_zone_is_that_of_the_address(ours):
    async with scripted(greeting, tls=ours.server("::1"), host="::1") as server:
        secure = dialer(tls=trusting(ours))
        pinned = dialer(tls=trusting(ours, pins={"::1": ["sha256/" + "A" * 43 + "="]}))
        with pytest.raises(TLSError, match="the key of ::1 is not pinned"):
            await pinned.dial(place(server.url.replace("::1", "::1%25lo")), Wire, limit=20)
        transport, wire = await secure.dial(place(server.url.replace("::1", "::1%25lo")), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        transport.abort()


@pytest.mark.parametrize("host", [".", ".h.example", "..."])
async def test_what_can_not_be_a_server_s_name_is_told_before_anything_is_sent(ours, host, tmp_path):
    async with scripted(greeting, unix=str(tmp_path / "s")) as server:
        local = dialer(tls=trusting(ours), unix_socket=str(tmp_path / "s"))
        with pytest.raises(ConfigError, match="can't be the name of a server: check the host in the URL"):
            await local.dial(place(f"https://{host}"), Wire, limit=20)
        assert server.peers == []


@pytest.mark.parametrize(
    ("offers", "speaks", "chosen"),
    [
        (("http/1.1",), ["h2", "http/1.1"], "http/1.1"),
        (("h2", "http/1.1"), ["h2", "http/1.1"], "h2"),
        (("h2", "http/1.1"), ["http/1.1"], "http/1.1"),
        (("h2",), ["h2"], "h2"),
        (("h2", "http/1.1"), [], None),
    ],
)
async def test_each_connection_makes_its_own_offer(ours, offers, speaks, chosen):
    context = ours.server()
    if speaks:
        context.set_alpn_protocols(speaks)
    async with scripted(greeting, tls=context) as server:
        secure = dialer(tls=trusting(ours))
        for protocols, expected in ((offers, chosen), (("http/1.1",), "http/1.1" if "http/1.1" in speaks else None)):
            if expected is None and speaks:
                continue
            transport, _ = await secure.dial(place(server.url), Wire, protocols=protocols, limit=20)
            assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == expected
            transport.abort()


async def test_a_key_that_is_not_pinned_is_hung_up_on_before_anything_is_sent(ours):
    async with scripted(greeting, tls=ours.server()) as server:
        pins = {"127.0.0.1": ["sha256/" + "A" * 43 + "="]}
        with pytest.raises(TLSError, match=r"the key of 127\.0\.0\.1 is not pinned"):
            await dialer(tls=trusting(ours, pins=pins)).dial(place(server.url), Wire, limit=20)
        await hung_up(server)
        plain = await dialer(tls=trusting(ours, verify=False)).dial(place(server.url), Wire, limit=20)
        own = pin(plain[0].get_extra_info("ssl_object").getpeercert(binary_form=True))
        plain[0].abort()
        transport, wire = await dialer(tls=trusting(ours, pins=[own])).dial(place(server.url), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        transport.abort()


async def test_an_address_whose_handshake_fails_gives_way_to_the_next(ours):
    async def hanging_up(peer: Peer) -> None:
        peer.abort()

    async with (
        scripted(hanging_up, host="127.0.0.2") as broken,
        scripted(greeting, tls=ours.server("h.example"), port=broken.port),
    ):
        secure = dialer(tls=trusting(ours), resolve=resolving(h_example=["127.0.0.2", "127.0.0.1"]))
        transport, wire = await secure.dial(place(f"https://h.example:{broken.port}"), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        transport.abort()


async def test_of_several_failures_the_first_is_told(ours, theirs):
    async with scripted(greeting, tls=ours.server("h.example")) as server:
        secure = dialer(tls=trusting(theirs), resolve=resolving(h_example=["127.0.0.1", "127.0.0.3"]))
        with pytest.raises(TLSError, match="for a private certificate authority give its file"):
            await secure.dial(place(f"https://h.example:{server.port}"), Wire, limit=20)


async def test_new_files_retire_connections_before_the_next_is_made(ours, tmp_path):
    cert, key = ours.pair(tmp_path / "pair", "one@example.org")
    aged(cert), aged(key)
    retired = []
    async with scripted(greeting, tls=ours.asking()) as server:
        tls = trusting(ours, cert=cert, key=key)
        secure = dialer(tls=tls, on_renewal=lambda: retired.append(len(server.peers)))
        for _ in range(2):
            transport, wire = await secure.dial(place(server.url), Wire, limit=20)
            assert await wire.reads(5) == b"hello"
            transport.abort()
        assert retired == []
        ours.pair(tmp_path / "pair", "two@example.org")
        aged(cert, 30), aged(key, 30)
        for protocols in (("http/1.1",), ("h2", "http/1.1")):
            transport, wire = await secure.dial(place(server.url), Wire, protocols=protocols, limit=20)
            assert await wire.reads(5) == b"hello"
            [(_, name)] = server.peers[-1].writer.get_extra_info("peercert")["subjectAltName"]
            assert name == "two@example.org"
            transport.abort()
        assert retired == [2]


async def test_a_connection_that_is_outdated_as_it_comes_is_made_again(ours):
    tls, context, handshakes = trusting(ours), ours.server("h.example"), []

    def renewed_meanwhile(*_) -> None:
        handshakes.append(1)
        tls.renewals = 1

    context.sni_callback = renewed_meanwhile
    async with scripted(greeting, tls=context) as server:
        secure = dialer(tls=tls, resolve=resolving(h_example=["127.0.0.1"]))
        transport, wire = await secure.dial(place(f"https://h.example:{server.port}"), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        assert len(handshakes) == 2
        transport.abort()
        await hung_up(server)


async def test_a_server_that_speaks_no_tls_is_told_with_what_to_do(ours):
    async with scripted(greeting) as server:
        with pytest.raises(TLSError, match=r"the server does not speak TLS on this port: should the URL begin with"):
            await dialer(tls=trusting(ours)).dial(place(f"https://127.0.0.1:{server.port}"), Wire, limit=20)


async def test_a_server_that_closes_during_the_handshake_is_a_connect_error(ours):
    async def closing(peer: Peer) -> None:
        await peer.reader.read(5)

    async with scripted(closing) as server:
        with pytest.raises(ConnectError, match=r"closed during the TLS handshake|Connection reset") as caught:
            await dialer(tls=trusting(ours)).dial(place(f"https://127.0.0.1:{server.port}"), Wire, limit=20)
    assert not isinstance(caught.value, TLSError)


async def test_the_server_s_alert_says_what_it_wants(ours):
    async with openssl(ours.asking(newest=ssl.TLSVersion.TLSv1_2)) as url:
        with pytest.raises(TLSError, match="the server may ask for a client certificate"):
            await dialer(tls=trusting(ours)).dial(place(url), Wire, limit=20)


# Unix sockets


@pytest.mark.parametrize("secure", [False, True])
async def test_a_unix_socket_takes_the_place_of_the_host(ours, tmp_path, secure):
    path = str(tmp_path / "s")
    context = ours.server("h.example") if secure else None
    async with scripted(greeting, unix=path, tls=context):
        local = dialer(tls=trusting(ours), unix_socket=tmp_path / "s", resolve=resolving())
        transport, wire = await local.dial(place(f"http{'s' * secure}://h.example"), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        transport.abort()
        if secure:
            with pytest.raises(TLSError, match="Hostname mismatch"):
                await local.dial(place("https://i.example"), Wire, limit=20)


async def test_a_missing_unix_socket_is_named(tmp_path):
    local = dialer(unix_socket=str(tmp_path / "no.sock"))
    with pytest.raises(ConnectError, match=r"can't connect to the socket .*/no\.sock: No such file or directory"):
        await local.dial(place("http://h.example"), Wire, limit=20)


# Time, and the end


async def never(host, port):
    await asyncio.Event().wait()


@asynccontextmanager
async def hung(what: str, authority):
    """A dialer and a place, of which one never gets anywhere."""
    if what == "lookup":
        yield dialer(resolve=never), place("http://h.example")
    elif what == "connection":
        with full_backlog() as port:
            yield dialer(), place(f"http://127.0.0.1:{port}")
    elif what == "race of addresses":
        with full_backlog() as port:
            resolve = resolving(h_example=["127.0.0.1"] * 4)
            yield dialer(resolve=resolve), place(f"http://h.example:{port}")
    else:
        async with scripted(silent) as server:
            yield dialer(tls=trusting(authority)), place(f"https://127.0.0.1:{server.port}")


HUNG = ["lookup", "connection", "race of addresses", "handshake"]


@pytest.mark.parametrize("what", HUNG)
async def test_what_hangs_ends_with_the_limit(what, ours):
    async with hung(what, ours) as (slow, target):
        with pytest.raises(RequestTimeout, match=r"no connection within 0\.1 s") as caught:
            await slow.dial(target, Wire, limit=0.1)
        assert caught.value.phase == "connect"
        await settled()
        assert asyncio.all_tasks() - {asyncio.current_task()} == set()


@pytest.mark.parametrize("what", HUNG)
async def test_closing_ends_what_is_under_way(what, ours):
    async with hung(what, ours) as (slow, target):
        waiting = [asyncio.ensure_future(slow.dial(target, Wire, limit=limit)) for limit in (None, 30)]
        await asyncio.sleep(0.05)
        slow.close()
        slow.close()
        for each in waiting:
            with pytest.raises(ProtocolError, match="the client was closed while the request was under way") as caught:
                await each
            assert caught.value.final
        with pytest.raises(ProtocolError, match="the client was closed"):
            await slow.dial(target, Wire, limit=1)
        await settled()
        assert not names_under_way(slow)


def test_closing_while_the_loop_is_stopped_ends_what_is_under_way_as_it_runs_again():
    """A client that is collected, or whose program ends, is closed where no loop may run."""
    loop = asyncio.new_event_loop()
    looked_up = loop.create_future()

    async def resolve(host, port):
        await looked_up
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 9))]

    try:
        slow = dialer(resolve=resolve)
        waiting = loop.create_task(slow.dial(place("http://h.example"), Wire, limit=30))
        loop.run_until_complete(asyncio.sleep(0))
        slow.close()
        looked_up.set_exception(OSError("no such name"))
        with pytest.raises(ConnectError):
            loop.run_until_complete(waiting)
    finally:
        loop.close()


@pytest.mark.parametrize("turns", range(6))
async def test_closing_as_the_connection_comes_leaves_none(turns):
    class Closing(Wire):
        def connection_made(self, transport):
            super().connection_made(transport)
            later(turns)

    def later(left):
        if left:
            asyncio.get_running_loop().call_soon(later, left - 1)
        else:
            closed.close()

    async with scripted(greeting) as server:
        closed = dialer()
        try:
            transport, _ = await closed.dial(place(server.url), Closing, limit=20)
        except ProtocolError as error:
            assert "the client was closed" in str(error)  # noqa: PT017 - or it was there before
        else:
            assert not closed._closed
            transport.abort()
        await hung_up(server)


def names_under_way(slow) -> bool:
    return bool(slow.names._under_way) or bool(slow._under_way)


async def test_a_cancellation_is_not_taken_for_the_limit():
    waiting = asyncio.ensure_future(dialer(resolve=never).dial(place("http://h.example"), Wire, limit=30))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_cancellation_at_any_moment_closes_the_connection(ours):
    """Real sockets on a loop that is stepped: each turn of a dial with TLS, one after the other, and twice."""
    context = ours.server("h.example")
    tls = trusting(ours)

    async def scenario(loop):
        async with scripted(greeting, tls=context) as server:

            async def resolve(host, port):
                await asyncio.sleep(0)
                return [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "127.0.0.3")
                ]

            secure = dialer(tls=tls, resolve=resolve)
            loop.victim = asyncio.ensure_future(secure.dial(place(f"https://h.example:{server.port}"), Wire, limit=20))
            await asyncio.wait([loop.victim])
            if not loop.victim.cancelled():
                loop.victim.result()[0].abort()
            secure.close()
            await hung_up(server)
            await settled()
            assert not names_under_way(secure)

    assert each_cancellation(scenario, gaps=(1, 2)) > 10
    gc.collect()


async def test_a_cancellation_after_any_turn_leaves_nothing(ours):
    """The same on the loop of this run, which may be uvloop."""
    async with scripted(greeting, tls=ours.server()) as server:
        for turns in range(60):
            secure = dialer(tls=trusting(ours))
            waiting = asyncio.ensure_future(secure.dial(place(server.url), Wire, limit=20))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():
                waiting.result()[0].abort()
        await hung_up(server)
    await settled()
    gc.collect()
