"""One connection, many questions: replies find who has asked, and a break is everybody's."""

from __future__ import annotations

import asyncio

import pytest
import redis as package
import redis.asyncio as redis_py
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import RedisError

from asyncapi.stores.redis_wire import Wire


async def wire_to(url):
    lost = []
    connection = redis_py.ConnectionPool.from_url(url, protocol=2, socket_timeout=None).make_connection()
    await connection.connect()
    return Wire(connection, package.exceptions, lost.append), lost


async def test_all_who_wait_hear_of_a_break_and_it_is_told_once(redis):
    wire, lost = await wire_to(redis.url)
    waiting = [asyncio.create_task(wire.ask("BLPOP", "none", "0", timeout=60)) for _ in range(3)]
    while "cmd=blpop" not in redis.tell("CLIENT", "LIST"):
        await asyncio.sleep(0.005)
    redis.kill()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, RedisError | OSError) for each in ended)
    assert len(lost) == 1
    with pytest.raises((RedisError, OSError)):
        await wire.ask("PING", timeout=1)
    await wire.closed()


async def test_a_question_without_a_reply_gives_the_connection_up(redis):
    wire, lost = await wire_to(redis.url)
    with pytest.raises(TimeoutError):
        await wire.ask("BLPOP", "none", "0", timeout=0.05)
    assert [type(each) for each in lost] == [TimeoutError]
    await wire.closed()


async def test_a_question_that_nobody_waits_for_any_more_gives_it_up_too(redis):
    wire, lost = await wire_to(redis.url)
    asking = asyncio.create_task(wire.ask("BLPOP", "none", "0", timeout=0.1))
    await asyncio.sleep(0.02)
    asking.cancel()
    while not lost:
        await asyncio.sleep(0.02)
    assert [type(each) for each in lost] == [TimeoutError]
    await wire.closed()


async def test_closing_tells_nobody_and_ends_those_who_wait(redis):
    wire, lost = await wire_to(redis.url)
    waiting = asyncio.create_task(wire.ask("BLPOP", "none", "0", timeout=60))
    await asyncio.sleep(0.01)
    wire.close()
    wire.close()
    with pytest.raises((Broken, OSError)):
        await waiting
    assert lost == []
    await wire.closed()
