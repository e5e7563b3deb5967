"""The report is one file that says what happened, and gives no secret away."""

import re
import xml.dom.minidom

import pytest

from asyncapi import Client
from asyncapi.bulk import Job, run
from asyncapi.testing import MockTransport, reply


def handler(request):
    return reply({"7": 404, "8": 500}.get(request.url.name, 200), json=1)


@pytest.fixture
def make(tmp_path):
    async def maker(line="https://h/{n}", count=30, **settings):
        source = tmp_path / "in.txt"
        source.write_text("".join(line.replace("{n}", str(n)) + "\n" for n in range(count)))
        job = Job(source, tmp_path / "out.jsonl", report=tmp_path / "report.html", **settings)
        async with Client(transport=MockTransport(handler), retry=None) as api:
            summary = await run(job, client=api)
        return summary, (tmp_path / "report.html").read_text()

    return maker


async def test_it_shows_what_happened_and_needs_nothing_else(make, tmp_path):
    summary, page = await make()
    assert summary.report == tmp_path / "report.html"
    for heading in (
        "Throughput",
        "Latency",
        "Status",
        "Errors",
        "First failed rows",
        "Slowest rows",
        "The job",
    ):
        assert f"<h2>{heading}" in page
    assert "NotFound: 404 Not Found" in page
    assert "https://h/7" in page
    assert page.count("<svg") == page.count("</svg>") >= 4
    loads = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", page)
    assert all(target.startswith("#") for target in loads)
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        xml.dom.minidom.parseString(picture)


async def test_secrets_and_markup_do_not_reach_it(make, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "t0ken-value")
    _, page = await make(
        line="https://user:pa55@h/{n}?api_key=k3y-value&q=<b>x</b>",
        headers={"X-Api-Key": "h3ader-value"},
        auth_env="API_TOKEN",
    )
    for secret in ("pa55", "k3y-value", "h3ader-value", "t0ken-value"):
        assert secret not in page
    assert "<b>x" not in page


async def test_a_job_without_rows_has_a_report(make):
    _, page = await make(count=0)
    assert "No request was sent" in page


async def test_a_job_that_stopped_early_says_so(make):
    _, page = await make(count=200, max_errors=1, concurrency=1)
    assert "Stopped early" in page
    assert "1 rows have failed (max_errors)" in page


async def test_its_size_does_not_grow_with_the_rows(make, tmp_path):
    _, small = await make(count=100)
    (tmp_path / "out.jsonl").unlink()
    _, large = await make(count=5000)
    assert len(large) < len(small) + 30_000
