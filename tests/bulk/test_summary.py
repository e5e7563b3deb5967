"""The summary of a run."""

import json
import os
import threading
from pathlib import Path

import pytest

from asyncapi import Client, ConfigError
from asyncapi.bulk import Job, Summary, run
from asyncapi.bulk.summary import check_summary, learned_text, most_retried, together, write_summary
from asyncapi.client.stats import LearnedStats
from asyncapi.testing import MockTransport, reply


def summary(**changes):
    figures = dict.fromkeys(("total", "ok", "failed", "unknown", "skipped", "skipped_failed", "retries"), 0)
    times = dict.fromkeys(("elapsed", "rate", "p50", "p95", "p99", "paused"), 0.0)
    more = {"by_status": {200: 3}, "by_error": {}, "output": "o", "report": None, "stopped": None, "exit_code": 0}
    return Summary(**{**figures, **times, **more, **changes})


def test_a_summary_has_no_rows_held_back_unless_it_says_so():
    assert summary().held == {}


def test_a_summary_becomes_json_that_replaces_what_was_there(tmp_path):
    path = tmp_path / "s.json"
    path.write_text("old")
    write_summary(path, summary(report=Path("r.html"), p50=None))
    found = json.loads(path.read_text())
    assert (found["by_status"], found["report"], found["p50"]) == ({"200": 3}, "r.html", None)
    assert [file.name for file in tmp_path.iterdir()] == ["s.json"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    write_summary(path, summary())
    reader.join(10)
    assert json.loads(got[0])["exit_code"] == 0
    assert not path.is_file()


def test_a_summary_that_cannot_be_written_is_found_before_the_job(tmp_path):
    with pytest.raises(ConfigError, match="it is a folder"):
        check_summary(tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        check_summary(tmp_path / "none" / "s.json")


@pytest.mark.parametrize("stops", [True, False])
async def test_a_job_writes_its_summary_also_when_it_stops(tmp_path, stops):
    (tmp_path / "in.txt").write_text("https://h/1\n" * 50)
    job = Job(tmp_path / "in.txt", tmp_path / "out.jsonl", summary=tmp_path / "s.json", max_errors=1 if stops else None)
    async with Client(transport=MockTransport(lambda request: reply(404)), retry=None) as api:
        ended = await run(job, client=api)
    found = json.loads((tmp_path / "s.json").read_text())
    assert (found["stopped"], found["failed"], found["exit_code"]) == (ended.stopped, ended.failed, 1)
    assert (ended.stopped is not None) is stops


def stats_of(good, bad, choice=None, waits=None):
    return LearnedStats(good, bad, waits or {}, choice, 0.0)


def test_the_kinds_that_were_retried_most_come_first_and_others_are_left_out():
    learned = {"a": {"503": stats_of(1, 0), "500": stats_of(9, 0)}, "b": {"503": stats_of(5, 1)}}
    assert most_retried(learned, 2) == {"a": {"500": stats_of(9, 0)}, "b": {"503": stats_of(5, 1)}}


def test_what_several_workers_have_learned_is_added_up():
    one = {"h": {"503": stats_of(3, 1, 0.8, {0.4: (1, 1), 0.8: (2, 0)})}}
    other = {"h": {"503": stats_of(8, 2, 1.6, {0.8: (4, 2), 1.6: (4, 0)})}, "g": {"500": stats_of(0, 7)}}
    expected = {
        "h": {"503": stats_of(11, 3, 1.6, {0.4: (1, 1), 0.8: (6, 2), 1.6: (4, 0)})}, "g": {"500": stats_of(0, 7)},
    }  # fmt: skip
    assert together([one, other]) == together([other, one]) == expected
    assert learned_text(expected) == {
        "503 of h": "next retry after 1.6 s: 4 of 4 such retries ended well", "500 of g": "no retry: 0 of 7 ended well",
    }  # fmt: skip
    assert together([]) == {}
