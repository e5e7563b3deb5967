"""tenacity's strategies are the configuration language of retries: they work as they are."""

from __future__ import annotations

import asyncio

import pytest
import tenacity
from tenacity import (
    retry_all,
    retry_always,
    retry_any,
    retry_if_exception,
    retry_if_exception_message,
    retry_if_exception_type,
    retry_if_not_exception_type,
    retry_if_not_result,
    retry_if_result,
    retry_never,
    stop_after_attempt,
    stop_after_delay,
    stop_before_delay,
    stop_never,
    stop_when_event_set,
    wait_chain,
    wait_combine,
    wait_exponential,
    wait_exponential_jitter,
    wait_fixed,
    wait_incrementing,
    wait_none,
    wait_random,
    wait_random_exponential,
)
from tenacity.asyncio import retry_if_exception as retry_if_exception_async
from tenacity.asyncio import retry_if_result as retry_if_result_async

from asyncapi import (
    AsyncAPIError,
    Client,
    ConnectError,
    NotFound,
    RateLimited,
    Retry,
    ServerError,
    StatusError,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Host:
    """Answers from a list, the last one for ever; keeps the times of the attempts."""

    def __init__(self, retry: Retry, *answers, timeout=None, **settings) -> None:
        self.clock = FakeClock()
        self.times: list[float] = []
        self._answers = list(answers)
        self.client = Client(
            "https://h",
            transport=MockTransport(self._handle, clock=self.clock),
            clock=self.clock,
            retry=retry,
            timeout=timeout,
            **settings,
        )

    def _handle(self, request):
        self.times.append(self.clock.now())
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def waits(self) -> list[float]:
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


def attempts(retry: Retry, *answers, **settings) -> Host:
    """Run one call to its end."""

    async def scenario():
        host = Host(retry, *answers, **settings)
        try:
            host.result = await host.client.get("/")
        except AsyncAPIError as error:
            host.result = error
        return host

    return run(scenario())


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (stop_after_attempt(3), [0, 1, 2]),
        (stop_after_delay(3.5), [0, 1, 2, 3, 4]),
        (stop_before_delay(3.5), [0, 1, 2, 3]),
        (stop_after_attempt(9) | stop_before_delay(2.5), [0, 1, 2]),
        (stop_after_attempt(2) & stop_after_delay(2.5), [0, 1, 2, 3]),
        (lambda state: state.attempt_number == 4, [0, 1, 2, 3]),
        (lambda state: state.idle_for >= 3, [0, 1, 2, 3]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_stop_strategies(stop, expected):
    host = attempts(Retry(stop=stop, wait=wait_fixed(1)), reply(503))
    assert host.times == expected
    assert "the stop strategy ended it" in host.result.attempts[-1].then


def test_without_a_bound_of_its_own_a_stop_strategy_is_the_only_bound():
    host = attempts(Retry(stop=stop_never, wait=wait_none(), budget=None), *[reply(503)] * 500, reply())
    assert host.result.status == 200
    assert len(host.times) == 501


def test_attempts_and_a_stop_strategy_both_bound():
    assert len(attempts(Retry(2, stop=stop_after_attempt(5)), reply(503)).times) == 2
    assert len(attempts(Retry(5, stop=stop_after_attempt(2)), reply(503)).times) == 2


def test_an_event_that_is_set_while_it_waits_stops_it():
    async def scenario():
        event = asyncio.Event()
        host = Host(Retry(stop=stop_when_event_set(event), wait=wait_fixed(1)), reply(503))
        asyncio.get_running_loop().call_at(2.5, event.set)
        with pytest.raises(ServerError):
            await host.client.get("/")
        assert host.times == [0, 1, 2, 3]

    run(scenario())


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (wait_fixed(2), [2, 2, 2, 2]),
        (wait_none(), [0, 0, 0, 0]),
        (wait_incrementing(start=1, increment=2), [1, 3, 5, 7]),
        (wait_exponential(multiplier=1, max=5), [1, 2, 4, 5]),
        (wait_chain(wait_fixed(1), wait_fixed(3), wait_fixed(9)), [1, 3, 9, 9]),
        (wait_combine(wait_fixed(1), wait_incrementing(start=1, increment=1)), [2, 3, 4, 5]),
        (wait_fixed(1) + wait_fixed(2), [3, 3, 3, 3]),
        (wait_exponential_jitter(initial=1, max=100, jitter=0), [1, 2, 4, 8]),
        (getattr(tenacity, "wait_exception", lambda _: wait_fixed(1))(lambda error: error.status / 503), [1, 1, 1, 1]),
        (lambda state: state.attempt_number * 10, [10, 20, 30, 40]),
        (lambda state: -1.0, [0, 0, 0, 0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wait_strategies(wait, expected):
    assert attempts(Retry(5, wait=wait), reply(503)).waits == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wait", "least", "most"),
    [
        (wait_random(2, 3), [2, 2, 2], [3, 3, 3]),
        (wait_random_exponential(multiplier=1, max=3), [0, 0, 0], [1, 2, 3]),
        (wait_exponential_jitter(initial=1, max=10, jitter=1), [1, 2, 4], [2, 3, 5]),
        (wait_fixed(1) + wait_random(0, 1), [1, 1, 1], [2, 2, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wait_strategies_with_chance_in_them(wait, least, most):
    for _ in range(20):
        waits = attempts(Retry(4, wait=wait), reply(503)).waits
        assert all(low - 1e-9 <= one <= high + 1e-9 for low, one, high in zip(least, waits, most, strict=True))


def test_what_the_server_says_goes_before_a_wait_strategy():
    host = attempts(Retry(3, wait=wait_fixed(2)), reply(503, headers={"Retry-After": "7"}), reply(503))
    assert host.waits == [7, 2]


def test_a_strategy_sees_when_the_server_asked_it_to_come_back():
    seen = []

    def predicate(state):
        seen.append(state.outcome.exception().retry_after)
        return False

    attempts(Retry(retry=predicate), reply(429, headers={"Retry-After": "9"}))
    attempts(Retry(retry=predicate), reply(429))
    assert seen == [9.0, None]


limited, missing, broken, found = reply(429), reply(404), reply(503), reply(200)
refused = ConnectError("refused")
PENDING = reply(202)


@pytest.mark.parametrize(
    ("retry", "answers", "expected"),
    [
        (retry_if_exception_type(RateLimited), [limited, limited, found], 3),
        (retry_if_exception_type(RateLimited), [broken], 1),
        (retry_if_exception_type((RateLimited, ServerError)), [limited, broken, found], 3),
        (retry_if_exception_type(StatusError), [missing, missing, found], 3),
        (retry_if_exception_type(RateLimited) | retry_if_exception_type(ConnectError), [refused, limited, found], 3),
        (retry_if_exception_type(StatusError) & retry_if_not_exception_type(NotFound), [broken, missing], 2),
        (retry_if_exception(lambda error: getattr(error, "status", 0) == 404), [missing, found], 2),
        (retry_if_exception_message(match=r".*503"), [broken, limited], 2),
        (retry_if_result(lambda response: response.status == 202), [PENDING, PENDING, found], 3),
        (retry_if_not_result(lambda response: response.status == 200), [PENDING, PENDING, found], 3),
        (
            retry_if_exception_type(ServerError) | retry_if_result(lambda response: response.status == 202),
            [broken, PENDING, found],
            3,
        ),
        (retry_any(retry_if_exception_type(ConnectError), retry_if_exception_type(ServerError)), [refused, broken, found], 3),
        (retry_all(retry_if_exception_type(StatusError), retry_if_exception_type(ServerError)), [broken, limited], 2),
        (retry_never, [broken], 1),
        (retry_always, [found], 5),
        (lambda state: state.outcome.failed, [broken, missing, found], 3),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, list) else "",
)  # fmt: skip
def test_retry_strategies(retry, answers, expected):
    host = attempts(Retry(5, retry=retry, wait=wait_none(), budget=None), *answers)
    assert len(host.times) == expected


async def is_limited(error):
    await asyncio.sleep(0)
    return isinstance(error, RateLimited)


async def is_pending(response):
    await asyncio.sleep(0)
    return response.status == 202


@pytest.mark.parametrize(
    ("retry", "answers", "expected"),
    [
        (retry_if_exception_async(is_limited), [limited, limited, broken], 3),
        (retry_if_result_async(is_pending), [PENDING, found], 2),
        (retry_if_exception_async(is_limited) | retry_if_result_async(is_pending), [limited, PENDING, found], 3),
        (retry_if_exception_type(ServerError) | retry_if_exception_async(is_limited), [broken, limited, found], 3),
        (retry_if_exception_async(is_limited) | retry_if_exception_type(ServerError), [broken, limited, found], 3),
        (retry_if_exception_async(is_limited) & retry_if_exception_type(ServerError), [limited], 1),
        (retry_if_exception_type(StatusError) & retry_if_exception_async(is_limited), [limited, broken], 2),
    ],
)
def test_asynchronous_predicates_alone_and_composed_with_plain_ones(retry, answers, expected):
    host = attempts(Retry(5, retry=retry, wait=wait_none()), *answers)
    assert len(host.times) == expected


def test_stop_and_wait_strategies_may_be_coroutine_functions_too():
    async def wait(state):
        await asyncio.sleep(0)
        return state.attempt_number

    async def stop(state):
        await asyncio.sleep(0)
        return state.attempt_number == 3

    assert attempts(Retry(stop=stop, wait=wait), reply(503)).waits == [1, 2]


def test_a_wait_strategys_wait_is_held_against_the_deadline():
    host = attempts(Retry(wait=wait_fixed(100)), reply(503), timeout=50.0)
    assert host.times == [0]
    assert host.result.phase == "backoff"


def test_a_strategy_chooses_what_is_retried_but_never_makes_a_payment_twice():
    async def scenario():
        host = Host(Retry(retry=retry_always), reply(503))
        with pytest.raises(ServerError):
            await host.client.post("/pay", json={"amount": 1})
        assert len(host.times) == 1

    run(scenario())


def test_a_strategy_that_raises_is_the_users_bug_and_surfaces_as_it_is():
    async def scenario():
        def broken_strategy(state):
            raise LookupError("my bug")

        host = Host(Retry(retry=broken_strategy), reply(503))
        with pytest.raises(LookupError, match="my bug"):
            await host.client.get("/")
        assert host.client.stats.in_flight == 0
        assert host.client._state.gate.free == 100

    run(scenario())


def test_without_raise_for_status_the_last_answer_comes_back_whatever_the_strategy():
    host = attempts(Retry(3, retry=retry_if_exception_type(ServerError)), reply(503), raise_for_status=False)
    assert host.result.status == 503
    assert len(host.result.attempts) == 3


def test_the_first_attempt_runs_bare():
    """No state is built, and no strategy but the predicate on results is asked, where nothing failed."""

    def never(state):
        raise AssertionError("asked")

    assert attempts(Retry(stop=never, wait=never), reply()).result.status == 200
