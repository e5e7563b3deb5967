"""Connections of both lanes: kept, stale, over a Unix socket, through a proxy; cookies; user-info."""

from __future__ import annotations

import asyncio
import gc
import ssl
import warnings

import pytest
import trustme

from asyncapi import Client, ConfigError, ConnectError, ProtocolError, Retry
from servers import Peer, always, scripted

pytestmark = pytest.mark.lanes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


# Kept alive


async def test_a_connection_is_used_again():
    async with scripted(always(OK)) as server, Client(server.url) as api:
        for _ in range(5):
            await api.get("/")
        assert len(server.peers) == 1


async def test_there_are_as_many_connections_as_attempts_at_a_time():
    """No hidden bound below the client's own."""
    arrived = 0
    all_there = asyncio.Event()

    async def gathering(peer: Peer) -> None:
        nonlocal arrived
        await peer.request()
        arrived += 1
        if arrived == 150:
            all_there.set()
        await all_there.wait()
        await peer.write(OK)

    async with scripted(gathering) as server, Client(server.url, concurrency=150, retry=None) as api:
        answers = await api.gather(["/"] * 150)
    assert len(answers) == len(server.peers) == 150


async def test_connection_close_is_kept():
    closing = always(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", close=True)
    async with scripted(closing) as server, Client(server.url, retry=None) as api:
        for _ in range(3):
            assert (await api.get("/")).text == "hi"
        assert len(server.peers) == 3


async def test_closing_the_client_closes_every_connection():
    async with scripted(always(OK)) as server:
        async with Client(server.url) as api:
            await api.gather(["/"] * 10)
        for peer in server.peers:
            await asyncio.wait_for(peer.gone(), 5)


async def test_a_client_that_is_closed_fails_what_is_under_way_at_once():
    async def hang(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with scripted(hang) as server:
        api = Client(server.url)
        call = asyncio.create_task(api.get("/"))
        while not server.seen:
            await asyncio.sleep(0)
        await api.aclose()
        with pytest.raises(ProtocolError, match="the client was closed while the request was under way") as caught:
            await call
    assert len(caught.value.attempts) == 1


async def test_a_client_nobody_closed_or_used_leaves_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client("http://127.0.0.1:1")
        gc.collect()


# Stale: the server closes a kept connection just when it is used again


def closing_on(number: int, *, reset: bool = False):
    """A script: the request of this number is read, then the connection is closed without an answer."""

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            if len(peer.server.seen) == number:
                if reset:
                    peer.abort()
                return
            await peer.write(OK)

    return script


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("method", "settings"),
    [("GET", {}), ("PUT", {"content": b"x" * 200_000}), ("DELETE", {}), ("POST", {"idempotency_key": "k"})],
)
async def test_a_stale_connection_is_replayed_at_once_outside_the_count(method, settings, reset):
    """One attempt is allowed, and it is enough; the records say what happened."""
    records = []
    once = {"retry": Retry(1, base=100), "hooks": [records.append]}
    async with scripted(closing_on(2, reset=reset)) as server, Client(server.url, **once) as api:
        await api.get("/first")
        answer = await api.request(method, "/", **settings)
        stats = api.stats
    assert answer.status == 200
    assert [seen.method for seen in server.seen[1:]] == [method] * 2
    assert len({(seen.body, seen.headers.get("Idempotency-Key")) for seen in server.seen[1:]}) == 1
    lost, made = answer.attempts
    assert lost.error.startswith("ProtocolError: the server closed the connection before it sent a response")
    assert lost.then == "replayed at once on a fresh connection"
    assert (made.why, made.status) == ("replay: the kept-alive connection was closed", 200)
    assert [record.why for record in records[1:]] == ["first", made.why]
    assert stats.retries == 0


async def test_a_post_without_a_key_is_not_replayed():
    async with scripted(closing_on(2)) as server, Client(server.url) as api:
        await api.get("/first")
        with pytest.raises(ProtocolError) as caught:
            await api.post("/", json={"pay": 100})
    assert len(server.seen) == 2
    assert caught.value.attempts[-1].then == "gave up: POST without an idempotency key is not safe to resend"


async def test_a_fresh_connection_that_is_closed_is_a_failure_and_costs_an_attempt():
    async with scripted(closing_on(1)) as server, Client(server.url, retry=1) as api:
        with pytest.raises(ProtocolError) as caught:
            await api.get("/")
    assert (len(server.seen), len(caught.value.attempts)) == (1, 1)


async def test_a_fresh_connection_beside_a_kept_one_is_not_taken_for_stale():
    async with scripted(always(OK)) as other, scripted(closing_on(1)) as server, Client(retry=1) as api:
        await api.get(other.url)
        with pytest.raises(ProtocolError) as caught:
            await api.get(server.url)
        assert len(server.seen) == len(caught.value.attempts) == 1


async def test_a_request_is_replayed_once_only():
    async def closing_seconds(peer: Peer) -> None:
        await peer.request()
        await peer.write(OK)
        await peer.request()

    async with scripted(closing_seconds) as server, Client(server.url, retry=1) as api:
        await api.gather(["/a", "/b", "/c"])  # several kept connections, all about to close
        kept = len(server.peers)
        with pytest.raises(ProtocolError) as caught:
            await api.get("/")
        assert kept > 1
        assert len(caught.value.attempts) == 2
        assert len(server.seen) == 5


async def test_a_closed_kept_connection_is_seen_before_it_is_used():
    """The usual case: the close arrives while the connection is idle. Nothing is lost, nothing replayed."""
    closed = asyncio.Event()

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.write(OK)
        peer.writer.write_eof()
        await peer.gone()
        closed.set()

    async with scripted(once) as server, Client(server.url, retry=None) as api:
        for number in range(5):
            assert len((await api.post("/")).attempts) == 1
            await asyncio.wait_for(closed.wait(), 10)  # the client has hung up, too
            closed.clear()
            assert len(server.peers) == number + 1


async def test_nothing_is_resent_below_the_layers():
    """What is replayed is replayed by us and recorded, nothing is hidden; an un-keyed POST is not."""
    async with scripted(closing_on(2)) as server, Client(server.url, retry=None) as api:
        await api.post("/first")
        with pytest.raises(ProtocolError):
            await api.post("/")
        assert len(server.seen) == 2
    async with scripted(closing_on(2)) as server, Client(server.url, retry=None) as api:
        await api.get("/first")
        response = await api.get("/")
        assert [attempt.why.partition(":")[0] for attempt in response.attempts] == ["first", "replay"]
        assert len(server.seen) == 3


# Unix sockets and proxies


async def test_a_unix_socket_takes_the_place_of_the_host(tmp_path):
    path = str(tmp_path / "server.sock")
    async with scripted(always(OK), unix=path) as server, Client("http://docker", unix_socket=path) as api:
        answer = await api.get("/version")
    assert answer.text == "hi"
    assert (server.seen[0].target, server.seen[0].headers["Host"]) == ("/version", "docker")


async def forward(peer: Peer) -> None:
    """A proxy: plain requests are answered here, tunnels lead to the host they name."""
    while (seen := await peer.head()) is not None:
        if "Proxy-Authorization" not in seen.headers:
            await peer.answer(status="407 Proxy Authentication Required")
            return
        if seen.method != "CONNECT":
            await peer.answer(f"for {seen.target}".encode())
            continue
        host, _, port = seen.target.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await peer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.wait(
            [asyncio.ensure_future(pipe(peer.reader, writer)), asyncio.ensure_future(pipe(reader, peer.writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        writer.close()
        return


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass


async def test_a_plain_request_goes_to_the_proxy_whole():
    async with scripted(forward) as proxy, Client(proxy=proxy.url.replace("//", "//me:pw@")) as api:
        answer = await api.get("http://upstream.invalid/x?y=1", headers={"X-A": "b"})
    assert answer.text == "for http://upstream.invalid/x?y=1"
    assert proxy.seen[0].headers["Proxy-Authorization"] == "Basic bWU6cHc="
    assert proxy.seen[0].headers["Host"] == "upstream.invalid"


async def test_https_goes_through_a_tunnel(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with scripted(forward) as proxy, scripted(always(OK), tls=context) as server:
        proxied = proxy.url.replace("//", "//me:pw@")
        async with Client(proxy=proxied, tls=str(tmp_path / "ca.pem"), headers={"Authorization": "Bearer t"}) as api:
            assert (await api.get(f"{server.url}/x")).text == "hi"
        assert proxy.seen[0].method == "CONNECT"
        assert "Bearer" not in str(proxy.seen[0].headers)
        assert server.seen[0].headers["Authorization"] == "Bearer t"
        assert "Proxy-Authorization" not in server.seen[0].headers


async def test_a_proxy_that_refuses_the_tunnel_is_told_without_its_password():
    refusal = always(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    async with scripted(refusal) as proxy, Client(proxy=proxy.url.replace("//", "//me:canary@"), retry=None) as api:
        with pytest.raises(ConnectError, match="the proxy refused: 403 Forbidden") as caught:
            await api.get("https://upstream.invalid/")
    assert "canary" not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.parametrize("proxy", ["nope", "ftp://h:1080", "http://", "//h:1", 5])
def test_a_proxy_that_is_none_is_refused_at_once(proxy):
    with pytest.raises(ConfigError, match=r"proxy=|a URL is text"):
        Client("http://h", proxy=proxy)


async def test_the_environment_s_proxy_is_taken_only_if_asked(monkeypatch):
    async with scripted(forward) as proxy, scripted(always(OK)) as server:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:pw@"))
        async with Client(server.url) as api:
            assert (await api.get("/")).text == "hi"
        async with Client(server.url, trust_env=True) as api:
            assert (await api.get("/x")).text == f"for {server.url}/x"


# Cookies and user-info


async def setting_cookies(peer: Peer) -> None:
    while await peer.request() is not None:
        await peer.answer(Set_Cookie="sid=1; Path=/")


async def test_cookies_are_not_kept_unless_asked():
    async with scripted(setting_cookies) as server:
        host = server.url.replace("127.0.0.1", "localhost")  # aiohttp keeps none for an address
        for keep in (False, True):
            async with Client(host, cookies=keep) as api:
                await api.get("/")
                await api.get("/")
    assert [seen.headers.get("Cookie") for seen in server.seen] == [None, None, None, "sid=1"]


async def test_user_info_becomes_basic_auth_and_is_never_shown():
    async with scripted(always(OK)) as server, Client() as api:
        answer = await api.get(server.url.replace("//", "//us%20er:canary%40@"))
    assert server.seen[0].headers["Authorization"] == "Basic dXMgZXI6Y2FuYXJ5QA=="
    assert "canary" not in server.seen[0].target
    assert "canary" not in f"{answer!r}{answer.request!r}{answer.attempts!r}{answer.attempts[0].url}"


# What an answer knows


async def test_an_answer_knows_its_version_its_time_and_its_attempts():
    async with scripted(always(OK)) as server, Client(server.url) as api:
        answer = await api.get("/a", params={"b": 1})
        assert (answer.http_version, str(answer.url)) == ("1.1", f"{server.url}/a?b=1")
        assert answer.elapsed >= answer.attempts[0].elapsed > 0
        [attempt] = answer.attempts
        assert (attempt.number, attempt.why, attempt.status, attempt.method) == (1, "first", 200, "GET")
        assert attempt.at > 1_700_000_000
        assert answer.request.method == "GET"
        assert answer.headers["content-LENGTH"] == "2"


async def test_http_1_0_is_understood():
    async with scripted(always(b"HTTP/1.0 200 OK\r\n\r\nold", close=True)) as server, Client(server.url) as api:
        answer = await api.get("/")
    assert (answer.http_version, answer.text) == ("1.0", "old")


async def test_repeated_headers_are_all_there():
    twice = always(b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n")
    async with scripted(twice) as server, Client(server.url) as api:
        assert (await api.get("/")).headers.getall("A") == ["1", "2"]


async def test_nothing_is_sent_that_was_not_asked_for():
    async with scripted(always(OK)) as server, Client(server.url) as api:
        await api.get("/")
        await api.post("/")
    get, post = server.seen
    assert set(get.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
    assert get.headers["User-Agent"].startswith("asyncapi-sdk/")
    assert set(post.headers) == {*get.headers, "Content-Length"}
