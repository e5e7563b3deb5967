"""Proxies: what they are sent, what their refusals become, and TLS with the server through all of them."""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import ssl
import sys
import traceback

import pytest

from asyncapi import ConfigError, ConnectError, ProtocolError, RequestTimeout, TLSError
from asyncapi.sansio.http.pins import pin
from asyncapi.transports.native.dialing import tunnels
from asyncapi.transports.native.dialing.tunnels import Proxy, check_socks, forwarder, proxy_of
from asyncapi.transports.tls import Handshakes
from servers import Peer, scripted, tunnel
from socks_proxy import REFUSED, Socks
from stepping import each_cancellation
from wires import Wire, dialer, hung_up, place, resolving, settled

SECRET = "canary" + "bird"  # in two, so that a line of source in a traceback does not hold it
BASIC = base64.b64encode(f"me:{SECRET}".encode()).decode()


async def greeting(peer: Peer) -> None:
    await peer.write(b"hello")
    await peer.gone()


async def silent(peer: Peer) -> None:
    await peer.gone()


def replying(answer: bytes):
    """A script: a proxy with this response to CONNECT."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.write(answer)
        await peer.gone()

    return script


def shown(error: BaseException) -> str:
    """All that a listener could write down who walks along the chain."""
    left, seen, text = [error], [], ["".join(traceback.format_exception(error))]
    while left:
        each = left.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        text += [repr(each), str(each), repr(each.args)]
        left += [each.__cause__, each.__context__]
    return "\n".join(text)


def as_me(url: str) -> str:
    return url.replace("://", f"://me:{SECRET}@")


# What a proxy's URL says


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "user_info"),
    [
        ("http://p", "http", "p", 80, None),
        ("https://p", "https", "p", 443, None),
        ("http://p:3128/", "http", "p", 3128, None),
        ("socks5://[::1]", "socks5", "::1", 1080, None),
        ("socks4a://u@p:9", "socks4a", "p", 9, "u"),
        ("http://u%40:p%3A@p:3128", "http", "p", 3128, "u%40:p%3A"),
        ("http://:@p:3128", "http", "p", 3128, None),
    ],
)
def test_the_url_of_a_proxy_says_where_it_is(url, scheme, host, port, user_info):
    assert proxy_of(url) == Proxy(scheme, host, port, user_info)


def test_the_user_info_is_sent_as_utf_8_and_never_shown():
    proxy = proxy_of(f"http://j%C3%BCrgen:{SECRET}@p")
    assert proxy.authorization == "Basic " + base64.b64encode(f"jürgen:{SECRET}".encode()).decode()
    assert SECRET not in repr(proxy)
    assert proxy_of("http://p").authorization is None


def test_requests_go_to_an_http_proxy_itself_only_without_tls():
    assert forwarder(place("http://h", "http://p")) == proxy_of("http://p")
    assert forwarder(place("http://h", "https://p")) == proxy_of("https://p")
    assert forwarder(place("http://h", "socks5://p")) is None
    assert forwarder(place("https://h", "http://p")) is None
    assert forwarder(place("http://h")) is None


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "python_socks", None)
    monkeypatch.setattr(tunnels.importlib.util, "find_spec", lambda _: None)
    check_socks("http://p")
    with pytest.raises(ConfigError, match=r"needs python-socks: pip install 'asyncapi-sdk\[socks\]'"):
        check_socks("socks5://p")


async def test_a_missing_library_is_named_by_the_connection_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(ConfigError, match=r"needs python-socks: pip install 'asyncapi-sdk\[socks\]'"):
        await dialer().dial(place("http://127.0.0.1", "socks5://127.0.0.1:1"), Wire, limit=20)


@pytest.mark.parametrize("user_info", ["j%C3%BCrgen:x", f"me:{SECRET}%FF", "u" * 256, "u:" + SECRET * 30])
def test_a_login_that_socks_does_not_take_is_an_error_that_does_not_show_it(user_info):
    with pytest.raises(ConfigError, match="at most 255 ASCII characters") as caught:
        check_socks(f"socks5://{user_info}@p:1080")
    assert SECRET not in shown(caught.value)
    assert "uuu" not in shown(caught.value)


# Through HTTP proxies


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
async def test_the_server_speaks_tls_through_a_proxy(ours, theirs, outer):
    context = ours.server("h.example")
    context.set_alpn_protocols(["h2"])
    async with (
        scripted(greeting, tls=context) as server,
        scripted(tunnel, tls=ours.server() if outer else None) as proxy,
    ):
        secure = dialer(tls=Handshakes(ca=ours.file), resolve=resolving())
        target = place(f"https://h.example:{server.port}", as_me(proxy.url))
        transport, wire = await secure.dial(target, Wire, protocols=("h2", "http/1.1"), limit=20)
        assert wire.transport is transport
        assert await wire.reads(5) == b"hello"
        assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        assert transport.get_extra_info("socket").getsockopt(6, 1)
        transport.abort()
        await hung_up(proxy)
        [seen] = proxy.seen
        assert (seen.method, seen.target) == ("CONNECT", f"h.example:{server.port}")
        assert dict(seen.headers) == {"Host": f"h.example:{server.port}", "Proxy-Authorization": f"Basic {BASIC}"}
        await hung_up(server)


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
async def test_a_handshake_that_fails_through_a_proxy_is_one_clear_error(ours, outer, caplog):
    async with (
        scripted(greeting, tls=ours.server("h.example")) as server,
        scripted(tunnel, tls=ours.server() if outer else None) as proxy,
    ):
        secure, lost = dialer(tls=Handshakes(ca=ours.file)), []

        class Lost(Wire):
            def connection_lost(self, error):
                lost.append(error)

        with pytest.raises(TLSError, match=r"^TLS: Hostname mismatch.*; check the host in the URL$") as caught:
            await secure.dial(place(f"https://i.example:{server.port}", as_me(proxy.url)), Lost, limit=20)
        assert SECRET not in shown(caught.value)
        assert BASIC not in shown(caught.value)
        assert lost == []  # nobody has seen this connection
        await hung_up(proxy)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
async def test_what_a_server_sends_at_once_is_not_lost(ours, outer):
    """With TLS 1.3 a server's first bytes may come with the end of its handshake."""
    big = b"x" * 100_000

    async def eager(peer: Peer) -> None:
        await peer.write(big)
        await peer.gone()

    async with (
        scripted(eager, tls=ours.server()) as server,
        scripted(tunnel, tls=ours.server() if outer else None) as p,
    ):
        for _ in range(10):
            secure = dialer(tls=Handshakes(ca=ours.file))
            transport, wire = await secure.dial(place(server.url, p.url), Wire, limit=20)
            assert await wire.reads(len(big)) == big
            transport.abort()


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
async def test_what_comes_with_the_end_of_the_handshake_is_not_lost(ours, outer):
    """With TLS 1.2 the server's Finished is the last of the handshake, and its first bytes may be in the same packet."""
    written, context = asyncio.Event(), ours.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def eager(peer: Peer) -> None:
        await peer.write(b"hello")
        written.set()
        await peer.gone()

    async def gathering(peer: Peer) -> None:
        seen = await peer.head()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(seen.target.rpartition(":")[2]))
        await peer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.write(await peer.reader.read(65536))
        while (said := await reader.read(65536))[-4:] != b"\x0e\0\0\0":  # ServerHelloDone
            await peer.write(said)
        await peer.write(said)
        writer.write(await peer.reader.read(65536))
        await written.wait()
        await peer.write(await reader.read(65536))
        await peer.gone()
        writer.close()

    async with (
        scripted(eager, tls=context) as server,
        scripted(gathering, tls=ours.server() if outer else None) as proxy,
    ):
        secure = dialer(tls=Handshakes(ca=ours.file))
        transport, wire = await secure.dial(place(server.url, proxy.url), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        transport.abort()
        await hung_up(proxy)


async def test_bytes_that_follow_the_response_apart_are_refused_too():
    class Transport:
        def write(self, data: bytes) -> None:
            asking.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
            asking.data_received(b"\x16")

    asking = tunnels.Asking()
    with pytest.raises(ConnectError, match="the proxy sent more than a response"):
        await asking.open(Transport(), proxy_of("http://p"), "h.example", 443)


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
async def test_a_request_without_tls_goes_to_the_proxy_itself(ours, outer):
    async with scripted(greeting, tls=ours.server() if outer else None) as proxy:
        plain = dialer(tls=Handshakes(ca=ours.file), resolve=resolving())
        transport, wire = await plain.dial(place("http://h.example", as_me(proxy.url)), Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        assert proxy.seen == []
        transport.abort()


REFUSALS = {
    "a login": (
        b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n",
        r"^the proxy refused: 407 Proxy Authentication Required$",
    ),
    "its ports": (b"HTTP/1.1 403 %s\r\n\r\n" % SECRET.encode(), r"^the proxy refused: 403 Forbidden$"),
    "its upstream": (b"HTTP/1.0 502 Bad\r\n\r\nthe page", r"^the proxy refused: 502 Bad Gateway$"),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", r"^the proxy refused: 302 Found$"),
    "no name": (b"HTTP/1.1 599 X\r\n\r\n", r"^the proxy refused: 599$"),
    "another protocol": (b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n", r"^the proxy refused: 101 Switching Protocols$"),
    "SSH": (b"SSH-2.0-OpenSSH\r\n", r"^the proxy's response isn't valid HTTP: an SSH server is on this port$"),
    "garbage": (b"HTP %s\r\n\r\n" % SECRET.encode(), r"^the proxy's response isn't valid HTTP: "),
    "no end": (b"HTTP/1.1 200 OK\r\n" + b"A: %s\r\n" % (b"a" * 99) * 1000, r"isn't valid HTTP: its headers are over"),
    "one line": (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000, r"isn't valid HTTP: its headers are over"),
    "endless hints": (b"HTTP/1.1 103 Early\r\n\r\n" * 9999, r"isn't valid HTTP: its headers are over"),
    "too much": (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03", r"^can't connect: the proxy sent more than a response$"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_a_connect_error_in_our_words(ours, name):
    answer, message = REFUSALS[name]
    async with scripted(replying(answer)) as proxy:
        with pytest.raises(ConnectError, match=message) as caught:
            await dialer(tls=Handshakes(ca=ours.file)).dial(
                place("https://h.example", as_me(proxy.url)), Wire, limit=20
            )
        assert SECRET not in shown(caught.value)
        assert BASIC not in shown(caught.value)
        assert not isinstance(caught.value, TLSError)
        await hung_up(proxy)


OPEN = [
    b"HTTP/1.1 200 Connected\r\n\r\n",
    b"HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
]


@pytest.mark.parametrize("answer", OPEN)
async def test_every_2xx_opens_the_tunnel_and_has_no_body(ours, answer):
    """RFC 9110 section 9.3.6; byte by byte too."""

    async def script(peer: Peer) -> None:
        await peer.head()
        for at in range(len(answer)):
            await peer.write(answer[at : at + 1])
            await asyncio.sleep(0)
        await peer.reader.read(5)
        await peer.write(b"no TLS at all")
        await peer.gone()

    async with scripted(script) as proxy:
        with pytest.raises(TLSError, match="the server does not speak TLS on this port"):
            await dialer(tls=Handshakes(ca=ours.file)).dial(place("https://h.example", proxy.url), Wire, limit=20)


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("when", ["at once", "within its response", "within the handshake"])
async def test_a_proxy_that_closes_is_a_connect_error(ours, how, when):
    async def script(peer: Peer) -> None:
        if when != "at once":
            await peer.head()
            await peer.write(b"HTTP/1.1 200 OK\r\n" + b"\r\n" * (when == "within the handshake"))
            if when == "within the handshake":
                await peer.reader.read(5)
            await asyncio.sleep(0.01)
        getattr(peer, how)()

    async with scripted(script) as proxy:
        with pytest.raises(ConnectError, match=r"can't connect|closed during the TLS handshake") as caught:
            await dialer(tls=Handshakes(ca=ours.file)).dial(
                place("https://h.example", as_me(proxy.url)), Wire, limit=20
            )
        assert not isinstance(caught.value, TLSError)
        assert SECRET not in shown(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https", "socks4a", "socks5", "socks5h"])
async def test_a_proxy_that_is_not_there_is_named(scheme):
    for url in ("https://127.0.0.1", "http://127.0.0.1"):
        with pytest.raises(
            ConnectError, match=r"can't connect to the proxy 127\.0\.0\.1:1: Connection refused"
        ) as caught:
            await dialer().dial(place(url, f"{scheme}://me:{SECRET}@127.0.0.1:1"), Wire, limit=20)
        assert SECRET not in shown(caught.value)
        with pytest.raises(ConnectError, match=r"the name 'p\.example' does not resolve"):
            await dialer(resolve=resolving()).dial(place(url, f"{scheme}://p.example"), Wire, limit=20)


async def test_the_certificate_of_a_proxy_is_verified_and_the_proxy_is_named(ours, theirs):
    async with scripted(tunnel, tls=theirs.server()) as proxy:
        for url in ("https://h.example", "http://h.example"):
            why = (
                rf"TLS with the proxy 127\.0\.0\.1:{proxy.port}: .*; for a private certificate authority give its file"
            )
            with pytest.raises(TLSError, match=why):
                await dialer(tls=Handshakes(ca=ours.file)).dial(place(url, as_me(proxy.url)), Wire, limit=20)
        assert proxy.seen == []


async def test_pins_by_host_hold_for_the_proxy_and_for_the_server(ours):
    async with scripted(greeting, tls=ours.server("h.example")) as server, scripted(tunnel, tls=ours.server()) as proxy:
        url = f"https://h.example:{server.port}"
        first, _ = await dialer(tls=Handshakes(ca=ours.file)).dial(place(url, proxy.url), Wire, limit=20)
        key = pin(first.get_extra_info("ssl_object").getpeercert(binary_form=True))
        first.abort()
        other = "sha256/" + "A" * 43 + "="
        for pins, wrong in (
            ({"h.example": [key]}, None),
            ({"h.example": [other]}, "h.example"),
            ({"127.0.0.1": [other]}, "127.0.0.1"),
        ):
            seen = len(proxy.seen)
            secure = dialer(tls=Handshakes(ca=ours.file, pins=pins))
            if wrong is None:
                (await secure.dial(place(url, proxy.url), Wire, limit=20))[0].abort()
                continue
            with pytest.raises(TLSError, match=f"the key of {wrong} is not pinned"):
                await secure.dial(place(url, proxy.url), Wire, limit=20)
            assert len(proxy.seen) == seen + (wrong == "h.example")  # the proxy's own is checked before it is asked


# Through SOCKS proxies


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
async def test_socks_opens_a_tunnel_for_every_request(ours, scheme, secure):
    socks = Socks()
    async with (
        scripted(greeting, tls=ours.server("h.example") if secure else None) as server,
        scripted(socks.script) as proxy,
    ):
        known = {"h_example": ["127.0.0.1"]} if scheme in {"socks4", "socks5"} else {}
        through = dialer(tls=Handshakes(ca=ours.file), resolve=resolving(**known))
        target = place(f"http{'s' * secure}://h.example:{server.port}", f"{scheme}://127.0.0.1:{proxy.port}")
        transport, wire = await through.dial(target, Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        assert transport.get_extra_info("socket").getsockopt(6, 1)
        transport.abort()
        await hung_up(proxy)
    assert socks.asked == [("127.0.0.1" if known else "h.example", server.port)]


async def test_socks_prefers_an_ipv4_address_where_we_look_up(ours):
    socks = Socks(reply=REFUSED)
    async with scripted(socks.script) as proxy:
        through = dialer(resolve=resolving(h_example=["::1", "127.0.0.1"], six_example=["::1"]))
        for scheme in ("socks4", "socks5"):
            with pytest.raises(ConnectError, match="the proxy refused: "):
                await through.dial(place("http://h.example", f"{scheme}://127.0.0.1:{proxy.port}"), Wire, limit=20)
        with pytest.raises(
            ConnectError, match=r"'six\.example' has no IPv4 address, which SOCKS4 needs: use socks5://"
        ):
            await through.dial(place("http://six.example", f"socks4://127.0.0.1:{proxy.port}"), Wire, limit=20)
        with pytest.raises(ConnectError, match="the proxy refused: Connection refused by destination host"):
            await through.dial(place("http://six.example", f"socks5://127.0.0.1:{proxy.port}"), Wire, limit=20)
    assert [host for host, _ in socks.asked] == ["127.0.0.1", "127.0.0.1", "0" * 31 + "1"]


async def test_socks_is_told_who_asks():
    socks = Socks(login=(b"m:e", SECRET.encode()))
    async with scripted(greeting) as server, scripted(socks.script) as proxy:
        target = place(server.url, f"socks5h://m%3Ae:{SECRET}@127.0.0.1:{proxy.port}")
        transport, wire = await dialer().dial(target, Wire, limit=20)
        assert await wire.reads(5) == b"hello"
        transport.abort()
        for login, why in ((f"me:{SECRET}x", "Username and password authentication failure"), ("", "No acceptable")):
            target = place(server.url, f"socks5h://{login}@127.0.0.1:{proxy.port}")
            with pytest.raises(ConnectError, match=rf"through the proxy 127\.0\.0\.1:{proxy.port}: {why}") as caught:
                await dialer().dial(target, Wire, limit=20)
            assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    "answer", [b"", b"\x05", b"\x05\x00\x05\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 99]
)
async def test_what_is_no_socks_proxy_is_a_connect_error(answer):
    async def script(peer: Peer) -> None:
        await peer.write(answer)
        await peer.reader.read(1)

    async with scripted(script) as proxy:
        for scheme in ("socks4a", "socks5"):
            with pytest.raises(ConnectError, match="the proxy") as caught:
                await dialer().dial(
                    place("http://127.0.0.1:1", f"{scheme}://me:{SECRET}@127.0.0.1:{proxy.port}"), Wire, limit=20
                )
            assert SECRET not in shown(caught.value)


# Time, and the end

HUNG = ["proxy", "handshake with the proxy", "socks", "handshake through it", "handshake through socks"]


def hung(what: str):
    async def script(peer: Peer) -> None:
        if what == "handshake through it":
            await peer.head()
            await peer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        if what == "handshake through socks":
            await peer.reader.read(3)
            await peer.write(b"\x05\x00")
            await peer.reader.read(99)
            await peer.write(b"\x05\x00\x00\x01" + bytes(6))
        await peer.gone()

    scheme = "socks5h" if "socks" in what else "https" if "with the proxy" in what else "http"
    return script, scheme


@pytest.mark.parametrize("what", HUNG)
async def test_what_hangs_ends_with_the_limit(ours, what):
    script, scheme = hung(what)
    async with scripted(script) as proxy:
        slow = dialer(tls=Handshakes(ca=ours.file))
        target = place("https://h.example", f"{scheme}://127.0.0.1:{proxy.port}")
        with pytest.raises(RequestTimeout, match=r"no connection within 0\.2 s") as caught:
            await slow.dial(target, Wire, limit=0.2)
        assert caught.value.phase == "connect"
        await hung_up(proxy)
        gc.collect()


@pytest.mark.parametrize("what", HUNG)
async def test_closing_ends_what_is_under_way(ours, what):
    script, scheme = hung(what)
    async with scripted(script) as proxy:
        slow = dialer(tls=Handshakes(ca=ours.file))
        target = place("https://h.example", f"{scheme}://127.0.0.1:{proxy.port}")
        waiting = asyncio.ensure_future(slow.dial(target, Wire, limit=None))
        await asyncio.sleep(0.1)
        slow.close()
        with pytest.raises(ProtocolError, match="the client was closed while the request was under way"):
            await waiting
        await hung_up(proxy)
        gc.collect()


@pytest.mark.parametrize("outer", [False, True], ids=["http proxy", "https proxy"])
def test_a_cancellation_at_any_moment_closes_the_connection(ours, outer):
    """Each turn of a dial through a tunnel on a loop that is stepped, once and twice."""
    inner_tls, outer_tls = ours.server(), ours.server() if outer else None
    tls = Handshakes(ca=ours.file)

    async def scenario(loop):
        async with scripted(greeting, tls=inner_tls) as server, scripted(tunnel, tls=outer_tls) as proxy:
            loop.victim = asyncio.ensure_future(
                dialer(tls=tls).dial(place(server.url, as_me(proxy.url)), Wire, limit=20)
            )
            await asyncio.wait([loop.victim])
            if not loop.victim.cancelled():
                loop.victim.result()[0].abort()
            await hung_up(proxy)
            await hung_up(server)
            await settled()

    assert each_cancellation(scenario, gaps=(1,)) > 10
    gc.collect()


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
async def test_a_cancellation_after_any_turn_leaves_nothing(ours, scheme):
    """The same on the loop of this run, which may be uvloop."""
    script = Socks().script if scheme == "socks5h" else tunnel
    async with (
        scripted(greeting, tls=ours.server()) as server,
        scripted(script, tls=ours.server() if scheme == "https" else None) as proxy,
    ):
        through = dialer(tls=Handshakes(ca=ours.file))
        target = place(server.url, f"{scheme}://127.0.0.1:{proxy.port}")
        for turns in range(0, 80, 2):
            waiting = asyncio.ensure_future(through.dial(target, Wire, limit=20))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():
                waiting.result()[0].abort()
        await hung_up(proxy)
        await hung_up(server)
    await settled()
    gc.collect()
