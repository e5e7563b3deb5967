"""The summary of a run."""

import json
import os
import threading
from pathlib import Path

import pytest

from asyncapi import Client, ConfigError
from asyncapi.bulk import Job, Summary, run
from asyncapi.bulk.summary import check_summary, write_summary
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
