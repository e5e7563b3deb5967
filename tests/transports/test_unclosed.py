"""A client that nobody closes says so once, in our words, and closes its connections."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import aiohttp
import pytest

from asyncapi import Client
from asyncapi.testing import MockTransport, reply
from programs import on_lane
from servers import always, scripted

pytestmark = pytest.mark.lanes

OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

SERVER = """
import asyncio, gc, os, socket, sys, threading, warnings
import asyncapi, asyncapi.blocking

def serve(server):
    while True:
        wire, _ = server.accept()
        wire.recv(65_536)
        wire.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
        kept.append(wire)

kept, server = [], socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=[server], daemon=True).start()
url = f"http://127.0.0.1:{server.getsockname()[1]}"
"""


@pytest.fixture
def told_by(lane):
    """Runs a program, and returns what it says on its standard error."""

    def run(script: str) -> list[str]:
        warned = [sys.executable, "-W", "ignore::DeprecationWarning:__main__"]
        done = subprocess.run(
            [*warned, "-c", on_lane(lane, SERVER + textwrap.dedent(script))],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr.splitlines()

    return run


def _collected(kept):
    kept.clear()
    gc.collect()


async def test_it_names_client_and_async_with_and_its_connections_are_closed(caplog):
    async with scripted(always(OK)) as server:
        api = Client(server.url)
        await api.get("/")
        kept = [api]
        del api
        with pytest.warns(ResourceWarning) as told:
            _collected(kept)
        await asyncio.wait_for(asyncio.gather(*server.tasks), 10)  # which end when the client's side is closed
    [warning] = told
    assert str(warning.message) == (
        f"unclosed Client (its first call went to {server.url.removeprefix('http://')}): "
        "use `async with Client(...) as api:`, or `await api.aclose()` at the end of its life"
    )
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("asyncapi", str(warning.message))]


async def test_a_client_collected_in_another_thread_is_closed_in_its_own_loop(caplog):
    async with scripted(always(OK)) as server:
        kept, told = [Client(server.url)], []
        await kept[0].get("/")

        def collect():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                _collected(kept)
                told.extend(str(warning.message).partition(" (")[0] for warning in caught)

        thread = threading.Thread(target=collect)
        thread.start()
        await asyncio.to_thread(thread.join)
        await asyncio.wait_for(asyncio.gather(*server.tasks), 10)
    assert told == ["unclosed Client"]
    assert [record.name for record in caplog.records] == ["asyncapi"]


async def test_only_a_session_that_was_opened_here_and_never_closed_is_told_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with scripted(always(OK)) as server, aiohttp.ClientSession() as session:
            Client(server.url)
            await Client(server.url, session=session).get("/")
            await Client(server.url, transport=MockTransport(lambda _: reply())).get("/")
            closed = Client(server.url)
            await closed.get("/")
            await closed.aclose()
            del closed
            gc.collect()


@pytest.mark.parametrize("end", ["", "del api; gc.collect()", "api.kept = api; del api"])
def test_a_program_that_ends_without_closing_says_it_in_one_line(told_by, end):
    [line] = told_by(f"""
        async def main():
            api = asyncapi.Client(url)
            await api.get("/")
            return api

        api = asyncio.run(main())
        {end}
    """)
    assert line.startswith("unclosed Client (its first call went to 127.0.0.1:")
    assert "async with Client(...)" in line


@pytest.mark.parametrize("end", ["", "del api; gc.collect()"])
def test_without_await_it_names_the_blocking_client_and_with(told_by, end):
    [line] = told_by(f"""
        api = asyncapi.blocking.Client(url)
        api.get("/")
        {end}
    """)
    assert line.startswith("unclosed asyncapi.blocking.Client: use `with Client(...) as api:`")


def test_a_closed_or_unused_client_without_await_says_nothing(told_by):
    assert told_by("""
        warnings.simplefilter("error")
        asyncapi.blocking.Client(url)
        unused = asyncapi.blocking.Client(url)
        with asyncapi.blocking.Client(url) as api:
            api.get("/")
    """) == []  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_process_warns_of_nothing(told_by):
    [line] = told_by("""
        async def main():
            api = asyncapi.Client(url)
            await api.get("/")
            return api

        api = asyncio.run(main())
        if (child := os.fork()) == 0:
            sys.exit()
        os.waitpid(child, 0)
    """)
    assert line.startswith("unclosed Client")
