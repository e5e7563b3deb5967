"""The fan-out: lazy, bounded, ordered if asked, and nothing left behind however it is left."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc

import pytest

from asyncapi import AsyncAPIError, Client, ConfigError, NotFound, Request, RequestTimeout, Response, ServerError
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Host:
    """A client in virtual time. `/503`-like paths answer with that status; others take `takes(path)` seconds."""

    def __init__(self, takes=lambda path: 1.0, **settings) -> None:
        self.clock = FakeClock()
        self.takes = takes
        self.inside = self.most = self.answered = 0
        settings.setdefault("retry", None)
        settings.setdefault("timeout", None)
        self.client = Client(
            "https://h", transport=MockTransport(self.answer, clock=self.clock), clock=self.clock, **settings
        )

    async def answer(self, request) -> Response:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            path = request.url.path
            takes = self.takes(path)
            if takes:
                await asyncio.sleep(takes)
            self.answered += 1
            status = int(path[1:4]) if path[1:4] in {"404", "503"} else 200
            return reply(status, json={"path": path})
        finally:
            self.inside -= 1

    def is_idle(self) -> bool:
        gate = self.client._state.gate
        return self.inside == 0 and self.client.stats.in_flight == 0 and (gate is None or gate.free == gate.limit)


class Source:
    """Paths /0, /1, ... that count how many were pulled and tell when they were closed."""

    def __init__(self, count: int, *, kind: str, fails_at: int | None = None, slow: float = 0) -> None:
        self.count, self.kind, self.fails_at, self.slow = count, kind, fails_at, slow
        self.pulled = 0
        self.closed = 0
        self.name = lambda number: f"/{number}"

    def _next(self, number: int) -> str:
        if number == self.fails_at:
            raise LookupError("the source broke")
        self.pulled += 1
        return self.name(number)

    def _plain(self):
        try:
            for number in range(self.count):
                yield self._next(number)
        finally:
            self.closed += 1

    async def _slow(self):
        try:
            for number in range(self.count):
                if self.slow:
                    await asyncio.sleep(self.slow)
                yield self._next(number)
        finally:
            await asyncio.sleep(0)  # closing may take its time
            self.closed += 1

    def open(self):
        source = self._plain() if "async" not in self.kind else self._slow()
        if self.kind == "iterable":
            outer = self

            class Plain:
                def __iter__(self):
                    return outer._plain()

            return Plain()
        if self.kind == "async iterable":
            outer = self

            class Slow:
                def __aiter__(self):
                    return outer._slow()

            return Slow()
        return source


KINDS = ["generator", "async generator", "iterable", "async iterable"]
every_kind = pytest.mark.parametrize("kind", KINDS)
both_orders = pytest.mark.parametrize("ordered", [False, True])


async def drain(client: Client, source, **settings) -> list[int]:
    """Consume a map to its end: the indexes, in the order they came."""
    seen: list[int] = []
    async with client.map(source, **settings) as outcomes:
        async for outcome in outcomes:
            seen.append(outcome.index)
    return seen


def others() -> set[asyncio.Task]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def in_virtual_time(scenario) -> None:
    """Run it, and see that no task, timer or unclosed generator is left."""

    async def checked() -> None:
        await scenario()
        assert not others()
        assert not [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]

    run(checked())


# -- what comes out ---------------------------------------------------------------------------------------------------


@every_kind
@both_orders
def test_every_item_has_exactly_one_outcome(kind, ordered):
    async def scenario():
        draw = random.Random(1)
        host, source = Host(lambda _: draw.choice((0, 0, 1, 5)), concurrency=7), Source(200, kind=kind)
        async with host.client.map(source.open(), ordered=ordered) as outcomes:
            done = [outcome async for outcome in outcomes]
        indexes = [outcome.index for outcome in done]
        assert (indexes if ordered else sorted(indexes)) == list(range(200))
        assert all(outcome.request == f"/{outcome.index}" for outcome in done)
        assert all(outcome.value.json() == {"path": outcome.request} for outcome in done)
        assert host.most == 7
        assert source.closed == 1
        assert outcomes.stopped is None
        assert host.is_idle()

    in_virtual_time(scenario)


def test_unordered_outcomes_come_as_they_complete():
    async def scenario():
        host = Host(lambda path: 10 - int(path[1:]), concurrency=5)
        async with host.client.map([f"/{n}" for n in range(5)]) as outcomes:
            assert [outcome.index async for outcome in outcomes] == [4, 3, 2, 1, 0]

    in_virtual_time(scenario)


def test_an_outcome_says_what_was_asked_what_came_and_what_it_took():
    async def scenario():
        host = Host(lambda path: 2.0 if path == "/slow" else 0.0, concurrency=1)
        items = [Request("GET", "/slow", id="mine"), "/404", "ftp://h/1", Request("GET", "/late", timeout=1e-9)]
        host.takes = {"/slow": 2.0, "/404": 0.5, "/late": 3.0}.get
        async with host.client.map(items, model=dict[str, str], ordered=True) as outcomes:
            slow, missing, unsendable, late = [outcome async for outcome in outcomes]
        assert (slow.ok, slow.value, slow.error, slow.status, slow.elapsed) == (True, {"path": "/slow"}, None, 200, 2.0)
        assert slow.request is items[0]
        assert slow.request.id == "mine"
        assert [attempt.status for attempt in slow.attempts] == [200]
        assert (missing.ok, missing.value, missing.status, missing.elapsed) == (False, None, 404, 0.5)
        assert isinstance(missing.error, NotFound)
        assert isinstance(unsendable.error, ConfigError)
        assert unsendable.status is None
        assert isinstance(late.error, RequestTimeout)

    in_virtual_time(scenario)


def test_an_item_that_is_neither_url_nor_request_is_that_items_error():
    async def scenario():
        async with Host().client.map([1, "/ok", None], ordered=True) as outcomes:
            done = [outcome async for outcome in outcomes]
        assert [outcome.ok for outcome in done] == [False, True, False]
        assert "a source yields URLs and Requests, not int: 1" in str(done[0].error)

    in_virtual_time(scenario)


@every_kind
@both_orders
def test_an_empty_source_has_no_outcomes(kind, ordered):
    async def scenario():
        source = Source(0, kind=kind)
        async with Host().client.map(source.open(), ordered=ordered) as outcomes:
            assert [outcome async for outcome in outcomes] == []
        assert source.closed == 1

    in_virtual_time(scenario)


# -- laziness and bounds ---------------------------------------------------------------------------------------------


@every_kind
@both_orders
@pytest.mark.parametrize("pace", [0, 0.1, 5])
def test_the_source_is_never_more_than_the_window_ahead_of_the_consumer(kind, ordered, pace):
    async def scenario():
        draw = random.Random(2)
        host, source, consumed = Host(lambda _: draw.choice((0, 1, 3)), concurrency=4), Source(80, kind=kind), 0
        async with host.client.map(source.open(), ordered=ordered) as outcomes:
            assert source.pulled == 0
            async for _ in outcomes:
                consumed += 1
                assert source.pulled - consumed <= 2 * 4
                assert len(others()) <= 4 + 1
                if pace:
                    await asyncio.sleep(pace)
                    assert source.pulled - consumed <= 2 * 4
        assert consumed == 80

    in_virtual_time(scenario)


@every_kind
def test_a_consumer_that_stands_still_holds_the_source_back(kind):
    async def scenario():
        host, source = Host(concurrency=5), Source(1000, kind=kind)
        async with host.client.map(source.open()) as outcomes:
            await asyncio.sleep(1000)
            assert source.pulled <= 10
            assert host.answered <= 10
            assert len(others()) <= 6
            async for _ in outcomes:
                break

    in_virtual_time(scenario)


def test_a_slow_head_of_line_delays_ordered_results_by_the_window_at_most():
    async def scenario():
        host, source = Host(lambda path: 1000.0 if path == "/0" else 1.0, concurrency=5), Source(100, kind="generator")
        async with host.client.map(source.open(), ordered=True) as outcomes:
            async for outcome in outcomes:
                if outcome.index == 0:
                    assert host.clock.now() == 1000.0
                    assert source.pulled <= 11
        assert source.pulled == 100

    in_virtual_time(scenario)


@every_kind
def test_a_slow_source_is_worked_off_as_it_comes_with_no_more_workers_than_it_needs(kind):
    async def scenario():
        host, source = Host(lambda _: 0.5, concurrency=50), Source(20, kind=kind, slow=1.0)
        async with host.client.map(source.open()) as outcomes:
            async for outcome in outcomes:
                if "async" in kind:
                    assert host.clock.now() == outcome.index + 1.5
                assert len(others()) <= 22
        assert host.answered == 20

    in_virtual_time(scenario)


def test_few_items_start_few_workers():
    async def scenario():
        host = Host(concurrency=500)
        async with host.client.map(["/1", "/2", "/3"]) as outcomes:
            await asyncio.sleep(0.5)
            assert len(others()) <= 4
            assert len([outcome async for outcome in outcomes]) == 3

    in_virtual_time(scenario)


def test_a_map_may_have_a_concurrency_of_its_own():
    async def scenario():
        host = Host(concurrency=None)
        async with host.client.map([f"/{n}" for n in range(30)], concurrency=3) as outcomes:
            assert len([outcome async for outcome in outcomes]) == 30
        assert (host.most, host.clock.now()) == (3, 10.0)

    in_virtual_time(scenario)


@pytest.mark.parametrize(
    ("count", "ordered"),
    [
        (20_000, False),
        (20_000, True),
        pytest.param(100_000, False, marks=pytest.mark.soak),
        pytest.param(30_000, True, marks=pytest.mark.soak),
    ],
)
def test_a_hundred_thousand_items_pass_in_constant_memory(count, ordered):
    """Memory is looked at over the last items only: looking is slow, and a leak would show in any of them."""

    async def scenario():
        client = Client("https://h", transport=MockTransport(lambda _: reply()), concurrency=50, retry=None)
        seen = base = 0
        async with client.map((f"/{n}" for n in range(count)), ordered=ordered) as outcomes:
            async for _ in outcomes:
                seen += 1
                if seen % 10_000 == 0:
                    assert len(others()) <= 50 + 10
                if seen == count - 10_000:
                    tracemalloc.start()
                elif seen == count - 8_000:
                    gc.collect()
                    base = tracemalloc.get_traced_memory()[0]
                    tracemalloc.reset_peak()
        assert seen == count
        assert tracemalloc.get_traced_memory()[1] - base < 1_000_000

    try:
        asyncio.run(scenario())
    finally:
        tracemalloc.stop()


def test_an_async_iterator_that_is_no_generator_will_do():
    class Countdown:
        left = 5

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return f"/{self.left}"

    async def scenario():
        host = Host(concurrency=2)
        assert await drain(host.client, Countdown(), ordered=True) == list(range(5))

    in_virtual_time(scenario)


# -- errors ---------------------------------------------------------------------------------------------------------


@every_kind
@both_orders
def test_an_error_of_the_source_is_raised_after_all_outcomes_of_what_was_pulled(kind, ordered):
    async def scenario():
        host, source, seen = Host(concurrency=4), Source(100, kind=kind, fails_at=30), []

        async def consume():
            async with host.client.map(source.open(), ordered=ordered) as outcomes:
                async for outcome in outcomes:
                    seen.append(outcome.index)

        with pytest.raises(LookupError, match="the source broke"):
            await consume()
        assert sorted(seen) == list(range(30))
        assert source.closed == 1
        assert host.is_idle()

    in_virtual_time(scenario)


@every_kind
def test_a_source_that_cannot_even_begin_raises(kind):
    async def scenario():
        source = Source(5, kind=kind, fails_at=0)
        with pytest.raises(LookupError):
            await drain(Host().client, source.open())

    in_virtual_time(scenario)


@every_kind
@pytest.mark.parametrize("most", [1, 3])
def test_max_errors_stops_pulling_and_hands_over_what_was_under_way(kind, most):
    async def scenario():
        host, source = Host(concurrency=4), Source(1000, kind=kind)
        source.name = lambda n: f"/503/{n}" if n % 2 else f"/{n}"
        async with host.client.map(source.open(), max_errors=most) as outcomes:
            done = [outcome async for outcome in outcomes]
        errors = sum(not outcome.ok for outcome in done)
        assert most <= errors <= most + 8
        assert outcomes.stopped == f"{most} errors (max_errors)"
        assert sorted(outcome.index for outcome in done) == list(range(source.pulled))  # none lost
        assert source.pulled < 30
        assert source.closed == 1

    in_virtual_time(scenario)


@every_kind
@both_orders
def test_on_error_raise_raises_the_first_failure_and_cancels_the_rest(kind, ordered):
    async def scenario():
        host = Host(lambda path: 2.0 if path.startswith("/503") else 100.0, concurrency=4)
        source = Source(1000, kind=kind)
        source.name = lambda n: f"/503/{n}" if n == 2 else f"/{n}"
        with pytest.raises(ServerError, match="/503/2"):
            await drain(host.client, source.open(), ordered=ordered, on_error="raise")
        assert host.clock.now() == 2.0
        assert host.is_idle()
        assert source.closed == 1

    in_virtual_time(scenario)


def test_on_error_raise_sends_no_more_once_a_failure_is_known():
    """The consumer may be busy at that moment."""

    async def scenario():
        host = Host(lambda _: 1.0, concurrency=2)
        async with host.client.map([f"/503/{n}" for n in range(100)], on_error="raise") as outcomes:
            await asyncio.sleep(50)
            assert host.answered == 2
            with pytest.raises(ServerError):
                await anext(outcomes)

    in_virtual_time(scenario)


@every_kind
@both_orders
def test_an_error_that_is_not_ours_surfaces_and_leaves_nothing_behind(kind, ordered):
    async def scenario():
        host, source = Host(concurrency=4), Source(100, kind=kind)
        fine = host.answer

        async def buggy(request):
            await fine(request)
            if request.url.path == "/9":
                raise ZeroDivisionError("a bug in the handler")
            return reply()

        host.client._transport._handler = buggy
        with pytest.raises(ZeroDivisionError, match="a bug in the handler"):
            await drain(host.client, source.open(), ordered=ordered)
        assert source.closed == 1
        assert host.is_idle()

    in_virtual_time(scenario)


def test_an_error_in_a_weight_function_surfaces():
    from asyncapi import RateLimit

    async def scenario():
        def weight(request):
            raise ZeroDivisionError("a bug in the weight")

        host = Host(rate=RateLimit(1, weight=weight))
        with pytest.raises(ZeroDivisionError):
            await drain(host.client, ["/1", "/2"])
        assert host.is_idle()

    in_virtual_time(scenario)


# -- leaving early ---------------------------------------------------------------------------------------------------


@every_kind
@both_orders
@pytest.mark.parametrize("after", [0, 1, 10])
@pytest.mark.parametrize("pause", [0, 2.5])
def test_a_break_leaves_nothing_behind(kind, ordered, after, pause):
    async def scenario():
        draw = random.Random(3)
        host = Host(lambda _: draw.choice((0.5, 1, 7)), concurrency=3)
        source, seen = Source(1000, kind=kind), 0
        async with host.client.map(source.open(), ordered=ordered) as outcomes:
            while seen < after:
                await anext(outcomes)
                seen += 1
            await asyncio.sleep(pause)  # so that every queue between source and consumer is full
        assert not others()
        assert host.is_idle()
        assert source.closed == (1 if source.pulled else 0)
        await host.client.get("/next")

    in_virtual_time(scenario)


@every_kind
@both_orders
def test_an_exception_in_the_consumer_passes_through_and_leaves_nothing_behind(kind, ordered):
    async def scenario():
        host, source = Host(concurrency=3), Source(1000, kind=kind)

        async def consume():
            async with host.client.map(source.open(), ordered=ordered) as outcomes:
                async for outcome in outcomes:
                    if outcome.index == 7:
                        raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            await consume()
        assert host.is_idle()
        assert source.closed == 1

    in_virtual_time(scenario)


@every_kind
@both_orders
@pytest.mark.parametrize("times", [1, 2, 3])
def test_cancelling_the_consumer_leaves_nothing_behind(kind, ordered, times):
    """Once, or again while it cleans up."""

    async def scenario():
        host, source = Host(concurrency=3), Source(1000, kind=kind)

        async def consume():
            async with host.client.map(source.open(), ordered=ordered) as outcomes:
                async for _ in outcomes:
                    await asyncio.sleep(0.1)

        for moment in (0, 0.5, 1.05, 3.14):
            task = asyncio.create_task(consume())
            await asyncio.sleep(moment)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([task])
            assert task.cancelled()
            assert not others()
            assert host.is_idle()
            assert source.closed == (1 if source.pulled else 0)
            source.closed = source.pulled = 0

    in_virtual_time(scenario)


@every_kind
def test_stop_hands_over_all_that_was_pulled_and_ends(kind):
    async def scenario():
        host, source, seen = Host(concurrency=4), Source(1000, kind=kind, slow=0.1), []
        async with host.client.map(source.open()) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.index)
                if len(seen) == 10:
                    outcomes.stop("enough")
                    outcomes.stop("again")
        assert outcomes.stopped == "enough"
        assert sorted(seen) == list(range(source.pulled))
        assert source.closed == 1

    in_virtual_time(scenario)


def test_stop_does_not_wait_for_a_source_that_has_nothing():
    async def scenario():
        closed = []

        async def endless():
            try:
                yield "/0"
                await asyncio.sleep(1e9)
            finally:
                closed.append(True)

        host = Host()
        async with host.client.map(endless()) as outcomes:
            async for _ in outcomes:
                outcomes.stop()
        assert host.clock.now() == 1.0
        assert closed == [True]

    in_virtual_time(scenario)


def test_stop_drops_no_item_that_was_pulled_and_waits_for_a_worker():
    async def scenario():
        host, source, seen = Host(lambda _: 10.0, concurrency=1), Source(50, kind="async generator"), []
        async with host.client.map(source.open()) as outcomes:
            await asyncio.sleep(5)  # one is under way, one is in the queue
            outcomes.stop()
            async for outcome in outcomes:
                seen.append(outcome.index)
        assert seen == list(range(source.pulled))
        assert source.pulled <= 2

    in_virtual_time(scenario)


def test_stop_after_the_end_changes_nothing():
    async def scenario():
        async with Host().client.map(["/1"]) as outcomes:
            assert len([outcome async for outcome in outcomes]) == 1
            outcomes.stop("late")
        assert outcomes.stopped is None

    in_virtual_time(scenario)


@pytest.mark.parametrize("moment", [0, 0.5, 1.5], ids=["before it ran", "while it calls", "while it waits"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_worker_that_is_cancelled_from_outside_is_reported_and_nothing_hangs(moment, asynchronous):
    async def scenario():
        host = Host(concurrency=2)

        async def slow():
            for number in range(100):
                yield f"/{number}"
                if number % 2:
                    await asyncio.sleep(100)

        async def consume():
            async with host.client.map(slow() if asynchronous else [f"/{n}" for n in range(100)]) as outcomes:
                await asyncio.sleep(moment)
                for task in others():
                    task.cancel()
                async for _ in outcomes:
                    pass

        with pytest.raises(ConfigError, match="cancelled from outside"):
            await consume()
        assert host.is_idle()

    run(scenario())


def test_a_worker_that_is_cancelled_after_the_source_has_ended_is_reported_too():
    async def scenario():
        host, seen = Host(lambda path: 1.0 if path == "/0" else 5.0, concurrency=4), []

        async def consume():
            async with host.client.map(["/0", "/1", "/2"]) as outcomes:
                async for outcome in outcomes:
                    seen.append(outcome.index)
                    for task in others():
                        task.cancel()

        with pytest.raises(ConfigError, match="cancelled from outside"):
            await consume()
        assert seen == [0]

    run(scenario())


@pytest.mark.parametrize("takes", [1.0, 1000.0])
@pytest.mark.parametrize("moment", [0, 0.5, 1.5, 10])
def test_a_loop_that_is_torn_down_around_an_open_map_does_not_wait_for_it(takes, moment):
    """All of its tasks are cancelled at once, as `asyncio.run` does at its end: nobody is left to take anything."""

    async def scenario():
        host, source = Host(lambda path: takes, concurrency=3), Source(1000, kind="async generator")
        outcomes = host.client.map(source.open())
        await outcomes.__aenter__()
        await asyncio.sleep(moment)
        left = others()
        for task in left:
            task.cancel()
        _, waiting = await asyncio.wait(left, timeout=100)
        for task in waiting:
            task.cancel()
        assert not waiting
        assert host.is_idle()

    run(scenario())


def test_a_handler_that_swallows_its_cancellation_is_waited_for_not_left_behind():
    async def scenario():
        host = Host(concurrency=2)

        async def deaf(_):
            try:
                await asyncio.sleep(50)
            except asyncio.CancelledError:
                await asyncio.sleep(3)
            return reply()

        async def paths():
            for number in range(100):
                yield f"/{number}"

        host.client._transport._handler = deaf
        for source in ([f"/{n}" for n in range(100)], paths()):
            began = host.clock.now()
            async with host.client.map(source):
                await asyncio.sleep(1)
            assert not others()
            assert host.clock.now() - began == pytest.approx(4.0)

    in_virtual_time(scenario)


def rude_source():
    try:
        while True:
            yield "/1"
    finally:
        raise OSError("can't close")


def test_a_source_that_fails_to_close_says_so():
    async def scenario():
        with pytest.raises(OSError, match="can't close"):
            async with Host().client.map(rude_source()) as outcomes:
                await anext(outcomes)

    in_virtual_time(scenario)


def test_a_source_that_fails_to_close_does_not_swallow_a_cancellation():
    async def scenario():
        host = Host()

        async def deaf(_):
            try:
                await asyncio.sleep(50)
            except asyncio.CancelledError:
                await asyncio.sleep(3)
            return reply()

        host.client._transport._handler = deaf
        task = asyncio.create_task(drain(host.client, rude_source(), concurrency=1))
        await asyncio.sleep(1)
        for _ in range(2):  # the second time in its clean-up
            task.cancel()
            await asyncio.sleep(1)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    in_virtual_time(scenario)


# -- use ---------------------------------------------------------------------------------------------------------------


def test_two_maps_at_once_share_the_clients_places():
    async def scenario():
        host, seen = Host(concurrency=5), {}

        async def one(name: str):
            async with host.client.map([f"/{name}{n}" for n in range(40)]) as outcomes:
                seen[name] = sorted([outcome.index async for outcome in outcomes])

        await asyncio.gather(one("a"), one("b"))
        assert seen == {"a": list(range(40)), "b": list(range(40))}
        assert host.most == 5

    in_virtual_time(scenario)


def test_a_map_inside_a_map_works():
    async def scenario():
        host, total = Host(concurrency=4), 0
        async with host.client.map(["/a", "/b"]) as outer:
            async for _ in outer:
                async with host.client.map(["/c", "/d"]) as inner:
                    total += len([outcome async for outcome in inner])
        assert total == 4

    in_virtual_time(scenario)


def test_a_second_pass_over_a_map_is_refused():
    async def scenario():
        host = Host()
        outcomes = host.client.map(["/1"])
        async with outcomes:
            assert len([outcome async for outcome in outcomes]) == 1
            assert [outcome async for outcome in outcomes] == []
        with pytest.raises(ConfigError, match=r"call client\.map\(\.\.\.\) again"):
            async with outcomes:
                pass
        with pytest.raises(ConfigError, match=r"call client\.map\(\.\.\.\) again"):
            aiter(outcomes)

    in_virtual_time(scenario)


def test_entering_one_map_twice_is_refused():
    async def scenario():
        async with Host().client.map(["/1"]) as outcomes:
            with pytest.raises(ConfigError, match="has been run already"):
                await outcomes.__aenter__()
            async for _ in outcomes:
                pass

    in_virtual_time(scenario)


def test_iterating_without_async_with_is_told_how():
    async def scenario():
        with pytest.raises(ConfigError, match=r"open it first: `async with"):
            aiter(Host().client.map(["/1"]))

    in_virtual_time(scenario)


def test_two_consumers_of_one_map_are_told_so_instead_of_one_hanging():
    async def scenario():
        async with Host().client.map(["/1", "/2"]) as outcomes:
            first = asyncio.create_task(anext(outcomes))
            await asyncio.sleep(0)
            with pytest.raises(ConfigError, match="two tasks iterate over one map"):
                await anext(outcomes)
            assert (await first).ok

    in_virtual_time(scenario)


def test_a_consumer_that_was_interrupted_may_go_on():
    async def scenario():
        async with Host(lambda _: 10.0).client.map(["/1"]) as outcomes:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(outcomes), 1.0)
            assert (await anext(outcomes)).ok

    in_virtual_time(scenario)


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("/one", {}, "an iterable of URLs or Requests, not str"),
        (7, {}, "an iterable of URLs or Requests, not int"),
        ([], {"on_error": "ignore"}, "give 'yield' or 'raise'"),
        ([], {"max_errors": 0}, "at least 1"),
        ([], {"concurrency": -1}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(source, settings, message):
    with pytest.raises(ConfigError, match=message):
        Client("https://h").map(source, **settings)


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("takes", [0, 0.5])
@every_kind
def test_eager_tasks_work_with_any_number_of_workers(kind, takes):
    async def scenario():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        host, source = Host(lambda _: takes, concurrency=400), Source(2000, kind=kind)
        assert sorted(await drain(host.client, source.open())) == list(range(2000))
        assert host.most <= 400
        if takes:
            assert host.most == 400
            assert host.clock.now() == 2.5

    in_virtual_time(scenario)


# -- gather ------------------------------------------------------------------------------------------------------------


@every_kind
def test_gather_is_a_list_in_the_order_of_the_source(kind):
    async def scenario():
        draw = random.Random(5)
        host = Host(lambda _: draw.random(), concurrency=9)
        values = await host.client.gather(Source(50, kind=kind).open(), model=dict[str, str])
        assert values == [{"path": f"/{n}"} for n in range(50)]
        assert host.most == 9

    in_virtual_time(scenario)


def test_gather_of_nothing_is_an_empty_list():
    async def scenario():
        assert await Host().client.gather([]) == []

    in_virtual_time(scenario)


def test_gather_raises_the_first_error_and_cancels_the_rest():
    async def scenario():
        host = Host(lambda path: 1.0 if path == "/404" else 100.0)
        with pytest.raises(NotFound):
            await host.client.gather(["/a", "/b", "/404", "/c"])
        assert host.clock.now() == 1.0
        assert host.is_idle()
        assert host.client.stats.by_error == {"CancelledError": 3}

    in_virtual_time(scenario)


def test_a_storm_of_random_fan_outs_leaves_nothing_behind():
    async def scenario(seed: int):
        draw = random.Random(seed)
        host = Host(lambda _: draw.choice((0, 0, 0.3, 1, 4)), concurrency=draw.choice((1, 3, 20)))

        async def one():
            source = Source(draw.randrange(60), kind=draw.choice(KINDS), slow=draw.choice((0, 0.2)),
                            fails_at=draw.choice((None, None, 20)))  # fmt: skip
            leave = draw.choice((None, 0, 5, 20))
            settings = {"ordered": draw.random() < 0.5, "on_error": draw.choice(("yield", "raise")),
                        "max_errors": draw.choice((None, 2)), "concurrency": draw.choice((None, 2, 8))}  # fmt: skip
            try:
                async with host.client.map(source.open(), **settings) as outcomes:
                    async for outcome in outcomes:
                        if draw.random() < 0.2:
                            await asyncio.sleep(draw.random())
                        if draw.random() < 0.02:
                            outcomes.stop()
                        if outcome.index == leave:
                            break
            except (LookupError, AsyncAPIError):
                pass
            assert source.closed == (1 if source.pulled else source.closed)

        tasks = [asyncio.create_task(one()) for _ in range(10)]
        for task in tasks:
            if draw.random() < 0.4:
                for _ in range(draw.choice((1, 2))):
                    asyncio.get_running_loop().call_later(draw.uniform(0, 10), task.cancel)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError}
        assert host.is_idle()
        assert not others()

    for seed in range(60):
        run(scenario(seed))
