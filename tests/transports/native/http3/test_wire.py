"""The socket and the timer of an HTTP/3 connection."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from asyncapi.transports.native.http3.wire import Wire


class Engine:
    """An engine that writes down what it gets."""

    def __init__(self):
        self.received = []
        self.waiting = []
        self.wake_at = None
        self.ticks = []

    def start(self, address, now):
        self.waiting.append(b"hello")

    def receive(self, datagrams, now):
        self.received.append(list(datagrams))

    def outgoing(self, now):
        sent, self.waiting = self.waiting, []
        return sent

    def tick(self, now):
        self.ticks.append(now)
        self.wake_at = None


class Owner:
    """An owner that writes down what it hears."""

    def __init__(self):
        self.log = []
        self.when = None

    def made(self):
        self.log.append("made")

    def heard(self, now):
        self.log.append("heard")

    def moved(self):
        self.log.append("moved")

    def hinted(self, error):
        self.log.append(type(error).__name__)

    def lost(self):
        self.log.append("lost")

    def due(self):
        return self.when

    def look(self, now):
        self.log.append("look")
        self.when = None


@pytest.fixture
async def ends():
    """A wire, and the socket at its other end."""
    loop = asyncio.get_running_loop()
    engine, owner = Engine(), Owner()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(5)
        mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        mine.setblocking(False)
        mine.connect(other.getsockname())
        wire = Wire(engine, owner, loop)
        await loop.create_datagram_endpoint(lambda: wire, sock=mine)
        other.connect(mine.getsockname())
        wire.start(mine, other.getsockname())
        assert other.recv(100) == b"hello"
        yield wire, engine, owner, other
        wire.close()
        while "lost" not in owner.log:
            await asyncio.sleep(0)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


async def test_datagrams_that_have_come_are_taken_in_together(ends):
    _, engine, owner, other = ends
    for number in range(20):
        other.send(b"%d" % number)
    await until(lambda: sum(map(len, engine.received)) == 20)
    assert [data for batch in engine.received for data in batch] == [b"%d" % number for number in range(20)]
    assert owner.log[:3] == ["made", "heard", "moved"]


async def test_what_the_loop_has_not_seen_can_be_taken_in_at_once(ends):
    wire, engine, owner, other = ends
    wire.catch_up()
    assert owner.log == ["made"]
    other.send(b"bye")
    wire.catch_up()
    assert engine.received == [[b"bye"]]
    assert owner.log == ["made", "heard", "moved"]
    wire.close()
    wire.catch_up()


async def test_what_is_to_be_sent_is_sent_once_at_the_end_of_the_turn(ends):
    wire, engine, _, other = ends
    for number in range(3):
        engine.waiting.append(b"%d" % number)
        wire.flush_later()
    assert len(engine.waiting) == 3
    await asyncio.sleep(0)
    assert engine.waiting == []
    assert [other.recv(100) for _ in range(3)] == [b"0", b"1", b"2"]


async def test_the_timer_is_set_for_the_earlier_of_both(ends):
    wire, engine, owner, _ = ends
    loop = asyncio.get_running_loop()
    owner.when = loop.time() + 60
    wire.arm()
    engine.wake_at = loop.time() + 0.01
    wire.arm()
    await until(lambda: engine.ticks)
    assert "look" not in owner.log
    owner.when = loop.time() + 0.01
    wire.arm()
    await until(lambda: "look" in owner.log)


async def test_a_timer_that_comes_too_early_is_set_again(ends):
    wire, engine, owner, _ = ends
    loop = asyncio.get_running_loop()
    owner.when = loop.time() + 0.01
    wire.arm()
    owner.when = due = loop.time() + 0.05
    wire.arm()
    await until(lambda: "look" in owner.log)
    assert loop.time() >= due - 0.01
    assert engine.ticks == []


async def test_hints_of_the_network_are_handed_on_but_for_those_about_sizes(ends):
    wire, _, owner, _ = ends
    wire.error_received(OSError(errno.EMSGSIZE, "too long"))
    assert owner.log == ["made"]
    wire.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    assert owner.log == ["made", "ConnectionRefusedError"]


async def test_a_closed_wire_does_nothing_more(ends):
    wire, engine, owner, other = ends
    wire.close()
    wire.close()
    engine.waiting.append(b"late")
    wire.flush()
    wire.arm()
    wire.datagram_received(b"x", None)
    wire.error_received(OSError())
    await until(lambda: "lost" in owner.log)
    assert engine.received == []
    assert owner.log == ["made", "lost"]
    other.setblocking(False)
    with pytest.raises(OSError):
        other.recv(100)
