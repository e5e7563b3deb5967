"""`asyncapi fetch` writes what the user asked for, in every format, and loses nothing of it when it is killed."""

import asyncio
import csv
import gzip
import json
import sqlite3
from operator import itemgetter

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes

TABLES = ["out.csv", "out.sqlite", "out.parquet"]
OTHERS = ["out.tsv", "out.csv.gz", "out.jsonl.zst", "out.tsv.zst"]  # of the same kinds, as tests/bulk has them all
ALL = ["out.jsonl", *TABLES, "out.jsonl.gz", *(pytest.param(name, marks=pytest.mark.soak) for name in OTHERS)]


def read(path):
    """The rows of an output, by what each format makes of them."""
    suffixes = path.suffixes
    if suffixes[-1] == ".sqlite":
        base = sqlite3.connect(path)
        base.row_factory = sqlite3.Row
        rows = [dict(row) for row in base.execute("SELECT * FROM rows ORDER BY rowid")]
        base.close()
        return rows
    if suffixes[-1] == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    content = path.read_bytes()
    if suffixes[-1] == ".gz":
        content = gzip.decompress(content)
    elif suffixes[-1] == ".zst":
        content = pytest.importorskip("backports.zstd").decompress(content)
    text = content.decode()
    if suffixes[0] == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(text.splitlines(keepends=True), delimiter="\t" if suffixes[0] == ".tsv" else ","))


def is_ok(row):
    return row["ok"] in (True, 1, "true")


async def users(request):
    number = request.path.rpartition("/")[2]
    if number == "404":
        return web.json_response({"detail": "no such user"}, status=404)
    body = {"id": int(number), "name": f"user {number}", "tags": [{"t": "a"}, {"t": "b"}], "data": {"deep": 1}}
    return web.json_response(body, headers={"X-Number": number})


def write_csv(path, url):
    path.write_text(f'id,url,note\na,{url}/1,first\nb,{url}/2,"second, quoted"\nc,{url}/404,third\n')


@pytest.mark.parametrize("name", ALL)
async def test_selected_carried_and_extra_columns(tmp_path, server, asyncapi, name):
    server.answer = users
    write_csv(tmp_path / "in.csv", server.url)
    options = (
        "--select",
        "name,tags.t,missing",
        "--select",
        "deep=data.deep",
        "--carry",
        "note",
        "--with",
        "headers,url,bytes",
    )
    code, _, err = await asyncapi("fetch", "in.csv", "-o", name, *options, "--ordered")
    assert code == 1, err
    first, second, third = read(tmp_path / name)
    assert [is_ok(row) for row in (first, second, third)] == [True, True, False]
    assert (first["id"], first["url"], first["name"], str(first["deep"]), first["note"]) == (
        "a", f"{server.url}/1", "user 1", "1", "first",
    )  # fmt: skip
    assert second["note"] == "second, quoted"
    assert third["note"] == "third"
    tags = first["t"] if name.startswith("out.jsonl") else json.loads(first["t"])
    assert tags == ["a", "b"]
    assert not first["missing"]
    assert "data" not in first
    headers = first["headers"] if name.startswith("out.jsonl") else json.loads(first["headers"])
    assert headers["X-Number"] == "1"
    assert first["final_url"] == f"{server.url}/1"
    assert int(third["bytes"]) > 0
    assert "NotFound" in third["error"]


@pytest.mark.parametrize("name", TABLES)
async def test_a_model_has_columns_in_tables(tmp_path, server, asyncapi, name):
    server.answer = users
    write_csv(tmp_path / "in.csv", server.url)
    (tmp_path / "shop.py").write_text(
        "from pydantic import BaseModel\nclass User(BaseModel):\n    id: int\n    name: str\n    tags: list[dict[str, str]]\n"
    )
    code, _, err = await asyncapi("fetch", "in.csv", "-o", name, "--model", "shop:User", "--ordered")
    assert code == 1, err
    first, _, third = read(tmp_path / name)
    assert (str(first["data_id"]), first["name"], json.loads(first["tags"])) == (
        "1",
        "user 1",
        [{"t": "a"}, {"t": "b"}],
    )
    assert json.loads(first["data"])["name"] == "user 1"
    assert not third["name"]


async def test_a_path_that_cannot_be_read_is_refused_before_anything_is_sent(tmp_path, server, asyncapi, inputs):
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.csv", "--select", "a..b")
    assert (code, server.seen) == (2, [])
    assert "cannot read --select 'a..b'" in err
    assert not (tmp_path / "out.csv").exists()


async def test_rows_with_headers_make_head_useful(tmp_path, server, asyncapi, inputs):
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "-X", "HEAD", "--with", "headers")
    assert code == 0, err
    row = read(tmp_path / "out.jsonl")[0]
    assert row["data"] is None
    assert {name.lower() for name in row["headers"]} >= {"content-type", "date"}


async def test_stdout_has_the_columns_too(server, asyncapi, inputs):
    code, out, err = await asyncapi("fetch", inputs(2), "-o", "-", "--select", "path", "--with", "bytes", "--quiet")
    assert code == 0, err
    assert {json.loads(line)["path"] for line in out.splitlines()} == {"/0", "/1"}
    assert "bytes" in json.loads(out.splitlines()[0])


@pytest.mark.parametrize("name", ALL)
async def test_killed_and_resumed_every_row_is_there_once(tmp_path, server, start, asyncapi, inputs, name):
    release = asyncio.Event()

    async def answer(request):
        if len(server.seen) > 40:
            await release.wait()
        return web.json_response({"path": request.path})

    server.answer = answer
    command = ("fetch", inputs(60), "-o", name, "-c", "5", "--resume", "--quiet", "--with", "bytes")
    process = await start(*command)
    await server.saw(45)
    place = tmp_path / (f"{name}.part" if name.endswith(".parquet") else name)
    while not place.exists() or not place.stat().st_size:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)  # the clock of the job has ticked
    process.kill()
    await process.communicate()
    release.set()
    code, _, err = await asyncapi(*command)
    assert code == 0, err
    rows = read(tmp_path / name)
    assert sorted(int(row["id"]) for row in rows) == list(range(60))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", name]


@pytest.mark.parametrize("name", ["out.csv", "out.sqlite"])
async def test_a_job_with_other_columns_is_not_continued(tmp_path, server, start, asyncapi, inputs, name):
    release = asyncio.Event()

    async def answer(request):
        if len(server.seen) > 5:
            await release.wait()
        return web.json_response({"path": request.path})

    server.answer = answer
    process = await start("fetch", inputs(10), "-o", name, "-c", "2", "--quiet", "--select", "path")
    await server.saw(7)
    await asyncio.sleep(0.5)
    process.kill()
    await process.communicate()
    release.set()
    code, _, err = await asyncapi("fetch", inputs(10), "-o", name, "--resume", "--select", "path,other")
    assert code == 2
    assert "has the columns id, url, status, ok, path, error" in err or "belongs to another job: select" in err
    code, _, err = await asyncapi("fetch", inputs(10), "-o", name, "--resume", "--select", "path")
    assert code == 0, err
    assert len(read(tmp_path / name)) == 10


@pytest.mark.parametrize("name", ALL)
async def test_a_finished_job_is_nothing_to_do(tmp_path, server, asyncapi, inputs, name):
    command = ("fetch", inputs(5), "-o", name)
    assert (await asyncapi(*command))[0] == 0
    sent, there = len(server.seen), (tmp_path / name).read_bytes()
    code, _, err = await asyncapi(*command, "--resume")
    assert code == 0, err
    assert (len(server.seen), (tmp_path / name).read_bytes()) == (sent, there)
    code, _, err = await asyncapi("fetch", inputs(6), "-o", name, "--resume")
    assert code == 2
    assert "--overwrite" in err
    assert (len(server.seen), (tmp_path / name).read_bytes()) == (sent, there)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("ordered", [True, False])
async def test_failed_rows_are_sent_again_in_place(tmp_path, server, asyncapi, inputs, name, ordered):
    fails = True

    async def answer(request):
        number = int(request.path[1:])
        return web.json_response({"n": number}, status=404 if fails and number % 3 == 0 else 200)

    server.answer = answer
    options = ("--ordered",) if ordered else ()
    assert (await asyncapi("fetch", inputs(10), "-o", name, *options))[0] == 1
    fails, before = False, len(server.seen)
    code, _, err = await asyncapi("fetch", inputs(10), "-o", name, "--retry-failed", *options)
    assert code == 0, err
    assert sorted(request.path for request in server.seen[before:]) == ["/0", "/3", "/6", "/9"]
    rows = read(tmp_path / name)
    ids = [int(row["id"]) for row in rows]
    assert (ids if ordered else sorted(ids)) == list(range(10))
    assert all(is_ok(row) for row in rows)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", name]


@pytest.mark.parametrize("name", ["out.jsonl", "out.sqlite", "out.csv.gz", "out.parquet"])
async def test_a_retry_that_is_killed_leaves_the_old_output_and_continues(
    tmp_path, server, start, asyncapi, inputs, name
):
    release, mode = asyncio.Event(), "fail"

    async def answer(request):
        number = int(request.path[1:])
        if mode == "hang" and number >= 6:
            await release.wait()
        return web.json_response({"n": number}, status=404 if mode == "fail" else 200)

    server.answer = answer
    assert (await asyncapi("fetch", inputs(10), "-o", name))[0] == 1
    there, mode = (tmp_path / name).read_bytes(), "hang"
    command = ("fetch", inputs(10), "-o", name, "--retry-failed", "-c", "4")
    before = len(server.seen)
    process = await start(*command, "--quiet")
    await server.saw(before + 10)
    await asyncio.sleep(0.5)
    process.kill()
    await process.communicate()
    assert (tmp_path / name).read_bytes() == there
    release.set()
    code, _, err = await asyncapi(*command)
    assert code == 0, err
    assert sorted(int(row["id"]) for row in read(tmp_path / name)) == list(range(10))
    assert all(is_ok(row) for row in read(tmp_path / name))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", name]
    assert len(server.seen) < before + 10 + 10  # what had arrived was not sent again


@pytest.mark.parametrize("template", [False, True])
async def test_failed_rows_are_an_input_again(tmp_path, server, asyncapi, template):
    server.answer = users
    if template:
        (tmp_path / "in.csv").write_text("id,who\n1,404\n2,5\n3,404\n")
        options = ("--url", f"{server.url}/{{who}}")
    else:
        lines = [{"id": "x", "url": f"{server.url}/404", "method": "POST", "json": {"a": 1}, "headers": {"X-A": "1"}},
                 {"url": f"{server.url}/1"}, {"id": "y", "url": f"{server.url}/404"}]  # fmt: skip
        (tmp_path / "in.csv").write_text("".join(json.dumps(line) + "\n" for line in lines))
        options = ("--format", "jsonl")
    code, _, err = await asyncapi("fetch", "in.csv", *options, "-o", "out.jsonl", "--failed-to", "failed.jsonl")
    assert code == 1, err
    rows = [json.loads(line) for line in (tmp_path / "failed.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert all(row.pop("asyncapi_error").startswith("NotFound") for row in rows)
    if template:
        assert sorted(rows, key=itemgetter("id")) == [{"id": "1", "who": "404"}, {"id": "3", "who": "404"}]
        options = ("--url", f"{server.url}/{{who}}")
    else:
        assert sorted(rows, key=itemgetter("id")) == [lines[0], lines[2]]
        options = ()
    before = len(server.seen)
    code, _, err = await asyncapi("fetch", "failed.jsonl", *options, "-o", "again.jsonl")
    assert code == 1, err
    assert len(server.seen) == before + 2
    if not template:
        post = next(request for request in server.seen[before:] if request.method == "POST")
        assert post.headers["X-A"] == "1"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.jsonl", "failed.jsonl", "in.csv", "out.jsonl"]


async def test_whoever_stops_reading_ends_the_job_quietly(tmp_path, server, inputs, start):
    process = await start("fetch", inputs(2000), "-o", "-", "-c", "4", "--quiet")
    assert json.loads(await process.stdout.readline())["ok"]
    process._transport.get_pipe_transport(1).close()
    await asyncio.wait_for(process.wait(), 30)
    assert await process.stderr.read() == b""
    assert process.returncode == 0
    assert len(server.seen) < 2000


async def test_a_durable_job_is_the_same_for_the_user(tmp_path, server, asyncapi):
    lines = [{"url": f"{server.url}/{n}", "method": "POST", "json": {"n": n}} for n in range(20)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("out.jsonl", "out.csv.gz", "out.sqlite", "out.parquet"):
        code, _, err = await asyncapi("fetch", "in.jsonl", "-o", name, "--durable")
        assert code == 0, err
        assert len(read(tmp_path / name)) == 20


async def test_failed_rows_of_a_killed_job_are_all_there_after_its_resume(tmp_path, server, start, asyncapi, inputs):
    release = asyncio.Event()

    async def answer(request):
        number = int(request.path[1:])
        if number >= 20:
            await release.wait()
        return web.json_response({}, status=404 if number % 2 else 200)

    server.answer = answer
    command = ("fetch", inputs(30), "-o", "out.jsonl", "--failed-to", "failed.jsonl", "--resume", "--quiet", "-c", "4")
    process = await start(*command)
    await server.saw(24)
    await asyncio.sleep(0.5)
    process.kill()
    await process.communicate()
    release.set()
    code, _, err = await asyncapi(*command)
    assert code == 1, err
    failed = [json.loads(line)["url"] for line in (tmp_path / "failed.jsonl").read_text().splitlines()]
    assert sorted(failed) == sorted(f"{server.url}/{n}" for n in range(1, 30, 2))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["failed.jsonl", "in.txt", "out.jsonl"]


async def test_failed_rows_never_replace_the_input(tmp_path, server, asyncapi, inputs):
    code, _, err = await asyncapi("fetch", inputs(2), "-o", "out.jsonl", "--failed-to", "in.txt")
    assert code == 2
    assert "the input and --failed-to are the same file, in.txt: name another one" in err
    assert server.seen == []


async def test_stdout_and_failed_rows_go_together(tmp_path, server, asyncapi):
    server.answer = users
    write_csv(tmp_path / "in.csv", server.url)
    code, out, err = await asyncapi("fetch", "in.csv", "-o", "-", "--failed-to", "failed.jsonl", "--quiet")
    assert code == 1, err
    assert len(out.splitlines()) == 3
    (row,) = map(json.loads, (tmp_path / "failed.jsonl").read_text().splitlines())
    assert row.pop("asyncapi_error").startswith("NotFound")
    assert row == {"id": "c", "url": f"{server.url}/404"}
