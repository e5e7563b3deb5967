"""Requests other than GET, in a client with a cache: what a HEAD renews, and which POST is stored."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Bearer, Cache, Client
from asyncapi.testing import FakeClock, MockTransport, reply, run

FRESH = {"Cache-Control": "max-age=60", "ETag": '"1"'}


class Origin:
    """A server whose headers are set, and which methods came to it."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.asked, self.headers, self.status, self.takes = [], dict(FRESH), 200, 0.0
        transport = MockTransport(self.answer, clock=self.clock)
        self.api = Client("https://h", transport=transport, clock=self.clock, cache=Cache(), retry=None, **settings)

    async def answer(self, request):
        self.asked.append(request.method)
        if self.takes:
            await self.clock.sleep(self.takes)
        content = b"" if request.method == "HEAD" else b"body"
        return reply(self.status, content=content, headers=self.headers)

    async def how(self, path="/x"):
        return (await self.api.get(path, raise_for_status=False)).from_cache


def played(scenario, **settings):
    async def main():
        origin = Origin(**settings)
        async with origin.api:
            return await scenario(origin)

    return run(main())


@pytest.mark.parametrize(
    ("headers", "status", "how"),
    [
        ({"ETag": '"1"', "Cache-Control": "max-age=60", "X": "new"}, 200, "fresh"),
        ({"ETag": '"1"', "Cache-Control": "max-age=60", "Content-Length": "4"}, 200, "fresh"),
        ({"ETag": 'W/"1"', "Cache-Control": "max-age=60"}, 200, "fresh"),
        ({"Cache-Control": "max-age=60"}, 200, ""),  # it may be another: nothing is renewed
        ({"ETag": '"2"', "Cache-Control": "max-age=60"}, 200, ""),
        ({"ETag": '"1"', "Cache-Control": "no-store"}, 200, ""),
        ({"ETag": '"1"', "Cache-Control": "max-age=60"}, 404, ""),
    ],
)
def test_a_head_renews_the_response_that_it_is_about(headers, status, how):
    async def scenario(origin):
        await origin.how()
        await origin.clock.sleep(61)
        origin.headers, origin.status = headers, status
        await origin.api.head("/x", raise_for_status=False)
        origin.headers, origin.status = dict(FRESH), 200
        return await origin.api.get("/x")

    response = played(scenario)
    assert (response.from_cache, response.content) == (how, b"body")
    if how:
        assert (response.headers.get("X"), response.headers["Age"]) == (headers.get("X"), "0")


def test_a_write_overtakes_a_head():
    async def scenario(origin):
        await origin.how()
        await origin.clock.sleep(61)
        origin.takes = 2.0
        head = asyncio.create_task(origin.api.head("/x"))
        await origin.clock.sleep(1)
        origin.takes = 0.0
        await origin.api.put("/x", content=b"1")
        await origin.how()  # a response of after the write
        await head
        return await origin.how(), origin.asked.count("GET")

    assert played(scenario) == ("fresh", 2)


def test_a_head_for_another_user_renews_nothing():
    user = ["lynn"]

    async def scenario(origin):
        await origin.how()
        await origin.clock.sleep(61)
        user[0] = "hugo"
        await origin.api.head("/x")
        user[0] = "lynn"
        return await origin.how()

    assert played(scenario, auth=Bearer(lambda: user[0])) == ""


@pytest.mark.parametrize(
    ("headers", "status", "how"),
    [
        ({"Content-Location": "/x"}, 200, "fresh"),
        ({"Content-Location": "https://h/x"}, 200, "fresh"),
        ({"Content-Location": "/x", "Cache-Control": "no-cache"}, 200, ""),  # it says no lifetime
        ({"Content-Location": "/x", "Cache-Control": "no-store"}, 200, ""),
        ({"Content-Location": "/y"}, 200, ""),
        ({"Content-Location": "https://other/x"}, 200, ""),
        ({"Content-Location": "http://["}, 200, ""),
        ({}, 200, ""),
        ({"Content-Location": "/x"}, 201, ""),
        ({"Content-Location": "/x"}, 400, ""),
    ],
)
def test_a_post_is_stored_where_it_says_that_it_is_what_a_get_would_get(headers, status, how):
    async def scenario(origin):
        origin.headers, origin.status = {**FRESH, **headers}, status
        await origin.api.post("/x", content=b"1", raise_for_status=False)
        return await origin.how()

    assert played(scenario) == how


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_writes_are_not_stored(method):
    async def scenario(origin):
        origin.headers["Content-Location"] = "/x"
        await origin.api.request(method, "/x")
        return await origin.how()

    assert played(scenario) == ""


def test_options_passes_by():
    async def scenario(origin):
        await origin.how()
        await origin.api.request("OPTIONS", "/x")
        return await origin.how(), origin.asked

    assert played(scenario) == ("fresh", ["GET", "OPTIONS"])
