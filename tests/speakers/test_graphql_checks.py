"""Documents are checked once against a schema, and the error says where they are wrong."""

from __future__ import annotations

import sys

import pytest

from asyncapi import Client, ConfigError, GraphQL, GraphQLOperation
from asyncapi.testing import MockTransport, reply

graphql = pytest.importorskip("graphql", reason="graphql-core is not installed")

SDL = "type Query { user(id: ID!): User }\ntype User { name: String! }\ntype Subscription { n: Int }"
RIGHT = "query { user(id: 1) { name } }"


def api():
    return Client("https://h", transport=MockTransport(lambda _: reply(json={"data": {"user": None}})))


def schemas(tmp_path):
    path = tmp_path / "schema.graphql"
    path.write_text(SDL)
    introspected = tmp_path / "schema.json"
    found = graphql.introspection_from_schema(graphql.build_schema(SDL))
    import json

    introspected.write_text(json.dumps({"data": found}))
    return {"text": SDL, "path": path, "its text": str(path), "json": introspected, "bare json": json.dumps(found)}


@pytest.mark.parametrize("kind", ["text", "path", "its text", "json", "bare json"])
async def test_a_schema_is_text_or_a_file_in_either_language(tmp_path, kind):
    async with api() as client:
        gql = GraphQL(client, schema=schemas(tmp_path)[kind])
        assert await gql.query(RIGHT) == {"user": None}
        with pytest.raises(ConfigError, match=r"Cannot query field 'nme' on type 'User'.*\(line 2, column 20\)"):
            await gql.query("query {\n  user(id: 1) {    nme }\n}")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{ user(id: 1) { name }", "is a brace missing"),
        ("{ user { name } }", r"of type 'ID!' is required.*\(line 1, column 3\)"),
        ("{ a b }", r"and 1 more"),
    ],
)
async def test_nothing_is_sent_of_a_document_that_does_not_fit(document, says):
    sent = []
    transport = MockTransport(lambda request: sent.append(request) or reply(json={"data": {}}))
    async with Client("https://h", transport=transport) as client:
        gql = GraphQL(client, schema=SDL)
        for _ in range(2):
            with pytest.raises(ConfigError, match=says):
                await gql.query(document)
        with pytest.raises(ConfigError, match="field 'nothing'"):
            gql.subscribe("subscription { nothing }")
        with pytest.raises(ConfigError, match="field 'nothing'"):
            gql.stream("{ nothing }")
        with pytest.raises(ConfigError, match="field 'nothing'"):
            await gql.batch([GraphQLOperation("{ nothing }")])
    assert sent == []


async def test_a_document_is_checked_once(monkeypatch):
    checked = []
    validate = graphql.validate
    monkeypatch.setattr(graphql, "validate", lambda *given: checked.append(given) or validate(*given))
    async with api() as client:
        gql = GraphQL(client, schema=SDL)
        gql.check(RIGHT, RIGHT)
        for _ in range(3):
            await gql.query(RIGHT)
    assert len(checked) == 1


async def test_defer_and_stream_are_known():
    async with api() as client:
        GraphQL(client, schema=SDL).check("{ user(id: 1) { ... @defer { name } } }")


@pytest.mark.parametrize(
    ("schema", "says"),
    [("type Query {", r"Syntax Error.*line 1"), ("nowhere.graphql", "nowhere.graphql can't be read"),
     ('{"data": 1}', "can't be read"), (7, "give the path")],
)  # fmt: skip
async def test_a_schema_that_cannot_be_read_is_said_at_once(schema, says):
    async with api() as client:
        with pytest.raises(ConfigError, match=says):
            GraphQL(client, schema=schema)


async def test_without_a_schema_or_the_extra_it_says_what_to_do(monkeypatch):
    async with api() as client:
        with pytest.raises(ConfigError, match="schema="):
            GraphQL(client).check(RIGHT)
        monkeypatch.setitem(sys.modules, "graphql", None)
        with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[graphql\]'"):
            GraphQL(client, schema=SDL)
