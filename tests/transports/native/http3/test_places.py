"""Requests that wait for a stream: in turn, within their limits, and nothing is lost when one leaves."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi.errors import QueueFull
from asyncapi.messages.call import Call, CallSettings
from asyncapi.transports.native.http3.places import Places


class Room:
    def __init__(self, free):
        self.free = free

    def __call__(self):
        return self.free


def call(**settings):
    return Call(0.0, "h", CallSettings(**settings))


async def waiting(places, count, **settings):
    tasks = [asyncio.ensure_future(places.wait(call(**settings))) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_where_there_is_room_nobody_waits():
    places = Places(Room(2), "h")
    assert places.free == 2
    made = call()
    assert await places.wait(made) is True
    assert made.phase != "queue" or not places.waiting


async def test_places_are_given_in_turn_and_never_more_than_there_are():
    room = Room(0)
    places = Places(room, "h")
    tasks = await waiting(places, 5)
    assert places.waiting == 5
    room.free = 2
    places.admit()
    assert places.free == 0  # both are promised
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    room.free = 0  # they have taken them
    places.admit()
    await asyncio.sleep(0)
    assert not tasks[2].done()
    room.free = 9
    places.admit()
    assert await asyncio.gather(*tasks) == [True] * 5
    assert places.waiting == 0


async def test_newcomers_do_not_overtake():
    room = Room(0)
    places = Places(room, "h")
    (first,) = await waiting(places, 1)
    room.free = 1
    assert places.free == 0
    places.admit()
    assert await first is True


@pytest.mark.parametrize("admitted", [False, True])
async def test_a_cancelled_request_gives_its_place_to_the_next(admitted):
    room = Room(0)
    places = Places(room, "h")
    first, second = await waiting(places, 2)
    if admitted:
        room.free = 1
        places.admit()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    room.free = 1
    places.admit()
    assert await second is True
    assert places.waiting == 0


async def test_all_are_told_when_there_will_be_none():
    places = Places(Room(0), "h")
    tasks = await waiting(places, 3)
    places.close()
    assert await asyncio.gather(*tasks) == [False] * 3
    assert await places.wait(call()) is False
    assert places.free == 0


@pytest.mark.parametrize("limit", [0.0, 0.01])
async def test_a_wait_is_bounded(limit):
    places = Places(Room(0), "h:1")
    with pytest.raises(QueueFull, match="all streams of the connection to h:1 are in use"):
        await places.wait(call(max_wait=limit))
    assert places.waiting == 0
