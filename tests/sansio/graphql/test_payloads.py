"""Requests are written as GraphQL over HTTP says."""

from __future__ import annotations

import json

from asyncapi.sansio.graphql.document import operation_of
from asyncapi.sansio.graphql.payloads import in_url, payload


def test_a_request_has_only_what_there_is():
    assert payload(operation_of("{ a }")) == {"query": "{ a }"}
    named = operation_of("query A { a }")
    assert payload(named, {}) == {"query": "query A { a }", "operationName": "A", "variables": {}}
    assert payload(named, {"b": 1}, query=False, extensions={"c": 2}) == {
        "operationName": "A", "variables": {"b": 1}, "extensions": {"c": 2},
    }  # fmt: skip


def test_in_a_url_variables_and_extensions_are_json():
    parameters = payload(operation_of("query A { a }"), {"b": "é"}, extensions={"c": 2})
    assert in_url(parameters, lambda value: json.dumps(value).encode()) == {
        "query": "query A { a }", "operationName": "A", "variables": '{"b": "\\u00e9"}', "extensions": '{"c": 2}',
    }  # fmt: skip
