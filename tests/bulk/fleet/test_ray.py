"""Ray runs chunks in actors: the environment is theirs, and one that dies is replaced."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.fleet import SERVER, free_port, python, stats, wait_for

pytest.importorskip("ray")

# A process of its own: Ray changes signal handlers and starts threads that outlive a test.
PROGRAM = """
import asyncio, json, os, sys
from asyncapi.bulk import Job, run

async def main():
    job = Job("in.txt", "out.jsonl", chunk=20, concurrency=4, auth_env="TOKEN_OF_WORKERS")
    summary = await run(job, on="ray://local")
    print(json.dumps({"ok": summary.ok, "code": summary.exit_code, "stopped": summary.stopped}))

asyncio.run(main())
"""


@pytest.fixture
def server():
    port = free_port()
    process = subprocess.Popen(python(SERVER, str(port), "0.005"))
    wait_for(lambda: stats(port) is not None)
    yield port
    process.kill()
    process.wait()


def test_a_job_runs_on_ray(server, tmp_path):
    (tmp_path / "in.txt").write_text("".join(f"http://127.0.0.1:{server}/{number}\n" for number in range(100)))
    environment = {**os.environ, "TOKEN_OF_WORKERS": "t0ken"}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, timeout=180, check=False
    )
    assert found.returncode == 0, found.stderr.decode()[-3000:]
    assert json.loads(found.stdout.splitlines()[-1]) == {"ok": 100, "code": 0, "stopped": None}
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(row["id"] for row in rows) == list(range(100))
