"""A tally's figures are right and its size is constant."""

import pickle
from types import SimpleNamespace

import pytest

from asyncapi.bulk.tally import Tally, reasons_of
from asyncapi.errors import ConnectError
from asyncapi.messages.call import Attempt
from asyncapi.messages.response import Response
from asyncapi.messages.target import Target


def row(elapsed=10.0, *, status=200, ok=True, attempts=1, **more):
    return {"id": 1, "url": "https://h/", "status": status, "ok": ok, **({"data": 1} if ok else {"error": "NotFound: 404"}),
            "attempts": attempts, "elapsed_ms": elapsed, "at": "", **more}  # fmt: skip


def attempt(why="first", status=200, error=None, held=""):
    return Attempt(1, "GET", None, why, 0.0, 0.0, status=status, error=error, held=held)


def outcome(*attempts, host="h", value=None, error=None, cached=""):
    target = Target(f"https://{host}/", host, "/", secure=True)
    return SimpleNamespace(
        request=SimpleNamespace(target=target), attempts=attempts or (attempt(),), value=value, error=error,
        from_cache=cached,
    )  # fmt: skip


def test_counts_by_status_error_attempts_and_reason():
    tally = Tally()
    refused = attempt("first", None, "ConnectError: refused")
    tally.add(row(attempts=3), outcome(attempt(status=503), attempt("retry: 503", 429), attempt("retry: 429")), 0.1)
    tally.add(row(status=404, ok=False), outcome(attempt(status=404)), 0.2)
    tally.add(
        row(status=None, ok=False, error="ConnectError: refused", attempts=9),
        outcome(refused, *[attempt("retry: ConnectError", None, "ConnectError: refused")] * 8),
        0.3,
    )
    tally.add_unknown()
    assert (tally.ok, tally.failed, tally.unknown, tally.done, tally.retries) == (1, 2, 1, 4, 10)
    assert tally.by_status == {200: 1, 404: 1}
    assert tally.by_error == {"NotFound": 1, "ConnectError": 1}
    assert tally.examples == {"NotFound": "NotFound: 404", "ConnectError": "ConnectError: refused"}
    assert tally.retries_by == {"503": 1, "429": 1, "ConnectError": 8}
    assert tally.by_attempts == {1: 1, 3: 1, 5: 1}
    assert sum(bucket.retries for bucket in tally.timeline.buckets) == 10


def test_a_redirect_is_no_retry_and_a_hedge_says_what_it_is():
    assert reasons_of((attempt(status=302), attempt("redirect: 302 from https://h/"))) == []
    assert reasons_of((attempt(status=None), attempt("hedge: no response within 0.1 s"))) == ["hedge"]
    assert reasons_of((attempt(status=401), attempt("replay: 401"))) == ["401"]
    assert reasons_of((attempt(status=None), attempt("retry: ?"))) == ["no response"]


def test_what_came_from_the_cache_is_counted_by_how_it_came():
    tally = Tally()
    for cached in ("fresh", "", "fresh", "revalidated"):
        tally.add(row(), outcome(cached=cached), 0)
    assert tally.cached == {"fresh": 2, "revalidated": 1}


def test_bytes_are_those_of_decoded_bodies():
    tally = Tally()
    tally.add(row(), outcome(value=Response(200, {}, b"12345")), 0)
    tally.add(row(bytes=100), outcome(value=Response(200, {}, b"12345")), 0)
    failed = SimpleNamespace(response=Response(404, {}, b"123"))
    tally.add(row(ok=False), outcome(error=failed), 0)
    tally.add(row(ok=False), outcome(error=ConnectError("refused")), 0)
    assert tally.size == 108


def test_waits_in_our_own_queues_are_summed_by_limit():
    tally = Tally()
    tally.add(row(), outcome(attempt(held="rate 0.12 s behind 3, place 1.5 s behind 0")), 0)
    tally.add(row(), outcome(attempt(held="rate 0.38 s behind 1")), 0)
    tally.add(row(), outcome(attempt(held="pace 0.01 s behind 1")), 0)
    assert tally.waits == pytest.approx({"rate": 0.5, "place": 1.5, "pace": 0.01})
    assert tally.timeline.buckets[0].limited == {"rate": 2, "place": 1}


def test_the_state_of_the_job_is_noted_over_time():
    tally = Tally()
    tally.sample(0.2, in_flight=3, queued=4, paused=0.0, held={})
    tally.sample(0.25, in_flight=5, queued=0, paused=12.0, held={"pace": 7, "budget": 0})
    bucket = tally.timeline.buckets[2]
    assert (bucket.looks, bucket.in_flight, bucket.queued, bucket.paused, bucket.held) == (2, 8, 4, 1, {"pace": 1})


def test_a_pause_is_a_second_or_more_until_it_ends():
    tally = Tally()
    for paused in (0.4, 1.5, 0.7, 0.1, 0.0, 0.3):
        tally.sample(0.0, in_flight=0, queued=0, paused=paused)
    assert (tally.timeline.buckets[0].paused, tally.timeline.buckets[0].looks) == (3, 6)


def test_quantiles_are_within_a_few_percent():
    tally = Tally()
    for ms in range(1, 1001):
        tally.add(row(float(ms)), outcome(), 0)
    assert tally.quantile_ms(0.5) == pytest.approx(500, rel=0.06)
    assert tally.quantile_ms(0.99) == pytest.approx(990, rel=0.06)
    assert Tally().quantile_ms(0.5) is None


def test_samples_are_the_slowest_and_the_first_failures_without_secrets_or_data():
    tally = Tally()
    for ms in range(1, 101):
        tally.add(row(float(ms), ok=ms % 2 == 0, id=ms, url="https://h/?token=s3cret", text="carried"), outcome(), 0)
    assert sorted(entry[0] for entry in tally.slowest) == list(range(91, 101))
    assert [entry["id"] for entry in tally.failures] == list(range(1, 20, 2))
    for sample in (*tally.failures, *(entry[2] for entry in tally.slowest)):
        assert not {"data", "text"} & set(sample)
        assert sample["url"] == "https://h/?token=***"


def test_kinds_of_errors_and_reasons_are_bounded():
    tally = Tally()
    for n in range(200):
        error = f"Kind{n}: x"
        tally.add(
            row(ok=False, error=error, attempts=2), outcome(attempt("first", None, error), attempt("retry: x")), 0
        )
    for counts in (tally.by_error, tally.retries_by):
        assert len(counts) == 51
        assert sum(counts.values()) == 200
        assert counts["others"] == 150
    assert len(tally.examples) == 51


def test_hosts_are_bounded_and_each_has_its_figures():
    tally = Tally()
    for n in range(1000):
        tally.add(row(float(n % 7 + 1), ok=n % 2 == 0), outcome(host=f"h{n % 500}"), 0)
    assert len(tally.hosts) == 257
    assert sum(host.ok + host.failed for host in tally.hosts.values()) == 1000
    assert (tally.hosts["h1"].ok, tally.hosts["h1"].failed) == (0, 2)
    assert tally.hosts["others"].ok + tally.hosts["others"].failed == 488
    assert tally.top_hosts()[0].name == "others"
    assert len(tally.top_hosts()) == 5


def test_a_single_host_needs_no_line_of_its_own():
    tally = Tally()
    tally.add(row(), outcome(), 0)
    assert tally.top_hosts() == ()


def test_an_instant_response_is_counted():
    tally = Tally()
    tally.add(row(0.0), outcome(), 0)
    assert tally.latency.count == 1


def test_two_tallies_merge_into_what_one_would_have_counted():
    whole, parts = Tally(), (Tally(), Tally())
    for n in range(200):
        made = row(float(n + 1), ok=n % 9 > 0, id=n, at=f"{n:05}", attempts=n % 3 + 1, status=200 + n % 2)
        cached = ("", "fresh", "stale")[n % 3]
        told = outcome(*[attempt(), *[attempt("retry: x")] * (n % 3)], host=f"h{n % 4}", cached=cached)
        whole.add(made, told, n / 10 + 0.05)
        parts[n // 100].add(made, told, n / 10 + 0.05 - n // 100 * 10)
    whole.add_unknown()
    parts[1].add_unknown()
    merged = pickle.loads(pickle.dumps(parts[0]))
    merged.merge(pickle.loads(pickle.dumps(parts[1])), 10.0)
    assert merged.figures() == whole.figures()
    assert merged.by_attempts == whole.by_attempts
    assert merged.cached == whole.cached == {"fresh": 67, "stale": 66}
    assert merged.hosts == whole.hosts
    assert sorted(entry[0] for entry in merged.slowest) == sorted(entry[0] for entry in whole.slowest)
    assert merged.failures == whole.failures
    assert [bucket.ok for bucket in merged.timeline.buckets] == [bucket.ok for bucket in whole.timeline.buckets]
