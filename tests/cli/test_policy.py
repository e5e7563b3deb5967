"""What the options say about limits, retries and credentials is what a server sees."""

import asyncio
import base64
import json
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from certificates import Authority

pytestmark = pytest.mark.lanes


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def status(code, **headers):
    return web.json_response({"code": code}, status=code, headers=headers)


@pytest.mark.parametrize(
    ("rate", "least"), [("20/s", 0.4), ("20", 0.4), ("1200/m", 0.4), ("72000/h", 0.4), ("2/100s", None)]
)
async def test_every_way_to_write_a_rate_means_the_same(asyncapi, inputs, server, tmp_path, rate, least):
    count = 30 if least else 1
    began = time.monotonic()
    code, _, err = await asyncapi("fetch", inputs(count), "-o", "out.jsonl", "--rate", rate, "--quiet")
    assert (code, len(server.seen)) == (0, count), err
    if least:
        assert time.monotonic() - began > least, "10 rows beyond the burst of 20"


@pytest.mark.parametrize("option", ["--rate", "--tokens"])
async def test_what_is_no_rate_is_refused_with_how_to_write_one(asyncapi, inputs, server, option):
    more = ("--weight-from", "n") if option == "--tokens" else ()
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", option, "fast", *more)
    assert (code, len(server.seen)) == (2, 0)
    assert "the rate 'fast' cannot be read: write 50 (a second), 50/s, 100/m, 5000/h, 10000/d" in err


async def test_a_burst_goes_at_once(asyncapi, inputs, server):
    code, _, err = await asyncapi("fetch", inputs(30), "-o", "out.jsonl", "--rate", "1/d", "--burst", "30", "--quiet")
    assert (code, len(server.seen)) == (0, 30), err


async def test_tokens_limit_the_sum_of_a_column_and_a_heavy_row_is_late_not_stuck(asyncapi, server, tmp_path):
    weights, at = [20, 30, 1], []  # the second is heavier than a second's worth

    async def answer(request):
        at.append(time.monotonic())
        return await server.echo(request)

    server.answer = answer
    (tmp_path / "in.csv").write_text("url,n\n" + "".join(f"{server.url}/{n},{w}\n" for n, w in enumerate(weights)))
    code, _, err = await asyncapi(
        "fetch", "in.csv", "-o", "out.jsonl", "--rate", "1000", "--tokens", "20/s", "--weight-from", "n", "-c", "1", "-q"
    )  # fmt: skip
    assert (code, len(at)) == (0, 3), err
    assert at[1] - at[0] > 0.8, "the bucket is full again after a second"
    assert at[2] - at[0] > 1.3


async def test_what_is_retried_can_be_named(asyncapi, inputs, server, tmp_path):
    server.answer = lambda request: status(418)
    code, _, err = await asyncapi(
        "fetch", inputs(1), "-o", "out.jsonl", "--retry", "3", "--retry-on", "418,ConnectError", "--quiet"
    )
    assert (code, len(server.seen)) == (1, 3), err
    server.seen.clear()
    server.answer = lambda request: status(503)
    await asyncapi("fetch", inputs(1), "-o", "b.jsonl", "--retry", "3", "--retry-on", "418", "--quiet")
    assert len(server.seen) == 1, "in place of the usual ones"


@pytest.mark.parametrize("form", ["jsonl", "csv", "sqlite", "parquet"])
async def test_a_status_of_fail_fast_stops_the_job_and_the_rest_can_be_resumed(
    asyncapi, inputs, server, tmp_path, form
):
    server.answer = lambda request: status(401 if request.path == "/5" else 200)
    command = ("fetch", inputs(200), "-o", f"out.{form}", "--fail-fast", "401,403", "-c", "2")
    code, _, err = await asyncapi(*command)
    assert code == 1
    assert "401 (fail_fast)" in err
    assert len(server.seen) < 100
    server.answer = server.echo
    code, _, err = await asyncapi(*command, "--resume")
    assert code == 1, "the row with the 401 is still there"
    assert {request.path for request in server.seen} == {f"/{n}" for n in range(200)}
    code, _, err = await asyncapi(*command, "--retry-failed")
    assert code == 0, err


async def test_requests_at_a_time_are_limited_for_each_host(asyncapi, inputs, server):
    now = most = 0

    async def slow(request):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return await server.echo(request)

    server.answer = slow
    code, _, err = await asyncapi("fetch", inputs(40), "-o", "out.jsonl", "--per-host", "3", "--quiet")
    assert (code, most) == (0, 3), err


async def test_an_adaptive_limit_begins_low_and_stays_below_the_concurrency(asyncapi, inputs, server):
    now = most = 0

    async def slow(request):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return await server.echo(request)

    server.answer = slow
    code, _, err = await asyncapi("fetch", inputs(60), "-o", "out.jsonl", "--adaptive", "-c", "50", "--quiet")
    assert code == 0, err
    assert 1 < most < 50


async def other_origin(server):
    """Redirect to the same server by another name, which is another origin."""
    elsewhere = server.url.replace("127.0.0.1", "localhost")

    async def answer(request):
        if request.path == "/0" and "localhost" not in request.host:
            return web.Response(status=302, headers={"Location": f"{elsewhere}/landed"})
        return await server.echo(request)

    server.answer = answer


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        (["--user", "me:s3cr3t"], "Authorization", "Basic " + base64.b64encode(b"me:s3cr3t").decode()),
        (["--api-key-env", "SOME_KEY"], "X-Api-Key", "s3cr3t"),
        (["--api-key-env", "X-Custom=SOME_KEY"], "X-Custom", "s3cr3t"),
        (["--auth-env", "SOME_KEY"], "Authorization", "Bearer s3cr3t"),
    ],
)
async def test_a_credential_goes_to_its_own_origin_alone(
    asyncapi, inputs, server, tmp_path, monkeypatch, options, header, value
):
    monkeypatch.setenv("SOME_KEY", "s3cr3t")
    await other_origin(server)
    code, out, err = await asyncapi("fetch", inputs(2), "-o", "out.jsonl", "--verbose", "--with", "url", *options)
    assert code == 0, err
    sent = {request.path: request.headers.get(header) for request in server.seen}
    assert sent == {"/0": value, "/1": value, "/landed": None}
    assert "s3cr3t" not in out + err + (tmp_path / "out.jsonl").read_text()


async def test_credentials_that_are_not_there_are_told_before_anything_is_sent(asyncapi, inputs, server):
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--api-key-env", "X-Key=NOBODY_SET_THIS")
    assert (code, len(server.seen)) == (2, 0)
    assert "export NOBODY_SET_THIS=<key>" in err
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--user", "nobody")
    assert (code, len(server.seen)) == (2, 0)
    assert "name:password" in err


@asynccontextmanager
async def asking(authority, answer):
    """A server that wants to see a client certificate."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.asking()).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_client_certificate_is_shown_to_its_own_origin_alone(asyncapi, tmp_path):
    authority = Authority(tmp_path)
    cert, key = authority.pair(tmp_path / "client", "someone@example.org")

    async def answer(request):
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": f"{elsewhere}/landed"})
        return web.json_response(str(request.transport.get_extra_info("peercert")))

    async with asking(authority, answer) as url, asking(authority, answer) as elsewhere:
        common = ("fetch", f"{url}/1", f"{url}/away", "--ca", authority.file, "--quiet", "--retry", "1")
        code, _, err = await asyncapi(*common, "-o", "out.jsonl", "--cert", cert, "--key", key)
        shown, away = sorted(rows(tmp_path / "out.jsonl"), key=lambda row: row["id"])
        assert (code, shown["ok"], away["ok"]) == (1, True, False), err
        assert "someone@example.org" in shown["data"]
        code, _, _ = await asyncapi(*common, "-o", "without.jsonl")
        assert [row["ok"] for row in rows(tmp_path / "without.jsonl")] == [False, False]


@pytest.mark.parametrize("asked", [True, False])
async def test_proxies_of_the_environment_are_taken_on_request(asyncapi, inputs, server, monkeypatch, tmp_path, asked):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    (tmp_path / "in.txt").write_text("http://nowhere.invalid/1\n")
    (tmp_path / ".netrc").write_text("machine nowhere.invalid login me password s3cr3t\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    more = ["--proxy-env"] if asked else []
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--retry", "1", "--quiet", *more)
    assert code == (0 if asked else 1), err
    assert len(server.seen) == (1 if asked else 0)
    assert all("Authorization" not in request.headers for request in server.seen), "no password of .netrc"


@pytest.mark.parametrize(("limit", "seen"), [("0", 1), ("1", 2)])
async def test_redirects_are_followed_as_often_as_allowed(asyncapi, inputs, server, tmp_path, limit, seen):
    async def answer(request):
        found = web.Response(status=302, headers={"Location": "/landed"})
        return found if request.path == "/0" else await server.echo(request)

    server.answer = answer
    code, _, _ = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--redirects", limit, "--quiet")
    assert (code, len(server.seen)) == (0, seen)
    assert rows(tmp_path / "out.jsonl")[0]["status"] == (302 if limit == "0" else 200)


async def test_identical_gets_share_a_response_with_the_cache(asyncapi, server, tmp_path):
    async def answer(request):
        await asyncio.sleep(0.1)
        return web.json_response(1, headers={"Cache-Control": "max-age=60"})

    server.answer = answer
    (tmp_path / "in.txt").write_text(f"{server.url}/1\n" * 50)
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--cache", "--quiet")
    assert (code, len(server.seen)) == (0, 1), err
    assert len(rows(tmp_path / "out.jsonl")) == 50


async def test_the_summary_is_a_file_of_json_also_when_the_job_stops(asyncapi, inputs, server, tmp_path):
    server.answer = lambda request: status(404)
    code, _, _ = await asyncapi(
        "fetch", inputs(50), "-o", "out.jsonl", "--summary", "s.json", "--max-errors", "1", "--quiet"
    )
    found = json.loads((tmp_path / "s.json").read_text())
    assert (code, found["exit_code"]) == (1, 1)
    assert "max_errors" in found["stopped"]
    assert found["by_status"]["404"] == found["failed"]


async def test_verbose_tells_of_each_retry_and_failure_without_secrets(asyncapi, server, tmp_path):
    answers = [503, 200, 404]
    server.answer = lambda request: status(answers.pop(0))
    (tmp_path / "in.txt").write_text(f"{server.url}/a?token=s3cr3t\n{server.url}/b?token=s3cr3t\n")
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--verbose", "-c", "1")
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("row ")]
    assert len(lines) == 2
    assert lines[0].startswith(f"row 0: GET {server.url}/a?token=***: sent again (retry: 503")
    assert lines[1].startswith(f"row 1: GET {server.url}/b?token=***: failed: NotFound: 404")
    assert "s3cr3t" not in err


async def test_ids_that_are_there_twice_are_told(asyncapi, server, tmp_path):
    (tmp_path / "in.csv").write_text(f"id,url\na,{server.url}/1\na,{server.url}/2\n")
    code, _, err = await asyncapi("fetch", "in.csv", "-o", "out.jsonl", "--summary", "s.json")
    assert code == 0
    assert "an earlier row has" in err
    assert "an earlier row has" in json.loads((tmp_path / "s.json").read_text())["notes"][0]


@pytest.mark.parametrize("form", ["jsonl", "csv", "sqlite", "parquet", "jsonl.gz"])
async def test_a_finished_job_is_resumed_by_doing_nothing(asyncapi, inputs, server, tmp_path, form):
    command = ("fetch", inputs(20), "-o", f"out.{form}")
    await asyncapi(*command)
    before = (tmp_path / f"out.{form}").read_bytes()
    code, _, err = await asyncapi(*command, "--resume")
    assert (code, len(server.seen)) == (0, 20)
    assert "nothing to do" in err
    assert (tmp_path / f"out.{form}").read_bytes() == before


async def test_failed_rows_are_sent_again_in_place(asyncapi, inputs, server, tmp_path):
    server.answer = lambda request: status(500 if request.path in {"/3", "/8"} else 200)
    command = ("fetch", inputs(10), "-o", "out.jsonl", "--retry", "1")
    assert (await asyncapi(*command))[0] == 1
    server.seen.clear()
    server.answer = lambda request: status(500 if request.path == "/8" else 200)
    code, _, err = await asyncapi(*command, "--retry-failed", "--summary", "s.json")
    assert (code, sorted(request.path for request in server.seen)) == (1, ["/3", "/8"])
    assert "2 failed rows were sent again: 1 is ok now" in err
    assert json.loads((tmp_path / "s.json").read_text())["retried"] == 2
    assert sorted(row["id"] for row in rows(tmp_path / "out.jsonl")) == list(range(10))
    assert [row["id"] for row in rows(tmp_path / "out.jsonl") if not row["ok"]] == [8]


@pytest.mark.parametrize("everything", [True, False])
async def test_a_post_that_may_have_been_processed_is_sent_again_only_on_request(
    asyncapi, server, tmp_path, everything
):
    server.answer = lambda request: status(500)
    (tmp_path / "in.txt").write_text(f"{server.url}/1\n")
    command = ("fetch", "in.txt", "-o", "out.jsonl", "-X", "POST", "--retry", "1")
    await asyncapi(*command)
    more = ["--include-unknown"] if everything else []
    code, _, err = await asyncapi(*command, "--retry-failed", *more)
    assert (code, len(server.seen)) == (1, 2 if everything else 1)
    assert ("not sent again" in err) is not everything
