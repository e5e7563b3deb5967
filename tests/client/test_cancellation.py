"""Cancellation: whenever it comes, once or twice, nothing is left behind and nothing is swallowed.

Two ways: at every await point of a call, systematically, over the mock transport in virtual time; and tens of
thousands of times at random over the real transport against a local server, with every limit on.
"""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import asynccontextmanager, suppress

import pytest

from asyncapi import AsyncAPIError, Client, RateLimit, Request, Retry, Timeout, deadline
from asyncapi.messages.call import Call
from asyncapi.testing import FakeClock, MockTransport, VirtualTimeLoop, reply

pytestmark = pytest.mark.lanes

# -- at every step ----------------------------------------------------------------------------------------------------


class SteppedLoop(VirtualTimeLoop):
    """Cancels `victim` in the given turns of the loop, counted from when it is set."""

    def __init__(self, turns: tuple[int, ...]) -> None:
        super().__init__()
        self.victim: asyncio.Task | None = None
        self.turn = 0
        self.reached = 0  # cancellations that found it running
        self.complaints: list[dict] = []
        self._turns = turns
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def _run_once(self) -> None:
        if self.victim is not None and not self.victim.done():
            self.turn += 1
            for _ in range(self._turns.count(self.turn)):
                self.reached += self.victim.cancel()
        super()._run_once()


class World:
    """One client with every limit on, over a host that fails at first, and competitors for its limits."""

    def __init__(self, **settings) -> None:
        self.clock = FakeClock()
        self.failing = 0
        self.client = Client(
            "https://h",
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            **{
                "concurrency": 2,
                "rate": [RateLimit(4, per=1.0, burst=2), RateLimit(3, per=1.0, burst=1, by="host")],
                "timeout": Timeout(30, attempt=3),
                "retry": Retry(3, base=0.1),
            }
            | settings,
        )

    async def answer(self, request: Request):
        await asyncio.sleep(0.1)
        await asyncio.sleep(0)
        if request.url.path == "/hang":
            await asyncio.sleep(1000)
        if request.url.path == "/moved":
            return reply(302, headers={"Location": "/flaky"})
        if request.url.path == "/flaky" and self.failing:
            self.failing -= 1
            return reply(503)
        return reply(200, json={})

    async def check(self) -> None:
        """Nothing is left, and the limits are whole: as many calls as ever pass, at the same pace."""
        stats, parts = self.client.stats, self.client._state
        assert (stats.in_flight, stats.queued, parts.gate.free) == (0, 0, 2)
        assert len(parts.watchdog) == len(self.client._transport._watchdog) == 0
        assert stats.calls == stats.ok + stats.failed + stats.by_error.get("CancelledError", 0)
        await asyncio.sleep(10)  # the buckets are full again, if nothing was lost and no more than that
        assert parts.limiters[0][2][""].buckets[0].available(self.clock.now()) == 2
        began = self.clock.now()
        await self.client.gather([f"/{n}" for n in range(4)])
        assert self.clock.now() - began == pytest.approx(1.1)
        await self.client.aclose()


async def one_call(world: World) -> None:
    world.failing = 2
    await world.client.get("/moved", model=dict)


async def a_call_in_line(world: World) -> None:
    """The same, with others before it in the line for tokens and for places."""
    rivals = [asyncio.create_task(world.client.get(f"/{n}")) for n in range(4)]
    try:
        await world.client.get("/last")
    finally:
        await asyncio.gather(*rivals)


async def a_call_that_times_out(world: World) -> None:
    with suppress(TimeoutError), deadline(5.0, clock=world.clock):
        await world.client.get("/hang")


async def a_call_under_a_foreign_timeout(world: World) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(3.0):  # at the same instant as the attempt's own limit
            await world.client.get("/hang")


async def a_fan_out(world: World) -> None:
    world.failing = 1
    async with world.client.map(iter(["/1", "/flaky", "/3"]), concurrency=2) as outcomes:
        async for _ in outcomes:
            await asyncio.sleep(0.05)


async def a_fan_out_over_a_slow_source(world: World) -> None:
    closed = []

    async def source():
        try:
            for number in range(3):
                await asyncio.sleep(0.1)
                yield f"/{number}"
        finally:
            await asyncio.sleep(0.01)
            closed.append(True)

    begun = source()
    try:
        async with world.client.map(begun, ordered=True) as outcomes:
            async for _ in outcomes:
                pass
    finally:
        assert closed or begun.ag_frame is None or begun.ag_running is False


async def a_gather(world: World) -> None:
    await world.client.gather(["/1", "/2", "/3"])


def play(scenario, turns: tuple[int, ...]) -> int:
    """Run it with cancellations in these turns; gives the number of turns it lives."""
    loops: list[SteppedLoop] = []

    def factory() -> SteppedLoop:
        loops.append(SteppedLoop(turns))
        return loops[0]

    async def main() -> None:
        (loop,), world = loops, World()
        loop.victim = asyncio.create_task(scenario(world))
        await asyncio.wait([loop.victim])
        assert loop.victim.cancelled() == bool(loop.reached), "a cancellation was swallowed, or made up"
        if not loop.victim.cancelled():
            loop.victim.result()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await world.check()
        assert [timer for timer in loop._scheduled if not timer.cancelled()] == []

    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())
    except BaseException as error:
        error.add_note(f"cancelled in turns {turns}")
        raise
    gc.collect(0)
    assert loops[0].complaints == [], f"cancelled in turns {turns}"
    return loops[0].turn


SCENARIOS = [
    one_call,
    a_call_in_line,
    a_call_that_times_out,
    a_call_under_a_foreign_timeout,
    a_fan_out,
    a_fan_out_over_a_slow_source,
    a_gather,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_cancellation_at_any_await_point_leaves_nothing_behind(scenario):
    turns = play(scenario, ())
    assert turns > 5
    for turn in range(1, turns + 1):
        play(scenario, (turn,))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_a_second_cancellation_in_the_same_turn_or_in_the_clean_up_changes_nothing(scenario):
    turns = play(scenario, ())
    for turn in range(1, turns + 1):
        for gap in (0, 1, 2, 3):
            play(scenario, (turn, turn + gap))


# -- tens of thousands, over the real transport ------------------------------------------------------------------------


class Wire(asyncio.Protocol):
    """A small HTTP server: what it does depends on the path."""

    connections: set[Wire]

    def __init__(self, connections: set[Wire], draw: random.Random) -> None:
        self.connections, self._draw = connections, draw

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.connections.add(self)

    def connection_lost(self, exc) -> None:
        self.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"x"):  # the rest of a body
            return
        path = data.split(b" ", 2)[1]
        later = asyncio.get_running_loop().call_later
        if path == b"/fast":
            self.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        elif path == b"/slow":
            later(self._draw.uniform(0, 0.01), self.write, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        elif path == b"/failing":
            self.write(b"HTTP/1.1 503 Busy\r\nretry-after-ms: 2\r\nContent-Length: 0\r\n\r\n")
        elif path == b"/moved":
            self.write(b"HTTP/1.1 302 Found\r\nLocation: /slow\r\nContent-Length: 0\r\n\r\n")
        elif path == b"/closing":
            self.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
            self.transport.close()
        elif path == b"/broken":
            self.transport.abort()
        elif path == b"/silent":
            pass  # whoever is cancelled here has a connection that nobody else may use
        else:
            self.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
            later(self._draw.uniform(0, 0.01), self.write, b"1\r\n}\r\n0\r\n\r\n")

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


PATHS = ["/fast", "/fast", "/slow", "/slow", "/body", "/body", "/failing", "/moved", "/closing", "/broken", "/silent"]


@asynccontextmanager
async def wire(draw: random.Random):
    connections: set[Wire] = set()
    server = await asyncio.get_running_loop().create_server(lambda: Wire(connections, draw), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections
    finally:
        server.close()
        await server.wait_closed()


class Storm:
    """Calls through one client, cancelled at random."""

    def __init__(self, client: Client, draw: random.Random) -> None:
        self.client, self.draw = client, draw
        self.cancels = self.doubles = self.cancelled = 0

    async def call(self) -> None:
        path = self.draw.choice(PATHS)
        content = b"x" * 200_000 if path == "/slow" and self.draw.random() < 0.05 else None
        with suppress(AsyncAPIError):
            await self.client.request("PUT" if content else "GET", path, content=content)

    async def mapped(self) -> None:
        with suppress(AsyncAPIError):
            async with self.client.map([self.draw.choice(PATHS) for _ in range(5)], concurrency=3) as outcomes:
                async for _ in outcomes:
                    pass

    async def killed(self) -> None:
        """One call and its killer."""
        task = asyncio.create_task(self.mapped() if self.draw.random() < 0.05 else self.call())
        if self.draw.random() < 0.5:
            for _ in range(self.draw.randrange(12)):  # so many turns of the loop
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(self.draw.uniform(0, 0.015))
        if task.cancel():
            self.cancels += 1
            if self.draw.random() < 0.3:
                for _ in range(self.draw.randrange(3)):
                    await asyncio.sleep(0)
                self.doubles += task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            self.cancelled += 1
        else:
            task.result()

    async def rage(self, calls: int, side_by_side: int) -> None:
        async def one_after_the_other() -> None:
            for _ in range(calls // side_by_side):
                await self.killed()

        await asyncio.gather(*(one_after_the_other() for _ in range(side_by_side)))


def living_calls() -> int:
    gc.collect()
    return sum(type(one) is Call for one in gc.get_objects())


def assert_nothing_is_left(client: Client, calls_before: int) -> None:
    stats, parts = client.stats, client._state
    assert (stats.in_flight, stats.queued, parts.gate.free) == (0, 0, parts.gate.limit)
    assert stats.calls == stats.ok + stats.failed + stats.by_error.get("CancelledError", 0)
    for _, _, limiters in parts.limiters:
        for limiter in limiters.values():
            assert (limiter.queue.length, limiter.queue.head(), limiter._timer) == (0, None, None)
    assert len(parts.watchdog) == len(client._transport._watchdog) == 0
    # of thousands: the loop keeps the context of whoever made a timer or a connection, and a context knows its call
    assert living_calls() - calls_before < 200


async def until(condition) -> None:
    """Wait until it is so, for 10 seconds at most."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("calls", [1_200, pytest.param(8_000, marks=pytest.mark.soak)])
async def test_random_cancellations_leave_no_place_token_socket_timer_or_task(calls):
    """Thousands of them, twenty thousand in the long case: single and double, few and many side by side."""
    loop, draw, complaints = asyncio.get_running_loop(), random.Random(9), []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    async with wire(draw) as (url, connections):
        client = Client(
            url,
            concurrency=25,
            rate=[RateLimit(20_000, per=1.0, burst=20), RateLimit(20_000, per=1.0, burst=30, by="host")],
            retry=Retry(3, base=0.002, budget=None),
            timeout=Timeout(20, connect=10, attempt=15),
        )
        async with client:
            await client.get("/fast")
            storm, before, calls_before = Storm(client, draw), asyncio.all_tasks(), living_calls()
            for side_by_side in (10, 60, 300):
                await storm.rage(calls, side_by_side)
                await asyncio.sleep(0.05)  # connections that were cut tell the server
                assert asyncio.all_tasks() == before
                assert_nothing_is_left(client, calls_before)
                assert len(await client.gather(["/fast", "/slow"] * 100)) == 200
                assert_nothing_is_left(client, calls_before)
                await until(lambda: len(connections) <= client._state.gate.limit)  # none is kept that nobody can use
            assert storm.cancels + storm.doubles >= 2.5 * calls
            assert storm.doubles >= calls / 8
            assert storm.cancelled == storm.cancels  # none swallowed
        await until(lambda: not connections)
    gc.collect()
    assert complaints == []


async def test_cancelling_connects_that_never_end_leaves_nothing():
    """Connections that hang in the handshake, cancelled at any moment."""
    from socket import create_server, socket

    full = create_server(("127.0.0.1", 0), backlog=1)
    fillers = [socket() for _ in range(8)]
    for filler in fillers:
        filler.setblocking(False)
        with suppress(BlockingIOError):
            filler.connect(full.getsockname())
    draw = random.Random(10)
    try:
        async with Client(f"http://127.0.0.1:{full.getsockname()[1]}", concurrency=30) as client:
            before, calls_before = asyncio.all_tasks(), living_calls()

            async def killed() -> None:
                task = asyncio.create_task(client.get("/"))
                await asyncio.sleep(draw.uniform(0, 0.01))
                for _ in range(draw.choice((1, 2))):
                    task.cancel()
                    await asyncio.sleep(0)
                await asyncio.wait([task])
                assert task.cancelled()

            for _ in range(20):
                await asyncio.gather(*(killed() for _ in range(50)))
            await asyncio.sleep(0.01)
            assert asyncio.all_tasks() == before
            assert_nothing_is_left(client, calls_before)
    finally:
        for one in (full, *fillers):
            one.close()


async def test_a_cancelled_call_over_a_kept_alive_connection_does_not_poison_the_next():
    """The answer of a cancelled call must never be taken for the answer to another one."""
    draw = random.Random(11)

    class Numbered(Wire):
        def data_received(self, data: bytes) -> None:
            body = data.split(b" ", 2)[1]
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            asyncio.get_running_loop().call_later(draw.uniform(0, 0.003), self.write, answer)

    server = await asyncio.get_running_loop().create_server(lambda: Numbered(set(), draw), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with Client(url, concurrency=4, retry=None) as client:

        async def one(number: int) -> None:
            task = asyncio.create_task(client.get(f"/{number}"))
            if draw.random() < 0.7:
                await asyncio.sleep(draw.uniform(0, 0.006))
                task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                assert task.result().text == f"/{number}"

        for start in range(0, 2000, 20):
            await asyncio.gather(*(one(start + n) for n in range(20)))
        assert client.stats.ok > 100
        assert client.stats.by_error["CancelledError"] > 100
    server.close()
    await server.wait_closed()
