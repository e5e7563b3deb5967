"""`fetch --on`: a job on several workers is as one on one, whatever dies."""

import asyncio
import csv
import gzip
import json
import os
import signal
import sqlite3
import time
from collections import Counter

import pytest
from aiohttp import web

pytestmark = pytest.mark.lane("native", reason="the workers are the subject, and not what sends")


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def processes_of(pid):
    """Return the workers of a coordinator."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
                with open(f"/proc/{entry}/cmdline") as file:
                    command = file.read()
            except OSError:
                continue
            if parent == pid and "fleet.process" in command:
                found.append(int(entry))
    return found


async def until(is_true):
    async with asyncio.timeout(30):
        while not is_true():
            await asyncio.sleep(0.02)


async def test_a_job_on_processes_gives_each_row_once_with_its_own_id(tmp_path, asyncapi, server, inputs):
    code, out, err = await asyncapi("fetch", inputs(95), "-o", "out.jsonl", "--on", "local:2", "--chunk", "10")
    assert (code, out) == (0, "")
    found = rows(tmp_path / "out.jsonl")
    assert sorted(row["id"] for row in found) == list(range(95))
    assert all(row["ok"] and row["data"]["path"] == f"/{row['id']}" for row in found)
    assert max(Counter(request.path for request in server.seen).values()) == 1
    assert "done: 95 rows" in err
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.jsonl"]


async def test_ordered_rows_are_in_the_order_of_the_input_across_chunks(tmp_path, asyncapi, inputs):
    code, _, _ = await asyncapi("fetch", inputs(60), "-o", "out.jsonl", "--on", "local:2", "--chunk", "7", "--ordered")
    assert code == 0
    assert [row["id"] for row in rows(tmp_path / "out.jsonl")] == list(range(60))


async def test_a_table_has_its_header_once_and_what_was_carried(tmp_path, asyncapi, server):
    lines = [f'"a\n{number}",{server.url}/{number}' for number in range(30)]
    (tmp_path / "in.csv").write_bytes(("name,url\n" + "\n".join(lines) + "\n").encode())
    options = ("--on", "local:2", "--chunk", "8", "--carry", "name")
    assert (await asyncapi("fetch", "in.csv", "-o", "out.csv", *options))[0] == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert sorted((int(row["id"]), row["name"]) for row in found) == [(number, f"a\n{number}") for number in range(30)]


async def test_a_database_and_a_compressed_file_are_made_of_all_shards(tmp_path, asyncapi, inputs):
    for output in ("out.sqlite", "out.jsonl.gz"):
        assert (await asyncapi("fetch", inputs(30), "-o", output, "--on", "local:2", "--chunk", "8"))[0] == 0
    base = sqlite3.connect(tmp_path / "out.sqlite")
    assert sorted(row[0] for row in base.execute("SELECT id FROM rows WHERE ok")) == list(range(30))
    base.close()
    packed = gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()
    assert sorted(json.loads(line)["id"] for line in packed) == list(range(30))


async def test_a_folder_as_output_gets_the_shards(tmp_path, asyncapi, inputs):
    assert (await asyncapi("fetch", inputs(30), "-o", "out/", "--on", "local:2", "--chunk", "8"))[0] == 0
    assert sorted(os.listdir(tmp_path / "out")) == [f"00000{number}.jsonl" for number in range(4)]
    assert sorted(row["id"] for path in (tmp_path / "out").iterdir() for row in rows(path)) == list(range(30))
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out"]


async def test_a_stream_is_read_by_the_coordinator_and_sent_by_the_workers(tmp_path, asyncapi, server):
    given = "".join(f"{server.url}/{number}\n" for number in range(35))
    code, _, err = await asyncapi("fetch", "-", "-o", "out.jsonl", "--on", "local:2", "--chunk", "10", stdin=given)
    assert code == 0, err
    assert sorted(row["id"] for row in rows(tmp_path / "out.jsonl")) == list(range(35))


async def test_ctrl_c_stops_the_workers_too_and_the_job_is_resumed(tmp_path, server, start, asyncapi, inputs):
    async def answer(request):
        if int(request.path[1:]) % 10 == 3:
            await asyncio.sleep(600)
        return web.json_response(1)

    server.answer = answer
    options = ("--on", "local:2", "--chunk", "50", "-c", "8")
    process = await start("fetch", inputs(400), "-o", "out.jsonl", *options)
    await server.saw(40)
    workers = processes_of(process.pid)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = await process.communicate()
    assert time.monotonic() - began < 2.5  # two, and what a busy machine takes to end three processes
    assert process.returncode == 130
    assert b"interrupted: " in err
    assert b"Traceback" not in err
    assert len(workers) == 2
    await until(lambda: not any(os.path.exists(f"/proc/{worker}") for worker in workers))
    server.answer = server.echo
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", *options, "--resume")
    assert code == 0
    assert " done before" in err
    assert sorted(row["id"] for row in rows(tmp_path / "out.jsonl")) == list(range(400))


async def mixed(tmp_path, server, start, count=300):
    """Start a job of GETs and of POSTs that must not be sent twice; return its process and its command."""
    with (tmp_path / "in.jsonl").open("w") as file:
        for number in range(count):
            kind = {"method": "POST", "json": number} if number % 2 else {}
            file.write(json.dumps({"url": f"{server.url}/{number}", **kind}) + "\n")

    async def answer(request):
        await asyncio.sleep(0.02)
        return web.json_response({"path": request.path})

    server.answer = answer
    command = ("fetch", "in.jsonl", "-o", "out.jsonl", "--on", "local:2", "--chunk", "30", "-c", "4")
    return await start(*command), command


def check_mixed(path, server, count=300):
    found = rows(path)
    assert sorted(row["id"] for row in found) == list(range(count))
    posts = Counter(request.path for request in server.seen if request.method == "POST")
    assert max(posts.values()) == 1
    for row in found:
        assert row["ok"] or "unknown: was in flight" in row["error"]
        assert row["id"] % 2 or row["ok"]


async def test_a_coordinator_that_is_killed_is_started_again(tmp_path, server, start, asyncapi):
    process, command = await mixed(tmp_path, server, start)
    await server.saw(100)
    workers = processes_of(process.pid)
    process.kill()
    await process.communicate()
    await until(lambda: not any(os.path.exists(f"/proc/{worker}") for worker in workers))
    code, _, err = await asyncapi(*command, "--resume")
    assert code in {0, 1}, err
    check_mixed(tmp_path / "out.jsonl", server)


async def test_workers_that_are_killed_are_replaced_and_the_job_goes_on(tmp_path, server, start):
    process, _ = await mixed(tmp_path, server, start)
    for seen in (60, 150):
        await server.saw(seen)
        os.kill(processes_of(process.pid)[0], signal.SIGKILL)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert b"Traceback" not in err
    check_mixed(tmp_path / "out.jsonl", server)


async def test_a_chunk_that_kills_its_workers_is_given_up_and_the_others_go_on(tmp_path, asyncapi, inputs):
    (tmp_path / "bad.py").write_text(
        "import os\nfrom typing import Annotated\nfrom pydantic import AfterValidator\n"
        "def look(value):\n    if value['path'] == '/15':\n        os._exit(7)\n    return value\n"
        "Model = Annotated[dict, AfterValidator(look)]\n"
    )
    options = ("--on", "local:2", "--chunk", "10", "-c", "1", "--model", "bad:Model")
    code, _, err = await asyncapi("fetch", inputs(40), "-o", "out.jsonl", *options)
    assert code == 1, err
    found = sorted(rows(tmp_path / "out.jsonl"), key=lambda row: row["id"])
    assert [row["id"] for row in found] == list(range(40))
    failed = [row for row in found if not row["ok"]]
    assert {row["id"] for row in failed} <= set(range(10, 20))
    assert 15 in {row["id"] for row in failed}
    assert all(row["error"] == "NotSent: its chunk has killed 3 workers" for row in failed)


async def test_max_errors_and_fail_fast_hold_for_all_workers_together(tmp_path, server, asyncapi, inputs):
    async def answer(request):
        await asyncio.sleep(0.01)
        return web.json_response(1, status=401 if int(request.path[1:]) > 20 else 200)

    server.answer = answer
    for option in (("--max-errors", "5"), ("--fail-fast", "401")):
        options = ("--on", "local:2", "--chunk", "100", "-c", "2", *option, "--overwrite")
        code, _, err = await asyncapi("fetch", inputs(2000), "-o", "out.jsonl", *options)
        assert code == 1
        assert option[0].strip("-").replace("-", "_") in err
        assert "--resume" in err
    assert len(server.seen) < 1000


async def test_a_finished_job_is_nothing_to_do_and_its_output_is_kept(tmp_path, server, asyncapi, inputs):
    command = ("fetch", inputs(20), "-o", "out.jsonl", "--on", "local:1")
    assert (await asyncapi(*command))[0] == 0
    before = (tmp_path / "out.jsonl").read_bytes()
    code, _, err = await asyncapi(*command)
    assert code == 2
    assert "out.jsonl exists: --overwrite replaces it" in err
    code, _, err = await asyncapi(*command, "--resume")
    assert code == 0
    assert "nothing to do" in err
    assert (tmp_path / "out.jsonl").read_bytes() == before
    assert len(server.seen) == 20


async def test_a_broken_input_is_found_before_anything_is_sent(tmp_path, server, asyncapi):
    (tmp_path / "in.txt").write_text(f"{server.url}/1\nnot a url\n")
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--on", "local:2")
    assert code == 2
    assert "in.txt:2: " in err
    assert (server.seen, os.listdir(tmp_path)) == ([], ["in.txt"])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--on", "local:2", "--rate", "50"), "--rate with --on needs --shared"),
        (("--on", "local:2", "-H", "Authorization: Bearer x"), "the header Authorization is a secret"),
        (("--on", "local:0"), "'local:0' is no number of processes"),
        (("--on", "spark://h"), "there is no engine 'spark://h'"),
        (("--on", "dask://127.0.0.1:1"), "cannot reach the Dask scheduler"),
    ],
)
async def test_what_cannot_be_is_said_before_anything_is_sent(asyncapi, server, inputs, options, why):
    code, _, err = await asyncapi("fetch", inputs(3), "-o", "out.jsonl", *options)
    assert code == 2
    assert why in err
    assert server.seen == []


async def test_the_report_and_the_summary_are_of_all_workers(tmp_path, asyncapi, inputs):
    files = ("--report", "r.html", "--summary", "s.json")
    code, _, _ = await asyncapi("fetch", inputs(40), "-o", "out.jsonl", "--on", "local:2", "--chunk", "10", *files)
    assert code == 0
    assert "40" in (tmp_path / "r.html").read_text()
    summary = json.loads((tmp_path / "s.json").read_text())
    assert (summary["ok"], summary["by_status"]) == (40, {"200": 40})


async def test_a_job_that_runs_is_not_overwritten_by_another(tmp_path, start, asyncapi, server, inputs):
    may = asyncio.Event()

    async def wait(request):
        await may.wait()
        return web.json_response({"path": request.path})

    server.answer = wait
    first = await start("fetch", inputs(50), "-o", "out.jsonl", "--on", "local:2", "--chunk", "10")
    try:
        await server.saw(10)
        code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--on", "local:2", "--overwrite")
        assert (code, "out.jsonl can't be written now" in err) == (2, True), err
        may.set()
        await asyncio.wait_for(first.communicate(), 60)
    finally:
        if first.returncode is None:
            first.kill()
            await first.wait()
    assert sorted(row["id"] for row in rows(tmp_path / "out.jsonl")) == list(range(50))
    assert max(Counter(request.path for request in server.seen).values()) == 1


async def test_a_stopped_job_is_not_resumed_with_leases_of_another_kind(tmp_path, start, asyncapi, server, inputs):
    async def wait(request):
        await asyncio.sleep(60)

    server.answer = wait
    to = ("-o", "out.jsonl", "--on", "local:2", "--chunk", "10")
    first = await start("fetch", inputs(50), *to)
    await server.saw(10)
    first.kill()
    await first.wait()
    code, _, err = await asyncapi("fetch", "in.txt", *to, "--resume", "--shared", "redis://127.0.0.1:1")
    assert (code, "the use of --shared changed since it began" in err) == (2, True), err


async def test_bodies_are_saved_by_all_workers_in_one_folder(tmp_path, asyncapi, inputs):
    options = ("--on", "local:2", "--chunk", "8", "--save-dir", "bodies")
    code, _, err = await asyncapi("fetch", inputs(30), "-o", "out.jsonl", *options)
    assert code == 0, err
    for row in rows(tmp_path / "out.jsonl"):
        assert json.loads((tmp_path / row["file"]).read_bytes()) == {"path": f"/{row['id']}"}
    assert len(os.listdir(tmp_path / "bodies")) == 30


async def test_ids_that_are_there_twice_are_told(tmp_path, asyncapi, server):
    (tmp_path / "in.csv").write_text("id,url\n" + f"a,{server.url}/1\n" * 2)
    code, _, err = await asyncapi("fetch", "in.csv", "-o", "out.jsonl", "--on", "local:1", "--chunk", "1")
    assert code == 0
    assert "note: 1 row has an id that an earlier row has" in err
    code, _, err = await asyncapi("fetch", "in.csv", "-o", "o2.jsonl", "--on", "local:1", "--save-dir", "bodies")
    assert code == 2
    assert "--save-dir needs ids that differ" in err
