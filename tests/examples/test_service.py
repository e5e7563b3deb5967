"""The example service: in-process over the mock transport, and once as a real process on a real port."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from asyncapi import Client
from asyncapi.testing import MockTransport, reply

SERVICE = Path(__file__).parents[2] / "examples" / "service"
PATIENCE = 30


@pytest.fixture(scope="module")
def service():
    """The example's module, imported from its file as uvicorn would."""
    os.environ.setdefault("UPSTREAM", "http://upstream.invalid")
    spec = importlib.util.spec_from_file_location("service_app", SERVICE / "app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["service_app"] = module
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def running(service, handler, **settings):
    """The service with its lifespan entered, and a client for it that stays in this process."""
    app = service.build(lambda: Client("http://upstream.test", transport=MockTransport(handler), **settings))
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope, receive, send):
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as caller:
            yield caller, state["api"]


def user(request):
    number = int(request.url.name)
    return reply(json={"id": number, "name": f"user {number}"})


async def test_a_request_fans_out_to_a_whole_team(service):
    async with running(service, user) as (caller, api):
        answer = await caller.get("/teams/3")
        assert answer.status_code == 200
        assert [member["id"] for member in answer.json()["members"]] == list(range(60, 80))
        assert api.stats.calls == 20
        assert (await caller.get("/health")).json() == {"in_flight": 0, "calls": 20}


async def test_the_calls_of_one_request_run_at_once(service):
    """Twenty calls that wait for one another: they end only if all are in flight together."""
    together = asyncio.Barrier(20)

    async def handler(request):
        await together.wait()
        return user(request)

    async with running(service, handler) as (caller, _):
        async with asyncio.timeout(PATIENCE):
            answer = await caller.get("/teams/0")
        assert answer.status_code == 200


async def test_the_deadline_comes_from_the_incoming_request(service):
    async def handler(request):
        await asyncio.sleep(PATIENCE * 10)

    async with running(service, handler, timeout=None) as (caller, api), asyncio.timeout(PATIENCE):
        answer = await caller.get("/teams/0", headers={"X-Timeout": "0.05"})
        assert answer.status_code == 504
        assert api.stats.in_flight == 0


async def test_what_came_in_time_is_served_with_what_is_missing(service):
    async def handler(request):
        if request.url.name == "7":
            await asyncio.sleep(PATIENCE * 10)
        return user(request)

    async with running(service, handler, timeout=None) as (caller, _), asyncio.timeout(PATIENCE):
        answer = await caller.get("/teams/0/partial", headers={"X-Timeout": "0.3"})
        assert answer.status_code == 200
        assert answer.json()["missing"] == ["/users/7"]
        assert [member["id"] for member in answer.json()["members"]] == [n for n in range(20) if n != 7]


@pytest.mark.parametrize("header", ["soon", "-1", "0", "nan"])
async def test_a_wrong_timeout_is_the_callers_fault(service, header):
    async with running(service, user) as (caller, api):
        assert (await caller.get("/teams/0", headers={"X-Timeout": header})).status_code == 400
        assert api.stats.calls == 0


async def test_an_upstream_that_fails_is_a_bad_gateway(service):
    async with running(service, lambda request: reply(500), retry=None) as (caller, _):
        assert (await caller.get("/teams/0")).status_code == 502


async def test_an_upstream_that_is_full_tells_when_to_come_back(service):
    async with running(service, lambda request: reply(429, headers={"Retry-After": "7"}), retry=None) as (caller, _):
        answer = await caller.get("/teams/0")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "7"


async def test_shutting_down_ends_what_is_in_flight(service):
    """The lifespan ends under running calls: the handler answers, and no task is left."""
    before = asyncio.all_tasks()
    started = asyncio.Event()

    async def handler(request):
        started.set()
        await asyncio.sleep(PATIENCE * 10)

    async with running(service, handler) as (caller, api):
        request = asyncio.create_task(caller.get("/teams/0"))
        await started.wait()
        await api.aclose()
        async with asyncio.timeout(PATIENCE):
            answer = await request
    assert answer.status_code == 502
    assert "closed" in answer.json()["error"]
    assert asyncio.all_tasks() == before


@asynccontextmanager
async def upstream(handler):
    app = web.Application()
    app.router.add_get("/users/{id}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def served(upstream_url):
    """The service under uvicorn in a process of its own; its socket listens before it starts, so nobody polls."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "--app-dir", str(SERVICE), "--fd", str(listener.fileno()), "app:app"),
            env={**os.environ, "UPSTREAM": upstream_url},
            pass_fds=[listener.fileno()],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        port = listener.getsockname()[1]
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_over_a_real_port_it_finishes_what_runs_when_told_to_stop():
    """SIGTERM while all twenty calls are in flight: the caller still gets its answer, then the process ends."""
    arrived, release = 0, asyncio.Event()
    all_here = asyncio.Event()

    async def handler(request):
        nonlocal arrived
        arrived += 1
        if arrived == 20:
            all_here.set()
        await release.wait()
        return web.json_response({"id": int(request.match_info["id"]), "name": "Ada"})

    async with asyncio.timeout(PATIENCE), upstream(handler) as upstream_url, served(upstream_url) as (process, url):
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False) as caller:
            request = asyncio.create_task(caller.get("/teams/1"))
            await all_here.wait()
            process.send_signal(signal.SIGTERM)
            release.set()
            answer = await request
        assert answer.status_code == 200
        assert [member["id"] for member in json.loads(answer.content)["members"]] == list(range(20, 40))
        said, _ = await process.communicate()
        assert process.returncode in {0, -signal.SIGTERM}
        assert b"Application shutdown complete" in said
        assert b"Traceback" not in said
