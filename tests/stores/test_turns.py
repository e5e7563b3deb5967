"""Turns: of several processes that miss the same response, one fetches it, and nobody waits for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from cryptography.fernet import Fernet

from asyncapi.stores.responses import LEASE, StoreCounts
from asyncapi.stores.turns import Turns
from asyncapi.testing import FakeClock, run
from cache_fleet import members, origin
from redis_server import redis_server

KEY = Fernet.generate_key().decode()


@contextlib.contextmanager
def fleet(kind, number, folder):
    """An origin, and processes that share a store of this kind."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(origin())
        if kind == "sqlite":
            place, options = str(folder / "cache"), {}
        else:
            place, options = stack.enter_context(redis_server()).url, {"key": KEY}
        yield server, stack.enter_context(members(number, server.url, kind, place, **options))


kinds = pytest.mark.parametrize("kind", ["sqlite", "redis"])


@kinds
def test_four_processes_that_miss_the_same_send_one_request(kind, tmp_path):
    with fleet(kind, 4, tmp_path) as (server, processes):
        server.gate.clear()
        for process in processes:
            process.begin("GET", "/x", times=5)
        server.wait_for("GET /x")
        time.sleep(0.3)
        server.gate.set()
        results = [process.end() for process in processes]
        assert server.seen["GET /x"] == 1
        assert {body for result in results for _, body in result[:-1]} == {"/x 1"}


@kinds
def test_the_death_of_who_fetches_frees_the_others_within_the_lease(kind, tmp_path):
    with fleet(kind, 3, tmp_path) as (server, processes):
        server.gate.clear()
        processes[0].begin("GET", "/x")
        server.wait_for("GET /x")
        for process in processes[1:]:
            process.begin("GET", "/x")
        processes[0].kill()
        died = time.monotonic()
        server.wait_for("GET /x", 2)
        assert time.monotonic() - died < LEASE + 5
        server.gate.set()
        assert [process.end()[0][1] for process in processes[1:]] == ["/x 2", "/x 2"]
        assert server.seen["GET /x"] == 2


@kinds
def test_what_may_not_be_stored_keeps_nobody_waiting(kind, tmp_path):
    with fleet(kind, 3, tmp_path) as (server, processes):
        server.gate.clear()
        for process in processes:
            process.begin("GET", "/private")
        server.wait_for("GET /private")
        server.gate.set()
        assert sorted(process.end()[0][1] for process in processes) == ["/private 1", "/private 2", "/private 3"]
        server.gate.clear()
        for process in processes:  # it is known now: all go at once
            process.begin("GET", "/private")
        server.wait_for("GET /private", 6)
        server.gate.set()
        assert [process.end()[0][0] for process in processes] == [""] * 3


@kinds
def test_who_waits_leaves_at_its_own_deadline(kind, tmp_path):
    with fleet(kind, 2, tmp_path) as (server, processes):
        server.gate.clear()
        processes[0].begin("GET", "/x")
        server.wait_for("GET /x")
        assert processes[1].call("GET", "/x", timeout=0.5)[0][0] in {"DeadlineExceeded", "RequestTimeout"}
        server.gate.set()
        assert processes[0].end()[0] == ["", "/x 1"]
        assert server.seen["GET /x"] == 1


@kinds
def test_a_failure_frees_the_others_to_ask_for_themselves(kind, tmp_path):
    with fleet(kind, 3, tmp_path) as (server, processes):
        for process in processes:
            process.begin("GET", "/broken")
        assert len({process.end()[0][1] for process in processes}) >= 1
        assert 1 <= server.seen["GET /broken"] <= 3


class Asked:
    """A store whose claims a test decides."""

    far = False

    def __init__(self, *states):
        self.counts = StoreCounts()
        self.states = list(states)
        self.released = []

    async def claim(self, _name):
        return self.states.pop(0) if self.states else "held"

    def release(self, name, *, shared):
        self.released.append((name, shared))


class Far(Asked):
    """One whose entries have to be brought, which takes a minute."""

    far = True

    async def bring(self, *_keys):
        await self.clock.sleep(60)


def test_who_is_cancelled_with_the_claim_in_hand_gives_it_back():
    async def scenario():
        store = Far("mine")
        store.clock = clock = FakeClock()
        turns = Turns(store, clock)
        taking = asyncio.create_task(turns.take("a", "a", lambda: False))
        await clock.sleep(1)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert store.released == [("a", 0.0)]

    run(scenario())


def test_who_has_the_turn_gives_it_back_with_its_outcome():
    async def scenario():
        store = Asked("mine")
        turn = await Turns(store, FakeClock()).take("a", "a", lambda: False)
        turn.release("useful")
        assert store.released == [("a", 0.0)]

    run(scenario())


def test_what_was_of_no_use_is_not_claimed_again_for_a_while():
    async def scenario():
        store, clock = Asked("mine", "mine"), FakeClock()
        turns = Turns(store, clock)
        (await turns.take("a", "a", lambda: False)).release("useless")
        (await turns.take("a", "a", lambda: False)).release("useful")  # free: nobody was asked
        assert len(store.states) == 1
        await clock.sleep(60)
        await turns.take("a", "a", lambda: False)
        assert store.states == []

    run(scenario())


def test_what_others_have_stored_meanwhile_is_found_by_looking():
    async def scenario():
        looks = iter([False, False, True])
        assert await Turns(Asked("held", "held", "held"), FakeClock()).take("a", "a", lambda: next(looks)) is None

    run(scenario())
