"""What the server has seen since it started or was reset."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Stats:
    """Plain counters; the server adds to them as it goes.

    Attributes:
        requests: Requests received; `/stats` and `/reset` are not counted.
        by_status: Answers by status; "dropped" where the connection was cut, "gone" where the client left first.
        by_prefix: Requests by the first segment of their path.
        faults: Faults by name.
        in_flight: Requests being answered now.
        max_in_flight: The most at one time.
        connections: Connections opened.
    """

    __slots__ = ("by_prefix", "by_status", "connections", "faults", "in_flight", "max_in_flight", "requests")

    def __init__(self) -> None:
        self.in_flight: int = 0
        self.clear()

    def clear(self) -> None:
        """Start over; what is in flight stays in flight."""
        self.requests: int = 0
        self.by_status: Counter[str] = Counter[str]()
        self.by_prefix: Counter[str] = Counter[str]()
        self.faults: Counter[str] = Counter[str]()
        self.max_in_flight: int = self.in_flight
        self.connections: int = 0

    def shown(self) -> dict[str, Any]:
        """The counters as plain data."""
        return {
            "requests": self.requests,
            "by_status": dict(sorted(self.by_status.items())),
            "by_prefix": dict(sorted(self.by_prefix.items())),
            "faults": dict(sorted(self.faults.items())),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "connections": self.connections,
        }
