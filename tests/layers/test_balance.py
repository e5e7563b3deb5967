"""Every attempt goes to one of several endpoints; what is above it knows the whole set, what is below knows the one."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from functools import wraps

import pytest
from yarl import URL

from asyncapi import (
    ApiKey,
    AsyncAPIError,
    AWSSigV4,
    Basic,
    Bearer,
    Breaker,
    Cache,
    CircuitOpen,
    Client,
    ConnectError,
    Digest,
    Endpoint,
    Endpoints,
    Env,
    Fallback,
    Hedge,
    LinkHeader,
    ProtocolError,
    RateLimit,
    Retry,
    ServerError,
    Timeout,
)
from asyncapi.layers.balance import EndpointSet
from asyncapi.messages.call import Call
from asyncapi.messages.meaning import Meaning
from asyncapi.messages.target import Target
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.transports.srv import Place
from stepping import each_cancellation

THREE = ["https://a", "https://b", "https://c"]


def virtual(test):
    """Run a test in virtual time."""

    @wraps(test)
    def wrapped(*args, **kwargs):
        run(test(*args, **kwargs))

    return wrapped


class World:
    """A client over hosts that do what `does` says: a reply, an error, or a function of the request."""

    def __init__(self, endpoints=None, does=None, **settings):
        self.clock = FakeClock()
        self.does = does or {}
        self.sent = []
        self.api = Client(
            endpoints=THREE if endpoints is None else endpoints,
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            **settings,
        )

    async def answer(self, request):
        self.sent.append(request)
        what = self.does.get(request.url.host, reply(200, json={"from": request.url.host}))
        if callable(what):
            what = what(request)
        if asyncio.iscoroutine(what):
            what = await what
        if isinstance(what, Exception):
            raise what
        return what

    @property
    def hosts(self):
        return [request.url.host for request in self.sent]

    @property
    def in_flight(self):
        return {url: endpoint.in_flight for url, endpoint in self.api.stats.endpoints.items()}


def ok(**headers):
    return lambda _: reply(200, json=1, headers=headers)


# -- where a request goes ---------------------------------------------------------------------------------------------


@virtual
async def test_relative_urls_join_the_base_path_of_the_endpoint():
    world = World(["https://a/v1", "https://b", "https://u:p@c:8443/x/y"])
    async with world.api as api:
        for _ in range(40):
            await api.get("/users/%7Eme?q=a%20b", params={"n": 1})
    urls = {str(request.url) for request in world.sent}
    assert urls == {
        "https://a/v1/users/%7Eme?q=a%20b&n=1",
        "https://b/users/%7Eme?q=a%20b&n=1",
        "https://u:p@c:8443/x/y/users/%7Eme?q=a%20b&n=1",
    }


@pytest.mark.parametrize(
    "bases", [["https://h/v1", "https://h:1/v1"], ["https://h/v1", "https://h:1"], ["https://h", "https://h:1"]]
)
@pytest.mark.parametrize("params", [None, {"n": 1}])
@pytest.mark.parametrize("url", ["", "/", "?x=1", "users", "/users/", "/a%2Fb?x=%20#f", "#f", "/\u00e9 b"])
def test_any_relative_reference_is_joined_as_to_a_base_url(bases, url, params):
    def path_of(**where):
        async def scenario():
            sent = []
            transport = MockTransport(lambda request: sent.append(request) or reply(200))
            async with Client(transport=transport, clock=FakeClock(), **where) as api:
                for _ in range(20):
                    await api.get(url, params=params)
            return {(request.target.text, request.target.path, str(request.url)) for request in sent}

        return run(scenario())

    assert path_of(endpoints=bases) == path_of(base_url=bases[0]) | path_of(base_url=bases[1])


@virtual
async def test_an_absolute_url_goes_where_it_says():
    world = World()
    async with world.api as api:
        for url in ("https://b/x", "https://d/x"):
            for _ in range(10):
                await api.get(url)
    assert Counter(world.hosts) == {"b": 10, "d": 10}


@virtual
async def test_the_response_and_the_records_name_the_endpoint():
    seen = []
    world = World(does={"b": ok()}, hooks=[seen.append])
    async with world.api as api:
        response = await api.get("/x")
        host = world.hosts[0]
        assert response.url == URL(f"https://{host}/x")
        assert response.attempts[0].url == f"https://{host}/x"
        assert "in flight" in seen[0].state["endpoint"]


@virtual
async def test_an_error_names_the_endpoint_that_sent_it():
    world = World(does={host: reply(404) for host in "abc"})
    async with world.api as api:
        with pytest.raises(AsyncAPIError) as caught:
            await api.get("/x")
    assert f"https://{world.hosts[0]}/x" in str(caught.value)


@virtual
async def test_a_retry_goes_elsewhere():
    world = World(does={"a": reply(503), "b": reply(503)}, retry=Retry(3, base=0.01))
    async with world.api as api:
        for _ in range(3):
            world.sent.clear()
            await api.get("/x")
            assert len(set(world.hosts)) == len(world.hosts)
            assert world.hosts[-1] == "c"


@virtual
async def test_retries_beyond_all_endpoints_never_go_to_the_same_one_twice_in_a_row():
    world = World(does={host: reply(503) for host in "abc"}, retry=Retry(8, base=0.01, budget=None))
    async with world.api as api:
        with suppress(ServerError):
            await api.get("/x")
    assert len(world.hosts) == 8
    assert all(one != other for one, other in zip(world.hosts, world.hosts[1:], strict=False))


def test_a_hedge_goes_elsewhere():
    async def slow(_):
        await asyncio.sleep(5)
        return reply(200)

    async def scenario():
        first = []

        def answer(request):
            first.append(request.url.host)
            return slow(request) if len(first) == 1 else reply(200)

        world = World(does=dict.fromkeys("abc", answer), hedge=Hedge(after=0.1, budget=1.0))
        async with world.api as api:
            await api.get("/x")
            assert len(world.hosts) == 2
            assert world.hosts[0] != world.hosts[1]
            assert sum(world.in_flight.values()) == 0

    run(scenario())


@virtual
async def test_a_redirect_leads_where_it_says_and_stays_there():
    def moved(request):
        return reply(302, headers={"Location": "new"}) if request.url.path.endswith("/old") else reply(200)

    world = World(["https://a/v1", "https://b/v2"], does={"a": moved, "b": moved})
    async with world.api as api:
        response = await api.get("/old")
    first, second = world.sent
    assert first.url.host == second.url.host
    assert second.url.path == first.url.path.replace("old", "new")
    assert response.url == second.url


# -- health -----------------------------------------------------------------------------------------------------------


@virtual
async def test_an_endpoint_that_fails_is_left_out_and_one_probe_brings_it_back():
    world = World(does={"a": reply(500)}, retry=None)
    async with world.api as api:
        for _ in range(60):
            with suppress(ServerError):
                await api.get("/x")
        assert Counter(world.hosts)["a"] == 5
        assert api.stats.endpoints["https://a"].state == "ejected"
        world.does.clear()
        await world.clock.sleep(10.1)
        assert api.stats.endpoints["https://a"].state == "due"
        await api.get("/x")
        assert world.hosts[-1] == "a"
        assert api.stats.endpoints["https://a"].state == "starting"
        assert api.stats.endpoints["https://a"].ejections == 1


@virtual
async def test_a_probe_that_fails_costs_no_call():
    world = World(does={"a": ConnectError("refused")}, retry=None)
    async with world.api as api:
        for _ in range(60):
            with suppress(ConnectError):
                await api.get("/x")
        world.sent.clear()
        await world.clock.sleep(10.1)
        response = await api.get("/x")
        assert (world.hosts[0], len(world.hosts), response.status) == ("a", 2, 200)
        assert response.attempts[0].then.startswith("sent elsewhere")
        assert response.attempts[1].why == "balance: the probe of a failed"


@virtual
async def test_a_post_that_may_have_been_done_is_not_sent_elsewhere():
    world = World(does={"a": reply(500)}, retry=None)
    async with world.api as api:
        for _ in range(60):
            with suppress(ServerError):
                await api.get("/x")
        world.sent.clear()
        await world.clock.sleep(10.1)
        await api.post("/x", json=1)
        assert "a" not in world.hosts  # not while a safe request may come
        await world.clock.sleep(10.1)
        world.sent.clear()
        with pytest.raises(ServerError):
            await api.post("/x", json=1)
        assert world.hosts == ["a"]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429])
@virtual
async def test_a_response_of_4xx_ejects_nobody(status):
    world = World(does={host: reply(status) for host in "abc"}, retry=None, pace=False)
    async with world.api as api:
        for _ in range(40):
            with suppress(AsyncAPIError):
                await api.get("/x")
        assert all(not endpoint.ejections for endpoint in api.stats.endpoints.values())


@virtual
async def test_an_endpoint_that_says_so_is_out_at_once():
    world = World(does={"a": ok(**{"x-envoy-immediate-health-check-fail": "true"})})
    async with world.api as api:
        for _ in range(40):
            await api.get("/x")
    assert Counter(world.hosts)["a"] == 1


@virtual
async def test_a_meaning_that_wants_out_or_failed_counts():
    world = World()
    async with world.api as api:
        for number in range(40):
            request = api._build("GET", "/x")
            request.call.reading = lambda response: (
                Meaning(200, out=True) if response.target.host == "a" else Meaning(503, failed=False)
            )
            with suppress(AsyncAPIError):
                await api._carry(request)
            del number
        assert [each.ejections for each in api.stats.endpoints.values()] == [1, 0, 0]


@virtual
async def test_a_refusal_of_ours_and_a_cancellation_eject_nobody():
    world = World(rate=RateLimit(1, per=1000, burst=1), wait=False)
    async with world.api as api:
        for _ in range(50):
            with suppress(AsyncAPIError):
                await api.get("/x")
        assert all(not each.failures for each in api.stats.endpoints.values())
        assert sum(world.in_flight.values()) == 0


def test_an_endpoint_that_hangs_gets_little_where_deadlines_cut_its_attempts_off():
    async def hang(_):
        await asyncio.sleep(1000)

    async def quick(_):
        await asyncio.sleep(0.01)
        return reply(200)

    async def scenario():
        world = World(does={"a": hang, "b": quick, "c": quick}, retry=None, timeout=Timeout(0.5))
        async with world.api as api:
            for _ in range(100):
                with suppress(AsyncAPIError):
                    await api.get("/x")
        assert Counter(world.hosts)["a"] <= 6  # five until it is judged, then one in hundreds

    run(scenario())


@virtual
async def test_an_endpoint_whose_host_asks_to_wait_is_passed_over():
    world = World(does={"a": reply(429, headers={"Retry-After": "60"})}, retry=2)
    async with world.api as api:
        for _ in range(40):
            await api.get("/x")
        assert Counter(world.hosts)["a"] <= 5  # the first 429 may be about one call alone
        assert world.clock.now() < 40


@virtual
async def test_an_open_circuit_sends_the_call_elsewhere():
    world = World(
        does={"a": reply(500)},
        retry=None,
        breaker=Breaker(minimum=2, open_for=5, open_cap=5),
        endpoints=Endpoints(THREE, eject_after=1000),
    )
    async with world.api as api:
        failed = 0
        for _ in range(60):
            try:
                await api.get("/x")
            except CircuitOpen:
                raise
            except ServerError:
                failed += 1
        assert failed < 10
        assert api.stats.circuits["a"].state == "open"


# -- what belongs to the set, and what to one endpoint ----------------------------------------------------------------


@virtual
async def test_the_cache_and_shared_flights_go_by_the_set():
    world = World(
        does={host: ok(**{"Cache-Control": "max-age=60"}) for host in "abc"}, cache=Cache(), single_flight=True
    )
    async with world.api as api:
        await asyncio.gather(*(api.get("/x") for _ in range(10)))
        again = await api.get("/x")
        assert (len(world.sent), again.from_cache) == (1, "fresh")
        await api.get(f"https://{world.hosts[0]}/x")  # named by the user: it goes there
        assert len(world.sent) == 2


@virtual
async def test_a_write_invalidates_what_another_endpoint_sent():
    def answer(request):
        if request.method == "GET":
            return reply(200, headers={"Cache-Control": "max-age=60"})
        return reply(201, headers={"Location": f"https://{request.url.host}/users/5"})

    world = World(does=dict.fromkeys("abc", answer), cache=Cache())
    async with world.api as api:
        await api.get("/users/5")
        await api.post("/users", json=1)
        assert (await api.get("/users/5")).from_cache == ""


@pytest.mark.parametrize(
    "auth",
    [Bearer("t"), ApiKey("k"), Basic("u", "p"), AWSSigV4("eu-1", "s3", access_key="AKIDEXAMPLE", secret_key="secret")],
)
@virtual
async def test_the_credential_goes_to_every_endpoint_and_nowhere_else(auth):
    world = World(does={"a": lambda r: reply(302, headers={"Location": "https://d/x"})}, auth=auth)
    async with world.api as api:
        for _ in range(30):
            await api.get("/x")
        await api.get("https://b/direct")
        await api.get("https://d/direct")
    for request in world.sent:
        signed = any(name in request.headers for name in ("Authorization", "X-API-Key"))
        assert signed == (request.url.host in set("abc")), request.url


@virtual
async def test_a_credential_of_the_call_goes_with_it_to_any_endpoint():
    world = World(does={"a": reply(503)}, retry=Retry(3, base=0.01))
    async with world.api as api:
        for _ in range(20):
            await api.get("/x", auth=Bearer("mine"))
        await api.get("https://b/x", auth=Bearer("mine"))
    assert all(request.headers["Authorization"] == "Bearer mine" for request in world.sent)


@virtual
async def test_each_endpoint_may_have_a_credential_of_its_own():
    auth = {f"https://{host}": Bearer(f"for-{host}") for host in "ab"}
    world = World(auth=auth, cache=Cache(), single_flight=True)
    async with world.api as api:
        for number in range(30):
            await api.get(f"/x{number}")
    for request in world.sent:
        host = request.url.host
        assert request.headers.get("Authorization") == (None if host == "c" else f"Bearer for-{host}")


@virtual
async def test_a_refused_credential_is_renewed_once_for_all(monkeypatch):
    monkeypatch.setenv("TOKEN", "old")

    def answer(request):
        monkeypatch.setenv("TOKEN", "new")
        return reply(200 if request.headers["Authorization"] == "Bearer new" else 401)

    world = World(does=dict.fromkeys("abc", answer), auth=Bearer(Env("TOKEN")))
    async with world.api as api:
        assert (await api.post("/x", json=1)).status == 200


@virtual
async def test_a_challenge_is_answered_where_it_came_from():
    def answer(request):
        host = request.url.host
        if f'nonce="{host}"' in request.headers.get("Authorization", ""):
            return reply(200)
        return reply(401, headers={"WWW-Authenticate": f'Digest realm="r", nonce="{host}", qop="auth", algorithm=MD5'})

    world = World(does=dict.fromkeys("abc", answer), auth=Digest("u", "p"))
    async with world.api as api:
        for _ in range(20):
            assert (await api.get("/x")).status == 200
    assert set(world.hosts) == set("abc")
    assert sum(world.in_flight.values()) == 0


@virtual
async def test_user_info_of_an_endpoint_is_its_own_credential():
    world = World(["https://u:p@a", "https://b"], auth=Bearer("t"))
    async with world.api as api:
        for _ in range(20):
            await api.get("/x")
    assert set(world.hosts) == {"a", "b"}
    for request in world.sent:
        assert ("Authorization" in request.headers) == (request.url.host == "b")


@virtual
async def test_the_retry_budget_belongs_to_the_set_and_limits_by_host_to_the_endpoint():
    world = World(rate=RateLimit(1000, by="host"))
    async with world.api as api:
        for _ in range(30):
            await api.get("/x")
        assert set(api.stats.budget) == {"endpoints.invalid"}
        assert set(api.stats.rate) == {"a", "b", "c"}


@virtual
async def test_a_fallback_has_its_turn_when_all_endpoints_fail():
    world = World(
        does={host: reply(503) for host in "abc"}, fallback=Fallback(to="https://d/v9"), retry=Retry(2, base=0.01)
    )
    async with world.api as api:
        response = await api.get("/x?y=1")
    assert str(response.url) == "https://d/v9/x?y=1"


@virtual
async def test_the_same_idempotency_key_goes_to_each_endpoint():
    world = World(does={"a": reply(503), "b": reply(503)}, retry=Retry(3, base=0.01))
    async with world.api as api:
        for _ in range(3):
            world.sent.clear()
            await api.post("/pay", json={"n": 1}, idempotency_key=True)
            assert len({request.headers["Idempotency-Key"] for request in world.sent}) == 1


@virtual
async def test_pages_may_come_from_different_endpoints():
    def page(request):
        number = int(request.url.query.get("page", "1"))
        link = f'<https://{request.url.host}/v1/list?page={number + 1}>; rel="next"'
        return reply(200, json=[number], headers={"Link": link} if number < 20 else {})

    world = World(["https://a/v1", "https://b/v1"], does={"a": page, "b": page})
    async with world.api as api:
        items = [item async for item in api.paginate("/list", by=LinkHeader())]
    assert items == list(range(1, 21))
    assert set(world.hosts) == {"a", "b"}


def test_streams_count_as_in_flight_until_their_body_ends():
    async def scenario():
        async def pieces():
            yield b"x" * 10

        world = World(does={host: lambda _: reply(200, content=pieces()) for host in "abc"})
        async with world.api as api:
            async with api.stream("GET", "/x") as response:
                assert sum(world.in_flight.values()) == 1
                await response.read()
            assert sum(world.in_flight.values()) == 0
            async with api.stream("GET", "/x"):
                pass
            assert sum(world.in_flight.values()) == 0

    run(scenario())


@virtual
async def test_priorities_keep_a_spare_endpoint_for_when_it_is_needed():
    world = World(["https://a", Endpoint("https://b", priority=1)], retry=Retry(2, base=0.01))
    async with world.api as api:
        for _ in range(20):
            await api.get("/x")
        assert set(world.hosts) == {"a"}
        world.does["a"] = ProtocolError("broken")
        assert (await api.get("/x")).status == 200
        assert world.hosts[-1] == "b"


# -- cancellation -----------------------------------------------------------------------------------------------------


def test_cancelled_at_every_await_nothing_stays_in_flight():
    async def answer(request):
        await asyncio.sleep(0.1)
        return reply(503) if request.url.host == "a" else reply(200)

    async def scenario(loop):
        world = World(
            does=dict.fromkeys("abc", answer), hedge=Hedge(after=0.05, budget=1.0), retry=Retry(4, base=0.01),
            concurrency=2, single_flight=True, endpoints=Endpoints(THREE, eject_after=1),
        )  # fmt: skip
        async with world.api as api:
            await asyncio.gather(*(api.get("/warm", retry=None) for _ in range(3)), return_exceptions=True)
            await asyncio.sleep(11)
            loop.victim = asyncio.get_running_loop().create_task(api.get("/x"))
            with suppress(asyncio.CancelledError, AsyncAPIError):
                await loop.victim
            assert set(world.in_flight.values()) == {0}
            assert all(each.state != "probing" for each in api.stats.endpoints.values())

    assert each_cancellation(scenario, gaps=(1, 3)) > 10


# -- SRV records ------------------------------------------------------------------------------------------------------


class Names:
    """A name server: each look-up gets what is next, which may be an error."""

    def __init__(self, *replies, takes=0.0):
        self.replies = list(replies)
        self.asked = 0
        self.takes = takes

    async def __call__(self, service, nameservers):
        self.asked += 1
        await asyncio.sleep(self.takes)
        what = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(what, Exception):
            raise what
        return what


def srv_set(names, clock, **settings):
    return EndpointSet(Endpoints.srv("_api._tcp.example", path="/v1", **settings), clock, find=names)


def placed(*hosts, ttl=60.0, weight=1):
    return [Place(0, weight, 443, host) for host in hosts], ttl


def test_a_list_of_srv_records_is_looked_up_once_for_all_and_again_by_its_ttl():
    async def scenario():
        clock, names = FakeClock(), Names(placed("a", "b"), placed("b", "c"), takes=0.1)
        endpoints = srv_set(names, clock)
        calls = [Call(clock.now(), "") for _ in range(5)]
        await asyncio.gather(*(endpoints.ready(call) for call in calls))
        assert names.asked == 1
        assert [m.key for m in endpoints.balancer.members] == ["https://a/v1", "https://b/v1"]
        asked = Target.of("https://_api._tcp.example/v1/x?y")
        assert str(endpoints.at(endpoints.balancer.members[0], asked)) == "https://a/v1/x?y"
        kept = endpoints.balancer.members[1]
        kept.learn(clock.now(), 0.5)
        await clock.sleep(61)
        await endpoints.ready(calls[0])  # it does not wait
        assert len(endpoints.balancer.members) == 2
        await clock.sleep(1)
        assert [m.key for m in endpoints.balancer.members] == ["https://b/v1", "https://c/v1"]
        assert endpoints.balancer.members[0] is kept
        assert endpoints.balancer.members[1].share(clock.now()) < 1  # a new one starts slowly
        await endpoints.aclose()

    run(scenario())


def test_a_look_up_that_fails_keeps_the_old_list():
    async def scenario():
        clock, names = FakeClock(), Names(placed("a", "b"), ConnectError("no name server"))
        endpoints = srv_set(names, clock)
        call = Call(clock.now(), "")
        await endpoints.ready(call)
        for _ in range(10):
            await clock.sleep(61)
            await endpoints.ready(call)
            await clock.sleep(0.1)
        assert [m.key for m in endpoints.balancer.members] == ["https://a/v1", "https://b/v1"]
        assert names.asked == 11

    run(scenario())


def test_without_any_list_each_call_looks_again_and_says_why_it_fails():
    async def scenario():
        clock, names = FakeClock(), Names(ConnectError("no name server responds"), ValueError("odd"), placed("a"))
        endpoints = srv_set(names, clock)
        with pytest.raises(ConnectError, match="no name server responds"):
            await endpoints.ready(Call(0.0, ""))
        with pytest.raises(ConnectError, match="odd"):
            await endpoints.ready(Call(0.0, ""))
        await endpoints.ready(Call(0.0, ""))
        assert len(endpoints.balancer.members) == 1

    run(scenario())


def test_a_waiter_that_is_cancelled_does_not_end_the_look_up_of_others():
    async def scenario():
        clock, names = FakeClock(), Names(placed("a"), takes=1.0)
        endpoints = srv_set(names, clock)
        first = asyncio.ensure_future(endpoints.ready(Call(0.0, "")))
        second = asyncio.ensure_future(endpoints.ready(Call(0.0, "")))
        await asyncio.sleep(0.5)
        first.cancel()
        await second
        assert names.asked == 1
        third = srv_set(Names(placed("a"), takes=1.0), clock)
        waiting = asyncio.ensure_future(third.ready(Call(0.0, "")))
        await asyncio.sleep(0.5)
        await third.aclose()
        with pytest.raises(ConnectError, match="closed"):
            await waiting
        assert len(asyncio.all_tasks()) == 1

    run(scenario())


def test_weights_of_zero_are_rare_and_equal_among_themselves():
    async def scenario():
        clock = FakeClock()
        records = [Place(0, 0, 1, "a"), Place(0, 100, 2, "b"), Place(1, 0, 3, "c"), Place(1, 0, 4, "d")], 60.0
        endpoints = srv_set(Names(records), clock)
        await endpoints.ready(Call(0.0, ""))
        assert [(m.weight, m.priority) for m in endpoints.balancer.members] == [(1, 0), (100, 0), (1, 1), (1, 1)]

    run(scenario())


def test_an_endpoint_that_leaves_keeps_its_credential_until_its_requests_end():
    async def scenario():
        clock, names = FakeClock(), Names(placed("a"), placed("b"), placed("c"))
        endpoints = srv_set(names, clock)
        call = Call(0.0, "")
        await endpoints.ready(call)
        member = endpoints.pick(call, may_probe=True)
        for covered in ({"a", "b"}, {"a", "c"}, {"c"}):
            await clock.sleep(61)
            await endpoints.ready(call)
            await clock.sleep(0.1)
            assert {host for host in "abc" if endpoints.covers(Target.of(f"https://{host}/x"))} == covered
            if "c" in covered and member.in_flight:
                endpoints.balancer.done(member, call)

    run(scenario())
