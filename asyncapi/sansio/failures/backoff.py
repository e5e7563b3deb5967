"""Compute exponential backoff with full jitter.

The wait before retry n is drawn uniformly from [0, min(cap, base * 2 ** (n - 1))]: "full jitter" in Marc Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

_EXPONENT_LIMIT = 64  # 2 ** 64 seconds is over any cap; larger powers would overflow to no purpose


def full_jitter(retry: int, draw: float, *, base: float, cap: float) -> float:
    """Seconds to wait before a retry.

    Args:
        retry: 1 for the first retry.
        draw: A uniform draw from [0, 1).
        base: The ceiling of the first wait, seconds.
        cap: The ceiling of every wait, seconds.
    """
    return draw * min(cap, base * 2.0 ** min(retry - 1, _EXPONENT_LIMIT))
