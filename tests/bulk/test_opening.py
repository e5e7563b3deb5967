"""A finished output is left alone, a stopped one goes on, and failed rows are sent again in place."""

import json
import signal
import subprocess
import sys

import pytest

from asyncapi import Client, ConfigError
from asyncapi.bulk import Job, run
from asyncapi.testing import MockTransport, reply

FORMATS = ["jsonl", "csv", "tsv", "sqlite", "parquet", "jsonl.gz", "csv.gz"]


class Server:
    """Fails the rows in `bad`, with `status`, and remembers what it got."""

    def __init__(self, bad=(), status=500):
        self.bad, self.status = set(bad), status
        self.seen = []

    async def run(self, job, **settings):
        def handler(request):
            number = int(request.url.path.rpartition("/")[2])
            self.seen.append((request.method, number))
            return reply(self.status if number in self.bad else 200, json={"n": number})

        self.seen.clear()
        async with Client(transport=MockTransport(handler), **{"retry": None, **settings}) as api:
            return await run(job, client=api)


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"https://h/{n}\n" for n in range(30)))
    return path


def posts(tmp_path, count=6, **more):
    path = tmp_path / "posts.jsonl"
    row = {"method": "POST", "json": {}, **more}
    path.write_text("".join(json.dumps({"url": f"https://h/{n}", "id": f"p{n}", **row}) + "\n" for n in range(count)))
    return path


def table(path):
    """The rows of any output: id, ok and data as text."""
    found = [item.row for item in Job(path, "-", url="https://h/{id}", carry="all").reader().items()]
    words = {"1": "true", "0": "false"}
    return [(str(row["id"]), words.get(str(row["ok"]), str(row["ok"]).lower()), row.get("data")) for row in found]


@pytest.mark.parametrize("form", FORMATS)
async def test_a_finished_job_is_a_no_op_when_it_is_resumed(inputs, tmp_path, form):
    server, out = Server({3, 4}), tmp_path / f"out.{form}"
    await server.run(Job(inputs, out))
    before = out.read_bytes()
    summary = await server.run(Job(inputs, out, resume=True))
    assert server.seen == []
    assert out.read_bytes() == before
    assert (summary.exit_code, summary.total, summary.skipped, summary.skipped_failed) == (0, 30, 30, 2)
    assert "is complete, with 30 rows, 2 of them failed" in summary.notes[0]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", out.name]


async def test_an_output_of_another_input_is_not_taken_for_finished(inputs, tmp_path):
    server, out = Server(), tmp_path / "out.jsonl"
    await server.run(Job(inputs, out))
    inputs.write_text("https://h/99\n")
    with pytest.raises(ConfigError, match="--overwrite starts again"):
        await server.run(Job(inputs, out, resume=True))
    assert server.seen == []


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("form", FORMATS)
async def test_failed_rows_are_sent_again_in_place(inputs, tmp_path, form, ordered):
    server, out = Server({3, 4, 20}), tmp_path / f"out.{form}"
    await server.run(Job(inputs, out, ordered=ordered))
    server.bad = {4}
    summary = await server.run(Job(inputs, out, ordered=ordered, retry_failed=True))
    assert sorted(number for _, number in server.seen) == [3, 4, 20]
    assert (summary.retried, summary.ok, summary.failed) == (3, 2, 1)
    assert (summary.total, summary.skipped, summary.skipped_failed, summary.exit_code) == (30, 27, 0, 1)
    assert summary.notes == ("3 failed rows were sent again: 2 are ok now",)
    found = table(out)
    assert sorted(int(name) for name, *_ in found) == list(range(30))
    assert [name for name, ok, _ in found if ok != "true"] == ["4"]
    if ordered:
        assert [int(name) for name, *_ in found] == list(range(30))
    server.bad = set()
    summary = await server.run(Job(inputs, out, ordered=ordered, retry_failed=True))
    assert (summary.retried, summary.exit_code) == (1, 0)
    assert all(ok == "true" for _, ok, _ in table(out))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", out.name]


async def test_nothing_failed_is_nothing_to_do(inputs, tmp_path):
    server, out = Server(), tmp_path / "out.jsonl"
    await server.run(Job(inputs, out))
    summary = await server.run(Job(inputs, out, retry_failed=True))
    assert (server.seen, summary.exit_code, summary.retried) == ([], 0, 0)
    assert "has no failed rows" in summary.notes[0]


async def test_failed_rows_have_all_their_attempts_again(inputs, tmp_path):
    server, out = Server({3}), tmp_path / "out.jsonl"
    await server.run(Job(inputs, out))
    await server.run(Job(inputs, out, retry_failed=True), retry=3)
    assert server.seen == [("GET", 3)] * 3


async def test_a_stopped_job_is_finished_first(inputs, tmp_path):
    server, out = Server({3}), tmp_path / "out.jsonl"
    summary = await server.run(Job(inputs, out, max_errors=1, concurrency=1))
    assert summary.stopped is not None
    with pytest.raises(ConfigError, match="--resume --retry-failed"):
        await server.run(Job(inputs, out, retry_failed=True))
    server.bad = set()
    summary = await server.run(Job(inputs, out, retry_failed=True, resume=True))
    assert (summary.retried, summary.exit_code) == (1, 0)
    assert sorted(json.loads(line)["id"] for line in out.read_text().splitlines()) == list(range(30))


async def test_a_job_that_stops_again_sends_no_failed_rows(inputs, tmp_path):
    server, out = Server({3, 25}), tmp_path / "out.jsonl"
    await server.run(Job(inputs, out, max_errors=1, concurrency=1))
    job = Job(inputs, out, retry_failed=True, resume=True, max_errors=1, concurrency=1)
    summary = await server.run(job)
    assert "max_errors" in summary.stopped
    assert ("GET", 3) not in server.seen


@pytest.mark.parametrize(
    ("status", "row", "settings", "again"),
    [
        (500, {}, {}, False), (404, {}, {}, True), (409, {}, {}, False), (429, {}, {}, True),
        (500, {"idempotency_key": "k"}, {}, True), (500, {"method": "PUT"}, {}, True),
        (500, {}, {"include_unknown": True}, True), (500, {}, {"idempotency_key": "auto"}, False),
        (500, {"method": "PATCH"}, {}, False),
    ],
)  # fmt: skip
async def test_what_may_have_been_processed_is_not_sent_again(tmp_path, status, row, settings, again):
    server, out = Server({2}, status), tmp_path / "out.jsonl"
    path = posts(tmp_path, **row)
    common = {name: value for name, value in settings.items() if name != "include_unknown"}
    await server.run(Job(path, out, **common))
    summary = await server.run(Job(path, out, retry_failed=True, **settings))
    assert len(server.seen) == (1 if again else 0)
    assert summary.exit_code == 1
    assert summary.skipped_failed == (0 if again else 1)
    if not again:
        assert "1 failed row is not sent again: the server may have processed it" in summary.notes[0]


async def test_an_unknown_row_is_sent_again_only_on_request(tmp_path):
    server, out, path = Server(), tmp_path / "out.jsonl", posts(tmp_path, 2)
    await server.run(Job(path, out))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    rows[1] |= {"ok": False, "error": "unknown: was in flight when the job stopped; not sent again", "status": None}
    del rows[1]["data"]
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    await server.run(Job(path, out, retry_failed=True))
    assert server.seen == []
    summary = await server.run(Job(path, out, retry_failed=True, include_unknown=True))
    assert (len(server.seen), summary.exit_code) == (1, 0)


async def test_failed_rows_that_the_input_lacks_are_an_error(inputs, tmp_path):
    server, out = Server({3, 4}), tmp_path / "out.jsonl"
    await server.run(Job(inputs, out))
    inputs.write_text("https://h/0\n")
    with pytest.raises(ConfigError, match="2 failed rows, of which the input has 0"):
        await server.run(Job(inputs, out, retry_failed=True))
    assert server.seen == []


async def test_failed_rows_that_cannot_be_told_apart_are_an_error(tmp_path):
    path, server, out = tmp_path / "in.jsonl", Server({1}), tmp_path / "out.jsonl"
    path.write_text('{"url": "https://h/1", "id": "a"}\n' * 2 + '{"url": "https://h/2", "id": "b"}\n')
    await server.run(Job(path, out))
    rows = out.read_text().splitlines()
    out.write_text("\n".join(row for row in rows[1:]) + "\n")
    with pytest.raises(ConfigError, match="ids that are unique"):
        await server.run(Job(path, out, retry_failed=True))


async def test_a_stream_cannot_be_read_for_its_failed_rows(inputs, tmp_path):
    server, out = Server({3}), tmp_path / "out.jsonl"
    await server.run(Job(inputs, out))
    with pytest.raises(ConfigError, match="give it as a file"):
        await server.run(Job((line for line in [{"url": "https://h/3"}]), out, retry_failed=True))


async def test_without_an_output_there_is_nothing_to_send_again(inputs, tmp_path):
    with pytest.raises(ConfigError, match="there is no output"):
        await Server().run(Job(inputs, tmp_path / "none.jsonl", retry_failed=True))


PROGRAM = """
import asyncio, sys
from asyncapi import Client
from asyncapi.bulk import Job, run
from asyncapi.testing import MockTransport, reply

seen = open(sys.argv[3], "a", buffering=1)

async def handler(request):
    seen.write(request.url.path + "\\n")
    if request.url.path == "/7" and sys.argv[4] == "hang":
        print("hanging", flush=True)
        await asyncio.sleep(60)
    return reply(200, json=1)

async def main():
    async with Client(transport=MockTransport(handler), retry=None) as api:
        job = Job(sys.argv[1], sys.argv[2], retry_failed=True, concurrency=1)
        print((await run(job, client=api)).notes[0])

asyncio.run(main())
"""


@pytest.mark.parametrize("form", ["jsonl", "csv", "sqlite", "parquet"])
async def test_a_retry_that_is_killed_goes_on_with_the_same_command(inputs, tmp_path, form):
    server, out, seen = Server({3, 5, 7, 9}), tmp_path / f"out.{form}", tmp_path / "seen"
    await server.run(Job(inputs, out))
    before = out.read_bytes()
    arguments = [sys.executable, "-c", PROGRAM, str(inputs), str(out), str(seen)]
    with subprocess.Popen([*arguments, "hang"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"hanging\n"
        while (tmp_path / f"out.{form}.retry.journal").read_text().count("\n") < 3:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert out.read_bytes() == before, "whole, or as it was"
    done = subprocess.run([*arguments, "go on"], capture_output=True, text=True, check=True)
    assert done.stdout == "4 failed rows were sent again: 4 are ok now\n", done.stderr
    assert seen.read_text().split() == ["/3", "/5", "/7", "/7", "/9"]
    assert all(ok == "true" for _, ok, _ in table(out))
    assert sorted(int(name) for name, *_ in table(out)) == list(range(30))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", out.name, "seen"]


async def test_a_table_of_a_stream_cannot_carry_columns_that_are_not_known(tmp_path):
    rows = ({"url": f"https://h/{n}", "n": n} for n in range(3))
    with pytest.raises(ConfigError, match=r"--carry all .* name them, as in --carry a,b"):
        await Server().run(Job(rows, tmp_path / "out.csv", carry="all"))
    rows = ({"url": f"https://h/{n}", "n": n} for n in range(3))
    summary = await Server().run(Job(rows, tmp_path / "out.csv", carry=("n",)))
    assert summary.ok == 3
    assert (tmp_path / "out.csv").read_text().splitlines()[0].endswith(",n")
    rows = ({"url": f"https://h/{n}", "n": n} for n in range(3))
    await Server().run(Job(rows, tmp_path / "out.jsonl", carry="all"))
    assert [json.loads(line)["n"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [0, 1, 2]


async def test_a_report_of_the_run_before_stays_when_there_is_nothing_to_do(inputs, tmp_path):
    job = Job(inputs, tmp_path / "out.jsonl", resume=True, report=tmp_path / "r.html", summary=tmp_path / "s.json")
    await Server().run(job)
    before = (tmp_path / "r.html").read_bytes()
    await Server().run(job)
    assert (tmp_path / "r.html").read_bytes() == before
    assert "nothing to do" in json.loads((tmp_path / "s.json").read_text())["notes"][0]


async def test_a_retry_that_was_stopped_says_what_to_do_where_the_options_differ(tmp_path):
    server, out, path = Server({1, 2, 3, 4}, 404), tmp_path / "out.jsonl", posts(tmp_path)
    await server.run(Job(path, out))
    stopped = await server.run(Job(path, out, retry_failed=True, max_errors=1, concurrency=1))
    assert "max_errors" in stopped.stopped
    with pytest.raises(ConfigError, match=r"remove .*out\.jsonl\.retry and .*out\.jsonl\.retry\.journal"):
        await server.run(Job(path, out, retry_failed=True, include_unknown=True))
    server.bad = set()
    summary = await server.run(Job(path, out, retry_failed=True))
    assert (summary.retried, summary.ok, summary.exit_code) == (4, 4 - stopped.failed, 1)
    summary = await server.run(Job(path, out, retry_failed=True))
    assert (summary.retried, summary.exit_code) == (stopped.failed, 0)
