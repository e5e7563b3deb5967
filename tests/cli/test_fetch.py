"""`asyncapi fetch` as a person meets it: what it writes, what it says, how it ends."""

import asyncio
import json
import os
import random
import sqlite3

import pytest
from aiohttp import web

from asyncapi import __version__

pytestmark = pytest.mark.lanes


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_it_fetches_a_file_and_sums_up(tmp_path, server, asyncapi, inputs):
    code, out, err = await asyncapi("fetch", inputs(300), "-o", "out.jsonl")
    assert code == 0
    assert out == ""
    assert sorted(row["id"] for row in rows(tmp_path / "out.jsonl")) == list(range(300))
    assert "done: 300 rows in " in err
    assert "300 ok, 0 failed" in err
    assert "300/300 (100 %) rows" in err
    assert "\x1b" not in err  # no terminal, no colours


async def test_failed_rows_make_exit_code_1(tmp_path, server, asyncapi, inputs):
    async def answer(request):
        return web.Response(status=404 if request.path == "/3" else 200)

    server.answer = answer
    code, _, err = await asyncapi("fetch", inputs(10), "-o", "out.jsonl")
    assert code == 1
    assert "9 ok, 1 failed" in err
    assert "NotFound 1" in err


async def test_a_template_a_header_a_token_and_stdout(server, asyncapi):
    """Rows alone are on stdout, and --quiet says nothing else."""
    code, out, err = await asyncapi(
        "fetch", "--url", server.url + "/items/{id}?q={q}", "--from", "-", "--format", "csv", "-o", "-", "-q",
        "-H", "X-A: b: c", "--auth-env", "TOKEN", "-X", "delete",
        stdin="id,q\n7,a b\n8,c\n", env={**os.environ, "TOKEN": "s3cret"},
    )  # fmt: skip
    assert (code, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    assert sorted(row["id"] for row in found) == ["7", "8"]
    assert {request.method for request in server.seen} == {"DELETE"}
    assert sorted((request.path, request.query["q"]) for request in server.seen) == [
        ("/items/7", "a b"),
        ("/items/8", "c"),
    ]
    assert all(request.headers["X-A"] == "b: c" for request in server.seen)
    assert all(request.headers["Authorization"] == "Bearer s3cret" for request in server.seen)


async def test_a_model_from_the_users_own_folder(tmp_path, server, asyncapi, inputs):
    (tmp_path / "mine.py").write_text("import pydantic\nclass Item(pydantic.BaseModel):\n    path: str\n")
    code, _, _ = await asyncapi("fetch", inputs(3), "-o", "out.jsonl", "--model", "mine:Item")
    assert code == 0
    assert {row["data"]["path"] for row in rows(tmp_path / "out.jsonl")} == {"/0", "/1", "/2"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("in.txt",), "no output: name a file"),
        (("-o", "out.jsonl"), "no input: name a file"),
        (("none.txt", "-o", "out.jsonl"), "error: cannot read the input none.txt: No such file"),
        (("in.txt", "-o", "none/out.jsonl"), "error: cannot write none/out.jsonl: there is no folder none"),
        (("in.txt", "-o", "/proc/out.jsonl"), "error: cannot write /proc/out.jsonl: "),
        (("in.txt", "-o", "in.txt"), "error: the output in.txt has an unknown ending"),
        (("broken.jsonl", "-o", "out.jsonl"), "error: broken.jsonl:2: not valid JSON"),
        (("broken.jsonl", "-o", "broken.jsonl"), "error: the output broken.jsonl is also the input"),
        (("in.txt", "-o", "there.jsonl"), "error: there.jsonl exists: --overwrite replaces it, --resume continues"),
        (("in.txt", "-o", "there.jsonl", "--resume"), "error: there.jsonl has no journal"),
        (("in.txt", "-o", "out.jsonl", "--rate", "x"), "error: the rate 'x' cannot be read"),
        (("in.txt", "-o", "out.jsonl", "--auth-env", "NOPE"), "error: the environment variable NOPE is not set"),
        (("in.txt", "-o", "out.jsonl", "--concurrency", "0"), "Invalid value"),
        (("in.txt", "-o", "out.jsonl", "--format", "xml"), "'xml' is not one of 'text', 'jsonl', 'csv', 'tsv'"),
        (("in.txt", "-o", "out.jsonl", "--idempotency-key", "x"), "'auto'"),
        (("in.txt", "-o", "out.jsonl", "-H", "nonsense"), "write 'Name: value'"),
        (("in.txt", "-o", "out.jsonl", "--from", "x.csv"), "give INPUT or --from, not both"),
        (("--from", "in.txt", "-o", "out.jsonl"), "--from needs a template"),
        (("in.txt", "-o", "out.jsonl", "--ca", "none.pem"), "none.pem"),
        (("in.txt", "-o", "out.jsonl", "--insecure", "--ca", "in.txt"), "contradict each other"),
        (("in.txt", "-o", "out.jsonl", "--no-such-option"), "No such option"),
    ],
)
async def test_wrong_usage_is_one_clear_error_and_exit_code_2(tmp_path, asyncapi, args, says):
    (tmp_path / "in.txt").write_text("https://127.0.0.1:1/\n")
    (tmp_path / "broken.jsonl").write_text('{"url": "https://127.0.0.1:1/"}\n{"url": \n')
    (tmp_path / "there.jsonl").write_text("{}\n")
    code, out, err = await asyncapi("fetch", *args)
    said = " ".join(err.replace("│", " ").split())
    assert (code, out) == (2, ""), err
    assert says in said
    if says.startswith("error: "):
        assert err.count("\n") == 1
    assert (tmp_path / "there.jsonl").read_text() == "{}\n"
    assert not (tmp_path / "out.jsonl").exists()


async def test_others_may_lock_and_read_the_table_while_the_job_runs(tmp_path, server, start, inputs):
    """The job goes on sending while it is locked, and ends as usual while somebody still looks at it."""
    inputs(300)
    process = await start("fetch", "in.txt", "-o", "out.sqlite", "--rate", 100)
    await server.saw(60)
    other = sqlite3.connect(tmp_path / "out.sqlite", isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    before = other.execute("SELECT count(*) FROM rows").fetchone()[0]
    await server.saw(len(server.seen) + 150)
    assert other.execute("SELECT count(*) FROM rows").fetchone()[0] == before
    other.execute("ROLLBACK")
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert other.execute("SELECT count(*), count(DISTINCT id) FROM rows").fetchone() == (300, 300)
    other.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", "out.sqlite"]


async def test_an_output_edited_before_the_resume_is_refused(tmp_path, server, start, asyncapi, inputs):
    inputs(400)
    process = await start("fetch", "in.txt", "-o", "out.jsonl", "--rate", 200)
    while not (tmp_path / "out.jsonl").exists() or (tmp_path / "out.jsonl").read_bytes().count(b"\n") < 20:
        await asyncio.sleep(0.02)
    process.kill()
    await process.communicate()
    edited = (tmp_path / "out.jsonl").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "out.jsonl").write_bytes(edited)
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--resume")
    assert code == 2
    assert "error: out.jsonl has changed since the job stopped: its row 1 was edited" in err
    assert (tmp_path / "out.jsonl").read_bytes() == edited


async def test_a_host_that_fails_a_third_of_the_time_loses_no_row(tmp_path, server, asyncapi, inputs):
    draw = random.Random(3)

    async def answer(request):
        return web.json_response({}, status=503 if draw.random() < 0.35 else 200)

    server.answer = answer
    code, _, err = await asyncapi("fetch", inputs(300), "-o", "out.jsonl", "--retry", "30")
    assert code == 0, err
    assert "held back  by budget: " in err
    assert all(row["ok"] for row in rows(tmp_path / "out.jsonl"))


async def test_a_host_that_is_gone_stops_the_job_which_can_be_resumed(tmp_path, server, asyncapi):
    (tmp_path / "in.txt").write_text("".join(f"http://127.0.0.1:1/{n}\n" for n in range(300)))
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--max-outage", "2", "--retry", "30")
    assert code == 1
    assert "error: 127.0.0.1:1 has been unavailable for 2 s (ConnectError: " in err
    assert "--resume" in err
    assert rows(tmp_path / "out.jsonl") == []


async def test_the_retry_budget_is_the_users_to_lift(tmp_path, server, asyncapi, inputs):
    tries = {}

    async def answer(request):
        tries[request.path] = tries.get(request.path, 0) + 1
        return web.json_response({}, status=200 if tries[request.path] > 1 else 503)

    server.answer = answer
    code, _, err = await asyncapi("fetch", inputs(60), "-o", "out.jsonl", "--retry-budget", "none")
    assert code == 0
    assert "60 ok" in err
    assert "held back" not in err
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "b.jsonl", "--retry-budget", "many")
    assert code == 2
    assert "is not a share: write 0.5, 50% or none" in " ".join(err.replace("│", " ").split())


async def test_input_from_a_pipe_is_fetched_while_it_is_written(server, start):
    process = await start("fetch", "-", "-o", "-", "-q", stdin=asyncio.subprocess.PIPE)
    process.stdin.write(f"{server.url}/0\n".encode())
    first = await asyncio.wait_for(process.stdout.readline(), 20)
    assert json.loads(first)["data"] == {"path": "/0"}
    process.stdin.write(f"{server.url}/1\n".encode())
    process.stdin.close()
    out, err = await process.communicate()
    assert json.loads(out)["data"] == {"path": "/1"}
    assert (process.returncode, err) == (0, b"")


async def test_a_reader_that_leaves_is_no_traceback(server, start, inputs):
    process = await start("fetch", inputs(2000), "-o", "-")  # more than a pipe and a reader hold
    await process.stdout.readline()
    process.stdout._transport.close()
    err = await process.stderr.read()
    assert await asyncio.wait_for(process.wait(), 20) == 0  # no row has failed
    assert b"Traceback" not in err
    assert b"error" not in err


async def test_a_full_disk_is_one_clear_error_and_the_job_goes_on_after(tmp_path, server, asyncapi, inputs):
    """A real small file system fills up while the job runs."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=128k", "none", small)
    if (await (await asyncio.create_subprocess_exec(*mount, stderr=asyncio.subprocess.DEVNULL)).wait()) != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        (small / "ballast").write_bytes(bytes(64 * 1024))
        code, _, err = await asyncapi("fetch", inputs(450), "-o", "small/out.jsonl")
        assert code == 1
        assert err.count("error: ") == 1
        assert "error: cannot write small/out.jsonl: No space left on device" in err
        assert "run the same command with --resume" in err
        (small / "ballast").unlink()
        code, _, err = await asyncapi("fetch", "in.txt", "-o", "small/out.jsonl", "--resume")
        assert code == 0
        assert " done before" in err
        assert sorted(row["id"] for row in rows(small / "out.jsonl")) == list(range(450))
    finally:
        await (await asyncio.create_subprocess_exec("umount", "-l", small)).wait()


async def test_the_report_is_named_in_the_summary(tmp_path, server, asyncapi, inputs):
    code, _, err = await asyncapi("fetch", inputs(20), "-o", "out.parquet", "--report", "r.html")
    assert code == 0
    assert "report     r.html" in err
    assert "<svg" in (tmp_path / "r.html").read_text()


async def test_version_and_help(asyncapi):
    assert await asyncapi("--version") == (0, f"asyncapi {__version__}\n", "")
    for args in ((), ("--help",), ("fetch", "-h"), ("serve", "--help")):
        code, out, err = await asyncapi(*args)
        assert code in {0, 2}
        assert "Usage" in out + err
    _, out, _ = await asyncapi("fetch", "--help")
    assert "asyncapi fetch urls.txt -o users.jsonl" in out


async def test_help_is_quick_because_nothing_heavy_is_imported(start):
    process = await asyncio.create_subprocess_exec(
        os.sys.executable, "-c",
        "import sys; import asyncapi.cli; print([m for m in ('asyncapi.bulk', 'rich.live', 'matplotlib', 'pyarrow', 'uvloop')"
        " if m in sys.modules])",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert out == b"[]\n"


async def test_a_bug_of_ours_is_one_line_and_no_traceback(tmp_path, asyncapi):
    (tmp_path / "in.txt").write_text("https://127.0.0.1:1/\n")
    (tmp_path / "sitecustomize.py").write_text("import sqlite3\ndel sqlite3.connect\n")
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.db", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert code == 1
    assert err.startswith("error: unexpected AttributeError: ")
    assert err.count("\n") == 1
