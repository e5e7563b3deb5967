"""Lists that come in pages are recognised, and read to their end."""

from __future__ import annotations

import re

import pytest

from asyncapi.openapi.generating import generate
from asyncapi.testing import reply, run
from written_clients import Wire, one, ref, returns, written

INTEGER, TEXT, FLAG = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
ROW = {"type": "object", "properties": {"id": TEXT}}
ROWS = {"type": "array", "items": ref("Row")}
LINK = {"headers": {"Link": {"schema": TEXT}}}


def listed(schema, *names, **more):
    params = [{"name": name, "in": "query", "schema": kind} for name, kind in names]
    return one(parameters=params, responses=returns(schema, **more), schemas={"Row": ROW})


def shape(**properties):
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "names", "more", "by", "items"),
    [
        (ROWS, [("page", INTEGER)], {}, "PageNumber()", None),
        (shape(items=ROWS, total=INTEGER), [("page", INTEGER), ("perPage", INTEGER)], {}, "PageNumber()", "items"),
        (shape(data=ROWS, meta=shape(totalPages=INTEGER)), [("pageNumber", {**INTEGER, "default": 0})], {}, 'PageNumber("pageNumber", start=0, pages="meta.totalPages")', "data"),
        (shape(results=ROWS, total_count=INTEGER), [("offset", INTEGER), ("limit", INTEGER)], {}, 'Offset(total="total_count")', "results"),
        (shape(items=ROWS), [("skip", INTEGER), ("limit", INTEGER)], {}, 'Offset("skip")', "items"),
        (shape(data=ROWS, nextPageToken=TEXT), [("pageToken", TEXT)], {}, 'Cursor("pageToken", at="nextPageToken")', "data"),
        (shape(data=ROWS, next_cursor={"type": ["string", "null"]}), [("cursor", TEXT)], {}, "Cursor()", "data"),
        (shape(data=ROWS, has_more=FLAG), [("starting_after", TEXT), ("limit", INTEGER)], {}, 'Cursor("starting_after", at="data.-1.id", more="has_more")', "data"),
        (shape(items=ROWS, metadata=shape(**{"continue": TEXT})), [("continue", TEXT)], {}, 'Cursor("continue", at="metadata.continue")', "items"),
        (ROWS, [("page", INTEGER), ("per_page", INTEGER)], LINK, "LinkHeader()", None),
        (shape(results=ROWS, next={**TEXT, "format": "uri"}, count=INTEGER), [("offset", INTEGER), ("limit", INTEGER)], {}, "NextUrl()", "results"),
        (shape(value=ROWS, **{"@odata.nextLink": TEXT}), [], {}, 'lambda page: page.data.get("@odata.nextLink")', "value"),
        (shape(data=ROWS, _links=shape(next=shape(href=TEXT))), [], {}, 'NextUrl("_links.next")', "data"),
        ({"$ref": "#/components/schemas/Row"}, [("page", INTEGER)], {}, None, None),
        (shape(items=ROWS), [("limit", INTEGER)], {}, None, None),
        (ROWS, [], {}, None, None),
    ],
)  # fmt: skip
def test_pages_are_recognised(schema, names, more, by, items):
    source = generate(listed(schema, *names, **more))
    found = re.search(r"@get\((.*?)\)\n    (async )?def", source, re.DOTALL)
    said = " ".join(found[1].split())
    if by is None:
        assert "by=" not in said
        assert found[2]
        return
    assert f"by={by}" in said
    assert (f'items="{items}"' in said) == (items is not None)
    assert "-> Pages[Row]:" in source


def test_the_iteration_sets_the_page_and_the_caller_the_size():
    made = written(listed(shape(items=ROWS), ("page", INTEGER), ("perPage", INTEGER)))
    wire = Wire(
        reply(json={"items": [{"id": "1"}, {"id": "2"}]}),
        reply(json={"items": [{"id": "3"}]}),
        reply(json={"items": []}),
    )

    async def main():
        async with made.Shop(wire.client()) as shop:
            return [row.id async for row in shop.call(per_page=2)]

    assert run(main()) == ["1", "2", "3"]
    assert [dict(one.url.query) for one in wire.requests][:2] == [
        {"page": "1", "perPage": "2"},
        {"page": "2", "perPage": "2"},
    ]


def test_a_cursor_is_followed():
    made = written(listed(shape(data=ROWS, nextPageToken=TEXT), ("pageToken", TEXT)))
    wire = Wire(reply(json={"data": [{"id": "1"}], "nextPageToken": "t"}), reply(json={"data": [{"id": "2"}]}))

    async def main():
        async with made.Shop(wire.client()) as shop:
            return [row.id async for row in shop.call()]

    assert run(main()) == ["1", "2"]
    assert wire.last.url.query["pageToken"] == "t"


def searched(fields, response):
    query = shape(**dict(fields))
    return one(
        "post", schemas={"Row": ROW, "Search": query}, responses=returns(response),
        requestBody={"required": True, "content": {"application/json": {"schema": ref("Search")}}},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "response", "by"),
    [
        ([("start_cursor", TEXT)], shape(results=ROWS, next_cursor=TEXT, has_more=FLAG), 'Cursor("start_cursor", at="next_cursor", more="has_more")'),
        ([("page", INTEGER), ("pageSize", INTEGER)], shape(items=ROWS, total=INTEGER), "PageNumber()"),
        ([("offset", INTEGER), ("limit", INTEGER)], shape(items=ROWS, total=INTEGER), "Offset()"),
        ([("offset", INTEGER), ("limit", INTEGER)], shape(result=ROWS), None),
        ([("token", TEXT)], shape(items=ROWS, data=shape(token=TEXT)), None),
        ([("page", INTEGER)], shape(items=ROWS), None), ([("offset", INTEGER), ("limit", INTEGER)], ROWS, None),
        ([("name", TEXT)], shape(items=ROWS, next_cursor=TEXT), None),
    ],
)  # fmt: skip
def test_a_search_by_post_has_its_pages_in_the_body(fields, response, by):
    found = re.search(r"by=(.+?)(?:, items|,\n)", generate(searched(fields, response)))
    assert (found and found[1]) == by


def test_a_search_by_post_is_read_to_its_end():
    made = written(searched([("start_cursor", TEXT), ("q", TEXT)], shape(results=ROWS, next_cursor=TEXT)))
    wire = Wire(reply(json={"results": [{"id": "1"}], "next_cursor": "n"}), reply(json={"results": [{"id": "2"}]}))

    async def read():
        async with made.Shop(wire.client()) as shop:
            return [row.id async for row in shop.call(made.Search(q="a"))]

    assert run(read()) == ["1", "2"]
    assert wire.bodies == [b'{"q":"a"}', b'{"q":"a","start_cursor":"n"}']


def test_a_text_is_no_number_of_a_page():
    made = listed(shape(items=ROWS, next_cursor=TEXT), ("page", INTEGER), ("limit", INTEGER))
    assert "by=PageNumber()" in generate(made)
