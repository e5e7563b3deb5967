"""Calls through a real Envoy that retries, limits and refuses by itself: nothing multiplies, and what it says counts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

import pytest
from aiohttp import web

from asyncapi import Breaker, Client, Mesh, RateLimited, Retry, RPCError, ServerError, Timeout
from daemons import free_port
from envoy_proxy import backend, envoy, fault, health_check, local_rate_limit, route

pytestmark = pytest.mark.lanes

QUICK = Retry(4, base=0.005, budget=None)
OURS, THEIRS = Mesh(), Mesh("mesh")
EACH = pytest.mark.parametrize("mesh", [None, OURS, THEIRS], ids=["told", "ours", "mesh"])


def answering(upstream, status=503, **headers):
    async def answer(request, arrival):
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    upstream.answer = answer


@EACH
@pytest.mark.parametrize("retries", [1, 2, 3, 9])
async def test_a_failing_get_does_not_multiply_the_retries_of_both(upstream, mesh, retries):
    answering(upstream)
    with envoy(backend(upstream.address), route(retries=retries)) as proxy:
        async with Client(proxy.url, mesh=mesh, retry=QUICK) as api:
            with pytest.raises(ServerError) as caught:
                await api.get("/")
    most = 4 if mesh is OURS else max(4, retries + 1)
    assert len(upstream.arrivals) <= most
    assert caught.value.status == 503
    if mesh is None:
        assert caught.value.attempts[-1].then.endswith(" of them by a proxy")


async def test_with_four_and_four_attempts_it_is_sixteen_where_nobody_listens(upstream):
    answering(upstream)
    with envoy(backend(upstream.address), route(retries=3)) as proxy:
        async with Client(proxy.url, mesh=False, retry=QUICK) as api:
            with pytest.raises(ServerError):
                await api.get("/")
    assert len(upstream.arrivals) == 16


@EACH
async def test_it_is_five_at_the_most_by_whoever_retries(upstream, mesh):
    answering(upstream)
    with envoy(backend(upstream.address), route(retries=3)) as proxy:
        async with Client(proxy.url, mesh=mesh) as api:
            with pytest.raises(ServerError):
                await api.get("/")
    assert len(upstream.arrivals) <= 5


@EACH
async def test_one_good_attempt_is_enough_whoever_makes_it(upstream, mesh):
    async def answer(request, arrival):
        return web.Response(status=200 if arrival.visit == 3 else 503)

    upstream.answer = answer
    with envoy(backend(upstream.address), route(retries=3)) as proxy:
        async with Client(proxy.url, mesh=mesh, retry=QUICK) as api:
            response = await api.get("/")
    assert (response.status, len(upstream.arrivals)) == (200, 3)


async def test_a_proxy_that_trusts_nobody_is_still_heard(upstream):
    answering(upstream)
    with envoy(backend(upstream.address), route(retries=3), trusted=False) as proxy:
        async with Client(proxy.url, mesh=OURS, retry=QUICK) as api:
            with pytest.raises(ServerError):
                await api.get("/")
    assert len(upstream.arrivals) == 4


async def test_a_full_circuit_is_no_failure_of_the_host_and_gets_one_more_attempt(upstream):
    gate = asyncio.Event()

    async def answer(request, arrival):
        await gate.wait()
        return web.Response()

    upstream.answer = answer
    small = backend(upstream.address, max_connections=1, max_pending_requests=1)
    with envoy(small) as proxy:
        async with Client(proxy.url, retry=QUICK, breaker=Breaker(minimum=4), pace=False) as api:
            held = [asyncio.ensure_future(api.get("/held")) for _ in range(2)]  # one at the server, one in the queue
            while not (upstream.arrivals and proxy.stat("cluster.behind.upstream_rq_pending_active")):
                await asyncio.sleep(0.005)
            outcomes = await asyncio.gather(*[api.post("/") for _ in range(20)], return_exceptions=True)
            gate.set()
            await asyncio.gather(*held)
            assert all(circuit.state == "closed" for circuit in api.stats.circuits.values())
        assert proxy.stat("cluster.behind.upstream_rq_total") == 2  # none of the twenty went on
    refused = [each for each in outcomes if isinstance(each, ServerError)]
    assert len(refused) == 20
    assert {len(each.attempts) for each in refused} == {2}
    assert {attempt.error for each in refused for attempt in each.attempts} == {"503: overloaded (x-envoy-overloaded)"}


async def test_calls_wait_for_a_full_circuit_as_for_a_rate_limit(upstream):
    async def answer(request, arrival):
        await asyncio.sleep(0.01)
        return web.Response()

    upstream.answer = answer
    small = backend(upstream.address, max_connections=1, max_pending_requests=1, max_requests=1)
    with envoy(small) as proxy:
        policy = {"retry": Retry(4, base=0.1, budget=None), "breaker": Breaker(minimum=4)}
        async with Client(proxy.url, **policy) as api, api.map(["/"] * 20, on_error="yield") as fan_out:
            outcomes = [outcome async for outcome in fan_out]
        assert proxy.stat("cluster.behind.upstream_rq_total") == len(upstream.arrivals)
    assert len(outcomes) == 20
    assert all(outcome.ok or outcome.status == 503 for outcome in outcomes)
    assert max(len(outcome.attempts) for outcome in outcomes) <= 2


async def test_a_refused_retry_of_the_proxy_does_not_prove_that_a_post_was_not_done(upstream):
    """The first attempt reached the server; only the proxy's second one was refused by its circuit."""
    gate = asyncio.Event()

    async def answer(request, arrival):
        if request.method == "POST":
            return web.Response(status=503, headers={"Retry-After": "1"})
        await gate.wait()
        return web.Response()

    upstream.answer = answer
    slow = route(retries=3)
    slow["route"]["retry_policy"]["rate_limited_retry_back_off"] = {
        "reset_headers": [{"name": "Retry-After", "format": "SECONDS"}]
    }
    with envoy(backend(upstream.address, max_connections=1, max_pending_requests=1), slow) as proxy:
        async with Client(proxy.url, retry=QUICK) as api:
            posted = asyncio.ensure_future(api.post("/"))
            while not upstream.arrivals or upstream.inside:
                await asyncio.sleep(0.005)
            held = [asyncio.ensure_future(api.get("/")) for _ in range(2)]  # fill it, before Envoy's second attempt
            with pytest.raises(ServerError) as caught:
                await posted
            gate.set()
            await asyncio.gather(*held)
    assert upstream.visits["POST", "/"] == 1
    assert (caught.value.response.meaning.attempts, caught.value.response.headers["x-envoy-overloaded"]) == (2, "true")


async def test_a_local_rate_limit_is_a_429(upstream):
    with envoy(backend(upstream.address), filters=(local_rate_limit(5),)) as proxy:
        async with Client(proxy.url, retry=None, pace=False) as api:
            outcomes = await asyncio.gather(*[api.get("/") for _ in range(12)], return_exceptions=True)
    assert len(upstream.arrivals) == 5
    assert sum(isinstance(each, RateLimited) for each in outcomes) == 7


async def test_a_rate_limit_with_another_status_is_treated_as_one(upstream):
    answering(upstream, 503, x_envoy_ratelimited="true")
    with envoy(backend(upstream.address), route(retries=3)) as proxy:
        async with Client(proxy.url, retry=Retry(2, base=0.005), breaker=Breaker(minimum=2)) as api:
            for _ in range(4):
                with pytest.raises(ServerError):
                    await api.post("/")
            assert all(circuit.state == "closed" for circuit in api.stats.circuits.values())
    assert len(upstream.arrivals) == 8  # Envoy does not retry what is rate limited; nothing was done, so we do


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("mesh", [None, OURS])
async def test_a_post_is_sent_again_where_the_proxy_proves_that_nothing_was_sent(upstream, mesh, method):
    with envoy(backend(f"127.0.0.1:{free_port()}")) as proxy:
        async with Client(proxy.url, mesh=mesh, retry=QUICK) as api:
            with pytest.raises(ServerError) as caught:
                await api.request(method, "/")
    attempts = 4 if method == "GET" or mesh is OURS else 1
    assert len(caught.value.attempts) == attempts


async def test_a_cluster_without_servers_proves_it_too():
    with envoy(backend([])) as proxy:
        async with Client(proxy.url, mesh=OURS, retry=QUICK) as api:
            with pytest.raises(ServerError) as caught:
                await api.post("/")
    assert (caught.value.body, len(caught.value.attempts)) == (b"no healthy upstream", 4)


async def test_a_connection_that_ends_midway_proves_nothing(upstream):
    async def answer(request, arrival):
        request.transport.abort()
        return web.Response()

    upstream.answer = answer
    with envoy(backend(upstream.address)) as proxy:
        async with Client(proxy.url, mesh=OURS, retry=QUICK) as api:
            with pytest.raises(ServerError, match="connection termination"):
                await api.post("/")
    assert len(upstream.arrivals) == 1


async def test_a_mesh_that_is_gone_is_tried_again_even_where_it_retries():
    async with Client(f"http://127.0.0.1:{free_port()}", mesh=THEIRS, retry=QUICK) as api:
        with pytest.raises(Exception) as caught:
            await api.post("/")
    assert len(caught.value.attempts) == 4


@pytest.mark.parametrize(("mesh", "attempts"), [(None, 2), (OURS, 2), (THEIRS, 1)])
async def test_a_timeout_of_the_route_is_a_504(upstream, mesh, attempts):
    never = asyncio.Event()

    async def answer(request, arrival):
        await never.wait()
        return web.Response()

    upstream.answer = answer
    mesh = mesh and Mesh(mesh.retry, timeouts=False)
    with envoy(backend(upstream.address), route(timeout="0.05s")) as proxy:
        async with Client(proxy.url, mesh=mesh, retry=Retry(2, base=0.005)) as api:
            with pytest.raises(ServerError) as caught:
                await api.get("/")
        never.set()
    assert (caught.value.status, len(caught.value.attempts)) == (504, attempts)


@pytest.mark.parametrize(("mesh", "count"), [(OURS, 1), (THEIRS, 1)])
async def test_our_time_limits_hold_over_those_of_the_route(upstream, mesh, count):
    async def answer(request, arrival):
        await asyncio.sleep(0.3)
        return web.Response()

    upstream.answer = answer
    with envoy(backend(upstream.address), route(retries=3, timeout="0.1s", per_try_timeout="0.05s")) as proxy:
        async with Client(proxy.url, mesh=mesh, retry=QUICK, timeout=Timeout(30, attempt=20)) as api:
            assert (await api.get("/")).status == 200
    assert len(upstream.arrivals) == count


async def test_attempts_of_the_mesh_have_our_limit_and_all_of_them_one_of_ours(upstream):
    async def answer(request, arrival):
        if arrival.visit < 3:
            await asyncio.sleep(20)
        return web.Response()

    upstream.answer = answer
    with envoy(backend(upstream.address), route(retries=3, timeout="1s")) as proxy:
        async with Client(proxy.url, mesh=THEIRS, timeout=Timeout(30, attempt=0.5)) as api:
            response = await api.get("/")
    assert (response.status, len(response.attempts), len(upstream.arrivals)) == (200, 1, 3)
    assert response.headers["x-envoy-attempt-count"] == "3"


@EACH
async def test_a_fault_filter_is_a_failure_like_any_other(upstream, mesh):
    with envoy(backend(upstream.address), route(retries=3), filters=(fault(status=503),)) as proxy:
        async with Client(proxy.url, mesh=mesh, retry=QUICK) as api:
            with pytest.raises(ServerError) as caught:
                await api.get("/")
    assert (len(caught.value.attempts), len(upstream.arrivals)) == (1 if mesh is THEIRS else 4, 0)


async def test_a_failing_health_check_puts_the_endpoint_out_of_use_though_it_still_serves(upstream):
    with envoy(backend(upstream.address), filters=(health_check(),)) as proxy:
        async with Client(proxy.url, mesh=OURS) as api:
            assert (await api.get("/")).meaning is None
            proxy.ask("/healthcheck/fail", method="POST")
            response = await api.get("/")
            assert (response.status, response.meaning.out) == (200, True)
            checked = await api.get("/healthz", raise_for_status=False, retry=None)
            assert (checked.status, checked.meaning.out) == (503, True)
            proxy.ask("/healthcheck/ok", method="POST")
            assert (await api.get("/")).meaning is None


async def test_the_grpc_status_of_a_200_is_the_outcome(upstream):
    answering(upstream, 200, content_type="application/grpc", grpc_status="14", grpc_message="no%20backend")
    with envoy(backend(upstream.address)) as proxy:
        async with Client(proxy.url, mesh=OURS, retry=QUICK, breaker=Breaker(minimum=4)) as api:
            response = await api.get("/", raise_for_status=False)
            assert (response.status, response.effective_status, len(upstream.arrivals)) == (200, 503, 4)
            assert [each.error for each in response.attempts] == ["RPCError: UNAVAILABLE: no backend"] * 4
            assert [circuit.state for circuit in api.stats.circuits.values()] == ["open"]
        async with Client(proxy.url, mesh=THEIRS) as api:
            with pytest.raises(RPCError, match="UNAVAILABLE: no backend"):
                await api.get("/")


async def test_what_the_proxy_answers_itself_to_a_grpc_call_counts_too():
    """A refused connection is a 200 with a grpc-status, and proves that nothing was sent."""
    with envoy(backend(f"127.0.0.1:{free_port()}")) as proxy:
        async with Client(proxy.url, mesh=OURS, retry=QUICK) as api:
            headers = {"Content-Type": "application/grpc"}
            response = await api.post("/s/M", content=b"", headers=headers, raise_for_status=False)
    assert (response.status, response.effective_status, len(response.attempts)) == (200, 503, 4)


async def test_a_killed_proxy_leaves_nothing_behind(upstream):
    async def answer(request, arrival):
        await asyncio.sleep(20)
        return web.Response()

    upstream.answer = answer
    with envoy(backend(upstream.address), route(retries=3)) as proxy:
        async with Client(proxy.url, mesh=THEIRS, timeout=20) as api:
            task = asyncio.ensure_future(api.get("/"))
            while not upstream.arrivals:
                await asyncio.sleep(0.005)
            proxy.kill()
            with pytest.raises(Exception, match=r"closed|reset|refused"):
                await task
    with contextlib.suppress(ProcessLookupError):
        proxy.kill()


async def test_fetch_does_not_multiply_its_retries_with_those_of_a_mesh(upstream, lane, tmp_path):
    answering(upstream)
    with envoy(backend(upstream.address), route(retries=3)) as proxy:
        command = ("fetch", "--url", f"{proxy.url}/{{id}}", "--from", "ids.csv", "-o", "out.jsonl", "--transport", lane)
        (tmp_path / "ids.csv").write_text("id\n1\n2\n")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from asyncapi.cli import main; main()", *command, cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1, said.decode()
    assert set(upstream.visits) == {("GET", "/1"), ("GET", "/2")}
    assert max(upstream.visits.values()) <= 5
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["status"], row["attempts"]) for row in rows] == [(503, 1)] * 2
