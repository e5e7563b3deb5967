"""`asyncapi fetch --shared`: jobs of several processes keep to one limit, and say what is wrong before anything is sent."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from aiohttp import web

from redis_server import redis_server

pytestmark = pytest.mark.lanes


@pytest.fixture
def redis():
    pytest.importorskip("redis")
    with redis_server() as server:
        yield server


async def test_two_jobs_keep_to_one_rate_together(tmp_path, server, asyncapi, inputs, redis):
    times = []

    async def answer(request):
        times.append(time.monotonic())
        return web.json_response({})

    server.answer = answer
    name, shared = inputs(60), ("--rate", "40/s", "--burst", "1", "--shared", redis.url, "--workers-hint", "2")
    ended = await asyncio.gather(*(asyncapi("fetch", name, "-o", f"{n}.jsonl", *shared) for n in range(2)))
    assert [code for code, _, _ in ended] == [0, 0]
    for number in range(2):
        assert len((tmp_path / f"{number}.jsonl").read_text().splitlines()) == 60
    assert max(times) - min(times) >= (120 - 1 - 10) / 40  # each alone would send 60 in 1.5 s


async def test_jobs_of_other_names_have_limits_of_their_own(server, asyncapi, inputs, redis):
    options = ("--rate", "60/m", "--burst", "5", "--shared")
    ended = await asyncio.gather(
        *(asyncapi("fetch", inputs(5), "-o", f"{name}.jsonl", *options, f"{redis.url}#{name}") for name in "ab")
    )
    assert [code for code, _, _ in ended] == [0, 0]
    found = redis.tell("KEYS", "*:rate:*")
    assert "{a}:" in found
    assert "{b}:" in found


async def test_a_job_goes_on_without_redis_and_says_so(tmp_path, server, asyncapi, inputs, redis):
    redis.kill()
    code, _, err = await asyncapi("fetch", inputs(20), "-o", "out.jsonl", "--rate", "100/s", "--shared", redis.url)
    assert code == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 20
    assert "is away" in err


async def test_a_pause_that_one_job_is_asked_for_holds_the_other(server, start, tmp_path, redis):
    """A host says 429 to one job; the other, which was never refused, sends nothing meanwhile."""
    paused, calls = asyncio.Event(), {"a": 0, "b": 0}

    async def answer(request):
        who = request.path.split("/")[1]
        calls[who] += 1
        if who == "a" and calls["a"] > 40:
            paused.set()
            return web.Response(status=429, headers={"Retry-After": "60"})
        return web.json_response({})

    server.answer = answer
    jobs = []
    for who in "ab":
        (tmp_path / f"{who}.txt").write_text("".join(f"{server.url}/{who}/{n}\n" for n in range(5000)))
        options = ("--rate", "100/s", "--burst", "5", "--shared", redis.url, "-c", "10", "-q")
        jobs.append(await start("fetch", f"{who}.txt", "-o", f"{who}.jsonl", *options))
    await asyncio.wait_for(paused.wait(), 60)
    end, still = time.monotonic() + 30, 0
    while still < 20:  # a second without a call: the pause is kept
        assert time.monotonic() < end, calls
        before = calls["b"]
        await asyncio.sleep(0.05)
        still = still + 1 if calls["b"] == before else 0
    assert calls["b"] < 4000
    for job in jobs:
        job.kill()
        await job.communicate()


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://ann:opensesame@h", "give redis://"), ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set")],
)
async def test_a_wrong_server_is_told_before_anything_is_sent(server, asyncapi, inputs, url, why):
    code, _, err = await asyncapi("fetch", inputs(3), "-o", "out.jsonl", "--rate", "5", "--shared", url)
    assert code == 2
    assert why in err
    assert "opensesame" not in err
    assert server.seen == []


async def test_the_plan_shows_no_password(server, asyncapi, inputs):
    url = "redis://ann:opensesame@h"
    code, out, err = await asyncapi("fetch", inputs(3), "-o", "o.jsonl", "--rate", "5", "--shared", url, "--dry-run")
    assert code == 0, err
    assert "opensesame" not in out + err
    assert json.dumps(server.seen) == "[]"
