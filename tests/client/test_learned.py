"""A client learns which retries pay: on every way to call, within every other rule, kept from run to run."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncapi import (
    API,
    Client,
    ConnectError,
    GraphQL,
    Learned,
    LearnedStats,
    Retry,
    ServerError,
    blocking,
    get,
)
from asyncapi.client.learned import NAME
from asyncapi.stores import FileStore, MemoryStore
from asyncapi.testing import FakeClock, MockTransport, reply, run

LEARNED = Retry(policy=Learned())


def client_of(handler, clock=None, **options) -> Client:
    clock = clock or FakeClock()
    options = {"retry": LEARNED, "timeout": 10.0, "raise_for_status": False} | options
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **options)


def failing(_):
    return reply(503)


def flaky():
    """A handler whose every second response is a 503."""
    seen: list[None] = []

    def handler(_):
        seen.append(None)
        return reply(503 if len(seen) % 2 else 200)

    return handler


async def counts(api: Client, number: int, url: str = "/a", **options) -> list[int]:
    """How many attempts each of some calls made."""
    return [len((await api.get(url, **options)).attempts) for _ in range(number)]


def test_calls_that_are_cancelled_leave_no_retry_under_way():
    async def scenario():
        async with client_of(failing) as api:
            calls = [asyncio.ensure_future(api.get("/a")) for _ in range(200)]
            await asyncio.sleep(0.3)
            for call in calls:
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            [retries] = api._state.learned.values()
            [(_, seen)] = retries.hosts["h"].items()
        return ended, seen

    ended, seen = run(scenario())
    assert any(isinstance(each, asyncio.CancelledError) for each in ended)
    assert sum(seen.under_way) == 0


def test_what_never_helps_is_soon_left_alone():
    async def scenario():
        async with client_of(failing) as api:
            made = await counts(api, 100)
            assert made[0] == 6
            assert sum(made[50:]) < 60
            [stats] = api.stats.learned["h"].values()
            assert api.stats.held_back["policy"] > 40
            return stats

    stats = run(scenario())
    assert isinstance(stats, LearnedStats)
    assert (stats.good, stats.choice) == (0.0, None)
    assert stats.bad > 10
    assert 0.5 < stats.refused < 1


def test_a_poisoned_route_does_not_spoil_the_others():
    seen: dict[str, int] = {}

    def handler(request):
        seen[request.url.path] = seen.get(request.url.path, 0) + 1
        return reply(500 if request.url.path == "/poison" or seen[request.url.path] % 2 else 200)

    async def scenario():
        async with client_of(handler) as api:
            for _ in range(60):
                await api.get("/poison")
                assert (await api.get("/fine")).status == 200
            assert len((await api.get("/poison")).attempts) <= 2

    run(scenario())


def test_each_decision_is_in_the_records():
    async def scenario():
        async with client_of(failing) as api:
            first = await api.get("/items/1", route="/items/{id}")
            for _ in range(60):
                last = await api.get("/items/1", route="/items/{id}")
            return first.attempts, last.attempts

    first, last = run(scenario())
    learned = first[0].state["learned"]
    assert first[0].then == f"retried after {learned['wait']:.3g} s (learned: no such wait was seen yet)"
    assert first[1].why == f"retry: 503, learned {learned['wait']:.3g} s (no such wait was seen yet)"
    assert (learned["route"], learned["kind"], learned["arm"], learned["overruled"]) == (
        "GET /items/{id}", "503", 0, "",
    )  # fmt: skip
    assert learned["propensity"] == pytest.approx(0.95 + 0.05 / learned["arms"])
    refused = last[-1].state["learned"]
    assert last[-1].then.startswith("gave up: 0 of ")
    assert last[-1].then.endswith(" retries of 503 on GET /items/{id} ended well")
    assert (refused["arm"], refused["wait"], refused["best"]) == (None, None, None)


def test_an_error_names_the_policy():
    async def scenario():
        async with client_of(failing, raise_for_status=True) as api:
            for _ in range(60):
                with pytest.raises(ServerError) as raised:
                    await api.get("/a")
            return raised.value

    error = run(scenario())
    assert error.held_by == "policy"
    assert "held back by: policy" in str(error)


def test_a_post_without_a_key_is_never_sent_twice():
    async def scenario():
        async with client_of(failing) as api:
            for _ in range(50):
                assert len((await api.post("/a", json=1)).attempts) == 1
            assert api.stats.learned == {}  # nothing was decided

    run(scenario())


def test_a_wait_that_the_server_names_is_kept_to():
    clock, times = FakeClock(), []

    def handler(_):
        times.append(clock.now())
        return reply(503, headers={"Retry-After": "2"}) if len(times) % 2 else reply()

    async def scenario():
        async with client_of(handler, clock) as api:
            for _ in range(20):
                assert (await api.get("/a")).status == 200
            assert api.stats.learned == {}

    run(scenario())
    assert all(later - earlier >= 2 for earlier, later in zip(times[::2], times[1::2], strict=True))


def test_a_time_that_the_server_named_once_pays_for_no_later_retry():
    responses = [reply(429, headers={"retry-after": "1"}), reply(429), reply(200)]

    async def scenario():
        async with client_of(lambda _: responses.pop(0), pace=False) as api:
            return (await api.get("/a")).attempts

    records = run(scenario())
    assert [record.state["retry budget"] for record in records] == [800, 800, 795]  # told is free, learned is not


def test_a_server_that_asks_for_a_retry_gets_it_and_one_that_forbids_it_does_not():
    async def scenario(verdict, attempts):
        async with client_of(lambda _: reply(503, headers={"x-should-retry": verdict})) as api:
            assert set(await counts(api, 40)) == {attempts}

    run(scenario("false", 1))

    async def asked():
        async with client_of(lambda _: reply(503, headers={"x-should-retry": "true"}), timeout=None) as api:
            return await counts(api, 16)

    assert set(run(asked())) == {6}


def test_a_budget_of_the_user_holds():
    async def scenario():
        retry = Retry(policy=Learned(), budget=None)
        async with client_of(failing, retry=retry, clock=FakeClock()) as api:
            await counts(api, 5)
            assert api.stats.budget  # of the calls' own policies
        from asyncapi import Budget

        async with client_of(failing, retry=Retry(policy=Learned(), budget=Budget(0.0, floor=2))) as api:
            made = await counts(api, 5)
            assert sum(made) == 7
            refused = (await api.get("/a")).attempts[-1]
            assert refused.state["learned"]["overruled"] == "the retry budget of h is spent"

    run(scenario())


def test_a_policy_of_a_call_learns_with_those_of_equal_settings():
    async def scenario():
        async with client_of(failing, retry=None) as api:
            assert await counts(api, 3) == [1, 1, 1]
            made = [len((await api.get("/a", retry=Retry(policy=Learned()))).attempts) for _ in range(60)]
            assert made[0] == 6
            assert sum(made[40:]) < 30
            await api.get("/a", retry=Retry(policy=Learned(patience=1.0)))
            assert len(api._state.learned) == 2

    run(scenario())


def test_calls_with_a_policy_each_keep_memory_bounded():
    async def scenario():
        async with client_of(lambda _: reply(503), timeout=1.0) as api:
            for number in range(100):
                await api.get("/a", retry=Retry(2, policy=Learned(patience=number / 10)))
            assert len(api._state.learned) <= 16

    run(scenario())


def test_a_declared_client_learns():
    class Shop(API):
        @get("/orders/{number}")
        async def order(self, number: int) -> dict: ...

    async def scenario():
        async with Shop(client_of(failing, raise_for_status=True)) as shop:
            for number in range(30):
                with pytest.raises(ServerError):
                    await shop.order(number)
            return shop.client.stats.learned["h"]

    assert list(run(scenario())) == ["503 on GET /orders/{number}"]


def test_graphql_learns_by_the_code_of_the_error():
    def handler(_):
        return reply(json={"data": None, "errors": [{"message": "m", "extensions": {"code": "SERVICE_UNAVAILABLE"}}]})

    async def scenario():
        async with client_of(handler) as api:
            gql = GraphQL(api, "/graphql")
            for _ in range(20):
                with pytest.raises(Exception, match="m"):
                    await gql.query("{ a }")
            return api.stats.learned

    [names] = [list(kinds) for kinds in run(scenario()).values()]
    assert names == ["GraphQLError: SERVICE_UNAVAILABLE on POST /graphql"]


def test_the_blocking_client_learns():
    clock = FakeClock()
    with blocking.Client(
        "https://h", transport=MockTransport(failing), retry=Retry(3, cap=0.0, policy=Learned()), raise_for_status=False
    ) as api:
        made = [len(api.get("/a").attempts) for _ in range(60)]
        assert made[0] == 3
        assert sum(made[30:]) < 45
        assert api.stats.learned
    assert clock


def test_a_map_learns_and_a_cancelled_wait_teaches_nothing():
    async def scenario():
        async with client_of(failing) as api:
            task = asyncio.create_task(api.get("/b"))
            await asyncio.sleep(0.001)
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.gather(task, return_exceptions=True)
            async with api.map([f"/items/{number}" for number in range(50)]) as outcomes:
                async for outcome in outcomes:
                    assert outcome.status == 503
            return api.stats.learned["h"]

    learned = run(scenario())
    assert set(learned) == {"503 on GET /b", "503 on GET /items/{}"}
    assert learned["503 on GET /b"].bad == 0


def test_connection_errors_are_learned_by_their_class():
    def handler(_):
        raise ConnectError("refused")

    async def scenario():
        async with client_of(handler) as api:
            for _ in range(10):
                with pytest.raises(ConnectError):
                    await api.get("/a")
            return list(api.stats.learned["h"])

    assert run(scenario()) == ["ConnectError on GET /a"]


outcomes = st.lists(st.sampled_from([200, 404, 500, 503, 429, 402, 501, ConnectError]), max_size=60)


@settings(deadline=None, max_examples=60)
@given(outcomes, st.sampled_from(["GET", "POST"]), st.integers(1, 8), st.floats(0.05, 20), st.integers(0, 5))
def test_any_sequence_of_outcomes_keeps_every_rule(sequence, method, attempts, total, seed):
    """Never more attempts than allowed, no end after the deadline, no second POST that may have done its work."""
    left, clock, ended = list(sequence), FakeClock(seed), []

    def handler(_):
        outcome = left.pop(0) if left else 200
        ended.append(outcome)
        if outcome is ConnectError:
            raise ConnectError("refused")
        return reply(outcome)

    async def scenario():
        retry = Retry(attempts, policy=Learned())
        async with client_of(handler, clock, retry=retry, timeout=total, pace=False) as api:
            for _ in range(12):
                ended.clear()
                began = clock.now()
                try:
                    records = (await api.request(method, "/a")).attempts
                except ConnectError as error:
                    records = error.attempts
                assert 1 <= len(ended) == len(records) <= attempts
                assert clock.now() - began < total
                if method == "POST":
                    assert set(ended[:-1]) <= {ConnectError, 429}
                for record in records:
                    decided = (record.state or {}).get("learned")
                    if decided is not None and decided["arm"] is not None:
                        assert decided["wait"] < decided["left"]
                        assert 0 < decided["propensity"] <= 1

    run(scenario())


def test_what_was_learned_outlives_a_restart():
    store = MemoryStore()

    async def one_run():
        async with client_of(failing, retry=Retry(policy=Learned(store=store))) as api:
            return await counts(api, 30)

    first, second = run(one_run()), run(one_run())
    assert first[0] == 6
    assert second[0] <= 2
    assert sum(second) < 45


def test_clients_side_by_side_add_up_what_they_have_learned():
    store, clock = MemoryStore(), FakeClock()

    async def scenario():
        retry = Retry(2, policy=Learned(store=store))
        async with client_of(failing, clock, retry=retry) as one, client_of(failing, clock, retry=retry) as two:
            await counts(one, 6, "/one")
            await counts(two, 6, "/two")
            await counts(one, 4, "/both")
            await counts(two, 4, "/both")
        async with client_of(failing, clock, retry=retry) as third:
            for url in ("/one", "/two", "/both"):
                await third.get(url)
            return third.stats.learned["h"]

    learned = run(scenario())
    assert learned["503 on GET /one"].bad == pytest.approx(6, rel=0.3)
    assert learned["503 on GET /two"].bad == pytest.approx(6, rel=0.3)
    assert learned["503 on GET /both"].bad == pytest.approx(8, rel=0.3)


def test_it_is_written_now_and_then_while_the_client_lives():
    store, clock = MemoryStore(), FakeClock()

    async def scenario():
        async with client_of(failing, clock, retry=Retry(policy=Learned(store=store))) as api:
            for _ in range(10):
                await api.get("/a")
                await clock.sleep(10)
            await asyncio.sleep(0)
            return await store.load(NAME)

    assert '"GET /a"' in run(scenario())


class Broken(MemoryStore):
    """A store whose methods fail, or never end."""

    def __init__(self, *, hangs: bool = False) -> None:
        super().__init__()
        self.hangs = hangs

    async def load(self, name: str) -> str | None:
        if self.hangs:
            await asyncio.Event().wait()
        raise OSError("no disk")

    async def save(self, name: str, text: str) -> None:
        await self.load(name)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_store_that_fails_or_hangs_costs_a_warning_and_no_call(hangs, caplog):
    async def scenario():
        async with client_of(failing, retry=Retry(policy=Learned(store=Broken(hangs=hangs)))) as api:
            made = await counts(api, 10)
        assert made[0] >= 2
        assert len(asyncio.all_tasks()) == 1  # nothing goes on after the end

    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(scenario())
    assert 1 <= len(caplog.records) <= 2
    assert "what was learned of retries can't be" in caplog.text


@pytest.mark.parametrize(
    ("text", "replaced"), [("garbage{", True), ('{"format":"asyncapi learned retries","version":2}', False)]
)
def test_a_foreign_text_is_ignored_with_a_warning(text, replaced, caplog):
    store = MemoryStore()

    async def scenario():
        await store.save(NAME, text)
        async with client_of(failing, retry=Retry(policy=Learned(store=store))) as api:
            assert (await counts(api, 3))[0] == 6
        return await store.load(NAME)

    with caplog.at_level(logging.WARNING, "asyncapi"):
        kept = run(scenario())
    assert len(caplog.records) == 1
    assert (kept != text) is replaced


async def test_a_file_keeps_it_encrypted(tmp_path):
    store = FileStore(tmp_path / "learned")
    for _ in range(2):
        policy = Learned(store=store, explore=1e-9)  # a trial now and then would be a second attempt
        options = {"retry": Retry(3, cap=0.0, policy=policy), "raise_for_status": False}
        async with Client("https://h", transport=MockTransport(failing), **options) as api:
            made = await counts(api, 20)
    assert made[0] == 1
    assert b"503" not in (tmp_path / "learned").read_bytes()


def test_a_close_that_is_cancelled_leaves_no_task():
    @asynccontextmanager
    async def never():
        await asyncio.Event().wait()
        yield

    store = MemoryStore()
    store.lock = never

    async def scenario():
        api = client_of(failing, retry=Retry(policy=Learned(store=store)))
        await counts(api, 2)
        closing = asyncio.create_task(api.aclose())
        await asyncio.sleep(0.1)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) == 1

    run(scenario())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_nothing():
    store = MemoryStore()

    async def scenario():
        api = client_of(failing, retry=Retry(policy=Learned(store=store)))
        await counts(api, 3)
        return api

    async def close(api):
        await api.aclose()
        return await store.load(NAME)

    api = run(scenario())
    child = os.fork()
    if not child:
        try:
            os._exit(0 if asyncio.run(close(api)) is None else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_million_routes_keep_memory_bounded():
    async def scenario():
        async with client_of(failing, retry=Retry(2, policy=Learned()), timeout=1.0) as api:
            for number in range(2_000):
                await api.get("/" + "".join(chr(97 + (number >> 4 * place) % 16) for place in range(5)))
            assert len(api.stats.learned["h"]) <= 256
            assert api.stats.attempts < 2_500

    run(scenario())


class Slow(MemoryStore):
    """A store that takes its time to load."""

    async def load(self, name: str) -> str | None:
        await asyncio.sleep(2)
        return await super().load(name)


def test_a_store_that_is_slow_makes_one_call_wait_a_second_and_is_taken_in_later():
    store, clock = Slow(), FakeClock()

    async def scenario():
        retry = Retry(2, cap=0.0, policy=Learned(store=store))
        async with client_of(flaky(), clock, retry=retry) as api:
            await counts(api, 10)
        async with client_of(flaky(), clock, retry=retry) as api:
            began = clock.now()
            assert await counts(api, 3) == [2, 2, 2]
            assert clock.now() - began == pytest.approx(1.0)
            await clock.sleep(10)
            await counts(api, 1, "/b")
        async with client_of(flaky(), clock, retry=retry) as api:
            await clock.sleep(3)
            await api.get("/a")
            return api.stats.learned["h"]["503 on GET /a"]

    assert run(scenario()).good == pytest.approx(13, rel=0.2)


@pytest.mark.parametrize("url", ["/" + "a" * 30 + "/b" * 3000, "/x?" + "q" * 5000])
def test_any_route_can_be_kept(url, caplog):
    store = MemoryStore()

    async def scenario():
        async with client_of(failing, retry=Retry(policy=Learned(store=store))) as api:
            await api.get(url, route=url if "?" in url else None)
            return await counts(api, 20, url)

    run(scenario())
    assert run(scenario())[0] <= 2
    assert not caplog.records


def test_a_save_that_fails_once_loses_nothing():
    class Moody(MemoryStore):
        fails = False

        async def save(self, name: str, text: str) -> None:
            if self.fails:
                raise OSError("full")
            await super().save(name, text)

    store, clock = Moody(), FakeClock()

    async def scenario():
        retry = Retry(2, cap=0.0, policy=Learned(store=store))
        async with client_of(flaky(), clock, retry=retry) as api:
            for fails in (False, True, False):
                store.fails = fails
                await clock.sleep(31)
                await counts(api, 4)
                await clock.sleep(31)
                await counts(api, 1)
        async with client_of(flaky(), clock, retry=retry) as api:
            await api.get("/a")
            return api.stats.learned["h"]["503 on GET /a"]

    assert run(scenario()).good == pytest.approx(15, rel=0.2)
