"""Results that grow by @defer and @stream: from real servers, in each format, whole or an error."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import BaseModel

from asyncapi import (
    Client,
    ConfigError,
    GraphQL,
    GraphQLError,
    GraphQLResult,
    ProtocolError,
    SchemaError,
    StatusError,
)
from asyncapi.testing import MockTransport, reply
from node_peers import node_peer, requires_node_peers


def body(*payloads, end=True):
    parts = "".join(f"\r\n--b\r\nContent-Type: application/json\r\n\r\n{json.dumps(each)}" for each in payloads)
    return (parts + ("\r\n--b--\r\n" if end else "\r\n--b\r\n")).encode()


def api(content, content_type="multipart/mixed; boundary=b", status=200):
    def handler(request):
        assert "multipart/mixed" in request.headers["Accept"]
        return reply(status, content=content, headers={"Content-Type": content_type})

    return Client("https://h", transport=MockTransport(handler), retry=None)


FIRST = {"data": {"user": {"name": "Ada"}}, "hasNext": True}
LAST = {"incremental": [{"path": ["user"], "data": {"slow": "x"}}], "hasNext": False}


class User(BaseModel):
    name: str
    slow: str = ""


async def test_each_round_has_more_of_the_result():
    client = api(body(FIRST, {"hasNext": True}, LAST))
    async with client, GraphQL(client).stream("{ a }", model=User, field="user") as users:
        assert await anext(users) == User(name="Ada")
        assert users.has_next
        assert [user async for user in users][-1] == User(name="Ada", slow="x")
        assert not users.has_next


async def test_a_bare_loop_reads_it_and_the_call_is_over_then():
    async with api(body(FIRST, LAST)) as client:
        found = [user async for user in GraphQL(client).stream("{ a }", field="user")]
        assert found == [{"name": "Ada"}, {"name": "Ada", "slow": "x"}]
        assert client.stats.in_flight == 0


async def test_a_server_that_knows_neither_directive_gives_one_result():
    async with api(b'{"data": {"user": {"name": "Ada"}}}', "application/json") as client:
        assert [user async for user in GraphQL(client).stream("{ a }", field="user")] == [{"name": "Ada"}]


async def test_rounds_in_which_the_field_is_not_there_yet_are_left_out():
    late = {"incremental": [{"path": [], "data": {"user": 1}}], "hasNext": False}
    async with api(body({"data": {}, "hasNext": True}, late)) as client:
        assert [user async for user in GraphQL(client).stream("{ a }", field="user")] == [1]


async def test_errors_are_raised_by_the_round_that_brings_them_or_returned():
    wrong = {"incremental": [{"path": ["user"], "data": None, "errors": [{"message": "no"}]}], "hasNext": True}
    async with api(body(FIRST, wrong, LAST)) as client:
        async with GraphQL(client).stream("{ a }", field="user.name") as names:
            assert await anext(names) == "Ada"
            with pytest.raises(GraphQLError, match="no") as caught:
                await anext(names)
            assert caught.value.data == {"user": {"name": "Ada"}}
            assert await anext(names) == "Ada"
        found = [each async for each in GraphQL(client).stream("{ a }", field="user.name", errors="return")]
        assert found[1:] == [GraphQLResult("Ada", [{"message": "no"}])] * 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (body(FIRST, end=False), "broke off"),
        (body(FIRST), "hasNext"),
        (body(FIRST, [1]), "no object"),
        (b"", "broke off"),
    ],
)
async def test_what_ends_too_early_is_an_error(content, says):
    async with api(content) as client:
        with pytest.raises(ProtocolError, match=says) as caught:
            async for _ in GraphQL(client).stream("{ a }"):
                pass
        assert caught.value.request is not None
        assert client.stats.in_flight == 0


@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        (b'{"errors": [{"message": "no"}]}', "application/graphql-response+json", 400, GraphQLError),
        (b"oh no", "text/html", 502, StatusError), (b"<html>", "text/html", 200, ProtocolError),
    ],
)  # fmt: skip
async def test_a_refusal_is_the_error_that_it_is(content, kind, status, error):
    async with api(content, kind, status) as client:
        with pytest.raises(error):
            async with GraphQL(client).stream("{ a }"):
                pass
        assert client.stats.in_flight == 0


async def test_what_does_not_fit_the_model_keeps_what_came():
    async with api(body(FIRST, LAST)) as client:
        with pytest.raises(SchemaError) as caught:
            async for _ in GraphQL(client).stream("{ a }", model=int, field="user"):
                pass
        assert b"Ada" in caught.value.body


async def test_a_subscription_is_no_such_result_and_it_is_read_once():
    async with api(body(FIRST, LAST)) as client:
        with pytest.raises(ConfigError, match="call subscribe"):
            GraphQL(client).stream("subscription { a }")
        users = GraphQL(client).stream("{ a }")
        async with users:
            pass
        with pytest.raises(ConfigError, match="inside its block"):
            await anext(users)
        with pytest.raises(ConfigError, match="read once"):
            async with users:
                pass


@requires_node_peers
@pytest.mark.lanes
@pytest.mark.parametrize("turns", [0, 5, 15, 40, 80])
async def test_cancelled_at_any_moment_it_leaves_nothing_open(turns):
    with node_peer("subscriptions.mjs", PAUSE="5") as peer:
        async with Client(peer.url) as client:

            async def read():
                async for _ in GraphQL(client).stream("{ numbers @stream }"):
                    pass

            task = asyncio.create_task(read())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert client.stats.in_flight == 0


@requires_node_peers
@pytest.mark.lanes
async def test_graphql_yoga_defers_and_streams():
    with node_peer("subscriptions.mjs", PAUSE="20") as peer:
        async with Client(peer.url) as client:
            gql = GraphQL(client)
            deferred = gql.stream("{ user { name ... @defer { slow } } }", model=User, field="user")
            assert [user async for user in deferred] == [User(name="Ada"), User(name="Ada", slow="at last")]
            streamed = [each async for each in gql.stream("{ numbers @stream(initialCount: 1) }", field="numbers")]
            assert streamed[0] == [1]
            assert streamed[-1] == [1, 2, 3]
