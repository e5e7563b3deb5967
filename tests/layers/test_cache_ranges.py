"""Requests with a range or conditions of their own, in a client with a cache."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Bearer, Cache, Client
from asyncapi.testing import FakeClock, MockTransport, reply, run

WHOLE = b"0123456789"
FRESH = {"Cache-Control": "max-age=60", "ETag": '"1"'}


class Origin:
    """A server of one file, which sends ranges of it, and what came to it."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.asked = []
        self.content, self.headers, self.ranges = WHOLE, dict(FRESH), True
        self.takes = 0.0
        settings.setdefault("retry", None)
        transport = MockTransport(self.answer, clock=self.clock)
        self.api = Client("https://h", transport=transport, clock=self.clock, cache=Cache(), **settings)

    async def answer(self, request):
        self.asked.append({name: request.headers[name] for name in ("Range", "If-Range") if name in request.headers})
        if self.takes:
            await self.clock.sleep(self.takes)
        if request.headers.get("If-None-Match") == self.headers["ETag"]:
            return reply(304, headers=self.headers)
        found, total = request.headers.get("Range"), len(self.content)
        if (
            found is None
            or not self.ranges
            or request.headers.get("If-Range", self.headers["ETag"]) != self.headers["ETag"]
        ):
            return reply(200, content=self.content, headers=self.headers)
        first, _, last = found.removeprefix("bytes=").partition("-")
        start, stop = (int(first), min(total, int(last or total) + 1)) if first else (total - int(last), total)
        if start >= total:
            return reply(416, headers={"Content-Range": f"bytes */{total}"})
        span = {"Content-Range": f"bytes {start}-{stop - 1}/{total}"}
        return reply(206, content=self.content[start:stop], headers={**self.headers, **span})

    async def get(self, asked=None, **headers):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if asked is not None:
            fields["Range"] = f"bytes={asked}"
        response = await self.api.get("/file", headers=fields, raise_for_status=False)
        return response.status, response.content, response.from_cache


def played(scenario, **settings):
    async def main():
        origin = Origin(**settings)
        async with origin.api:
            return await scenario(origin)

    return run(main())


def test_a_range_of_what_is_stored_and_fresh_sends_nothing():
    async def scenario(origin):
        await origin.get()
        await origin.clock.sleep(5)
        response = await origin.api.get("/file", headers={"Range": "bytes=2-4"})
        return response, origin.asked, origin.api.stats.cache["hits"]

    response, asked, hits = played(scenario)
    assert (response.status, response.content, response.from_cache, hits) == (206, b"234", "fresh", 1)
    assert dict(response.headers) == {**FRESH, "Content-Range": "bytes 2-4/10", "Content-Length": "3", "Age": "5"}
    assert asked == [{}]


def test_a_range_of_what_is_stale_or_not_stored_goes_to_the_server():
    async def scenario(origin):
        found = [await origin.get("20-")]
        await origin.get()
        await origin.clock.sleep(61)
        found.append(await origin.get("2-4"))
        return found, origin.asked

    found, asked = played(scenario)
    assert found == [(416, b"", ""), (206, b"234", "")]
    assert asked == [{"Range": "bytes=20-"}, {}, {"Range": "bytes=2-4"}]


def test_parts_are_stored_and_make_up_the_whole():
    async def scenario(origin):
        found = [await origin.get(asked) for asked in ("0-4", "0-4", "1-3", "5-9", "8-")]
        return [*found, await origin.get()], len(origin.asked)

    found, asked = played(scenario)
    assert [how for *_, how in found] == ["", "fresh", "fresh", "", "fresh", "fresh"]
    assert [content for _, content, _ in found] == [b"01234", b"01234", b"123", b"56789", b"89", WHOLE]
    assert (found[-1][0], asked) == (200, 2)


def test_only_the_rest_is_requested_of_what_has_begun():
    async def scenario(origin):
        await origin.get("0-6")
        await origin.clock.sleep(100)
        return await origin.get(), await origin.get(), origin.asked

    whole, again, asked = played(scenario)
    assert (whole, again) == ((200, WHOLE, "revalidated"), (200, WHOLE, "fresh"))
    assert asked[1:] == [{"Range": "bytes=7-", "If-Range": '"1"'}]


def test_what_has_changed_meanwhile_comes_whole():
    async def scenario(origin):
        await origin.get("0-6")
        origin.content, origin.headers["ETag"] = b"abc", '"2"'
        return await origin.get(), await origin.get("0-6"), len(origin.asked)

    assert played(scenario) == ((200, b"abc", ""), (206, b"abc", "fresh"), 2)


def test_a_server_that_ignores_if_range_gets_a_second_request():
    """It sends the rest of something else, or says that there is none: no byte of that is used."""

    async def scenario(origin):
        found = []
        for content in (b"abcdefghijkl", b"abc"):
            origin.content, origin.headers["ETag"] = WHOLE, '"1"'
            await origin.api.post("/file")
            await origin.get("0-6")
            real = origin.answer

            async def ignores(request, real=real):
                request.headers.pop("If-Range", None)
                return await real(request)

            origin.api._transport._handler = ignores
            origin.content, origin.headers["ETag"] = content, '"2"'
            found.append(await origin.get())
        return found

    assert played(scenario) == [(200, b"abcdefghijkl", ""), (200, b"abc", "")]


def test_a_whole_response_to_a_range_is_passed_on_and_not_stored():
    async def scenario(origin):
        origin.ranges = False
        found = [await origin.get("0-1"), await origin.get("0-1")]
        return found, origin.api.stats.cache["stored"]

    assert played(scenario) == ([(200, WHOLE, "")] * 2, 0)


def test_a_part_of_another_representation_outdates_the_stored_one():
    async def scenario(origin):
        await origin.get()
        await origin.clock.sleep(61)
        origin.content, origin.headers["ETag"] = b"abcdefgh", '"2"'
        await origin.get("0-1")
        return await origin.get()

    assert played(scenario)[1] == b"abcdefgh"


def test_a_write_forgets_parts_too_and_overtakes_those_under_way():
    async def scenario(origin):
        await origin.get("0-4")
        await origin.api.put("/file", content=b"x")
        after = await origin.get("0-4")
        origin.takes = 2.0
        slow = asyncio.create_task(origin.get("5-9"))
        await origin.clock.sleep(1)
        origin.takes = 0.0
        await origin.api.put("/file", content=b"x")
        await slow
        return after[2], (await origin.get("5-9"))[2], (await origin.get("0-4"))[2]

    assert played(scenario) == ("", "", "")


def test_a_range_of_one_user_is_not_anothers():
    user = ["lynn"]

    async def scenario(origin):
        found = [await origin.get("0-4")]
        user[0] = "hugo"
        found.append(await origin.get("0-4"))
        user[0] = "lynn"
        return [how for *_, how in (*found, await origin.get("0-4"))]

    assert played(scenario, auth=Bearer(lambda: user[0])) == ["", "", "fresh"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache_Control": "no-store", "Range": "bytes=0-1"},
        {"Cache_Control": "no-cache", "Range": "bytes=0-1"},
        {"Range": "bytes=0-1, 4-5"},
        {"Range": "bytes=0-1", "If_Match": '"1"'},
        {"If_Match": '"1"'},
        {"If_None_Match": '"1"', "Cache_Control": "no-cache"},
        {"If_None_Match": '"1"', "Cache_Control": "max-age=0"},
    ],
    ids=str,
)
def test_requests_that_are_for_the_server_go_to_the_server(headers):
    async def scenario(origin):
        await origin.get()
        await origin.clock.sleep(1)
        origin.ranges = "," not in headers.get("Range", "")
        await origin.get(**headers)
        return len(origin.asked)

    assert played(scenario) == 2


def test_a_streamed_range_is_neither_served_nor_stored():
    async def scenario(origin):
        await origin.get()
        for _ in range(2):
            async with origin.api.stream("GET", "/file", headers={"Range": "bytes=0-1"}) as response:
                assert await response.read() == b"01"
        return len(origin.asked), origin.api.stats.cache["stored"]

    assert played(scenario) == (3, 1)


@pytest.mark.parametrize(
    ("headers", "status", "how"),
    [
        ({"If_None_Match": '"1"'}, 304, "fresh"),
        ({"If_None_Match": '"2"'}, 200, "fresh"),  # section 4.3.2: the caller has another one
        ({"If_Modified_Since": "Wed, 01 Jan 2070 00:00:00 GMT"}, 304, "fresh"),
        ({"If_Modified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200, "fresh"),
    ],
    ids=str,
)
def test_the_callers_conditions_are_answered_from_what_is_fresh(headers, status, how):
    async def scenario(origin):
        await origin.get()
        return await origin.get(**headers), len(origin.asked)

    assert played(scenario) == ((status, WHOLE if status == 200 else b"", how), 1)


def test_the_callers_conditions_go_out_as_they_are_if_the_stored_one_is_stale():
    async def scenario(origin):
        await origin.get()
        await origin.clock.sleep(61)
        return await origin.get(If_None_Match='"1"'), await origin.get(If_None_Match='"0"')

    assert played(scenario) == ((304, b"", ""), (200, WHOLE, ""))


@pytest.mark.parametrize("headers", [{"Range": "bytes=0-1"}, {"If_None_Match": '"1"'}], ids=str)
def test_only_if_cached_asks_nobody(headers):
    async def scenario(origin):
        only = {"Cache_Control": "only-if-cached", **headers}
        miss = await origin.get(**only)
        await origin.get()
        return miss, (await origin.get(**only))[2], len(origin.asked)

    assert played(scenario) == ((504, b"", ""), "fresh", 1)
