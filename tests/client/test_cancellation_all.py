"""Cancelled once and twice at every await point of every layer at once: every kind of state is as if nothing had been.

The world has everything on. What is left is looked for in every kind of state that layers keep: places, lines, tokens,
timers, the leases of circuits (the breaker's and the fallback's), hedges, flights, guards, retry budgets, keys, tokens of
OAuth, and counts. `test_a_leak_is_seen` takes the give-backs out of the code, one by one, and sees each one missed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack, suppress

import pytest

from asyncapi import (
    Adaptive,
    ApiKey,
    AsyncAPIError,
    Breaker,
    Budget,
    Cache,
    Client,
    Fallback,
    Hedge,
    KeyPool,
    OAuth2ClientCredentials,
    RateLimit,
    Retry,
    Timeout,
)
from asyncapi.credentials.key_pool import Key
from asyncapi.layers.concurrency import Gate
from asyncapi.layers.hedge import Hedges
from asyncapi.layers.pace import Pace
from asyncapi.layers.singleflight import _Flight
from asyncapi.sansio.failures.circuit import Circuit
from asyncapi.sansio.failures.retry_budget import RetryBudget
from asyncapi.scheduling.token_queue import Limiter
from asyncapi.scheduling.wait_queue import WaitQueue
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.stores.variants import Variants
from asyncapi.testing import Chaos, FakeClock, MockTransport, reply
from asyncapi.watch import Logs
from stepping import each_cancellation

FLOOR = 50.0
QUOTA = 10_000
KINDS = (Circuit, Gate, Limiter, Variants, WaitQueue, Watchdog)


class Made:
    """Every object of these kinds that is made inside: state that hides in closures is found too."""

    def __init__(self) -> None:
        self.all: list[object] = []
        self._scope = ExitStack()

    def __enter__(self):
        for kind in KINDS:
            self._scope.enter_context(self._noted(kind))
        return self

    def __exit__(self, *_):
        self._scope.close()

    def _noted(self, kind):
        patch, init, made = pytest.MonkeyPatch(), kind.__init__, self.all

        def noting(one, *args, **kwargs):
            init(one, *args, **kwargs)
            made.append(one)

        patch.setattr(kind, "__init__", noting)
        scope = ExitStack()
        scope.callback(patch.undo)
        return scope

    def of(self, kind):
        return [one for one in self.all if isinstance(one, kind)]


class World:
    """One client with everything on, and a host that is in trouble of every kind."""

    def __init__(self, **settings) -> None:
        self.made = Made()
        self.inside = 0
        self.tells = settings.pop("tells", False)
        self.counted: Counter[str] = Counter()
        self.trouble = {"/flaky": 2, "/refusing": 2, "/down": 10**6, "/locked": 1}
        self.clock = FakeClock(seed=3)
        with self.made:
            self.client = Client(
                "https://main",
                transport=MockTransport(self.answer, clock=self.clock),
                clock=self.clock,
                **{
                    "concurrency": 2,
                    "rate": [RateLimit(8, per=1, burst=3), RateLimit(6, per=1, burst=2, by="host")],
                    "pace": True,
                    "retry": Retry(3, base=0.1, budget=Budget(ratio=0, floor=FLOOR)),
                    "breaker": Breaker(minimum=3, count=6, open_for=0.5, jitter=0),
                    "hedge": Hedge(0.15, copies=2, budget=1.0),
                    "single_flight": True,
                    "fallback": [Fallback(to="https://spare"), Fallback(stale=60), Fallback(value=later)],
                    "timeout": Timeout(6, attempt=1.2),
                    "deadline_header": "grpc-timeout",
                    "attempt_header": "x-retry-attempt",
                    "watch": Logs(),
                    "chaos": Chaos(latency=(0.0, 0.3), slow=0.3, drops=0.1, truncate=0.1, seed=4),
                    "layers": [elsewhere],
                }
                | settings,
            )

    async def answer(self, request):
        self.inside += 1
        self.counted[request.url.host] += 1
        left = QUOTA - self.counted[request.url.host]
        try:
            response = await self._answered(request, request.url.path)
            if self.tells:
                reset = str(int(600 - self.clock.now()))
                told = {"RateLimit-Limit": str(QUOTA), "RateLimit-Remaining": str(left), "RateLimit-Reset": reset}
                response = reply(response.status, content=response.content, headers={**response.headers, **told})
            return response
        finally:
            self.inside -= 1

    async def _answered(self, request, path):
        await asyncio.sleep(0.1)
        if path == "/token":
            return reply(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 3600})
        if path == "/slow":
            await asyncio.sleep(0.5)
        if path in {"/hang", "/alone"}:
            await asyncio.sleep(100)
        if path == "/moved":
            return reply(302, headers={"Location": "/flaky"})
        if self.trouble.get(path, 0) and request.url.host == "main":
            self.trouble[path] -= 1
            if path == "/locked":
                return reply(401)
            return reply(429, headers={"Retry-After": "0.2"}) if path == "/refusing" else reply(503)
        tagged = {"ETag": '"1"', "Cache-Control": "max-age=0"}
        return reply(304 if "If-None-Match" in request.headers else 200, json={}, headers=tagged)

    async def play(self, loop, path) -> None:
        """The victim's call among those of others; then nothing of it may be left."""
        with self.made:
            rivals = [
                asyncio.create_task(self.ask(other))
                for other in ("/a", path, "/b", "/flaky", "/slow")
                if other != "/alone"
            ]
            loop.victim = asyncio.create_task(self.ask(path))
            await asyncio.wait([loop.victim, *rivals])
            assert not any(rival.cancelled() for rival in rivals)
            await self.check()
            assert (await self.client.get("/fine", timeout=None, wait=True)).status == 200
            await self.check()
            await self.client.aclose()

    async def ask(self, path):
        with suppress(AsyncAPIError):
            return await self.client.get(path, raise_for_status=False)

    async def check(self) -> None:
        """Every kind of state is at rest."""
        stats, parts = self.client.stats, self.client._state
        assert self.inside == 0
        assert (stats.in_flight, stats.queued) == (0, 0)
        assert stats.calls == sum(stats.by_status.values()) + sum(stats.by_error.values())
        for gate in self.made.of(Gate):
            assert gate.free == gate.limit
        for queue in self.made.of(WaitQueue):
            assert (queue.length, queue.head(), queue._ahead) == (0, None, {})
        for limiter in self.made.of(Limiter):
            assert (limiter._timer, limiter.queue.length) == (None, 0)
        for circuit in self.made.of(Circuit):
            assert (circuit.holder, circuit.probing) == (None, set())
        for watchdog in self.made.of(Watchdog):
            assert len(watchdog) == 0
        for variants in self.made.of(Variants):
            assert variants._fetching == {}
        assert len(parts.hedges) == len(parts.flights) == 0
        for budget in parts.budgets.values():
            assert isinstance(budget, RetryBudget)
            budget._refill(self.clock.now())
            spent = FLOOR - budget.tokens
            assert spent <= stats.retries + 1e-9, "a retry that was not sent is still paid for"
        for host, pace in parts.paces.items():
            for level in pace.pacer._quotas._levels.values():
                assert level.left == QUOTA - self.counted[host], "what was not sent is not counted as sent"
        if parts.keyring is not None:
            assert parts.keyring.context._tasks == set()
            for credential in parts.keyring._by_origin.values():
                if isinstance(credential, KeyPool):
                    assert not credential._waiting


def elsewhere(inner):
    async def send(request):
        return await inner(request)

    return send


async def later(request, failure):
    await asyncio.sleep(0.05)
    return {"default": True}


PATHS = ["/alone", "/a", "/slow", "/moved", "/refusing", "/down", "/hang", "/locked"]
CASES = {
    "all": {},
    "learning": {"concurrency": Adaptive(initial=2, maximum=4)},
    "patient": {"wait": 0.4, "max_queue": 4},
    "told": {"tells": True, "chaos": None},
    "cached": {"cache": Cache(stale_if_error=60)},
}


def credential(kind):
    if kind == "keys":
        return KeyPool([Key(ApiKey("a"), rate=RateLimit(4, burst=1)), Key(ApiKey("b"), rate=RateLimit(4, burst=1))])
    return OAuth2ClientCredentials("https://main/token", "me", "secret")


def scenario_of(path, settings):
    async def scenario(loop):
        auth = {"auth": {"https://main": credential(settings["auth"])}} if "auth" in settings else {}
        await World(**{**settings, **auth}).play(loop, path)

    return scenario


# How many turns after the first a second cancellation comes.
GAPS = pytest.mark.parametrize("gaps", [(), pytest.param((1, 3), marks=pytest.mark.soak)], ids=["once", "twice"])


@GAPS
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", CASES)
def test_everything_on_at_every_await_point(case, path, gaps):
    assert each_cancellation(scenario_of(path, CASES[case]), gaps=gaps) >= 4 * (1 + len(gaps))


@pytest.mark.parametrize("path", ["/a", "/locked", "/refusing"])
@pytest.mark.parametrize("kind", ["keys", "oauth"])
@GAPS
def test_credentials_at_every_await_point(kind, path, gaps):
    assert each_cancellation(scenario_of(path, {"auth": kind}), gaps=gaps) >= 4 * (1 + len(gaps))


async def not_waited_for(*_):
    pass


LEAKS = {
    "places": (Gate, "leave", lambda *_: None),
    "the timer of a queue": (Limiter, "_serve", lambda *_: None),
    "leases": (Circuit, "release", lambda *_: None),
    "places in the server's count": (Pace, "give_back", lambda *_: None),
    "guards": (Watchdog, "leave", lambda *_: None),
    "budgets": (RetryBudget, "refund", lambda *_: None),
    "hedges": (Hedges, "leave", lambda *_: None),
    "flights": (_Flight, "_land", lambda *_: None),
    "a flight nobody waits for": (_Flight, "_end", not_waited_for),
    "the count of a queue": (WaitQueue, "_count", lambda queue, *_: setattr(queue, "length", queue.length + 1)),
}


@pytest.mark.parametrize(
    "leak",
    [pytest.param(leak, marks=pytest.mark.soak if leak == "places in the server's count" else ()) for leak in LEAKS],
)
def test_a_leak_is_seen(leak, monkeypatch):
    """Without each of the give-backs, one of the scenarios above goes red."""
    where, name, broken = LEAKS[leak]
    monkeypatch.setattr(where, name, broken)

    settings, gaps = {}, (1,)
    if where is Pace:  # nobody waits for the circuit: the answers that follow would tell the count anew
        settings, gaps = CASES["told"] | {"breaker": Breaker(minimum=3, count=6, open_for=6.0, jitter=0)}, (1, 3)

    def all_of_them():
        for path in PATHS:
            each_cancellation(scenario_of(path, settings), gaps=gaps)

    with pytest.raises((AssertionError, RuntimeError, TimeoutError, asyncio.InvalidStateError)):
        all_of_them()
