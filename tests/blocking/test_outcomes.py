"""Fan-outs without await: who pulls the source, what comes back when, and nothing left behind."""

from __future__ import annotations

import threading
import time

import pytest

from asyncapi import ConfigError, NotFound, Request
from asyncapi.blocking import Client
from blocking_client import Item

pytestmark = [pytest.mark.lanes, pytest.mark.usefixtures("no_thread_stays")]


def test_a_map_gives_an_outcome_for_each_input(api):
    source = (f"/items/{n}" if n % 10 else "/status/404" for n in range(1, 101))
    with api.map(source, model=Item, concurrency=7) as outcomes:
        seen = {o.index: o for o in outcomes}
    assert sorted(seen) == list(range(100))
    assert [n for n, o in seen.items() if not o.ok] == pytest.approx([n for n in seen if n % 10 == 9])
    assert seen[4].value == Item(id=5, name="item 5")


def test_a_map_needs_no_block_and_keeps_order_where_asked(api):
    ids = [o.value.id for o in api.map((f"/items/{n}" for n in range(200)), model=Item, ordered=True)]
    assert ids == list(range(200))
    assert [o.value.status for o in api.map([Request("GET", "/items/1"), "/items/2"])] == [200, 200]
    assert list(api.map([])) == []


@pytest.mark.parametrize("concurrency", [1, 5])
@pytest.mark.parametrize("ordered", [True, False])
def test_the_source_is_pulled_as_outcomes_are_taken(api, concurrency, ordered):
    pulled = 0

    def source():
        nonlocal pulled
        while True:
            pulled += 1
            yield "/items/1"

    outcomes = api.map(source(), concurrency=concurrency, ordered=ordered)
    assert pulled == 0
    for taken, _ in enumerate(outcomes):
        assert pulled <= taken + 1 + 2 * concurrency
        if taken == 50:
            break


def test_the_source_runs_and_ends_in_the_thread_that_iterates(api):
    threads, closed = set(), []

    def source():
        try:
            while True:
                threads.add(threading.get_ident())
                yield "/items/1"
        finally:
            closed.append(threading.get_ident())

    with api.map(source()) as outcomes:
        for _ in outcomes:
            break
    assert threads == {threading.get_ident()}
    assert closed == [threading.get_ident()]


def test_a_source_may_use_the_client_itself(api):
    source = (f"/items/{api.get(f'/items/{n}', model=Item).id}" for n in range(5))
    assert sorted(o.value.id for o in api.map(source, model=Item)) == list(range(5))


def test_an_outcome_does_not_wait_for_a_slow_source(api):
    """The first outcome is there although the source has more to give only afterwards."""
    taken = []

    def source():
        for n in range(10):
            yield f"/items/{n}"
            time.sleep(0.02)
        assert taken, "all was pulled before the first outcome was handed over"

    for outcome in api.map(source()):
        taken += [outcome]
    assert len(taken) == 10


def test_an_async_source_is_held_back_too(api):
    pulled = 0

    async def source():
        nonlocal pulled
        while True:
            pulled += 1
            yield "/items/1"

    with api.map(source(), concurrency=2) as outcomes:
        for taken, _ in enumerate(outcomes):
            assert pulled <= taken + 1 + 2 * 4 + 4
            if taken == 30:
                break


def test_when_the_source_raises_what_was_pulled_is_handed_over_first(api):
    def source():
        yield from (f"/items/{n}" for n in range(30))
        raise KeyError("broken source")

    seen = []
    with api.map(source(), model=Item) as outcomes, pytest.raises(KeyError, match="broken source"):
        seen.extend(o.value.id for o in outcomes)
    assert sorted(seen) == list(range(30))


def test_failures_stop_it_where_asked(api):
    with pytest.raises(NotFound):
        list(api.map(["/status/404"] * 5, on_error="raise"))
    with api.map((f"/status/404?{n}" for n in range(100_000)), max_errors=3, concurrency=2) as outcomes:
        assert 3 <= len(list(outcomes)) < 20
        assert "max_errors" in outcomes.stopped


def test_stop_hands_over_what_was_pulled(api):
    pulled = 0

    def source():
        nonlocal pulled
        while True:
            pulled += 1
            yield "/items/1"

    with api.map(source(), concurrency=3) as outcomes:
        count = 0
        for _ in outcomes:
            count += 1
            outcomes.stop("enough")
        assert count == pulled
        assert outcomes.stopped == "enough"


@pytest.mark.parametrize(
    ("source", "how", "said"),
    [("/items", {}, "a source is"), (5, {}, "a source is"), ([1], {}, "yields URLs"), (["/"], {"concurrency": -1}, "at least 1"),
     (["/"], {"on_error": "ignore"}, "on_error")],
)  # fmt: skip
def test_wrong_use_of_a_map_is_told(api, source, how, said):
    with pytest.raises(ConfigError, match=said):
        raise next(iter(api.map(source, **how))).error


def test_a_map_runs_once(api):
    outcomes = api.map(["/items/1"])
    assert len(list(outcomes)) == 1
    with pytest.raises(ConfigError, match="has been run already"):
        list(outcomes)


@pytest.mark.parametrize("how", ["break", "raise", "close", "drop"])
def test_leaving_a_map_early_leaves_nothing_behind(server, how):
    with Client(server.url) as api:
        urls = ("/items/1" if n == 0 else "/delay/30" for n in range(1000))
        if how == "drop":
            iterator = iter(api.map(urls, concurrency=5))
            next(iterator)
            del iterator
        else:
            with api.map(urls, concurrency=5) as outcomes:
                try:
                    for _ in outcomes:
                        if how == "break":
                            break
                        if how == "raise":
                            raise KeyError
                        outcomes.close()
                        break
                except KeyError:
                    pass
        assert api.stats.in_flight == 0
        assert api.get("/items/2", model=Item).id == 2
