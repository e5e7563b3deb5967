"""The benchmarks, in one command and one run.

    python benchmarks/run.py                   all of it, about half an hour; writes benchmarks/results/latest.json,
                                               docs/img/*.svg and the tables in docs/benchmarks.md
    python benchmarks/run.py --quick           about a minute, to see that it works; writes to benchmarks/results/quick/
    python benchmarks/run.py --only peers      one part: peers, lanes, many, open, latency, layers, map, fetch,
                                               storms, cache (repeatable)
    python benchmarks/run.py --only storms --update    that part anew, in docs/ and in the last results
    python benchmarks/run.py --only httpx_pool --only asyncapi_on     only these contestants

Ctrl-C stops it and everything it has started.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import fetch_job
import lanes
import latency
import machine
import open_loop
import report
import server
from machine import HERE, ROOT
from rounds import CONTESTANTS_OF, PARTS, Settings

import peers

VERSIONS = (
    "asyncapi-sdk", "aiohttp", "yarl", "multidict", "pydantic", "pydantic-core", "tenacity", "uvloop",
    "ngh2", "hpack", "httpx", "httpcore", "httpx2", "httpcore2", "pyreqwest", "requests", "urllib3", "hishel",
    "anysqlite", "requests-cache", "redis",
)  # fmt: skip


def main() -> int:
    options = _options()
    settings = Settings(rounds=options.rounds or (2 if options.quick else 5), quick=options.quick, only=options.only)
    if options.quick:
        settings.warmup, settings.seconds = 0.2, 0.3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` blocks end what was started
    target = _Target(options.out, quick=options.quick, partial=bool(options.only), update=options.update)
    try:
        results = _run_all(settings, target.images)
    except KeyboardInterrupt:
        print("\nstopped; nothing was written")
        return 130
    target.write(results)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Benchmarks against sync and async peers, and of the parts alone.")
    parser.add_argument("--quick", action="store_true", help="about a minute, rough figures")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of every measurement (5)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a part or contestant; repeatable")
    parser.add_argument("--update", action="store_true", help="with --only PART: into the last results and docs/")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write everything there, not into docs/")
    options = parser.parse_args()
    known = {*PARTS, *(name for names in CONTESTANTS_OF.values() for name in names)}
    for name in options.only:
        if name not in known:
            parser.error(f"--only {name}: not one of {', '.join(sorted(known))}")
    if options.update and (options.quick or options.out or not options.only or not set(options.only) <= set(PARTS)):
        parser.error("--update goes with --only and whole parts, not with --quick or --out")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds: at least 1")
    return options


def _run_all(settings: Settings, images: Path) -> dict[str, Any]:
    began = time.monotonic()
    _say(f"{settings.rounds} rounds")
    _install_peers()
    results: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "settings": {"rounds": settings.rounds, "warmup_s": settings.warmup, "seconds": settings.seconds},
        "quick": settings.quick,
    }
    with server.full() as served:
        url = served.url
        results["server"] = served.name
        _say(f"server: {served.name}; {results['machine']['pinned']}")
        if settings.wants("peers"):
            results["peers"] = peers.run(url, settings, _say)
        if settings.wants("lanes"):
            results["lanes"] = lanes.run(served, settings, _say)
        if settings.wants("many"):
            results["many"] = lanes.run_many(served, settings, _say)
        if settings.wants("latency"):
            results["latency"] = latency.run(url, settings, _say)
        if settings.wants("fetch"):
            results["fetch"] = fetch_job.run(url, settings, _say)
    if settings.wants("open"):
        results["open"] = open_loop.run(settings, _say)
    for part, script, *arguments in (
        ("layers", "layers.py", settings.rounds),
        ("map", "map_million.py", 50_000 if settings.quick else 1_000_000),
        ("cache", "cache.py", settings.rounds, *(["--quick"] if settings.quick else [])),
        ("storms", "storms.py", images, "--json", *(["--quick"] if settings.quick else [])),
    ):
        if settings.wants(part):
            _say(f"{part}: {script} {' '.join(map(str, arguments))}")
            results[part] = _script(script, *arguments)
            _say(f"  {json.dumps(results[part])[:2000]}")
    results["versions"] = _versions(results)
    results["took_s"] = round(time.monotonic() - began)
    return results


def _script(script: str, *arguments: object) -> dict[str, Any]:
    """What one of our own scripts measures, in a process of its own."""
    try:
        return json.loads(machine.output_of([sys.executable, HERE / script, *arguments], timeout=600))
    except RuntimeError as error:
        return {"error": str(error)}


def _install_peers() -> None:
    """Install what is missing of requirements.txt. What can't be installed is reported as a failed contestant."""
    wanted = [
        line.partition(">=")[0] for line in (HERE / "requirements.txt").read_text().splitlines() if line[:1] != "#"
    ]
    missing = [name for name in wanted if name and not _version(name)]
    if not missing:
        return
    _say(f"installing {', '.join(missing)}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = subprocess.run([*command, "-r", HERE / "requirements.txt"], check=False, capture_output=True, text=True)
    if done.returncode:
        _say(f"could not install them all: {(done.stderr.strip() or 'no message').splitlines()[-1]}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _versions(results: dict[str, Any]) -> dict[str, str]:
    """Of everything here, and of what contestants in other environments say of themselves."""
    found = {name: known for name in VERSIONS if (known := _version(name))}
    tables = [table for part in ("peers", "lanes", "many", "latency") for table in results.get(part, ())]
    for table in tables:
        for result in table["results"].values():
            for figures in result["rounds"]:
                for name, known in figures.pop("versions").items():
                    found.setdefault(name, known)
    return found


class _Target:
    """Where results go: docs/ and benchmarks/results/ for a full run, else one folder."""

    def __init__(self, out: Path | None, *, quick: bool, partial: bool, update: bool) -> None:
        apart = quick or (partial and not update)
        folder = out or (HERE / "results" / ("quick" if quick else "partial") if apart else None)
        self._update = update
        self._results = folder or HERE / "results"
        self.images = folder or ROOT / "docs" / "img"
        self._page = folder / "benchmarks.md" if folder else ROOT / "docs" / "benchmarks.md"

    def write(self, results: dict[str, Any]) -> None:
        """The figures first: if drawing fails, they are there."""
        self._results.mkdir(parents=True, exist_ok=True)
        self.images.mkdir(parents=True, exist_ok=True)
        path = self._results / "latest.json"
        if self._update:
            results = _updated(json.loads(path.read_text()), results)
        path.write_text(json.dumps(results, indent=1) + "\n")
        _say(f"wrote {path}")
        report.write(results, self._page)
        _say(f"wrote {self._page}")
        try:
            import charts
        except ImportError as error:
            _say(f"no charts: {error} (pip install matplotlib)")
            return
        for drawn in charts.draw(results, self.images):
            _say(f"wrote {drawn}")
        _say(f"done in {results['took_s']} s")


def _updated(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The results of a full run with some parts measured anew; they say when."""
    for name in PARTS:
        if name in part:
            whole[name] = part[name]
            whole.setdefault("updated", {})[name] = part["at"]
            whole.setdefault("loads", {})[name] = part["machine"]["load_at_start"]
    whole["versions"] |= part["versions"]
    return whole


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
