"""A dry run shows what would be sent, in the words of the options."""

import os

from aiohttp import web


async def test_a_dry_run_sends_and_writes_nothing(tmp_path, server, asyncapi, inputs):
    code, out, _ = await asyncapi("fetch", inputs(300), "-o", "out.jsonl", "--dry-run", "--rate", "100/m")
    assert code == 0
    assert f"GET {server.url}/4" in out
    assert f"GET {server.url}/5" not in out
    assert "300 (GET 300)" in out
    assert "100 at a time, 100 a minute" in out
    assert "up to 4 attempts a row" in out
    assert server.seen == []
    assert [file.name for file in tmp_path.iterdir()] == ["in.txt"]


async def test_a_dry_run_says_what_limits_retries_and_stops_the_job(asyncapi, inputs):
    code, out, _ = await asyncapi(
        "fetch", inputs(3), "-o", "out.csv", "--dry-run", "--retry", "2", "--retry-budget", "50%", "--max-errors", "7",
        "--no-pace", "--max-wait", "7200",
    )  # fmt: skip
    assert code == 0
    facts = (
        "up to 2 attempts a row, a retry budget of 50%", "after 7 failed rows (--max-errors)", "(--no-pace)",
        "over 2 h (--max-wait)", "out.csv", "Nothing was sent.",
    )  # fmt: skip
    assert [fact for fact in facts if fact not in out] == []
    assert "layer" not in out


async def test_a_dry_run_masks_secrets_and_counts_hosts(asyncapi, tmp_path):
    (tmp_path / "in.txt").write_text("https://a.example/x?api_key=s3cr3t\n" + "https://b.example/\n" * 2)
    code, out, _ = await asyncapi("fetch", "in.txt", "--dry-run")
    assert code == 0
    assert "s3cr3t" not in out
    assert "b.example 2, a.example 1" in out


async def test_a_dry_run_finds_what_the_job_would_find(asyncapi, tmp_path):
    (tmp_path / "in.csv").write_text("url\nhttps://h/1\nnowhere\n")
    code, _, err = await asyncapi("fetch", "in.csv", "-o", "out.jsonl", "--dry-run")
    assert code == 2
    assert "in.csv:3: the URL 'nowhere' has no scheme" in err


async def test_a_dry_run_says_where_credentials_go_and_never_what_they_are(asyncapi, tmp_path):
    (tmp_path / "in.txt").write_text("https://a.example/x\n")
    env = {**os.environ, "KEY": "s3cr3t"}
    for args, says in (
        (("--auth-env", "KEY"), "the token in KEY (--auth-env), to the host of each row, not where it redirects to"),
        (("--api-key-env", "X-Key=KEY", "--base-url", "https://a.example"),
         "the key in KEY as X-Key (--api-key-env), to https://a.example alone"),
        (("--user", "ann:s3cr3t"), "the password of ann (--user), to the host of each row"),
        ((), "Credentials:   none"),
    ):  # fmt: skip
        code, out, err = await asyncapi("fetch", "in.txt", "--dry-run", *args, env=env)
        assert (code, err) == (0, "")
        assert says in out
        assert "s3cr3t" not in out


async def test_a_dry_run_says_what_stops_and_what_is_retried(asyncapi, tmp_path):
    (tmp_path / "in.txt").write_text("https://a.example/x\n")
    code, out, _ = await asyncapi(
        "fetch", "in.txt", "--dry-run", "--fail-fast", "401,403", "--retry-on", "429,ConnectError", "--redirects", "0",
        "-H", "X-A: b",
    )  # fmt: skip
    assert code == 0
    facts = (
        "at the first 401 or 403 (--fail-fast)",
        "after 429, ConnectError",
        "Redirects:     are not followed",
        "X-A: b",
    )
    assert [fact for fact in facts if fact not in out] == []


async def test_a_dry_run_shows_which_failed_rows_would_be_sent_again(tmp_path, server, asyncapi, inputs):
    async def answer(request):
        return web.Response(status=404 if request.path in {"/3", "/7"} else 200)

    server.answer = answer
    assert (await asyncapi("fetch", inputs(9), "-o", "out.jsonl"))[0] == 1
    before, sent = (tmp_path / "out.jsonl").read_bytes(), len(server.seen)
    code, out, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--retry-failed", "--dry-run")
    assert (code, err) == (0, "")
    shown = [line.split()[1] for line in out.splitlines() if line.startswith("  GET ")]
    assert shown == [f"{server.url}/3", f"{server.url}/7"]
    assert "out.jsonl, of which 2 rows of 9 have failed" in out
    assert ((tmp_path / "out.jsonl").read_bytes(), len(server.seen)) == (before, sent)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", "out.jsonl"]


async def test_a_dry_run_names_the_columns_of_the_output(asyncapi, tmp_path):
    (tmp_path / "in.csv").write_text("url,note\nhttps://a.example/x,n\n")
    args = ("fetch", "in.csv", "--dry-run", "--carry", "all", "--select", "a.b", "--with", "bytes")
    for output in ("out.csv", "out.jsonl"):
        code, out, _ = await asyncapi(*args, "-o", output)
        assert code == 0
        assert "id, url, status, ok, b, error, attempts, elapsed_ms, at, bytes, note" in " ".join(out.split())
