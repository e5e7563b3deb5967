"""Subscriptions against the servers that people run, and through connections that are cut again and again."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from asyncapi import Client, GraphQL, GraphQLError, Retry, StatusError
from asyncapi.serve import FaultServer
from node_peers import node_peer, requires_node_peers
from strawberry_peer import strawberry_peer

pytestmark = pytest.mark.lanes
pytest.importorskip("graphql", reason="graphql-core is not installed")

COUNTDOWN = "subscription { countdown(from: 2) }"
PRICES = "subscription { prices(after: 100, count: 1000000) { cents } }"


@contextlib.asynccontextmanager
async def cutting(port, cuts):
    """A proxy to a port that cuts each of the first `cuts` connections somewhere after its beginning."""
    draw, open_, count = random.Random(7), set(), 0

    async def pass_on(reader, writer, left):
        with contextlib.suppress(OSError):
            while left > 0 and (piece := await reader.read(256)):
                left -= len(piece)
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    async def serve(reader, writer):
        nonlocal count
        count += 1
        left = draw.randrange(400, 3000) if count <= cuts else 1 << 30
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        open_.update((writer, far_writer))
        try:
            await asyncio.gather(pass_on(far_reader, writer, left), pass_on(reader, far_writer, 1 << 30))
        finally:
            open_.difference_update((writer, far_writer))
            writer.transport.abort()
            far_writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        for writer in [*open_]:
            writer.transport.abort()


@pytest.mark.parametrize("cuts", [20, pytest.param(100, marks=pytest.mark.soak)])
@pytest.mark.parametrize("over", ["websocket", "sse"])
async def test_cut_again_and_again_it_goes_on_and_each_gap_is_seen(over, cuts):
    seen = []
    async with FaultServer() as server, cutting(server.port, cuts) as url:  # noqa: SIM117
        async with Client(url, retry=Retry(attempts=20, base=0.0001, budget=None)) as api:
            prices = GraphQL(api, "/graphql?pause=0.0001").subscribe(
                PRICES, field="prices.cents", over=over, on_resume=lambda _: seen.append("gap")
            )
            async with prices:
                while seen.count("gap") < cuts // 2 or seen[-1] == "gap":
                    seen.append(await anext(prices))
                assert prices.resumes == seen.count("gap")
            assert api.stats.in_flight == 0
    runs = " ".join(map(str, seen)).split("gap")
    for run in runs:  # whole and in order, each from its beginning: nothing twice, nothing left out
        numbers = [int(number) for number in run.split()]
        assert numbers == list(range(101, 101 + len(numbers)))


async def test_strawberry():
    with strawberry_peer() as url:
        async with Client(url) as api:
            gql = GraphQL(api)
            async with gql.subscribe("subscription { countdown(from_: 2) }", model=int, field="countdown") as left:
                assert left.over == "websocket"
                assert [number async for number in left] == [2, 1, 0]
            with pytest.raises(GraphQLError, match="nothing"):
                [number async for number in gql.subscribe("subscription { nothing }")]
            assert api.stats.in_flight == 0


@requires_node_peers
async def test_graphql_sse():
    with node_peer("sse.mjs") as peer:
        async with Client(peer.url) as api:
            async with GraphQL(api).subscribe(COUNTDOWN, model=int, field="countdown", over="sse") as left:
                assert [number async for number in left] == [2, 1, 0]
            with pytest.raises(GraphQLError, match="nothing"):
                [number async for number in GraphQL(api).subscribe("subscription { nothing }", over="sse")]


@requires_node_peers
async def test_apollo_server_says_that_it_has_no_subscriptions_by_events():
    with node_peer("apollo.mjs") as peer:
        async with Client(peer.url, retry=None) as api:
            with pytest.raises((GraphQLError, StatusError)):
                async with GraphQL(api).subscribe("subscription { a }", over="sse"):
                    pass
            whole = GraphQL(api).stream("{ users { name } }", field="users")
            assert [users[0] async for users in whole] == [{"name": "Ada"}]
