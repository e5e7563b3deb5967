"""`asyncapi fetch --retry-policy learned`: what it does to rows, and where it says so."""

import asyncio
import json
import signal

import pytest
from aiohttp import web

from restarting import restarting

pytestmark = pytest.mark.lanes


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def poisoned(server):
    """A fifth of the paths fails for ever, the others the first time."""
    tries = {}

    async def answer(request):
        tries[request.path] = tries.get(request.path, 0) + 1
        number = int(request.path[1:])
        status = 500 if number % 5 == 0 else 503 if tries[request.path] == 1 else 200
        return web.json_response({}, status=status)

    server.answer = answer
    return tries


async def test_rows_that_no_retry_helps_are_given_up_and_all_others_are_ok(tmp_path, server, asyncapi, inputs):
    poisoned(server)
    code, _, err = await asyncapi(
        "fetch", inputs(200), "-o", "out.jsonl", "--retry-policy", "learned", "-c", "4",
        "--report", "report.html", "--summary", "summary.json",
    )  # fmt: skip
    assert code == 1
    assert "160 ok, 40 failed" in err
    found = rows(tmp_path / "out.jsonl")
    assert {row["ok"] for row in found if row["id"] % 5} == {True}
    assert any(row["error"].endswith(" [policy]") and row["attempts"] == 1 for row in found if not row["ok"])
    assert " rows: learned retries saw no use in it (--retry-policy)" in err
    assert "500 on GET /{} of 127.0.0.1" in err
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["refused"] > 0
    assert any(text.startswith("no retry: 0 of ") for text in summary["learned"].values())
    page = (tmp_path / "report.html").read_text()
    assert "What was learned of retries" in page
    assert "rows not sent again" in page


async def test_it_goes_together_with_other_options_of_retries(tmp_path, server, asyncapi, inputs):
    tries = poisoned(server)
    code, _, err = await asyncapi(
        "fetch", inputs(50), "-o", "out.csv", "--retry-policy", "learned", "--retry", "2", "--retry-on", "503",
        "--retry-budget", "none", "-v",
    )  # fmt: skip
    assert code == 1
    assert "40 ok, 10 failed" in err
    assert all(tries[f"/{number}"] == (2 if number % 5 else 1) for number in range(50))
    assert "sent again (retry: 503, learned " in err


async def test_rows_wait_for_a_host_that_is_restarted(tmp_path, server, start):
    async with restarting(int(server.url.rpartition(":")[2])) as host:
        (tmp_path / "in.txt").write_text("".join(f"{host.url}/{number}\n" for number in range(200)))

        async def slowly(request):
            await asyncio.sleep(0.02)
            return await server.echo(request)

        server.answer = slowly
        process = await start("fetch", "in.txt", "-o", "out.jsonl", "--retry-policy", "learned", "-c", "10", "-v")
        await server.saw(50)
        host.stop()
        err = b""
        async with asyncio.timeout(60):
            while b"held until " not in err:  # whoever was refused tells it; the others wait
                err += await process.stderr.read(65536)
        await host.start()
        _, rest = await asyncio.wait_for(process.communicate(), 60)
        err = (err + rest).decode()
    assert process.returncode == 0
    assert "200 ok, 0 failed" in err
    assert f"held until 127.0.0.1:{host.port} accepts connections" in err
    assert all(row["ok"] for row in rows(tmp_path / "out.jsonl"))


async def test_a_job_whose_rows_wait_for_a_host_can_be_stopped_and_resumed(tmp_path, server, start, asyncapi):
    async with restarting(int(server.url.rpartition(":")[2])) as host:
        (tmp_path / "in.txt").write_text("".join(f"{host.url}/{number}\n" for number in range(100)))

        async def slowly(request):
            await asyncio.sleep(0.02)
            return await server.echo(request)

        server.answer = slowly
        options = "fetch", "in.txt", "-o", "out.jsonl", "--retry-policy", "learned", "-c", "10", "-v"
        process = await start(*options)
        await server.saw(20)
        host.stop()
        err = b""
        async with asyncio.timeout(60):
            while b"held until " not in err:
                err += await process.stderr.read(65536)
        process.send_signal(signal.SIGINT)
        _, rest = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 130
        assert b"0 failed" in err + rest
        await host.start()
        code, _, err = await asyncapi(*options, "--resume")
    assert code == 0, err
    found = rows(tmp_path / "out.jsonl")
    assert len(found) == 100
    assert all(row["ok"] for row in found)


async def test_a_dry_run_names_the_policy(server, asyncapi, inputs):
    code, out, _ = await asyncapi("fetch", inputs(3), "-o", "o.jsonl", "--retry-policy", "learned", "--dry-run")
    assert code == 0
    assert "up to 6 attempts a row, as it learns which retries help, " in " ".join(out.split())


async def test_a_job_file_can_name_it_and_another_name_is_refused(tmp_path, server, asyncapi, inputs):
    poisoned(server)
    inputs(10)
    (tmp_path / "job.toml").write_text('input = "in.txt"\noutput = "o.jsonl"\nretry-policy = "learned"\nretry = 2\n')
    code, _, err = await asyncapi("fetch", "job.toml")
    assert code == 1
    assert "8 ok, 2 failed" in err
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "p.jsonl", "--retry-policy", "guessed")
    assert code == 2
    assert "is not one of 'learned'" in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "p.jsonl").exists()


async def test_what_workers_have_learned_is_in_the_summary_of_all(tmp_path, server, asyncapi, inputs):
    poisoned(server)
    code, _, err = await asyncapi(
        "fetch", inputs(200), "-o", "out.jsonl", "--retry-policy", "learned", "--on", "local:2", "--chunk", "25",
        "--report", "report.html", "--summary", "summary.json",
    )  # fmt: skip
    assert code == 1
    assert "160 ok, 40 failed" in err
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert sorted(name.rpartition(":")[0] for name in summary["learned"]) == [
        "500 on GET /{} of 127.0.0.1", "503 on GET /{} of 127.0.0.1",
    ]  # fmt: skip
    assert "learned    503 on GET /{} of 127.0.0.1:" in err
    assert "What was learned of retries" in (tmp_path / "report.html").read_text()
