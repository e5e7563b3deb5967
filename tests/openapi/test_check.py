"""`check` says what a document gets wrong: errors first, each with its place, its line and what to do."""

from __future__ import annotations

import json

from asyncapi.openapi.check import check
from asyncapi.openapi.reading import read


def found(raw):
    return check(read(raw if isinstance(raw, bytes) else json.dumps(raw).encode()))


def test_errors_come_first_with_their_lines():
    text = b"""openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /a/{id}:
    get:
      operationId: one
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses: {200: {description: ok}}
    put:
      operationId: one
      responses: {}
"""
    assert [(each.severity, each.where, each.line) for each in found(text)] == [
        ("error", "#/paths/~1a~1{id}/put/operationId", 10),
        ("error", "#/paths/~1a~1{id}/get", 5),
        ("error", "#/paths/~1a~1{id}/put", 9),
        ("error", "#/paths/~1a~1{id}/put", 9),
        ("warning", "#/paths/~1a~1{id}/get", 5),
    ]


def test_what_nothing_refers_to_is_checked_too():
    components = {"parameters": {"X": {"name": "x", "in": "body"}}, "schemas": {"S": {"type": "int"}}}
    problems = found({"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {
        "operationId": "a", "responses": {"200": {"description": ""}}}}}, "components": components})  # fmt: skip
    assert [each.where for each in problems] == [
        "#/components/parameters/X", "#/components/parameters/X", "#/components/schemas/S",
    ]  # fmt: skip
    assert "requestBody" in problems[0].hint
    assert problems[2].hint == "Write 'integer'."


def test_a_part_that_many_refer_to_is_told_once():
    reference = {"$ref": "#/components/parameters/X"}
    get = {"operationId": "a", "parameters": [reference], "responses": {"200": {"description": ""}}}
    put = {**get, "operationId": "b"}
    problems = found({"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": get, "put": put}},
                      "components": {"parameters": {"X": {"name": "x", "in": "query"}}}})  # fmt: skip
    assert [each.what for each in problems] == ["the parameter 'x' has neither schema nor content"]


def test_notes_of_reading_are_no_problems():
    assert found({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "webhooks": {"x": {"post": {}}}}) == []


def test_missing_references_are_errors_with_a_hint():
    (problem,) = found({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {
        "operationId": "a", "responses": {"200": {"$ref": "#/components/responses/Pett"}}}}},
        "components": {"responses": {"Pet": {"description": ""}}}})  # fmt: skip
    assert (problem.severity, problem.hint) == ("error", "Is 'Pet' meant?")
