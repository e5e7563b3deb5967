"""The page says what happened, section by section."""

import re
from dataclasses import replace

import pytest

from asyncapi.bulk.job import Job
from asyncapi.bulk.page import Facts, facts_of, render
from asyncapi.bulk.tally import Tally
from asyncapi.version import VERSION
from shown import summary


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page)


@pytest.fixture
def tally():
    made = Tally()
    for number in range(200):
        good = number % 7 > 0
        row = {"id": number, "url": f"https://h{number % 3}/{number}?token=s3cret", "status": 200 if good else 404, "ok": good,
               "attempts": number % 6, "elapsed_ms": 5.0 + number, "at": "2026-11-27T10:00:00.000Z"}  # fmt: skip
        if not good:
            row["error"] = "NotFound: 404 <b>Not Found</b>"
        made.count(row, number / 20, host=f"h{number % 3}", size=1000, reasons=["503", "ConnectError"] * (number % 2))
    made.sample(1.0, in_flight=3, queued=4, paused=2.0, held={"budget": 3})
    made.waits["rate"] = 12.0
    return made


def shown(tally, **changes):
    facts = Facts(
        title="asyncapi fetch: in.txt",
        leads=("to o.jsonl",),
        command="asyncapi fetch in.txt",
        concurrency=10,
        rate=50.0,
    )
    return render(replace(facts, **changes), summary(held={"budget": 3}, paused=4.0, stopped=None), tally)


def test_it_has_a_section_for_everything(tally):
    page = shown(tally)
    assert headings(page) == [
        "Command line", "Throughput", "Latency over time", "Latency", "In flight and queued", "Bytes", "Retries",
        "Retries by reason", "Attempts per row", "Status", "Errors", "What held rows back", "Hosts", "First failed rows",
        "Slowest rows", "The job",
    ]  # fmt: skip
    for words in (
        VERSION, "Python 3.", ">5 or more<", ">none<", "ConnectError", "404 &lt;b&gt;Not Found", "held back by budget",
        "paused by the server", "4 s in which a host had asked everybody to wait", "12 s: attempts waited for a token",
        "limit 10 at a time", "limit 50 requests a second", "prefers-color-scheme:dark", "width=device-width",
    ):  # fmt: skip
        assert words in page
    assert "s3cret" not in page


def test_what_was_not_looked_at_is_not_shown(tally):
    page = shown(tally, live=False, notes=("made afterwards",))
    assert "In flight and queued" not in headings(page)
    assert '<div class="card note">made afterwards</div>' in page
    assert "exit code" not in page


def test_what_the_user_should_know_is_at_its_head():
    page = render(Facts(title="t", leads=()), summary(notes=("2 ids are there twice",), stopped="a full disk"), Tally())
    assert '<div class="card note">2 ids are there twice</div>' in page
    assert '<div class="card note">Stopped early: a full disk</div>' in page


def test_its_size_does_not_grow_with_hosts_or_time():
    small, large = Tally(), Tally()
    row = {"id": 1, "url": "https://h/", "status": 200, "ok": True, "attempts": 1, "elapsed_ms": 5.0, "at": ""}
    for number in range(160):
        small.count(row, number / 10, host=f"h{number}")
    for number in range(20_000):
        large.count(row, number * 10.0, host=f"h{number}")
    assert len(shown(large)) < len(shown(small)) + 30_000


def test_the_facts_of_a_job_name_its_ends_and_limits(tmp_path):
    facts = facts_of(Job(tmp_path / "in.txt", "-", rate="100/m", concurrency=7), summary(output="-"))
    assert facts.title == "asyncapi fetch: in.txt"
    assert facts.leads[:2] == (f"from {tmp_path}/in.txt", "to stdout")
    assert facts.concurrency == 7
    assert facts.rate == pytest.approx(100 / 60)
    assert facts_of(Job("-", "o.jsonl"), summary()).title == "asyncapi fetch: stdin"
    assert facts_of(Job(["https://h/1"], "o.jsonl"), summary()).title == "asyncapi fetch: URLs"
