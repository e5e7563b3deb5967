"""An HTTP/2 server without sockets: it responds in turns of the loop (`memory_wire`), so that a test can choose one."""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import hpack

from asyncapi import HTTP2, Client, Retry
from asyncapi.testing import FakeClock
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
    WINDOW,
    WINDOW_UPDATE,
    frame,
)

if TYPE_CHECKING:
    from memory_wire import Line, Net


def goaway(last: int) -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">LL", last, 0))


class Server:
    """A server in memory: it echoes the last part of the path, or says how long the body was.

    Args:
        turns: Turns of the loop between two pieces of a response.
        limit: The most streams at a time.
        room: Bytes of room that each WINDOW_UPDATE gives; None for a large window at once.
        goaway: The stream after which each connection is left, with a GOAWAY; 0 for never.
        silent: Paths that get no response.
    """

    def __init__(
        self,
        *,
        turns: int = 1,
        limit: int = 100,
        room: int | None = None,
        goaway: int = 0,
        silent: tuple[str, ...] = (),
    ) -> None:
        self.turns, self.limit, self.room, self.goaway = turns, limit, room, goaway
        self.silent = silent
        self.frames: list[int] = []  # the kinds of all frames of the client
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
            line.send(frame(SETTINGS, 0, 0, struct.pack(">HLHL", MAX_STREAMS, self.limit, WINDOW, window)))
        while len(line.sent) >= 9:
            upper, lower, kind, flags, stream = struct.unpack(">BHBBL", line.sent[:9])
            end = 9 + (upper << 16 | lower)
            payload, line.sent = line.sent[9:end], line.sent[end:]
            self._take(line, kind, flags, stream, payload)

    def _take(self, line: Line, kind: int, flags: int, stream: int, payload: bytes) -> None:
        key = line.number, stream
        self.frames.append(kind)
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
        if kind in {HEADERS, DATA} and flags & END_STREAM and self.paths[key] not in self.silent:
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
            steps.insert(0, lambda: line.send(goaway(stream)))
        self._step(line, key, steps)

    def _step(self, line: Line, key: tuple[int, int], steps: list[Any]) -> None:
        if steps and key not in self.reset and not line.is_closing():
            steps[0]()
            line._after(self.turns, lambda: self._step(line, key, steps[1:]))


def client(net: Net, **settings: Any) -> Client:
    """A client of these connections, which speaks HTTP/2 without asking, and makes one attempt a call."""
    clock = FakeClock()
    transport = net.transport(clock, http2=settings.pop("http2", HTTP2(ping=None)), prior=True)
    return Client("http://h", transport=transport, clock=clock, **{"retry": Retry(1), "pace": False, **settings})


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
