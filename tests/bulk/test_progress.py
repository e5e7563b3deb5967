"""A tally's figures are right and its size is constant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.progress import Tally, Timeline


def row(elapsed=10.0, *, status=200, ok=True, attempts=1, **more):
    return {"id": 1, "url": "https://h/", "status": status, "ok": ok, **({"data": 1} if ok else {"error": "NotFound: 404"}),
            "attempts": attempts, "elapsed_ms": elapsed, "at": "", **more}  # fmt: skip


def test_counts_by_status_error_and_retries():
    tally = Tally()
    tally.add(row(attempts=3), 0.1, 2)
    tally.add(row(status=404, ok=False), 0.2)
    tally.add(row(status=None, ok=False, error="ConnectError: refused", attempts=4), 0.3, 3)
    tally.add_unknown()
    assert (tally.ok, tally.failed, tally.unknown, tally.done, tally.retries) == (1, 2, 1, 4, 5)
    assert tally.by_status == {200: 1, 404: 1}
    assert tally.by_error == {"NotFound": 1, "ConnectError": 1}


def test_quantiles_are_within_a_few_percent():
    tally = Tally()
    for ms in range(1, 1001):
        tally.add(row(float(ms)), 0)
    assert tally.quantile_ms(0.5) == pytest.approx(500, rel=0.06)
    assert tally.quantile_ms(0.99) == pytest.approx(990, rel=0.06)
    assert Tally().quantile_ms(0.5) is None


def test_samples_are_the_slowest_and_the_first_failures():
    tally = Tally()
    for ms in range(1, 101):
        tally.add(row(float(ms), ok=ms % 2 == 0, id=ms), 0)
    assert sorted(entry[0] for entry in tally.slowest) == list(range(91, 101))
    assert [entry["id"] for entry in tally.failures] == list(range(1, 20, 2))
    assert all("data" not in entry[2] for entry in tally.slowest)


@given(st.lists(st.floats(0, 1e6), max_size=200).map(sorted))
def test_the_time_line_merges_and_loses_nothing(times):
    line = Timeline()
    for at in times:
        line.add(at, ok=True, retries=2)
    assert len(line.buckets) <= 160
    assert sum(bucket.ok for bucket in line.buckets) == len(times)
    assert sum(bucket.retries for bucket in line.buckets) == 2 * len(times)
    if times:
        assert line.buckets[int(times[-1] / line.width)].ok >= 1


def test_kinds_of_errors_are_bounded():
    tally = Tally()
    for n in range(200):
        tally.add(row(ok=False, error=f"Kind{n}: x"), 0)
    assert len(tally.by_error) <= 51
    assert sum(tally.by_error.values()) == 200


def test_an_instant_answer_is_counted():
    tally = Tally()
    tally.add(row(0.0), 0)
    assert tally.latency.count == 1
