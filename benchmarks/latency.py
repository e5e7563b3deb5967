"""Against sync code: `requests` in sequence and with 32 threads, and our fan-out, at 0, 10 and 50 ms of latency."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rounds import CONTESTANTS_OF, Settings, interleave
from server import delayed

from peers import measure

if TYPE_CHECKING:
    from collections.abc import Callable

# name: (label, concurrency)
CONTESTANTS = {
    "requests_sequence": ("requests, in sequence", 1),
    "requests_threads": ("requests, 32 threads", 32),
    "asyncapi_map": ("asyncapi map, 100 at once", 100),
}
CONTESTANTS_OF["latency"] = tuple(CONTESTANTS)
DELAYS_MS = (10, 50)


def run(fast_url: str, settings: Settings, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """One entry per latency."""
    with delayed(*DELAYS_MS) as slow_urls:
        tables = []
        for delay, url in zip((0, *DELAYS_MS), (fast_url, *slow_urls), strict=True):
            say(f"sync, {delay} ms of server latency")
            contestants = {
                name: partial(
                    measure, name, url,
                    concurrency=concurrency, warmup=settings.warmup, seconds=_window(settings, concurrency, delay),
                )
                for name, (_, concurrency) in CONTESTANTS.items()
                if settings.wants("latency", name)
            }  # fmt: skip
            tables.append({"delay_ms": delay, "results": interleave(contestants, settings.rounds, say)})
        return tables


def _window(settings: Settings, concurrency: int, delay_ms: int) -> float:
    """Seconds to measure; one call after another at 50 ms is 20 a second: at least forty answers."""
    return max(settings.seconds, 40 * delay_ms / 1000) if concurrency == 1 else settings.seconds
