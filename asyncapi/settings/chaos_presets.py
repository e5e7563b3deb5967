"""Chaos by name: what real networks and servers do to a program, as settings of `Chaos`.

name                   what an attempt meets, and what it shows
slow                   each takes 1 to 3 s longer: time limits, and whether waits add up or overlap
slow tail              one in 20 takes 5 to 15 s longer: hedging, and limits for a single attempt
timeouts               one in 10 gets no response in a minute: the limit of an attempt, and the retry after it
flaky network          one in 20 loses its connection, one in 50 its body: retries, and calls that must not be
                       repeated
lossy mobile network   0.2 to 2 s longer, one in 8 loses its connection, one in 20 its body: resumed downloads and
                       streams
overloaded             one in 5 gets a 503 and one in 20 a 429, all take 0.3 to 3 s longer: backoff and budgets
brown-out              half of them get a 503, all take 0.5 to 2 s longer: the breaker, the budget, fallbacks
rate-limited           three in 10 get a 429 with Retry-After: pauses, and the order of calls after them
restarts               one in 10 finds nobody who listens, and so do those after it, three in a row: retries that
                       come too soon
bad gateway            one in 10 gets a 502, one in 50 a 504: a proxy whose backend is gone; HTML-like bodies
truncating             one in 5 responses breaks off in its body: half a response is never taken for a whole one
"""

from __future__ import annotations

from typing import Any

from asyncapi.errors import ConfigError

PRESETS: dict[str, dict[str, Any]] = {
    "slow": {"latency": (1.0, 3.0)},
    "slow tail": {"latency": (5.0, 15.0), "slow": 0.05},
    "timeouts": {"latency": 60.0, "slow": 0.1},
    "flaky network": {"latency": (0.0, 0.3), "slow": 0.2, "drops": 0.05, "truncate": 0.02},
    "lossy mobile network": {"latency": (0.2, 2.0), "drops": 0.12, "truncate": 0.05},
    "overloaded": {"latency": (0.3, 3.0), "errors": {503: 0.2}, "throttle": 0.05, "retry_after": 2.0},
    "brown-out": {"latency": (0.5, 2.0), "errors": {503: 0.5}},
    "rate-limited": {"throttle": 0.3, "retry_after": 1.0},
    "restarts": {"outages": 0.1, "outage_length": 3, "drops": 0.02},
    "bad gateway": {"errors": {502: 0.1, 504: 0.02}},
    "truncating": {"truncate": 0.2},
}


def settings_of(name: str) -> dict[str, Any]:
    """Return the settings of a preset; blanks, hyphens and underscores in its name are the same.

    Raises:
        ConfigError: There is no such preset.
    """
    known = {_plain(each): each for each in PRESETS}
    found = known.get(_plain(name))
    if found is None:
        from difflib import get_close_matches  # noqa: PLC0415 - only where a name is wrong

        near = get_close_matches(_plain(name), known, n=1, cutoff=0.45)
        hint = f"did you mean {known[near[0]]!r}? " if near else ""
        names = ", ".join(repr(each) for each in PRESETS)
        raise ConfigError(f"there is no chaos {name!r}: {hint}{'The' if hint else 'the'} presets are {names}")
    return PRESETS[found]


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())
