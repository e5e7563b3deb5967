"""Is the default worse than off? A client without a setting beside the same with `pace=False`, at hosts that refuse.

Open loops with deadlines (calls come whether or not earlier ones have ended), callers in a closed loop, and maps.
"""

from __future__ import annotations

from typing import Any

from asyncapi import RateLimit

from .hosts import Host, Seen, callers, fan_out, open_loop

SEEDS = (1, 2)
RANDOM = [
    (share, retry_after, rate) for share in (0.002, 0.01, 0.05) for retry_after in ("1", None) for rate in (10, 40, 200)
]


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Failed calls and median latencies, by default and with `pace=False`; the worst of the seeds."""
    seconds = 30.0 if quick else 60.0
    rows = {}
    for share, retry_after, rate in RANDOM:
        told = "Retry-After: 1" if retry_after else "no Retry-After"
        settings = {"share": share, "retry_after": retry_after}
        rows[f"{share:.1%} at random, {told}, {rate}/s"] = _beside_off(rate, seconds, settings)
    for share in (0.01, 0.05):
        what = f"a bucket of 100/s, and {share:.0%} at random, 80/s"
        rows[what] = _beside_off(80, 2 * seconds, {"share": share, "bucket": 100.0})
    return {"open": rows, "callers": _callers(seconds), "map": _maps()}


def _beside_off(rate: float, seconds: float, settings: dict[str, Any]) -> dict[str, float]:
    worst = {"failed": 0.0, "off": 0.0, "median": 0.0, "off_median": 0.0}
    for seed in SEEDS:
        on, off = (
            open_loop(rate, lambda seed=seed: Host(seed, **settings), seed=seed, seconds=seconds, **more)
            for more in ({}, {"pace": False})
        )
        if on.share - off.share >= worst["failed"] - worst["off"]:
            worst = {"failed": on.share, "off": off.share, "median": on.median, "off_median": off.median}
    return worst


def _callers(seconds: float) -> dict[str, Any]:
    rows = {}
    for burst in (20.0, 1000.0):
        seen = [
            callers(200, lambda s=s, b=burst: Host(s, bucket=100.0, burst=b), seed=s, seconds=seconds) for s in SEEDS
        ]
        rows[f"a bucket of 100/s and {burst:g} at once, Retry-After"] = _worst(seen)
    return rows


def _worst(seen: list[Seen]) -> dict[str, float]:
    return {
        "failed": max(one.failed for one in seen),
        "refused": max(one.refusals for one in seen),
        "early": sum(one.early for one in seen),
    }


def _maps() -> dict[str, float]:
    random, mixed, early = [], [], 0
    for seed in SEEDS:
        on = fan_out(3000, 100, lambda s=seed: Host(s, share=0.01), seed=seed)
        off = fan_out(3000, 100, lambda s=seed: Host(s, share=0.01), seed=seed, pace=False)
        random.append(on.lasted / off.lasted)
        both = {"seed": seed, "timeout": None}
        ours = fan_out(6000, 200, lambda s=seed: Host(s, share=0.01, bucket=100.0), **both)
        fixed = RateLimit(97, burst=1)
        told = fan_out(6000, 200, lambda s=seed: Host(s, share=0.01, bucket=100.0), pace=False, rate=fixed, **both)
        mixed.append(told.lasted / ours.lasted)
        early += on.early + ours.early
    return {"random": max(random), "mixed": min(mixed), "early": early}
