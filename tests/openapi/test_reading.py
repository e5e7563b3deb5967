"""A document of any version is read whole; what is none is refused in one line that says what to do."""

from __future__ import annotations

import copy
import json
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncapi.errors import ConfigError
from asyncapi.openapi.check import check
from asyncapi.openapi.reading import read

INFO = {"title": "t", "version": "1"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "the document holds a list, not an OpenAPI document"),
        ("text", "the document holds text"),
        (None, "the document holds nothing"),
        (7, "the document holds a single value"),
        ({}, 'it has no "openapi" (or "swagger")'),
        ({"openapi": "4.0.0"}, "the version '4.0.0' isn't one of OpenAPI"),
        ({"openapi": "3.7.0"}, "is OpenAPI 3.7.0: this version reads 2.0, 3.0, 3.1 and 3.2"),
        ({"openapi": None}, "the version None isn't one of OpenAPI"),
        ({"swagger": "1.2"}, "is Swagger 1.2, of 2014 or before: convert it"),
        ({"swaggerVersion": "1.2", "apis": []}, "is Swagger 1.2"),
        ({"asyncapi": "2.0.0", "channels": {}}, "is an AsyncAPI document"),
        ({"info": {"name": "x"}, "item": []}, "is a Postman collection"),
    ],
)
def test_what_is_no_openapi_document_is_refused(raw, said):
    with pytest.raises(ConfigError) as error:
        read(json.dumps(raw).encode())
    assert said in error.value.message


@pytest.mark.parametrize(
    ("head", "spec"),
    [({"swagger": "2.0"}, "2.0"), ({"swagger": 2.0}, "2.0"), ({"swagger": 2}, "2.0"), ({"openapi": "3.0.3"}, "3.0"),
     ({"openapi": 3.0}, "3.0"), ({"openapi": "3.1.1"}, "3.1"), ({"openapi": "3.2.0"}, "3.2"), ({"openapi": "3.1"}, "3.1")],
)  # fmt: skip
def test_each_version_is_known(head, spec):
    read_ = read(json.dumps({**head, "info": INFO, "paths": {}}).encode())
    assert (read_.spec, read_.plain["openapi"]) == (spec, "3.1.0")


def test_a_document_of_many_files_is_read_as_one(tmp_path):
    (tmp_path / "api.yaml").write_text(
        "swagger: '2.0'\ninfo: {$ref: info.yaml}\npaths: {$ref: 'paths/all.yaml'}\ndefinitions: {$ref: definitions.yaml}\n"
    )
    (tmp_path / "info.yaml").write_text("{title: many, version: 1.0}")
    (tmp_path / "paths").mkdir()
    (tmp_path / "paths/all.yaml").write_text(
        "/users: {get: {responses: {200: {description: ok, schema: {$ref: '#/definitions/User'}}}}}\n"
    )
    (tmp_path / "definitions.yaml").write_text("User: {$ref: 'user.yaml'}\n")
    (tmp_path / "user.yaml").write_text("type: object\nproperties: {friend: {$ref: '#/definitions/User'}}\n")
    read_ = read(tmp_path / "api.yaml")
    assert read_.title == "many"
    assert read_.operations[0].responses["200"].contents["application/json"].name == "User"
    assert {each.severity for each in read_.problems} == {"warning"}  # in user.yaml, # is user.yaml itself
    assert "names nothing in its own file" in read_.problems[0].what
    (tmp_path / "paths/all.yaml").write_text(
        "/users: {get: {responses: {200: {description: ok, schema: {$ref: '../user.yaml'}}}}}\n"
    )
    (tmp_path / "user.yaml").write_text("type: object\nproperties: {friend: {$ref: 'api.yaml#/definitions/User'}}\n")
    read_ = read(tmp_path / "api.yaml")
    assert read_.plain["components"]["schemas"] == {
        "User": {"type": "object", "properties": {"friend": {"$ref": "#/components/schemas/User"}}}
    }
    assert read_.problems == ()


def test_keys_that_stand_twice_are_problems_with_their_line():
    (problem,) = read(b"openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {}\n  /a: {}\n").problems
    assert (problem.where, problem.line, problem.severity) == ("#/paths/~1a", 5, "error")


def test_the_authors_document_is_left_as_it_is():
    raw = {"openapi": "3.0.0", "info": INFO, "paths": {"/a": {"get": {"parameters": [{"name": "x", "in": "query",
           "schema": {"type": "string", "nullable": True, "example": "a"}}], "responses": {}}}}}  # fmt: skip
    read_ = read(json.dumps(raw).encode())
    assert read_.raw == raw
    assert read_.plain["paths"]["/a"]["get"]["parameters"][0]["schema"] == {
        "type": ["string", "null"],
        "examples": ["a"],
    }


def test_reading_gives_the_same_result_twice():
    text = json.dumps(
        {"openapi": "3.1.0", "info": INFO, "paths": {"/a": {"get": {"responses": {"200": {"description": ""}}}}}}
    )
    assert read(text.encode()) == read(text.encode())


def large(count):
    schemas = {
        f"S{n}": {"type": "object", "properties": {
            "next": {"$ref": f"#/components/schemas/S{(n + 1) % count}"}, "name": {"type": "string", "description": "d" * 50},
            "tags": {"type": "array", "items": {"type": "string"}}}}
        for n in range(count)
    }  # fmt: skip
    paths = {
        f"/s{n}/{{id}}": {"get": {"operationId": f"get{n}", "parameters": [{"$ref": "#/components/parameters/id"}],
                                  "responses": {"200": {"$ref": f"#/components/responses/R{n}"}}}}
        for n in range(count)
    }  # fmt: skip
    responses = {
        f"R{n}": {
            "description": "",
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/S{n}"}}},
        }
        for n in range(count)
    }
    parameters = {"id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}}
    return json.dumps({"openapi": "3.0.0", "info": INFO, "paths": paths,
                       "components": {"schemas": schemas, "responses": responses, "parameters": parameters}}).encode()  # fmt: skip


def test_work_grows_in_proportion_to_the_document():
    small, big = large(300), large(3_000)
    read(small)
    seconds = []
    for data in (small, big):
        begun = time.process_time()
        read(data)
        seconds.append(time.process_time() - begun)
    assert seconds[1] < 60 * seconds[0] + 0.5, seconds  # ten times the document; quadratic work is a hundred times


@pytest.mark.soak
def test_ten_megabytes_take_seconds():
    data = large(20_000)
    assert len(data) > 9_000_000
    tracemalloc.start()
    assert len(read(data).operations) == 20_000
    tracemalloc.stop()


def test_deep_documents_are_read_or_refused():
    schema = {"type": "string"}
    for _ in range(90):
        schema = {"type": "object", "properties": {"a": schema}}
    deep = {"openapi": "3.1.0", "info": INFO, "paths": {}, "components": {"schemas": {"Deep": schema}}}
    assert read(json.dumps(deep).encode()).problems == ()
    text = (
        '{"openapi": "3.1.0", "info": {}, "paths": {}, "components": {"schemas": {"D": '
        + '{"not": ' * 600
        + "{}"
        + "}" * 603
    )
    try:
        read(text.encode())
    except ConfigError as error:
        assert "nested" in error.message  # noqa: PT017 - Pythons differ in what they can nest


GOOD = {
    "openapi": "3.0.3", "info": INFO, "servers": [{"url": "https://{h}", "variables": {"h": {"default": "h.example"}}}],
    "paths": {"/a/{id}": {"parameters": [{"$ref": "#/components/parameters/Id"}], "post": {
        "operationId": "make", "tags": ["t"], "security": [{"key": []}], "requestBody": {"content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Pet"}, "example": {"name": "Rex"}}}},
        "responses": {"200": {"description": "", "headers": {"X": {"schema": {"type": "integer"}}},
                              "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}}}},
    "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X"}},
        "schemas": {"Pet": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "nullable": True}, "kind": {"enum": ["a"]},
            "friends": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}},
            "discriminator": {"propertyName": "kind", "mapping": {"a": "#/components/schemas/Pet"}}}}},
}  # fmt: skip
GOOD_2 = {
    "swagger": "2.0", "info": INFO, "host": "h.example", "schemes": ["https"], "consumes": ["application/json"],
    "paths": {"/a/{id}": {"post": {
        "parameters": [{"$ref": "#/parameters/Id"}, {"in": "body", "name": "b", "schema": {"$ref": "#/definitions/Pet"}}],
        "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Pet"}, "headers": {"X": {"type": "string"}}}}}}},
    "parameters": {"Id": {"name": "id", "in": "path", "required": True, "type": "array", "items": {"type": "string"}}},
    "securityDefinitions": {"o": {"type": "oauth2", "flow": "implicit", "authorizationUrl": "https://a", "scopes": {}}},
    "definitions": {"Pet": {"type": "object", "discriminator": "kind", "properties": {"kind": {"type": "string"}}}},
}  # fmt: skip


def spots(value, path=()):
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield (*path, key)
        yield from spots(each, (*path, key))


GARBAGE = st.sampled_from([
    None, True, 0, -1, 1.5, "", "x", "{", [], {}, [None], [[]], [{}], {"": ""}, {"$ref": "#"}, {"$ref": 1}, {"$ref": "#/paths"},
    {"$ref": "#/components/schemas/Pet"}, {"$ref": "#/components/schemas/Pet/properties/friends/items"}, {"$ref": "nofile"},
    {"a": {"b": []}}, "#/components/schemas/Pet", {"type": ["x", 1, {}]}, {"properties": []}, {"enum": {}}, {"allOf": {}},
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([GOOD, GOOD_2]), st.data())
def test_a_document_with_anything_anywhere_is_read_and_checked_or_refused(good, data):
    raw = copy.deepcopy(good)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(spots(raw))))
        holder = raw
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = copy.deepcopy(data.draw(GARBAGE))
    try:
        read_ = read(json.dumps(raw).encode())
    except ConfigError as error:
        assert "\n" not in error.message  # noqa: PT017 - either is right
        return
    for problem in check(read_):
        assert problem.what
        assert problem.where.startswith("#")


@pytest.mark.parametrize("good", [GOOD, GOOD_2])
def test_a_good_document_has_no_problem(good):
    found = check(read(json.dumps(good).encode()))
    assert [
        each for each in found if "operationId" not in each.what and "discriminator's property" not in each.what
    ] == []
