"""Calls over HTTP/2 that are cancelled in every turn of the loop, once and twice: nothing stays, nobody else notices."""

from __future__ import annotations

import asyncio
import random
import struct
from collections import defaultdict

import hpack
import pytest

from asyncapi import HTTP2, Client, Retry
from asyncapi.testing import FakeClock
from http2_engines import engine  # noqa: F401 - a fixture
from http2_server import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_STREAMS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from memory_wire import Line, Net
from stepping import each_cancellation

pytestmark = pytest.mark.usefixtures("engine")


class Server:
    """A server in memory: it echoes the last part of the path, or says how long the body was.

    Args:
        turns: Turns of the loop between two pieces of a response.
        limit: The most streams at a time.
        room: Bytes of room that each WINDOW_UPDATE gives; None for a large window at once.
        goaway: The stream after which each connection is left, with a GOAWAY; 0 for never.
    """

    def __init__(self, *, turns: int = 1, limit: int = 100, room: int | None = None, goaway: int = 0) -> None:
        self.turns, self.limit, self.room, self.goaway = turns, limit, room, goaway
        self.paths: dict[tuple[int, int], str] = {}
        self.bodies: dict[tuple[int, int], int] = defaultdict(int)
        self.reset: set[tuple[int, int]] = set()
        self.open: set[tuple[int, int]] = set()
        self.most = 0
        self._packers: dict[int, tuple[hpack.Encoder, hpack.Decoder]] = {}

    def __call__(self, line: Line) -> None:
        """Take in what the client has written."""
        if line.number not in self._packers:
            self._packers[line.number] = hpack.Encoder(), hpack.Decoder()
            assert line.sent.startswith(PREFACE)
            line.sent = line.sent[len(PREFACE) :]
            window = 65_535 if self.room is None else self.room
            line.send(frame(SETTINGS, 0, 0, struct.pack(">HLHL", MAX_STREAMS, self.limit, 4, window)))
        while len(line.sent) >= 9:
            upper, lower, kind, flags, stream = struct.unpack(">BHBBL", line.sent[:9])
            end = 9 + (upper << 16 | lower)
            payload, line.sent = line.sent[9:end], line.sent[end:]
            self._take(line, kind, flags, stream, payload)

    def _take(self, line: Line, kind: int, flags: int, stream: int, payload: bytes) -> None:
        key = line.number, stream
        if kind == SETTINGS and not flags & ACK:
            line.send(frame(SETTINGS, ACK, 0))
        elif kind == HEADERS:
            self.paths[key] = dict(self._packers[line.number][1].decode(payload))[":path"]
            self.open.add(key)
            self.most = max(self.most, len([each for each in self.open if each[0] == line.number]))
        elif kind == DATA:
            self.bodies[key] += len(payload)
            if payload and not flags & END_STREAM:
                room = struct.pack(">L", len(payload))
                line.send_later(frame(WINDOW_UPDATE, 0, 0, room) + frame(WINDOW_UPDATE, 0, stream, room))
        elif kind == RST_STREAM:
            self.reset.add(key)
            self.open.discard(key)
        if kind in {HEADERS, DATA} and flags & END_STREAM:
            self._respond(line, stream)

    def _respond(self, line: Line, stream: int) -> None:
        key = line.number, stream
        body = self.paths[key].rpartition("/")[2].encode() or str(self.bodies[key]).encode()
        packer = self._packers[line.number][0]

        def head() -> None:
            line.send(frame(HEADERS, END_HEADERS, stream, packer.encode([(":status", "200")])))

        def rest() -> None:
            line.send(frame(DATA, END_STREAM, stream, body[1:]))
            self.open.discard(key)

        steps = [head, lambda: line.send(frame(DATA, 0, stream, body[:1])), rest]
        if self.goaway and stream == self.goaway:
            steps.insert(0, lambda: line.send(frame(GOAWAY, 0, 0, struct.pack(">LL", stream, 0))))
        self._step(line, key, steps)

    def _step(self, line: Line, key: tuple[int, int], steps: list) -> None:
        if steps and key not in self.reset and not line.is_closing():
            steps[0]()
            line._after(self.turns, lambda: self._step(line, key, steps[1:]))


def client(net: Net, **settings) -> Client:
    clock = FakeClock()
    transport = net.transport(clock, http2=settings.pop("http2", HTTP2(ping=None)), prior=True)
    return Client("http://h", transport=transport, clock=clock, retry=Retry(1), pace=False, **settings)


async def texts(api: Client, *paths: str) -> list[str]:
    return [(await api.get(path)).text for path in paths]


def left_nothing(api: Client, net: Net) -> bool:
    pool = api._transport._pool
    assert pool.alive == len(net.open)
    assert not pool.dials
    for line in net.open:
        assert not line.protocol.streams
        assert not line.protocol.reserved
        assert line.protocol.engine.streams == 0
    return True


@pytest.mark.parametrize("warm", [True, False], ids=["over a kept connection", "over a new one"])
@pytest.mark.parametrize("streams", [None, 1], ids=["side by side", "one after the other"])
def test_a_cancelled_call_leaves_nothing_and_its_neighbours_go_on(warm, streams):
    async def scenario(loop):
        server = Server()
        net = Net(server)
        async with client(net, http2=HTTP2(ping=None, streams=streams)) as api:
            if warm:
                await api.get("/warm")
            first = asyncio.create_task(api.get("/first"))
            loop.victim = asyncio.create_task(api.get("/victim"))
            others = [first, *[asyncio.create_task(api.get(f"/other{n}")) for n in range(2)]]
            await asyncio.wait([loop.victim, *others])
            assert [task.result().text for task in others] == ["first", "other0", "other1"]
            assert await texts(api, "/next", "/last") == ["next", "last"]
            assert left_nothing(api, net)
            assert len(net.lines) == 1
            assert server.most <= (streams or 100)
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2, 3)) > 10


def test_a_cancelled_call_whose_connection_goes_away_leaves_nothing():
    async def scenario(loop):
        net = Net(Server(goaway=1))
        async with client(net, http2=HTTP2(ping=None, streams=1)) as api:
            first = asyncio.create_task(api.get("/first"))
            loop.victim = asyncio.create_task(api.get("/victim"))
            last = asyncio.create_task(api.get("/last"))
            await asyncio.wait([first, loop.victim, last])
            assert (first.result().text, last.result().text) == ("first", "last")
            assert left_nothing(api, net)
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2)) > 10


def test_a_cancelled_stream_leaves_nothing_and_the_connection_stays():
    async def scenario(loop):
        net = Net(Server(turns=2))
        async with client(net) as api:

            async def read():
                async with api.stream("GET", "/victim") as response:
                    return [piece async for piece in response.bytes()]

            loop.victim = asyncio.create_task(read())
            await asyncio.wait([loop.victim])
            assert await texts(api, "/next", "/last") == ["next", "last"]
            assert left_nothing(api, net)
            assert len(net.lines) == 1
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2, 3)) > 10


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "in memory"])
def test_a_cancelled_upload_leaves_nothing_and_the_connection_stays(streamed):
    async def body():
        for _ in range(4):
            await asyncio.sleep(0)
            yield b"some"

    async def scenario(loop):
        net = Net(Server(room=5))
        async with client(net) as api:
            content = body() if streamed else b"some" * 4
            loop.victim = asyncio.create_task(api.post("/", content=content))
            await asyncio.wait([loop.victim])
            if not loop.victim.cancelled():
                assert loop.victim.result().text == "16"
            assert (await api.post("/", content=b"x" * 12)).text == "12"
            assert left_nothing(api, net)
            assert len(net.lines) == 1
        assert not net.open

    assert each_cancellation(scenario, gaps=(1, 2)) > 10


@pytest.mark.parametrize("seed", range(3))
def test_calls_that_are_cancelled_at_random_never_get_each_other_s_responses(seed):
    draw = random.Random(seed)

    async def scenario():
        net = Net(Server(goaway=31, limit=7))
        async with client(net) as api:
            calls = {}
            for number in range(400):
                calls[asyncio.create_task(api.get(f"/{number}"))] = str(number)
                for _ in range(draw.randrange(3)):
                    await asyncio.sleep(0)
                if draw.random() < 0.3:
                    draw.choice(list(calls)[-15:]).cancel()
            await asyncio.wait(calls)
            assert all(task.result().text == text for task, text in calls.items() if not task.cancelled())
            assert sum(task.cancelled() for task in calls) > 20
            assert left_nothing(api, net)
        assert not net.open

    asyncio.run(scenario())
