"""Replies of the mock transport, and aioresponses in front of a whole client."""

from __future__ import annotations

import aiohttp
import pytest
from pydantic import BaseModel

from asyncapi import Client, ConnectError, NotFound, ProtocolError, RequestTimeout, Retry, SchemaError
from asyncapi.testing import MockTransport, mocked_aiohttp, reply

pytestmark = pytest.mark.lane("aiohttp", reason="aioresponses stands in for aiohttp's session")

BASE = "https://api.example.com"


class User(BaseModel):
    id: int


@pytest.fixture
def web():
    with mocked_aiohttp() as mocked:
        yield mocked


# aioresponses


async def test_a_mocked_answer_goes_through_the_whole_client(web):
    web.get(f"{BASE}/users/1", payload={"id": 1}, headers={"X-A": "b"})
    async with Client(BASE) as api:
        answer = await api.get("/users/1")
        assert (answer.parse(User), answer.headers["X-A"], answer.status) == (User(id=1), "b", 200)
    web.assert_called_once()


async def test_mocked_verbs_and_bodies(web):
    for verb in ("post", "put", "patch", "delete", "head", "options"):
        getattr(web, verb)(f"{BASE}/x?q=1", status=200, body=b"")
    async with Client(BASE) as api:
        for verb in ("post", "put", "patch", "delete", "head", "options"):
            assert (await getattr(api, verb)("/x", params={"q": 1})).status == 200


async def test_mocked_statuses_are_retried_and_raised(web):
    web.get(f"{BASE}/a", status=503)
    web.get(f"{BASE}/a", payload={"id": 2})
    web.get(f"{BASE}/b", status=404, body="none")
    web.get(f"{BASE}/c", payload={"id": "x"})
    async with Client(BASE, retry=Retry(base=0)) as api:
        assert await api.get("/a", model=User) == User(id=2)
        with pytest.raises(NotFound, match="404 Not Found: none"):
            await api.get("/b")
        with pytest.raises(SchemaError):
            await api.get("/c", model=User)


async def test_a_mocked_answer_may_repeat(web):
    web.get(f"{BASE}/a", payload={"id": 1}, repeat=True)
    async with Client(BASE) as api:
        assert await api.gather([f"{BASE}/a"] * 20, model=User) == [User(id=1)] * 20


@pytest.mark.parametrize(
    ("exception", "ours"),
    [
        (aiohttp.ServerDisconnectedError(), ProtocolError),
        (aiohttp.ClientOSError(104, "reset"), ProtocolError),
        (aiohttp.ClientPayloadError("cut"), ProtocolError),
        (aiohttp.ClientConnectionError("lost"), ProtocolError),
        (aiohttp.ConnectionTimeoutError("slow"), RequestTimeout),
        (aiohttp.SocketTimeoutError("slow"), RequestTimeout),
        (TimeoutError("slow"), RequestTimeout),
        (ConnectionRefusedError(111, "refused"), ConnectError),
    ],
    ids=lambda given: type(given).__name__,
)
async def test_a_mocked_exception_becomes_ours_and_is_retried(web, exception, ours):
    web.get(f"{BASE}/a", exception=exception, repeat=True)
    async with Client(BASE, retry=Retry(3, base=0), timeout=None) as api:
        with pytest.raises(ours) as caught:
            await api.get("/a")
    assert len(caught.value.attempts) == 3


async def test_what_is_not_mocked_is_refused(web):
    async with Client(BASE, retry=None) as api:
        with pytest.raises((ConnectError, ProtocolError)):
            await api.get("/nothing")


async def test_a_callback_sees_the_request(web):
    from aioresponses import CallbackResult

    seen = []

    def callback(url, **kwargs):
        seen.append((str(url), dict(kwargs["headers"]), kwargs["data"]))
        return CallbackResult(payload={"id": 3})

    web.post(f"{BASE}/a", callback=callback)
    async with Client(BASE) as api:
        assert await api.post("/a", json={"n": 1}, headers={"X-A": "b"}, model=User) == User(id=3)
    [(url, headers, data)] = seen
    assert url == f"{BASE}/a"
    assert headers["X-A"] == "b"
    assert data == b'{"n":1}'


async def test_nothing_of_the_mock_stays():
    from aioresponses import core

    assert core.ClientResponse is aiohttp.ClientResponse
    with pytest.raises(RuntimeError), mocked_aiohttp():
        raise RuntimeError
    assert core.ClientResponse is aiohttp.ClientResponse


# Replies


def test_a_reply_is_an_answer():
    answer = reply(201, json=User(id=1), headers={"X-A": "b"})
    assert (answer.status, answer.parse(User), answer.headers["x-a"]) == (201, User(id=1), "b")
    assert answer.headers["Content-Type"] == "application/json"
    assert reply(json=1, headers={"content-type": "a/b"}).headers.getall("Content-Type") == ["a/b"]
    assert (reply().status, reply().content, reply(content=b"x").text) == (200, b"", "x")


async def test_a_reply_has_trailers_whole_or_in_pieces_again_and_again():
    async def pieces():
        yield b"a"

    again = reply(trailers={"Checksum": "1"})
    for made in (lambda request: again, lambda request: reply(content=pieces(), trailers={"Checksum": "1"})):
        async with Client(BASE, transport=MockTransport(made)) as api:
            for _ in range(2):
                assert dict((await api.get("/")).trailers) == {"Checksum": "1"}
