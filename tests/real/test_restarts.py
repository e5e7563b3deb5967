"""A host that stops listening and comes back: calls wait for it in a queue, whatever protocol they speak.

The port of each test refuses connections while the host is away. What fails here without the queue: a call has six
attempts, and the host stays away until all of them would have been used up, or until as many calls wait as are made.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

import greeter_pb2 as pb
from asyncapi import API, Client, ConnectError, Learned, RequestTimeout, Retry, Timeout, blocking, get
from asyncapi.bulk import Job, run
from asyncapi.serve import FaultServer
from greeter_pb2_grpc import GreeterStub
from grpc_server import grpc_server
from restarting import restarting
from upstream import serving

pytestmark = pytest.mark.lanes

CALLS = 30
LEARNED = Retry(policy=Learned(explore=1e-9))
SETTINGS = {"retry": LEARNED, "timeout": 60, "concurrency": 1000}


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def http_host():
    """A host that answers every path, and may be away; `.upstream` is what is behind it."""
    async with serving() as upstream, restarting(int(upstream.address.rpartition(":")[2])) as host:
        host.upstream = upstream
        yield host


def line_of(api, host):
    """The queue of the client for this host."""
    return api._state.lines.get(f"127.0.0.1:{host.port}")


def waiting(api, host):
    line = line_of(api, host)
    return 0 if line is None else line.length


def left(api, host):
    """What is left in the queue: waiters, probes, attempts under way, and a timer."""
    line = line_of(api, host)
    return line.length, line.refusals.out, len(line._flying), line._timer


async def begun(host, call, api, number=CALLS):
    """Stop the host, begin calls, and return them when nearly all of them wait for it."""
    host.stop()
    calls = [asyncio.ensure_future(call(index)) for index in range(number)]
    await until(lambda: waiting(api, host) >= number - 2)  # one probes
    return calls


async def test_no_call_is_lost_while_a_host_is_restarted():
    async with http_host() as host, Client(host.url, **SETTINGS) as api:
        await api.get("/before")
        calls = await begun(host, lambda index: api.get(f"/{index}"), api)
        late = [asyncio.create_task(api.get(f"/late/{index}")) for index in range(CALLS)]
        await until(lambda: waiting(api, host) >= 2 * CALLS - 2)
        await host.start()
        responses = await asyncio.gather(*calls, *late)
        assert [response.status for response in responses] == [200] * 2 * CALLS
        assert all(len(response.attempts) == 1 for response in responses[CALLS + 2 :])  # held before the first
        assert api.stats.held_back["hold"] >= 2 * CALLS - 2
        assert left(api, host) == (0, 0, 0, None)
        assert host.upstream.visits["GET", "/0"] == 1


async def test_a_host_may_be_away_again_and_again():
    async with http_host() as host, Client(host.url, **SETTINGS) as api:
        for _ in range(3):
            calls = await begun(host, lambda index: api.get(f"/{index}"), api)
            await host.start()
            assert {response.status for response in await asyncio.gather(*calls)} == {200}
        assert left(api, host) == (0, 0, 0, None)


async def test_a_blocking_client_waits_as_well():
    async with http_host() as host:
        host.stop()
        api = blocking.Client(host.url, **SETTINGS)

        def work():
            with api:
                return api.gather(f"/{index}" for index in range(CALLS))

        calls = asyncio.create_task(asyncio.to_thread(work))
        await until(lambda: waiting(api._client, host) >= CALLS - 2)
        await host.start()
        assert [response.status for response in await calls] == [200] * CALLS


async def test_closing_a_blocking_client_ends_the_calls_that_wait():
    async with http_host() as host:
        api = blocking.Client(host.url, **SETTINGS)
        host.stop()
        calls = [asyncio.create_task(asyncio.to_thread(api.get, f"/{index}")) for index in range(5)]
        await until(lambda: waiting(api._client, host) >= 4)
        await asyncio.to_thread(api.close)
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert "the client was closed while" in str(error)


async def test_a_declared_client_waits_as_well():
    class Shop(API):
        @get("/items/{number}")
        async def item(self, number: int) -> dict[str, str]: ...

    async with http_host() as host, Client(host.url, **SETTINGS) as api:
        calls = await begun(host, lambda index: Shop(api).item(index), api)
        await host.start()
        assert [item["path"] for item in await asyncio.gather(*calls)] == [f"/items/{index}" for index in range(CALLS)]


async def test_a_job_loses_no_row(tmp_path):
    async with http_host() as host:
        source, output = tmp_path / "in.txt", tmp_path / "out.jsonl"
        source.write_text("".join(f"{host.url}/{index}\n" for index in range(300)))

        async def slowly(request, arrival):
            await asyncio.sleep(0.01)
            return await plain(request, arrival)

        plain, host.upstream.answer = host.upstream.answer, slowly
        job = asyncio.ensure_future(run(Job(source, output, retry_policy="learned", concurrency=20)))
        for arrived in (50, 150):
            await until(lambda: len(host.upstream.arrivals) >= arrived)  # noqa: B023 - waited for here
            host.stop()
            await asyncio.sleep(0.3)  # a restart: nothing shows from outside that rows wait
            await host.start()
        summary = await job
        assert (summary.ok, summary.failed) == (300, 0)
        assert summary.retries_by["ConnectError"] <= 100  # each row that was refused, and a few probes
        assert {json.loads(line)["ok"] for line in output.read_text().splitlines()} == {True}


async def test_one_endpoint_of_several_holds_nobody_and_all_of_them_do():
    async with http_host() as one, http_host() as two, Client(endpoints=[one.url, two.url], **SETTINGS) as api:
        one.stop()
        for index in range(40):
            assert (await api.get(f"/{index}")).status == 200
        assert api.stats.held_back.get("hold", 0) == 0
        two.stop()
        calls = [asyncio.create_task(api.get(f"/{index}")) for index in range(CALLS)]
        await until(lambda: sum(line.length for line in api._state.lines.values()) >= CALLS - 2)
        await two.start()
        assert {response.status for response in await asyncio.gather(*calls)} == {200}


async def test_grpc_calls_wait_for_their_host():
    async def say(stub, index):
        return await stub.Look(pb.Ask(name=str(index)))

    async with (
        grpc_server() as server,
        restarting(int(server.url.rpartition(":")[2])) as host,
        Client(host.url, http2="prior", **SETTINGS) as api,
    ):
        stub = GreeterStub(api.grpc())
        await stub.Look(pb.Ask(name="before"))
        calls = await begun(host, lambda index: asyncio.create_task(say(stub, index)), api)
        await host.start()
        replies = await asyncio.gather(*calls)
        assert [reply.text for reply in replies] == [f"Hello, {index}" for index in range(CALLS)]


async def test_websocket_handshakes_wait_for_their_host():
    async def talk(api, index):
        async with api.websocket("/ws") as ws:
            await ws.send(str(index))
            return await ws.receive()

    async with FaultServer() as server, restarting(server.port) as host, Client(host.url, **SETTINGS) as api:
        calls = await begun(host, lambda index: talk(api, index), api, 10)
        await host.start()
        assert await asyncio.gather(*calls) == [str(index) for index in range(10)]
        assert left(api, host)[:2] == (0, 0)


async def test_another_takes_over_when_calls_are_cancelled():
    """Each probe, and each waiter, may be cancelled at any time."""
    async with http_host() as host, Client(host.url, **SETTINGS) as api:
        calls = await begun(host, lambda index: api.get(f"/{index}"), api)
        for index in range(0, CALLS, 2):
            calls[index].cancel()
            await asyncio.sleep(0.01)
        await host.start()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(ended[index], asyncio.CancelledError) for index in range(0, CALLS, 2))
        assert all(ended[index].status == 200 for index in range(1, CALLS, 2))
        assert left(api, host) == (0, 0, 0, None)


async def test_nothing_is_left_when_all_are_cancelled_or_out_of_time():
    async with http_host() as host, Client(host.url, **SETTINGS) as api:
        calls = await begun(host, lambda index: api.get(f"/{index}"), api)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert left(api, host) == (0, 0, 0, None)
        late = await asyncio.gather(*(api.get("/late", timeout=0.5) for _ in range(CALLS)), return_exceptions=True)
        assert all(isinstance(error, ConnectError | RequestTimeout) for error in late)  # it may end during a probe
        assert left(api, host) == (0, 0, 0, None)
        await host.start()
        assert (await api.get("/after")).status == 200


async def test_closing_the_client_ends_the_calls_that_wait():
    async with http_host() as host:
        api = Client(host.url, **SETTINGS)
        calls = await begun(host, lambda index: api.get(f"/{index}"), api)
        line = line_of(api, host)
        await api.aclose()
        async with asyncio.timeout(10):
            ended = await asyncio.gather(*calls, return_exceptions=True)
        assert sum("the client was closed" in str(error) for error in ended) >= CALLS - 2
        assert (line.length, line._timer) == (0, None)


async def test_a_probe_whose_connection_hangs_holds_up_nobody_for_long():
    """The host refuses, then takes connections and says nothing on them, then is well."""

    async def silent(*_):
        await asyncio.Event().wait()

    async with http_host() as host, Client(host.url, **(SETTINGS | {"timeout": Timeout(60, attempt=2)})) as api:
        plain, host.upstream.answer = host.upstream.answer, silent
        calls = await begun(host, lambda index: api.get(f"/{index}"), api)
        await host.start()
        await until(lambda: host.upstream.inside >= 3)  # others went, although the first got no response
        host.upstream.answer = plain
        assert {response.status for response in await asyncio.gather(*calls)} == {200}
        assert left(api, host)[:3] == (0, 0, 0)
