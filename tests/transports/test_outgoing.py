"""What goes out, to the byte: URLs, user-info, zones, header bytes, cookies, proxies of the environment."""

from __future__ import annotations

import base64
import os

import aiohttp
import pytest
from yarl import URL

from asyncapi import Cache, Client, ConfigError, Fallback, LinkHeader, NextUrl, Request
from asyncapi.transports import outgoing
from asyncapi.transports.outgoing import scoped
from servers import IPV6, Peer, always, scripted

pytestmark = pytest.mark.lanes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
SIGNED = "/x%2f/%7e+;v=1?sig=a%2Fb%2Bc%3D&e=%40%3A+&b=@:/&c"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


# URLs


@pytest.mark.parametrize(
    ("client", "call", "added"),
    [
        ({}, {}, ""),
        ({}, {"params": {"k": "a b"}}, "&k=a+b"),
        ({"params": {"k": "1"}}, {}, "&k=1"),
        ({"params": {"k": "1"}}, {"params": {"l": "é"}}, "&k=1&l=%C3%A9"),
    ],
)
async def test_a_url_of_the_user_goes_out_to_the_letter(client, call, added):
    async with scripted(always(OK)) as server, Client(server.url, retry=None, **client) as api:
        await api.get(SIGNED, **call)
        await api.get(server.url + SIGNED, **call)
        await api.get(URL(server.url + SIGNED, encoded=True), **call)
        await api.gather([Request("GET", SIGNED, **call), Request("GET", server.url + SIGNED + "#top", **call)])
        await api.get("/x?", **call)
    *signed, empty = [seen.target for seen in server.seen]
    assert signed == [SIGNED + added] * 5
    assert empty == f"/x?{added[1:]}"


async def test_it_does_so_through_a_proxy_and_to_another_place():
    async with scripted(always(OK)) as server:
        async with Client("http://h.example/v%31", proxy=server.url) as api:
            await api.get(SIGNED)
        async with Client("http://127.0.0.1:1", fallback=Fallback(to=server.url), retry=None) as api:
            await api.get(SIGNED)
    assert [seen.target for seen in server.seen] == [f"http://h.example/v%31{SIGNED}", SIGNED]


async def test_a_location_goes_out_to_the_letter():
    async def script(peer: Peer) -> None:
        while (seen := await peer.request()) is not None:
            moved = {"Location": SIGNED} if seen.target == "/" else {}
            await peer.answer(status="302 Found" if moved else "200 OK", **moved)

    async with scripted(script) as server, Client(server.url) as api:
        answer = await api.get("/")
    assert server.seen[1].target == SIGNED
    assert str(answer.url) == server.url + SIGNED


@pytest.mark.parametrize("by", [LinkHeader(), NextUrl("next")])
async def test_the_next_page_is_asked_for_to_the_letter(by):
    async def script(peer: Peer) -> None:
        while (seen := await peer.request()) is not None:
            if seen.target.startswith("/n"):
                following = f"{SIGNED}&k=1"
                body = f'{{"items": [1], "next": "{following}"}}'.encode()
                await peer.answer(body, Content_Type="application/json", Link=f'<{following}>; rel="next"')
            else:
                await peer.answer(b'{"items": [2]}', Content_Type="application/json")

    async with scripted(script) as server, Client(server.url, params={"k": "1"}) as api:
        assert [item async for item in api.paginate("/n?a=%2f", by=by, items="items")] == [1, 2]
    assert [seen.target for seen in server.seen] == ["/n?a=%2f&k=1", f"{SIGNED}&k=1"]


async def test_the_cache_tells_codes_from_characters():
    fresh = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nhi"
    async with scripted(always(fresh)) as server, Client(server.url, cache=Cache()) as api:
        for path in ("/a%2Fb", "/a/b", "/a?b=%2B", "/a?b=+", "/a?b=%2B", "/a?", "/a"):
            await api.get(path)
    assert [seen.target for seen in server.seen] == ["/a%2Fb", "/a/b", "/a?b=%2B", "/a?b=+", "/a?", "/a"]


@pytest.mark.parametrize(
    "path", ["/a/../b", "/a/./b", "a/..", "./a", "/%2E%2e/b", "/a/.%2e", "/../other/x", URL("/../x", encoded=True)]
)
async def test_a_dot_segment_never_leads_out_of_the_base_url(path):
    async with scripted(always(OK)) as server, Client(f"{server.url}/bucket") as api:
        with pytest.raises(ConfigError, match="another path"):
            await api.put(path, content=b"x")
        whole = f"{server.url}/bucket/{str(path).lstrip('/')}"
        await api.put(whole, content=b"x")
    assert [server.url + seen.target for seen in server.seen] == [whole]


def test_a_base_url_has_no_dot_segments():
    with pytest.raises(ConfigError, match="write the path that you mean"):
        Client("http://h/v1/../v2")


# User-info


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("usér:pä", "usér:pä".encode()),
        ("用户:密", "用户:密".encode()),
        ("us%C3%A9r:p%3A%40%2F", "usér:p:@/".encode()),
        ("u:%E9", b"u:\xe9"),
        ("user", b"user:"),
        (":pw", b":pw"),
        ("u:p:w", b"u:p:w"),
    ],
)
async def test_user_info_is_sent_in_utf_8_with_its_codes_decoded(given, sent):
    async with scripted(always(OK)) as server, Client(retry=None) as api:
        await api.get(server.url.replace("//", f"//{given}@"))
    assert server.seen[0].headers.getall("Authorization") == [f"Basic {base64.b64encode(sent).decode()}"]
    assert server.seen[0].headers["Host"] == f"127.0.0.1:{server.port}"


async def test_user_info_and_an_authorization_are_one_too_many():
    async with Client(retry=None) as api:
        with pytest.raises(ConfigError, match="give one of the two"):
            await api.get("http://u:p@127.0.0.1:1/", headers={"Authorization": "Bearer t"})


@pytest.mark.lane("aiohttp", reason="session= is aiohttp's")
async def test_a_shared_session_sends_user_info_too():
    async with (
        scripted(always(OK)) as server,
        aiohttp.ClientSession() as session,
        Client(session=session, retry=None) as api,
    ):
        for user in ("me", "é"):
            await api.get(server.url.replace("//", f"//{user}:pw@"))
    assert [seen.headers["Authorization"] for seen in server.seen] == ["Basic bWU6cHc=", "Basic w6k6cHc="]


# IPv6 zones


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("fe80::1%25eth0", "fe80::1%eth0"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1%25en%2D1", "fe80::1%en-1"),
        ("fe80::1%25", "fe80::1%25"),
        ("::1%251", "::1%1"),
        ("::1", "::1"),
        ("h.example", "h.example"),
    ],
)
def test_a_zone_is_looked_up_as_the_system_writes_it(host, address):
    assert scoped(host) == address


@IPV6
async def test_a_zone_is_this_machine_s_own():
    async with scripted(always(OK), host="::1") as server, Client(retry=None) as api:
        answer = await api.get(f"http://[::1%251]:{server.port}/")
    assert server.seen[0].headers.getall("Host") == [f"[::1]:{server.port}"]
    assert str(answer.url) == f"http://[::1%251]:{server.port}/"


# Bytes of headers that are no UTF-8


@pytest.mark.parametrize("body", [b"", b"x" * 5_000])
async def test_what_was_read_of_a_header_is_sent_as_it_came(body):
    tagged = b'HTTP/1.1 200 OK\r\nETag: "caf\xe9 \xc3\xa9 \x80\xff"\r\nContent-Length: 0\r\n\r\n'
    async with scripted(always(tagged)) as server, Client(server.url, retry=None) as api:
        tag = (await api.get("/")).headers["ETag"]
        await api.post("/", headers={"If-Match": tag, "X": "é"}, content=body or None)
        await api.post("/", content=b"\xf4\x8f\xbe\x80\r\n\r\n\xf4\x8f\xbe\x80", headers={"If-Match": tag})
    for seen in server.seen[1:]:
        assert b'If-Match: "caf\xe9 \xc3\xa9 \x80\xff"\r\n' in seen.raw
    assert b"X: \xc3\xa9\r\n" in server.seen[1].raw
    assert server.seen[1].body == body
    assert server.seen[2].body == b"\xf4\x8f\xbe\x80\r\n\r\n\xf4\x8f\xbe\x80"


@pytest.mark.lane("aiohttp", reason="session= is aiohttp's")
async def test_a_shared_session_that_would_drop_them_is_not_let():
    async with aiohttp.ClientSession() as session, Client("http://127.0.0.1:1", session=session, retry=None) as api:
        with pytest.raises(ConfigError, match="header If-Match: aiohttp drops bytes"):
            await api.get("/", headers={"If-Match": '"\udce9"'})


@pytest.mark.lane("aiohttp", reason="session= is aiohttp's")
async def test_a_shared_session_asks_in_full_instead():
    tagged = b'HTTP/1.1 200 OK\r\nETag: "\xe9"\r\nCache-Control: no-cache\r\nContent-Length: 0\r\n\r\n'
    async with (
        scripted(always(tagged)) as server,
        aiohttp.ClientSession() as session,
        Client(server.url, session=session, cache=Cache(), retry=None) as api,
    ):
        for _ in range(2):
            assert (await api.get("/")).status == 200
    assert "If-None-Match" not in server.seen[1].headers


# Cookies


async def test_a_cookie_of_an_address_is_kept_sent_verbatim_and_deleted():
    async def script(peer: Peer) -> None:
        while (seen := await peer.request()) is not None:
            said = {
                "/login": b'Set-Cookie: a="b c", {"x":1}==\xe9\r\nSet-Cookie: s=1; Secure\r\nSet-Cookie: b=2\r\n',
                "/logout": b"Set-Cookie: a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            }.get(seen.target, b"")
            await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + said + b"\r\n")

    async with scripted(script) as server, Client(server.url, cookies=True) as api:
        for path in ("/", "/login", "/me?x=/", "/logout", "/after"):
            await api.get(path)
        await api.get("/mine", headers={"Cookie": "b=mine; c=3"})
    cookies = [[line for line in seen.raw.split(b"\r\n") if line.startswith(b"Cookie")] for seen in server.seen]
    both = [b'Cookie: a="b c", {"x":1}==\xe9; b=2']
    assert cookies == [[], [], both, both, [b"Cookie: b=2"], [b"Cookie: b=mine; c=3"]]


# Proxies and passwords of the environment


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("127.0.0.1", True),
        ("127.0.0.0/8", True),
        ("127.0.0.1:{port}", True),
        ("127.0.0.1:1", False),
        ("10.0.0.0/8, 127.0.0.2", False),
        ("*", True),
    ],
)
async def test_the_environment_s_exceptions_are_asked_directly(monkeypatch, no_proxy, direct):
    async with scripted(always(OK)) as proxy, scripted(always(OK)) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", no_proxy.format(port=server.port))
        async with Client(server.url, trust_env=True, retry=None) as api:
            await api.get("/", headers={"Authorization": "Bearer canary"})
    assert (len(server.seen), len(proxy.seen)) == ((1, 0) if direct else (0, 1))


async def test_a_proxy_that_the_user_names_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "*")
    async with scripted(always(OK)) as proxy, Client("http://h.example", proxy=proxy.url, trust_env=True) as api:
        await api.get("/")
    assert proxy.seen[0].target == "http://h.example/"


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1080", "http://", "http://h:99999"])
async def test_a_proxy_of_the_environment_that_is_none_is_told(monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    async with Client("http://127.0.0.1:1", trust_env=True, retry=None) as api:
        with pytest.raises(ConfigError, match=r"give http://host:port|not a valid URL"):
            await api.get("/")


@pytest.mark.lane("aiohttp", reason="the native lane speaks SOCKS")
async def test_aiohttp_takes_no_socks_proxy_of_the_environment(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    async with Client("http://127.0.0.1:1", trust_env=True, retry=None) as api:
        with pytest.raises(ConfigError, match="SOCKS needs"):
            await api.get("/")


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h", "http", "https"])
def test_a_socks_proxy_is_taken_where_the_transport_speaks_socks(scheme, monkeypatch):
    proxy = f"{scheme}://127.0.0.1:1080"
    assert outgoing.checked_proxy(proxy, socks=True) == proxy
    for name in ("ALL_PROXY", "https_proxy"):
        with monkeypatch.context() as environment:
            environment.setenv(name, proxy)
            assert outgoing.Environment(proxies=True, socks=True).proxy(URL("https://h.example")) == proxy


@pytest.mark.parametrize("proxy", ["socks://h:1080", "ftp://h", "socks5://", "h:1080"])
def test_what_is_no_proxy_at_all_is_told_with_what_there_is(proxy):
    with pytest.raises(ConfigError, match=r"give http://host:port or socks5://host:port"):
        outgoing.checked_proxy(proxy, socks=True)


@pytest.mark.parametrize("by", ["argument", "environment"])
async def test_a_proxy_is_told_its_user_in_utf_8(monkeypatch, by):
    async with scripted(always(OK)) as proxy:
        named = proxy.url.replace("//", "//é:%E2%82%AC@")
        monkeypatch.setenv("http_proxy", named)
        how = {"proxy": named} if by == "argument" else {"trust_env": True}
        async with Client("http://h.example", retry=None, **how) as api:
            await api.get("/")
    assert proxy.seen[0].headers["Proxy-Authorization"] == f"Basic {base64.b64encode('é:€'.encode()).decode()}"
    assert "Authorization" not in proxy.seen[0].headers


async def test_a_password_of_netrc_is_sent_to_its_host_and_only_where_none_is_given(monkeypatch, tmp_path):
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login mé password p%w\n", encoding="utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    async with scripted(always(OK)) as server, Client(trust_env=True, retry=None) as api:
        await api.get(server.url)
        await api.get(server.url, headers={"Authorization": "Bearer t"})
        await api.get(server.url.replace("//", "//u:p@"))
        await api.get(server.url.replace("127.0.0.1", "localhost"))
        stamp = file.stat()
        file.write_text("machine 127.0.0.1 login new password pw\n", encoding="utf-8")
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
        await api.get(server.url)
        file.write_text("nonsense", encoding="utf-8")
        await api.get(server.url)
    made = [f"Basic {base64.b64encode(pair.encode()).decode()}" for pair in ("mé:p%w", "u:p", "new:pw")]
    sent = [seen.headers.get("Authorization") for seen in server.seen]
    assert sent == [made[0], "Bearer t", made[1], None, made[2], None]


async def test_a_proxy_s_password_is_taken_from_netrc_too(monkeypatch, tmp_path):
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password pw\n", encoding="utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    async with scripted(always(OK)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with Client("http://h.example", trust_env=True, retry=None) as api:
            await api.get("/")
    assert proxy.seen[0].headers["Proxy-Authorization"] == "Basic bWU6cHc="
    assert "Authorization" not in proxy.seen[0].headers
