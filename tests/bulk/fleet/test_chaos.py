"""Whatever is killed or frozen, and however often: every row is there once, and no POST is sent twice.

A supervisor starts again what has died, as systemd or Kubernetes does. Leases last 2.5 seconds here, so that a job of a
minute or two sees many of them run out.
"""

import json
import shutil
import sys
import time
from collections import Counter

import pytest

from tests.support.fleet import (
    COORDINATOR,
    SERVER,
    Chaos,
    Victim,
    free_port,
    python,
    stats,
    wait_for,
    write_mixed,
)

pytest.importorskip("distributed")
pytest.importorskip("redis")

SHORT_LEASES = """
from asyncapi.bulk.fleet import coordinator, leases
leases.leases_of.__kwdefaults__["ttl"] = coordinator.TTL = 2.5
"""


def processes(folder, rows, seed):
    """Start a server that counts, Redis, Dask and a coordinator; return the server's port and what may be killed."""
    server_port, dask_port, redis_port = free_port(), free_port(), free_port()
    server = Victim("server", python(SERVER, str(server_port), "0.05"), folder / "server.log")
    (folder / "leases.py").write_text(SHORT_LEASES)
    write_mixed(folder / "in.jsonl", server_port, rows)
    settings = {
        "input": str(folder / "in.jsonl"), "output": str(folder / "out.jsonl"), "chunk": 500, "concurrency": 10,
        "resume": True, "max_outage": 120, "shared": f"redis://127.0.0.1:{redis_port}",
        "on": f"dask://127.0.0.1:{dask_port}",
    }  # fmt: skip
    redis = ["redis-server", "--port", str(redis_port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", str(dask_port), "--no-dashboard"]
    worker = [
        sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{dask_port}", "--nthreads", "2",
        "--no-nanny", "--no-dashboard", "--preload", str(folder / "leases.py"),
    ]  # fmt: skip
    victims = [
        Victim("redis", redis, folder / "redis.log"),
        Victim("scheduler", scheduler, folder / "scheduler.log"),
        *(Victim(f"worker {number}", worker, folder / f"worker{number}.log") for number in range(3)),
        Victim(
            "coordinator",
            python(SHORT_LEASES + COORDINATOR, json.dumps(settings)),
            folder / "coordinator.log",
            done=lambda code: code == 0,
        ),
    ]
    wait_for(lambda: stats(server_port) is not None)
    return server, server_port, victims


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_kills_and_freezes_cost_no_row_and_repeat_no_post(seed, tmp_path):
    rows, events = 20_000, 50
    server, port, victims = processes(tmp_path, rows, seed)
    chaos = Chaos(victims, seed, pause=(0.5, 3.0), freeze=7.5)
    coordinator = victims[-1]
    try:
        until = time.monotonic() + 1500
        while not coordinator.is_done:
            assert time.monotonic() < until, (tmp_path / "coordinator.log").read_text()[-3000:]
            chaos.turn(more=len(chaos.events) < events)
            time.sleep(0.05)
        seen = stats(port)
    finally:
        for victim in (*victims, server):
            victim.end()
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    print(Counter((name, what.split()[0]) for _, name, what in chaos.events))
    print(Counter((row.get("error") or "ok")[:30] for row in found))
    assert sorted(row["id"] for row in found) == list(range(rows))
    assert {path for path, count in seen.items() if path.startswith("POST") and count > 1} == set()
    for row in found:
        assert row["ok"] or (row["id"] % 2 and "unknown: was in flight" in row["error"]), row
        assert not row["ok"] or f"{'POST /pay' if row['id'] % 2 else 'GET /items'}/{row['id']}" in seen
