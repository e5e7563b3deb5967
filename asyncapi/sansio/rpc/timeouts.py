"""Write the time left as a `grpc-timeout` (gRPC over HTTP/2, "Timeout")."""

from __future__ import annotations

import math

_MOST = 99_999_999  # 8 digits


def write(seconds: float) -> str:
    """Write the time left, rounded down, but never to nothing.

    From a second on, it is written in milliseconds: the heads of calls with the same limit are then alike, and cost
    next to nothing to send.
    """
    if seconds < 1.0:
        microseconds = math.floor(seconds * 1e6)
        return f"{microseconds}u" if microseconds >= 1 else f"{max(1, math.floor(seconds * 1e9))}n"
    milliseconds = math.floor(seconds * 1000) if seconds < _MOST else _MOST + 1
    return f"{milliseconds}m" if milliseconds <= _MOST else f"{math.floor(min(seconds, _MOST))}S"
