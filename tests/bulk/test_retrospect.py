"""A report made afterwards says what the rows say, whatever their format, and what it can't say."""

import gzip
import json
import re
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from asyncapi import Client
from asyncapi.bulk import Job, run
from asyncapi.bulk.retrospect import report_of
from asyncapi.errors import ConfigError
from asyncapi.testing import MockTransport, reply

FORMATS = ["jsonl", "ndjson", "csv", "tsv", "sqlite", "db", "parquet", "jsonl.gz", "csv.gz", "jsonl.zst", "csv.zst"]
BEGAN = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)


def handler(request):
    return reply({"7": 404, "8": 500}.get(request.url.name, 200), json={"text": 'a "quoted",\n text'})


@pytest.fixture
def fetched(tmp_path):
    async def fetch(name, **settings):
        source = tmp_path / "in.txt"
        source.write_text("".join(f"https://user:pa55@h{n % 3}:8443/{n}?token=s3cret\n" for n in range(30)))
        async with Client(transport=MockTransport(handler), retry=None) as api:
            await run(Job(source, tmp_path / name, **settings), client=api)
        return tmp_path / name

    return fetch


def row(number, at=None, **more):
    when = BEGAN + timedelta(seconds=number if at is None else at)
    return {"id": number, "url": f"https://h/{number}", "status": 200, "ok": True, "data": None, "attempts": 1,
            "elapsed_ms": 100.0, "at": when.isoformat().replace("+00:00", "Z"), **more}  # fmt: skip


def write(path, rows):
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def tiles(page):
    return {name: value for value, name in re.findall(r"<b>(.*?)</b><span>(.*?)</span>", page)}


@pytest.mark.parametrize("ending", FORMATS)
async def test_every_format_gives_the_same_figures(fetched, ending):
    output = await fetched(f"out.{ending}")
    written = report_of(output)
    page = written.read_text()
    assert written == output.with_name(f"out.{ending}.html")
    assert (tiles(page)["rows ok"], tiles(page)["rows failed"]) == ("28", "2")
    for words in (
        "NotFound: 404 Not Found",
        "ServerError: 500",
        "h0:8443",
        "h2:8443",
        ">Throughput<",
        ">Attempts per row<",
    ):
        assert words in page
    for secret in ("pa55", "s3cret"):
        assert secret not in page


async def test_it_says_what_only_a_running_job_knows(fetched):
    page = report_of(await fetched("out.jsonl")).read_text()
    assert "This report was made afterwards" in page
    assert "--with bytes adds them" in page
    for heading in ("In flight and queued", "Retries by reason", "Bytes", "Command line"):
        assert f"<h2>{heading}</h2>" not in page


async def test_rows_with_sizes_have_bytes(fetched):
    page = report_of(await fetched("out.jsonl", extra=("bytes",))).read_text()
    assert "<h2>Bytes</h2>" in page
    assert "--with bytes" not in page


@pytest.mark.parametrize("ending", ["jsonl", "csv", "sqlite", "parquet", "jsonl.gz"])
@pytest.mark.parametrize("given", ["output", "journal"])
async def test_a_stopped_job_has_a_report_from_its_journal_or_its_output(fetched, tmp_path, ending, given):
    output = await fetched(f"out.{ending}", max_errors=1, concurrency=1)
    journal = tmp_path / f"out.{ending}.journal"
    page = report_of(journal if given == "journal" else output, tmp_path / "r.html").read_text()
    assert "The job is not complete" in page
    assert (tiles(page)["rows ok"], tiles(page)["rows failed"]) == ("7", "1")


def test_rows_may_be_in_any_order(tmp_path):
    pages = []
    for name, order in (
        ("up", range(200)),
        ("down", range(199, -1, -1)),
        ("mixed", [n * 37 % 200 for n in range(200)]),
    ):
        page = report_of(write(tmp_path / f"{name}.jsonl", [row(n) for n in order])).read_text()
        assert tiles(page)["duration"] == "3:19 min"
        pages.append(re.findall(r"<title>(.*?: ok .*?)</title>", page))
    assert sum(len(titles) for titles in pages) > 100


def test_retries_and_unknown_rows_are_counted(tmp_path):
    unknown = row(
        3, ok=False, status=None, elapsed_ms=None, error="unknown: was in flight when the job stopped; not sent again"
    )
    unsent = row(4, ok=False, status=None, elapsed_ms=None, attempts=0, error="NotSent: its chunk was given up")
    page = report_of(write(tmp_path / "o.jsonl", [row(1, attempts=3), row(2, attempts=9), unknown, unsent])).read_text()
    assert (tiles(page)["retries"], tiles(page)["rows unknown"], tiles(page)["rows failed"]) == ("10", "1", "1")


def test_of_an_unfinished_output_a_torn_row_is_left_out(tmp_path):
    output = write(tmp_path / "o.jsonl", [row(1), row(2)])
    output.write_text(output.read_text() + '{"id": 3, "ur')
    with pytest.raises(ConfigError, match=r"o\.jsonl:3: not a JSON object"):
        report_of(output)
    (tmp_path / "o.jsonl.journal").write_text(
        '{"asyncapi_journal": 1, "job": "x", "what": {"url": "https://h/?token=s3cret"}}\n'
    )
    page = report_of(output).read_text()
    assert "The rows after the first 2 could not be read" in page
    assert "s3cret" not in page


def test_of_an_unfinished_archive_a_torn_member_is_left_out(tmp_path):
    whole = gzip.compress((json.dumps(row(1)) + "\n").encode())
    (tmp_path / "o.jsonl.gz").write_bytes(whole + whole[:20])
    (tmp_path / "o.jsonl.gz.journal").write_text('{"asyncapi_journal": 1, "job": "x", "what": {}}\n')
    assert tiles(report_of(tmp_path / "o.jsonl.gz").read_text())["rows ok"] == "1"


def test_an_empty_output_has_a_report(tmp_path):
    assert "No request was sent" in report_of(write(tmp_path / "o.jsonl", [])).read_text()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("in.txt", "https://h/1\nhttps://h/2\n", "not a row of an output"),
        ("in.jsonl", '{"url": "https://h/1"}\n', r"in\.jsonl:1: not a row of an output \(it has no id, status"),
        ("in.csv", "id,url\n1,https://h/\n", r"it has no status, ok, attempts, elapsed_ms, at"),
        ("o.jsonl", "[1]\n", "not a row of an output"),
        ("o.jsonl", json.dumps(row(1) | {"at": "yesterday"}) + "\n", r"o\.jsonl:1: not a row of an output"),
        ("o.jsonl", json.dumps(row(1) | {"ok": "perhaps"}) + "\n", r"o\.jsonl:1: not a row of an output"),
        ("o.jsonl.journal", "{}\n", "is not a journal"),
        ("o.sqlite", "SQLite format 3\0 and then nothing", "o.sqlite"),
        ("o.parquet", "PAR1 and then nothing", "o.parquet"),
        ("o.jsonl", b"\x7fELF\xff\xfe", "UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_neither_is_one_clear_error(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=problem):
        report_of(path)
    assert not list(tmp_path.glob("*.html"))


def test_what_is_no_file_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        report_of(tmp_path / "nowhere.jsonl")
    with pytest.raises(ConfigError, match="is a folder"):
        report_of(tmp_path)
    (tmp_path / "o.jsonl.journal").write_text('{"asyncapi_journal": 1, "job": "x", "what": {}}\n')
    with pytest.raises(ConfigError, match="there are no rows yet"):
        report_of(tmp_path / "o.jsonl.journal")


def test_a_report_never_replaces_the_rows(tmp_path):
    output = write(tmp_path / "o.jsonl", [row(1)])
    with pytest.raises(ConfigError, match="would replace"):
        report_of(output, output)
    with pytest.raises(ConfigError, match="cannot write the report"):
        report_of(output, tmp_path / "nowhere" / "r.html")
    assert json.loads(output.read_text()) == row(1)


@pytest.mark.parametrize("value", ["many", None, 1.5, [1], -1])
def test_a_selected_column_named_bytes_may_hold_anything(tmp_path, value):
    page = report_of(write(tmp_path / "o.jsonl", [row(1, bytes=value)])).read_text()
    assert "<h2>Bytes</h2>" not in page


def test_strange_figures_break_nothing(tmp_path):
    text = json.dumps(row(1) | {"elapsed_ms": 0.0}) + "\n"
    strange = [text.replace('"elapsed_ms": 0.0', f'"elapsed_ms": {value}') for value in ("-5", "1e300")]
    path = tmp_path / "o.jsonl"
    path.write_text("".join([*strange, json.dumps(row(2, attempts=10**9)) + "\n", json.dumps(row(3, at=-1e9)) + "\n"]))
    assert tiles(report_of(path).read_text())["rows ok"] == "4"


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_memory_does_not_grow_with_the_rows(tmp_path, ending):
    peaks = []
    for count in (2_000, 20_000):
        path = tmp_path / f"o{count}.{ending}"
        with path.open("w") as file:
            if ending == "csv":
                file.write("id,url,status,ok,data,error,attempts,elapsed_ms,at\n")
            for number in range(count):
                if ending == "csv":
                    file.write(
                        f"{number},https://h{number}/,200,true,{'x' * 500},,1,5.0,2026-11-27T10:00:{number % 60:02}.000Z\n"
                    )
                else:
                    file.write(json.dumps(row(number, data="x" * 500)) + "\n")
        tracemalloc.start()
        report_of(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000
