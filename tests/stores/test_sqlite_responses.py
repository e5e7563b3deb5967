"""Responses in a SQLite file: they outlast the client, the process and SIGKILL; an ill file never fails a call."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import weakref
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asyncapi import Cache, Client, SQLiteStore
from asyncapi.stores.sqlite_responses import SQLiteResponses
from asyncapi.testing import FakeClock, MockTransport, reply, run
from cache_fleet import members, origin

MB = 1024 * 1024


def record(body=b"x", identity="", varies=()):
    return (identity, varies, 0.0, 0.0, 60.0, False, False, -1.0, -1.0, False, 200, "1.1", ("A", "b"), body)


async def opened(path, max_bytes=MB, room=MB, key=None):
    store = SQLiteResponses(path, max_bytes, room, key)
    await store.bring("any")
    return store


def counting(**headers):
    """A transport whose responses are numbered, and fresh for a minute."""
    numbers = iter(range(1, 1_000_000))
    return MockTransport(lambda _: reply(200, json=next(numbers), headers={"Cache-Control": "max-age=60", **headers}))


def client(path, transport, **options):
    return Client("https://api.example.com", transport=transport, cache=Cache(store=SQLiteStore(path, **options)))


async def test_a_response_outlasts_its_client(tmp_path):
    server = counting()
    async with client(tmp_path / "cache", server) as api:
        assert (await api.get("/x")).json() == 1
    async with client(tmp_path / "cache", server) as api:
        found = await api.get("/x")
        assert (found.from_cache, found.json()) == ("fresh", 1)


async def test_two_clients_see_what_the_other_stores_and_invalidates(tmp_path):
    server = counting()
    async with client(tmp_path / "cache", server) as one, client(tmp_path / "cache", server) as other:
        assert (await one.get("/x")).json() == 1
        while one._state.lasting._unwritten:  # the write is a moment away
            await asyncio.sleep(0.01)
        assert (await other.get("/x")).json() == 1
        await other.post("/x")
        assert (await one.get("/x")).from_cache == ""  # the invalidation is not


async def test_what_an_invalidation_elsewhere_overtakes_is_not_stored(tmp_path):
    gate, numbers = asyncio.Event(), iter(range(9))

    async def slow(_):
        await gate.wait()
        return reply(200, json=next(numbers), headers={"Cache-Control": "max-age=60"})

    path = tmp_path / "cache"
    async with client(path, MockTransport(slow)) as one, client(path, counting()) as other:
        asking = asyncio.create_task(one.get("/x"))
        await asyncio.sleep(0.05)
        await other.post("/x")
        gate.set()
        assert (await asking).json() == 0
        await asyncio.sleep(0.2)
        assert (await one.get("/x")).json() == 1


def test_a_client_in_virtual_time_may_use_it(tmp_path):
    async def scenario():
        api = Client(transport=counting(), clock=FakeClock(), cache=Cache(store=SQLiteStore(tmp_path / "c")))
        async with api:
            first, again = await api.get("https://a.example/"), await api.get("https://a.example/")
            await api.post("https://a.example/")
            assert (first.from_cache, again.from_cache) == ("", "fresh")
            assert (await api.get("https://a.example/")).from_cache == ""

    run(scenario())


async def test_variants_and_identities_are_kept_apart(tmp_path):
    store = await opened(tmp_path / "c")
    ann, bob = record(b"ann", "ann"), record(b"bob", "bob")
    store.put("k", (ann,), 500)
    store.put("k", (ann, bob), 1000)
    await store.aclose()
    store = await opened(tmp_path / "c")
    assert store.get("k") == (ann, bob)
    store.put("k", (bob,), 500)
    await store.aclose()
    store = await opened(tmp_path / "c")
    assert store.get("k") == (bob,)
    await store.aclose()


@pytest.mark.parametrize("key", [None, "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE="])
async def test_the_file_shows_no_url_and_with_a_key_no_body(tmp_path, key):
    path = tmp_path / "cache"
    server = counting(ETag='"the-tag"', Vary="Authorization, X-Api-Key")
    async with client(path, server, key=key) as api:
        secret = {"Authorization": "Bearer opensesame"}
        await api.get("/x?api_key=opensesame", headers=secret)
        assert (await api.get("/x?api_key=opensesame", headers=secret)).from_cache == "fresh"
    text = path.read_bytes()
    assert b"opensesame" not in text
    assert (b"the-tag" in text) == (key is None)


async def test_another_key_finds_nothing_and_fails_nothing(tmp_path):
    keys = ["Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=", "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmI="]
    for key in (*keys, None):
        async with client(tmp_path / "c", counting(), key=key) as api:
            assert (await api.get("/x")).from_cache == ""


async def test_the_file_and_its_folder_are_for_the_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    async with client("~/deep/er/cache", counting()) as api:
        await api.get("/x")
        modes = {each.name: each.stat().st_mode & 0o777 for each in (tmp_path / "deep" / "er").iterdir()}
        assert modes == {"cache": 0o600, "cache-wal": 0o600, "cache-shm": 0o600}
    assert (tmp_path / "deep" / "er").stat().st_mode & 0o777 == 0o700


def other_program(path):
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE theirs(a)")
    base.close()


def newer(path):
    asyncio.run(fill(path))
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version = 99")
    base.close()


def damaged(path):
    asyncio.run(fill(path))
    raw = path.read_bytes()
    path.write_bytes(raw[:4096] + random.Random(1).randbytes(len(raw) - 4096))


def truncated(path):
    asyncio.run(fill(path))
    path.write_bytes(path.read_bytes()[:5000])


async def fill(path):
    async with client(path, counting()) as api:
        await api.get("/x")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "no SQLite database"),
        (lambda path: path.mkdir(), "can't be used"),
        (other_program, "another program"),
        (newer, "newer version"),
        (damaged, "damaged"),
        (truncated, "damaged"),
    ],
)
def test_an_ill_file_is_named_once_left_alone_and_fails_no_call(tmp_path, caplog, make, why):
    path = tmp_path / "cache"
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    async def use():
        async with client(path, counting()) as api:
            found = [(await api.get("/x")).from_cache for _ in range(3)]
            await api.post("/x")
            return [*found, (await api.get("/x")).from_cache, (await api.get("/x")).from_cache]

    with caplog.at_level(logging.WARNING, "asyncapi"):
        assert asyncio.run(use()) == ["", "fresh", "fresh", "", "fresh"]
    (warning,) = caplog.messages
    assert "in memory" in warning
    assert why in warning
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_an_older_version_loses_its_responses_and_keeps_its_texts(tmp_path, caplog):
    path = tmp_path / "cache"
    asyncio.run(fill(path))
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version = 0")
    base.execute("INSERT INTO texts VALUES ('a', 'b')")
    base.commit()
    base.close()
    asyncio.run(fill(path))
    base = sqlite3.connect(path)
    assert base.execute("SELECT * FROM texts").fetchall() == [("a", "b")]
    assert base.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    base.close()
    assert caplog.messages == []


async def test_a_file_locked_by_another_program_still_serves(tmp_path):
    path, server = tmp_path / "cache", counting()
    await fill(path)
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("BEGIN IMMEDIATE")
    try:
        async with client(path, server) as api:
            assert (await api.get("/x")).from_cache == "fresh"
            await api.post("/x")
            assert [(await api.get("/x")).from_cache for _ in range(2)] == ["", "fresh"]
            base.execute("COMMIT")
    finally:
        base.close()
    async with client(path, server) as api:
        assert (await api.get("/x")).json() > 1  # the invalidated one is gone


async def test_a_full_disk_warns_once_and_serves_from_memory(tmp_path, caplog):
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        async with client(tmp_path / "cache", counting()) as api:
            await api.get("/old")
            await asyncio.sleep(0.2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
            for number in range(1000):
                await api.get(f"/{number}")
                if caplog.messages:
                    break
                await asyncio.sleep(0.01)
            assert (await api.get("/1")).from_cache == "fresh"
            await api.post("/old")
            assert (await api.get("/old")).from_cache == ""
            assert api.stats.cache["errors"] >= 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(caplog.messages) == 1
    assert "can't be written" in caplog.messages[0]


async def test_a_file_that_is_deleted_is_made_again(tmp_path):
    path = tmp_path / "cache"
    async with client(path, counting()) as api:
        await api.get("/x")
        await asyncio.sleep(0.2)
        for each in tmp_path.iterdir():
            each.unlink()
        await api.get("/y")
        while not path.exists():
            await asyncio.sleep(0.01)
        await api.get("/z")
    async with client(path, counting()) as api:
        assert (await api.get("/z")).from_cache == "fresh"


class Replaced:
    """A connection that the writer's thread finds to be of an old file in the middle of a question."""

    def __init__(self, store):
        self._store, self._base = store, store._base

    def execute(self, *question):
        self._store._base = None
        return self._base.execute(*question)

    def __getattr__(self, name):
        return getattr(self._base, name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.occupancy(),
        lambda store: store.begin("k"),
        lambda store: store.claim("k"),
        lambda store: store.settle(),
        lambda store: store.get("k"),
    ],
)
async def test_a_file_that_is_replaced_in_the_middle_of_a_question_fails_nothing(tmp_path, ask):
    store = await opened(tmp_path / "cache")
    base = store._base
    store.drop("k")
    store._base = Replaced(store)
    asked = ask(store)
    if asyncio.iscoroutine(asked):
        await asked
    store._base = base
    await store.aclose()


async def test_who_finds_no_lock_waits_for_it_once(tmp_path, caplog, monkeypatch):
    tried = []

    def locked(_path, *, busy):
        tried.append(busy)
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY  # as where the file system has no locks
        raise error

    monkeypatch.setattr("asyncapi.stores.sqlite_responses.open_file", locked)
    monkeypatch.setattr("asyncapi.stores.sqlite_responses._AGAIN", 0.0)
    async with client(tmp_path / "cache", counting()) as api:
        for _ in range(5):
            await api.get("/x")
    assert 100 <= len(tried) <= 110
    assert len(caplog.messages) == 1
    assert "it needs a local disk" in caplog.messages[0]


async def test_the_counts_are_those_of_now(tmp_path):
    async with client(tmp_path / "cache", counting(), max_bytes=64 * 1024) as api:
        for number in range(100):
            await api.get(f"/{number}")
            if number % 10 == 0:
                await asyncio.sleep(0.06)
        while not api._state.lasting._writer.evicted:
            await asyncio.sleep(0.02)
        assert api.stats.cache["evicted"] > 0


WRITER = """
import asyncio, sys
from pathlib import Path
from asyncapi.stores.sqlite_responses import SQLiteResponses

async def main():
    store = SQLiteResponses(Path(sys.argv[1]), 4_000_000, 1_000_000, None)
    await store.bring("any")
    number = 0
    while True:
        for _ in range(20):
            number += 1
            body = f"{number} ".encode() * (number * 37 % 3000)
            record = ("", (), 0.0, 0.0, 60.0, False, False, -1.0, -1.0, False, 200, "1.1", (), body)
            store.put(f"key {number % 500}", (record,), len(body) + 500)
            if number % 7 == 0:
                store.drop(f"key {number * 3 % 500}")
        await asyncio.sleep(0.001)
        if number % 400 == 0:
            print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("rounds", [6, pytest.param(40, marks=pytest.mark.soak)])
def test_sigkill_at_any_moment_leaves_whole_responses(tmp_path, rounds):
    path, dice = tmp_path / "cache", random.Random(7)
    for _ in range(rounds):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(dice.random() * 0.3)
        for writer in writers:
            writer.kill()
            writer.communicate()

        async def look():
            store = await opened(path)
            found = [store.get(f"key {number}") for number in range(500)]
            await store.aclose()
            return [each[0][-1] for each in found if each]

        bodies = asyncio.run(look())
        assert len(bodies) > 20
        assert all(len(set(body.split())) <= 1 for body in bodies)
        base = sqlite3.connect(path)
        assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        entries, values = (base.execute(f"SELECT count(*) FROM {name}").fetchone() for name in ("entries", "bodies"))
        assert entries == values
        base.close()


def test_what_was_written_before_a_sigkill_is_there(tmp_path):
    with origin() as server:
        with members(1, server.url, "sqlite", str(tmp_path / "cache")) as (process,):
            process.call("GET", "/x")
            time.sleep(0.5)  # the documented last batch is behind us
            process.kill()
        with members(1, server.url, "sqlite", str(tmp_path / "cache")) as (process,):
            assert process.call("GET", "/x")[0] == ["fresh", "/x 1"]


def test_processes_see_each_others_writes_and_invalidations(tmp_path):
    with origin() as server, members(2, server.url, "sqlite", str(tmp_path / "cache")) as (one, other):
        assert one.call("GET", "/x")[0] == ["", "/x 1"]
        time.sleep(0.5)
        assert other.call("GET", "/x")[0] == ["fresh", "/x 1"]
        other.call("POST", "/x")
        assert one.call("GET", "/x")[0] == ["", "/x 2"]
        server.gate.clear()
        one.begin("GET", "/y")
        server.wait_for("GET /y")
        server.gate.set()
        one.end()


async def test_the_memory_of_a_client_goes_with_it(tmp_path):
    store = await opened(tmp_path / "cache")
    store.put("k", (record(),), 500)
    await store.aclose()
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None


async def test_closing_twice_and_using_it_afterwards_is_harmless(tmp_path):
    store = await opened(tmp_path / "cache")
    await store.aclose()
    await store.aclose()
    store.put("k", (record(),), 500)
    store.drop("k")
    await store.settle()
    assert await store.claim("k") == "free"
    store.release("k", shared=0.0)


@pytest.mark.parametrize("entries", [3_000, pytest.param(30_000, marks=pytest.mark.soak)])
async def test_however_many_responses_the_bytes_on_the_disk_are_bounded(tmp_path, entries):
    path, bound = tmp_path / "cache", 2 * MB
    store = await opened(path, max_bytes=bound)
    dice, most = random.Random(3), 0
    for number in range(entries):
        body = dice.randbytes(dice.choice([10, 100, 1000, 10_000, 60_000]))
        while not store._writer.has_space_for(len(body) + 10 * MB):
            await asyncio.sleep(0.005)
        store.put(f"key {number}", (record(body),), len(body) + 600)
        if number % 500 == 0:
            await asyncio.sleep(0.01)
            most = max(most, *(each.stat().st_size for each in tmp_path.iterdir() if each.name == "cache"))
            assert sum(each.stat().st_size for each in tmp_path.iterdir() if "shm" not in each.name) <= bound
    while not store._writer.has_space_for(31 * MB):  # on a slow disk, more than a close waits for
        await asyncio.sleep(0.01)
    await store.aclose()
    assert path.stat().st_size <= bound
    assert most > bound // 4
    store = await opened(path, max_bytes=bound)
    assert store.get(f"key {entries - 1}") is not None
    assert store.get("key 0") is None
    assert store.counts.evicted == 0
    await store.aclose()


async def test_the_least_recently_used_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr("asyncapi.stores.sqlite_statements.FRESH_USE", -1)
    store = await opened(tmp_path / "cache", max_bytes=MB)
    for number in range(10):
        store.put(f"old {number}", (record(b"x" * 5000),), 5600)
    await store.aclose()
    base = sqlite3.connect(tmp_path / "cache")
    base.execute("UPDATE entries SET used = used - 1000")
    base.commit()
    base.close()
    store = await opened(tmp_path / "cache", max_bytes=MB)
    for _ in range(30):  # enough uses to be written down
        for number in range(0, 10, 2):
            store.get(f"old {number}")
    await store.aclose()
    base = sqlite3.connect(tmp_path / "cache")
    base.execute("UPDATE entries SET used = used - 100")  # what comes is used later
    base.commit()
    base.close()
    store = await opened(tmp_path / "cache", max_bytes=MB)
    number = 0
    while store.get("old 1") is not None:
        store.put(f"new {number}", (record(b"y" * 20_000),), 20_600)
        number += 1
        while store._unwritten:
            await asyncio.sleep(0.005)
    assert store.get("old 0") is not None
    await store.aclose()


def test_a_process_that_forks_leaves_the_file_to_its_parent(tmp_path):
    script = textwrap.dedent(
        """
        import asyncio, os, sys
        from asyncapi import Cache, Client, SQLiteStore
        from asyncapi.testing import MockTransport, reply

        def made():
            server = MockTransport(lambda _: reply(200, json=1, headers={"Cache-Control": "max-age=60"}))
            return Client("https://a.example", transport=server, cache=Cache(store=SQLiteStore(sys.argv[1])))

        async def use(api):
            async with api:
                return [(await api.get("/x")).from_cache for _ in range(2)]

        asyncio.run(use(made()))
        api = made()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(api.get("/x"))
        child = os.fork()
        if not child:
            asyncio.set_event_loop(None)
            ok = asyncio.run(use(made())) == ["fresh", "fresh"]
            os._exit(0 if ok else 3)
        assert os.waitpid(child, 0)[1] == 0
        assert loop.run_until_complete(api.get("/x")).from_cache == "fresh"
        loop.run_until_complete(api.aclose())
        loop.close()
        """
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(tmp_path / "c")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


class Model(RuleBasedStateMachine):
    """The store beside a dictionary: after any sequence of operations and restarts, they are equal."""

    keys = st.sampled_from(["a", "b", "c"])
    records = st.lists(
        st.builds(record, st.binary(max_size=20), st.sampled_from(["", "u"]), st.sampled_from([(), ("accept", "x")])),
        min_size=1, max_size=3, unique_by=lambda each: each[:2],
    )  # fmt: skip

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path("/tmp") / f"model-{random.SystemRandom().randrange(1 << 60)}"
        self.stores = [self.runner.run(opened(self.folder / "cache"))]
        self.known = {}

    @rule(key=keys, records=records)
    def put(self, key, records):
        self.known[key] = tuple(records)
        self.stores[0].put(key, tuple(records), 600)

    @rule(key=keys)
    def drop(self, key):
        self.known.pop(key, None)
        self.stores[0].drop(key)

    @rule()
    def settle(self):
        self.runner.run(self.stores[0].settle())

    @rule()
    def restart(self):
        self.runner.run(self.stores[0].aclose())
        self.stores[0] = self.runner.run(opened(self.folder / "cache"))

    @invariant()
    def equal(self):
        for key in "abc":
            assert set(self.stores[0].get(key) or ()) == set(self.known.get(key, ()))

    def teardown(self):
        self.runner.run(self.stores[0].aclose())
        self.runner.close()
        shutil.rmtree(self.folder)


TestModel = Model.TestCase
TestModel.settings = hypothesis_settings(max_examples=15, stateful_step_count=20, deadline=None)
