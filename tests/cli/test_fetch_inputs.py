"""What `asyncapi fetch` reads and fills: templates, columns, and every kind of input, by the command itself."""

import asyncio
import gzip
import json
import os
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from backports import zstd

from object_store import bucket  # noqa: F401 - a fixture

pytestmark = pytest.mark.lanes


@pytest.fixture
def echo(server):
    """The server says what it got."""

    async def answer(request):
        return web.json_response(
            {
                "method": request.method, "path": request.path_qs, "body": await request.text(),
                "type": request.headers.get("Content-Type"), "x": request.headers.get("X-T"),
            }
        )  # fmt: skip

    server.answer = answer
    return server


@pytest.fixture
def fetch(asyncapi, tmp_path):
    """Runs `asyncapi fetch ARGS -o - -q`: the rows in the order of their ids."""

    async def runner(*args, stdin=None):
        code, out, err = await asyncapi("fetch", *args, "-o", "-", "-q", stdin=stdin)
        assert (code, err) == (0, "")
        return sorted((json.loads(line) for line in out.splitlines()), key=lambda row: str(row["id"]))

    return runner


CSV = 'id,text,n,cost\na,"say ""hi"", {x}",3,1.5\nb,"two\nlines",4,2\n'


async def test_a_json_body_is_filled_and_its_shape_stays(tmp_path, echo, fetch):
    (tmp_path / "in.csv").write_text(CSV)
    rows = await fetch(
        "--url", echo.url + "/chat", "--from", "in.csv", "--json", '{"p": "{text}", "k": {"n": "no {n}"}, "b": "{{x}}"}'
    )
    assert [json.loads(row["data"]["body"]) for row in rows] == [
        {"p": 'say "hi", {x}', "k": {"n": "no 3"}, "b": "{x}"},
        {"p": "two\nlines", "k": {"n": "no 4"}, "b": "{x}"},
    ]
    assert {(row["data"]["method"], row["data"]["path"], row["data"]["type"]) for row in rows} == {
        ("POST", "/chat", "application/json")
    }


async def test_a_field_alone_keeps_the_type_that_jsonl_gives_it(tmp_path, echo, fetch):
    row = {"id": 1, "url": echo.url + "/a", "n": 7, "f": 1.5, "b": False, "z": None, "o": {"k": [1]}}
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    [row] = await fetch("in.jsonl", "--json", '["{n}", "{f}", "{b}", "{z}", "{o}", "n={n}"]')
    assert json.loads(row["data"]["body"]) == [7, 1.5, False, None, {"k": [1]}, "n=7"]
    assert row["data"]["path"] == "/a"


async def test_data_is_an_encoded_form_or_verbatim_by_its_type(tmp_path, echo, fetch):
    (tmp_path / "in.csv").write_text("id,v\n1,a&b=c é\n")
    args = ("--url", echo.url + "/{id}", "--from", "in.csv", "--data", "v={v}&w=1")
    [form] = await fetch(*args)
    assert (form["data"]["body"], form["data"]["type"]) == (
        "v=a%26b%3Dc%20%C3%A9&w=1",
        "application/x-www-form-urlencoded",
    )
    [text] = await fetch(*args, "-H", "Content-Type: text/plain; charset=utf-8", "-X", "put")
    assert (text["data"]["body"], text["data"]["type"], text["data"]["method"]) == (
        "v=a&b=c é&w=1",
        "text/plain; charset=utf-8",
        "PUT",
    )


async def test_headers_are_filled_and_doubled_braces_are_braces(tmp_path, echo, fetch):
    (tmp_path / "in.csv").write_text(CSV)
    rows = await fetch("--url", echo.url + "/{id}", "--from", "in.csv", "-H", "X-T: {{{n}}}")
    assert [row["data"]["x"] for row in rows] == ["{3}", "{4}"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--json", '{"p": "{txt}"}'), "error: in.csv:2: no column 'txt' (the columns are: id, text, n, cost); did you mean 'text'?; the line is: a,"),
        (("--json", '{"p": {text}}'), "error: --json is not valid JSON"),
        (("--data", "{"), "error: cannot read the template of --data"),
        (("--data", "a={m}"), "error: in.csv:2: no column 'm'"),
        (("-H", "X: {m}"), "error: in.csv:2: no column 'm'"),
        (("-H", "X: {text}"), "error: in.csv:4: header X: a line break or control character in its value"),
        (("--carry", "m"), "error: in.csv:1: no column 'm' (the columns are: id, text, n, cost)"),
        (("--tokens", "10/s", "--weight-from", "text"), "error: in.csv:2: column 'text' is 'say \"hi\", {x}': a weight is a number above 0"),
        (("--tokens", "10/s", "--weight-from", "m"), "error: in.csv:1: no column 'm'"),
    ],
)  # fmt: skip
async def test_templates_and_columns_are_checked_before_anything_is_sent(tmp_path, echo, asyncapi, args, says):
    (tmp_path / "in.csv").write_text(CSV)
    code, out, err = await asyncapi("fetch", "--url", echo.url + "/{id}", "--from", "in.csv", "-o", "out.jsonl", *args)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1
    assert echo.seen == []


async def test_columns_of_the_input_are_carried(tmp_path, echo, fetch):
    (tmp_path / "in.csv").write_text(CSV)
    args = ("--url", echo.url + "/{id}", "--from", "in.csv")
    assert [(row["text"], row["cost"]) for row in await fetch(*args, "--carry", "all")] == [
        ('say "hi", {x}', "1.5"),
        ("two\nlines", "2"),
    ]
    [first, _] = await fetch(*args, "--carry", "cost,n")
    assert (list(first)[-2:], first["cost"]) == (["cost", "n"], "1.5")
    assert "text" not in (await fetch(*args))[0]


def _files(tmp_path, url):
    """The same two rows in every kind of file."""
    urls = [f"{url}/1", f"{url}/2"]
    text, table = "".join(f"{each}\n" for each in urls).encode(), f"id,url\n0,{urls[0]}\n1,{urls[1]}\n".encode()
    (tmp_path / "in.txt.gz").write_bytes(gzip.compress(text))
    (tmp_path / "in.zst").write_bytes(zstd.compress(text))
    (tmp_path / "magic.txt").write_bytes(gzip.compress(text))
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(table[:30]) + gzip.compress(table[30:]))
    (tmp_path / "in.tsv.zst").write_bytes(zstd.compress(table.replace(b",", b"\t")))
    (tmp_path / "in.jsonl.gz").write_bytes(
        gzip.compress(b"".join(json.dumps({"url": each}).encode() + b"\n" for each in urls))
    )
    pq.write_table(pa.table({"id": [0, 1], "url": urls}), tmp_path / "in.parquet")
    with closing(sqlite3.connect(tmp_path / "in.sqlite")) as base, base:
        base.execute("CREATE TABLE jobs (id INTEGER, url TEXT)")
        base.execute("CREATE TABLE other (x)")
        base.executemany("INSERT INTO jobs VALUES (?, ?)", enumerate(urls))


@pytest.mark.parametrize(
    "name",
    ["in.txt.gz", "in.zst", "magic.txt", "in.csv.gz", "in.tsv.zst", "in.jsonl.gz", "in.parquet", "in.sqlite::jobs"],
)
async def test_every_kind_of_file_is_read(tmp_path, echo, fetch, name):
    _files(tmp_path, echo.url)
    rows = await fetch(name)
    assert [(str(row["id"]), row["data"]["path"]) for row in rows] == [("0", "/1"), ("1", "/2")]


@pytest.mark.parametrize("name", ["in.txt.gz", "in.zst", "in.csv.gz", "in.tsv.zst", "in.jsonl.gz"])
@pytest.mark.parametrize("dash", [True, False])
async def test_every_kind_of_pipe_is_recognized(tmp_path, echo, start, name, dash):
    _files(tmp_path, echo.url)
    process = await start("fetch", *(["-"] if dash else []), "-o", "-", "-q", stdin=asyncio.subprocess.PIPE)
    out, err = await asyncio.wait_for(process.communicate((tmp_path / name).read_bytes()), 60)
    assert (process.returncode, err) == (0, b"")
    assert sorted(json.loads(line)["data"]["path"] for line in out.splitlines()) == ["/1", "/2"]


async def test_urls_are_arguments(echo, fetch):
    rows = await fetch(f"{echo.url}/1", f"{echo.url}/2?a=b")
    assert [row["data"]["path"] for row in rows] == ["/1", "/2?a=b"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("in.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-12], "error: in.csv.gz:"),
        ("in.txt.gz", b"https://h/1\n", "error: cannot read the input in.txt.gz: it is not gzip data, as its name says"),
        ("in.parquet", b"PAR1 but broken", "error: cannot read the input in.parquet: "),
        ("in.sqlite", b"SQLite format 3\0 but broken", "error: cannot read the input in.sqlite: "),
        ("in.txt", b"https://h/1\nftp://me:pw@h/?token=t\n", "in.txt:2: the URL 'ftp://***@h/?token=***' is neither http://host/... nor https://host/...; the line is: ftp://***@h/?token=***"),
        ("in.jsonl", b'{"url": "x", "headers": {"Authorization": "Bearer t0k3n"}}\n', 'the line is: {"url": "x", "headers": {"Authorization": "***"}}'),
    ],
)  # fmt: skip
async def test_a_broken_input_is_one_error_that_quotes_the_line(tmp_path, asyncapi, name, content, says):
    (tmp_path / name).write_bytes(content)
    code, _, err = await asyncapi("fetch", name, "-o", "out.jsonl")
    assert code == 2
    assert says in err
    assert len(err.splitlines()) == 1
    assert "t0k3n" not in err


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz"])
async def test_a_limit_is_raised_by_a_resume(tmp_path, echo, asyncapi, name):
    """The limit is no part of the job."""
    table = "id,url\n" + "".join(f"{n},{echo.url}/{n}\n" for n in range(9))
    (tmp_path / name).write_bytes(gzip.compress(table.encode()) if name.endswith("gz") else table.encode())

    async def answer(request):
        return web.Response(status=500 if request.path == "/2" and len(echo.seen) < 9 else 200)

    echo.answer = answer
    args = ("fetch", name, "-o", "out.jsonl", "-q", "--retry", "1")
    code, _, err = await asyncapi(*args, "--limit", "5", "--max-errors", "1", "-c", "1")
    assert code == 1
    assert (tmp_path / "out.jsonl.journal").exists()
    code, _, err = await asyncapi(*args, "--limit", "7", "--resume")
    assert (code, err) == (1, "")  # row 2 has failed
    ids = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(ids) == [str(n) for n in range(7)]


async def test_a_stream_ends_at_the_limit(tmp_path, echo, start):
    process = await start("fetch", "-", "-o", "-", "-q", "--limit", "2", stdin=asyncio.subprocess.PIPE)
    process.stdin.write("".join(f"{echo.url}/{n}\n" for n in range(5)).encode())
    await process.stdin.drain()  # it stays open
    out = await asyncio.wait_for(process.stdout.read(), 60)
    await process.wait()
    assert sorted(json.loads(line)["data"]["path"] for line in out.splitlines()) == ["/0", "/1"]


@pytest.mark.parametrize("stream", [True, False])
async def test_ids_that_appear_twice_are_told_once(tmp_path, echo, asyncapi, stream):
    text = f"id,url\na,{echo.url}/1\nb,{echo.url}/2\na,{echo.url}/3\na,{echo.url}/4\n"
    (tmp_path / "in.csv").write_text(text)
    code, _, err = await asyncapi(
        "fetch", "-" if stream else "in.csv", "-o", "out.jsonl", stdin=text if stream else None
    )
    place = "stdin" if stream else "in.csv"
    assert code == 0
    assert err.count(f"2 rows have an id that an earlier row has, such as 'a' ({place}:4)") == 1
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 4


async def test_an_object_store_is_read_by_fsspec(tmp_path, echo, fetch):
    """`file://` stands for all of them: fsspec opens it."""
    (tmp_path / "in.txt").write_text(f"{echo.url}/1\n")
    [row] = await fetch(f"file://{tmp_path}/in.txt")
    assert row["data"]["path"] == "/1"


@pytest.mark.parametrize("name", ["in.csv.gz", "in.parquet", "none.csv"])
async def test_a_bucket_of_s3_is_read(tmp_path, echo, asyncapi, bucket, name):  # noqa: F811 - the fixture
    _files(tmp_path, echo.url)
    if (tmp_path / name).exists():
        await asyncio.to_thread(bucket.fs.pipe_file, f"rows/{name}", (tmp_path / name).read_bytes())
    code, out, err = await asyncapi("fetch", f"{bucket.url}/{name}", "-o", "-", "-q", env={**os.environ, **bucket.env})
    if name == "none.csv":
        assert (code, out, err) == (2, "", "error: cannot read the input s3://rows/none.csv: there is no such file\n")
    else:
        assert (code, err) == (0, "")
        assert sorted(json.loads(line)["data"]["path"] for line in out.splitlines()) == ["/1", "/2"]
