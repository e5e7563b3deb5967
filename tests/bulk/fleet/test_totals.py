"""The figures of all chunks add up, whatever is done, open, skipped or stopped."""

from dataclasses import replace

from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.engines import Report
from asyncapi.bulk.fleet.totals import Totals
from asyncapi.bulk.progress import Progress
from asyncapi.bulk.tally import Tally

STATE = Progress(
    phase="fetching", total=100, done=0, ok=0, failed=0, unknown=0, skipped=0, in_flight=0, elapsed=1.0, rate=1.0,
    eta=None, retries=0, p50=None, p95=None, by_status={}, by_error={}, paused=0.0, limit="",
)  # fmt: skip


def report(chunk, worker="w1", **figures):
    return Report("run", worker, chunk, replace(STATE, **figures))


def tally(ok=0, failed=0, unknown=0):
    found = Tally(failed=failed, unknown=unknown)
    for _ in range(ok + failed):
        found.latency.record(0.1)
    return found


def shown(totals):
    return totals.progress("fetching", "", ())


def test_open_chunks_count_by_their_last_report():
    totals = Totals(total=100)
    totals.heard(report(0, ok=3, by_status={200: 3}))
    totals.heard(report(0, ok=5, failed=1, by_status={200: 5, 500: 1}))
    totals.heard(report(1, "w2", ok=2, by_status={200: 2}))
    state = shown(totals)
    assert (state.done, state.ok, state.failed) == (8, 7, 1)
    assert state.by_status == {200: 7, 500: 1}


def test_a_chunk_that_has_ended_counts_by_its_done_whatever_is_reported_later():
    totals = Totals(total=100)
    totals.heard(report(0, ok=5))
    totals.ended(Done(chunk=0, rows=10, ok=9, failed=1, tally=tally(9, 1)))
    totals.heard(report(0, ok=8))
    assert (shown(totals).done, shown(totals).ok, shown(totals).failed) == (10, 9, 1)


def test_chunks_of_one_worker_share_their_attempts():
    totals = Totals(total=100)
    totals.heard(report(0, in_flight=50, queued=10))
    totals.heard(report(1, in_flight=50, queued=20))
    totals.heard(report(2, "w2", in_flight=7))
    assert (shown(totals).in_flight, shown(totals).queued) == (57, 80)


def test_rows_of_an_earlier_run_are_skipped_and_those_of_a_worker_that_died_are_not():
    totals = Totals(total=30, partial={1})
    totals.before(Done(chunk=0, rows=10, ok=8, failed=1, unknown=1))
    totals.ended(Done(chunk=1, rows=10, ok=9, failed=1, skipped=4, tally=tally(5, 1)))
    totals.ended(Done(chunk=2, rows=10, ok=10, skipped=3, tally=tally(7)))
    summary = totals.summary("o.jsonl", None, 0)
    assert (summary.ok, summary.failed, summary.skipped, summary.skipped_failed) == (15, 1, 14, 2)
    assert summary.exit_code == 1


def test_a_chunk_that_was_stopped_counts_what_it_has_done():
    totals = Totals(total=30)
    totals.stopped_at(Done(chunk=0, tally=tally(3), stopped=("interrupted", 130)))
    summary = totals.summary("o.jsonl", "interrupted", 130)
    assert (summary.ok, summary.exit_code, summary.stopped) == (3, 130, "interrupted")
