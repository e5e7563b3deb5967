"""`Learned(store=)` under everything that happens to files: no call fails, a warning says why, and nothing is made up."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys

import pytest

from asyncapi import Client, Learned, Retry
from asyncapi.client.learned import NAME
from asyncapi.sansio.failures.learned_snapshot import read
from asyncapi.stores import FileStore, MemoryStore, SQLiteStore
from asyncapi.testing import FakeClock, MockTransport, reply, run

STORES = [FileStore, SQLiteStore]

PROGRAM = """
import asyncio, sys
from asyncapi import Client, Learned, Retry
from asyncapi.client import learned
from asyncapi.stores import FileStore, SQLiteStore
from asyncapi.testing import MockTransport, reply

learned._EVERY = 0.0  # it is written after each lesson

async def main(kind, path, calls):
    store = {"FileStore": FileStore, "SQLiteStore": SQLiteStore}[kind](path)
    retry = Retry(2, cap=0.0, policy=Learned(store=store, memory=100_000))
    seen = []

    def every_second_fails(request):
        seen.append(request)
        return reply(503 if len(seen) % 2 else 200)

    async with Client("https://h", transport=MockTransport(every_second_fails), retry=retry) as api:
        print("began", flush=True)
        for number in range(calls):
            await api.get(f"/{chr(97 + number % 3)}")
            await asyncio.sleep(0.001)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def every_second_fails():
    """A handler whose every second response is a 503, the first one too: each retry ends well."""
    seen = []

    def handler(request):
        seen.append(request)
        return reply(503 if len(seen) % 2 else 200)

    return handler


async def made(store, number=3, clock=None):
    """How many retries ended well, as a client with the store knows it after some calls with one each."""
    transport = MockTransport(every_second_fails(), clock=clock) if clock else MockTransport(every_second_fails())
    settings = {"clock": clock} if clock else {}
    retry = Retry(2, cap=0.0, policy=Learned(store=store, memory=100_000))
    async with Client("https://h", transport=transport, retry=retry, **settings) as api:
        for _ in range(number):
            assert (await api.get("/a")).status == 200
        return api.stats.learned["h"]["503 on GET /a"].good


def program(kind, path, calls):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, kind.__name__, path, str(calls)], stdout=subprocess.PIPE)


def kept(store):
    """How many retries are kept in all."""
    text = asyncio.run(store.load(NAME))
    return 0.0 if text is None else sum(each.tried for each in read(text).values())


@pytest.mark.parametrize("kind", STORES)
def test_a_process_that_is_killed_while_it_writes_spoils_nothing(kind, tmp_path):
    """SIGKILL at any time: what was there before is there, or more; and the next process goes on."""
    path = str(tmp_path / "learned")
    before = 0.0
    for number in range(4):
        with program(kind, path, 10_000) as process:
            process.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):  # it goes on for long: the kill comes amid it
                process.wait(0.2 + 0.05 * number)
            process.send_signal(signal.SIGKILL)
        after = kept(kind(path))
        assert after >= before * 0.99
        before = after
    assert before > 0


@pytest.mark.parametrize("kind", STORES)
def test_processes_side_by_side_lose_nothing_of_each_other(kind, tmp_path):
    path = str(tmp_path / "learned")
    processes = [program(kind, path, 60) for _ in range(2)]
    for process in processes:
        with process:
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert kept(kind(path)) == pytest.approx(2 * 60, rel=0.05)


def ruined(path, how):
    content = path.read_bytes()
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    if how == "directory":
        path.unlink()
        path.mkdir()
    elif how == "another key":
        path.with_name(path.name + ".key").write_text(FileStore.new_key())
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "garbage": b"\xff\x00" * 2000}[how])


@pytest.mark.parametrize("how", ["cut", "garbage", "directory", "another key"])
@pytest.mark.parametrize("kind", STORES)
def test_a_damaged_file_costs_one_warning_that_names_it(kind, how, tmp_path, caplog):
    path = tmp_path / "learned"
    asyncio.run(made(kind(path)))
    ruined(path, how)
    with caplog.at_level(logging.WARNING, "asyncapi"):
        assert asyncio.run(made(kind(path))) == pytest.approx(3, rel=0.05)
    [record] = caplog.records
    assert "what was learned of retries can't be read from" in record.getMessage()
    assert str(path) in record.getMessage()
    assert record.getMessage().endswith("; retries go on, and learn anew")


@pytest.mark.parametrize(
    "content", ["garbage{", "[]", '{"format":"asyncapi learned retries","version":1,"seen":[[1]]}']
)
def test_a_broken_text_is_replaced_and_the_warning_says_so(content, caplog):
    store = MemoryStore()
    run(store.save(NAME, content))
    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(made(store))
    assert [record.getMessage().rpartition("; ")[2] for record in caplog.records] == ["it will be replaced"]
    assert run(made(store, 1)) == pytest.approx(4, rel=0.05)


def test_a_later_version_that_comes_meanwhile_is_left_alone(caplog):
    """Another process with a later version has written it since it was read."""
    store, later = MemoryStore(), json.dumps({"format": "asyncapi learned retries", "version": 2})

    async def scenario():
        retry = Retry(2, cap=0.0, policy=Learned(store=store))
        async with Client("https://h", transport=MockTransport(every_second_fails()), retry=retry) as api:
            await api.get("/a")
            await store.save(NAME, later)
            await api.get("/a")
        return await store.load(NAME)

    with caplog.at_level(logging.WARNING, "asyncapi"):
        assert run(scenario()) == later
    [record] = caplog.records
    assert "a later version of asyncapi has written it; it is left as it is" in record.getMessage()


class Odd(MemoryStore):
    """A store that returns, or raises, what none should."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    async def load(self, name):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.mark.parametrize("found", [b"bytes", 5, {}, TimeoutError(), RuntimeError("no loop"), KeyError("x")])
def test_an_odd_store_costs_a_warning_and_no_call(found, caplog):
    with caplog.at_level(logging.WARNING, "asyncapi"):
        assert run(made(Odd(found))) == pytest.approx(3, rel=0.05)
    [record] = caplog.records
    assert ": ;" not in record.getMessage()  # an error without a text is named


def test_a_clock_that_was_set_back_makes_nothing_up():
    """What was written "tomorrow" is as of now, and grows old from here on."""
    store, clock = MemoryStore(), FakeClock()
    ahead = FakeClock()
    ahead.wall = lambda: clock.now() + 2e9
    clock.wall = lambda: clock.now() + 1e9
    run(made(store, 8, ahead))
    assert run(made(store, 1, clock)) == pytest.approx(9, rel=0.05)
    text = run(store.load(NAME))
    assert max(each.at for each in read(text).values()) < 1.1e9
    clock.wall = lambda: clock.now() + 1e9 + 3600
    assert run(made(store, 1, clock)) == pytest.approx(5.5, rel=0.05)
