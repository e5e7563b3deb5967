"""Choose which combinations of method, host and route have series of their own in metrics: the first that come.

Bounds on hosts and on routes multiply: 200 of each are 40,000 series, times statuses and buckets. So the
combinations are bounded. Beyond the bound, a call counts for its host, as the route "other"; once there are too many
hosts as well, as "other" of "other". Sums over all series are right in any case.
"""

from __future__ import annotations

OTHER = "other"
_WITH_A_ROUTE = 0.75  # of the bound; the rest is for hosts whose routes come too late


class Series:
    """The combinations that have series of their own.

    Args:
        max_series: How many; and one more for each method, of "other" alone.
    """

    __slots__ = ("_known", "_max_series")

    def __init__(self, max_series: int = 200) -> None:
        self._max_series = max_series
        self._known: set[tuple[str, str, str]] = set()

    def of(self, method: str, host: str, route: str | None) -> tuple[str, str, str]:
        """The series that a call counts for: its own, or one with "other" in it."""
        labels = (method, host, route or OTHER)
        if labels in self._known:
            return labels
        if route and len(self._known) < self._max_series * _WITH_A_ROUTE:
            self._known.add(labels)
            return labels
        labels = (method, host, OTHER)
        if labels in self._known:
            return labels
        if len(self._known) < self._max_series:
            self._known.add(labels)
            return labels
        return method, OTHER, OTHER


def bounded(name: str, known: set[str], max_names: int) -> str:
    """The name itself, if it is one of the first `max_names`, which `known` collects; else "other"."""
    if name not in known:
        if len(known) >= max_names:
            return OTHER
        known.add(name)
    return name
