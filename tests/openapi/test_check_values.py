"""Defaults, enums and examples are tried against their schemas."""

from __future__ import annotations

import json
import sys

import pytest

from asyncapi.errors import ConfigError
from asyncapi.openapi import check_values
from asyncapi.openapi.check import check
from asyncapi.openapi.reading import read

pytest.importorskip("jsonschema")
PET = {"type": "object", "required": ["id", "name"], "properties": {
    "id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}, "next": {"$ref": "#/components/schemas/Pet"}}}  # fmt: skip


def document(schema, media=None, spec="3.0.3"):
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}, **(media or {})}}}
    return read(json.dumps({"openapi": spec, "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": {
        "operationId": "a", "requestBody": body, "responses": {"200": {"description": ""}}}}},
        "components": {"schemas": {"S": schema, "Pet": PET}}}).encode())  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "severity", "what"),
    [
        ({"type": "integer", "default": "1"}, "error", "the default '1' doesn't fit its own schema: '1' is not of type 'integer'"),
        ({"type": "string", "enum": ["a"], "default": "b"}, "error", "the default 'b'"),
        ({"type": "string", "enum": ["a", 1]}, "warning", "the value 1 of the enum"),
        ({"type": "integer", "example": "x"}, "warning", "the example doesn't fit its schema"),
        ({"$ref": "#/components/schemas/Pet"}, None, ""),
        ({"type": "object", "properties": {"pet": {"$ref": "#/components/schemas/Pet"}}, "example": {"pet": {"name": 7}}},
         "warning", "/pet/name: 7 is not of type 'string'"),
        ({"type": "string", "nullable": True, "default": None}, None, ""),
        ({"type": "string", "format": "date", "default": "2020-01-01"}, None, ""),
        ({"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Gone"}, "example": {"a": 1}}, None, ""),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_told(schema, severity, what):
    problems = [
        each for each in check(document(schema)) if "leads nowhere" not in each.what and "mixes" not in each.what
    ]
    assert [each.severity for each in problems] == ([severity] if severity else [])
    assert all(what in each.what for each in problems)


@pytest.mark.parametrize(
    ("media", "count"),
    [({"example": {"name": "Rex"}}, 0), ({"example": {"id": "x", "name": "Rex"}}, 1), ({"example": {"id": 1}}, 1),
     ({"examples": {"a": {"value": {"name": 1}}, "b": {"externalValue": "https://x"}}}, 1)],
)  # fmt: skip
def test_examples_of_a_body_need_not_have_what_is_only_read(media, count):
    assert len(check(document({}, media))) == count


def test_a_check_of_many_values_ends(monkeypatch):
    monkeypatch.setattr(check_values, "MAX_VALUES", 3)
    schema = {"properties": {f"p{n}": {"type": "integer", "default": "x"} for n in range(50)}}
    assert len(check(document(schema))) == 3


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[generate\]'"):
        check(document({}))


@pytest.mark.parametrize(
    ("schema", "example", "fits"),
    [
        ({"type": "integer"}, "100023336956", True),
        ({"type": "boolean"}, "true", True),
        ({"type": "array", "items": {"enum": ["paf", "nyb"]}}, "paf,nyb", True),
        ({"type": "array", "items": {"type": "integer"}}, "1|2", True),
        ({"type": "object"}, "a,1,b,2", True),
        ({"type": "integer"}, "many", False),
        ({"type": "array", "items": {"enum": ["paf"]}}, "paf,other", False),
        ({"type": "string", "maxLength": 2}, "abc", False),
        ({"type": "string"}, 137, False),
    ],
)
def test_the_example_of_a_parameter_may_be_the_text_that_is_sent(schema, example, fits):
    given = document({})
    given.raw["paths"]["/a"]["post"]["parameters"] = [
        {"name": "q", "in": "query", "schema": schema, "example": example}
    ]
    found = check(read(json.dumps(given.raw).encode()))
    assert [each.what.partition(" doesn't")[0] for each in found] == ([] if fits else ["the example of the parameter"])
