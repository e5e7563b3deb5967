"""Redirects: the method each status asks for, bodies, credentials that stay at home, limits, and odd Locations."""

from __future__ import annotations

import io

import pytest
from aiohttp import web

from asyncapi import Client, ProtocolError
from asyncapi.testing import MockTransport, reply
from servers import Peer, application, echo, scripted


def moving(status: int, location: str, **headers):
    """A handler: the first request is moved, what follows is echoed."""

    def handler(request):
        handler.requests.append(request)
        if len(handler.requests) == 1:
            return reply(status, headers={"Location": location, **headers})
        return reply(content=b"there")

    handler.requests = []
    return handler


def client(handler, **settings):
    return Client("https://h.example/a/b", transport=MockTransport(handler), retry=None, **settings)


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "GET", "GET", False),
        (301, "POST", "GET", False),
        (301, "PUT", "PUT", True),
        (302, "GET", "GET", False),
        (302, "POST", "GET", False),
        (302, "PATCH", "PATCH", True),
        (302, "HEAD", "HEAD", False),
        (303, "GET", "GET", False),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (303, "DELETE", "GET", False),
        (303, "HEAD", "HEAD", False),
        (307, "GET", "GET", False),
        (307, "POST", "POST", True),
        (308, "PUT", "PUT", True),
        (308, "DELETE", "DELETE", True),
    ],
)
async def test_each_status_asks_for_its_method(status, method, then, body):
    handler = moving(status, "/there")
    bodily = method not in {"GET", "HEAD"}
    async with client(handler) as api:
        answer = await api.request(method, "/x", content=b"abc" if bodily else None)
    request = handler.requests[1]
    assert (request.method, str(request.url)) == (then, "https://h.example/there")
    assert request.content == (b"abc" if body else None)
    assert ("Content-Length" in request.headers) == body
    assert ("Content-Type" in request.headers) is False
    assert (answer.text, str(answer.url)) == ("there", "https://h.example/there")


@pytest.mark.parametrize("status", [300, 304, 305, 306, 200, 201])
async def test_other_statuses_are_not_followed(status):
    async with client(lambda _: reply(status, headers={"Location": "/there"})) as api:
        assert (await api.get("/")).status == status


async def test_each_hop_is_an_attempt_with_its_reason():
    handler = moving(302, "/there?token=canary")
    async with client(handler) as api:
        answer = await api.get("/x?api_key=canary")
    assert [attempt.status for attempt in answer.attempts] == [302, 200]
    assert answer.attempts[1].why == "redirect: 302 from https://h.example/a/b/x?api_key=***"
    assert "canary" not in repr(answer.attempts)


SECRETS = {
    "Authorization": "Bearer s",
    "Cookie": "sid=s",
    "X-Api-Key": "s",
    "Proxy-Authorization": "s",
    "X-Auth-Token": "s",
    "X-Plain": "p",
}


@pytest.mark.parametrize(
    ("location", "same"),
    [
        ("/there", True),
        ("https://h.example/there", True),
        ("https://h.example:443/there", True),
        ("//H.EXAMPLE/there", True),
        ("https://h.example:8443/there", False),
        ("https://example/there", False),
        ("https://evil.h.example/there", False),
        ("https://h.example.evil/there", False),
    ],
)
async def test_credentials_go_to_their_own_origin_only(location, same):
    handler = moving(307, location)
    async with client(handler, headers=SECRETS) as api:
        await api.post("/", headers={"Host": "virtual"})
    sent = handler.requests[1].headers
    assert sent["X-Plain"] == "p"
    assert {name for name in SECRETS if name in sent} == (set(SECRETS) if same else {"X-Plain"})
    assert ("Host" in sent) == same


@pytest.mark.lanes
async def test_user_info_stays_at_home():
    """It is kept for a Location of the same origin that names none, and dropped for any other."""
    async with application(web.get("/there", echo)) as other:

        async def here(peer: Peer) -> None:
            while (seen := await peer.request()) is not None:
                home = {"/home": "/there", "/whole": f"{server.url}/there"}
                if seen.path == "/there":
                    await peer.answer(b"{}")
                else:
                    await peer.answer(status="302 Found", Location=home.get(seen.path, f"{other}/there"))

        async with scripted(here) as server, Client(server.url.replace("//", "//me:pw@")) as api:
            for path in ("/home", "/whole"):
                await api.get(path)
                assert server.seen[-1].path == "/there"
                assert server.seen[-1].headers["Authorization"] == "Basic bWU6cHc="
            away = await api.get("/away")
    assert "authorization" not in away.json()["headers"]
    assert "pw" not in repr(away)


@pytest.mark.lanes
async def test_a_location_with_user_info_does_not_clash_with_our_header():
    """One of the two may be sent; ours was there first."""

    async def here(peer: Peer) -> None:
        while (seen := await peer.request()) is not None:
            if seen.path == "/there":
                await peer.answer(b"ok")
            else:
                await peer.answer(status="302 Found", Location=server.url.replace("//", "//x:y@") + "/there")

    async with scripted(here) as server, Client(server.url, headers={"Authorization": "Bearer t"}) as api:
        assert (await api.get("/")).text == "ok"
    assert server.seen[1].headers["Authorization"] == "Bearer t"


@pytest.mark.lanes
async def test_between_two_servers_on_one_host_credentials_are_dropped():
    """Another port is another origin: real servers, real bytes."""
    async with application(web.post("/there", echo)) as other:

        async def move(peer: Peer) -> None:
            await peer.request()
            await peer.answer(status="307 Temporary Redirect", Location=f"{other}/there")

        async with scripted(move) as server, Client(server.url, headers=SECRETS) as api:
            answer = await api.post("/", content=io.BytesIO(b"x" * 200_000))
    got = answer.json()
    assert len(got["body"]) == 200_000
    assert got["headers"]["x-plain"] == "p"
    assert not {name.lower() for name in SECRETS} - {"x-plain"} & set(got["headers"])
    assert str(answer.url) == f"{other}/there"
    assert [str(attempt.target) for attempt in answer.attempts] == [f"{server.url}/", f"{other}/there"]


@pytest.mark.lanes
async def test_a_stream_that_cannot_be_rewound_is_not_sent_again():
    async def once():
        yield b"x"

    async def move(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.answer(status="307 Temporary Redirect", Location="/there")

    async with scripted(move) as server, Client(server.url) as api:
        with pytest.raises(ProtocolError, match="307 asks for the body again, but it is a stream") as caught:
            await api.put("/", content=once())
        assert len(server.seen) == 1
    assert caught.value.final


async def test_https_to_http_is_refused():
    handler = moving(302, "http://h.example/there?token=canary")
    async with client(handler) as api:
        with pytest.raises(
            ProtocolError, match=r"redirected from https to 'http://h\.example/there\?token=\*\*\*'"
        ) as caught:
            await api.get("/")
    assert len(handler.requests) == len(caught.value.attempts) == 1


async def test_http_to_https_is_followed():
    handler = moving(302, "https://h.example/there")
    async with Client("http://h.example", transport=MockTransport(handler), headers={"Authorization": "s"}) as api:
        assert (await api.get("/")).text == "there"
    assert "Authorization" not in handler.requests[1].headers


@pytest.mark.parametrize(("most", "hops"), [(10, 11), (3, 4), (1, 2)])
async def test_a_loop_ends_at_the_limit(most, hops):
    transport = MockTransport(lambda _: reply(302, headers={"Location": "/again?token=canary"}))
    async with Client("https://h", transport=transport, redirects=most) as api:
        with pytest.raises(ProtocolError, match=f"more than {most} redirects") as caught:
            await api.get("/")
    assert transport.requests == hops
    assert "canary" not in str(caught.value)


async def test_as_many_as_allowed_are_followed():
    left = iter(range(10))
    handler = lambda _: reply(302, headers={"Location": "/x"}) if next(left, None) is not None else reply()  # noqa: E731
    async with client(handler) as api:
        assert len((await api.get("/")).attempts) == 11


async def test_with_none_allowed_the_redirect_is_the_answer():
    async with client(moving(302, "/there"), redirects=0) as api:
        assert (await api.get("/")).headers["Location"] == "/there"


async def test_without_a_location_it_is_the_answer():
    async with client(lambda _: reply(302)) as api:
        assert (await api.get("/")).status == 302


@pytest.mark.parametrize(
    ("location", "lands"),
    [
        ("there", "https://h.example/a/b/there"),
        ("../there", "https://h.example/a/there"),
        ("?q=1", "https://h.example/a/b/x?q=1"),
        ("//other.example/y", "https://other.example/y"),
        ("/a b", "https://h.example/a%20b"),
        ("/é", "https://h.example/%C3%A9"),
        ("/\udce9", "https://h.example/%E9"),  # a byte that is no UTF-8, as aiohttp hands it over: it stays that byte
        ("/%e9/%2F+?a=%2f%3D+&b", "https://h.example/%e9/%2F+?a=%2f%3D+&b"),
        ("/\u0645\u06cc\u200c\u062e", "https://h.example/%D9%85%DB%8C%E2%80%8C%D8%AE"),  # Persian, with a ZWNJ
        ("/a/./b/../c/%2e%2e/d", "https://h.example/a/c/%2e%2e/d"),
        ("/x?", "https://h.example/x?"),
        ("\\there", "https://h.example/a/b/%5Cthere"),
        ("#part", "https://h.example/a/b/x#part"),
        ("/there#new", "https://h.example/there#new"),
    ],
)
async def test_a_location_is_joined_as_browsers_do(location, lands):
    handler = moving(302, location)
    async with client(handler) as api:
        assert str((await api.get("/x")).url) == lands


async def test_a_fragment_is_inherited():
    async with client(moving(302, "/there")) as api:
        assert str((await api.get("/x#part")).url) == "https://h.example/there#part"


@pytest.mark.parametrize(
    "location",
    [
        "ftp://h/x",
        "mailto:a@b",
        "javascript:alert(1)",
        "https://h:bad/",
        "https://[::1",
        "https://u:canary@h:bad/?token=canary",
    ],
)
async def test_a_location_that_cannot_be_followed_is_told_and_not_retried(location):
    transport = MockTransport(lambda _: reply(302, headers={"Location": location}))
    async with Client("https://h", transport=transport, retry=3) as api:
        with pytest.raises(ProtocolError, match="redirected to '") as caught:
            await api.get("/")
    assert transport.requests == 1
    assert "canary" not in str(caught.value)


@pytest.mark.lanes
async def test_a_redirect_without_an_end_of_its_body_is_bounded():
    """A hop's body is read like any other."""

    async def move(peer: Peer) -> None:
        await peer.request()
        await peer.write(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99999999999\r\n\r\n")
        await peer.gone()

    async with scripted(move) as server, Client(server.url) as api:
        with pytest.raises(ProtocolError, match="larger than max_body"):
            await api.get("/")
