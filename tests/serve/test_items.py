"""Rows and pages."""

from __future__ import annotations

import re

import pytest
from yarl import URL

ALL = list(range(1, 46))


async def test_a_row_is_typed_and_always_the_same(http):
    first = await (await http.get("/items/7")).read()
    answer = await http.get("/items/7")
    assert await answer.read() == first
    assert answer.content_type == "application/json"
    row = await answer.json()
    assert (row["id"], row["name"], row["price"]) == (7, "item 7", 7.07)
    assert all(isinstance(tag, str) for tag in row["tags"])
    assert 90 <= len(first) <= 150


@pytest.mark.parametrize("name", ["x", "-1", "1.5", "9" * 40, "٣", "1/2"])
async def test_an_id_that_is_no_whole_number_gets_400_and_the_reason(http, name):
    answer = await http.get(f"/items/{name}")
    assert answer.status == 400
    assert "an item's id is a whole number" in (await answer.json())["error"]


async def test_numbered_pages_give_every_row_once_and_the_total(http):
    ids, page = [], 1
    while True:
        data = await (await http.get(f"/items?total=45&per_page=10&page={page}")).json()
        ids += [row["id"] for row in data["items"]]
        assert (data["total"], data["pages"], data["page"]) == (45, 5, page)
        page += 1
        if data["next"] is None:
            break
    assert ids == ALL


async def test_link_headers_lead_through_every_page_and_keep_the_other_parameters(http):
    ids, url = [], "/items?total=45&per_page=20&q=a%26b"
    while url:
        answer = await http.get(url)
        ids += [row["id"] for row in (await answer.json())["items"]]
        links = {rel: URL(link) for link, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["Link"])}
        assert links["first"].query["q"] == "a&b"
        assert links["last"].query["page"] == "3"
        url = links.get("next")
    assert ids == ALL
    assert "prev" in links


async def test_cursors_lead_through_every_row_once(http):
    ids, cursor = [], ""
    while cursor is not None:
        data = await (await http.get("/items", params={"cursor": cursor, "per_page": 7, "total": 45})).json()
        ids += [row["id"] for row in data["items"]]
        cursor = data["next_cursor"]
        assert (data["next"] is None) == (cursor is None)
    assert ids == ALL


async def test_offset_and_limit_cut_a_slice(http):
    data = await (await http.get("/items?offset=40&limit=10&total=45")).json()
    assert ([row["id"] for row in data["items"]], data["total"]) == ([41, 42, 43, 44, 45], 45)


async def test_past_the_end_there_are_no_rows(http):
    assert (await (await http.get("/items?page=99")).json())["items"] == []
    assert (await (await http.get("/items?offset=5000")).json())["items"] == []
    assert (await (await http.get("/items?total=0")).json())["next"] is None


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "per_page=0", "per_page=100000", "limit=-1", "cursor=!!", "cursor=YWJj", "total=-1"]
)
async def test_a_bad_page_gets_400_and_the_reason(http, query):
    answer = await http.get(f"/items?{query}")
    assert answer.status == 400
    assert (await answer.json())["error"]


async def test_rows_are_read_only(http):
    answer = await http.post("/items/7")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
