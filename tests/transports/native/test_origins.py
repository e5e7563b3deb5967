"""The pool: the youngest connection first, the old ones closed together, and nothing held for places out of use."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Client, ConfigError, ProtocolError
from asyncapi.testing import FakeClock, run
from memory_wire import Net, request_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def answer(line) -> None:
    while request_of(line):
        line.send(OK)


def client(net, base="http://h", **settings) -> Client:
    clock = FakeClock()
    keepalive = settings.pop("keepalive", 15.0)
    return Client(base, transport=net.transport(clock, keepalive=keepalive), clock=clock, **{"retry": None, **settings})


def pool_of(api):
    return api._transport._pool


def test_a_hundred_first_calls_make_one_origin():
    async def scenario():
        net = Net(answer)
        async with client(net) as api:
            await api.gather(["/"] * 100)
            origins = pool_of(api).origins
            assert len(origins) == 1
            (origin,) = origins.values()
            assert len(origin.open) == len(origin.idle) == len(net.open) == len(net.lines)

    run(scenario())


def test_an_origin_whose_last_connection_was_too_old_is_still_the_same():
    """Closing the last connection forgets the origin; the call that then dials must bring it back."""

    async def scenario():
        net = Net(answer)
        async with client(net) as api:
            await api.get("/")
            (origin,) = pool_of(api).origins.values()
            origin.idle[0].idle_since = -100.0
            await api.get("/")
            assert list(pool_of(api).origins.values()) == [origin]
            await api.get("/")
            assert len(net.lines) == 2

    run(scenario())


def test_the_connection_that_went_idle_last_is_used_first():
    async def scenario():
        net = Net(answer)
        async with client(net) as api:
            await api.gather(["/"] * 5)
            (origin,) = pool_of(api).origins.values()
            youngest = origin.idle[-1]
            for _ in range(3):
                await api.get("/")
                assert origin.idle[-1] is youngest

    run(scenario())


def test_idle_connections_are_closed_in_time_by_one_timer():
    async def scenario():
        net = Net(answer)
        async with client(net, keepalive=10.0) as api:
            await api.gather([f"http://h{n}/" for n in range(5)])
            assert len(net.open) == 5
            await asyncio.sleep(21)
            assert not net.open
            assert not pool_of(api).origins
            assert pool_of(api).sweeper is None
            await api.get("/")
            assert len(net.lines) == 6

    run(scenario())


def test_an_idle_connection_over_its_time_is_not_used():
    async def scenario():
        net = Net(answer)
        async with client(net, keepalive=10.0) as api:
            await api.get("/")
            await asyncio.sleep(9)
            await api.get("/")
            assert len(net.lines) == 1
            (origin,) = pool_of(api).origins.values()
            origin.idle[0].idle_since -= 10.5
            await api.get("/")
            assert len(net.lines) == 2

    run(scenario())


def test_a_thousand_places_out_of_use_leave_nothing():
    async def scenario():
        def close(line) -> None:
            if request_of(line):
                line.send(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

        net = Net(close)
        async with client(net) as api:
            for number in range(1000):
                await api.get(f"http://h{number}/")
            assert not pool_of(api).origins

    run(scenario())


def test_a_place_that_can_not_be_reached_leaves_nothing():
    async def scenario():
        net = Net(answer)

        async def refuse(*args, **settings):
            raise ProtocolError("no")

        net.dial = refuse
        async with client(net) as api:
            for number in range(10):
                with pytest.raises(ProtocolError):
                    await api.get(f"http://h{number}/")
            assert not pool_of(api).origins

    run(scenario())


def test_ports_schemes_and_hosts_have_connections_of_their_own():
    async def scenario():
        net = Net(answer)
        async with client(net) as api:
            for url in ("http://a/", "https://a/", "http://a:81/", "http://b/", "http://a/x"):
                await api.get(url)
            assert len(net.lines) == 4

    run(scenario())


def test_retired_connections_end_after_their_response():
    async def scenario():
        def slow(line) -> None:
            if request_of(line):
                line.send_later(OK, turns=5)

        net = Net(slow)
        async with client(net, "https://h") as api:
            await api.gather(["/"] * 3)
            running = asyncio.ensure_future(api.get("/"))
            plain = asyncio.ensure_future(api.get("http://h/"))
            while len(net.lines) < 4:
                await asyncio.sleep(0)
            pool_of(api).retire()
            assert (await running).text == (await plain).text == "hi"
            await asyncio.sleep(0)
            assert len(net.open) == 1  # plain connections stay
            assert (await api.get("/")).text == "hi"

    run(scenario())


def test_heads_of_one_turn_are_written_together_at_its_end():
    async def scenario():
        net = Net(answer)
        async with client(net) as api:
            await api.gather(["/"] * 4)
            pool, writes = pool_of(api), []
            usual = pool._write
            pool._write = lambda: (writes.append(len(pool._unwritten)), usual())
            await asyncio.gather(*(api.get("/") for _ in range(4)))
            assert writes == [4]

    run(scenario())


def test_a_call_that_is_cancelled_before_its_head_is_written_sends_nothing():
    async def scenario():
        net = Net(answer)
        async with client(net) as api:
            await api.get("/")
            task = asyncio.ensure_future(api.get("/never"))
            while not pool_of(api)._unwritten:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(0)
            assert b"/never" not in net.lines[0].sent

    run(scenario())


def test_after_the_close_nothing_is_left_and_nothing_is_begun():
    async def scenario():
        def silent(line) -> None:
            pass

        net = Net(silent)
        api = client(net)
        calls = [asyncio.ensure_future(api.get("/")) for _ in range(3)]
        while len(net.lines) < 3:
            await asyncio.sleep(0)
        await api.aclose()
        assert not net.open
        for call in calls:
            with pytest.raises(ProtocolError, match="client was closed"):
                await call
        with pytest.raises(ConfigError, match="closed"):
            await api.get("/")

    run(scenario())


def test_a_client_that_is_closed_twice_at_once_closes_at_once():
    async def scenario():
        net = Net(answer)
        async with client(net) as api:
            await api.get("/")
            await asyncio.gather(*(api._transport.aclose() for _ in range(3)))
            assert asyncio.get_running_loop().time() == 0.0
            assert not net.open

    run(scenario())


def test_a_client_whose_loop_has_ended_closes_at_once():
    async def scenario():
        api = client(Net(answer))
        await api.get("/")
        return api

    async def end():
        await api._transport.aclose()
        assert asyncio.get_running_loop().time() == 0.0

    api = run(scenario())
    run(end())


def test_a_dial_that_was_cancelled_does_not_hold_up_the_close():
    """Where `create_connection` is cancelled, uvloop tells the protocol nothing of the end of its connection."""

    async def scenario():
        net = Net(answer)

        async def never(place, factory, **settings):
            factory().connection_made(asyncio.Transport())
            await asyncio.Event().wait()

        net.dial = never
        async with client(net) as api:
            call = asyncio.create_task(api.get("/"))
            await asyncio.sleep(1)
            call.cancel()
            await asyncio.wait([call])
            assert pool_of(api).alive == 0
        assert asyncio.get_running_loop().time() == 1.0

    run(scenario())
