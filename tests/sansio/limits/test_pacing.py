"""A host's limits are used without running into them, whether it states them or only refuses; no pause is broken.

The simulations are benchmarks/simulator/workers.py: 200 workers in virtual time, a seeded event heap.
"""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator.workers import EPOCH, FixedWindow, TokenBucket, Workers

from asyncapi.sansio.limits.pacing import Pacer
from asyncapi.sansio.limits.ratelimit_headers import Quota
from pacer_feed import Feed, window


def ietf(left, full, now):
    return {"RateLimit-Policy": '"default";q=100;w=1', "RateLimit": f'"default";r={int(left)};t=1'}


def x_ratelimit(left, full, now):
    return {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": str(int(left)), "X-RateLimit-Reset": "1"}


def openai(left, full, now):
    return {
        "x-ratelimit-limit-requests": "20", "x-ratelimit-remaining-requests": str(int(left)),
        "x-ratelimit-reset-requests": f"{int(full * 1000)}ms",
    }  # fmt: skip


def window_of_ten(left, full, now):
    return {"RateLimit-Policy": '"w";q=1000;w=10', "RateLimit": f'"w";r={int(left)};t={ceil(full)}'}


def epoch_minute(left, full, now):
    return {
        "X-RateLimit-Limit": "600", "X-RateLimit-Remaining": str(int(left)),
        "X-RateLimit-Reset": str(ceil(EPOCH + now + full)),
    }  # fmt: skip


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
@pytest.mark.parametrize("server", [
    pytest.param(TokenBucket, id="nothing stated"),
    pytest.param(lambda: TokenBucket(retry_after=False), id="nothing stated, no Retry-After"),
    pytest.param(lambda: TokenBucket(told=ietf), id="ietf"),
    pytest.param(lambda: TokenBucket(told=x_ratelimit), id="x-ratelimit"),
    pytest.param(lambda: TokenBucket(told=openai), id="openai"),
    pytest.param(lambda: FixedWindow(100, 1.0, told=ietf), id="windows of a second"),
    pytest.param(lambda: FixedWindow(1000, 10.0, told=window_of_ten), id="windows of ten seconds"),
    pytest.param(lambda: FixedWindow(600, 60.0, told=epoch_minute), id="windows of a minute"),
])  # fmt: skip
def test_a_hidden_limit_is_used_to_95_percent_with_under_one_percent_of_429s(server, seed):
    """After the first window, with under one percent of 429s."""
    made = server()
    seen = Workers(Pacer(), made, seed=seed).run(190)
    assert seen.rate(10, 190) >= 0.95 * made.rate
    assert seen.refusals(10, 190) < 0.01
    assert seen.broken == 0


@pytest.mark.parametrize("told", [ietf, openai])
def test_over_a_long_way_the_attempts_under_way_are_counted(told):
    seen = Workers(Pacer(), TokenBucket(told=told), round_trip=0.3).run(60)
    assert seen.rate(10, 60) >= 95
    assert seen.refusals(10, 60) < 0.01


@pytest.mark.parametrize("round_trip", [0.02, 0.3])
@pytest.mark.parametrize("burst", [1, 20, 90])
def test_no_worker_of_200_sends_before_retry_after_and_all_come_back_spaced(burst, round_trip):
    seen = Workers(Pacer(), TokenBucket(burst=burst), round_trip=round_trip).run(60)
    assert sum(seen.refused) > 0
    assert seen.broken == 0
    assert seen.busiest <= 6


def test_a_window_that_is_only_refused_is_learned_too():
    seen = Workers(Pacer(), FixedWindow(1000, 10.0)).run(190)
    assert seen.rate(10, 190) >= 95
    assert seen.refusals(10, 190) < 0.01


def test_with_refusals_alone_a_used_up_window_is_asked_less_and_less_often():
    seen = Workers(Pacer(), FixedWindow(600, 60.0, retry_after=False), workers=20).run(60)
    assert sum(seen.ok) == 600
    assert sum(seen.refused) < 60


def test_a_server_that_has_grown_is_used_again():
    server = TokenBucket()
    workers = Workers(Pacer(), server)
    workers._at(60.0, lambda now: setattr(server, "rate", 400.0))
    seen = workers.run(240)
    assert seen.rate(200, 240) >= 300


# --- one response at a time ----------------------------------------------------------------------------------------


@pytest.fixture
def feed():
    return Feed()


def test_nothing_is_held_back_without_a_stated_limit_or_a_refusal(feed):
    for number in range(1000):
        feed.send(number * 1e-6, status=200 if number % 3 else 500)
        assert feed.pacer.delay(number * 1e-6) == 0
    assert not feed.pacer.active
    assert feed.pacer.interval == 0


def test_with_most_of_a_quota_left_attempts_go_as_they_come(feed):
    feed.send(0.0, window(5000, 4990, 3000))
    assert feed.count(0.0, 0.001) == pytest.approx(2490, abs=6)
    assert feed.pacer.delay(0.0) > 0


def test_timers_that_wake_late_cost_hardly_any_rate():
    def sent(late):
        feed, now = Feed(), 2.5
        for number in range(200):
            feed.send(number / 100)
        feed.limit(2.0)
        feed.send(now)
        while (now := now + max(0.0, feed.pacer.delay(now))) < 4.5:
            now += late
            feed.send(now)
        return feed.pacer.sent - 204

    assert sent(0.004) >= 0.85 * sent(0.0)


def test_attempts_under_way_are_taken_off_what_a_response_states(feed):
    pacer = feed.pacer
    for _ in range(10):
        pacer.take(0.0)
        pacer.begin()
    pacer.observe(0.1, number=1, sent_at=0.0, quotas=[window(100, 9, 30)])
    assert pacer.delay(0.1) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("status", "retry_after", "pause"),
    [(429, 7.0, 7), (503, 7.0, 0), (403, 7.0, 7), (503, None, 0), (403, None, 0), (500, 7.0, 0), (200, 7.0, 0)],
)
def test_which_responses_pause_everyone(feed, status, retry_after, pause):
    feed.limit(0.0, status=status, retry_after=retry_after)
    assert feed.pacer.delay(0.0) == pytest.approx(pause, abs=0.001)
    assert feed.pacer.singly.delay(0.0) == pytest.approx(pause, abs=0.001)


def test_nothing_shortens_a_pause(feed):
    feed.limit(0.0, retry_after=60.0)
    feed.send(1.0, status=429, retry_after=1.0)
    feed.send(1.0, status=429)
    assert feed.pacer.pause.until == 60
    assert feed.pacer.delay(2.0) >= 58


def test_a_429_that_a_used_up_quota_explains_teaches_no_rate(feed):
    for second in range(3):
        feed.send(float(second))
    feed.limit(3.0, window(10, 0, 5), retry_after=5.0)
    feed.send(8.0)
    assert feed.pacer.estimate.curve is None
    feed.limit(9.0, retry_after=5.0)
    feed.send(14.0)
    before = feed.pacer.estimate.curve._top
    feed.limit(15.0, window(10, 0, 5), retry_after=5.0)
    feed.send(20.0)
    assert feed.pacer.estimate.curve._top == before


def test_taking_and_asking_in_one_is_as_both_apart(feed):
    pacer = feed.pacer
    assert pacer.available(0.0) == float("inf")
    assert pacer.try_take(0.0)
    pacer.observe(0.0, number=pacer.begin(), sent_at=0.0, quotas=[window(100, 1, 30)])
    assert pacer.available(0.0) == 1
    assert pacer.try_take(0.0)
    assert pacer.available(0.0) == 0
    assert not pacer.try_take(0.0)
    assert pacer.sent == 2


def test_a_mere_guess_holds_nobody_for_long(feed):
    """A quiet client that meets one 429 is not slowed to the pace of its own quiet."""
    for number in range(5):
        feed.send(100.0 * number)
    feed.limit(500.0, retry_after=1.0)
    feed.send(501.0)
    assert feed.pacer.delay(501.0) <= 0.2
    feed.limit(600.0, retry_after=1.0)
    feed.send(601.0)
    assert feed.pacer.delay(601.0) <= 0.5


def test_a_probe_that_gets_through_frees_the_rest(feed):
    feed.limit(0.0)
    for seconds in (1.0, 2.0, 4.0):
        feed.send(seconds, status=429)
    assert feed.pacer.delay(4.0) >= 1
    feed.send(10.0)
    assert feed.pacer.delay(10.0) <= 0.5


def test_an_attempt_that_is_not_sent_after_all_gives_its_place_back(feed):
    pacer = feed.pacer
    feed.send(0.0, window(1000, 200, 100))
    pacer.take(0.0)
    before = pacer.delay(0.0)
    pacer.take(before)
    pacer.give_back()
    assert pacer.delay(0.0) == pytest.approx(before, rel=0.01)


def test_a_heavier_attempt_takes_more(feed):
    feed.send(0.0, window(1000, 200, 100))
    feed.pacer.take(0.0, 10.0)
    assert feed.pacer.delay(0.0) == pytest.approx(5.0, rel=0.1)


NUMBERS = st.one_of(st.none(), st.integers(0, 10**9).map(lambda number: number / 1000))
QUOTAS = st.builds(
    Quota,
    st.sampled_from(["ietf", "x-ratelimit", "github", "openai"]),
    st.sampled_from(["", "a", "tokens"]),
    st.sampled_from(["requests", "tokens"]),
    NUMBERS, NUMBERS, NUMBERS, NUMBERS,
)  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100), st.floats(0, 50), st.lists(QUOTAS, max_size=3), st.sampled_from([200, 429, 403, 503, None]),
            st.one_of(st.none(), st.floats(0, 100)), st.booleans(),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_whatever_comes_back_the_wait_is_finite_and_never_breaks_a_pause(events):
    pacer, now = Pacer(), 0.0
    for wait, elapsed, told, status, retry_after, sent in events:
        now += wait
        pacer.take(now)
        if not sent:
            pacer.give_back()
        pacer.observe(
            now + elapsed, number=pacer.begin(), sent_at=now, quotas=told, status=status, retry_after=retry_after
        )
        now += elapsed
        for delay in (pacer.delay(now), pacer.singly.delay(now)):
            assert delay < float("inf")
            assert now + max(0.0, delay) >= min(pacer.pause.until, now + 60.0) - 1e-6 or pacer.pause.until - now > 60
