"""Routing, faults by rate and by query, statistics, reset."""

from __future__ import annotations

import asyncio
import io
import time
from collections import Counter

import aiohttp
import pytest

from asyncapi.serve import Faults, FaultServer, Rate

STORM = {
    "error_rate": 0.2,
    "throttle_rate": 0.2,
    "drop_rate": 0.2,
    "slow_rate": 0.1,
    "slow": 0.001,
    "latency": (0.0, 0.002),
}


async def outcome(http, path):
    """How one request ended, as a client sees it."""
    try:
        answer = await http.get(path)
        await answer.read()
    except aiohttp.ClientPayloadError:
        return "cut"
    except aiohttp.ClientConnectionError:
        return "closed"
    return answer.status


async def storm(seed, order=1):
    """Outcomes of two visits to each of 150 paths, sent ten at a time, by path and visit.

    Every request has a connection of its own: aiohttp resends a GET by itself where a used one was closed.
    """
    outcomes = {}
    fresh = aiohttp.TCPConnector(force_close=True)
    async with (
        FaultServer(Faults(**STORM, seed=seed)) as server,
        aiohttp.ClientSession(server.url, connector=fresh) as http,
    ):

        async def visit(paths):
            for path in paths:
                for nth in (1, 2):
                    outcomes[path, nth] = await outcome(http, path)

        paths = [f"/items/{number}" for number in range(150)][::order]
        await asyncio.gather(*(visit(paths[start::10]) for start in range(10)))
    return outcomes


async def test_two_runs_with_a_seed_are_alike_in_any_order():
    """Another seed gives another run."""
    first, second, other = await storm(1), await storm(1, order=-1), await storm(2)
    assert first == second
    assert first != other
    assert {"cut", "closed", 200, 429, 500, 502, 503} == set(first.values())


async def test_a_retry_of_the_same_url_can_succeed():
    outcomes = await storm(1)
    failed = [path for path, nth in outcomes if nth == 1 and outcomes[path, 1] != 200]
    assert any(outcomes[path, 2] == 200 for path in failed)


async def test_throttled_answers_carry_retry_after_in_both_forms():
    faults = Faults(throttle_rate=1.0, retry_after=2)
    async with FaultServer(faults) as server, aiohttp.ClientSession(server.url) as http:
        forms = Counter()
        for number in range(40):
            answer = await http.get(f"/items/{number}")
            assert answer.status == 429
            forms["seconds" if answer.headers["Retry-After"] == "2" else answer.headers["Retry-After"][-3:]] += 1
    assert set(forms) == {"seconds", "GMT"}


async def test_latency_holds_back_every_answer():
    async with FaultServer(Faults(latency=0.1)) as server, aiohttp.ClientSession(server.url) as http:
        started = time.monotonic()
        await http.get("/items/7")
        assert time.monotonic() - started >= 0.09


async def test_a_rate_limit_lets_its_burst_through_and_no_more():
    limit = Faults(rate_limit=Rate(5, per=60))
    async with FaultServer(limit) as server, aiohttp.ClientSession(server.url) as http:
        answers = [await http.get(f"/items/{number}") for number in range(8)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 12
        assert answers[-1].headers["X-RateLimit-Limit"] == "5"
        assert server.stats.faults["limited"] == 3


async def test_endpoints_that_are_faults_or_about_the_server_are_left_alone():
    async with FaultServer(Faults(drop_rate=1.0)) as server, aiohttp.ClientSession(server.url) as http:
        for path in ("/", "/stats", "/status/204", "/flaky/a?fail=0", "/nothing"):
            assert (await http.get(path)).status in {200, 204}
        assert (await http.post("/reset")).status == 200
        with pytest.raises(aiohttp.ClientError):
            await (await http.get("/echo")).read()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fault=503", 503),
        ("fault=429", 429),
        ("fault=drop", "closed"),
        ("fault=drop-headers", "cut"),
        ("fault=drop-body", "cut"),
    ],
)
async def test_a_request_can_ask_for_its_fault(http, query, expected):
    assert await outcome(http, f"/items/7?{query}") == expected
    assert await outcome(http, "/items/7") == 200


@pytest.mark.parametrize("query", ["fault=slow", "fault=slow-body", "latency_ms=150"])
async def test_a_request_can_ask_to_be_slow(query):
    async with FaultServer(Faults(slow=0.15)) as server, aiohttp.ClientSession(server.url) as http:
        started = time.monotonic()
        assert (await (await http.get(f"/items/7?{query}")).json())["id"] == 7
        assert time.monotonic() - started >= 0.14


@pytest.mark.parametrize("query", ["fault=boom", "latency_ms=x", "latency_ms=99999999"])
async def test_a_fault_that_is_none_gets_400_and_the_reason(http, query):
    answer = await http.get(f"/items/7?{query}")
    assert answer.status == 400
    assert (await answer.json())["error"]


@pytest.mark.parametrize("fault", ["drop-headers", "drop-body"])
@pytest.mark.parametrize(
    ("method", "path"), [("HEAD", "/items/7"), ("GET", "/bytes/0"), ("GET", "/stream/5"), ("GET", "/bytes/100000")]
)
async def test_a_drop_is_never_taken_for_a_whole_answer(http, method, path, fault):
    with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
        await (await http.request(method, f"{path}?fault={fault}")).read()


async def test_the_root_lists_every_endpoint(server, http):
    listed = await (await http.get("/")).json()
    prefixes = {path.strip("/").partition("/")[0].partition("?")[0] for path in listed}
    assert prefixes == set(server._app._routes)
    assert all(listed.values())


async def test_an_unknown_path_gets_404_that_points_to_the_list(server, http):
    answer = await http.get("/nowhere/at/all")
    assert answer.status == 404
    assert "GET / lists them" in (await answer.json())["error"]
    assert server.stats.by_prefix == {"other": 1}


async def test_stats_count_what_the_server_saw(http):
    await asyncio.gather(*(http.get("/delay/0.2") for _ in range(7)))
    await http.get("/items/7")
    await http.get("/status/404")
    await outcome(http, "/items/7?fault=drop-headers")
    stats = await (await http.get("/stats")).json()
    assert stats["requests"] == 10
    assert stats["by_status"] == {"200": 8, "404": 1, "dropped": 1}
    assert stats["by_prefix"] == {"/delay": 7, "/items": 2, "/status": 1}
    assert stats["faults"] == {"drop": 1}
    assert (stats["in_flight"], stats["max_in_flight"]) == (0, 7)
    assert 7 <= stats["connections"] <= 8


async def test_reset_forgets_counters_keys_payments_and_tokens(http):
    await http.get("/flaky/a")
    await http.post("/payments", json=1)
    await http.post("/reset")
    stats = await (await http.get("/stats")).json()
    assert (stats["requests"], stats["by_status"]) == (0, {})
    assert (await (await http.get("/flaky/a")).json())["visit"] == 1
    assert (await (await http.get("/payments")).json())["count"] == 0


async def test_a_client_that_leaves_takes_its_request_with_it(server):
    async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(total=0.1)) as hasty:
        with pytest.raises(asyncio.TimeoutError):
            await hasty.get("/delay/60")
    async with asyncio.timeout(5):
        while server.stats.in_flight:
            await asyncio.sleep(0.005)
    assert server.stats.by_status == {"gone": 1}


async def test_a_body_over_the_limit_gets_413(http):
    answer = await http.post("/echo", data=io.BytesIO(b"x" * ((64 << 20) + 1)))
    assert answer.status == 413


async def test_many_requests_share_one_connection(server, http):
    for number in range(50):
        await (await http.get(f"/items/{number}")).read()
    assert server.stats.connections == 1
