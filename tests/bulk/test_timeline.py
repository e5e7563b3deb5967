"""The time line has a constant size, and merging loses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.timeline import Bucket, Timeline


def filled(times):
    line = Timeline()
    for at in times:
        bucket = line.at(at)
        bucket.latency[7] = bucket.latency.get(7, 0) + 1
        bucket.retries += 2
        bucket.size += 10
    return line


@given(st.lists(st.floats(0, 1e6), max_size=200))
def test_it_merges_and_loses_nothing_in_any_order(times):
    line = filled(times)
    assert len(line.buckets) <= 160
    assert sum(bucket.ok for bucket in line.buckets) == len(times)
    assert sum(bucket.retries for bucket in line.buckets) == 2 * len(times)
    assert sum(bucket.size for bucket in line.buckets) == 10 * len(times)
    if times:
        assert line.buckets[int(times[-1] / line.width)].ok >= 1


@given(st.lists(st.floats(0, 1e4), max_size=50), st.lists(st.floats(0, 1e4), max_size=50), st.floats(0, 1e4))
def test_two_time_lines_merge_without_loss(mine, theirs, later):
    line = filled(mine)
    line.merge(filled(theirs), later)
    assert len(line.buckets) <= 160
    assert sum(bucket.ok for bucket in line.buckets) == len(mine) + len(theirs)


def test_latencies_and_held_rows_merge_by_name():
    one = Bucket(latency={1: 2, 3: 1}, looks=2, paused=1, held={"pace": 1})
    one.merge(Bucket(latency={3: 4}, failed=1, looks=1, in_flight=5, held={"pace": 2, "budget": 1}))
    assert one == Bucket(failed=1, latency={1: 2, 3: 5}, looks=3, in_flight=5, paused=1, held={"pace": 3, "budget": 1})
    assert one.ok == 6


def test_quantiles_of_a_bucket_are_those_of_its_rows():
    bucket = filled([0.0]).buckets[0]
    assert bucket.quantile_ms(0.5) == pytest.approx(1.05**6.5 * 1000)
    assert Bucket().quantile_ms(0.5) is None


@given(st.lists(st.floats(0, 1e5), max_size=50), st.floats(0, 1e6))
def test_a_start_that_moves_back_keeps_everything(times, earlier):
    line = filled(times)
    moved = line.begin_earlier(earlier)
    assert moved >= earlier - 1e-9
    assert len(line.buckets) <= 160
    assert sum(bucket.ok for bucket in line.buckets) == len(times)
    line.at(0.0)
    if times:
        assert line.at(times[0] + moved).ok >= 1
