"""Storms in virtual time: this SDK's real layers beside the policies people have today, one chart for each scenario.

    python benchmarks/storms.py                       the figures, as tables
    python benchmarks/storms.py docs/img              and charts sim-<scenario>.svg, with sim-adaptive.svg
    python benchmarks/storms.py - outage tail         only these

Nothing is measured by a clock: the same code gives the same figures on any machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from simulator.storm import POLICIES, SCENARIOS, Measured, measure


def table(title: str, told: str, rows: dict[str, Measured]) -> str:
    """One scenario as Markdown."""
    lines = [
        f"### {title}\n",
        "| policy | answered | in the trouble | sent / offered | p50 s | p99 s | recovered after |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        name = f"asyncapi, {told}" if name.endswith("armed") else name
        back = "-" if row.recovery is None else f"{row.recovery:.0f} s"
        lines.append(
            f"| {name} | {row.success:.1%} | {row.success_in_trouble:.1%} | {row.load:.2f} | {row.p50:.2f} | "
            f"{row.p99:.2f} | {back} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Run what is asked for."""
    folder = Path(arguments[0]) if arguments and arguments[0] != "-" else None
    for name in arguments[1:] or SCENARIOS:
        scenario = SCENARIOS[name]
        rows = {policy: measure(scenario, policy) for policy in POLICIES}
        print(table(scenario.title, scenario.told, rows), flush=True)
        if folder is not None:
            from simulator import drawing

            drawing.storm(scenario, rows, folder / f"sim-{name}.svg")
    if folder is not None and not arguments[1:]:
        from simulator import drawing

        drawing.adaptive(folder / "sim-adaptive.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
