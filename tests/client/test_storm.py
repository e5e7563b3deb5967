"""A storm: a host that answers only 503 is not buried under retries."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tenacity import retry_if_exception_type, wait_fixed

from asyncapi import BudgetSpent, Client, CostBudget, RateLimit, Retry, ServerError
from asyncapi.settings import Budget
from asyncapi.testing import FakeClock, MockTransport, reply, run

MINUTE = 60.0
RATIO, FLOOR = 0.2, 10.0


class Service:
    """A host that works until it breaks, and a steady stream of calls to it."""

    def __init__(self, retry: Retry | int | None = Retry(), takes: float = 0.05, **settings) -> None:  # noqa: B008 - frozen
        self.clock = FakeClock()
        self.broken = False
        self.takes = takes
        self.offered = self.received = 0
        self.errors: list[ServerError] = []
        self.client = Client(
            "https://h",
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            retry=retry,
            timeout=None,
            **settings,
        )

    async def answer(self, _):
        self.received += 1
        await asyncio.sleep(self.takes)
        return reply(503 if self.broken else 200)

    async def call(self) -> None:
        self.offered += 1
        try:
            await self.client.get("/")
        except ServerError as error:
            self.errors.append(error)

    async def offer(self, per_second: float, seconds: float) -> None:
        """Start calls at a steady rate; wait until all have ended."""
        end, calls = self.clock.now() + seconds, set()
        while self.clock.now() < end:
            calls.add(asyncio.create_task(self.call()))
            await asyncio.sleep(1 / per_second)
        await asyncio.gather(*calls)


def allowed(service: Service, seconds: float) -> float:
    """1.2 x what was offered, the floor, and what of the floor comes back in this time."""
    return (1 + RATIO) * service.offered + FLOOR * (1 + seconds / 300.0)


@pytest.mark.parametrize(
    ("per_second", "concurrency"),
    [
        (1, 1),
        (1, 100),
        (20, 10),
        (20, None),
        pytest.param(80, 1, marks=pytest.mark.soak),
        pytest.param(80, 100, marks=pytest.mark.soak),
    ],
)
def test_a_minute_of_503_receives_at_most_1_2_times_what_was_offered_plus_the_floor(per_second, concurrency):
    async def scenario():
        service = Service(takes=0.001, concurrency=concurrency)
        service.broken = True
        await service.offer(per_second, MINUTE)
        assert service.offered == pytest.approx(per_second * MINUTE, abs=1)
        assert service.received <= allowed(service, service.clock.now())
        assert service.received > service.offered  # and retries there were
        assert len(service.errors) == service.offered
        assert sum(isinstance(error.__cause__, BudgetSpent) for error in service.errors) > 0.7 * service.offered

    run(scenario())


@pytest.mark.parametrize(("per_second", "healthy"), [(1, 3600), (40, 60)])
def test_a_healthy_hour_before_saves_up_for_a_few_seconds_only(per_second, healthy):
    async def scenario():
        service = Service()
        await service.offer(per_second, healthy)
        before = service.received
        assert before == service.offered
        service.broken, service.offered, service.received = True, 0, 0
        await service.offer(per_second, MINUTE)
        kept = RATIO * per_second * 2  # the unused share of at most two windows of a second
        assert service.received <= allowed(service, MINUTE + 10) + kept

    run(scenario())


def test_attempts_without_a_budget_show_what_the_budget_saves():
    async def scenario():
        service = Service(Retry(budget=None))
        service.broken = True
        await service.offer(20, MINUTE)
        assert service.received == 4 * service.offered

    run(scenario())


def test_the_budget_recovers_when_the_host_does():
    async def scenario():
        service = Service()
        service.broken = True
        await service.offer(20, MINUTE)
        assert service.client.stats.budget["h"] < FLOOR / 4
        service.broken = False
        await service.offer(20, MINUTE)
        assert service.client.stats.budget["h"] >= FLOOR / 3
        service.broken = True
        service.received = 0
        await service.call()
        assert service.received == 4  # a single failure is retried again as ever

    run(scenario())


def test_calls_that_opt_out_of_the_budget_do_not_spend_it():
    async def scenario():
        service = Service()
        service.broken = True
        for _ in range(10):
            with pytest.raises(ServerError) as caught:
                await service.client.get("/", retry=Retry(3, budget=None))
            assert caught.value.__cause__ is None
        assert service.received == 30
        assert service.client.stats.budget["h"] >= FLOOR

    run(scenario())


def test_a_budget_of_ones_own_is_kept():
    async def scenario():
        service = Service(Retry(budget=Budget(ratio=0.5, floor=0)))
        service.broken = True
        await service.offer(20, MINUTE)
        assert 1.3 * service.offered <= service.received <= 1.5 * service.offered

    run(scenario())


def test_every_host_that_breaks_has_its_own_storm():
    async def scenario():
        service = Service()
        service.broken = True
        for host in ("a", "b", "c"):
            for _ in range(50):
                with pytest.raises(ServerError):
                    await service.client.get(f"https://{host}/")
        assert service.received <= 3 * ((1 + RATIO) * 50 + FLOOR * (1 + service.clock.now() / 60))
        assert set(service.client.stats.budget) == {"a", "b", "c"}

    run(scenario())


def test_a_storm_through_map_is_held_too():
    async def scenario():
        service = Service()
        service.broken = True
        async with service.client.map(f"/{n}" for n in range(2000)) as outcomes:
            failed = sum([not outcome.ok async for outcome in outcomes])
        assert failed == 2000
        assert service.received <= (1 + RATIO) * 2000 + FLOOR * (1 + service.clock.now() / 60)

    run(scenario())


def test_a_cost_budget_in_a_client_ends_retries_and_successes_bring_them_back():
    async def scenario():
        clock = FakeClock()
        status = [503]
        transport = MockTransport(lambda request: reply(status[0]), clock=clock)
        retry = Retry(attempts=3, budget=CostBudget(20, retry=5, timeout=10, payback=1))
        async with Client("https://h", transport=transport, clock=clock, retry=retry, raise_for_status=False) as api:
            down = [len((await api.get("/x")).attempts) for _ in range(4)]
            status[0] = 200
            for _ in range(10):
                await api.get("/x")
            status[0] = 503
            again = [len((await api.get("/x")).attempts) for _ in range(2)]
        return down, again

    assert run(scenario()) == ([3, 3, 1, 1], [3, 1])


@pytest.mark.parametrize("more", [{}, {"retry": retry_if_exception_type(ServerError)}])
def test_successes_pay_a_cost_budget_back_whatever_the_policy_retries(more):
    async def scenario():
        clock, statuses = FakeClock(), itertools.cycle([503, 200])
        transport = MockTransport(lambda request: reply(next(statuses)), clock=clock)
        retry = Retry(3, budget=CostBudget(20), **more)
        async with Client("https://h", transport=transport, clock=clock, retry=retry) as api:
            for _ in range(100):
                assert (await api.get("/x")).status == 200

    run(scenario())


@pytest.mark.parametrize("pace", [True, False])
def test_a_cost_budget_counts_refusals_for_a_limit_too(pace):
    async def scenario():
        clock = FakeClock()
        transport = MockTransport(lambda request: reply(429, headers={"Retry-After": "1"}), clock=clock)
        retry = Retry(4, budget=CostBudget(10, retry=5))
        settings = {"clock": clock, "retry": retry, "pace": pace, "raise_for_status": False}
        async with Client("https://h", transport=transport, **settings) as api:
            assert len((await api.get("/x")).attempts) == 3
            assert api.stats.held_back["budget"] == 1

    run(scenario())


@pytest.mark.parametrize("budget", [Budget(), CostBudget(20)])
@pytest.mark.parametrize("how", ["cancelled", "deadline", "refused"])
def test_a_retry_that_is_not_sent_after_all_gives_back_what_it_paid(how, budget):
    """Cancelled during its backoff, or turned away by a line of ours: the budget is for retries that were sent."""

    async def scenario():
        limits = {"rate": RateLimit(1, per=1000), "wait": False} if how == "refused" else {}
        service = Service(Retry(4, wait=wait_fixed(10), budget=budget), **limits)
        service.broken = True
        full = service.client._state.budgets["h"].tokens
        call = asyncio.create_task(service.client.get("/", timeout=5 if how == "deadline" else None))
        await asyncio.sleep(1)
        if how == "cancelled":
            call.cancel()
        await asyncio.wait([call])
        assert call.cancelled() == (how == "cancelled")
        assert service.received == 1
        assert service.client.stats.budget["h"] >= full

    run(scenario())


def test_a_retry_that_was_sent_is_paid_for_even_if_it_is_cancelled():
    async def scenario():
        service = Service(Retry(4, wait=wait_fixed(1), budget=Budget(ratio=0)), takes=1)
        service.broken = True
        call = asyncio.create_task(service.client.get("/"))
        await asyncio.sleep(2.5)
        call.cancel()
        await asyncio.wait([call])
        assert service.received == 2
        assert service.client.stats.budget["h"] == pytest.approx(FLOOR - 1, abs=0.1)

    run(scenario())
