"""Learned retries in virtual time: the real Client in many troubles, beside other policies.

    python benchmarks/learned.py                      the tables; benchmarks/results/learned.json is written anew
    python benchmarks/learned.py docs/img             and the charts learned-retries.svg and learned-fallbacks.svg, and
                                                      the tables of docs/learned-retries.md
    python benchmarks/learned.py - restarts "odd 503s"    only these troubles; nothing is written
    python benchmarks/learned.py - --quick            one seed instead of five, and nothing is written
    python benchmarks/learned.py - --only learned     runs the policies that begin so; the others stay as they were

Nothing is measured by a clock: the same code gives the same figures on any machine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator import degrading, tables_learned
from simulator.learning import CONTENDERS, measure
from simulator.troubles import TROUBLES

from asyncapi import Budget, Learned, Retry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RESULTS = Path(__file__).parent / "results" / "learned.json"
PAGE = Path(__file__).parent.parent / "docs" / "learned-retries.md"
SEEDS = (1, 2, 3, 4, 5)
LEARNED, DEFAULT = "learned", "default"
OURS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "hand-tuned": {"retry": Retry(6, base=1.0, budget=Budget(1.0))},
    "learned, no hold": {"retry": Retry(policy=Learned(hold=False))},
    LEARNED: {"retry": Retry(policy=Learned())},
}
Rows = dict[str, dict[str, dict[str, float]]]


def run(names: Sequence[str], seeds: Sequence[int], known: Rows) -> Rows:
    """Every policy in every trouble, but for what is known."""
    rows: Rows = {}
    for name in names:
        whole = known.get(name, {})
        rows[name] = {
            policy: whole.get(policy) or measure(TROUBLES[name], OURS.get(policy, policy), seeds)
            for policy in (*CONTENDERS, *OURS)
        }
    return rows


def results_without(only: str) -> dict[str, Rows]:
    """The last results, without the policies whose names begin with `only`."""
    return {
        part: {
            name: {policy: row for policy, row in by.items() if not policy.startswith(only)}
            for name, by in rows.items()
        }
        for part, rows in json.loads(RESULTS.read_text()).items()
    }


def render(rows: Rows) -> Iterator[str]:
    """The figures as Markdown: failed and sent for each call, of every policy; then the seconds."""
    for title, held_out in (("Troubles that the constants were tuned on", False), ("Held out", True)):
        part = {name: by for name, by in rows.items() if TROUBLES[name].held_out == held_out}
        if not part:
            continue
        policies = list(next(iter(part.values())))
        yield f"**{title}**: failed / attempts for each call\n"
        yield f"| | {' | '.join(policies)} |"
        yield f"|---|{'---:|' * len(policies)}"
        for name, by in part.items():
            cells = [f"{row['failed']:.1%} / {row['sent']:.2f}" for row in by.values()]
            yield f"| {TROUBLES[name].title} | {' | '.join(cells)} |"
        yield ""
        yield f"**{title}**: mean seconds for a call (p99 of those that got a response)\n"
        yield f"| | {' | '.join(OURS)} |"
        yield f"|---|{'---:|' * len(OURS)}"
        for name, by in part.items():
            cells = [f"{by[policy]['mean']:.2f} ({by[policy]['p99']:.1f})" for policy in OURS]
            yield f"| {TROUBLES[name].title} | {' | '.join(cells)} |"
        yield ""


def bars(rows: Rows) -> Iterator[tuple[str, str, str, bool]]:
    """What is promised, what came out, and whether that holds."""
    promised = {
        "restarts": (0.02, 1.15), "brownouts": (0.01, None), "poison": (0.001, 1.06), "locks": (0.001, None),
        "broken": (None, 1.05),
    }  # fmt: skip
    for name, (failed, sent) in promised.items():
        if name not in rows:
            continue
        row, title = rows[name][LEARNED], TROUBLES[name].title
        if failed is not None:
            yield f"{title}: failed", f"<= {failed:.1%}", f"{row['failed']:.2%}", row["failed"] <= failed
        if sent is not None:
            yield f"{title}: sent for each call", f"<= {sent:.2f}", f"{row['sent']:.3f}", row["sent"] <= sent
    if "healthy" in rows:
        learned, default = rows["healthy"][LEARNED], rows["healthy"][DEFAULT]
        yield (
            "A healthy host: the same as the default",
            "equal",
            "equal" if learned == default else "differs",
            (learned == default),
        )
    for name, by in rows.items():
        more = by[LEARNED]["failed"] - by[DEFAULT]["failed"]
        if more > 0.002:
            yield f"{TROUBLES[name].title}: more failed than by default", "<= 0.2 %", f"{more:.2%}", False


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description="Learned retries in virtual time.")
    parser.add_argument("folder", nargs="?", default="-", help="where charts go; - for none")
    parser.add_argument("names", nargs="*", metavar="trouble", help=f"{', '.join(TROUBLES)} (all)")
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument(
        "--only", default="", metavar="POLICY", help="only those whose names begin so; joins the results"
    )
    parser.add_argument("--draw", action="store_true", help="only the charts and tables, from the last results")
    options = parser.parse_args()
    for name in options.names:
        if name not in TROUBLES:
            parser.error(f"{name}: not one of {', '.join(TROUBLES)}")
    seeds = SEEDS[:1] if options.quick else SEEDS
    whole = not options.names and not options.quick
    if options.draw:
        results = json.loads(RESULTS.read_text())
    else:
        before = results_without(options.only) if options.only and whole else {}
        results = {"retries": run(options.names or list(TROUBLES), seeds, before.get("retries", {}))}
        if not options.names:
            results["fallbacks"] = degrading.run(seeds, before.get("fallbacks", {}))
        if whole:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print("\n".join(render(results["retries"])))
    if "fallbacks" in results:
        print("\n".join(degrading.render(results["fallbacks"])))
    promised = [*bars(results["retries"])]
    losses = [*tables_learned.worse(results["fallbacks"])] if "fallbacks" in results else []
    for what, bar, measured, reached in promised + losses:
        print(f"{'ok' if reached else 'MISSED':6} {what}: {bar}, {measured}")
    if options.folder != "-":
        from simulator import drawing_learned

        folder = Path(options.folder)
        drawing_learned.retries(results["retries"], folder / "learned-retries.svg")
        if "fallbacks" in results:
            drawing_learned.fallbacks(results["fallbacks"], folder / "learned-fallbacks.svg")
            tables_learned.write(results, promised + losses, PAGE)


if __name__ == "__main__":
    main()
