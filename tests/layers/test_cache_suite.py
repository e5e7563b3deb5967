"""The table of what a private cache does (RFC 9111), played against a Client: on every store and over every transport."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from asyncapi import Cache, Client, stores
from asyncapi.testing import MockTransport
from cache_change_rows import CHANGES, FIELDS, OTHER, RANGES, STALE
from cache_checkout import KNOWN, USUAL, exported, kind_of, played, report
from cache_reuse_rows import CONDITIONS, DIRECTIVES, STATUSES, VARY, WISHES
from cache_rows import HEURISTICS, LIFETIMES, READING, as_test, row, step
from cache_suite import Failed, Origin, TurnedClock, play, results

GROUPS = (
    LIFETIMES, READING, HEURISTICS, DIRECTIVES, WISHES, STATUSES, VARY, CONDITIONS, FIELDS, CHANGES, RANGES, STALE, OTHER,
)  # fmt: skip
TESTS = [as_test(entry) for group in GROUPS for entry in group]
CHECKOUT = Path(os.environ.get("CACHE_TESTS", USUAL))


def mocked(clock, cache):
    """An origin without a network, a client of it, and what turns the clock on."""
    origin = Origin(clock.wall, clock.sleep)

    async def pause(seconds):
        clock.ahead += seconds
        await asyncio.sleep(0)

    transport = MockTransport(origin.mocked)
    return origin, Client("http://h", transport=transport, clock=clock, retry=None, redirects=0, cache=cache), pause


def test_each_row_has_a_name_of_its_own():
    assert len({test["id"] for test in TESTS}) == len(TESTS) > 300


@pytest.mark.parametrize("test", TESTS, ids=[test["id"] for test in TESTS])
async def test_the_cache_does_what_the_table_says(test):
    origin, api, pause = mocked(TurnedClock(), Cache(heuristic=0.1))
    async with api:
        await play(test, api, origin, "http://h", pause)


async def test_without_heuristics_only_guessed_lifetimes_differ():
    origin, api, pause = mocked(TurnedClock(), Cache())
    async with api:
        found = await results(TESTS, api, origin, "http://h", pause)
    assert {name for name, why in found.items() if why} == {
        test["id"] for test in TESTS if "guessed" in test["id"] and test["requests"][1].get("expected_type") == "cached"
    }


async def test_the_cache_does_the_same_from_sqlite(tmp_path):
    store = stores.SQLiteStore(tmp_path / "cache.db")
    origin, api, pause = mocked(TurnedClock(), Cache(heuristic=0.1, store=store))
    async with api:
        found = await results(TESTS, api, origin, "http://h", pause)
    assert {name: why for name, why in found.items() if why} == {}


@pytest.mark.lanes
async def test_the_cache_does_the_same_over_sockets(lane):
    found = await played(TESTS, lane, Cache(heuristic=0.1))
    assert {name: why for name, why in found.items() if why} == {}


async def test_calls_that_follow_no_redirects_themselves_are_served_but_for_redirects():
    origin, api, pause = mocked(TurnedClock(), Cache())
    fresh = [test for test in TESTS if test["id"].startswith("a fresh ")]
    async with api:
        real = api.request
        api.request = lambda *args, **more: real(*args, redirects=0, **more)
        found = await results(fresh, api, origin, "http://h", pause)
    assert {name[-3:] for name, why in found.items() if why} == {"301", "302", "303", "307", "308"}


async def test_a_row_that_the_cache_breaks_is_seen():
    wrong = as_test(row("wrong", "must", "3", step("Cache-Control: max-age=9"), step(sees="origin")))
    origin, api, pause = mocked(TurnedClock(), Cache())
    async with api:
        with pytest.raises(Failed, match="Assertion: response 2 comes from the cache"):
            await play(wrong, api, origin, "http://h", pause)


@pytest.mark.lanes
@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js exports the tests of the suite")
async def test_a_checkout_of_the_suite_is_exported_played_and_reported(lane, tmp_path):
    (tmp_path / "tests").mkdir()
    skipped = {**TESTS[1], "id": "for shared ones", "browser_skip": True}
    groups = [{"name": "Lifetimes", "id": "x", "tests": [*TESTS[:3], skipped]}]
    (tmp_path / "tests" / "index.mjs").write_text(f"export default {json.dumps(groups)}")
    tests = exported(tmp_path)
    found = await played(tests, lane, Cache())
    found[TESTS[2]["id"]] = "Assertion: made up"
    assert report(tests, found) == [
        "required: 0 of 1", "optimal: 1 of 1", "check: 1 of 1", "  Lifetimes: required 0/1, optimal 1/1, check 1/1",
        "not passed, required: max-age has passed: Assertion: made up",
    ]  # fmt: skip


@pytest.mark.lanes
@pytest.mark.skipif(
    not (CHECKOUT / "tests" / "index.mjs").is_file() or shutil.which("node") is None,
    reason=f"no checkout of the public suite at {CHECKOUT} (make cache-tests, or CACHE_TESTS=path), or no Node.js",
)
async def test_the_public_suite_is_passed(lane):
    tests = exported(CHECKOUT)
    found = await played(tests, lane, Cache(heuristic=0.1))
    failed = {test["id"]: found[test["id"]] for test in tests if found[test["id"]] and kind_of(test) == "required"}
    assert failed == {}
    optimal = [test["id"] for test in tests if kind_of(test) == "optimal"]
    assert {name for name in optimal if found[name]} <= KNOWN.keys()
    assert sum(not found[name] for name in optimal) >= 0.9 * len(optimal)
