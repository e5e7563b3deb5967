"""A connection to Redis that is never in the way: quick when it is away, and there again by itself."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import suppress

import pytest

from asyncapi import Client, ConfigError, RateLimit, Redis
from asyncapi.stores import redis as module
from asyncapi.stores.redis import RedisConnection, Unavailable
from asyncapi.testing import MockTransport, reply
from redis_server import redis_server

ECHO = "return {KEYS[1], ARGV[1]}"


async def until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.002)


async def reached(connection):
    """Ask until it replies."""
    end = time.monotonic() + 10
    while True:
        try:
            return await connection.command("PING")
        except Unavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.005)


@pytest.fixture
async def connection(redis):
    connection = RedisConnection(redis.url)
    await reached(connection)
    yield connection
    await connection.aclose()


async def test_scripts_and_commands_return_what_the_server_says(connection):
    assert await connection.run(ECHO, ("k",), ("v",)) == [b"k", b"v"]
    assert await connection.command("SET", "a", "1") in (b"OK", "OK")
    assert await connection.command("GET", "a") == b"1"
    assert connection.away == ""


async def test_a_script_is_sent_once_and_named_from_then_on(connection, redis):
    await connection.run(ECHO, ("k",), ("v",))
    before = connection.trips
    await connection.run(ECHO, ("k",), ("v",))
    assert connection.trips == before + 1
    redis.tell("SCRIPT", "FLUSH")
    assert await connection.run(ECHO, ("k",), ("w",)) == [b"k", b"w"]


async def test_questions_that_are_asked_at_once_get_their_own_replies(connection):
    replies = await asyncio.gather(*(connection.run(ECHO, ("k",), (n,)) for n in range(50)))
    assert [int(each[1]) for each in replies] == list(range(50))


async def test_who_is_cancelled_takes_no_other_reply_along(connection):
    tasks = [asyncio.create_task(connection.run(ECHO, ("k",), (n,))) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)
    assert [int(each[1]) for each in replies[1::2]] == list(range(1, 20, 2))
    assert await connection.run(ECHO, ("k",), ("z",)) == [b"k", b"z"]


async def test_a_refusal_is_of_one_question_alone(connection):
    with pytest.raises(Unavailable, match="unknown command"):
        await connection.command("NO-SUCH-COMMAND")
    assert connection.away == ""
    assert await connection.command("PING")


async def test_a_server_that_was_killed_is_reached_again_when_it_is_back(connection, redis):
    returns = []
    connection.on_return.append(lambda: returns.append(1))
    redis.kill()
    await until(lambda: connection.away)
    began = time.process_time()
    for _ in range(100):
        with pytest.raises(Unavailable):  # at once: no call waits for a server that is away
            await connection.command("PING")
    assert time.process_time() - began < 5
    redis.start()
    await until(lambda: not connection.away)
    assert returns == [1]
    assert await connection.command("PING")


async def test_a_frozen_server_is_away_after_a_tenth_of_a_second(connection, redis):
    redis.freeze()
    with pytest.raises(Unavailable, match=r"no reply within 0\.1 s"):
        await connection.command("PING")
    assert connection.away
    redis.thaw()
    await until(lambda: not connection.away)
    assert await connection.run(ECHO, ("k",), ("v",)) == [b"k", b"v"]


async def test_replies_that_are_late_only_because_this_process_was_busy_count(connection):
    task = asyncio.create_task(connection.run(ECHO, ("k",), ("v",)))
    await asyncio.sleep(0)
    time.sleep(0.15)  # the event loop stands still
    assert await task == [b"k", b"v"]
    assert connection.away == ""


async def test_nobody_waits_long_for_a_server_that_was_never_there():
    with redis_server() as server:
        server.kill()
        connection = RedisConnection(server.url)
        with pytest.raises(Unavailable):
            await connection.command("PING")
        assert connection.away
        await connection.aclose()


async def test_a_wrong_password_is_told_and_not_shown(caplog):
    caplog.set_level(logging.WARNING, "asyncapi")
    with redis_server("--requirepass", "opensesame") as server:
        wrong = RedisConnection(server.url.replace("//", "//:wrongpass@"))
        with pytest.raises(Unavailable, match="user or the password"):
            await wrong.command("PING")
        right = RedisConnection(server.url.replace("//", "//:opensesame@"))
        assert await reached(right)
        for each in (wrong, right):
            await each.aclose()
    shown = f"{caplog.text} {wrong!r} {right!r} {wrong.away}"
    assert "wrongpass" not in shown
    assert "opensesame" not in shown


async def test_a_unix_socket_serves_too(redis):
    connection = RedisConnection(f"unix://{redis.socket}")
    assert await reached(connection)
    await connection.aclose()


async def test_options_in_the_url_that_would_break_the_connection_do_not_count(redis):
    connection = RedisConnection(f"{redis.url}/0?socket_timeout=0.01&decode_responses=true&protocol=3")
    await reached(connection)
    await asyncio.sleep(0.05)
    assert await connection.run(ECHO, ("k",), ("v",)) == [b"k", b"v"]
    assert connection.away == ""
    await connection.aclose()


async def test_a_host_that_is_no_name_is_away_like_any_other():
    connection = RedisConnection("redis://a..b")
    with pytest.raises(Unavailable):
        await connection.command("PING")
    assert connection.away != ""
    await connection.aclose()


async def test_tls_is_spoken_where_the_url_says_so(tmp_path):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    from daemons import free_port

    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file",
               str(tmp_path / "key.pem"), "--tls-ca-cert-file", str(tmp_path / "ca.pem"), "--tls-auth-clients", "no"]  # fmt: skip
    with redis_server(*options):
        trusting = RedisConnection(f"rediss://localhost:{port}?ssl_ca_certs={tmp_path}/ca.pem")
        assert await reached(trusting)
        doubting = RedisConnection(f"rediss://localhost:{port}")
        with pytest.raises(Unavailable):
            await doubting.command("PING")
        for each in (trusting, doubting):
            await each.aclose()


async def test_the_log_says_once_that_it_is_away_and_once_that_it_is_back(connection, redis, caplog):
    caplog.set_level(logging.WARNING, "asyncapi")
    redis.kill()
    await until(lambda: "is away" in caplog.text)
    await asyncio.sleep(0.3)
    redis.start()
    await until(lambda: "is back" in caplog.text)
    assert caplog.text.count("is away") == caplog.text.count("is back") == 1


async def test_what_is_published_is_heard_also_after_the_server_was_away(connection, redis):
    heard, opened = [], []

    async def on_open():
        opened.append(1)

    connection.listen("news", heard.append, on_open)
    await until(lambda: opened)
    redis.tell("PUBLISH", "news", "one")
    await until(lambda: heard == [b"one"])
    redis.kill()
    await until(lambda: connection.away)
    redis.start()
    await until(lambda: len(opened) == 2)
    redis.tell("PUBLISH", "news", "two")
    await until(lambda: heard == [b"one", b"two"])


async def test_a_master_that_has_become_a_replica_is_left_for_the_new_one(redis):
    """Fail over: behind one name there is another server, to which clients go when theirs refuses writes."""
    with redis_server("--replicaof", "127.0.0.1", str(redis.port)) as replica:
        connection = RedisConnection(redis.url)
        await reached(connection)
        await until(lambda: "master_link_status:up" in replica.tell("INFO", "replication"))
        replica.tell("REPLICAOF", "NO", "ONE")
        redis.tell("REPLICAOF", "127.0.0.1", str(replica.port))
        while not connection.away:
            with suppress(Unavailable):
                await connection.run("return redis.call('SET', KEYS[1], 1)", ("k",))
            await asyncio.sleep(0.01)
        redis.tell("REPLICAOF", "NO", "ONE")
        await until(lambda: not connection.away)
        await connection.aclose()


async def test_closing_leaves_no_task_and_no_connection(redis):
    before = asyncio.all_tasks()
    connection = RedisConnection(redis.url)
    await reached(connection)
    connection.listen("news", lambda _: None, lambda: connection.command("PING"))
    await until(lambda: "news" in redis.tell("PUBSUB", "CHANNELS"))
    await connection.aclose()
    await connection.aclose()
    assert asyncio.all_tasks() == before
    with pytest.raises(Unavailable):
        await connection.command("PING")
    await until(lambda: "name=asyncapi" not in redis.tell("CLIENT", "LIST"))


async def test_closing_a_connection_that_was_never_opened_or_is_away_is_quiet(redis):
    await RedisConnection(redis.url).aclose()
    redis.freeze()
    connection = RedisConnection(redis.url)
    with pytest.raises(Unavailable):
        await connection.command("PING")
    await connection.aclose()
    redis.thaw()


def test_without_redis_py_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[redis\]'"):
        Client("http://h", rate=RateLimit(5), shared=Redis("redis://h"), transport=MockTransport(lambda _: reply(200)))


def test_a_program_that_shares_nothing_imports_no_redis():
    import subprocess

    program = "import sys, asyncapi; asyncapi.Client('http://h'); asyncapi.Redis; print('redis' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=module.__file__.partition("/asyncapi/")[0],
    )
    assert done.stdout == "False\n"
