"""A client belongs to one process and one event loop: copies, pickles and forks get one clear error, and harm nobody."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import anyio.from_thread
import pytest

import asyncapi
import asyncapi.blocking
from asyncapi import API, Client, ConfigError, PageNumber, get
from asyncapi.serve import FaultServer
from asyncapi.testing import MockTransport, reply
from programs import on_lane


@pytest.fixture(scope="module")
def server():
    """A real server, in a thread of its own."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FaultServer()) as running,
    ):
        yield running


class Shop(API):
    @get("/items/{number}")
    async def item(self, number: int) -> dict: ...


MAKERS = {
    "a client": lambda api: api,
    "a map": lambda api: api.map(["/"]),
    "a stream": lambda api: api.stream("GET", "/"),
    "events": lambda api: api.events("/"),
    "pages": lambda api: api.paginate("/", by=PageNumber()),
}
COPIES = [copy.copy, copy.deepcopy, pickle.dumps]


@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
async def test_what_holds_connections_is_neither_copied_nor_pickled(make, duplicate):
    async with Client("https://h", transport=MockTransport(lambda r: reply())) as api:
        with pytest.raises(ConfigError, match="make a new Client there") as caught:
            duplicate(make(api))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_nor_is_it_without_await(make, duplicate):
    transport = MockTransport(lambda r: reply())
    with (
        asyncapi.blocking.Client("https://h", transport=transport) as api,
        pytest.raises(ConfigError, match="make a new Client there"),
    ):
        duplicate(make(api))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps])
async def test_nor_is_a_declared_client(duplicate):
    async with Client("https://h", transport=MockTransport(lambda r: reply())) as api:
        with pytest.raises(ConfigError, match="make a new Client there"):
            duplicate(Shop(api))


async def test_a_response_that_is_read_may_be_copied_and_pickled():
    async with Client("https://h", transport=MockTransport(lambda r: reply(200, json=[1]))) as api:
        answer = await api.get("/")
    for one in (copy.copy(answer), copy.deepcopy(answer), pickle.loads(pickle.dumps(answer))):
        assert (one.status, one.json()) == (200, [1])


def test_a_client_passed_to_a_pool_of_processes_is_an_error_at_the_caller():
    api = Client("https://h")
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(ConfigError, match="make a new Client there"),
    ):
        pool.submit(print, api).result(timeout=60)


@pytest.fixture
def outcome_of(lane, server):
    """Runs a script in a process of its own, with the server's URL, and returns what it prints; it must end well."""

    def run(script: str) -> list[str]:
        warned = [sys.executable, "-W", "error", "-W", "ignore:.*fork:DeprecationWarning"]
        done = subprocess.run(
            [*warned, "-c", on_lane(lane, script), server.url], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return run


@pytest.mark.lanes
def test_a_fork_inside_the_loop_is_refused_and_takes_nothing_from_the_parent(outcome_of):
    lines = outcome_of(
        """
        import asyncio, os, sys
        from asyncapi import Client, ConfigError

        async def main():
            async with Client(sys.argv[1]) as api:
                await api.get("/items/1")
                child = os.fork()
                if not child:
                    try:
                        await api.get("/items/2")
                    except ConfigError as error:
                        os.write(1, f"{error}\\n".encode())
                    await api.aclose()
                    os._exit(0)
                os.waitpid(child, 0)
                for number in range(3):  # over the same connection
                    print((await api.get(f"/items/{number + 1}")).json()["id"], flush=True)

        asyncio.run(main())
        """
    )
    assert "before a fork" in lines[0]
    assert lines[1:] == ["1", "2", "3"]


@pytest.mark.lanes
def test_a_fork_that_goes_on_with_the_parents_loop_is_refused(outcome_of):
    lines = outcome_of(
        """
        import asyncio, os, sys
        from asyncapi import Client, ConfigError

        loop = asyncio.new_event_loop()
        api = Client(sys.argv[1])
        loop.run_until_complete(api.get("/items/1"))
        child = os.fork()
        if not child:
            for runner in (loop.run_until_complete, asyncio.run):
                try:
                    runner(api.get("/items/2"))
                except ConfigError as error:
                    os.write(1, f"{error}\\n".encode())
            os._exit(0)
        os.waitpid(child, 0)
        print(loop.run_until_complete(api.get("/items/3")).json()["id"])
        loop.run_until_complete(api.aclose())
        loop.close()
        """
    )
    assert ["before a fork" in line for line in lines] == [True, True, False]
    assert lines[2] == "3"


@pytest.mark.lanes
def test_a_blocking_client_in_a_fork_is_refused_and_its_blocks_end_quietly(outcome_of):
    lines = outcome_of(
        """
        import os, sys
        from asyncapi import ConfigError
        from asyncapi.blocking import Client

        with Client(sys.argv[1]) as api:
            api.get("/items/1")
            with api.map(["/items/1", "/items/2"]) as outcomes, api.stream("GET", "/items/1") as response:
                child = os.fork()
                if not child:
                    try:
                        api.get("/items/2")
                    except ConfigError as error:
                        os.write(1, f"{error}\\n".encode())
        if not child:
            os.write(1, b"quiet\\n")
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert "before a fork" in lines[0]
    assert lines[1:] == ["quiet"]


def test_a_client_of_another_loop_or_a_closed_one_is_refused():
    async def call(api):
        await api.get("/")

    api = Client("https://h", transport=MockTransport(lambda r: reply()))
    asyncio.run(call(api))
    with pytest.raises(ConfigError, match="another event loop"):
        asyncio.run(call(api))
    asyncio.run(api.aclose())
    with pytest.raises(ConfigError, match="closed"):
        asyncio.run(call(api))
