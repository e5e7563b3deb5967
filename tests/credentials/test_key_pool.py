"""Key pools: rotation, quarantine, rest, limits of each key; and no request fails while a key is left."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from asyncapi import (
    ApiKey,
    AuthError,
    Bearer,
    Client,
    ConfigError,
    Env,
    Forbidden,
    Key,
    KeyPool,
    RateExceeded,
    RateLimit,
    RateLimited,
    RequestTimeout,
    Retry,
    Unauthorized,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Door:
    """A server that knows keys: `verdicts[key]` is a status, or a function of the request."""

    def __init__(self, clock=None, **verdicts) -> None:
        self.clock = clock or FakeClock()
        self.verdicts = verdicts
        self.seen: list[str] = []

    def __call__(self, request):
        key = request.headers["X-Api-Key"]
        self.seen.append(key)
        verdict = self.verdicts.get(key, 200)
        verdict = verdict(request) if callable(verdict) else verdict
        return reply(verdict) if isinstance(verdict, int) else verdict

    def client(self, *keys, strategy="round-robin", quarantine=600.0, **settings) -> Client:
        pool = KeyPool(
            [ApiKey(key) if isinstance(key, str) else key for key in keys], strategy=strategy, quarantine=quarantine
        )
        return Client(
            "https://h", auth=pool, transport=MockTransport(self, clock=self.clock), clock=self.clock, **settings
        )


async def test_keys_take_turns():
    door = Door()
    async with door.client("a", "b", "c") as api:
        await api.gather(["/"] * 7)
    assert Counter(door.seen) == {"a": 3, "b": 2, "c": 2}


def test_the_key_used_least_goes_next():
    async def scenario():
        door = Door()
        slow = Key(ApiKey("b"), rate=RateLimit(1, per=100.0))
        async with door.client("a", slow, strategy="least-used") as api:
            await api.gather(["/"] * 9)
            await door.clock.sleep(100.0)
            await api.get("/")
        assert (Counter(door.seen), door.seen[-1]) == ({"a": 8, "b": 2}, "b")

    run(scenario())


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("retry", [None, Retry(4)])
async def test_a_refused_key_goes_into_quarantine_and_no_request_fails(status, retry):
    door = Door(a=status, b=status)
    async with door.client("a", "b", "c", retry=retry) as api:
        answers = await api.gather(["/"] * 20)
        assert [answer.status for answer in answers] == [200] * 20
        assert [attempt.why for attempt in (await api.get("/")).attempts] == ["first"]
    assert Counter(door.seen)["a"] <= 7  # those that were under way when it was refused
    first = next(answer for answer in answers if len(answer.attempts) > 1)
    assert first.attempts[1].why == f"auth: {status}, another key"


def test_quarantine_ends():
    async def scenario():
        door = Door(a=401)
        async with door.client("a", "b", quarantine=60.0) as api:
            for _ in range(5):
                await api.get("/")
            door.verdicts.clear()
            await door.clock.sleep(61.0)
            await api.gather(["/"] * 4)
        assert door.seen == ["a", "b", "b", "b", "b", "b", "a", "b", "a", "b"]

    run(scenario())


def test_quarantine_for_good():
    async def scenario():
        door = Door(a=401)
        async with door.client("a", "b", quarantine=None) as api:
            await api.get("/")
            await door.clock.sleep(1e6)
            await api.get("/")
            await api.get("/")
        assert door.seen == ["a", "b", "b", "b"]

    run(scenario())


async def test_without_a_key_left_nothing_is_sent_and_the_error_describes_each():
    door = Door(a=401, b=401)
    async with door.client(Key(ApiKey("a"), name="ours"), Key(ApiKey("b"), quota=1), quarantine=None) as api:
        with pytest.raises(Unauthorized):
            await api.get("/")
        with pytest.raises(AuthError, match=r"ours: in quarantine \(401\); key 2: its quota of 1 is used up"):
            await api.get("/")
    assert door.seen == ["a", "b"]


async def test_what_every_key_is_forbidden_is_the_requests_fault():
    door = Door(a=lambda request: 403 if request.url.path == "/secret" else 200)
    door.verdicts["b"] = door.verdicts["a"]
    async with door.client("a", "b", quarantine=None) as api:
        with pytest.raises(Forbidden):
            await api.get("/secret")
        await api.gather(["/"] * 2)
    assert sorted(door.seen) == ["a", "a", "b", "b"]


async def test_a_key_without_a_value_is_passed_over():
    door = Door()
    async with door.client(ApiKey(Env("NO_SUCH_KEY")), ApiKey(lambda: ""), "c") as api:
        await api.gather(["/"] * 5)
    assert door.seen == ["c"] * 5


def test_a_key_rests_after_a_429_until_it_may_come_back_while_others_go_on():
    async def scenario():
        full = reply(429, headers={"Retry-After": "30"})
        answers = iter([full])
        door = Door(a=lambda _: next(answers, None) or reply())
        async with door.client("a", "b") as api:
            began = door.clock.now()
            answer = await api.get("/")
            assert [attempt.status for attempt in answer.attempts] == [429, 200]
            await api.gather(["/"] * 5)
            assert door.clock.now() == began
            await door.clock.sleep(30.0)
            await api.gather(["/"] * 2)
        assert door.seen == ["a", *["b"] * 6, "a", "b"]

    run(scenario())


GITHUB = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Used": "60"}


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    "told",
    [
        {"Retry-After": "30"},
        {**GITHUB, "X-RateLimit-Resource": "core", "X-RateLimit-Reset": "epoch"},
        {**GITHUB, "X-RateLimit-Reset": "30"},
        {"RateLimit": '"default";r=0;t=30', "RateLimit-Policy": '"default";q=60;w=60'},
    ],
)
@pytest.mark.parametrize("pace", [True, False])
def test_a_key_whose_limit_is_used_up_rests_until_it_is_whole_again(status, told, pace):
    async def scenario():
        door = Door()
        headers = {name: str(int(door.clock.wall()) + 30) if text == "epoch" else text for name, text in told.items()}
        answers = iter([reply(status, headers=headers)])
        door.verdicts["a"] = lambda _: next(answers, None) or reply()
        pool = KeyPool([ApiKey("a"), ApiKey("b")], pace=pace)
        async with Client(
            "https://h", auth=pool, transport=MockTransport(door, clock=door.clock), clock=door.clock
        ) as api:
            assert (await api.get("/")).attempts[1].why == f"auth: {status}, another key"
            for _ in range(3):
                await api.get("/")
            await door.clock.sleep(29.0)
            await api.get("/")
            assert door.seen == ["a", *["b"] * 5]
            await door.clock.sleep(2.0)
            await api.gather(["/"] * 4)
        assert Counter(door.seen[6:]) == {"a": 2, "b": 2}

    run(scenario())


def test_keys_that_one_route_refuses_are_still_used_for_others():
    async def scenario():
        door = Door(a=lambda request: 401 if request.url.path == "/admin" else 200)
        door.verdicts["b"] = door.verdicts["a"]
        async with door.client("a", "b", raise_for_status=False) as api:
            for _ in range(100):
                assert [(await api.get("/")).status for _ in range(2)] == [200, 200]
                assert (await api.get("/admin")).status == 401

    run(scenario())


def test_keys_that_are_all_revoked_are_not_used_any_more():
    async def scenario():
        door = Door()
        async with door.client("a", "b", quarantine=None, raise_for_status=False) as api:
            await api.gather(["/"] * 2)
            door.verdicts = {"a": 401, "b": 401}
            for _ in range(11):  # ten times it may be the route's fault
                assert (await api.get("/")).status == 401
            with pytest.raises(AuthError, match="no key of the pool can be used"):
                await api.get("/")
        assert len(door.seen) < 30

    run(scenario())


def test_when_all_keys_rest_the_call_waits_for_the_first_that_comes_back():
    async def scenario():
        clock = FakeClock()
        seen = []

        def handler(request):
            seen.append((clock.now(), request.headers["X-Api-Key"]))
            if len(seen) <= 2:
                return reply(429, headers={"Retry-After": "20" if len(seen) == 1 else "5"})
            return reply()

        pool = KeyPool([ApiKey("a"), ApiKey("b")])
        async with Client("https://h", auth=pool, transport=MockTransport(handler, clock=clock), clock=clock) as api:
            began = clock.now()
            await api.get("/")
        assert [(round(at - began), key) for at, key in seen] == [(0, "a"), (0, "b"), (5, "b")]

    run(scenario())


def test_a_429_without_a_word_rests_longer_each_time():
    async def scenario():
        door = Door(a=429, b=429)
        async with door.client("a", "b", retry=None) as api:
            with pytest.raises(RateLimited):
                await api.get("/")
            states = api._state.keyring._by_origin.popitem()[1]._ring.keys
            assert [round(key.rests_until - door.clock.now(), 6) for key in states] == [1.0, 1.0]
            states[0].rest(door.clock.now(), None)
            assert round(states[0].rests_until - door.clock.now(), 6) == 2.0

    run(scenario())


@pytest.mark.parametrize("rates", [(RateLimit(1), [RateLimit(2, burst=1)]), ("1", ["2", RateLimit(2, burst=1)])])
def test_each_key_keeps_its_own_limit(rates):
    async def scenario():
        clock = FakeClock()
        at: dict[str, list[float]] = {"a": [], "b": []}

        def handler(request):
            at[request.headers["X-Api-Key"]].append(clock.now())
            return reply()

        pool = KeyPool([Key(ApiKey("a"), rate=rates[0]), Key(ApiKey("b"), rate=rates[1])])
        async with Client("https://h", auth=pool, transport=MockTransport(handler, clock=clock), clock=clock) as api:
            began = clock.now()
            await api.gather(["/"] * 30)
            assert clock.now() - began == pytest.approx(9.5, abs=0.01)
        assert all(later - first >= 1.0 - 1e-6 for first, later in zip(at["a"], at["a"][1:], strict=False))
        assert all(later - first >= 0.5 - 1e-6 for first, later in zip(at["b"], at["b"][1:], strict=False))

    run(scenario())


def test_calls_that_leave_the_queue_give_their_turn_back():
    async def scenario():
        door = Door()
        async with door.client(Key(ApiKey("a"), rate=RateLimit(1, per=10.0))) as api:
            await api.get("/")
            began = door.clock.now()
            waiting = [asyncio.ensure_future(api.get("/")) for _ in range(3)]
            await door.clock.sleep(0.01)
            for task in waiting[:2]:
                task.cancel()
            await asyncio.gather(*waiting[:2], return_exceptions=True)
            await waiting[2]
            assert door.clock.now() - began == pytest.approx(10.0)
        assert len(door.seen) == 2

    run(scenario())


@pytest.mark.parametrize(("call", "error"), [({"wait": 2.0}, RateExceeded), ({"timeout": 5.0}, RequestTimeout)])
def test_a_wait_that_is_too_long_is_refused_at_once(call, error):
    async def scenario():
        door = Door()
        async with door.client(Key(ApiKey("a"), rate=RateLimit(1, per=10.0))) as api:
            await api.get("/")
            began = door.clock.now()
            with pytest.raises(error, match="keys' limit would hold this call for 10 s"):
                await api.get("/", **call)
            assert door.clock.now() == began

    run(scenario())


async def test_a_quota_is_for_good():
    door = Door()
    async with door.client(Key(ApiKey("a"), quota=2), "b") as api:
        await api.gather(["/"] * 10)
    assert Counter(door.seen) == {"a": 2, "b": 8}


def test_a_single_key_is_a_pool_too_and_comes_back_for_a_forbidden_page():
    async def scenario():
        door = Door(a=403)
        async with door.client("a") as api:
            for _ in range(2):
                with pytest.raises(Forbidden):
                    await api.get("/")
        assert door.seen == ["a", "a"]

    run(scenario())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: KeyPool([]), "give a list of credentials"),
        (lambda: KeyPool(["secret-text"]), "str is not a credential: wrap each key"),
        (lambda: KeyPool([ApiKey]), "type is not a credential"),
        (lambda: KeyPool([Bearer("a")], strategy="random"), "'round-robin' or 'least-used'"),
        (lambda: KeyPool([Bearer("a")], quarantine=-1), "seconds, or None for good"),
        (lambda: Key(Bearer("a"), quota=0), "at least 1"),
    ],
)
def test_settings_that_do_not_go_together(make, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make()
    assert "secret-text" not in str(caught.value)


def test_its_repr_and_explain_show_no_key():
    pool = KeyPool([ApiKey("canarybird"), Bearer(Env("B"))])
    assert repr(pool) == "KeyPool([ApiKey(***, header='X-Api-Key'), Bearer(Env('B'))], strategy='round-robin')"
    assert pool.describe() == "KeyPool of 2, round-robin"


# -- limits that the server tells ----------------------------------------------------------------------------------


class Counted(Door):
    """A server with a window for each key, which tells of it: `tell(limit, left, seconds until the reset)` headers."""

    def __init__(self, limit, window, tell, **verdicts) -> None:
        super().__init__(**verdicts)
        self.limit, self.window, self.tell = limit, window, tell
        self.counts: dict[str, list[float]] = {}
        self.refused = 0

    async def __call__(self, request):
        await self.clock.sleep(0.05)
        key = request.headers["X-Api-Key"]
        self.seen.append(key)
        now = self.clock.now()
        began, count = self.counts.get(key, (now, 0))
        if now >= began + self.window:
            began, count = now, 0
        self.counts[key] = (began, count + 1)
        left, reset = self.limit - count - 1, began + self.window - now
        if left < 0:
            self.refused += 1
            return reply(429, headers={"Retry-After": str(int(reset) + 1), **self.tell(self.limit, 0, reset)})
        return reply(headers=self.tell(self.limit, left, reset))


def ietf(limit, left, reset):
    return {"RateLimit": f'"default";r={left};t={int(reset) + 1}', "RateLimit-Policy": f'"default";q={limit};w=10'}


def x_ratelimit(limit, left, reset):
    return {
        "X-RateLimit-Limit": f"{limit}",
        "X-RateLimit-Remaining": f"{left}",
        "X-RateLimit-Reset": f"{int(reset) + 1}",
    }


@pytest.mark.parametrize("tell", [ietf, x_ratelimit])
def test_keys_slow_down_before_their_429(tell):
    """Windows of 100 in 10 s for each of two keys: 20 a second in all, and nobody is ever refused."""

    async def scenario():
        door = Counted(100, 10.0, tell)
        async with door.client("a", "b", concurrency=10, timeout=None) as api:
            began = door.clock.now()
            await api.gather(["/"] * 800, concurrency=50)
            took = door.clock.now() - began
        assert door.refused == 0
        assert took < 1.1 * 40.0  # four windows
        assert Counter(door.seen)["a"] == pytest.approx(400, abs=40)

    run(scenario())


def test_a_key_that_runs_low_leaves_the_calls_to_another():
    async def scenario():
        door = Counted(1000, 60.0, x_ratelimit)
        door.counts["a"] = (door.clock.now(), 995)
        async with door.client("a", "b", concurrency=1) as api:
            began = door.clock.now()
            for _ in range(100):
                await api.get("/")
            assert door.clock.now() - began == pytest.approx(5.0)  # nobody waited
        assert door.refused == 0
        assert Counter(door.seen)["a"] < 6

    run(scenario())


def test_the_limits_that_a_server_states_may_be_ignored():
    async def scenario():
        door = Counted(10, 1000.0, lambda *_: x_ratelimit(10, 0, 900))
        pool = KeyPool([ApiKey("a")], pace=False)
        transport = MockTransport(door, clock=door.clock)
        async with Client("https://h", auth=pool, transport=transport, clock=door.clock) as api:
            began = door.clock.now()
            for _ in range(10):
                await api.get("/")
            assert door.clock.now() - began == pytest.approx(0.5)

    run(scenario())


def test_all_keys_used_up_wait_for_the_first_reset():
    async def scenario():
        door = Counted(2, 30.0, x_ratelimit)
        async with door.client("a", "b", timeout=None) as api:
            await api.gather(["/"] * 2)
            await api.gather(["/"] * 7)
        assert door.refused == 0
        assert door.clock.now() == pytest.approx(61, abs=3)

    run(scenario())
