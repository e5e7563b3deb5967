"""A job on several workers: what a row costs, what a chunk costs a Dask scheduler, and what the coordinator holds.

    python benchmarks/fleet.py                      all three, about two minutes; a table
    python benchmarks/fleet.py cpu --rows 30000     CPU time a row: one process, local:1, one Dask worker
    python benchmarks/fleet.py scheduler            CPU time a chunk of a Dask scheduler
    python benchmarks/fleet.py memory               the coordinator's peak memory at 10,000 and at a million rows

Real processes and sockets; the CPU time is that of the process in question, as the kernel counts it (proc(5), stat).
The bars: CPU a row at most 1.1 of one process, with one worker and chunks of 5,000; at most 3 ms a chunk; memory that
doesn't grow with the rows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import output_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK, CONCURRENCY = 5_000, "100"
_TICKS = os.sysconf("SC_CLK_TCK")

SERVER = """
import asyncio, sys, uvloop
from aiohttp import web

async def handle(request):
    await asyncio.sleep(0.02)
    return web.Response(body=b'{"id": 1}', content_type="application/json")

uvloop.install()
app = web.Application()
app.router.add_get("/{rest:.*}", handle)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""

# The coordinator alone: its engine says at once that a chunk is done, and sends nothing.
ALONE = """
import asyncio, resource, sys
from pathlib import Path
from asyncapi.bulk import Job
from asyncapi.bulk.fleet.coordinator import Coordinator
from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.tally import Tally

class Nothing:
    async def start(self, heard): pass
    def workers(self): return 4
    async def stop(self, *_): pass
    async def aclose(self): pass
    def submit(self, task):
        chunk, name = task.chunk, f"{task.chunk.number:06d}.e1.jsonl"
        Path(task.folder, name).write_bytes(b'{"id":1}\\n' * chunk.rows)
        done = Done(chunk=chunk.number, shard=name, rows=chunk.rows, ok=chunk.rows, size=9 * chunk.rows, tally=Tally())
        end = asyncio.get_running_loop().create_future()
        end.set_result(done)
        return end

job = Job(sys.argv[1], sys.argv[2], chunk=10_000)
asyncio.run(Coordinator(job, Nothing(), on="local:4").run())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["cpu", "scheduler", "memory", []], default=[])
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--chunks", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    wanted = chosen.what or ["cpu", "scheduler", "memory"]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if "cpu" in wanted:
            results["cpu_us_a_row"] = cpu(chosen.rows)
        if "scheduler" in wanted:
            results["scheduler_ms_a_chunk"] = scheduler(chosen.chunks)
        if "memory" in wanted:
            results["coordinator_mb"] = memory()
    for name, values in results.items():
        print(f"{name:24} {values}")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(results, indent=1))


def cpu(rows: int) -> dict[str, float]:
    """Microseconds of CPU a row: of one process, and of the one worker of a fleet."""
    with _server() as port, _dask() as (dask_port, processes):
        _inputs(port, rows)
        alone = _of_children(_fetch) - _of_children(lambda: _fetch("--limit", "1"))
        plain = _of_children(_run) - _of_children(lambda: _run(limit=1))
        fleet = ("--chunk", str(CHUNK))
        local = _of_children(lambda: _fetch("--on", "local:1", *fleet))
        local -= _of_children(lambda: _fetch("--on", "local:1", *fleet, "--limit", "1"))
        on = ("--on", f"dask://127.0.0.1:{dask_port}", *fleet)
        _fetch(*on, "--limit", "1")  # imports
        before = _cpu_of(processes[1].pid)
        _fetch(*on)
        dask = _cpu_of(processes[1].pid) - before
    found = {"fetch": alone, "fetch --on local:1": local, "run() on asyncio's loop": plain, "a Dask worker": dask}
    return {name: round(seconds / rows * 1e6, 1) for name, seconds in found.items()}


def scheduler(chunks: int) -> dict[str, float]:
    """Milliseconds of CPU a chunk, of the scheduler."""
    with _server() as port, _dask() as (dask_port, processes):
        _inputs(port, chunks)
        on = ("--on", f"dask://127.0.0.1:{dask_port}", "--chunk", "1")
        _fetch(*on, "--limit", "1")
        before = _cpu_of(processes[0].pid)
        _fetch(*on)
        return {"scheduler": round((_cpu_of(processes[0].pid) - before) / chunks * 1e3, 2), "chunks": chunks}


def memory() -> dict[str, float]:
    """Megabytes at the peak."""
    found = {}
    for rows in (10_000, 1_000_000):
        with Path("in.txt").open("w") as file:
            file.writelines(f"http://127.0.0.1:9/items/{number}\n" for number in range(rows))
        found[f"{rows:,} rows"] = round(
            int(output_of([sys.executable, "-c", ALONE, "in.txt", "out.jsonl"], timeout=300)) / 1024, 1
        )
        Path("out.jsonl").unlink()
    return found


def _fetch(*options: str) -> None:
    command = [sys.executable, "-c", "from asyncapi.cli import main; main()", "fetch", "in.txt", "-o", "out.jsonl"]
    subprocess.run([*command, "-c", CONCURRENCY, "--quiet", "--overwrite", *options], check=True)


def _run(**settings: int) -> None:
    """Run the job as a Dask worker does: on the event loop of the standard library."""
    code = f"Job('in.txt', 'out.jsonl', overwrite=True, concurrency={CONCURRENCY}, **{settings})"
    code = f"import asyncio; from asyncapi.bulk import Job, run; asyncio.run(run({code}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def _inputs(port: int, rows: int) -> None:
    Path("in.txt").write_text("".join(f"http://127.0.0.1:{port}/items/{number}\n" for number in range(rows)))


def _of_children(work: Any) -> float:
    before = os.times()
    work()
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _cpu_of(pid: int) -> float:
    """Seconds of CPU of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def _server() -> Iterator[int]:
    port = 18_700 + os.getpid() % 1000
    with _started([sys.executable, "-c", SERVER, str(port)]):
        time.sleep(1.5)
        yield port


@contextlib.contextmanager
def _dask() -> Iterator[tuple[int, list[subprocess.Popen[bytes]]]]:
    port = 19_700 + os.getpid() % 1000
    command = [sys.executable, "-m"]
    scheduler = ["distributed.cli.dask_scheduler", "--port", str(port), "--no-dashboard"]
    worker = [
        "distributed.cli.dask_worker",
        f"tcp://127.0.0.1:{port}",
        "--nthreads",
        "2",
        "--no-nanny",
        "--no-dashboard",
    ]
    with _started(command + scheduler) as first, _started(command + worker) as second:
        asyncio.run(_workers(port))
        yield port, [first, second]


async def _workers(port: int) -> None:
    from distributed import Client

    async with Client(f"tcp://127.0.0.1:{port}", asynchronous=True, timeout=60) as client:
        await client.wait_for_workers(1)


@contextlib.contextmanager
def _started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
