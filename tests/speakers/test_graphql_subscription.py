"""Subscriptions: typed results over WebSocket and events, gaps that are seen, ends that are told, nothing left open."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import BaseModel

from asyncapi import (
    Bearer,
    Client,
    ConfigError,
    GraphQL,
    GraphQLError,
    GraphQLResult,
    ProtocolError,
    Retry,
    SchemaError,
    SocketClosed,
    StatusError,
    TransportError,
)
from asyncapi.serve import FaultServer
from node_peers import node_peer, requires_node_peers

pytestmark = pytest.mark.lanes
pytest.importorskip("graphql", reason="graphql-core is not installed")

PRICES = "subscription Prices($count: Int) { prices(after: 100, count: $count) { cents } }"
BOTH = pytest.mark.parametrize("over", ["websocket", "sse"])
FAST = Retry(attempts=4, base=0.001)


class Price(BaseModel):
    cents: int


@pytest.fixture
async def server():
    async with FaultServer() as running:
        yield running


def tasks():
    return asyncio.all_tasks() - {asyncio.current_task()}


@BOTH
async def test_results_are_values_of_the_model(server, over):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0")
        async with gql.subscribe(PRICES, {"count": 3}, model=Price, field="prices", over=over) as prices:
            assert prices.over == over
            assert [price async for price in prices] == [Price(cents=cents) for cents in (101, 102, 103)]
            assert prices.resumes == 0
            with pytest.raises(StopAsyncIteration):
                await anext(prices)


@BOTH
async def test_a_bare_loop_opens_and_closes_it(server, over):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0")
        found = [price async for price in gql.subscribe(PRICES, {"count": 2}, field="prices.cents", over=over)]
        assert found == [101, 102]
        assert api.stats.in_flight == 0


@BOTH
async def test_leaving_a_bare_loop_early_leaves_nothing_open(server, over):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0.01")
        async for price in gql.subscribe(PRICES, {"count": 1000}, field="prices.cents", over=over):
            assert price == 101
            break
        while api.stats.in_flight:
            await asyncio.sleep(0)


@BOTH
async def test_errors_of_the_operation_are_a_graphql_error(server, over):
    async with Client(server.url) as api:
        with pytest.raises(GraphQLError, match="Cannot query field 'nothing'") as caught:
            [result async for result in GraphQL(api).subscribe("subscription { nothing }", over=over)]
        assert caught.value.errors[0]["locations"] == [{"line": 1, "column": 16}]
        assert api.stats.in_flight == 0


async def test_a_result_that_does_not_fit_is_an_error_and_the_next_one_comes(server):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0")
        async with gql.subscribe(PRICES, {"count": 2}, model=str, field="prices.cents", over="websocket") as prices:
            for _ in range(2):
                with pytest.raises(SchemaError) as caught:
                    await anext(prices)
                assert b'"cents"' in caught.value.body
            with pytest.raises(StopAsyncIteration):
                await anext(prices)


@pytest.mark.parametrize("then", ["drop", "close", "garbage"])
async def test_a_cut_is_a_gap_that_is_seen_before_the_next_result(server, then):
    seen = []

    async def gap(subscription):
        seen.append(f"gap {subscription.resumes}")

    async with Client(server.url, retry=FAST) as api:
        gql = GraphQL(api, f"/graphql?pause=0&messages=3&then={then}&code=1011")
        prices = gql.subscribe(PRICES, {"count": 5}, field="prices.cents", over="websocket", on_resume=gap)
        async with prices:
            if then == "garbage":  # that is no cut: the server breaks RFC 6455
                with pytest.raises(SocketClosed):
                    seen.extend([price async for price in prices])
                return
            while len(seen) < 12:
                seen.append(await anext(prices))
    assert seen[:6] == [101, 102, "gap 1", 101, 102, "gap 2"]


async def test_events_that_end_before_complete_are_a_gap():
    seen, connections = [], []

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        connections.append(reader)
        end = b"event: complete\n\n" if len(connections) == 3 else b""  # without data, as some servers write it
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
            b': a comment\n\nevent: next\ndata: {"data": {"n": 1}}\n\nevent: ping\ndata:\n\n' + end
        )
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}", retry=FAST) as api:
            numbers = GraphQL(api).subscribe(
                "subscription { n }", field="n", over="sse", on_resume=lambda _: seen.append("gap")
            )
            async for number in numbers:
                seen.append(number)
    assert seen == [1, "gap", 1, "gap", 1]


@pytest.mark.parametrize(("code", "raises"), [(4400, True), (4409, True), (1002, True), (4500, False), (1000, False)])
async def test_what_a_close_code_means(server, code, raises):
    async with Client(server.url, retry=FAST) as api:
        gql = GraphQL(api, f"/graphql?pause=0&messages=2&then=close&code={code}")
        async with gql.subscribe(PRICES, {"count": 5}, field="prices.cents", over="websocket") as prices:
            assert await anext(prices) == 101
            if raises:
                with pytest.raises(SocketClosed) as caught:
                    await anext(prices)
                assert caught.value.code == code
            else:
                assert await anext(prices) == 101
                assert prices.resumes == 1


@BOTH
async def test_without_retries_an_early_end_is_an_error_and_never_silent(server, over):
    query = "messages=3&then=close&code=1000" if over == "websocket" else "fault=drop-body"
    async with Client(server.url, retry=None) as api:
        gql = GraphQL(api, f"/graphql?pause=0&{query}")
        async with gql.subscribe(PRICES, {"count": 20}, field="prices.cents", over=over) as prices:
            with pytest.raises(TransportError):
                [price async for price in prices]
            with pytest.raises(TransportError):
                await anext(prices)


@BOTH
async def test_a_server_that_is_gone_ends_it_with_the_last_error(server, over):
    async with Client(server.url, retry=FAST) as api:
        gql = GraphQL(api, "/graphql?pause=0.01")
        async with gql.subscribe(PRICES, {"count": 10_000}, field="prices.cents", over=over) as prices:
            assert await anext(prices) == 101
            await server.aclose()
            with pytest.raises(TransportError):
                async for _ in prices:
                    pass
        assert api.stats.in_flight == 0


@BOTH
async def test_a_refused_handshake_is_the_error_of_its_status(server, over):
    async with Client(server.url, retry=None) as api:
        with pytest.raises(StatusError) as caught:
            async with GraphQL(api, "/graphql?fault=403").subscribe(PRICES, over=over):
                pass
        assert caught.value.status == 403


@BOTH
async def test_a_wait_for_a_result_can_be_cancelled_and_nothing_is_lost(server, over):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0.05")
        async with gql.subscribe(PRICES, {"count": 3}, field="prices.cents", over=over) as prices:
            found = []
            while len(found) < 3:
                try:
                    found.append(await asyncio.wait_for(anext(prices), 0.01))
                except TimeoutError:
                    continue
            assert found == [101, 102, 103]


@BOTH
async def test_cancelled_at_any_moment_it_leaves_nothing_open(server, over):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0")

        async def read():
            async with gql.subscribe(PRICES, {"count": 3}, over=over) as prices:
                async for _ in prices:
                    pass

        for turns in range(40):
            task = asyncio.create_task(read())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert api.stats.in_flight == 0


async def test_auto_goes_on_to_events_where_no_socket_is_spoken_and_remembers_that(server):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0")
        async with gql.subscribe(PRICES, {"count": 1}) as prices:
            assert prices.over == "websocket"
            assert len([price async for price in prices]) == 1


@pytest.mark.parametrize("url", ["/users", "/items/1"])
async def test_where_nothing_is_spoken_the_error_says_so(server, url):
    async with Client(server.url, retry=None) as api:
        with pytest.raises((TransportError, StatusError)):
            async with GraphQL(api, url).subscribe(PRICES):
                pass
        assert api.stats.in_flight == 0


async def test_errors_are_returned_where_that_is_asked(server):
    async with Client(server.url) as api:
        gql = GraphQL(api, "/graphql?pause=0")
        async with gql.subscribe(PRICES, {"count": 1}, model=int, field="prices.cents", errors="return") as prices:
            assert await anext(prices) == GraphQLResult(101)


@pytest.mark.parametrize(
    ("document", "more", "says"),
    [
        ("query { a }", {}, "call query"),
        ("mutation { a }", {}, "call mutate"),
        (PRICES, {"over": "carrier pigeon"}, "over='carrier pigeon'"),
        (PRICES, {"on_resume": 1}, "on_resume=1"),
        (PRICES, {"connection": 1}, "connection="),
        (PRICES, {"variables": {"a": object()}}, "variables"),
    ],
)
async def test_what_makes_no_sense_is_said_before_anything_is_sent(server, document, more, says):
    async with Client(server.url) as api:
        with pytest.raises(ConfigError, match=says):
            GraphQL(api).subscribe(document, **more)
        assert server.stats.requests == 0


async def test_it_is_opened_once_and_read_inside_its_block(server):
    async with Client(server.url) as api:
        prices = GraphQL(api, "/graphql?pause=0").subscribe(PRICES, {"count": 1})
        async with prices:
            pass
        await prices.aclose()
        with pytest.raises(ConfigError, match="inside its block"):
            await anext(prices)
        with pytest.raises(ConfigError, match="opened once"):
            async with prices:
                pass


@requires_node_peers
class TestNode:
    """graphql-ws, and the events of graphql-yoga."""

    @BOTH
    async def test_a_subscription(self, over):
        with node_peer("subscriptions.mjs") as peer:
            async with Client(peer.url) as api:
                gql = GraphQL(api)
                found = gql.subscribe("subscription { countdown(from: 3) }", model=int, field="countdown", over=over)
                assert [left async for left in found] == [3, 2, 1, 0]

    @BOTH
    async def test_a_result_with_errors_is_raised_and_the_next_one_comes(self, over):
        with node_peer("subscriptions.mjs") as peer:
            async with Client(peer.url) as api:  # noqa: SIM117
                async with GraphQL(api).subscribe("subscription { broken }", field="broken", over=over) as found:
                    assert await anext(found) == 1
                    with pytest.raises(GraphQLError, match="Int cannot represent"):
                        await anext(found)
                    assert await anext(found) == 2

    @BOTH
    async def test_the_credential_goes_into_the_headers_and_the_payload(self, over):
        with node_peer("subscriptions.mjs") as peer:
            async with Client(peer.url, auth=Bearer("t")) as api:  # noqa: SIM117
                async with GraphQL(api).subscribe("subscription { who }", field="who", over=over) as found:
                    assert await anext(found) == "Bearer t"

    @pytest.mark.parametrize("given", [{"Authorization": "mine"}, lambda: {"Authorization": "mine"}])
    async def test_a_payload_of_the_caller_s_own_wins(self, given):
        with node_peer("subscriptions.mjs") as peer:
            async with Client(peer.url, auth=Bearer("t")) as api:
                who = GraphQL(api).subscribe("subscription { who }", field="who", over="websocket", connection=given)
                async with who as found:
                    assert await anext(found) == "mine"

    async def test_a_connection_that_is_forbidden_is_an_error(self):
        with node_peer("subscriptions.mjs") as peer:
            async with Client(peer.url, auth=Bearer("bad"), retry=FAST) as api:
                with pytest.raises(SocketClosed) as caught:
                    async with GraphQL(api).subscribe("subscription { who }", over="websocket"):
                        pass
                assert caught.value.code == 4403

    async def test_auto_finds_events_where_no_socket_is_spoken_and_remembers(self):
        with node_peer("subscriptions.mjs", NO_SOCKET="1") as peer:
            async with Client(peer.url) as api:
                gql = GraphQL(api)
                for requests in (2, 3):  # a handshake was tried once
                    async with gql.subscribe("subscription { countdown(from: 1) }", field="countdown") as found:
                        assert found.over == "sse"
                        assert [left async for left in found] == [1, 0]
                    assert sum(api.stats.by_status.values()) == requests


async def test_a_users_test_can_play_the_server_and_what_breaks_the_protocol_is_an_error():
    from asyncapi.testing import MockTransport, socket

    async def peer(line):
        init = json.loads(await line.receive())
        assert init == {"type": "connection_init", "payload": {"token": "t"}}
        await line.send({"type": "ping"})
        assert json.loads(await line.receive()) == {"type": "pong"}
        await line.send({"type": "connection_ack"})
        asked = json.loads(await line.receive())
        assert asked["payload"] == {"query": "subscription { n }", "variables": {"a": 1}}
        await line.send({"type": "next", "id": asked["id"], "payload": {"data": {"n": 1}}})
        await line.send({"type": "next", "id": asked["id"], "payload": 7})

    async with Client("https://h", transport=MockTransport(lambda _: socket(peer))) as api:
        numbers = GraphQL(api).subscribe("subscription { n }", {"a": 1}, field="n", connection={"token": "t"})
        async with numbers:
            assert await anext(numbers) == 1
            with pytest.raises(ProtocolError, match="payload is no object"):
                await anext(numbers)
            with pytest.raises(ProtocolError):
                await anext(numbers)
        assert api.stats.in_flight == 0
