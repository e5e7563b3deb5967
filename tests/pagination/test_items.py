"""The items of a page: found in the response, read as models, and told from an error."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, Strict

from asyncapi import (
    Client,
    Cursor,
    DecodeError,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    SchemaError,
)
from asyncapi.testing import MockTransport, reply


class Item(BaseModel):
    id: int
    name: str


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


async def test_an_answer_that_does_not_fit_says_where_and_on_which_page():
    def also(page, body):
        return reply(json={"data": {"items": [{"id": 1, "name": "a"}, {"id": "x" if page == 2 else 2, "name": "b"}]}})

    handler, _ = numbered(100, 10, also=also)
    async with Client("https://h", transport=MockTransport(handler)) as api:
        with pytest.raises(SchemaError, match=r"a page of Item: .* at data\.items\.1\.id") as caught:
            await anext(aiter(api.paginate("/n", by=PageNumber(), items="data.items", model=Item, start={"page": 2})))
        assert caught.value.position == {"page": 2}
        assert b'"x"' in caught.value.body
        assert caught.value.request is not None


@pytest.mark.parametrize(
    ("items", "body", "said"),
    [
        ("data.items", {"data": {"rows": []}}, "data.items"),
        ("items", {"items": {"a": 1}}, "valid array"),
        ("", {"items": []}, "valid array"),
        (None, {"rows": []}, r"no list of items found in the response \('rows'\)"),
        (None, 5, "a int"),
        ("items", "<html>", "isn't valid JSON"),
    ],
)
async def test_a_place_without_items_is_an_error_that_says_so(items, body, said):
    def handler(request):
        return reply(content=body.encode()) if body == "<html>" else reply(json=body)

    async with Client("https://h", transport=MockTransport(handler)) as api:
        with pytest.raises(DecodeError, match=said):
            await anext(aiter(api.paginate("/n", by=LinkHeader(), items=items)))


@pytest.mark.parametrize(
    ("items", "body"),
    [
        ("", [1, 2]),
        (None, [1, 2]),
        (None, {"results": [1, 2], "data": None}),
        ("data.items", {"data": {"items": [1, 2]}}),
        ("a?", {"a": [1, 2]}),
    ],
)
async def test_items_are_found(items, body):
    async with Client("https://h", transport=MockTransport(lambda _: reply(json=body))) as api:
        assert [n async for n in api.paginate("/n", by=LinkHeader(), items=items, model=int)] == [1, 2]


@pytest.mark.parametrize(
    ("items", "body"), [("items", {"items": None}), ("a.b?", {}), ("a.b?", {"a": None}), ("a.b?", {"a": {}})]
)
async def test_no_items_may_be_told_by_null_or_by_leaving_them_out(items, body):
    async with Client("https://h", transport=MockTransport(lambda _: reply(json=body))) as api:
        assert [n async for n in api.paginate("/n", by=LinkHeader(), items=items)] == []


@pytest.mark.parametrize("key", ["items", "results", "data"])
async def test_null_is_an_empty_list_where_nothing_speaks_against_it(key):
    pages = {
        None: {key: None, "next_cursor": "a"},
        "a": {key: [1], "next_cursor": "b"},
        "b": {key: None, "message": "ok"},
    }

    def handler(request):
        return reply(json=pages[request.url.query.get("cursor")])

    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=Cursor())] == [1]


async def test_null_says_nothing_about_where_the_items_are():
    pages = {None: {"items": None, "next_cursor": "a"}, "a": {"items": None, "results": [1]}}

    def handler(request):
        return reply(json=pages[request.url.query.get("cursor")])

    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=Cursor())] == [1]


@pytest.mark.parametrize(
    ("items", "body"),
    [
        (None, {"data": None, "errors": [{"message": "no"}]}),
        (None, {"data": None, "error": "no"}),
        (None, {"data": None, "code": 403, "msg": "no"}),
        (None, {"items": None, "Message": "no"}),
        ("data", {"data": None, "errors": [{"message": "no"}]}),
        ("data?", {"error": {"message": "no"}}),
    ],
)
async def test_null_beside_a_reason_is_an_error_and_no_empty_list(items, body):
    async with Client("https://h", transport=MockTransport(lambda _: reply(json=body))) as api:
        with pytest.raises(DecodeError, match=r"no (list of )?items .* the response"):
            await anext(aiter(api.paginate("/n", by=Cursor(), items=items)))


@pytest.mark.parametrize("items", [None, "items", "data.items"])
@pytest.mark.parametrize(
    "by", [Cursor(), PageNumber(), Offset(), LinkHeader(), NextUrl()], ids=lambda by: type(by).__name__
)
async def test_no_content_is_no_items(items, by):
    async with Client("https://h", transport=MockTransport(lambda _: reply(204))) as api:
        assert [n async for n in api.paginate("/n", by=by, items=items, model=int)] == []


async def test_no_content_is_followed_where_it_names_a_next_page():
    def handler(request):
        if request.url.query.get("page") == "2":
            return reply(json=[1])
        return reply(204, headers={"Link": '</n?page=2>; rel="next"'})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        assert [n async for n in api.paginate("/n", by=LinkHeader())] == [1]


async def test_models_are_read_as_json_not_as_python():
    class Price(BaseModel):
        amount: Annotated[Decimal, Strict()] = Field(alias="a")

    answer = {"items": [{"a": "1.50"}], "total": 1}
    async with Client("https://h", transport=MockTransport(lambda _: reply(json=answer))) as api:
        prices = [one async for one in api.paginate("/n", by=PageNumber(), model=Price)]
    assert prices == [Price(a=Decimal("1.50"))]
