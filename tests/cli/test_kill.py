"""Killed at any point and resumed, a job has every row once, and sends nothing twice that must not be."""

import asyncio
import json
import random
import sqlite3
from collections import Counter

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes

UNKNOWN = "unknown: was in flight when the job stopped; not sent again"
KINDS = ("get", "keyed", "once")


def write_input(path, url, count):
    with path.open("w") as file:
        for n in range(count):
            kind = KINDS[n % 3]
            row = {"id": f"{kind}-{n}", "url": f"{url}/{kind}/{n}"}
            if kind != "get":
                row |= {"method": "POST", "json": {"n": n}}
            if kind == "keyed":
                row["idempotency_key"] = f"key-{n}"
            file.write(json.dumps(row) + "\n")


def read_output(path):
    if path.suffix == ".sqlite":
        base = sqlite3.connect(path)
        found = [
            {"id": name, "ok": bool(ok), "error": error}
            for name, ok, error in base.execute("SELECT id, ok, error FROM rows")
        ]
        base.close()
        return found
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(("name", "kills"), [
    ("out.jsonl", 6), ("out.sqlite", 3),
    pytest.param("out.jsonl", 30, marks=pytest.mark.soak), pytest.param("out.sqlite", 8, marks=pytest.mark.soak),
])  # fmt: skip
async def test_killed_at_random_moments_and_resumed(tmp_path, server, start, name, kills):
    """Moments are counted in requests that the server has seen, so that each kill hits the job at work."""
    draw = random.Random(kills)

    async def answer(request):
        await asyncio.sleep(draw.uniform(0, 0.03))
        return web.json_response({"path": request.path})

    server.answer = answer
    count = 40 * kills
    out = tmp_path / name
    write_input(tmp_path / "in.jsonl", server.url, count)
    command = ("fetch", "in.jsonl", "-o", name, "-c", 12, "--resume", "--quiet", "--retry", 2)

    for _ in range(kills):
        process = await start(*command)
        moment = asyncio.create_task(server.saw(len(server.seen) + draw.randint(1, 45)))
        ended = asyncio.create_task(process.wait())
        await asyncio.wait({moment, ended}, return_when=asyncio.FIRST_COMPLETED)
        assert not ended.done(), (await process.stderr.read()).decode()
        process.kill()
        await ended
        await moment
        process._transport.close()
    assert (tmp_path / f"{name}.journal").exists()

    process = await start(*command)
    _, errors = await process.communicate()
    rows = {row["id"]: row for row in read_output(out)}
    assert len(read_output(out)) == len(rows) == count, errors
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.jsonl", name]

    sent = Counter(request.path.removeprefix("/").replace("/", "-") for request in server.seen)
    unknown = {key for key, row in rows.items() if not row["ok"]}
    assert all(rows[key]["error"] == UNKNOWN for key in unknown)
    assert all(key.startswith("once-") for key in unknown)
    assert all(sent[key] == 1 for key in rows if key.startswith("once-") and key not in unknown)
    assert all(sent[key] <= 1 for key in unknown)
    assert max(sent[key] for key in rows if not key.startswith("once-")) > 1  # the kills did hit requests in flight
    assert unknown
    assert process.returncode == 1
    assert {request.headers["Idempotency-Key"] for request in server.seen if request.path.startswith("/keyed/")} == {
        f"key-{n}" for n in range(1, count, 3)
    }


async def test_killed_with_rows_held_back_every_row_is_there_once(tmp_path, server, start):
    """Half of the answers are failures, so that rows wait for their turn at every kill; a 429 has done nothing."""
    draw = random.Random(5)
    done = Counter()

    async def answer(request):
        if draw.random() < 0.5:
            return web.Response(status=429 if request.method == "POST" else 503)
        done[request.method, request.path] += 1
        return web.json_response({"path": request.path})

    server.answer = answer
    lines = [{"method": "POST" if n % 2 else "GET", "url": f"{server.url}/{n}"} for n in range(300)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = ("fetch", "in.jsonl", "-o", "out.jsonl", "-c", 12, "--resume", "-q", "--retry", 20, "--no-pace")
    for _ in range(3):
        process = await start(*command)
        await server.saw(len(server.seen) + 80)
        process.kill()
        await process.communicate()
    journal = (tmp_path / "out.jsonl.journal").read_text()
    assert "\n< " in journal  # rows that wait, and may be sent again

    server.answer = server.echo
    process = await start(*command)
    _, errors = await process.communicate()
    rows = {row["id"]: row for row in read_output(tmp_path / "out.jsonl")}
    assert len(read_output(tmp_path / "out.jsonl")) == len(rows) == 300, errors
    assert all(row["ok"] or row["error"] == UNKNOWN for row in rows.values())
    assert all(count == 1 for (method, _), count in done.items() if method == "POST")
