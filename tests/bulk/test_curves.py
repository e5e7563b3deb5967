"""What of a time line is plotted."""

from types import SimpleNamespace

import pytest

from asyncapi.bulk.curves import Curves, latencies
from asyncapi.bulk.tally import Tally
from asyncapi.messages.call import Attempt
from asyncapi.messages.target import Target


@pytest.fixture
def tally():
    made = Tally()
    target = Target("https://h/", "h", "/", secure=True)
    once = Attempt(1, "GET", target, "first", 0.0, 0.0, status=200, held="rate 0.2 s behind 3")
    again = Attempt(2, "GET", target, "retry: 503", 0.0, 0.0, status=200)
    for number in range(100):
        row = {"id": number, "url": "https://h/", "status": 200, "ok": number % 5 > 0, "attempts": 1, "elapsed_ms": number + 1.0,
               "at": "", "error": "ServerError: 503", "bytes": 100}  # fmt: skip
        attempts = (once, again) if number % 10 == 0 else (once,)
        outcome = SimpleNamespace(request=SimpleNamespace(target=target), attempts=attempts, from_cache=False)
        made.add(row, outcome, number / 10)
    for look in range(50):
        made.sample(look / 5, in_flight=4, queued=7, paused=float(look > 40), held={"pace": int(look < 10)})
    return made


def test_throughput_is_rows_a_second_with_pauses_and_limits(tally):
    plot = Curves(tally.timeline, 10.0).throughput(12.0)
    for words in (
        "ok",
        "failed",
        "paused by the server",
        "held back by pace",
        "limited by rate",
        "limit 12 requests a second",
    ):
        assert f"{words}</span>" in plot
    assert "ok 10/s" in plot


def test_without_failures_there_is_one_series(tally):
    for bucket in tally.timeline.buckets:
        bucket.failed = 0
    assert "failed" not in Curves(tally.timeline, 10.0).throughput(None)


def test_latency_has_the_quantiles_of_each_span(tally):
    plot = Curves(tally.timeline, 10.0).latency()
    assert all(f"{name}</span>" in plot for name in ("p50", "p95", "p99"))
    assert all(name in latencies(tally) for name in ("p50", "p95", "p99"))


def test_the_state_holds_between_two_looks(tally):
    plot = Curves(tally.timeline, 10.0).state(5)
    assert plot.count("<svg") == 2
    assert "in flight 4," in plot
    assert "queued 7," in plot
    assert "limit 5 at a time" in plot


def test_bytes_and_retries_are_a_second(tally):
    assert "decoded 1 kB" in Curves(tally.timeline, 10.0).bytes()
    assert "retries 10/s" in Curves(tally.timeline, 10.0).retries()


def test_time_after_the_last_row_is_shown(tally):
    ends = Curves(tally.timeline, 100.0)
    assert ends._edges[-1] == 100.0
    assert len(ends._edges) == len(ends._buckets) + 1


@pytest.mark.parametrize("elapsed", [0.0, 0.001, 5.0])
def test_a_single_row_can_be_plotted(elapsed):
    single = Tally()
    row = {"id": 1, "url": "https://h/", "status": 200, "ok": True, "attempts": 1, "elapsed_ms": 0.0, "at": ""}
    single.count(row, elapsed, host="h")
    drawn = Curves(single.timeline, elapsed)
    for plot in (
        drawn.throughput(None),
        drawn.latency(),
        drawn.state(None),
        drawn.bytes(),
        drawn.retries(),
        latencies(single),
    ):
        assert "<svg" in plot
        assert "nan" not in plot
