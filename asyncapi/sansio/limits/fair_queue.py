"""Order a wait queue: by priority, then fairly between tenants, then first come first served.

    1. The highest priority goes first.
    2. Within it, tenants take turns, one item each.
    3. A tenant's own items go in the order they came.
    4. A priority that has gone first 15 times while a lower one waited lets whoever has waited longest go next: nobody
       is starved for ever, and the first of a priority, after a pause of its kind, never waits for a lower one.

Items that are no longer wanted are skipped when their turn comes; `prune` forgets them all at once.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TURN = 16  # turns of one priority: the last of them goes to whoever has waited longest
_MOST_PASSED = TURN * TURN  # turns of all priorities, however many there are: the same


class FairQueue(Generic[T]):
    """A queue of items, each with a priority and a tenant.

    Args:
        wanted: Whether an item still waits.
    """

    __slots__ = ("_arrivals", "_first", "_levels", "_order", "_passed", "_wanted", "size")

    def __init__(self, wanted: Callable[[T], bool]) -> None:
        self._wanted = wanted
        self._levels: dict[int, OrderedDict[str, deque[tuple[int, T]]]] = {}
        self._order: list[int] = []  # priorities in use, negated: the highest first
        self._arrivals = 0
        self._first: dict[int, int] = {}  # turns of a priority while a lower one waited, since that had one
        self._passed = 0  # the sum of these
        self.size: int = 0  # items, with unwanted ones that are still in the queue

    def push(self, item: T, priority: int = 0, tenant: str = "") -> None:
        """Put an item into the queue."""
        level = self._levels.get(priority)
        if level is None:
            level = self._levels[priority] = OrderedDict()
            insort(self._order, -priority)
        queue = level.get(tenant)
        if queue is None:
            queue = level[tenant] = deque()
        self._arrivals += 1
        queue.append((self._arrivals, item))  # rule 3
        self.size += 1

    def head(self) -> T | None:
        """The item whose turn it is; None of an empty queue."""
        priority, _ = self._next()
        return None if priority is None else next(iter(self._levels[priority].values()))[0][1]

    def pop(self) -> T | None:
        """Take out the item whose turn it is; None of an empty queue."""
        priority, passes = self._next()
        if priority is None:
            return None
        if passes:
            self._first[priority] = self._first.get(priority, 0) + 1
            self._passed += 1
        elif self._passed:
            self._first.clear()
            self._passed = 0
        level = self._levels[priority]
        tenant, queue = next(iter(level.items()))
        _, item = queue.popleft()
        self.size -= 1
        if queue:
            level.move_to_end(tenant)  # rule 2
        else:
            self._drop(priority, tenant)
        return item

    def prune(self) -> None:
        """Forget the items that are no longer wanted."""
        for priority in list(self._levels):
            for tenant, queue in list(self._levels[priority].items()):
                wanted = deque(entry for entry in queue if self._wanted(entry[1]))
                self.size -= len(queue) - len(wanted)
                if wanted:
                    self._levels[priority][tenant] = wanted
                else:
                    self._drop(priority, tenant)

    def _next(self) -> tuple[int | None, bool]:
        """The priority whose turn it is, its first item a wanted one; and whether a lower priority is passed over."""
        while self._order:
            priority = -self._order[0]
            if not self._arrival(priority):
                continue
            if len(self._order) == 1:
                return priority, False
            if self._first.get(priority, 0) < TURN - 1 and self._passed < _MOST_PASSED - 1:
                return priority, True  # rule 1
            arrivals = {level: arrival for level in list(self._levels) if (arrival := self._arrival(level))}  # rule 4
            return min(arrivals, key=arrivals.__getitem__), False
        return None, False

    def _arrival(self, priority: int) -> int:
        """The number of the first wanted item of this priority; 0 if there is none, and then the level is gone."""
        level = self._levels[priority]
        while level:
            tenant, queue = next(iter(level.items()))
            while queue:
                if self._wanted(queue[0][1]):
                    return queue[0][0]
                queue.popleft()
                self.size -= 1
            self._drop(priority, tenant)
        return 0

    def _drop(self, priority: int, tenant: str) -> None:
        level = self._levels[priority]
        del level[tenant]
        if not level:
            del self._levels[priority]
            self._order.remove(-priority)
