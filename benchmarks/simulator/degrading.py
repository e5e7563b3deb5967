"""When a fallback is taken: learned, or by a rule that somebody has tuned by hand.

Every call has a deadline and a default value to fall back to, so that none need fail. What counts is how many calls get
that value although the usual response was to be had, and how long calls take.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asyncapi import Budget, Fallback, Learned, Retry

from .learning import measure
from .troubles import HANGS, TROUBLES, Answer, Asked, Trouble, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

VALUE = [Fallback(value={"items": []})]
TUNED = Retry(6, base=1.0, budget=Budget(1.0))
POLICIES: dict[str, tuple[dict[str, Any], float | None]] = {  # settings, and the limit of an attempt in seconds
    "default": ({}, None),
    "attempts of 1 s": ({}, 1.0),
    "attempts of 2 s": ({}, 2.0),
    "hand-tuned, attempts of 1 s": ({"retry": TUNED}, 1.0),
    "learned, degrade=False": ({"retry": Retry(policy=Learned(degrade=False))}, None),
    "learned": ({"retry": Retry(policy=Learned())}, None),
    "learned, attempts of 1 s": ({"retry": Retry(policy=Learned())}, 1.0),
}


def _hangs(world: World, asked: Asked) -> Answer:
    return (HANGS, 0.0, {}) if 30 <= asked.now < 60 else world.up()


def _some_hang(share: float) -> Callable[[World, Asked], Answer]:
    return lambda world, asked: (HANGS, 0.0, {}) if 30 <= asked.now < 90 and world.chance(share) else world.up()


def _slow(world: World, asked: Asked) -> Answer:
    return world.up(times=150.0 if 30 <= asked.now < 60 else 1.0)


def _slower(world: World, asked: Asked) -> Answer:
    return world.up(times=20.0 if asked.now >= 30 else 1.0)


def _route_hangs(world: World, asked: Asked) -> Answer:
    return (HANGS, 0.0, {}) if asked.path == "/quick" and asked.now > 20 else world.up()


SCENARIOS = {
    **{name: TROUBLES[name] for name in ("healthy", "blips", "restarts", "brownouts", "poison", "locks", "rolling")},
    **{name: TROUBLES[name] for name in ("broken", "outage", "hang", "spikes", "short deadlines")},
    "hangs": Trouble("No response at all for 30 s", _hangs),
    "some hang": Trouble("30 % get no response for a minute", _some_hang(0.3)),
    "many hang": Trouble("45 % get no response for a minute", _some_hang(0.45)),
    "short brownouts": replace(TROUBLES["brownouts"], title="Brown-outs, deadlines of 3 s", total=3.0),
    "short hang": Trouble("30 % get no response, deadlines of 3 s", _some_hang(0.3), total=3.0),
    **{name: TROUBLES[name] for name in ("slow ramp", "long locks")},
    "slow": Trouble("Responses take 15 s for 30 s", _slow),
    "slower": Trouble("Responses take 2 s from now on", _slower),
    "route hangs": Trouble("One of three routes gets no response", _route_hangs, paths=TROUBLES["per route"].paths),
}
Rows = dict[str, dict[str, dict[str, float]]]


def run(seeds: Sequence[int], known: Rows) -> Rows:
    """Every policy in every scenario, but for what is known."""
    rows: Rows = {}
    for name, trouble in SCENARIOS.items():
        rows[name] = {}
        for policy, (settings, attempt) in POLICIES.items():
            row = known.get(name, {}).get(policy)
            if row is not None:
                rows[name][policy] = row
                continue
            limited = trouble if attempt is None else replace(trouble, attempt=attempt)
            rows[name][policy] = measure(limited, {**settings, "fallback": VALUE}, seeds)
    return rows


def render(rows: Rows) -> Iterator[str]:
    """The figures as Markdown."""
    yield "**With a default value to fall back to**: degraded / mean seconds (none failed, none was late)\n"
    yield f"| | {' | '.join(POLICIES)} |"
    yield f"|---|{'---:|' * len(POLICIES)}"
    for name, by in rows.items():
        cells = [f"{row['degraded']:.1%} / {row['mean']:.2f}" for row in by.values()]
        yield f"| {SCENARIOS[name].title} | {' | '.join(cells)} |"
    yield ""
