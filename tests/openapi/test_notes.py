"""What a client leaves out of its document, and what was guessed, is said in one line each."""

from __future__ import annotations

import pytest

from asyncapi.openapi.generating import drafted
from asyncapi.openapi.notes import notes_of
from written_clients import OK, body, document, one, returns

TEXT = {"type": "string"}
ROWS = {"type": "object", "properties": {"items": {"type": "array", "items": TEXT}}}


def notes(made):
    return notes_of(drafted(made))


def test_a_document_that_is_wholly_taken_has_none():
    assert notes(one()) == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: one("post", callbacks={"done": {"{$url}": {"post": {"responses": OK}}}}), "1 operations have callbacks"),
        (lambda: document(None, webhooks={"new": {"post": {"responses": OK}}}), "webhooks are calls that the server makes"),
        (lambda: one(responses=returns(TEXT, links={"next": {"operationId": "call"}})), "1 response with links"),
        (lambda: one("post", requestBody={"content": {"application/json": {"schema": ROWS}, "text/xml": {"schema": ROWS}}}), "another one is sent: text/xml (1)"),
        (lambda: one(responses={"200": {"description": "", "content": {"application/json": {}, "text/csv": {}}}}), "JSON is asked for: text/csv (1)"),
        (lambda: one(document={"components": {"securitySchemes": {"tls": {"type": "mutualTLS"}}}}), "'tls' (mutualTLS) has no method"),
        (lambda: one(parameters=[{"name": "page", "in": "query", "schema": {"type": "integer"}}], responses=returns(ROWS)), "1 list in pages, recognised by names alone (call)"),
        (lambda: document({"/x": {"get": {"responses": OK}}}), "1 operation without an operationId"),
        (lambda: document({"/x": {"get": {"operationId": "a", "responses": OK}}, "/y": {"get": {"operationId": "A", "responses": OK}}}), "1 name of several operations"),
    ],
)  # fmt: skip
def test_each_thing_left_out_or_guessed_has_its_line(made, said):
    found = notes(made())
    assert any(said in note for note in found), found
    assert all("\n" not in note for note in found)


def test_a_body_that_has_a_method_of_its_own_is_not_left_out():
    both = body(ROWS)
    both["content"]["text/csv"] = {"schema": TEXT}
    assert notes(one("post", requestBody=both)) == []


def test_a_document_of_wrong_shapes_has_notes_all_the_same():
    assert notes(document({"/x": {"get": {"operationId": "a", "responses": ["200"]}}})) == []
