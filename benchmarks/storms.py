"""Storms in virtual time: this SDK's real layers beside the policies people have today, one chart for each scenario.

    python benchmarks/storms.py                       the figures, as tables
    python benchmarks/storms.py docs/img              and charts sim-<scenario>.svg, with sim-adaptive.svg
    python benchmarks/storms.py - outage tail         only these
    python benchmarks/storms.py docs/img --json       as `make bench` has it: data instead of tables

Nothing is measured by a clock: the same code gives the same figures on any machine.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator import dip, harm, limits, matrix, outages, restarts
from simulator.storm import POLICIES, SCENARIOS, Measured, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

from asyncapi import Breaker


def run(names: list[str], folder: Path | None, *, quick: bool) -> dict[str, Any]:
    """Everything that is asked for, as plain data; charts are drawn where there is a folder and matplotlib."""
    drawing = None
    if folder is not None:
        try:
            from simulator import drawing
        except ImportError:
            folder = None
    storms = {}
    for name in names or SCENARIOS:
        scenario = SCENARIOS[name]
        rows = {policy: measure(scenario, policy) for policy in POLICIES}
        storms[name] = {"title": scenario.title, "rows": {_label(row, scenario.told): _row(rows[row]) for row in rows}}
        if drawing is not None and folder is not None:
            drawing.storm(scenario, rows, folder / f"sim-{name}.svg")
    results: dict[str, Any] = {"scenarios": storms}
    if not names:
        lengths = outages.LENGTHS[:2] if quick else outages.LENGTHS
        results["outages"] = {str(one): asdict(outages.measure(one, breaker=Breaker())) for one in lengths}
        results["restarts"] = {
            name: asdict(restarts.measure(range(1, 3) if quick else range(1, 6), **one))
            for name, one in restarts.POLICIES.items()
        }
        results["dip"] = {
            f"{rate} calls a second, {name}": asdict(dip.dip(rate, (1,) if quick else (1, 2, 3), **one))
            for rate in dip.RATES
            for name, one in dip.POLICIES.items()
        }
        results["adaptive"] = matrix.measure(quick=quick)
        results["pacing"] = limits.measure()
        results["harm"] = harm.measure(quick=quick)
        if drawing is not None and folder is not None:
            drawing.adaptive(folder / "sim-adaptive.svg")
    return results


def _label(policy: str, told: str) -> str:
    return f"asyncapi, {told}" if policy.endswith("armed") else policy


def _row(measured: Measured) -> dict[str, Any]:
    whole = asdict(measured)
    return {name: whole[name] for name in ("success", "success_in_trouble", "load", "p50", "p99", "recovery")}


def render(results: dict[str, Any], images: str = "img") -> Iterator[str]:
    """The results as Markdown."""
    yield "### Storms, simulated in virtual time\n"
    yield "Nothing here is measured by a clock: real layers, a seeded server, the same figures on any machine.\n"
    for name, storm in results["scenarios"].items():
        yield f"**{storm['title']}** ([chart]({images}/sim-{name}.svg))\n"
        yield "| policy | answered | in the trouble | sent / offered | p50 s | p99 s | normal again after |"
        yield "|---|---:|---:|---:|---:|---:|---:|"
        for policy, row in storm["rows"].items():
            back = "-" if row["recovery"] is None else f"{row['recovery']:.0f} s"
            yield (
                f"| {policy} | {row['success']:.1%} | {row['success_in_trouble']:.1%} | {row['load']:.2f} | "
                f"{row['p50']:.2f} | {row['p99']:.2f} | {back} |"
            )
        yield ""
    if "outages" in results:
        yield from _outages(results["outages"])
    if "restarts" in results:
        yield from _restarts(results["restarts"])
        yield from _dip(results["dip"])
    if "adaptive" in results:
        yield from _changes(results["adaptive"]["changes"], images)
        yield from _sizes(results["adaptive"]["sizes"])
    if "pacing" in results:
        yield from _pacing(results["pacing"])
    if "harm" in results:
        yield from _harm(results["harm"])


def _outages(rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield f"**The breaker after an outage**, {outages.RATE:g} calls a second, five seeds\n"
    yield "| the host is down for | back after, median | at the worst | attempts while down | calls meanwhile |"
    yield "|---:|---:|---:|---:|---:|"
    for seconds, row in rows.items():
        yield f"| {seconds} s | {row['back']:.1f} s | {row['worst']:.1f} s | {row['down']:.0f} | {row['offered']:,} |"
    yield ""


def _restarts(rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield f"**A host that is restarted**, down for {restarts.DOWN} s in every {restarts.EVERY} s,"
    yield f"{restarts.RATE:g} calls a second, five seeds\n"
    yield "| policy | failed | at the worst | attempts / calls while down |"
    yield "|---|---:|---:|---:|"
    for name, row in rows.items():
        yield f"| {name} | {row['failed']:.1%} | {row['worst']:.1%} | {row['down']:.2f} |"
    yield ""


def _dip(rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield f"**A dip: {dip.LEFT} of {dip.PLACES} places for {dip.END - dip.START} s**, a queue without a bound,"
    yield "attempts of 1 s; each of three seeds\n"
    yield "| policy | answered | normal again after |"
    yield "|---|---:|---:|"
    for name, row in rows.items():
        answered = ", ".join(f"{one:.1%}" for one in row["answered"])
        normal = ", ".join("-" if one is None else f"{one:.0f} s" for one in row["normal"])
        yield f"| {name} | {answered} | {normal} |"
    yield ""


def _changes(rows: dict[str, dict[str, Any]], images: str) -> Iterator[str]:
    yield f"**Adaptive: a hidden limit of 50, then 500, then 20** ([chart]({images}/sim-adaptive.svg)): places"
    yield "used and attempts rejected, the worst of the three from ten seconds after each change on; seconds until nine"
    yield "tenths were used\n"
    yield f"| the server | {' | '.join(matrix.ALGORITHMS)} |"
    yield f"|---|{'---:|' * len(matrix.ALGORITHMS)}"
    for kind, by in rows.items():
        cells = [f"{by[one]['used']:.0%}, {by[one]['rejected']:.2%}, {by[one]['after']:.0f} s" for one in by]
        yield f"| {kind} | {' | '.join(cells)} |"
    yield ""


def _sizes(rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "**Adaptive: a server of any size**; places used, attempts rejected, from ten seconds on\n"
    columns = next(iter(rows.values()))
    yield f"| places | {' | '.join(columns)} |"
    yield f"|---:|{'---:|' * len(columns)}"
    for workers, by in rows.items():
        cells = [f"{one['used']:.0%}, {one['rejected']:.2%}" for one in by.values()]
        yield f"| {workers} | {' | '.join(cells)} |"


def _pacing(results: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"**Pacing: hidden limits**, {limits.WORKERS} workers, from ten seconds on\n"
    yield "| the server | of its rate used | 429s | attempts in a shared pause |"
    yield "|---|---:|---:|---:|"
    for name, row in results["limits"].items():
        yield f"| {name} | {row['used']:.0%} | {row['refused']:.2%} | {row['broken']} |"
    yield ""
    yield "**Pacing: a host that answers 429 with `Retry-After: 1` whatever the rate**, of what `pace=False` gets\n"
    yield "| refused | used | attempts in a shared pause |"
    yield "|---:|---:|---:|"
    for name, row in results["fickle"].items():
        yield f"| {name} | {row['used']:.0%} | {row['broken']} |"


def _harm(results: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield "**A client without a setting beside `pace=False`**, open loops, ten seconds for each call, the worse of two"
    yield "seeds\n"
    yield "| the host refuses | failed | with `pace=False` | median s | with `pace=False` |"
    yield "|---|---:|---:|---:|---:|"
    for name, row in results["open"].items():
        yield f"| {name} | {row['failed']:.1%} | {row['off']:.1%} | {row['median']:.2f} | {row['off_median']:.2f} |"
    yield ""
    yield "**200 callers of single calls**, each with a next one at once: calls lost, attempts refused\n"
    yield "| the host | lost | refused | sent again early |"
    yield "|---|---:|---:|---:|"
    for name, row in results["callers"].items():
        yield f"| {name} | {row['failed']} | {row['refused']:.1%} | {row['early']} |"


def bars(results: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """What is promised, what came out, and whether that holds."""
    scenarios = results["scenarios"]
    if "broken" in scenarios:
        load = scenarios["broken"]["rows"]["asyncapi"]["load"]
        yield "503 to everything for a minute: sent / offered, floor included", "<= 1.21x", f"{load:.2f}x", load <= 1.21
    if "tail" in scenarios:
        rows = scenarios["tail"]["rows"]
        hedged = next(row for name, row in rows.items() if name.startswith("asyncapi, "))
        share = 1 - hedged["p99"] / rows["asyncapi"]["p99"]
        more = hedged["load"] - 1
        yield "Hedging at a 2 %-slow server: p99 falls by", ">= 50 %", f"{share:.0%}", share >= 0.5
        yield "Hedging at a 2 %-slow server: more requests", "<= 5 %", f"{more:.1%}", more <= 0.05
    if "restarts" in results:
        rows = results["restarts"]
        without, armed = rows["no breaker"]["failed"], rows["breaker"]["failed"]
        what = "Two-second restarts, failed with a breaker"
        yield what, f"<= {without:.1%}, without", f"{armed:.1%}", armed <= without
        yield from _dip_bars(results["dip"])
    if "adaptive" in results:
        every = [one for by in results["adaptive"]["changes"].values() for one in by.values()]
        used, rejected = min(one["used"] for one in every), max(one["rejected"] for one in every)
        what = "Adaptive, 50, 500, then 20 places, three algorithms, every kind of server:"
        yield f"{what} places used", ">= 90 %", f"{used:.0%}", used >= 0.9
        yield f"{what} rejections", "< 1 %", f"{rejected:.2%}", rejected < 0.01

    if "pacing" in results:
        rows = list(results["pacing"]["limits"].values())
        used, refused = min(one["used"] for one in rows), max(one["refused"] for one in rows)
        broken = sum(one["broken"] for one in (*rows, *results["pacing"]["fickle"].values()))
        yield "Pacing, hidden limits of 100/s: of the rate used", ">= 95 %", f"{used:.1%}", used >= 0.95
        yield "Pacing, hidden limits of 100/s: 429s after ten seconds", "< 1 %", f"{refused:.2%}", refused < 0.01
        yield "Pacing: attempts in a pause that concerns everybody", "0", f"{broken}", broken == 0
        least = min(one["used"] for one in results["pacing"]["fickle"].values())
        yield "Pacing: hosts that refuse at random, used as with `pace=False`", ">= 0.9", f"{least:.2f}", least >= 0.9
    if "harm" in results:
        yield from _harm_bars(results["harm"])


def _dip_bars(rows: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str, bool]]:
    """With retries as without, at every rate and seed."""
    never = float(dip.SECONDS)
    later, fewer = [], []
    for rate in dip.RATES:
        off, ours = (rows[f"{rate} calls a second, {name}"] for name in dip.POLICIES)
        pairs = zip(ours["normal"], off["normal"], strict=True)
        later += [(never if one is None else one) - (never if other is None else other) for one, other in pairs]
        fewer += [other - one for one, other in zip(ours["answered"], off["answered"], strict=True)]
    what = "A ten-second dip, against retry=None:"
    yield f"{what} normal again later by", "<= 5 s", f"{max(later):.0f} s", max(later) <= 5
    yield f"{what} fewer answered by", "<= 0.1 %", f"{max(fewer):.2%}", max(fewer) <= 0.001


def _harm_bars(results: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    rows = list(results["open"].values())
    more = max(one["failed"] - one["off"] for one in rows[:-1])
    slower = max(one["median"] / one["off_median"] for one in rows[:-1])
    failed, mixed = rows[-1]["failed"], results["map"]
    lost = sum(one["failed"] for one in results["callers"].values())
    refused = max(one["refused"] for one in results["callers"].values())
    early = mixed["early"] + sum(one["early"] for one in results["callers"].values())
    yield "Default against `pace=False`, random 429s: more calls failed", "<= 0.5 %", f"{more:.1%}", more <= 0.005
    yield "Default against `pace=False`, random 429s: median latency", "<= 2x", f"{slower:.2f}x", slower <= 2
    yield "A bucket that also refuses 5 % at random, 80 % used: failed", "<= 5 %", f"{failed:.1%}", failed <= 0.05
    yield "200 callers at a bucket with Retry-After: calls lost", "0", f"{lost}", lost == 0
    yield "200 callers at a bucket with Retry-After: attempts refused", "<= 10 %", f"{refused:.1%}", refused <= 0.1
    yield (
        "`map` of 3,000, 1 % random 429s, against `pace=False`: time",
        "<= 2x",
        f"{mixed['random']:.2f}x",
        mixed["random"] <= 2,
    )
    what = "`map` at a bucket that also refuses 1 %, of `RateLimit(97)`"
    yield what, ">= 0.5", f"{mixed['mixed']:.2f}", mixed["mixed"] >= 0.5
    yield "Refused calls sent again before the told time", "0", f"{early}", early == 0


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description="Storms in virtual time.")
    parser.add_argument("folder", nargs="?", default="-", help="where charts go; - for none")
    parser.add_argument("names", nargs="*", metavar="scenario", help=f"{', '.join(SCENARIOS)} (all)")
    parser.add_argument("--json", action="store_true", help="data instead of tables")
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    options = parser.parse_args()
    for name in options.names:
        if name not in SCENARIOS:
            parser.error(f"{name}: not one of {', '.join(SCENARIOS)}")
    results = run(options.names, None if options.folder == "-" else Path(options.folder), quick=options.quick)
    print(json.dumps(results) if options.json else "\n".join(render(results)), flush=True)


if __name__ == "__main__":
    main()
