"""Items that are held back: who goes next, and what they take from the window meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import ConnectError
from asyncapi.fanout.held_back import Held, HeldBack, HostQueues, Verdict
from asyncapi.layers.concurrency import Gate
from asyncapi.messages.response import Outcome
from asyncapi.testing import FakeClock, run


def test_queues_give_turns_by_time_and_key():
    queues = HostQueues()
    for number, (key, due) in enumerate([("a", 3.0), ("b", 1.0), ("a", 2.0), ("c", 2.5)]):
        queues.add(Held(number, "", "w", 0.0), key, due)
    closed = {"b": 4.0}
    taken = []
    now = 0.0
    while queues.count:
        found = queues.take(now, lambda key, why, now: max(0.0, closed.get(key, 0.0) - now))
        if isinstance(found, Held):
            taken.append((now, found.index))
        else:
            now += found
    assert taken == [(2.0, 2), (2.5, 3), (3.0, 0), (4.0, 1)]
    assert queues.take(9.0, lambda *_: 0.0) == 0.0


def test_a_queue_is_looked_at_again_before_its_time_when_asked():
    queues = HostQueues()
    queues.add(Held(0, "", "w", 0.0), "a", 0.0)
    assert queues.take(0.0, lambda *_: 60.0) == 60.0
    queues.look_again("a")
    queues.look_again("nobody")
    assert queues.take(1.0, lambda *_: 0.0).index == 0


class Patient:
    """A judge that holds each item back once, for `wait` seconds."""

    def __init__(self, wait: float) -> None:
        self.wait = wait

    def key(self, item) -> str:
        return "h"

    def before(self, item, now):
        return None

    def after(self, outcome, age, now):
        return Verdict(self.wait, "h", "busy") if outcome.error is not None else None

    def turn(self, key, why, now) -> float:
        return 0.0

    def again(self, item, age):
        return None


class FanOut:
    """As much of a fan-out as items that are held back need."""

    def __init__(self, *, workers=2, ordered=False, wait=5.0) -> None:
        self.clock = FakeClock()
        self.window = Gate(2 * workers)
        self.sent: list[tuple[float, int]] = []
        self.at_once = self.most = 0
        self.tasks: set[asyncio.Task] = set()
        self.held = HeldBack(
            Patient(wait), self.clock, self.window,
            workers=workers, ordered=ordered, spawn=self.spawn, send=self.send,
        )  # fmt: skip

    def spawn(self, work) -> None:
        self.tasks.add(asyncio.get_running_loop().create_task(work))

    async def send(self, item, held) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.sent.append((self.clock.now(), item.index))
        await asyncio.sleep(1)
        self.at_once -= 1
        self.window.leave()
        held.leave()

    def fail(self, index: int) -> bool:
        """An item that has a place in the window fails."""
        self.window.free -= 1
        return self.held.takes(Outcome(index, f"/{index}", None, ConnectError("busy"), (), 0.0, None), self.clock.now())

    async def done(self) -> None:
        while pending := [task for task in self.tasks if not task.done()]:
            await asyncio.wait(pending)


def test_held_items_are_sent_when_due_and_never_more_at_a_time_than_workers():
    async def scenario():
        fan_out = FanOut(workers=2)
        assert all(fan_out.fail(index) for index in range(4))
        assert fan_out.window.free == 4  # their places are others'
        await fan_out.done()
        assert [index for _, index in fan_out.sent] == [0, 1, 2, 3]
        assert fan_out.sent[0][0] >= 5.0
        assert fan_out.most == 2
        assert fan_out.window.free == 4

    run(scenario())


@pytest.mark.parametrize("ordered", [False, True])
def test_a_held_item_pauses_the_source_where_order_or_memory_asks_for_it(ordered):
    """In the order of the source each keeps its place; else only those above ten windows do."""

    async def scenario():
        fan_out = FanOut(workers=1, ordered=ordered)
        free = []
        for index in range(22):
            fan_out.fail(index)
            free.append(fan_out.window.free)
            fan_out.window.free = 2
        assert free == [1] * 22 if ordered else free == [2] * 20 + [1] * 2
        fan_out.held.drop()
        await fan_out.done()
        assert not fan_out.sent

    run(scenario())


def test_a_final_outcome_is_not_held():
    async def scenario():
        assert not FanOut().held.takes(Outcome(0, "/0", 1, None, (), 0.0, 200), 0.0)

    run(scenario())


def test_what_is_dropped_gives_its_place_back_and_is_never_sent():
    async def scenario():
        fan_out = FanOut()
        fan_out.fail(0)
        fan_out.held.drop()
        fan_out.fail(1)
        await fan_out.done()
        assert not fan_out.sent
        assert fan_out.window.free == 4

    run(scenario())
