"""Hidden rate limits, kept by a client without a setting, and hosts that refuse some whatever the rate.

Two hundred workers always have a next request; the pacer (`asyncapi.sansio.limits.pacing`) decides alone, in the mode
that infers. Where each refused request waits for itself (`EachForItself`), a host that refuses at random is used best.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.limits.pacing import Pacer

from .workers import EPOCH, EachForItself, Fickle, FixedWindow, Seen, TokenBucket, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 200
SECONDS = 70  # of which the first ten are for learning
STEADY = 10


def told_by_ietf(left: float, full: float, now: float) -> dict[str, str]:
    """`RateLimit` and its policy, of a bucket of 100 a second."""
    return {"RateLimit-Policy": '"default";q=100;w=1', "RateLimit": f'"default";r={int(left)};t=1'}


def told_by_epoch(left: float, full: float, now: float) -> dict[str, str]:
    """`X-RateLimit-*` of a window of 6,000 a minute, whose end is told as seconds since the epoch."""
    return {
        "X-RateLimit-Limit": "6000", "X-RateLimit-Remaining": str(int(left)),
        "X-RateLimit-Reset": str(ceil(EPOCH + now + full)),
    }  # fmt: skip


LIMITS: dict[str, Callable[[], Any]] = {
    "a bucket of 100/s and 20 at once, Retry-After alone": TokenBucket,
    "the same, 429 and no word more": lambda: TokenBucket(retry_after=False),
    "the same, 1,000 at once": lambda: TokenBucket(burst=1000),
    "the same, told by `RateLimit`": lambda: TokenBucket(told=told_by_ietf),
    "windows of 1,000 in 10 s, Retry-After alone": lambda: FixedWindow(1000, 10.0),
    "windows of 6,000 a minute, told by `X-RateLimit`": lambda: FixedWindow(6000, 60.0, told=told_by_epoch),
}
FICKLE = {"0.2 %": 0.002, "1 %": 0.01, "5 %": 0.05}


def measure() -> dict[str, Any]:
    """For each kind of server: share of its rate that is used, share refused, and attempts in pauses for everybody."""
    limits = {}
    for name, make in LIMITS.items():
        server = make()
        seen = Workers(Pacer(), server, workers=WORKERS).run(SECONDS)
        used = seen.rate(STEADY, SECONDS) / server.rate
        limits[name] = {"used": used, "refused": seen.refusals(STEADY, SECONDS), "broken": seen.broken}
    fickle = {}
    for name, share in FICKLE.items():
        ours, most = run_fickle(share, Pacer()), run_fickle(share, EachForItself())
        fickle[name] = {"used": sum(ours.ok) / sum(most.ok), "broken": ours.broken}
    return {"limits": limits, "fickle": fickle}


def run_fickle(share: float, pacer: Any) -> Seen:
    """A hundred workers at a host that refuses this share."""
    return Workers(pacer, Fickle(share), workers=WORKERS // 2).run(120)
