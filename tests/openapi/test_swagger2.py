"""Swagger 2.0 becomes what its author would write in OpenAPI 3.1."""

from __future__ import annotations

import json

import pytest

from asyncapi.openapi.reading import read
from asyncapi.openapi.swagger2 import schemes_of, servers_of


def operation(parameters, **more):
    top = {key: more.pop(key) for key in ("consumes_all", "produces_all") if key in more}
    whole = {
        "swagger": "2.0", "info": {"title": "t", "version": "1"}, "definitions": {"Pet": {"type": "object"}},
        **{key.removesuffix("_all"): value for key, value in top.items()},
        "paths": {"/a": {"post": {"parameters": parameters, "responses": {}, **more}}},
    }  # fmt: skip
    read_ = read(json.dumps(whole).encode())
    assert read_.problems == ()
    return read_.operations[0]


BODY = {"in": "body", "name": "pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
FIELD = {"in": "formData", "name": "x", "type": "string"}
FILE = {"in": "formData", "name": "f", "type": "file", "required": True}


@pytest.mark.parametrize(
    ("parameters", "more", "kinds"),
    [
        ([BODY], {}, ["application/json"]),
        ([BODY], {"consumes": ["application/xml", "application/json"]}, ["application/xml", "application/json"]),
        ([BODY], {"consumes_all": ["text/csv"]}, ["text/csv"]),
        ([BODY], {"consumes_all": ["text/csv"], "consumes": []}, ["application/json"]),
        ([FIELD], {}, ["application/x-www-form-urlencoded"]),
        ([FIELD], {"consumes": ["multipart/form-data"]}, ["multipart/form-data"]),
        ([FIELD], {"consumes": ["application/json"]}, ["application/x-www-form-urlencoded"]),
        ([FIELD, FILE], {"consumes": ["application/x-www-form-urlencoded"]}, ["multipart/form-data"]),
    ],
)
def test_body_and_form_become_the_request_body(parameters, more, kinds):
    assert list(operation(parameters, **more).body.contents) == kinds


def test_fields_of_a_form_become_properties():
    tags = {"in": "formData", "name": "tags", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"}
    body = operation([FIELD, FILE, tags]).body
    media = body.contents["multipart/form-data"]
    assert media.schema["properties"]["f"] == {"type": "string", "format": "binary"}
    assert media.schema["required"] == ["f"]
    assert media.encoding == {"tags": {"style": "pipeDelimited", "explode": False}}
    assert body.required


@pytest.mark.parametrize(
    ("said", "where", "style", "explode"),
    [
        ({}, "query", "form", False), ({"collectionFormat": "csv"}, "query", "form", False),
        ({"collectionFormat": "multi"}, "query", "form", True),
        ({"collectionFormat": "ssv"}, "query", "spaceDelimited", False),
        ({"collectionFormat": "pipes"}, "query", "pipeDelimited", False),
        ({"collectionFormat": "tsv"}, "query", "tabDelimited", False), ({}, "header", "simple", False),
    ],
)  # fmt: skip
def test_collection_formats_become_styles(said, where, style, explode):
    one = {"in": where, "name": "x", "type": "array", "items": {"type": "integer"}, **said}
    parameter = operation([one]).parameters[0]
    assert (parameter.style, parameter.explode) == (style, explode)
    assert parameter.schema == {"type": "array", "items": {"type": "integer"}}


def test_the_words_of_a_parameter_move_into_its_schema():
    one = {"in": "query", "name": "x", "type": "integer", "format": "int32", "minimum": 1, "exclusiveMinimum": True,
           "default": 2, "enum": [2, 3], "description": "d", "x-extra": 1}  # fmt: skip
    parameter = operation([one]).parameters[0]
    assert parameter.schema == {
        "type": "integer",
        "format": "int32",
        "exclusiveMinimum": 1,
        "default": 2,
        "enum": [2, 3],
    }
    assert (parameter.description, parameter.extensions) == ("d", {"x-extra": 1})


def test_responses_have_the_content_types_that_are_produced():
    made = operation([], produces=["application/json", "application/xml"], responses={
        "200": {"description": "ok", "schema": {"$ref": "#/definitions/Pet"}, "examples": {"application/json": {"a": 1}},
                "headers": {"X-A": {"type": "integer"}}},
        "default": {"description": "a file", "schema": {"type": "file"}}, "204": {"description": "none"}})  # fmt: skip
    ok = made.responses["200"]
    assert {kind: media.name for kind, media in ok.contents.items()} == {
        "application/json": "Pet",
        "application/xml": "Pet",
    }
    assert ok.contents["application/json"].examples == ({"a": 1},)
    assert ok.headers["X-A"].schema == {"type": "integer"}
    assert list(made.responses["default"].contents) == ["application/xml"]
    assert made.responses["204"].contents == {}


def test_a_body_of_the_path_belongs_to_each_operation():
    whole = {"swagger": "2.0", "info": {}, "parameters": {"P": BODY}, "definitions": {"Pet": {}}, "paths": {
        "/a": {"parameters": [{"$ref": "#/parameters/P"}], "post": {"responses": {}}, "put": {"responses": {}}}}}  # fmt: skip
    assert [each.body.contents["application/json"].name for each in read(json.dumps(whole).encode()).operations] == [
        "Pet"
    ] * 2


@pytest.mark.parametrize(
    ("raw", "source", "urls"),
    [
        ({"host": "h.example", "basePath": "/v1", "schemes": ["http", "https"]}, "", ["https://h.example/v1", "http://h.example/v1"]),
        ({"host": "h.example"}, "", ["https://h.example"]),
        ({"host": "h.example", "basePath": "v1/", "schemes": ["wss"]}, "", ["https://h.example/v1"]),
        ({"basePath": "/v1"}, "", ["/v1"]),
        ({}, "", []),
        ({"basePath": "/v1"}, "http://u:p@h.example:8080/spec.json", ["http://h.example:8080/v1"]),
        ({"basePath": "/"}, "https://h.example/x", ["https://h.example"]),
    ],
)  # fmt: skip
def test_scheme_host_and_base_path_become_servers(raw, source, urls):
    assert [each["url"] for each in servers_of(raw, source)] == urls


def test_security_definitions_become_schemes():
    assert schemes_of({
        "b": {"type": "basic", "description": "d"}, "k": {"type": "apiKey", "name": "X", "in": "header"},
        "o": {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://a", "tokenUrl": "https://t", "scopes": {"s": ""}},
        "broken": 7,
    }) == {
        "b": {"type": "http", "scheme": "basic", "description": "d"}, "k": {"type": "apiKey", "name": "X", "in": "header"},
        "o": {"type": "oauth2", "flows": {"authorizationCode": {
            "authorizationUrl": "https://a", "tokenUrl": "https://t", "scopes": {"s": ""}}}},
    }  # fmt: skip
