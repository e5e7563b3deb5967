"""The summary of a run."""

from asyncapi.bulk import Summary


def test_a_summary_has_no_rows_held_back_unless_it_says_so():
    figures = dict.fromkeys(("total", "ok", "failed", "unknown", "skipped", "skipped_failed", "retries"), 0)
    times = dict.fromkeys(("elapsed", "rate", "p50", "p95", "p99", "paused"), 0.0)
    summary = Summary(**figures, **times, by_status={}, by_error={}, output="o", report=None, stopped=None, exit_code=0)
    assert summary.held == {}
