"""The other paths that the documentation's samples ask for."""

from __future__ import annotations

import json

import aiohttp
import pytest

ALL = bytes(range(250)) * 400


async def test_orders_come_in_pages_of_three(http):
    ids, page = [], 1
    while page:
        data = await (await http.get(f"/orders?page={page}")).json()
        ids.append([each["id"] for each in data["items"]])
        page = page + 1 if data["next"] else 0
    assert ids == [[1, 2, 3], [4, 5, 6], [7, 8]]


async def test_rows_are_fifty_json_lines(http):
    answer = await http.get("/rows")
    assert answer.content_type == "application/x-ndjson"
    assert [json.loads(line)["id"] async for line in answer.content] == list(range(1, 51))


async def test_prices_are_events_that_go_on_behind_the_last_one(http):
    text = await (await http.get("/prices?events=2&pause=0")).text()
    assert text == 'retry: 100\n\nid: 101\ndata: {"cents": 101}\n\nid: 102\ndata: {"cents": 102}\n\n'
    more = await (await http.get("/prices?events=1&pause=0", headers={"Last-Event-ID": "102"})).text()
    assert "id: 103" in more


@pytest.mark.parametrize("last", ["x", "-1", "9" * 40])
async def test_a_last_event_id_that_the_server_never_gave_gets_400(http, last):
    answer = await http.get("/prices", headers={"Last-Event-ID": last})
    assert answer.status == 400


async def test_a_chat_repeats_the_prompt_word_by_word(http):
    answer = await http.post("/chat?pause=0", json={"prompt": 'Say "hi"'})
    assert answer.content_type == "text/event-stream"
    data = [event.removeprefix("data: ") for event in (await answer.text()).strip().split("\n\n")]
    assert data.pop() == "[DONE]"
    assert "".join(json.loads(each)["text"] for each in data) == 'You said: Say "hi"'


@pytest.mark.parametrize("body", [{}, {"prompt": 1}, []])
async def test_a_chat_without_a_prompt_gets_400(http, body):
    assert (await http.post("/chat", json=body)).status == 400


async def test_http_1_0_has_no_chunks_and_is_told_so(server):
    async with aiohttp.ClientSession(server.url, version=aiohttp.HttpVersion10) as old:
        assert (await old.get("/prices")).status == 505


async def test_the_export_is_whole_and_has_an_etag(http):
    answer = await http.get("/export")
    assert (answer.status, await answer.read()) == (200, ALL)
    assert answer.headers["ETag"] == '"export-1"'


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=99990-", slice(99_990, None)), ("bytes=-5", slice(-5, None))],
)
async def test_a_part_of_the_export_says_which_it_is(http, wanted, part):
    answer = await http.get("/export", headers={"Range": wanted, "If-Range": '"export-1"'})
    start, stop, _ = part.indices(len(ALL))
    assert (answer.status, await answer.read()) == (206, ALL[part])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(ALL)}"


@pytest.mark.parametrize("headers", [{"Range": "lines=1-2"}, {"Range": "bytes=0-9", "If-Range": '"other"'}])
async def test_a_range_that_does_not_hold_gets_the_whole(http, headers):
    answer = await http.get("/export", headers=headers)
    assert (answer.status, len(await answer.read())) == (200, len(ALL))


async def test_a_range_behind_the_end_gets_416(http):
    answer = await http.get("/export", headers={"Range": "bytes=100000-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */100000")


async def test_a_photo_is_a_form_with_a_file(http):
    form = aiohttp.FormData({"title": "The sea"})
    form.add_field("photo", b"...", filename="sea.jpg")
    answer = await http.post("/photos", data=form)
    assert answer.status == 201
    files = [{"name": "photo", "filename": "sea.jpg", "length": 3}]
    assert await answer.json() == {"id": 1, "title": "The sea", "files": files}


async def test_a_login_wants_a_form_with_both_fields(http):
    assert (await http.post("/login", data={"name": "ada", "password": "x"})).status == 200
    assert (await http.post("/login", data={"name": "ada"})).status == 400
    assert (await http.post("/login", json={"name": "ada", "password": "x"})).status == 415
