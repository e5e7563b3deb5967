"""Several operations go in one request, and each has its own result."""

from __future__ import annotations

import json

import pytest

from asyncapi import Client, ConfigError, GraphQL, GraphQLError, GraphQLOperation, GraphQLResult, StatusError
from asyncapi.errors import DecodeError
from asyncapi.testing import MockTransport, reply, run

A = GraphQLOperation("query A($n: Int) { a }", {"n": 1}, model=int, field="a")
B = GraphQLOperation("{ b }")
M = GraphQLOperation("mutation { m }")


def batch(operations, *replies, count=None, sent=None, **options):
    given = iter(replies)
    sent = [] if sent is None else sent

    def handler(request):
        sent.append(json.loads(request.content))
        return next(given)

    async def scenario():
        async with Client("https://api.test", transport=MockTransport(handler)) as api:
            gql = GraphQL(api) if count is None else GraphQL(api, batch=count)
            return await gql.batch(operations, **options)

    return run(scenario())


def ok(*results):
    return reply(json=list(results))


def test_operations_go_as_a_list_and_come_back_in_order():
    sent = []
    assert batch([A, B], ok({"data": {"a": 1}}, {"data": {"b": 2}}), sent=sent) == [1, {"b": 2}]
    assert sent == [[{"query": A.document, "operationName": "A", "variables": {"n": 1}}, {"query": "{ b }"}]]


def test_more_than_fit_into_one_go_in_several():
    sent = []
    one = {"data": {"a": 1}}
    assert batch([A] * 5, ok(one, one), ok(one, one), ok(one), count=2, sent=sent) == [1] * 5
    assert [len(each) for each in sent] == [2, 2, 1]
    assert batch([]) == []


def test_errors_are_raised_or_returned():
    failed = {"data": {"b": None}, "errors": [{"message": "no b"}]}
    with pytest.raises(GraphQLError, match="no b") as caught:
        batch([A, B], ok({"data": {"a": 1}}, failed))
    assert caught.value.data == {"b": None}
    assert batch([A, B], ok({"data": {"a": 1}}, failed), errors="return") == [
        GraphQLResult(1), GraphQLResult({"b": None}, [{"message": "no b"}]),
    ]  # fmt: skip


def test_queries_are_retried_and_a_batch_with_a_mutation_is_not():
    sent = []
    assert batch([A, B], reply(503), ok({"data": {"a": 1}}, {"data": {}}), sent=sent) == [1, {}]
    assert len(sent) == 2
    sent = []
    with pytest.raises(StatusError):
        batch([A, M], reply(503), sent=sent)
    assert len(sent) == 1
    assert batch([A, M], reply(503), ok({"data": {"a": 1}}, {"data": {}}), idempotent=True) == [1, {}]


def test_a_code_in_one_result_counts_for_all():
    limited = {"errors": [{"message": "slow", "extensions": {"code": "THROTTLED"}}]}
    assert batch([A, B], ok({"data": {"a": 1}}, limited), ok({"data": {"a": 1}}, {"data": {}})) == [1, {}]
    with pytest.raises(GraphQLError, match="slow"):  # the other has been executed
        batch([A, M], ok({"data": {"a": 1}}, limited))


GRAPHQL = {"Content-Type": "application/graphql-response+json"}


@pytest.mark.parametrize(
    "refusal",
    [
        reply(400, json={"errors": [{"message": "Batching is not supported."}]}, headers=GRAPHQL),
        reply(200, json={"errors": [{"message": "Batching is not supported."}]}),
        reply(400, content=b"Batching is not enabled", headers={"Content-Type": "text/plain"}),
        reply(400, json={"errors": ["Batching ..."]}),
        reply(200, content=b"Batching: no", headers={"Content-Type": "text/plain"}),
    ],
)
def test_a_server_that_takes_none_is_a_clear_error(refusal):
    with pytest.raises(GraphQLError, match=r"takes no batch of operations \(.*Batching.*\): send them one by one"):
        batch([A, B], refusal)


def test_an_outage_is_no_refusal():
    with pytest.raises(StatusError):
        batch([A, M], reply(502))
    with pytest.raises(GraphQLError, match=r"slow \(THROTTLED\)"):
        batch([A, M], reply(json={"data": None, "errors": [{"message": "slow", "extensions": {"code": "THROTTLED"}}]}))


@pytest.mark.parametrize("results", [[], [{"data": {}}], [{"data": {}}] * 3, [{"data": {}}, {}], [None, None]])
def test_a_list_that_isnt_whole_is_an_error(results):
    with pytest.raises(DecodeError, match="2 operations were sent, but"):
        batch([A, B], ok(*results))


@pytest.mark.parametrize(
    ("problem", "operations", "options"),
    [
        ("str is no operation", ["{ a }"], {}),
        ("call subscribe", [GraphQLOperation("subscription { a }")], {}),
        ("is no|neither", [GraphQLOperation("nothing")], {}),
        ("field=", [GraphQLOperation("{ a }", field="a b")], {}),
        ("a key is for one request", [A] * 11, {"idempotency_key": "k"}),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(problem, operations, options):
    with pytest.raises(ConfigError, match=problem):
        batch([A, *operations], **options)


def test_files_are_no_option_of_a_batch():
    with pytest.raises(TypeError, match="files"):
        batch([A], files={"a": b""})
