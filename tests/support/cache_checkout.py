"""Run the public HTTP cache test suite itself, from a checkout, against a Client with a cache.

    make cache-tests                       clone the pinned commit into build/cache-tests, where git reaches GitHub
    make cache-tests SUITE=../cache-tests  use this checkout

It prints what was passed of each kind, and each test that was not. Node.js exports the tests as JSON; the origin and the
player are ours (cache_suite.py). The suite's licence is BSD-3; nothing of it is kept in this repository.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from asyncapi import Cache, Client
from cache_suite import Origin, TurnedClock, applies, results

URL = "https://github.com/http-tests/cache-tests"
COMMIT = "bb49f1de4fa6502ab3bd61bb0ec35b431e77a92f"  # expectations change: newer ones are tried on purpose, by SUITE=
USUAL = Path(__file__).parents[2] / "build" / "cache-tests"
KINDS = ("required", "optimal", "check")
_EXPORT = "import(process.argv[1]).then(all => console.log(JSON.stringify(all.default)))"

# Optimal tests that no setting of ours passes, and why.
KNOWN = {
    "vary-normalise-lang-order": "servers may go by the order of languages (RFC 9110 section 12.5.4)",
    "other-cookie": "whoever sends a cookie is another user than whoever sends none",
    "partial-store-partial-reuse-partial-byterange": "the Content-Range is not as long as the body",
    "partial-store-partial-reuse-partial-absent": "the same",
    "partial-store-partial-reuse-partial-suffix": "the same",
    "partial-store-partial-complete": "parts without a strong ETag are not joined (section 3.4)",
}


def exported(checkout: Path) -> list[dict[str, Any]]:
    """The tests of a checkout that are for private caches."""
    index = (checkout / "tests" / "index.mjs").resolve()
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _EXPORT, index.as_uri()], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"node can't export the tests of {checkout}: {done.stderr.strip()[-500:]}")
    tests = [{**test, "group": group["name"]} for group in json.loads(done.stdout) for test in group["tests"]]
    return [test for test in tests if applies(test)]


def kind_of(test: dict[str, Any]) -> str:
    return str(test.get("kind", "required"))


async def played(tests: list[dict[str, Any]], transport: str, cache: Cache) -> dict[str, str]:
    """What became of each test over sockets of loopback: "" where it passed."""
    clock = TurnedClock()
    origin = Origin(clock.wall, clock.sleep)

    async def pause(seconds: float) -> None:
        clock.ahead += seconds
        await asyncio.sleep(0.005)  # what the suite waits for, too: a refresh in the background

    async with (
        origin.serving() as base,
        Client(base, transport=transport, clock=clock, retry=None, redirects=0, cache=cache) as api,
    ):
        return await results(tests, api, origin, base, pause)


def report(tests: list[dict[str, Any]], found: dict[str, str]) -> list[str]:
    """Lines for people: how many of each kind, of each group, and what was not passed."""
    passed = Counter(kind_of(test) for test in tests if not found[test["id"]])
    total = Counter(kind_of(test) for test in tests)
    said = [f"{kind}: {passed[kind]} of {total[kind]}" for kind in KINDS]
    for group in dict.fromkeys(test["group"] for test in tests):
        mine = [test for test in tests if test["group"] == group]
        counts = (
            f"{sum(not found[test['id']] for test in mine if kind_of(test) == kind)}/{count}"
            if (count := sum(kind_of(test) == kind for test in mine))
            else "-"
            for kind in KINDS
        )
        said.append(f"  {group}: {', '.join(f'{kind} {count}' for kind, count in zip(KINDS, counts, strict=True))}")
    for kind in KINDS:
        for test in tests:
            if kind_of(test) == kind and (why := found[test["id"]]):
                known = f" ({KNOWN[test['id']]})" if test["id"] in KNOWN else ""
                said.append(f"not passed, {kind}: {test['id']}: {why}{known}")
    return said


def cloned(place: Path) -> Path:
    """A checkout of the pinned commit, fetched if it is not there."""
    if not (place / "tests" / "index.mjs").is_file():
        place.mkdir(parents=True, exist_ok=True)
        for command in (["init", "-q"], ["fetch", "-q", "--depth=1", URL, COMMIT], ["checkout", "-q", "FETCH_HEAD"]):
            if subprocess.run(["git", "-C", str(place), *command], check=False).returncode:
                raise SystemExit(f"git can't fetch {URL}: give a checkout of it, SUITE=path")
    return place


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", nargs="?", type=Path, help="a checkout; by default the pinned commit is cloned")
    parser.add_argument("--transport", default="aiohttp", choices=("aiohttp", "native"))
    parser.add_argument("--heuristic", type=float, default=0.1, help="Cache(heuristic=...), 0.1 by default")
    arguments = parser.parse_args()
    if shutil.which("node") is None:
        raise SystemExit("Node.js is needed: it exports the tests")
    tests = exported(arguments.suite or cloned(USUAL))
    found = asyncio.run(played(tests, arguments.transport, Cache(heuristic=arguments.heuristic)))
    print("\n".join(report(tests, found)))
    return int(any(found[test["id"]] for test in tests if kind_of(test) == "required"))


if __name__ == "__main__":
    sys.exit(main())
