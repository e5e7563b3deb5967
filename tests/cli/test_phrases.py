"""The state of a job and its end, in words that fit."""

from dataclasses import replace

import pytest

from asyncapi.bulk import Job
from asyncapi.cli.phrases import line, summary_lines, title
from shown import LOOK, summary


def test_a_plain_line_says_it_in_one_line():
    said = line(LOOK)
    assert "\n" not in said
    assert said.startswith(
        "fetching: 2,500/10,000 (25 %) rows, 400 failed, 412 rows/s, ETA 1:01:40, 63 in flight, 140 queued"
    )
    assert said.endswith(
        "paused by the server for 0:12, held back by budget: 37, h asks to wait until 14:30:00, another program locks the output"
    )
    assert line(replace(LOOK, phase="reading")) == "reading the input"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ["done: 10 rows in 2.0 s (5.0 rows/s): 10 ok, 0 failed", "p50 42 ms, p95 100 ms, p99 2.00 s",
              "retries    3: after 503: 2, after ConnectError: 1", "bodies     20 kB", "o.jsonl"]),
        ({"failed": 2, "by_error": {"NotFound": 2}, "exit_code": 1}, ["done: 12 rows", "2 failed", "NotFound 2"]),
        ({"unknown": 1, "exit_code": 1}, ["1 unknown (in flight when the job was killed; not sent again)"]),
        ({"skipped": 5, "skipped_failed": 1, "exit_code": 1}, ["5 done before, of which 1 failed"]),
        ({"held": {"budget": 552, "pace": 3}}, ["held back  by budget: 552, by pace: 3"]),
        ({"paused": 3.0}, ["paused     3.0 s by the server (429)"]),
        ({"retries": 0, "retries_by": {}, "bytes": 0}, ["retries    0"]),
        ({"cached": {"fresh": 1200, "stale": 3}}, ["  from cache 1,203 rows: fresh 1,200, stale 3\n"]),
        ({"notes": ("id 7 is there twice",)}, ["note: id 7 is there twice"]),
        ({"stopped": "interrupted", "exit_code": 130}, ["interrupted: 10 rows", "run the same command with --resume"]),
        ({"stopped": "cannot write o.jsonl: full", "exit_code": 1}, ["stopped: ", "error: cannot write o.jsonl: full", "--resume"]),
    ],
)  # fmt: skip
def test_the_summary_has_a_few_lines(changes, says):
    said = "\n".join(summary_lines(summary(**changes)))
    assert [part for part in says if part not in said] == []
    assert ("--resume" in said) == ("stopped" in changes)


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_the_summary_breaks_between_figures_and_leaves_paths_whole(width):
    path = "/data/" + "x" * 100 + "/out.jsonl"
    given = summary(
        ok=1_234_567, failed=2_345, unknown=3, skipped=99, skipped_failed=5, elapsed=12_345.6, exit_code=1, output=path,
        stopped="h.example has been unavailable for 60 s (503); --max-outage SECONDS waits longer", paused=12.0,
        by_status={200: 1, 301: 1, 302: 2, 404: 3, 429: 4, 500: 5, 503: 9}, by_error={"NotFound": 3, "ServerError": 14},
    )  # fmt: skip
    lines = summary_lines(given, width)
    assert [text for text in lines if len(text) > width and path not in text] == []
    assert f"  rows       {path}" in lines
    words = " ".join(" ".join(lines).split())
    assert words == " ".join(" ".join(summary_lines(given)).split())
    assert width < 60 or any("2,345 failed" in text for text in lines)


@pytest.mark.parametrize(
    ("given", "output", "name"),
    [("in.txt", "o.jsonl", "in.txt → o.jsonl"), ("-", "-", "stdin → stdout"), (["https://h/1"], "-", "URLs → stdout"),
     ("in\x1b[31m\n.txt", "o.jsonl", "in\\x1b[31m .txt → o.jsonl")],
)  # fmt: skip
def test_the_title_is_one_line_that_is_safe_for_a_terminal(given, output, name):
    assert title(Job(given, output)) == name
