"""`asyncapi fetch` between other programs: URLs as arguments, stdin that is recognized, readers that leave."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


async def test_urls_are_arguments_and_rows_go_to_stdout(server, asyncapi):
    code, out, err = await asyncapi("fetch", f"{server.url}/a", f"{server.url}/b?c={{d}}", "-q")
    assert (code, err) == (0, "")
    assert sorted(row["url"] for row in rows(out)) == [f"{server.url}/a", f"{server.url}/b?c={{d}}"]


async def test_one_url_with_a_body_is_a_post_as_with_curl(server, asyncapi):
    bodies = []

    async def answer(request):
        bodies.append((request.method, request.headers["Content-Type"], await request.text()))
        return web.json_response(1)

    server.answer = answer
    assert (await asyncapi("fetch", f"{server.url}/a", "-q", "--json", '{"a": [1]}'))[0] == 0
    assert (await asyncapi("fetch", f"{server.url}/a", "-q", "-d", "a=1", "-d", "b=2"))[0] == 0
    assert (await asyncapi("fetch", f"{server.url}/a", "-q", "-d", "a=1", "-X", "PUT"))[0] == 0
    form = "application/x-www-form-urlencoded"
    assert bodies == [
        ("POST", "application/json", '{"a":[1]}'), ("POST", form, "a=1&b=2"), ("PUT", form, "a=1"),
    ]  # fmt: skip


async def test_a_body_is_read_from_a_file_or_from_stdin(tmp_path, server, asyncapi):
    bodies = []

    async def answer(request):
        bodies.append(await request.json())
        return web.json_response(1)

    server.answer = answer
    (tmp_path / "body.json").write_text('{"a": 1}')
    assert (await asyncapi("fetch", f"{server.url}/a", "-q", "--json", "@body.json"))[0] == 0
    assert (await asyncapi("fetch", f"{server.url}/a", "-q", "--json", "@-", stdin='{"a": 2}'))[0] == 0
    assert bodies == [{"a": 1}, {"a": 2}]
    code, _, err = await asyncapi("fetch", "-q", "--json", "@-", stdin='{"a": 2}')
    assert (code, err.count("\n")) == (2, 1)
    assert "no input" in err


async def test_urls_go_to_a_file_where_one_is_named(tmp_path, server, asyncapi):
    code, out, _ = await asyncapi("fetch", f"{server.url}/a", "-o", "out.jsonl")
    assert (code, out) == (0, "")
    assert rows((tmp_path / "out.jsonl").read_text())[0]["data"] == {"path": "/a"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("in.txt", "https://h/1"), "in.txt is a file and https://h/1 is a URL: give a file, or URLs"),
        (("https://h/1", "in.txt", "-o", "x.csv"), "in.txt is a file and https://h/1 is a URL"),
        (("a.txt", "b.txt", "-o", "x.csv"), "2 files: give one, or join them: cat a.txt b.txt | asyncapi fetch -"),
        (("https://h/{id}", "--from", "a.csv", "-o", "x.csv"), "https://h/{id} is a template: give it as --url"),
        (("https://h/1", "--url", "https://h/{id}"), "--url is a template for the rows of a file"),
        (("a.toml", "https://h/1"), "a.toml is a job file: give one, and no other input"),
        (("a.toml", "--job", "b.toml"), "a.toml is a job file: give one, and no other input"),
        (("none.toml",), "cannot read the job file none.toml: No such file"),
        (("in.txt", "-o", "x.csv", "-q", "-v"), "--quiet and --verbose contradict each other"),
        (("https://h/1", "--json", "{}", "-d", "x"), "--json and --data"),
        (("https://h/1", "--chunk", "5"), "--chunk belongs to --on: give it too"),
        (("https://h/1", "--workers-hint", "5"), "--workers-hint belongs to --shared: give it too"),
        (("https://h/1", "--cert", "none.pem"), "Invalid value for --cert: there is no file none.pem"),
        (("https://h/1", "--key", "in.txt"), "--key is the private key of a certificate"),
        (("https://h/1", "--json", "{"), "--json"),
        (("https://h/1", "--user", "ann", "--auth-env", "X"), "each say who calls: give one of them"),
        (("https://h/1", "--fail-fast", "4xx"), "'4xx' is not a status"),
        (("https://h/1", "--with", "body"), "'body' is not one of 'headers', 'url', 'bytes'"),
    ],
)
async def test_arguments_that_do_not_go_together_are_one_clear_error(tmp_path, asyncapi, args, says):
    (tmp_path / "in.txt").write_text("https://127.0.0.1:1/\n")
    code, out, err = await asyncapi("fetch", *args)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert says in err
    assert not (tmp_path / "x.csv").exists()


async def test_a_pipe_on_stdin_is_the_input_and_stdout_the_output(server, asyncapi):
    code, out, err = await asyncapi("fetch", stdin=f"{server.url}/a\n{server.url}/b\n")
    assert code == 0
    assert sorted(row["data"]["path"] for row in rows(out)) == ["/a", "/b"]
    assert "done: 2 rows" in err


async def test_a_file_on_stdin_is_the_input_also_of_a_job_file(tmp_path, server):
    (tmp_path / "urls").write_text(f"{server.url}/a\n")
    (tmp_path / "job.toml").write_text('output = "out.jsonl"\n')
    with (tmp_path / "urls").open() as stdin:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "asyncapi", "fetch", "job.toml", "-q", cwd=tmp_path, stdin=stdin
        )
        assert await process.wait() == 0
    assert rows((tmp_path / "out.jsonl").read_text())[0]["data"] == {"path": "/a"}


async def test_an_input_that_is_named_is_read_and_not_the_pipe(server, asyncapi, inputs):
    code, out, _ = await asyncapi("fetch", inputs(2), "-o", "-", "-q", stdin="nonsense")
    assert (code, len(rows(out))) == (0, 2)


async def test_a_terminal_on_stdin_is_no_input(tmp_path):
    """Nothing waits for somebody who types URLs."""
    ours, theirs = os.openpty()
    try:
        ended = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "asyncapi", "fetch", "-o", "x.jsonl"], stdin=theirs,
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert ended.returncode == 2
    assert ended.stderr == "error: Invalid value for INPUT: no input: name a file, give URLs, or - for stdin\n"


@pytest.mark.parametrize("quiet", [True, False])
async def test_head_ends_a_job_quietly(tmp_path, server, inputs, quiet):
    """As it ends any other filter: no error, and no traceback."""
    inputs(3000)
    fetch = f"{sys.executable} -m asyncapi fetch in.txt -o - {'-q' if quiet else ''}"
    process = await asyncio.create_subprocess_shell(
        f"{fetch} | head -1", cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert len(rows(out.decode())) == 1
    assert b"error" not in err
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    assert not (quiet and err)


@pytest.mark.parametrize("args", ["fetch --help", "fetch in.txt --dry-run -H 'X-A: b'", "--help"])
async def test_head_ends_what_is_printed_quietly_too(tmp_path, inputs, args):
    inputs(20_000)
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m asyncapi {args} | head -1", cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert (out.count(b"\n"), err) == (1, b"")


async def test_the_summary_is_written_for_scripts(tmp_path, server, asyncapi, inputs):
    code, out, err = await asyncapi("fetch", inputs(3), "-o", "out.jsonl", "--summary", "s.json", "-q")
    assert (code, out, err) == (0, "", "")
    found = json.loads((tmp_path / "s.json").read_text())
    assert (found["ok"], found["failed"], found["exit_code"], found["by_status"]) == (3, 0, 0, {"200": 3})


async def test_verbose_has_a_line_for_each_row_that_fails(server, asyncapi, inputs):
    async def answer(request):
        return web.Response(status=404 if request.path == "/3" else 200)

    server.answer = answer
    code, _, err = await asyncapi("fetch", inputs(5), "-o", "out.jsonl", "--verbose")
    assert code == 1
    assert f"row 3: GET {server.url}/3: failed: NotFound" in err
