"""stale-while-revalidate (RFC 5861 section 3): the caller gets what is stored at once; the request is the client's own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from asyncapi import Bearer, Cache, Client, ConnectError, Fallback, RequestTimeout, Retry, SQLiteStore
from asyncapi.testing import FakeClock, MockTransport, reply, run
from cache_suite import TurnedClock


class Origin:
    """A server that says stale-while-revalidate, and what came to it."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.asked, self.version, self.takes, self.error = [], 1, 0.0, None
        self.control = "max-age=10, stale-while-revalidate=60"
        settings.setdefault("retry", None)
        settings.setdefault("cache", Cache())
        transport = MockTransport(self.answer, clock=self.clock)
        self.api = Client("https://h", transport=transport, clock=self.clock, **settings)

    async def answer(self, request):
        self.asked.append((request.url.path, request.headers.get("If-None-Match"), request.call.why))
        if self.takes:
            await self.clock.sleep(self.takes)
        if self.error is not None:
            raise self.error
        headers = {"Cache-Control": self.control, "ETag": f'"{self.version}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return reply(304, headers=headers)
        return reply(200, json=self.version, headers=headers)

    async def get(self, path="/x", **more):
        response = await self.api.get(path, **more)
        return response.json(), response.from_cache


def played(scenario, **settings):
    async def main():
        origin = Origin(**settings)
        async with origin.api:
            await origin.get()
            await origin.clock.sleep(11)
            found = await scenario(origin)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        return found

    return run(main())


def test_a_stale_response_comes_at_once_and_the_next_one_is_fresh():
    async def scenario(origin):
        origin.version, origin.takes = 2, 1.0
        before = origin.clock.now()
        old = await origin.api.get("/x")
        waited = origin.clock.now() - before
        await origin.clock.sleep(2)
        return old, waited, await origin.get(), origin.asked, origin.api.stats

    old, waited, new, asked, stats = played(scenario)
    assert (old.json(), old.from_cache, old.degraded, old.attempts, waited) == (1, "stale", "", (), 0.0)
    assert old.headers["Age"] == "11"
    assert new == (2, "fresh")
    assert asked == [("/x", None, "first"), ("/x", '"1"', "background: stale-while-revalidate")]
    assert (stats.calls, stats.attempts, stats.degraded) == (3, 2, 0)
    counts = {name: stats.cache[name] for name in ("hits", "revalidated", "stale", "misses", "stored")}
    assert counts == {"hits": 1, "revalidated": 0, "stale": 1, "misses": 1, "stored": 2}
    assert (stats.cache["refreshed"], stats.cache["not_refreshed"]) == (1, 0)


def test_many_callers_cause_one_request():
    async def scenario(origin):
        origin.takes = 1.0
        found = await asyncio.gather(*(origin.get() for _ in range(100)))
        await origin.clock.sleep(2)
        return set(found), len(origin.asked), await origin.get()

    assert played(scenario) == ({(1, "stale")}, 2, (1, "fresh"))


def test_a_caller_that_is_cancelled_cancels_nothing():
    async def scenario(origin):
        origin.version, origin.takes = 2, 5.0

        async def caller():
            await origin.get()
            await origin.clock.sleep(100)

        task = asyncio.create_task(caller())
        await origin.clock.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        await origin.clock.sleep(5)
        return await origin.get()

    assert played(scenario) == (2, "fresh")


def test_it_has_the_time_that_the_call_had_and_no_more():
    async def scenario(origin):
        origin.takes = 1000.0
        await origin.get(timeout=3.0)
        await origin.clock.sleep(2.9)
        during = len(origin.api._state.background)
        await origin.clock.sleep(0.2)
        return during, len(origin.api._state.background), origin.api.stats.cache["not_refreshed"]

    assert played(scenario) == (1, 0, 1)


def test_closing_the_client_ends_it():
    async def scenario(origin):
        origin.takes = 1000.0
        await origin.get()
        await origin.clock.sleep(1)
        await origin.api.aclose()
        return len(origin.api._state.background)

    assert played(scenario) == 0


class Watching:
    """What a watcher is told of calls."""

    def __init__(self):
        self.told = []

    def call_started(self, request):
        self.told.append("call")
        return len(self.told)

    def attempt_started(self, token, request, headers):
        return token

    def attempt_ended(self, token, record):
        self.told.append((token, record.why, record.status))

    def call_ended(self, token, record):
        self.told.append((token, record.background, record.status, record.error, len(record.attempts)))


def test_watchers_see_it_as_a_call_of_its_own():
    watcher = Watching()

    async def scenario(origin):
        del watcher.told[:]
        await origin.get()
        await origin.clock.sleep(12)
        origin.error = ConnectError("refused")
        await origin.get()
        await origin.clock.sleep(1)
        return watcher.told, origin.api.stats.calls

    why = "background: stale-while-revalidate"
    told, calls = played(scenario, watch=watcher)
    assert calls == 3
    assert told == [
        "call", (1, False, 200, None, 0), "call", (3, why, 304), (3, True, 200, None, 1),
        "call", (6, False, 200, None, 0), "call", (8, why, None), (8, True, None, "ConnectError: refused", 1),
    ]  # fmt: skip


def test_one_that_is_cancelled_or_gets_a_fallback_has_not_refreshed():
    async def scenario(origin):
        origin.error = ConnectError("refused")
        await origin.get()
        await origin.clock.sleep(1)
        found = [origin.api.stats.cache, await origin.get()]
        await origin.api.aclose()  # before the second one begins
        return [*found, origin.api.stats.cache]

    first, again, last = played(scenario, fallback=Fallback(value={"v": 0}))
    assert (first["refreshed"], first["not_refreshed"]) == (0, 1)
    assert again == (1, "stale")
    assert (last["refreshed"], last["not_refreshed"]) == (0, 2)


@pytest.mark.parametrize("error", [ConnectError("refused"), ZeroDivisionError("a handler's bug")], ids=repr)
def test_where_it_fails_the_old_response_serves_until_its_time_is_over(error):
    async def scenario(origin):
        heard = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["message"]))
        origin.error = error
        found = [await origin.get()]
        await origin.clock.sleep(10)
        found.append(await origin.get())
        await origin.clock.sleep(60)
        with pytest.raises(type(error)):
            await origin.get()
        return found, len(origin.asked), origin.api.stats.cache["not_refreshed"], len(heard)

    assert played(scenario) == ([(1, "stale")] * 2, 4, 2, 0 if isinstance(error, ConnectError) else 2)


def test_a_failure_of_the_server_is_no_better_than_the_old_response():
    async def scenario(origin):
        origin.api._transport._handler = lambda _: reply(503, headers={"Cache-Control": "max-age=60"})
        found = [await origin.get()]
        await origin.clock.sleep(1)
        found.append(await origin.get())
        await origin.clock.sleep(1)
        return found, origin.api.stats.cache["not_refreshed"], origin.api.stats.cache["stale"]

    assert played(scenario, cache=Cache(stale_if_error=100)) == ([(1, "stale")] * 2, 2, 2)


def test_it_retries_as_the_call_would():
    async def scenario(origin):
        origin.error, origin.version = ConnectError("refused"), 2
        await origin.get()
        await origin.clock.sleep(0.2)
        origin.error = None
        await origin.clock.sleep(30)
        return await origin.get(), len(origin.asked) > 2

    control = Retry(3, base=1.0)
    found, retried = played(scenario, retry=control)
    assert found[0] == 2
    assert retried


def test_a_write_overtakes_it():
    async def scenario(origin):
        origin.takes = 5.0
        await origin.get()
        await origin.clock.sleep(1)
        origin.takes, origin.version = 0.0, 2
        await origin.api.put("/x", json=1)
        await origin.clock.sleep(10)
        return await origin.get()

    assert played(scenario) == (2, "")


def test_what_comes_for_another_user_than_the_callers_is_not_stored():
    user = ["lynn"]

    async def scenario(origin):
        origin.takes, origin.version = 2.0, 2
        found = [await origin.get()]
        await origin.clock.sleep(1)
        user[0] = "hugo"  # who is logged in when it comes
        await origin.clock.sleep(2)
        origin.takes = 0.0
        found.append(await origin.get())
        user[0] = "lynn"
        return [*found, await origin.get()]

    assert played(scenario, auth=Bearer(lambda: user[0])) == [(1, "stale"), (2, ""), (2, "")]


@pytest.mark.parametrize(
    ("asked", "how"),
    [("no-cache", "revalidated"), ("max-age=5", "revalidated"), ("min-fresh=1", "revalidated"), ("max-stale", "fresh")],
)
def test_a_caller_that_says_how_fresh_it_has_to_be_is_obeyed(asked, how):
    async def scenario(origin):
        return await origin.get(headers={"Cache-Control": asked})

    assert played(scenario) == (1, how)


def test_only_if_cached_causes_no_request():
    async def scenario(origin):
        found = await origin.get(headers={"Cache-Control": "only-if-cached"})
        await origin.clock.sleep(1)
        return found, len(origin.asked)

    assert played(scenario) == ((1, "stale"), 1)


def test_after_its_time_the_caller_waits_for_the_server():
    async def scenario(origin):
        await origin.clock.sleep(60)
        origin.takes = 5.0
        with pytest.raises(RequestTimeout):
            await origin.get(timeout=1.0)
        return len(origin.asked)

    assert played(scenario) == 2


async def test_clients_that_share_a_store_cause_one_request_with_single_flight(tmp_path):
    asked, go_on = [], asyncio.Event()

    async def server(request):
        asked.append(request)
        if len(asked) > 1:
            await go_on.wait()
        control = "max-age=10, stale-while-revalidate=60"
        return reply(200, json=len(asked), headers={"Cache-Control": control, "ETag": f'"{len(asked)}"'})

    clock, store = TurnedClock(), SQLiteStore(tmp_path / "cache.db")
    clock.sleep = asyncio.sleep  # those who wait for another's turn look again and again
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                Client(
                    "https://h", transport=MockTransport(server), clock=clock, retry=None, single_flight=True,
                    cache=Cache(store=store), raise_for_status=False,
                )
            )
            for _ in range(3)
        ]  # fmt: skip
        await clients[0].get("/x")
        while (await clients[1].get("/x", headers={"Cache-Control": "only-if-cached"})).status != 200:
            await asyncio.sleep(0.01)  # until it is written
        clock.ahead += 11
        old = [await api.get("/x") for api in clients]
        go_on.set()
        while any(api.stats.cache["refreshed"] + api.stats.cache["not_refreshed"] < 1 for api in clients):
            await asyncio.sleep(0.01)
        new = [await api.get("/x") for api in clients]
    assert [response.from_cache for response in old] == ["stale"] * 3
    assert [(response.from_cache, response.json()) for response in new] == [("fresh", 2)] * 3
    assert len(asked) == 2


def test_a_user_who_has_changed_and_changed_back_meanwhile_is_seen():
    user = ["a"]

    async def scenario():
        clock, seen = FakeClock(), []

        async def server(request):
            seen.append(request.headers["Authorization"])
            await clock.sleep(2)
            headers = {"Cache-Control": "max-age=10, stale-while-revalidate=60"}
            return reply(200, json=seen[-1], headers=headers)

        transport = MockTransport(server, clock=clock)
        async with Client(
            "https://h", transport=transport, clock=clock, cache=Cache(), retry=None, auth=Bearer(lambda: user[0])
        ) as api:
            await api.get("/x")
            await clock.sleep(11)
            await api.get("/x")
            user[0] = "b"
            await clock.sleep(1)  # now the request in the background is sent: for another user
            user[0] = "a"
            await clock.sleep(5)  # when its response comes, it is the first user's turn again
            again = await api.get("/x")
        return again.json(), again.from_cache, seen[:2]

    assert run(scenario()) == ("Bearer a", "", ["Bearer a", "Bearer b"])
