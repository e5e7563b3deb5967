"""The schema of `/graphql`: what its fields give."""

from __future__ import annotations

import pytest

pytest.importorskip("graphql", reason="graphql-core is not installed")

from asyncapi.serve.graphql_schema import Invalid, Root, operation, schema


def run(query, names=None, **variables):
    return operation(schema(), {"query": query, "variables": variables}).run(Root({} if names is None else names))


def test_users_are_those_of_the_server():
    assert run("{ users(first: 2) { id name } }")["data"]["users"] == [
        {"id": "1", "name": "Ada"},
        {"id": "2", "name": "Grace"},
    ]


@pytest.mark.parametrize("number", ["0", "404", "1001", "-1", "a", "\u0663", "9" * 50])
def test_there_is_no_other_user(number):
    assert run("query ($id: ID!) { user(id: $id) { id } }", id=number) == {"data": {"user": None}}


def test_items_are_those_of_the_server_and_bounded():
    assert len(run("{ items(first: 100000) { id } }")["data"]["items"]) == 1_000


def test_nobody_is_renamed_who_is_not_there():
    found = run('mutation { renameUser(id: "404", name: "a") { id } }')
    assert found["errors"][0]["extensions"] == {"code": "NOT_FOUND"}


def test_a_subscription_goes_on_behind_a_price():
    found = operation(schema(), {"query": "subscription ($n: Int) { prices(after: $n, count: 2) { cents } }",
                                 "variables": {"n": 7}})  # fmt: skip
    assert [each["data"]["prices"]["cents"] for each in found.results()] == [8, 9]


def test_arguments_that_do_not_fit_are_refused():
    wrong = operation(
        schema(), {"query": "subscription ($n: Int) { prices(after: $n) { cents } }", "variables": {"n": "a"}}
    )
    with pytest.raises(Invalid):
        wrong.results()
