"""`/graphql`, seen by a plain aiohttp client: operations by POST and GET, subscriptions by events and WebSocket."""

from __future__ import annotations

import json
import sys

import pytest
from aiohttp import WSMsgType

pytest.importorskip("graphql", reason="graphql-core is not installed")

USER = "query User($id: ID!) { user(id: $id) { id name } }"
PRICES = "subscription { prices(after: 100, count: 2) { cents } }"
OWN = {"Accept": "application/graphql-response+json"}
SUBSCRIBE = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": PRICES}})
EVENTS = {"Accept": "text/event-stream"}


async def post(http, query, headers=OWN, **more):
    return await http.post("/graphql", json={"query": query, **more}, headers=headers)


async def test_a_query_by_post_and_by_get(http):
    wanted = {"data": {"user": {"id": "1", "name": "Ada"}}}
    answer = await post(http, USER, variables={"id": "1"})
    assert (answer.status, answer.content_type) == (200, "application/graphql-response+json")
    assert json.loads(await answer.text()) == wanted
    got = await http.get("/graphql", params={"query": USER, "variables": '{"id": "1"}'})
    assert (got.content_type, await got.json()) == ("application/json", wanted)


async def test_a_mutation_holds_until_the_reset_and_is_no_get(http):
    rename = 'mutation { renameUser(id: "1", name: "Augusta") { name } }'
    assert (await http.get("/graphql", params={"query": rename})).status == 405
    assert json.loads(await (await post(http, rename)).text()) == {"data": {"renameUser": {"name": "Augusta"}}}
    assert "Augusta" in await (await post(http, USER, variables={"id": "1"})).text()
    await http.post("/reset")
    assert "Ada" in await (await post(http, USER, variables={"id": "1"})).text()


@pytest.mark.parametrize("query", ["{ nothing }", "{", "query A { __typename } query B { __typename }"])
async def test_what_does_not_fit_is_400_or_200_for_those_who_ask_for_json(http, query):
    answer = await post(http, query)
    assert answer.status == 400
    assert set(json.loads(await answer.text())) == {"errors"}
    assert (await post(http, query, headers={"Accept": "application/json"})).status == 200


async def test_an_error_has_the_code_that_was_asked_for(http):
    answer = json.loads(await (await post(http, '{ fail(code: "UNAUTHENTICATED") }')).text())
    assert answer["data"] == {"fail": None}
    assert answer["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


@pytest.mark.parametrize("body", [{"query": 1}, {}, {"query": "{ a }", "variables": [1]}])
async def test_what_is_no_request_is_400(http, body):
    assert (await http.post("/graphql", json=body)).status == 400


async def test_a_subscription_by_events_ends_with_complete(http):
    answer = await http.post("/graphql?pause=0", json={"query": PRICES}, headers=EVENTS)
    assert answer.content_type == "text/event-stream"
    assert (await answer.text()).split("\n\n") == [
        'event: next\ndata: {"data":{"prices":{"cents":101}}}',
        'event: next\ndata: {"data":{"prices":{"cents":102}}}',
        "event: complete\ndata:",
        "",
    ]


async def test_a_subscription_needs_events_or_a_socket(http):
    assert (await post(http, PRICES)).status == 406


async def test_a_subscription_over_a_socket(http):
    async with http.ws_connect("/graphql?pause=0", protocols=["graphql-transport-ws"]) as ws:
        assert ws.protocol == "graphql-transport-ws"
        await ws.send_json({"type": "connection_init"})
        assert await ws.receive_json() == {"type": "connection_ack"}
        await ws.send_json({"type": "ping"})
        assert await ws.receive_json() == {"type": "pong"}
        await ws.send_json({"id": "1", "type": "subscribe", "payload": {"query": PRICES}})
        found = [await ws.receive_json() for _ in range(3)]
        assert [each["type"] for each in found] == ["next", "next", "complete"]
        assert found[0]["payload"] == {"data": {"prices": {"cents": 101}}}
        await ws.send_json({"id": "1", "type": "subscribe", "payload": {"query": "{ nothing }"}})
        assert (await ws.receive_json())["type"] == "error"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["x"], 4400),
        (['{"type": "data"}'], 4400),
        (['{"id": "1", "type": "subscribe", "payload": {"query": "{ a }"}}'], 4401),
        (['{"type": "connection_init"}'] * 2, 4429),
        (['{"type": "connection_init"}', *[SUBSCRIBE] * 2],
         4409),
    ],
)  # fmt: skip
async def test_who_breaks_the_protocol_is_closed_with_its_code(http, messages, code):
    async with http.ws_connect("/graphql?pause=5", protocols=["graphql-transport-ws"]) as ws:
        for message in messages:
            await ws.send_str(message)
        while (received := await ws.receive(timeout=20)).type is WSMsgType.TEXT:
            pass
        assert (received.type, ws.close_code) == (WSMsgType.CLOSE, code)


async def test_a_socket_ends_as_it_was_asked_to(http):
    async with http.ws_connect("/graphql?pause=0&messages=2&code=4500", protocols=["graphql-transport-ws"]) as ws:
        await ws.send_json({"type": "connection_init"})
        await ws.send_json({"id": "1", "type": "subscribe", "payload": {"query": PRICES}})
        assert (await ws.receive_json())["type"] == "connection_ack"
        assert (await ws.receive_json())["type"] == "next"
        assert (await ws.receive(timeout=20)).type is WSMsgType.CLOSE
        assert ws.close_code == 4500


async def test_without_graphql_core_it_says_what_to_install(http, monkeypatch):
    monkeypatch.delitem(sys.modules, "asyncapi.serve.graphql_schema", raising=False)
    monkeypatch.delattr("asyncapi.serve.graphql_schema", raising=False)
    monkeypatch.setitem(sys.modules, "graphql", None)
    answer = await post(http, USER)
    assert answer.status == 501
    assert "pip install 'asyncapi-sdk[graphql]'" in (await answer.json())["error"]
