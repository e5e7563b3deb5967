"""`asyncapi fetch --cache-store FILE`: what one run was told, the next one need not ask for."""

import csv
import json
import sqlite3
from contextlib import closing

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes


@pytest.fixture
def lasting(server):
    """Have the server's responses stay fresh for an hour, those below /stale only with its consent."""

    async def answer(request):
        headers = {"Cache-Control": "max-age=3600", "ETag": '"1"'}
        if request.path.startswith("/stale"):
            headers["Cache-Control"] = "max-age=0"
            if request.headers.get("If-None-Match") == '"1"':
                return web.Response(status=304, headers=headers)
        return web.json_response({"path": request.path}, headers=headers)

    server.answer = answer
    return server


def data(path):
    return [json.loads(line)["data"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "sqlite"])
async def test_a_second_run_is_served_from_the_file(asyncapi, lasting, inputs, tmp_path, ending):
    for run in (1, 2):
        output = f"{run}.{ending}"
        code, _, err = await asyncapi("fetch", inputs(40), "-o", output, "--cache-store", "c.db", "--summary", "s.json")
        assert (code, len(lasting.seen)) == (0, 40), err
        assert ("  from cache 40 rows: fresh 40" in err) == (run == 2)
        assert json.loads((tmp_path / "s.json").read_text())["cached"] == ({"fresh": 40} if run == 2 else {})
    if ending == "jsonl":
        one, two = (sorted(data(tmp_path / f"{run}.jsonl"), key=str) for run in (1, 2))
        assert one == two == sorted(({"path": f"/{n}"} for n in range(40)), key=str)
    elif ending == "csv":
        found = list(csv.DictReader((tmp_path / "2.csv").read_text().splitlines()))
        assert {(row["status"], row["attempts"]) for row in found} == {("200", "0")}
    else:
        with closing(sqlite3.connect(tmp_path / "2.sqlite")) as base:
            assert base.execute("SELECT count(*), sum(ok) FROM rows").fetchone() == (40, 40)


async def test_one_row_and_a_model_are_served_too(asyncapi, lasting, tmp_path):
    (tmp_path / "models.py").write_text("from pydantic import BaseModel\nclass M(BaseModel):\n    path: str\n")
    for _ in range(2):
        code, out, err = await asyncapi(
            "fetch",
            f"{lasting.url}/7",
            "--cache-store",
            "c.db",
            "--model",
            "models:M",
            env={"PYTHONPATH": str(tmp_path)},
        )
        assert (code, json.loads(out)["data"], len(lasting.seen)) == (0, {"path": "/7"}, 1), err
    assert "from cache 1 rows: fresh 1" in err


async def test_what_is_stale_is_asked_for_and_counted_as_confirmed(asyncapi, lasting, tmp_path):
    (tmp_path / "in.txt").write_text("".join(f"{lasting.url}/stale/{n}\n" for n in range(9)))
    for _ in range(2):
        code, _, err = await asyncapi("fetch", "in.txt", "-o", "o.jsonl", "--overwrite", "--cache-store", "c.db")
        assert code == 0
    assert "from cache 9 rows: revalidated 9" in err
    assert len(lasting.seen) == 18
    assert {row["path"] for row in data(tmp_path / "o.jsonl")} == {f"/stale/{n}" for n in range(9)}


@pytest.mark.lane("native", reason="the workers are the subject, and not what sends")
async def test_workers_share_the_file_and_their_counts_add_up(asyncapi, lasting, inputs):
    on = ("--on", "local:2", "--chunk", "10", "--cache-store", "c.db", "--overwrite")
    code, _, err = await asyncapi("fetch", inputs(60), "-o", "o.jsonl", *on)
    assert (code, len(lasting.seen)) == (0, 60), err
    code, _, err = await asyncapi("fetch", inputs(60), "-o", "o.jsonl", *on)
    assert (code, len(lasting.seen)) == (0, 60), err
    assert "from cache 60 rows: fresh 60" in err


async def test_a_job_file_has_it_and_the_command_line_overrides_it(asyncapi, lasting, inputs, tmp_path):
    (tmp_path / "jobs").mkdir()
    inputs(5)
    (tmp_path / "jobs" / "job.toml").write_text('input = "../in.txt"\noutput = "o.jsonl"\ncache-store = "c.db"\n')
    counts = []
    for more in ([], [], ["--no-cache"], ["--cache"], ["--cache-store", "other.db"]):
        code, _, err = await asyncapi("fetch", "jobs/job.toml", "--overwrite", "--quiet", *more)
        counts.append(len(lasting.seen))
        assert code == 0, err
    assert counts == [5, 5, 10, 10, 15]
    assert (tmp_path / "jobs" / "c.db").exists()
    assert (tmp_path / "other.db").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--cache-store", "."), "cannot keep responses in .: it is a folder; name a file (--cache-store)"),
        (("--cache-store", "in.txt"), "the input and --cache-store are the same file"),
        (("-o", "o.sqlite", "--cache-store", "o.sqlite"), "--output and --cache-store are the same file"),
        (("--cache-store", "theirs.db"), "theirs.db is a database of another program: give another path"),
        (("--cache-store", "text.txt"), "text.txt is no SQLite database"),
        (("--cache-store", "text.txt/c.db"), "text.txt is no folder"),
        (("--cache-store", "theirs.db", "--on", "local:2"), "theirs.db is a database of another program"),
        (("--cache-store", "theirs.db", "--dry-run"), "theirs.db is a database of another program"),
        (("--cache-store", "c.db", "--no-cache"), "--no-cache and --cache-store contradict each other"),
        (("--cache-store", "c.db", "--save-dir", "d"), "--save-dir writes each response as it comes"),
        (("--cache-store", ""), "give the name of a file"),
    ],
)
async def test_a_wrong_file_is_one_clear_error_before_anything_is_sent(
    asyncapi, lasting, inputs, tmp_path, options, why
):
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as base:
        base.execute("CREATE TABLE t(a)")
    (tmp_path / "text.txt").write_text("text" * 1000)
    where = () if "-o" in options else ("-o", "o.jsonl")
    code, _, err = await asyncapi("fetch", inputs(3), *where, *options)
    assert (code, len(lasting.seen)) == (2, 0)
    assert why in err
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1
    assert (tmp_path / "text.txt").read_text() == "text" * 1000


async def test_a_dry_run_names_the_file_and_makes_none(asyncapi, lasting, inputs, tmp_path):
    code, out, _ = await asyncapi("fetch", inputs(3), "-o", "o.jsonl", "--cache-store", "deep/c.db", "--dry-run")
    assert code == 0
    assert "responses are kept in deep/c.db" in out
    assert not (tmp_path / "deep").exists()


async def test_help_teaches_it(asyncapi):
    _, out, _ = await asyncapi("fetch", "--help")
    assert "--cache-store PATH" in out
    assert "later runs" in " ".join(out.split())
