"""Connections through real proxies: squid, tinyproxy and danted, each skipped where it is not installed."""

from __future__ import annotations

import pytest

from asyncapi import ConnectError, TLSError
from asyncapi.transports.native.dialing.tunnels import proxy_of
from asyncapi.transports.tls import Handshakes
from certificates import Authority
from daemons import danted, free_port, squid, tinyproxy
from servers import always, scripted
from wires import Wire, dialer, place, resolving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LOGIN = ("jürgen", "pass:wörd%")
ENCODED = "j%C3%BCrgen:pass%3Aw%C3%B6rd%25"


@pytest.fixture
def ours(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def theirs(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("theirs"))


def as_user(url: str, user_info: str) -> str:
    return url.replace("://", f"://{user_info}@")


async def asked(target, authority) -> bytes:
    """The end of the response to a request through a proxy."""
    transport, wire = await dialer(tls=Handshakes(ca=authority.file), resolve=resolving()).dial(target, Wire, limit=20)
    transport.write(GET)
    try:
        return (await wire.reads(len(OK)))[-2:]
    finally:
        transport.abort()


@pytest.mark.parametrize("made", [squid, tinyproxy])
async def test_a_tunnel_leads_to_the_server(made, ours, theirs):
    async with scripted(always(OK), tls=ours.server()) as server:
        with made() as proxy:
            assert await asked(place(server.url, proxy.url), ours) == b"hi"
            with pytest.raises(TLSError, match="for a private certificate authority give its file"):
                await asked(place(server.url, proxy.url), theirs)


async def test_tls_runs_within_tls_through_squid(ours, theirs):
    pem = ours.made.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()
    async with scripted(always(OK), tls=ours.server()) as server:
        with squid(tls=pem) as proxy:
            assert await asked(place(server.url, proxy.url), ours) == b"hi"
            with pytest.raises(TLSError, match=f"TLS with the proxy 127.0.0.1:{proxy.port}: "):
                await asked(place(server.url, proxy.url), theirs)


async def test_squid_takes_a_login_in_utf_8(ours):
    async with scripted(always(OK), tls=ours.server()) as server:
        with squid(login=LOGIN) as proxy:
            assert await asked(place(server.url, as_user(proxy.url, ENCODED)), ours) == b"hi"
            for user_info in ("", "me:no"):
                with pytest.raises(ConnectError, match=r"the proxy refused: 407 Proxy Authentication Required"):
                    await asked(place(server.url, as_user(proxy.url, user_info)), ours)


async def test_tinyproxy_takes_a_login(ours):
    async with scripted(always(OK), tls=ours.server()) as server:
        with tinyproxy(login=("me", "secret")) as proxy:
            assert await asked(place(server.url, as_user(proxy.url, "me:secret")), ours) == b"hi"
            with pytest.raises(ConnectError, match=r"the proxy refused: 40[17] "):
                await asked(place(server.url, as_user(proxy.url, "me:no")), ours)


@pytest.mark.parametrize("made", [squid, tinyproxy])
async def test_a_server_that_is_not_there_is_a_refusal(made, ours):
    with made() as proxy, pytest.raises(ConnectError, match=r"the proxy refused: 50[0-9] "):
        await asked(place(f"https://127.0.0.1:{free_port()}", proxy.url), ours)


@pytest.mark.parametrize("made", [squid, tinyproxy])
async def test_a_request_without_tls_is_forwarded(made, ours):
    async with scripted(always(OK)) as server:
        with made() as proxy:
            target = place(server.url, proxy.url)
            transport, wire = await dialer(resolve=resolving()).dial(target, Wire, limit=20)
            transport.write(GET.replace(b" / ", f" {server.url}/ ".encode()))
            assert b"200 OK" in await wire.reads(len(OK) + 20)
            transport.abort()
        assert proxy_of(proxy.url).port == proxy.port


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h"])
async def test_danted_opens_a_tunnel(scheme, secure, ours):
    async with scripted(always(OK), tls=ours.server() if secure else None) as server:
        with danted() as proxy:
            url = server.url if scheme in {"socks4", "socks5"} else server.url.replace("127.0.0.1", "localhost")
            assert await asked(place(url, proxy.url.replace("http", scheme)), ours) == b"hi"


@pytest.mark.parametrize("scheme", ["socks4", "socks5"])
async def test_danted_s_refusals_are_connect_errors(scheme, ours):
    with danted(lets_through=False) as proxy, pytest.raises(ConnectError, match="the proxy refused: "):
        await asked(place("http://127.0.0.1:9", proxy.url.replace("http", scheme)), ours)
    with danted() as proxy:
        closed = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(ConnectError, match="the proxy refused: "):
            await asked(place(closed, proxy.url.replace("http", scheme)), ours)
