"""The main job: `asyncapi fetch` to JSON lines against a hand-written aiohttp pool that writes JSON lines.

Both are whole processes, timed from outside. A job of one row gives the start-up time; the rate without it is
(rows - 1) / (time of all - time of one). The CPU time is noted too: on a machine that is busy with other work it says
more. Every output is read back: a job that lost a row has failed.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import HERE, output_of
from rounds import CONTESTANTS_OF, Settings, interleave

if TYPE_CHECKING:
    from collections.abc import Callable

CONCURRENCY = "100"
CONTESTANTS = {
    "asyncapi_fetch": "asyncapi fetch",
    "aiohttp_jsonl": "aiohttp by hand",
    "aiohttp_jsonl_uvloop": "aiohttp by hand, uvloop",
    "aiohttp_jsonl_tuned": "aiohttp tuned by hand, uvloop",
}
_OPTIONS = {
    "aiohttp_jsonl": (),
    "aiohttp_jsonl_uvloop": ("--uvloop",),
    "aiohttp_jsonl_tuned": ("--uvloop", "--tuned"),
}
CONTESTANTS_OF["fetch"] = tuple(CONTESTANTS)


def run(url: str, settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """The rows, and the results of each contestant."""
    rows = 3_000 if settings.quick else 20_000
    say(f"fetch, {rows:,} rows, concurrency {CONCURRENCY}")
    with tempfile.TemporaryDirectory() as folder:
        sources = {count: Path(folder, f"{count}.txt") for count in (1, rows)}
        for count, path in sources.items():
            path.write_text("".join(f"{url}/items/{number}\n" for number in range(count)))
        contestants = {
            name: lambda name=name: _measure(name, sources, Path(folder))
            for name in CONTESTANTS
            if settings.wants("fetch", name)
        }
        return {"rows": rows, "results": interleave(contestants, settings.rounds, say)}


def _measure(name: str, sources: dict[int, Path], folder: Path) -> dict[str, float]:
    took, cpu = {}, {}
    for count, source in sources.items():
        target = folder / "out.jsonl"
        started, before = time.perf_counter(), _cpu()
        output_of(_command(name, source, target), timeout=120)
        took[count], cpu[count] = time.perf_counter() - started, _cpu() - before
        _check(target, count)
        for left in folder.glob("out.jsonl*"):  # a journal, where there is one
            left.unlink()
    rows = max(sources)
    return {
        "rows_per_s": round(rows / took[rows], 1),
        "rows_per_s_without_start": round((rows - 1) / (took[rows] - took[1]), 1),
        "start_s": round(took[1], 3),
        "cpu_s": round(cpu[rows], 3),
        "start_cpu_s": round(cpu[1], 3),
    }


def _cpu() -> float:
    """Seconds of CPU of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _command(name: str, source: Path, target: Path) -> list[Any]:
    if name == "asyncapi_fetch":
        program = Path(sys.executable).with_name("asyncapi")
        return [program, "fetch", source, "-o", target, "--concurrency", CONCURRENCY, "--quiet"]
    command = [sys.executable, HERE / "contestants" / "aiohttp_jsonl.py", source, target, "--concurrency", CONCURRENCY]
    return [*command, *_OPTIONS[name]]


def _check(target: Path, count: int) -> None:
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    good = sum(row.get("status") == 200 for row in rows)
    if good != count or len(rows) != count:
        raise RuntimeError(f"{good} good rows of {len(rows)} in the output, {count} were asked for")
