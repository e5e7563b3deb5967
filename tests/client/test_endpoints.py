"""A client with many endpoints over real sockets: one is slow, one dies and comes back, one is found by SRV records."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from multidict import CIMultiDict

import asyncapi.blocking
from asyncapi import Client, ConnectError, Endpoints, Hedge, Retry, TransportError
from asyncapi.testing import FakeClock, MockTransport, reply, run
from name_server import name_server

pytestmark = pytest.mark.lanes


class Server:
    """A local server that can be killed and started again at the same port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.seen = 0
        self.wait = 0.0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self._runner: web.AppRunner | None = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def start(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def kill(self):
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def answer(self, request):
        self.seen += 1
        self.headers = request.headers.copy()
        await asyncio.sleep(self.wait)
        return web.json_response({"from": self.name})


@pytest.fixture
async def servers():
    three = [Server(name) for name in "abc"]
    for server in three:
        await server.start()
    yield three
    for server in three:
        await server.kill()


async def test_one_dies_and_comes_back_without_a_failed_call(servers):
    endpoints = Endpoints([server.url for server in servers], eject_for=0.2, slow_start=0.0)
    async with Client(endpoints=endpoints, retry=Retry(3, base=0.001)) as api:
        for _ in range(30):
            await api.get("/x")
        assert all(server.seen for server in servers)
        dead = servers[0]
        await dead.kill()
        for _ in range(60):
            assert (await api.get("/x")).status == 200
        assert api.stats.endpoints[dead.url].ejections >= 1
        before = dead.seen
        await dead.start()
        while dead.seen == before:
            await api.get("/x")
        for _ in range(30):
            await api.get("/x")
        assert dead.seen > before + 3
        assert api.stats.endpoints[dead.url].state == "in"
        assert all(each.in_flight == 0 for each in api.stats.endpoints.values())


async def test_without_retries_a_dead_one_costs_no_more_than_its_ejection(servers):
    async with Client(endpoints=[server.url for server in servers], retry=None) as api:
        await servers[1].kill()
        failed = 0
        for _ in range(200):
            try:
                await api.get("/x")
            except TransportError:
                failed += 1
        assert failed == 5


async def test_a_slow_one_gets_little(servers):
    servers[2].wait = 0.2
    async with Client(endpoints=[server.url for server in servers]) as api:
        for _ in range(20):
            await asyncio.gather(*(api.get("/x") for _ in range(6)))
    assert servers[2].seen < 0.25 * sum(server.seen for server in servers)


async def test_hedges_and_cancelled_calls_leave_nothing_in_flight(servers):
    servers[0].wait = 0.3
    async with Client(endpoints=[server.url for server in servers], hedge=Hedge(after=0.02, budget=1.0)) as api:
        await asyncio.gather(*(api.get("/x") for _ in range(10)))
        tasks = [asyncio.ensure_future(api.get("/x")) for _ in range(20)]
        await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(each.in_flight == 0 for each in api.stats.endpoints.values())


async def test_a_stream_counts_until_its_body_ends(servers):
    async with Client(endpoints=[server.url for server in servers]) as api:
        async with api.stream("GET", "/x") as response:
            assert sum(each.in_flight for each in api.stats.endpoints.values()) == 1
            assert await response.read()
        assert sum(each.in_flight for each in api.stats.endpoints.values()) == 0


async def test_srv_records_list_the_endpoints(servers):
    records = [f"0 1 {server.port} localhost." for server in servers[:2]]
    async with name_server(*records, f"1 1 {servers[2].port} localhost.") as (names, address):
        endpoints = Endpoints.srv("_api._tcp.example", scheme="http", path="/v1", nameservers=[address])
        async with Client(endpoints=endpoints, retry=Retry(4, base=0.001)) as api:
            await asyncio.gather(*(api.get("/x") for _ in range(20)))
            assert names.asked == 1
            assert (servers[0].seen + servers[1].seen, servers[2].seen) == (20, 0)
            await servers[0].kill()
            await servers[1].kill()
            for _ in range(20):
                assert (await api.get("/x")).json() == {"from": "c"}


def test_the_blocking_client_takes_them_too():
    transport = MockTransport(lambda request: reply(200, json={"host": request.url.host}))
    with asyncapi.blocking.Client(endpoints=["https://a", "https://b"], transport=transport) as api:
        hosts = {api.get("/x").json()["host"] for _ in range(30)}
        assert hosts == {"a", "b"}
        assert set(api.stats.endpoints) == {"https://a", "https://b"}


def test_p99_and_errors_of_whole_clients_in_an_open_loop():
    """The bars of docs/endpoints.md, with the whole chain and deadlines, in virtual time."""

    def loop(slow=(), dead=(), hosts=("a", "b", "c")):
        async def scenario():
            clock, took, errors = FakeClock(seed=3), [], 0

            async def answer(request):
                if request.url.host in dead:
                    raise ConnectError("refused")
                await asyncio.sleep(0.02 * (10 if request.url.host in slow else 1) * (0.5 + clock.random()))
                return reply(200)

            async def one(api):
                nonlocal errors
                began = clock.now()
                try:
                    await api.get("/x")
                except TransportError:
                    errors += 1
                took.append(clock.now() - began)

            transport = MockTransport(answer, clock=clock)
            endpoints = [f"https://{host}" for host in hosts]
            async with Client(endpoints=endpoints, transport=transport, clock=clock, retry=None, timeout=2) as api:
                tasks = []
                for _ in range(3000):
                    tasks.append(asyncio.ensure_future(one(api)))
                    await clock.sleep(0.005)
                await asyncio.gather(*tasks)
                shares = [each.picked / 3000 for each in api.stats.endpoints.values()]
            took.sort()
            return took[int(len(took) * 0.99)], errors / 3000, shares

        return run(scenario())

    healthy, _, _ = loop(hosts=("a", "b"))
    tail, _, _ = loop(slow={"c"})
    assert tail <= 1.5 * healthy
    assert loop(dead={"c"})[1] <= 0.01
    assert loop()[2] == pytest.approx([1 / 3] * 3, rel=0.1)
