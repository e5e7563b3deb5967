"""Which combinations of method, host and route have series of their own in metrics: the first that come.

Bounds on hosts and on routes multiply: 200 of each are 40,000 series, times statuses and buckets. So it is the
combinations that are bounded. What comes beyond counts for its host, as the route "other"; once hosts are too many as
well, as "other" of "other". Sums over all series are right whatever comes.
"""

from __future__ import annotations

OTHER = "other"
_WITH_A_ROUTE = 0.75  # of the room; the rest is for hosts whose routes come too late


class Series:
    """The combinations that have series of their own.

    Args:
        most: How many; and one more for each method, of "other" alone.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = 200) -> None:
        self._most = most
        self._known: set[tuple[str, str, str]] = set()

    def of(self, method: str, host: str, route: str | None) -> tuple[str, str, str]:
        """The combination that a call counts for: its own, or one with "other" in it."""
        labels = (method, host, route or OTHER)
        if labels in self._known:
            return labels
        if route and len(self._known) < self._most * _WITH_A_ROUTE:
            self._known.add(labels)
            return labels
        labels = (method, host, OTHER)
        if labels in self._known:
            return labels
        if len(self._known) < self._most:
            self._known.add(labels)
            return labels
        return method, OTHER, OTHER


def bounded(name: str, known: set[str], most: int) -> str:
    """The name itself, if it is one of the first `most`, which `known` holds; else "other"."""
    if name not in known:
        if len(known) >= most:
            return OTHER
        known.add(name)
    return name
