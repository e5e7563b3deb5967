"""A host's limits are kept without running into them, whether it tells them or only refuses; its pauses are never broken.

The simulations are benchmarks/simulator/workers.py: 200 workers in virtual time, a seeded event heap.
"""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator.workers import EPOCH, FixedWindow, TokenBucket, Workers

from asyncapi.sansio.limits.pacing import Pacer
from asyncapi.sansio.limits.ratelimit_headers import Quota


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
    pytest.param(TokenBucket, id="nothing told"),
    pytest.param(lambda: TokenBucket(retry_after=False), id="nothing told, no Retry-After"),
    pytest.param(lambda: TokenBucket(told=ietf), id="ietf"),
    pytest.param(lambda: TokenBucket(told=x_ratelimit), id="x-ratelimit"),
    pytest.param(lambda: TokenBucket(told=openai), id="openai"),
    pytest.param(lambda: FixedWindow(100, 1.0, told=ietf), id="windows of a second"),
    pytest.param(lambda: FixedWindow(1000, 10.0, told=window_of_ten), id="windows of ten seconds"),
    pytest.param(lambda: FixedWindow(600, 60.0, told=epoch_minute), id="windows of a minute"),
])  # fmt: skip
def test_a_hidden_limit_is_used_to_95_percent_with_under_one_percent_of_429s(server, seed):
    """After the first window."""
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


# --- one answer at a time ----------------------------------------------------------------------------------------


class Feed:
    """A pacer whose attempts are answered at once."""

    def __init__(self):
        self.pacer = Pacer()

    def send(self, now, *told, status=200, retry_after=None):
        self.pacer.take(now)
        self.pacer.observe(
            now, number=self.pacer.begin(), sent_at=now, told=told, status=status, retry_after=retry_after
        )

    def limit(self, now, *told, status=429, retry_after=None):
        """A limit that all share: three refused, and none taken between."""
        for _ in range(3):
            self.send(now, *told, status=status, retry_after=retry_after)

    def count(self, now, seconds):
        """Attempts that may go in this time, each answered without a word."""
        sent, end = 0, now + seconds
        while (now := now + max(0.0, self.pacer.delay(now))) < end and sent < 10_000:
            self.send(now)
            sent += 1
        return sent


@pytest.fixture
def feed():
    return Feed()


def window(limit, remaining, reset, **settings):
    return Quota("x-ratelimit", "", "requests", limit, remaining, reset, **settings)


def test_nothing_is_held_back_while_nothing_is_told_and_nothing_refused(feed):
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


def test_what_remains_is_spread_over_the_rest_of_the_window(feed):
    feed.send(0.0, window(1000, 200, 100))
    assert feed.count(0.0, 50) == pytest.approx(100, abs=2)
    assert feed.count(50.0, 49.9) == pytest.approx(100, abs=2)


def test_with_nothing_left_it_waits_for_the_reset_and_then_knows_the_new_window(feed):
    feed.send(0.0, window(10, 0, 30))
    assert feed.pacer.delay(0.0) == 30
    assert feed.pacer.delay(30.0) <= 0
    assert feed.count(30.0, 29.9) <= 10
    assert feed.pacer.delay(500.0) <= 0


def test_an_idle_while_begins_a_new_window(feed):
    feed.send(0.0, window(10, 0, 30))
    assert feed.count(100.0, 30.0) == pytest.approx(10, abs=1)


def test_attempts_under_way_are_taken_off_what_an_answer_tells(feed):
    pacer = feed.pacer
    for _ in range(10):
        pacer.take(0.0)
        pacer.begin()
    pacer.observe(0.1, number=1, sent_at=0.0, told=[window(100, 9, 30)])
    assert pacer.delay(0.1) == pytest.approx(30.0)


def test_an_answer_from_the_window_before_is_no_news(feed):
    feed.send(0.0, window(10, 0, 30))
    feed.send(30.5, window(10, 9, 29.5))
    feed.send(31.0, window(10, 0, 0))
    assert feed.pacer.delay(31.0) < 5


def test_a_reset_that_moves_along_is_a_sliding_window(feed):
    for second in range(4):
        feed.send(float(second), window(600, 0, 60))
    assert feed.pacer.delay(3.0) == pytest.approx(0.2, abs=0.05)  # at least; not 60 s


def test_a_bucket_tells_when_it_will_be_full_and_so_its_rate(feed):
    told = Quota("openai", "requests", "requests", 100, 0, 10.0)
    feed.send(0.0, told)
    feed.send(0.1, told)
    assert feed.pacer.delay(0.1) == pytest.approx(0.2, abs=0.01)
    nearly_full = Quota("openai", "requests", "requests", 100, 99, 0.001)
    feed.send(50.0, nearly_full)
    assert feed.pacer.delay(50.0) <= 0


def test_tokens_are_counted_by_what_an_attempt_is_seen_to_cost(feed):
    for number in range(20):
        left = 90_000 - 2000 * number
        feed.send(number * 1.0, Quota("x-ratelimit", "tokens", "tokens", 100_000, left, 100.0 - number))
    feed.pacer.observe(
        20.0, number=20, sent_at=19.0, told=[Quota("x-ratelimit", "tokens", "tokens", 100_000, 20_000, 80.0)]
    )
    assert feed.count(20.0, 79.0) == pytest.approx(10, abs=2)


def test_tokens_that_come_back_meanwhile_are_no_negative_cost(feed):
    for remaining in (500, 900, 100):
        feed.send(0.0, Quota("x-ratelimit", "tokens", "tokens", 1000, remaining, 60.0))
    assert feed.count(0.0, 30.0) < 20


def test_a_policy_without_a_count_and_a_count_without_a_time_hold_nothing_back(feed):
    feed.send(0.0, Quota("ietf", "hour", "requests", 9, None, None, 3600.0))
    feed.send(0.0, Quota("ietf", "odd", "requests", None, 0, None))
    feed.send(0.0, Quota("openai", "requests", "requests", None, 0, None))
    feed.send(0.0, Quota("ietf", "odd window", "requests", None, 1, None, 1.0))
    assert feed.pacer.delay(0.0) <= 0
    assert feed.pacer.interval == 0


def test_one_name_for_several_limits_is_left_alone(feed):
    """As GitHub's resources, or an LLM's models: it can't be told which one the next attempt falls under."""
    for number in range(6):
        limit = 30 if number % 2 else 5000
        feed.send(float(number), Quota("github", f"r{limit}", "requests", limit, 0, 60.0))
    assert feed.pacer.delay(6.0) <= 0


def test_a_host_keeps_no_more_than_sixteen_quotas(feed):
    feed.send(0.0, *(Quota("ietf", str(number), "requests", 10, 5, 60.0) for number in range(50)))
    assert len(feed.pacer._quotas._levels) == 16


@pytest.mark.parametrize(
    ("status", "retry_after", "pause"),
    [(429, 7.0, 7), (503, 7.0, 0), (403, 7.0, 7), (503, None, 0), (403, None, 0), (500, 7.0, 0), (200, 7.0, 0)],
)
def test_which_answers_pause_everyone(feed, status, retry_after, pause):
    feed.limit(0.0, status=status, retry_after=retry_after)
    assert feed.pacer.delay(0.0) == pytest.approx(pause, abs=0.001)
    assert feed.pacer.singly.delay(0.0) == pytest.approx(pause, abs=0.001)


def test_nothing_shortens_a_pause(feed):
    feed.limit(0.0, retry_after=60.0)
    feed.send(1.0, status=429, retry_after=1.0)
    feed.send(1.0, status=429)
    assert feed.pacer.pause.until == 60
    assert feed.pacer.delay(2.0) >= 58


def test_a_429_that_the_told_quota_explains_teaches_no_rate(feed):
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
    pacer.observe(0.0, number=pacer.begin(), sent_at=0.0, told=[window(100, 1, 30)])
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
def test_whatever_is_told_the_wait_is_a_finite_time_and_never_breaks_a_pause(events):
    pacer, now = Pacer(), 0.0
    for wait, elapsed, told, status, retry_after, sent in events:
        now += wait
        pacer.take(now)
        if not sent:
            pacer.give_back()
        pacer.observe(
            now + elapsed, number=pacer.begin(), sent_at=now, told=told, status=status, retry_after=retry_after
        )
        now += elapsed
        for delay in (pacer.delay(now), pacer.singly.delay(now)):
            assert delay < float("inf")
            assert now + max(0.0, delay) >= min(pacer.pause.until, now + 60.0) - 1e-6 or pacer.pause.until - now > 60
