"""Every call ends by its deadline, and its error names what spent the time: thousands of random ones."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from contextlib import asynccontextmanager, nullcontext, suppress

import pytest
from aiohttp import web

from asyncapi import (
    AsyncAPIError,
    Client,
    DeadlineExceeded,
    RateLimit,
    RequestTimeout,
    Retry,
    ServerError,
    Timeout,
    deadline,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run

PHASES = ("connect", "send", "headers", "body")


class Script:
    """A random course of one call: its wait in line, and what each attempt spends on what, and the waits between."""

    def __init__(self, draw: random.Random) -> None:
        self.total = draw.uniform(0.5, 20)
        self.queue = draw.choice((0, 0, draw.uniform(0, 15)))
        self.attempts = [
            [(phase, draw.choice((0, draw.uniform(0, 2), draw.uniform(0, 10)))) for phase in PHASES]
            for _ in range(draw.randint(1, 4))
        ]
        self.waits = [draw.choice((0.001, draw.uniform(0, 3), draw.uniform(0, 20))) for _ in self.attempts[1:]]

    def end(self) -> tuple[float, str | None]:
        """When it ends, and what the error's phase is; None of a success."""
        now = self.queue
        if now > self.total:
            return self.total, "queue"
        for number, attempt in enumerate(self.attempts):
            if number:
                if now + self.waits[number - 1] >= self.total:
                    return now, "backoff"  # told at once, not waited for
                now += self.waits[number - 1]
            for phase, takes in attempt:
                now += takes
                if now > self.total:
                    return self.total, phase
        return now, None


class Course:
    """Plays a script: a host whose one place is taken at first, and a transport that spends time as told."""

    def __init__(self, script: Script) -> None:
        self.script, self.clock, self.made = script, FakeClock(), 0
        self.client = Client(
            "https://h",
            pace=False,
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            concurrency=1,
            timeout=None,
            retry=Retry(9, max_retry_after=1000),
        )

    async def answer(self, request):
        if request.url.path == "/hog":
            await asyncio.sleep(self.script.queue)
            return reply()
        number, self.made = self.made, self.made + 1
        for phase, takes in self.script.attempts[number]:
            request.call.phase = phase
            await asyncio.sleep(takes)
        if number == len(self.script.attempts) - 1:
            return reply()
        return reply(503, headers={"retry-after-ms": repr(self.script.waits[number] * 1000)})

    async def play(self) -> None:
        hog = asyncio.create_task(self.client.get("/hog"))
        await asyncio.sleep(0)
        error = None
        try:
            await self.client.get("/", timeout=Timeout(self.script.total, connect=None))
        except AsyncAPIError as caught:
            error = caught
        end, phase = self.script.end()
        assert self.clock.now() == pytest.approx(end, abs=1e-6)
        assert self.clock.now() <= self.script.total + 1e-9
        assert (error.phase if error is not None else None) == phase
        if phase is not None:
            assert isinstance(error, ServerError if phase == "backoff" else RequestTimeout)
            assert len(error.attempts) == self.made
        assert asyncio.current_task().cancelling() == 0
        await hog
        assert len(self.client._state.watchdog) == 0
        assert self.client._state.gate.free == 1


@pytest.mark.parametrize("calls", [400, pytest.param(2000, marks=pytest.mark.soak)])
def test_thousands_of_random_calls_end_by_their_deadline_and_name_what_spent_it(calls):
    draw, ends = random.Random(20), {}
    for _ in range(calls):
        script = Script(draw)
        run(Course(script).play())
        ends[script.end()[1]] = ends.get(script.end()[1], 0) + 1
    assert set(ends) == {None, "queue", "backoff", *PHASES}
    assert min(ends.values()) >= calls / 40, ends


def test_random_calls_side_by_side_under_every_limit_end_by_their_deadlines():
    async def scenario(seed: int) -> None:
        draw, clock = random.Random(seed), FakeClock(seed)

        async def answer(request):
            for phase in PHASES:
                request.call.phase = phase
                await asyncio.sleep(draw.choice((0, 0, 0.2, 5)))
            return reply(draw.choice((200, 200, 503, 429)))

        client = Client(
            "https://h",
            transport=MockTransport(answer, clock=clock),
            clock=clock,
            concurrency=4,
            rate=[RateLimit(20, per=1.0), RateLimit(5, per=1.0, by="host")],
        )

        async def call() -> None:
            await asyncio.sleep(draw.uniform(0, 5))
            total, began = draw.uniform(0.1, 8), clock.now()
            with suppress(AsyncAPIError):
                await client.get(
                    f"https://{draw.choice('abc')}/", timeout=Timeout(total, attempt=draw.choice((None, 2)))
                )
            assert clock.now() <= began + total + 1e-9

        await asyncio.gather(*(call() for _ in range(100)))
        assert (client.stats.in_flight, client.stats.queued, client._state.gate.free) == (0, 0, 4)
        assert len(client._state.watchdog) == len(client._transport._watchdog) == 0

    for seed in range(20):
        run(scenario(seed))


# -- a cancellation from outside at the same instant ----------------------------------------------------------------


def slow_in(where: str) -> tuple[Client, FakeClock]:
    """A client whose next call spends its time in `where`."""
    clock = FakeClock()

    async def answer(_):
        await asyncio.sleep(1000)

    def failing(_):
        return reply(503, headers={"Retry-After": "4"})

    handler = failing if where == "backoff" else answer
    limits = {"rate": {"rate": RateLimit(1, per=100)}, "queue": {"concurrency": 1}}.get(where, {})
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **limits), clock


async def hold(client: Client, where: str) -> asyncio.Task | None:
    if where not in {"rate", "queue"}:
        return None
    hog = asyncio.create_task(client.get("/hog", timeout=None))
    await asyncio.sleep(0)
    return hog


WHERE = ["headers", "queue", "rate", "backoff"]


@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("where", WHERE)
def test_an_outer_timeout_at_the_same_instant_wins(where, first):
    async def scenario():
        client, clock = slow_in(where)
        hog = await hold(client, where)
        total = None if where in {"rate", "backoff"} else 3.0  # those two refuse a wait that would pass a deadline
        if first == "ours" and total is not None:  # a timer that comes before theirs
            early = asyncio.create_task(client.get("/", timeout=3.0))
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout_at(3.0):
                await client.get("/", timeout=total)
        assert caught.type is TimeoutError
        assert clock.now() == 3.0
        assert asyncio.current_task().cancelling() == 0
        if first == "ours" and total is not None:
            with pytest.raises(RequestTimeout):
                await early
        if hog is not None:
            hog.cancel()
            await asyncio.wait([hog])
        assert client.stats.in_flight == 0
        assert len(client._state.watchdog) == 0

    run(scenario())


@pytest.mark.parametrize("cancels", [1, 2])
@pytest.mark.parametrize("when", ["before ours", "after ours"])
@pytest.mark.parametrize("where", WHERE[:2])
def test_a_cancel_at_the_same_instant_wins(where, when, cancels):
    async def scenario():
        client, clock = slow_in(where)
        hog, loop = await hold(client, where), asyncio.get_running_loop()
        call = asyncio.create_task(client.get("/", timeout=3.0))
        if when == "after ours":
            await asyncio.sleep(0)

        def kill():
            for _ in range(cancels):
                call.cancel("from outside")

        loop.call_at(3.0, kill)
        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()
        assert call.cancelling() == cancels
        assert clock.now() == 3.0
        if hog is not None:
            hog.cancel()
            await asyncio.wait([hog])
        assert client.stats.by_error["CancelledError"] == (2 if hog is not None else 1)

    run(scenario())


@pytest.mark.parametrize("where", WHERE[:2])
def test_after_our_own_timeout_the_task_is_as_if_never_cancelled(where):
    async def scenario():
        client, clock = slow_in(where)
        hog = await hold(client, where)
        for _ in range(3):
            with pytest.raises(RequestTimeout):
                await client.get("/", timeout=3.0)
            assert asyncio.current_task().cancelling() == 0
        async with asyncio.timeout(1.0):  # which counts cancellations, too
            await asyncio.sleep(0.5)
        assert clock.now() == 9.5
        if hog is not None:
            hog.cancel()
            await asyncio.wait([hog])

    run(scenario())


def test_inside_a_task_group_our_timeout_is_an_error_like_any_other():
    async def scenario():
        client, clock = slow_in("headers")

        async def both():
            async with asyncio.TaskGroup() as group:
                group.create_task(client.get("/", timeout=3.0))
                group.create_task(client.get("/", timeout=9.0))

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert caught.group_contains(RequestTimeout)
        assert clock.now() == 3.0
        assert client.stats.in_flight == 0

    run(scenario())


# -- over a real network -----------------------------------------------------------------------------------------

SLACK = 5.0  # seconds a busy machine may be late


@asynccontextmanager
async def slow_server():
    """Loopback servers, slow in one thing each: phase -> URL."""
    stop = asyncio.Event()

    async def headers(_):
        await stop.wait()
        return web.Response()

    async def body(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"begun")
        await stop.wait()
        return answer

    async def failing(_):
        return web.Response(status=503, headers={"Retry-After": "1"})

    async def deaf(reader, writer):
        await stop.wait()  # never reads: what is sent to it piles up
        writer.transport.abort()

    app = web.Application()
    app.add_routes([web.get("/headers", headers), web.get("/body", body), web.get("/backoff", failing)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    listener = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1024)
    full, fillers = full_listener()
    try:
        yield {
            "headers": f"{base}/headers",
            "body": f"{base}/body",
            "backoff": f"{base}/backoff",
            "send": f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/",
            "connect": f"http://127.0.0.1:{full.getsockname()[1]}/",
        }
    finally:
        stop.set()
        listener.close()
        for one in (full, *fillers):
            one.close()
        await runner.cleanup()
        await asyncio.sleep(0.05)


def full_listener() -> tuple[socket.socket, list[socket.socket]]:
    """A socket whose backlog is full: further connections get no answer."""
    full = socket.create_server(("127.0.0.1", 0), backlog=1)
    fillers = []
    for _ in range(8):
        filler = socket.socket()
        filler.setblocking(False)
        with suppress(BlockingIOError):
            filler.connect(full.getsockname())
        fillers.append(filler)
    return full, fillers


@pytest.mark.lanes
@pytest.mark.parametrize("limit", [None, 20])
async def test_hundreds_of_calls_over_sockets_end_by_their_deadline(limit):
    """Each error names what spent the time."""
    loop, draw, seen = asyncio.get_running_loop(), random.Random(4), set()
    way = ["queue", "connect", "send", "headers", "body"]  # a busy machine may spend the time on the way there

    async with slow_server() as urls, Client(concurrency=limit, retry=Retry(budget=None)) as client:

        async def call(phase: str, total: float) -> None:
            began = loop.time()
            content = b"x" * 20_000_000 if phase == "send" else None
            method = "PUT" if phase == "send" else "GET"
            with pytest.raises((RequestTimeout, ServerError, DeadlineExceeded)) as caught:
                await client.request(method, urls[phase], content=content, timeout=Timeout(total, connect=None))
            assert loop.time() - began <= total + SLACK
            assert asyncio.current_task().cancelling() == 0
            if caught.type is not DeadlineExceeded:
                at = caught.value.phase
                assert phase in {at, "backoff"} or way.index(at) < way.index(phase), str(caught.value)
                seen.add((phase, at))

        kinds = ["headers", "body", "backoff", "connect"] * 40 + ["send"] * 8
        draw.shuffle(kinds)
        await asyncio.gather(*(call(kind, draw.uniform(0.2, 0.8)) for kind in kinds))
        if limit is None:
            for kind in {kind for kind in kinds if (kind, kind) not in seen}:
                await call(kind, 3.0)  # in the crowd, a busy machine spent all the time on the way there
        assert (client.stats.in_flight, client.stats.queued) == (0, 0)
        assert len(client._state.watchdog) == len(client._transport._watchdog) == 0
        if limit is None:
            assert seen >= {(kind, kind) for kind in kinds}
        else:
            assert any(at == "queue" for _, at in seen)


@pytest.mark.lanes
async def test_a_scope_over_a_real_network_bounds_all_that_is_in_it():
    loop = asyncio.get_running_loop()
    async with slow_server() as urls, Client() as client:
        began = loop.time()
        with deadline(0.3):
            async with client.map([urls["headers"], urls["body"]] * 20) as outcomes:
                done = [outcome async for outcome in outcomes]
        assert loop.time() - began <= 0.3 + SLACK
        assert {type(outcome.error) for outcome in done} <= {RequestTimeout, DeadlineExceeded}
        assert len(done) == 40


@pytest.mark.lanes
async def test_a_name_not_resolved_in_time_ends_by_the_deadline_and_leaves_nothing(monkeypatch):
    """The resolver's thread can't be stopped, but nobody waits for it."""
    answered, asked = threading.Event(), []

    loop = asyncio.get_running_loop()

    def hangs(host):
        asked.append(host)
        answered.wait(60)
        raise socket.gaierror("at last")

    async def looks_up(host, *_, **__):  # not `socket.getaddrinfo`: uvloop looks names up in C
        return await loop.run_in_executor(None, hangs, host)

    monkeypatch.setattr(loop, "getaddrinfo", looks_up)
    try:
        async with Client("http://slow.test", retry=Retry(budget=None)) as client:
            before, began = asyncio.all_tasks(), loop.time()

            async def call(how):
                with deadline(0.3) if how == "scope" else nullcontext(), pytest.raises(RequestTimeout) as caught:
                    await client.get("/", timeout=Timeout(None if how == "scope" else 0.3, connect=None))
                return caught.value.phase

            phases = await asyncio.gather(*(call(how) for how in ("scope", "total") * 20))
            assert loop.time() - began <= 0.3 + SLACK
            assert set(phases) == {"connect"}
            assert asked
            assert (client.stats.in_flight, client.stats.queued, client._state.gate.free) == (0, 0, 100)
            assert len(client._state.watchdog) == len(client._transport._watchdog) == 0
            assert {task for task in asyncio.all_tasks() - before if "resolve" not in repr(task)} == set()
    finally:
        answered.set()


@pytest.mark.lanes
async def test_an_event_loop_that_was_blocked_ends_what_is_late_as_soon_as_it_goes_on():
    async with slow_server() as urls, Client() as client:
        late = asyncio.create_task(client.get(urls["headers"], timeout=0.1))
        await asyncio.sleep(0.02)
        time.sleep(0.3)
        turns = 0
        while not late.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns < 50
        with pytest.raises(RequestTimeout):
            await late
        with pytest.raises(RequestTimeout):
            await client.get(urls["body"], timeout=0.1)


def test_a_clock_that_is_put_forward_or_back_changes_no_deadline():
    async def scenario():
        clock = FakeClock()

        async def hangs(_):
            await asyncio.sleep(1000)

        async with Client("https://h", transport=MockTransport(hangs, clock=clock), clock=clock) as client:
            for jump in (1e6, -2e6):
                began = clock.now()
                call = asyncio.create_task(client.get("/", timeout=3))
                await asyncio.sleep(1)
                clock.epoch += jump
                with pytest.raises(RequestTimeout):
                    await call
                assert clock.now() - began == 3

    run(scenario())
