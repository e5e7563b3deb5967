"""Each fault of an operation is found, at its place; a good operation has none."""

from __future__ import annotations

import json

import pytest

from asyncapi.openapi.check import check
from asyncapi.openapi.reading import read

OK = {"200": {"description": ""}}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def found(paths, spec="3.0.3", **more):
    head = {"swagger": spec} if spec == "2.0" else {"openapi": spec}
    return check(read(json.dumps({**head, "info": {"title": "t", "version": "1"}, "paths": paths, **more}).encode()))


def one(parameters=(), path="/a/{id}", method="post", *, spec="3.0.3", **more):
    top = {key: more.pop(key) for key in ("components", "security", "securityDefinitions") if key in more}
    operation = {"operationId": "a", "parameters": list(parameters), "responses": OK, **more}
    return found({path: {method: operation}}, spec, **top)


@pytest.mark.parametrize(
    ("parameters", "path", "what", "hint"),
    [
        ([], "/a/{id}", "the path parameter {id} of /a/{id} isn't declared", "Add it to parameters"),
        ([{**ID, "name": "iid"}], "/a/{id}", "the path parameter {id} of /a/{id} isn't declared", "Is it 'iid'"),
        ([{**ID, "name": "iid"}], "/a/{id}", "the path parameter 'iid' isn't in the path /a/{id}", "Is {id} meant?"),
        ([ID, ID], "/a/{id}", "the parameter 'id' in path stands twice in the list", "Remove one."),
        ([{**ID, "required": False}], "/a/{id}", "the path parameter 'id' isn't required", "Add"),
        ([ID], "a/{id}", "the path 'a/{id}' doesn't begin with /", 'Write "/a/{id}".'),
        ([ID], "/a/{id}/{", "the braces of the path", "Write {name}."),
        ([ID], "/a/{id}/{}", "the braces of the path", "Write {name}."),
        ([ID], "/a/{id}/{id}", "has the same parameter twice", "name of its own"),
        ([ID, {"in": "query", "schema": {}}], "/a/{id}", "a parameter has no name", "Give it"),
        (
            [ID, {"name": "x", "in": "qurey", "schema": {}}],
            "/a/{id}",
            "the parameter 'x' is in 'qurey'",
            "It is one of",
        ),
        ([ID, {"name": "x", "in": "body", "schema": {}}], "/a/{id}", "the parameter 'x' is in 'body'", "requestBody"),
        ([ID, {"name": "x", "in": "query"}], "/a/{id}", "has neither schema nor content", "Add schema"),
        (
            [ID, {"name": "x", "in": "query", "type": "string"}],
            "/a/{id}",
            "has neither schema nor content",
            "Move type",
        ),
        (
            [ID, {"name": "x", "in": "query", "schema": {}, "content": {"a/b": {}}}],
            "/a/{id}",
            "a schema and a content",
            "Keep",
        ),
        (
            [ID, {"name": "x", "in": "query", "content": {"a/b": {}, "c/d": {}}}],
            "/a/{id}",
            "has 2 content types",
            "one",
        ),
        (
            [ID, {"name": "x", "in": "header", "style": "form", "schema": {}}],
            "/a/{id}",
            "the style 'form' isn't one",
            "simple",
        ),
    ],
)
def test_faults_of_paths_and_parameters_are_errors(parameters, path, what, hint):
    match = [each for each in one(parameters, path) if what in each.what]
    assert [each.severity for each in match] == ["error"]
    assert hint in match[0].hint


def test_operations_of_one_name_and_of_none_are_told():
    paths = {"/a": {"get": {"operationId": "x", "responses": OK}, "put": {"operationId": "x", "responses": OK}},
             "/b": {"get": {"responses": OK}}}  # fmt: skip
    assert [(each.severity, each.what) for each in found(paths)] == [
        ("error", "the operationId 'x' is also that of GET /a"), ("warning", "no operationId: GET /b"),
    ]  # fmt: skip


def test_paths_that_differ_only_in_names_are_ambiguous_for_one_method():
    def item(name, method):
        return {method: {"operationId": name, "parameters": [{**ID, "name": name}], "responses": OK}}

    assert [
        "can't be told from /a/{x}" in each.what
        for each in found({"/a/{x}": item("x", "get"), "/a/{y}": item("y", "get")})
    ] == [True]
    assert (
        found(
            {
                "/a/{x}": item("x", "get"),
                "/a/{y}": item("y", "put"),
                "/a/b": {"get": {"operationId": "b", "responses": OK}},
            }
        )
        == []
    )


@pytest.mark.parametrize(
    ("method", "schema", "told"),
    [("get", {"type": "string"}, True), ("head", {}, False), ("get", {"type": "object", "properties": {}}, False),
     ("delete", {"type": "string"}, False), ("get", {"type": "object", "properties": {"a": {}}}, True)],
)  # fmt: skip
def test_a_body_where_servers_drop_it_is_a_warning(method, schema, told):
    problems = one([ID], method=method, requestBody={"content": {"application/json": {"schema": schema}}})
    assert [each.severity for each in problems if "has a body" in each.what] == ["warning"] * told


@pytest.mark.parametrize(
    ("responses", "spec", "severities"),
    [({}, "3.0.3", ["error"]), ({}, "3.1.0", ["warning"]), ({"20x": OK["200"]}, "3.0.3", ["error"]),
     ({"2XX": OK["200"], "default": OK["200"]}, "3.0.3", []), ({"600": OK["200"]}, "3.0.3", ["error"]),
     ({"x-a": 1, **OK}, "3.0.3", [])],
)  # fmt: skip
def test_responses_are_declared_by_status(responses, spec, severities):
    assert [each.severity for each in one([ID], spec=spec, responses=responses)] == severities


def test_security_schemes_must_be_declared():
    schemes = {"securitySchemes": {"apiKey": {"type": "apiKey", "name": "X", "in": "header"}, "o": {
        "type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t", "scopes": {"read": ""}}}}}}  # fmt: skip
    (problem,) = one([ID], security=[{"api_key": []}], components=schemes)
    assert (problem.what, problem.hint) == ("the security scheme 'api_key' isn't declared", "Is 'apiKey' meant?")
    assert problem.where == "#/security/0"
    get = {"operationId": "a", "responses": OK, "security": [{"o": ["write"]}]}
    own = found({"/a": {"get": get}}, components=schemes)
    assert [(each.severity, each.what) for each in own] == [("warning", "the scope 'write' isn't one of 'o'")]


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ([{"in": "body", "name": "a", "schema": {}}, {"in": "body", "name": "b", "schema": {}}], "one body"),
        (
            [{"in": "body", "name": "a", "schema": {}}, {"in": "formData", "name": "b", "type": "string"}],
            "are both declared",
        ),
        ([{"in": "query", "name": "a"}], "the parameter 'a' has no type"),
        ([{"in": "body", "name": "a"}], "the body 'a' has no schema"),
        ([{"in": "cookie", "name": "a", "type": "string"}], "is in 'cookie'"),
    ],
)
def test_faults_of_swagger_2_are_errors(parameters, what):
    assert [each.severity for each in one(parameters, "/a", spec="2.0") if what in each.what] == ["error"]
