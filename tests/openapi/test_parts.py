"""Everything of a path but named schemas is resolved, in place; what is of the wrong type is left out with a problem."""

from __future__ import annotations

import json

import pytest

from asyncapi.openapi.reading import read


def document(paths, **more):
    whole = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths, **more}
    return read(json.dumps(whole).encode())


COMPONENTS = {
    "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
                   "Again": {"$ref": "#/components/parameters/Id"}},
    "requestBodies": {"Pet": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}},
    "responses": {"Pet": {"description": "a pet", "headers": {"X-Rate": {"$ref": "#/components/headers/Rate"}},
                          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"},
                                                           "examples": {"one": {"$ref": "#/components/examples/One"}}}}}},
    "headers": {"Rate": {"schema": {"type": "integer"}}},
    "examples": {"One": {"value": {"name": "Rex"}}},
    "schemas": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}}}},
}  # fmt: skip


def test_references_to_every_kind_of_part_are_resolved():
    read_ = document({"/pets/{id}": {
        "parameters": [{"$ref": "#/components/parameters/Again"}],
        "put": {"requestBody": {"$ref": "#/components/requestBodies/Pet"},
                "responses": {"200": {"$ref": "#/components/responses/Pet"}}}}}, components=COMPONENTS)  # fmt: skip
    (operation,) = read_.operations
    assert [(each.name, each.where, each.required) for each in operation.parameters] == [("id", "path", True)]
    assert operation.body.required
    assert operation.body.contents["application/json"].name == "Pet"
    reply = operation.responses["200"]
    assert reply.headers["X-Rate"].schema == {"type": "integer"}
    assert reply.contents["application/json"].examples == ({"name": "Rex"},)
    assert read_.problems == ()


def test_a_path_item_by_reference_keeps_its_own_file(tmp_path):
    (tmp_path / "paths").mkdir()
    (tmp_path / "paths/pets.yaml").write_text(
        "get:\n  parameters: [{$ref: '../shared.yaml#/limit'}]\n  responses:\n    200: {description: ok, content: "
        "{application/json: {schema: {$ref: '../shared.yaml#/Pet'}}}}\n"
    )
    (tmp_path / "shared.yaml").write_text(
        "limit: {name: limit, in: query, schema: {type: integer}}\nPet: {type: object, properties: {n: {$ref: '#/Name'}}}\n"
        "Name: {type: string}\n"
    )
    (tmp_path / "api.yaml").write_text(
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /pets: {$ref: 'paths/pets.yaml'}\n"
    )
    read_ = read(tmp_path / "api.yaml")
    assert read_.operations[0].parameters[0].name == "limit"
    assert set(read_.plain["components"]["schemas"]) == {"Pet", "Name"}
    assert read_.problems == ()


def test_parameters_of_the_path_are_replaced_by_the_operations_own():
    read_ = document({"/a": {"parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}], "get": {
        "parameters": [{"name": "q", "in": "query", "schema": {"type": "integer"}},
                       {"name": "q", "in": "header", "schema": {"type": "string"}}], "responses": {}}}})  # fmt: skip
    assert [(each.where, each.schema) for each in read_.operations[0].parameters] == [
        ("query", {"type": "integer"}), ("header", {"type": "string"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "style", "explode"),
    [("query", "form", True), ("path", "simple", False), ("header", "simple", False), ("cookie", "form", True)],
)
def test_style_and_explode_have_the_defaults_of_their_place(where, style, explode):
    one = {"name": "x", "in": where, "required": True, "schema": {}}
    parameter = document({"/{x}": {"get": {"parameters": [one], "responses": {}}}}).operations[0].parameters[0]
    assert (parameter.style, parameter.explode) == (style, explode)


def test_headers_that_the_body_and_the_credential_say_are_no_parameters():
    listed = [
        {"name": name, "in": "header", "schema": {}} for name in ("Accept", "content-type", "AUTHORIZATION", "X-A")
    ]
    (operation,) = document({"/a": {"get": {"parameters": listed, "responses": {}}}}).operations
    assert [each.name for each in operation.parameters] == ["X-A"]


def test_callbacks_and_webhooks_are_left_out_with_a_note():
    read_ = document(
        {"/a": {"post": {"responses": {}, "callbacks": {"done": {"{$url}": {"post": {}}}}}}}, webhooks={"x": {}}
    )
    assert [each.severity for each in read_.problems] == ["note", "note"]
    assert "webhooks" not in read_.plain


@pytest.mark.parametrize(
    "paths",
    [{"/a": []}, {"/a": {"get": 7}}, {"/a": {"get": {"parameters": {"x": 1}, "responses": []}}}, [], "x",
     {"/a": {"get": {"requestBody": [], "responses": {"200": "ok"}}}},
     {"/a": {"get": {"responses": {"200": {"content": ["application/json"]}}}}}],
)  # fmt: skip
def test_what_has_the_wrong_type_is_told_and_left_out(paths):
    read_ = document(paths)
    assert any("must be an object" in each.what or "are a list" in each.what for each in read_.problems)
