"""What the options of `asyncapi fetch` promise, each by the command and what a real server sees of it."""

import asyncio
import base64
import csv
import gzip
import json
import os
import sqlite3

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def table(tmp_path, server):
    (tmp_path / "in.csv").write_text('id,text,n\na,"say ""hi"" {x}",1\nb,größer,2\n', encoding="utf-8")
    return ("--url", f"{server.url}/p?id={{id}}", "--from", "in.csv")


@pytest.fixture
def failing(server):
    """The server answers with these statuses by path, each once or for good; else 200."""

    def answers(statuses, *, once=False):
        left = dict(statuses)

        async def answer(request):
            status = left.pop(request.path, 200) if once else left.get(request.path, 200)
            return web.json_response({"path": request.path}, status=status)

        server.answer = answer

    return answers


async def test_json_and_headers_are_filled_from_columns_and_never_break(tmp_path, server, asyncapi, table):
    seen = []

    async def answer(request):
        seen.append((request.method, request.headers["X-N"], await request.json()))
        return web.json_response({"answer": {"words": [{"w": "x"}, {"w": "y"}]}})

    server.answer = answer
    code, _, err = await asyncapi(
        "fetch", *table, "-o", "out.jsonl", "--json", '{"prompt": "{text}", "n": 5}', "-H", "X-N: n{n}", "--carry", "all",
        "--select", "answer.words.w", "--select", "all=answer", "--ordered",
    )  # fmt: skip
    assert code == 0, err
    assert sorted(seen, key=str) == [
        ("POST", "n1", {"prompt": 'say "hi" {x}', "n": 5}), ("POST", "n2", {"prompt": "größer", "n": 5}),
    ]  # fmt: skip
    first = rows(tmp_path / "out.jsonl")[0]
    assert (first["w"], first["all"], first["text"], first["n"]) == (
        ["x", "y"], {"words": [{"w": "x"}, {"w": "y"}]}, 'say "hi" {x}', "1",
    )  # fmt: skip
    assert "data" not in first


async def test_carried_and_selected_columns_are_columns_of_a_table(tmp_path, server, asyncapi, table):
    code, _, err = await asyncapi(
        "fetch", *table, "-o", "out.csv", "--carry", "n", "--select", "path", "--with", "url,bytes"
    )
    assert code == 0, err
    with (tmp_path / "out.csv").open(newline="") as file:
        found = {row["id"]: row for row in csv.DictReader(file)}
    assert (found["a"]["n"], found["a"]["path"], found["a"]["ok"]) == ("1", "/p", "true")
    assert found["a"]["final_url"] == f"{server.url}/p?id=a"
    assert found["a"]["bytes"] == "14"


async def test_a_missing_column_is_told_before_anything_is_sent(server, asyncapi, table):
    for args in (("--json", '{"a": "{nope}"}'), ("-H", "X: {nope}"), ("--carry", "nope"), ("-d", "{nope}")):
        code, _, err = await asyncapi("fetch", *table, "-o", "out.jsonl", *args)
        assert code == 2
        assert "nope" in err
        assert "text" in err  # the columns there are
    assert server.seen == []


async def test_bodies_are_saved_as_files_named_after_the_id(tmp_path, server, asyncapi, table):
    async def answer(request):
        return web.Response(body=bytes(range(256)), headers={"Content-Disposition": 'attachment; filename="../evil"'})

    server.answer = answer
    code, _, err = await asyncapi("fetch", *table, "-o", "out.jsonl", "--save-dir", "pages")
    assert code == 0, err
    found = {row["id"]: row["file"] for row in rows(tmp_path / "out.jsonl")}
    assert (tmp_path / found["a"]).read_bytes() == bytes(range(256))
    assert {file.name.partition(".")[0] for file in (tmp_path / "pages").iterdir()} == {"a", "b"}


async def test_head_shows_headers(tmp_path, server, asyncapi, inputs):
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "-X", "HEAD", "--with", "headers")
    assert code == 0, err
    headers = {name.lower(): value for name, value in rows(tmp_path / "out.jsonl")[0]["headers"].items()}
    assert headers["content-type"] == "application/json; charset=utf-8"


async def test_failed_rows_are_sent_again_in_place(tmp_path, server, asyncapi, inputs, failing):
    failing({"/1": 500, "/3": 404})
    code, _, _ = await asyncapi("fetch", inputs(5), "-o", "out.jsonl", "--retry", "1", "--failed-to", "failed.jsonl")
    assert code == 1
    assert {row["url"] for row in rows(tmp_path / "failed.jsonl")} == {f"{server.url}/1", f"{server.url}/3"}
    sent = len(server.seen)
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--resume")
    assert code == 0, err  # finished: a no-op
    assert len(server.seen) == sent
    failing({"/3": 404})
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--retry-failed")
    assert code == 1, err
    assert sorted(request.path for request in server.seen[sent:]) == ["/1", "/3"]
    found = {row["url"]: row["ok"] for row in rows(tmp_path / "out.jsonl")}
    assert found == {f"{server.url}/{n}": n != 3 for n in range(5)}
    failing({})
    assert (await asyncapi("fetch", "failed.jsonl", "-o", "more.jsonl"))[0] == 0


async def test_a_post_that_may_have_been_processed_is_sent_again_on_request_alone(
    tmp_path, server, asyncapi, inputs, failing
):
    failing({"/0": 500})
    post = ("fetch", inputs(2), "-o", "out.jsonl", "-d", "x", "--retry", "1")
    assert (await asyncapi(*post))[0] == 1
    failing({})
    code, _, _ = await asyncapi(*post, "--retry-failed")
    assert code == 1
    assert len(server.seen) == 2
    code, _, err = await asyncapi(*post, "--retry-failed", "--include-unknown")
    assert code == 0, err
    assert len(server.seen) == 3


async def test_what_is_retried_can_be_named(tmp_path, server, asyncapi, inputs, failing):
    failing({"/0": 404, "/1": 503}, once=True)
    code, _, _ = await asyncapi("fetch", inputs(2), "-o", "out.jsonl", "--retry-on", "404", "--ordered")
    assert code == 1
    assert [(row["status"], row["attempts"]) for row in rows(tmp_path / "out.jsonl")] == [(200, 2), (503, 1)]


async def test_a_status_of_fail_fast_stops_the_job(server, asyncapi, inputs, failing):
    failing({f"/{n}": 403 for n in range(500)})
    code, _, err = await asyncapi("fetch", inputs(500), "-o", "out.jsonl", "--fail-fast", "401,403", "-c", "2")
    assert code == 1
    assert "403" in err
    assert len(server.seen) < 100


async def test_limit_reads_the_first_rows_alone(tmp_path, server, asyncapi, inputs):
    assert (await asyncapi("fetch", inputs(50), "-o", "out.jsonl", "--limit", "3"))[0] == 0
    assert sorted(request.path for request in server.seen) == ["/0", "/1", "/2"]


@pytest.mark.parametrize(("args", "most"), [(("--per-host", "2"), 2), (("-c", "3"), 3)])
async def test_requests_at_a_time_are_limited(server, asyncapi, inputs, args, most):
    now, highest = 0, 0

    async def answer(request):
        nonlocal now, highest
        now += 1
        highest = max(highest, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.json_response(1)

    server.answer = answer
    assert (await asyncapi("fetch", inputs(30), "-o", "out.jsonl", *args))[0] == 0
    assert highest <= most


@pytest.mark.parametrize(
    "args",
    [
        ("--adaptive",), ("--rate", "1000/s", "--burst", "5"), ("--rate", "60000/m"), ("--rate", "3600000/h"),
        ("--rate", "86400000/d"), ("--cache",), ("--durable",), ("--ordered",),
    ],
)  # fmt: skip
async def test_an_option_of_speed_loses_no_row(tmp_path, server, asyncapi, inputs, args):
    code, _, err = await asyncapi("fetch", inputs(40), "-o", "out.jsonl", *args)
    assert code == 0, err
    assert len(rows(tmp_path / "out.jsonl")) == 40


async def test_tokens_limit_rows_by_their_weight(tmp_path, server, asyncapi):
    """Three rows of a minute's worth of tokens: the third waits for longer than the job may take."""
    (tmp_path / "in.csv").write_text(f"url,n\n{server.url}/1,30\n{server.url}/2,30\n")
    code, _, err = await asyncapi("fetch", "in.csv", "-o", "out.jsonl", "--tokens", "6000/m", "--weight-from", "n")
    assert code == 0, err
    (tmp_path / "in.csv").write_text(f"url,n\n{server.url}/1,many\n")
    code, _, err = await asyncapi("fetch", "in.csv", "-o", "no.jsonl", "--tokens", "6000/m", "--weight-from", "n")
    assert code == 2
    assert "many" in err


async def test_credentials_go_to_the_host(server, asyncapi, inputs):
    env = {**os.environ, "KEY": "k3y"}
    inputs(1)
    for args in (("-u", "ann:pä:ss"), ("--api-key-env", "KEY"), ("--api-key-env", "X-Mine=KEY"), ("--auth-env", "KEY")):
        code, _, err = await asyncapi("fetch", "in.txt", "-o", "-", "-q", *args, env=env)
        assert code == 0, err
    basic, key, mine, bearer = (request.headers for request in server.seen)
    assert base64.b64decode(basic["Authorization"].removeprefix("Basic ")).decode() == "ann:pä:ss"
    assert (key["X-Api-Key"], mine["X-Mine"], bearer["Authorization"]) == ("k3y", "k3y", "Bearer k3y")


async def test_redirects_are_followed_as_far_as_allowed(tmp_path, server, asyncapi, inputs):
    async def answer(request):
        if request.path == "/0":
            return web.Response(status=302, headers={"Location": "/there"})
        return web.json_response({"path": request.path})

    server.answer = answer
    inputs(1)
    assert (await asyncapi("fetch", "in.txt", "-o", "a.jsonl", "--with", "url"))[0] == 0
    assert rows(tmp_path / "a.jsonl")[0]["final_url"] == f"{server.url}/there"
    assert rows(tmp_path / "a.jsonl")[0]["url"] == f"{server.url}/0"
    await asyncapi("fetch", "in.txt", "-o", "b.jsonl", "--redirects", "0")
    assert rows(tmp_path / "b.jsonl")[0]["status"] == 302


async def test_packed_files_and_tables_are_inputs_and_outputs(tmp_path, server, asyncapi):
    (tmp_path / "in.txt.gz").write_bytes(gzip.compress(f"{server.url}/1\n".encode()))
    base = sqlite3.connect(tmp_path / "in.sqlite")
    with base:
        base.execute("CREATE TABLE jobs (id INTEGER, url TEXT)")
        base.execute("INSERT INTO jobs VALUES (7, ?)", (f"{server.url}/7",))
    base.close()
    assert (await asyncapi("fetch", "in.txt.gz", "-o", "out.jsonl.gz"))[0] == 0
    assert json.loads(gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()))["data"] == {"path": "/1"}
    assert (await asyncapi("fetch", "in.sqlite", "-o", "out.parquet"))[0] == 0
    code, out, err = await asyncapi("fetch", "out.parquet", "-o", "-", "-q")
    assert code == 0, err
    assert json.loads(out)["data"] == {"path": "/7"}


async def test_a_report_is_made_afterwards(tmp_path, server, asyncapi, inputs):
    assert (await asyncapi("fetch", inputs(20), "-o", "out.jsonl"))[0] == 0
    code, _, err = await asyncapi("report", "out.jsonl", "-o", "r.html")
    assert code == 0, err
    assert "<svg" in (tmp_path / "r.html").read_text()
