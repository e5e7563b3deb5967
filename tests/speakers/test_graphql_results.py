"""The data of a response is a value of its model, by the rules of JSON; anything else is a clear error."""

from __future__ import annotations

import uuid  # noqa: TC003 - pydantic reads it
from datetime import datetime  # noqa: TC003 - as above
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from asyncapi import Client, GraphQL, SchemaError
from asyncapi.errors import DecodeError
from asyncapi.testing import MockTransport, reply, run


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    id: uuid.UUID
    at: datetime = Field(alias="createdAt")


STRICT = {"id": "6f2d1c7e-1f43-4a3c-9d0a-0d2a6f1e7b11", "createdAt": "2026-11-28T00:00:00Z"}


def query(response, **options):
    async def scenario():
        async with Client("https://api.test", transport=MockTransport(lambda _: response), retry=None) as api:
            return await GraphQL(api).query("{ a }", **options)

    return run(scenario())


def data(value, **more):
    return reply(json={"data": value, **more})


@pytest.mark.parametrize("errors", ["raise", "return"])
def test_a_model_reads_json_strictly_too(errors):
    got = query(data({"a": STRICT}), model=Strict, field="a", errors=errors)
    value = got if errors == "raise" else got.data
    assert value == Strict.model_validate_json(reply(json=STRICT).content)


def test_the_value_may_be_the_data_or_deep_inside():
    nested = {"a": {"b": {"c": [1, 2]}}}
    assert query(data(nested)) == nested
    assert query(data(nested), field="a.b.c") == [1, 2]
    assert query(data(nested), field="a.b.c", model=tuple[int, int]) == (1, 2)
    assert query(data(nested), model=dict[str, Any]) == nested


def test_null_is_a_value_where_the_model_takes_it():
    assert query(data({"a": None}), field="a") is None
    assert query(data({"a": None}), field="a", model=int | None) is None
    with pytest.raises(SchemaError, match=r"at data\.a$"):
        query(data({"a": None}), field="a", model=int)


@pytest.mark.parametrize("value", [{"b": 1}, {"a": None}, None, {"a": [1]}, {"a": 1}])
def test_a_place_that_isnt_there_is_named(value):
    with pytest.raises(SchemaError, match=r"no data at 'a\.b'"):
        query(data(value), field="a.b")
    with pytest.raises(SchemaError, match="doesn't match int"):
        query(data(value), field="a.b", model=int)


def test_a_value_that_doesnt_fit_keeps_the_whole_body():
    with pytest.raises(SchemaError, match=r"doesn't match int: .* at data\.a") as caught:
        query(data({"a": "x"}), field="a", model=int)
    assert caught.value.body == b'{"data":{"a":"x"}}'


def test_no_errors_may_be_written_in_several_ways():
    for nothing in (None, []):
        assert query(data({"a": 1}, errors=nothing), field="a", model=int) == 1
        assert query(data({"a": 1}, errors=nothing), field="a") == 1


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, b"<html>Please log in</html>", "text/html"),
        (200, b"", "application/json"),
        (204, b"", ""),
        (200, b'{"data": {"a": 1}', "application/graphql-response+json"),
        (200, b'{"message": "hello"}', "application/json"),
        (200, b"[]", "application/json"),
        (302, b'{"data": {"a": 1}}', "application/json"),
    ],
)
@pytest.mark.parametrize("model", [None, dict[str, int]])
def test_what_is_no_graphql_response_is_said_so_with_its_bytes(status, content, kind, model):
    with pytest.raises(DecodeError, match=rf"no GraphQL response \({status}") as caught:
        query(reply(status, content=content, headers={"Content-Type": kind}), model=model, redirects=0)
    assert caught.value.body == content
    assert caught.value.request is not None


def test_a_type_that_cant_be_hashed_is_a_model_too():
    assert query(data({"a": 1}), field="a", model=Annotated[int, Field(json_schema_extra={"x": []})]) == 1
