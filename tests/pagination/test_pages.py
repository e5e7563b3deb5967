"""Lists in pages: every kind, from any place, side by side, in order, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import sys
import tracemalloc

import pytest
from pydantic import BaseModel

from asyncapi import (
    AsyncAPIError,
    Client,
    ConfigError,
    Cursor,
    DecodeError,
    LinkHeader,
    NextUrl,
    NotFound,
    Offset,
    PageNumber,
    RateLimit,
    RejectedError,
    ServerError,
)
from asyncapi.serve import FaultServer
from asyncapi.testing import FakeClock, MockTransport, reply, run
from gate import Gate, settle


class Item(BaseModel):
    id: int
    name: str


@pytest.fixture
async def server():
    async with FaultServer() as running:
        yield running


@pytest.fixture
async def api(server):
    async with Client(server.url) as client:
        yield client


async def into(seen, pages):
    """Put the items in a list that survives a failure."""
    async for item in pages:
        seen.append(item)


WAYS = [
    ("numbered, total known", PageNumber(), {"per_page": 10}),
    ("numbered, pages known", PageNumber(total=None, pages="pages"), {"per_page": 10}),
    ("numbered, nothing known", PageNumber(total=None), {"per_page": 10}),
    ("numbered, size asked for", PageNumber(size_param="per_page", size=10), {}),
    ("offset, total known", Offset(size=10), {}),
    ("offset, nothing known", Offset(size=10, total=None), {}),
    ("cursor", Cursor(first=""), {"per_page": 10}),
    ("link header", LinkHeader(), {"per_page": 10}),
    ("link header of cursors", NextUrl(), {"per_page": 10, "cursor": ""}),
    ("next URL", NextUrl(), {"per_page": 10}),
    ("a function to a URL", lambda page: page.data["next"], {"per_page": 10}),
    (
        "a function to parameters",
        lambda page: {"page": page.data["page"] + 1} if page.data["next"] else None,
        {"per_page": 10},
    ),
]
NAMES = [name for name, _, _ in WAYS]


@pytest.mark.lanes
@pytest.mark.parametrize(("name", "by", "params"), WAYS, ids=NAMES)
@pytest.mark.parametrize("total", [95, 100, 7, 10, 0])
@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_every_item_comes_once_and_in_order(api, name, by, params, *, total, prefetch):
    pages = api.paginate("/items", by=by, params={**params, "total": total}, model=Item, prefetch=prefetch)
    assert [item.id async for item in pages] == list(range(1, total + 1))
    assert pages.position == {"end": True}
    assert pages.stopped is None


@pytest.mark.lanes
@pytest.mark.parametrize(("name", "by", "params"), WAYS, ids=NAMES)
async def test_pages_come_whole(api, name, by, params):
    seen = [page async for page in api.paginate("/items", by=by, params={**params, "total": 95}).pages()]
    assert [len(page.items) for page in seen] == [10] * 9 + [5]
    assert [page.number for page in seen] == list(range(1, 11))
    assert seen[3].items == seen[3].data["items"] == seen[3].response.json()["items"]


@pytest.mark.lanes
@pytest.mark.parametrize(("name", "by", "params"), WAYS, ids=NAMES)
@pytest.mark.parametrize("taken", [0, 1, 9, 10, 11, 37, 94, 95])
async def test_a_saved_position_goes_on_where_it_was_left(api, name, by, params, taken):
    def listed(**more):
        return api.paginate("/items", by=by, params={**params, "total": 95}, model=Item, **more)

    first, pages = [], listed()
    if taken:
        async for item in pages:
            first.append(item.id)
            if len(first) == taken:
                break
    saved = json.loads(json.dumps(pages.position))
    rest = [item.id async for item in listed(start=saved)]
    assert first + rest == list(range(1, 96))
    assert first + [item.id async for item in pages] == list(range(1, 96)), "the same object goes on too"


@pytest.mark.lanes
async def test_positions_between_pages_are_those_of_pages(api):
    pages = api.paginate("/items", by=PageNumber(), params={"per_page": 10, "total": 30})
    seen = [(page.position, pages.position) async for page in pages.pages()]
    assert [before for before, _ in seen] == [{"page": None}, {"page": 2, "size": 10}, {"page": 3, "size": 10}]
    assert [after for _, after in seen] == [{"page": 2, "size": 10}, {"page": 3, "size": 10}, {"end": True}]


@pytest.mark.lanes
async def test_a_position_may_be_written_by_hand(api):
    def ids(**more):
        return api.paginate("/items", params={"per_page": 10, "total": 50}, model=Item, **more)

    assert [item.id async for item in ids(by=PageNumber(), start={"page": 4})] == list(range(31, 51))
    assert [item.id async for item in ids(by=PageNumber(), start={"page": 4, "skip": 7})][:2] == [38, 39]
    assert [item.id async for item in ids(by=PageNumber(), start={"page": 9})] == []
    assert [item.id async for item in ids(by=Offset(size=10), start={"offset": 45})] == list(range(46, 51))
    assert [item.id async for item in ids(by=PageNumber(), start={"end": True})] == []


# --- how many requests, and when --------------------------------------------------------------------------------


def numbered(total, size, *, also=None, told=True):
    """A handler of numbered pages that counts what it is asked."""
    asked = []

    def handler(request):
        page = int(request.url.query.get("page", 1))
        asked.append(page)
        low, high = (page - 1) * size, min(page * size, total)
        body = {"items": list(range(low + 1, high + 1))}
        return reply(json={**body, "total": total} if told else body) if also is None else also(page, body)

    return handler, asked


@pytest.mark.parametrize(
    ("total", "told", "asked"),
    [
        (25, True, 3),  # the total ends it
        (30, True, 3),
        (25, False, 3),  # a short page ends it
        (30, False, 4),  # an empty page ends it
        (0, True, 1),
        (0, False, 1),
        (4, True, 1),
        (4, False, 2),  # a first page shorter than any other would be: only the next one tells
    ],
)
async def test_no_more_is_asked_than_is_needed_to_know_the_end(total, told, asked):
    handler, seen = numbered(total, 10, told=told)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=PageNumber())] == list(range(1, total + 1))
    assert sorted(seen) == list(range(1, asked + 1))


async def test_a_server_that_caps_the_size_loses_nothing():
    handler, _ = numbered(25, 10, told=False)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        by = PageNumber(size_param="per_page", size=1000)
        assert [n async for n in api.paginate("/n", by=by)] == list(range(1, 26))


async def test_short_pages_are_no_end_where_the_server_filters():
    sizes = {1: 3, 2: 1, 3: 3, 4: 0}
    handler, _ = numbered(99, 10, also=lambda page, body: reply(json={"items": body["items"][: sizes[page]]}))
    async with Client("https://h", transport=MockTransport(handler)) as api:
        by = PageNumber(size_param="per_page", size=10, short_ends=False)
        assert [n async for n in api.paginate("/n", by=by)] == [1, 2, 3, 11, 21, 22, 23]


async def test_an_empty_page_is_no_end_where_there_is_a_cursor():
    pages = {None: ([1], "a"), "a": ([], "b"), "b": ([2], None)}

    def handler(request):
        items, cursor = pages[request.url.query.get("cursor")]
        return reply(json={"items": items, "next_cursor": cursor})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=Cursor())] == [1, 2]


@pytest.mark.parametrize("total", [0, 3, True, -1, None, "many", {"n": 5}, 10.5])
async def test_a_total_that_makes_no_sense_is_none(total):
    handler, _ = numbered(25, 10, also=lambda page, body: reply(json={**body, "total": total}))
    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=PageNumber())] == list(range(1, 26))


async def test_a_list_that_grows_meanwhile_is_read_to_its_end():
    handler, _ = numbered(40, 10, also=lambda page, body: reply(json={**body, "total": 20 if page < 2 else 40}))
    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=PageNumber())] == list(range(1, 41))


async def test_a_list_that_shrinks_meanwhile_ends_at_the_empty_page():
    handler, _ = numbered(20, 10, also=lambda page, body: reply(json={**body, "total": 1000}))
    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=PageNumber())] == list(range(1, 21))


async def test_a_total_may_be_in_a_header_and_numbers_may_begin_at_zero():
    def handler(request):
        page = int(request.url.query["p"])
        return reply(json=list(range(page * 3, min(page * 3 + 3, 8))), headers={"X-Total-Count": "8"})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        by = PageNumber("p", start=0, total="header:X-Total-Count")
        assert [n async for n in api.paginate("/n", by=by)] == list(range(8))


def test_a_rate_limit_holds_for_each_page():
    async def scenario():
        clock = FakeClock()
        handler, _ = numbered(100, 10)
        limit = RateLimit(1, per=1.0)
        async with Client("https://h", transport=MockTransport(handler), rate=limit, clock=clock) as api:
            assert len([n async for n in api.paginate("/n", by=PageNumber())]) == 100
            return clock.now()

    assert run(scenario()) == pytest.approx(9.0)


def test_retries_are_for_each_page():
    async def scenario():
        clock = FakeClock()
        handler, _ = numbered(50, 10)
        failed = set()

        def flaky(request):
            page = request.url.query["page"]
            if page not in failed:
                failed.add(page)
                return reply(503)
            return handler(request)

        async with Client("https://h", transport=MockTransport(flaky), clock=clock) as api:
            assert [n async for n in api.paginate("/n", by=PageNumber())] == list(range(1, 51))
            assert api.stats.retries == 5

    run(scenario())


# --- what goes wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_a_failure_names_its_page_and_where_to_go_on_from(concurrency):
    broken = {4}

    def also(page, body):
        return reply(404) if page in broken else reply(json={**body, "total": 100})

    handler, _ = numbered(100, 10, also=also)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=PageNumber(), concurrency=concurrency)
        seen = []
        with pytest.raises(NotFound) as caught:
            await into(seen, pages)
        assert seen == list(range(1, 31)), "all pages before it were handed over"
        assert caught.value.position == pages.position == {"page": 4, "size": 10}
        assert "page 4 of this run" in caught.value.__notes__[0]
        assert "page=4" in str(caught.value)
        broken.clear()
        rest = [item async for item in api.paginate("/n", by=PageNumber(), start=caught.value.position)]
        assert seen + rest == list(range(1, 101))


async def test_the_last_items_id_may_be_the_cursor():
    def handler(request):
        after = int(request.url.query.get("starting_after", 0))
        data = [{"id": n, "name": "x"} for n in range(after + 1, min(after + 3, 8))]
        return reply(json={"data": data, "has_more": after + 2 < 7})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        by = Cursor("starting_after", at="data.-1.id", more="has_more")
        assert [item.id async for item in api.paginate("/n", by=by, model=Item)] == [1, 2, 3, 4, 5, 6, 7]
        assert [item["id"] async for item in api.paginate("/n", by=by)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("length", [1, 2, 5, 300, 1000])
async def test_a_cursor_that_loops_raises(length):
    asked = 0

    def handler(request):
        nonlocal asked
        asked += 1
        before = int(request.url.query.get("cursor", 0))
        return reply(json={"items": [before], "next_cursor": str(before % length + 1)})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        seen = []
        with pytest.raises(RejectedError, match="loop") as caught:
            await into(seen, api.paginate("/n", by=Cursor()))
    assert seen[: length + 1] == list(range(length + 1))
    assert asked <= (length + 1 if length <= 256 else 3 * length + 3)
    assert caught.value.position["cursor"] in map(str, range(length + 1))


async def test_a_url_that_loops_raises():
    def handler(request):
        return reply(json=[1], headers={"Link": '</n?page=2>; rel="next"'})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        seen = []
        with pytest.raises(RejectedError, match=r"loop.*page=2"):
            await into(seen, api.paginate("/n", by=LinkHeader()))
    assert seen == [1, 1]


@pytest.mark.parametrize("first", ["-1", "0", "first"])
async def test_a_cursor_back_to_the_first_page_brings_no_item_twice(first):
    def handler(request):
        second = request.url.query["cursor"] == "b"
        return reply(json={"items": [2 if second else 1], "next_cursor": first if second else "b"})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        seen = []
        with pytest.raises(RejectedError, match="loop"):
            await into(seen, api.paginate("/n", by=Cursor(first=first, end="")))
    assert seen == [1, 2]


async def test_a_url_back_to_the_first_page_brings_no_item_twice():
    def handler(request):
        second = request.url.query.get("page") == "2"
        return reply(json={"items": [2 if second else 1], "next": "/n?a=1&key=k" if second else "/n?a=1&key=k&page=2"})

    async with Client("https://h", transport=MockTransport(handler), params={"key": "k"}) as api:
        seen = []
        with pytest.raises(RejectedError, match="loop"):
            await into(seen, api.paginate("/n?a=1", by=NextUrl()))
    assert seen == [1, 2]


async def test_an_empty_page_whose_url_is_its_own_is_the_end():
    def handler(request):
        second = request.url.query.get("page") == "2"
        return reply(json={"items": [] if second else [1], "next": "/n?key=k&page=2"})

    async with Client("https://h", transport=MockTransport(handler), params={"key": "k"}) as api:
        assert [n async for n in api.paginate("/n", by=NextUrl())] == [1]


@pytest.mark.parametrize("cursor", [True, ["a"], {"a": 1}, 1.5])
async def test_a_cursor_that_is_none_raises(cursor):
    answer = {"items": [1], "next_cursor": cursor}
    async with Client("https://h", transport=MockTransport(lambda _: reply(json=answer))) as api:
        with pytest.raises(DecodeError, match="the next cursor is"):
            await anext(aiter(api.paginate("/n", by=Cursor())))


@pytest.mark.parametrize("url", [5, "http://[", "https://h:port/"])
async def test_a_next_url_that_is_none_raises(url):
    async with Client("https://h", transport=MockTransport(lambda _: reply(json={"items": [1], "next": url}))) as api:
        with pytest.raises(DecodeError, match="the next URL is"):
            await anext(aiter(api.paginate("/n", by=NextUrl())))


# --- where it leads ---------------------------------------------------------------------------------------------

ELSEWHERE = ["https://evil.example/n", "http://h/n", "https://h:8443/n", "//evil.example/n", "https://h.evil.example/n",
             "https://h@evil.example/n", "file:///etc/passwd", "HTTPS://EVIL.example/n"]  # fmt: skip


@pytest.mark.parametrize("url", ELSEWHERE)
@pytest.mark.parametrize("way", ["link", "body", "function", "saved"])
async def test_a_foreign_origin_is_not_asked(url, way):
    """The client's headers and credentials would go with it."""
    asked = []

    def handler(request):
        asked.append(request)
        return reply(json={"items": [1], "next": url}, headers={"Link": f"<{url}>; rel=next"})

    by = {"link": LinkHeader(), "body": NextUrl(), "function": lambda page: page.data["next"], "saved": NextUrl()}[way]
    async with Client("https://h", headers={"X-Key": "s3cret"}, transport=MockTransport(handler)) as api:
        if way == "saved" and url.startswith("//"):
            return
        start = {"url": url} if way == "saved" else None
        with pytest.raises(RejectedError, match="not on https://h: not requested") as caught:
            await into([], api.paginate("/n", by=by, start=start))
    assert len(asked) == (way != "saved")
    assert "allow_origins" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://h/v2/n?page=2", "https://H:443/v2/n?page=2", "/v2/n?page=2", "n?page=2", "?page=2", "//h/v2/n?page=2"],
)
async def test_the_lists_own_origin_is_asked_however_it_is_written(url):
    asked = []

    def handler(request):
        asked.append(str(request.url))
        return reply(json={"items": [len(asked)], "next": url if len(asked) == 1 else None})

    async with Client("https://h/v2", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=NextUrl())] == [1, 2]
    assert asked == ["https://h/v2/n", "https://h/v2/n?page=2"]


async def test_an_origin_that_is_allowed_is_asked():
    following = {"h": "https://other.example/2", "other.example": None}

    def handler(request):
        return reply(json={"items": [request.url.host], "next": following[request.url.host]})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=NextUrl(), allow_origins=["https://other.example"])
        hosts = [host async for host in pages]
    assert hosts == ["h", "other.example"]


async def test_what_the_client_adds_to_urls_does_not_double_and_is_not_saved():
    """Servers repeat the query in the next URL; the client adds its own parameters to every URL."""
    asked = []

    def handler(request):
        asked.append(str(request.url))
        following = request.url.update_query(page=len(asked) + 1)
        return reply(json={"items": [len(asked)], "next": str(following) if len(asked) < 4 else None})

    own = {"api_key": "k1", "v": "2"}
    async with Client("https://h/v2", params=own, transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=NextUrl(), params={"q": "a b+c&d", "v": "3"})
        positions = [pages.position async for _ in pages.pages()]
    assert [url.count("api_key") for url in asked] == [1, 1, 1, 1]
    assert [url.count("v=2") for url in asked] == [1, 1, 1, 1]
    assert [url.count("v=3") for url in asked] == [1, 1, 1, 1]
    assert "k1" not in json.dumps(positions)
    assert all("q=a+b%2Bc%26d" in url or "q=a%20b%2Bc%26d" in url for url in asked), asked


async def test_user_info_stays_with_the_list_and_out_of_positions():
    asked = []

    def handler(request):
        asked.append(request.url)
        return reply(json={"items": [1], "next": "https://h/n?page=2" if len(asked) == 1 else None})

    async with Client("https://me:pw@h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=NextUrl())
        positions = [pages.position async for _ in pages.pages()]
    assert [url.password for url in asked] == ["pw", "pw"]
    assert "pw" not in json.dumps(positions)


async def test_the_cursor_takes_the_place_of_one_in_the_url():
    asked = []

    def handler(request):
        asked.append(str(request.url))
        return reply(json={"items": [1], "next_cursor": "b/+ &" if len(asked) == 1 else None})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("n?cursor=a&size=2", by=Cursor(), params={"q": [1, 2]})] == [1, 1]
    assert asked[0] == "https://h/n?cursor=a&size=2&q=1&q=2"
    assert asked[1].startswith("https://h/n?")
    assert asked[1].count("cursor=") == 1
    assert "cursor=b/%2B+%26" in asked[1]
    assert "size=2&q=1&q=2" in asked[1].replace("cursor=b/%2B+%26&", "")


# --- ends -------------------------------------------------------------------------------------------------------


async def test_max_pages_ends_it_and_says_so(caplog):
    handler, asked = numbered(100, 10)
    with caplog.at_level(logging.WARNING, "asyncapi"):
        async with Client("https://h", transport=MockTransport(handler)) as api:
            pages = api.paginate("/n", by=PageNumber(), max_pages=3)
            assert [n async for n in pages] == list(range(1, 31))
            assert pages.stopped == "3 pages (max_pages)"
            assert pages.position == {"page": 4, "size": 10}
    assert sorted(asked) == [1, 2, 3]
    assert "max_pages" in caplog.text


async def test_max_pages_is_no_event_where_the_list_ends_there():
    handler, _ = numbered(30, 10)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=PageNumber(), max_pages=3)
        assert len([n async for n in pages]) == 30
        assert pages.stopped is None


async def test_a_server_that_does_not_know_the_number_is_told_of(caplog):
    async with Client("https://h", transport=MockTransport(lambda _: reply(json=[1, 2]))) as api:
        assert [item async for item in api.paginate("/n", by=PageNumber("pgae"), max_pages=4)] == [1, 2] * 4
    said = [record.getMessage() for record in caplog.records if "the same page as for" in record.getMessage()]
    assert len(said) == 1
    assert "pgae=2" in said[0]


async def test_pages_that_differ_are_told_of_to_nobody(caplog):
    handler, _ = numbered(30, 10)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert len([item async for item in api.paginate("/n", by=PageNumber())]) == 30
    assert caplog.records == []


async def left_by(how, pages):
    if how == "break":
        async for _ in pages:
            break
    elif how == "raise":
        try:
            async for _ in pages:
                raise KeyError
        except KeyError:
            pass
    elif how == "break in a block":
        async with pages:
            async for _ in pages.pages():
                break
    elif how == "cancel":

        async def consume():
            async for _ in pages:
                await asyncio.sleep(3600)

        task = asyncio.create_task(consume())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    elif how == "cancel while waiting":

        async def consume():
            async for _ in pages:
                pass

        task = asyncio.create_task(consume())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        iterator = aiter(pages)
        await anext(iterator)
        await iterator.aclose()


@pytest.mark.parametrize("how", ["break", "raise", "break in a block", "cancel", "cancel while waiting", "aclose"])
@pytest.mark.parametrize("told", [True, False])
async def test_leaving_early_leaves_nothing_behind(how, told):
    handler, _ = numbered(1000, 10, told=told)
    gate = Gate(handler)
    before = asyncio.all_tasks()
    async with Client("https://h", transport=MockTransport(gate)) as api:
        pages = api.paginate("/n", by=PageNumber(), prefetch=2)
        await left_by(how, pages)
        await settle()
        assert gate.waiting == 0
        assert asyncio.all_tasks() == before
        assert api.stats.in_flight == 0
        assert pages.position == (
            {"page": 2, "size": 10} if "block" in how or "waiting" in how else {"page": None, "skip": 1}
        )


async def test_a_loop_after_a_break_goes_on_at_once():
    handler, _ = numbered(30, 10)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=PageNumber())
        seen = []
        async for item in pages:
            seen.append(item)
            if item == 5:
                break
        async for item in pages:
            seen.append(item)
        assert seen == list(range(1, 31))
        assert [item async for item in pages] == []


async def test_two_loops_at_a_time_are_refused():
    handler, _ = numbered(1000, 10)
    gate = Gate(handler)
    async with Client("https://h", transport=MockTransport(gate)) as api:
        pages = api.paginate("/n", by=PageNumber())

        async def consume():
            return [item async for item in pages]

        first = asyncio.create_task(consume())
        await settle()
        with pytest.raises(ConfigError, match="two loops"):
            await consume()
        first.cancel()
        await asyncio.wait([first])


async def test_a_loop_that_another_one_has_ended_says_so():
    handler, _ = numbered(30, 10)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=PageNumber())
        older = aiter(pages.pages())
        await anext(older)
        newer = aiter(pages.pages())
        assert (await anext(newer)).items[0] == 11
        with pytest.raises(ConfigError, match="has ended"):
            await anext(older)
        await newer.aclose()


LAST = 100_000


def cursors(request):
    cursor = int(request.url.query.get("cursor", 0)) + 1
    return reply(json={"items": [1, 2], "next_cursor": str(cursor) if cursor < LAST else None})


def numbers_with_a_total(_):
    return reply(json={"items": [1, 2], "total": 2 * LAST})


def next_links(request):
    page = int(request.url.query.get("at", 1)) + 1
    return reply(json=[1, 2], headers={"Link": f'</n?at={page}>; rel="next"'} if page <= LAST else {})


@pytest.mark.parametrize(
    ("by", "handler"),
    [(Cursor(), cursors), (PageNumber(), numbers_with_a_total), (LinkHeader(), next_links)],
    ids=["cursors", "numbers, side by side", "links"],
)
@pytest.mark.parametrize("last", [10_000, pytest.param(100_000, marks=pytest.mark.soak)])
async def test_memory_does_not_grow_over_a_hundred_thousand_pages(by, handler, last, monkeypatch):
    """Counted all the way, and measured in bytes, with the peak, over the last thousand of them."""
    monkeypatch.setitem(globals(), "LAST", last)
    client = Client("https://h", transport=MockTransport(handler), concurrency=None, retry=None)
    async with client as api:
        pages, blocks = api.paginate("/n", by=by, max_pages=None), []
        async for page in pages.pages():
            if page.number in {1_000, LAST - 1_000}:
                gc.collect()
                blocks.append(sys.getallocatedblocks())
            if page.number == LAST - 1_000:
                tracemalloc.start()
        held, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert page.number == LAST
    assert pages.position == {"end": True}
    assert blocks[1] - blocks[0] < 2_000, "blocks of memory more after all these pages"
    assert held < 400_000, "bytes held of the last thousand pages"
    assert most < 800_000, "bytes at the most"


def lists(total, size, fail):
    """(way, server) of every kind of list; `fail()` says whether the server does."""

    def counted(key, told):
        def handler(request):
            number = int(request.url.query.get(key, 1 if key == "page" else 0))
            return page(number if key == "offset" else (number - 1) * size, {"total": total} if told else {})

        return handler

    def page(first, more, headers=None):
        if fail():
            return reply(500)
        return reply(json={"items": list(range(first, min(first + size, total))), **more}, headers=headers)

    def marked(said):
        def handler(request):
            first = int(request.url.query.get("at", 0))
            following = first + size if first + size < total else None
            link = {"Link": f'<?at={following}>; rel="next"'} if following is not None else {}
            return page(first, {"next": said(following)}, link)

        return handler

    at, relative = marked(lambda n: n), marked(lambda n: None if n is None else f"?at={n}")
    return [
        (PageNumber(), counted("page", told=True)),
        (PageNumber(), counted("page", told=False)),
        (Offset(), counted("offset", told=True)),
        (Offset(size=size), counted("offset", told=False)),
        (Offset(size=size, short_ends=False), counted("offset", told=False)),
        (Cursor("at", at="next"), at),
        (LinkHeader(), at),
        (NextUrl(), relative),
        (lambda found: found.data["next"], relative),
        (lambda found: found.data["next"] and {"at": found.data["next"]}, at),
    ]


@pytest.mark.parametrize("kind", range(10))
async def test_no_item_is_lost_or_twice_when_left_failed_and_resumed_at_random(kind):
    """Resumed from text that was saved."""
    for seed in range(25):
        draw = random.Random(seed)
        total, size = draw.randrange(40), draw.randrange(1, 9)
        by, handler = lists(total, size, lambda: draw.random() < 0.25)[kind]  # noqa: B023 - called within the round
        seen, saved = [], "null"
        async with Client("https://h", transport=MockTransport(handler), retry=None) as api:
            while saved != '{"end": true}':
                ahead = {"prefetch": draw.randrange(4), "concurrency": draw.randrange(1, 5)}
                pages = api.paginate("/n", by=by, start=json.loads(saved), **ahead)
                try:
                    if draw.random() < 0.3:
                        async for one in pages.pages():
                            seen += one.items
                            if draw.random() < 0.2:
                                break
                    else:
                        async for item in pages:
                            seen.append(item)
                            if draw.random() < 0.1:
                                break
                    saved = json.dumps(pages.position)
                except ServerError as error:
                    saved = json.dumps(draw.choice([error, pages]).position)
        assert seen == list(range(total)), (seed, total, size)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"by": PageNumber}, r"by=PageNumber: give PageNumber\(\)"),
        ({"by": "page"}, "by='page'"),
        ({"by": None}, "by=None"),
        ({"by": Cursor(), "prefetch": -1}, "prefetch=-1"),
        ({"by": Cursor(), "concurrency": 0}, "concurrency=0"),
        ({"by": Cursor(), "max_pages": 0}, "max_pages=0"),
        ({"by": Cursor(), "items": "a..b"}, "a..b"),
        ({"by": Cursor(), "items": ".a"}, "'.a'"),
        ({"by": Cursor(), "model": object()}, "not a type that pydantic can validate"),
        ({"by": Cursor(), "start": {"page": 2}}, "not a position of these pages"),
        ({"by": Cursor(), "start": "abc"}, "start='abc'"),
        ({"by": Cursor(), "start": {"cursor": ["a"]}}, "is not a valid cursor"),
        ({"by": PageNumber(), "start": {"page": "2"}}, "is not a valid page"),
        ({"by": PageNumber(), "start": {"page": 2, "skip": -1}}, "not a position of these pages"),
        ({"by": PageNumber(), "start": {"page": 2, "size": 0}}, "not a position of these pages"),
        ({"by": PageNumber(size_param="n")}, "give size="),
        ({"by": NextUrl(), "allow_origins": "https://x"}, "give a list"),
        ({"by": NextUrl(), "allow_origins": ["x.example"]}, "is not an origin"),
        ({"by": NextUrl(), "allow_origins": ["https://x/path"]}, "is not an origin"),
        ({"by": NextUrl(), "headers": {"a b": "c"}}, "header name"),
        ({"by": NextUrl(), "params": "a=b"}, "params="),
    ],
)
async def test_wrong_use_is_told_before_anything_is_asked(settings, said):
    transport = MockTransport(lambda _: reply(json=[]))
    async with Client("https://h", transport=transport) as api:
        with pytest.raises(ConfigError, match=said):
            api.paginate("/n", **settings)
    assert transport.requests == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: PageNumber(total="a..b"), lambda: PageNumber(start=-1), lambda: PageNumber(""), lambda: Offset(size=0),
        lambda: Cursor(at=""), lambda: LinkHeader(""), lambda: NextUrl("header:"), lambda: Cursor(first=5),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_told(make):
    with pytest.raises(ConfigError):
        make()


async def test_a_coroutine_function_is_no_way():
    async def following(page):
        return None

    async with Client("https://h", transport=MockTransport(lambda _: reply(json=[]))) as api:
        with pytest.raises(ConfigError, match="a plain function"):
            api.paginate("/n", by=following)


async def test_what_a_function_raises_is_raised_with_the_page():
    async with Client("https://h", transport=MockTransport(lambda _: reply(json=[1]))) as api:
        with pytest.raises(KeyError) as caught:
            await anext(aiter(api.paginate("/n", by=lambda page: {}[page.number])))
    assert "page 1 of this run" in caught.value.__notes__[0]


async def test_errors_raise_even_where_the_client_returns_them():
    client = Client("https://h", transport=MockTransport(lambda _: reply(500)), raise_for_status=False, retry=None)
    async with client as api:
        with pytest.raises(ServerError):
            await anext(aiter(api.paginate("/n", by=PageNumber())))


async def test_headers_route_and_settings_go_with_every_page():
    asked = []

    def handler(request):
        asked.append(
            (request.headers["X-Team"], request.route, request.call.settings.tenant, request.call.settings.priority)
        )
        return reply(json={"items": [1], "next_cursor": len(asked) if len(asked) < 3 else None})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate(
            "/n/7", by=Cursor(), headers=iter([("X-Team", "a")]), route="/n/{id}", tenant="t", priority=3
        )
        assert len([n async for n in pages]) == 3
    assert asked == [("a", "/n/{id}", "t", 3)] * 3


async def test_a_failure_keeps_its_position_when_it_is_pickled():
    import pickle

    async with Client("https://h", transport=MockTransport(lambda _: reply(404))) as api:
        with pytest.raises(AsyncAPIError) as caught:
            await anext(aiter(api.paginate("/n", by=PageNumber(), start={"page": 3})))
    assert pickle.loads(pickle.dumps(caught.value)).position == {"page": 3}


class Search(BaseModel):
    q: str


@pytest.mark.parametrize("body", [{"q": "a"}, Search(q="a"), {}])
def test_a_list_with_a_body_is_asked_for_by_post_and_its_cursor_is_in_the_body(body):
    seen = []

    async def answer(request):
        seen.append((request.method, str(request.url), json.loads(request.content)))
        return reply(json={"items": [len(seen)], "next_cursor": "n" if len(seen) == 1 else None})

    async def read():
        async with Client("https://x.test", transport=MockTransport(answer)) as api:
            return [item async for item in api.paginate("/search", by=Cursor(), json=body, params={"team": 1})]

    asked = {} if body == {} else {"q": "a"}
    url = "https://x.test/search?team=1"
    assert run(read()) == [1, 2]
    assert seen == [("POST", url, asked), ("POST", url, {**asked, "cursor": "n"})]


def test_a_page_by_post_is_resent_like_a_get():
    seen = []

    async def answer(request):
        seen.append(request.method)
        return reply(503) if len(seen) == 1 else reply(json={"items": [1], "total": 1})

    async def read():
        async with Client("https://x.test", transport=MockTransport(answer)) as api:
            return [item async for item in api.paginate("/search", by=PageNumber(), json={})]

    assert run(read()) == [1]
    assert seen == ["POST", "POST"]


def test_a_list_with_a_body_that_is_no_object_is_refused():
    with pytest.raises(ConfigError, match="is an object"):
        Client("https://x.test").paginate("/search", by=PageNumber(), json=[1])
