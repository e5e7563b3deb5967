"""The operations of a GraphQL request, wherever they stand."""

import json

import pytest

from asyncapi.testing.graphql_calls import operations_of


@pytest.mark.parametrize(
    ("content", "params", "found"),
    [
        ({"query": "query A { a }"}, {}, [("A", "query A { a }", {})]),
        ({"query": "{ a }", "variables": {"n": 1}}, {}, [("", "{ a }", {"n": 1})]),
        ({"query": "mutation M { a } query Q { b }", "operationName": "Q"}, {}, [("Q", "mutation M { a } query Q { b }", {})]),
        ({"query": "# query No\nquery Yes { a }"}, {}, [("Yes", "# query No\nquery Yes { a }", {})]),
        ({"operationName": "P", "extensions": {"persistedQuery": {"sha256Hash": "x"}}}, {}, [("P", "", {})]),
        (None, {"query": "query G { a }", "variables": '{"n": 2}'}, [("G", "query G { a }", {"n": 2})]),
        ([{"query": "query A { a }"}, {"query": "query B { b }"}], {}, [("A", "query A { a }", {}), ("B", "query B { b }", {})]),
        ({"name": "Ada"}, {}, []), ("text", {}, []), (None, {}, []), (None, {"page": "1"}, []),
    ],
)  # fmt: skip
def test_operations_are_found(content, params, found):
    assert operations_of(b"" if content is None else json.dumps(content).encode(), params) == found


def test_a_body_that_is_no_json_has_none():
    assert operations_of(b"\xff{", {}) == []
