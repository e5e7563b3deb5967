"""The settings of hedging."""

import re
from dataclasses import KW_ONLY
from functools import cached_property
from math import inf
from typing import Annotated

from pydantic import AfterValidator, Field

from asyncapi.sansio.failures.hedging import Route, Rules
from asyncapi.settings.base import settings


def _late(after: float | str) -> float | str:
    known = re.fullmatch(r"p[1-9]\d(\.\d+)?", after) if isinstance(after, str) else 0 < after < inf
    if not known:
        raise ValueError("give seconds, or a quantile of the route's latencies such as 'p95'")
    return after


@settings
class Hedge:
    """Send a second copy of a request whose answer is late, and take whichever answer comes first.

    Only requests that are safe to send twice: GET, HEAD, OPTIONS, TRACE, PUT and DELETE, or with an idempotency key.

    Attributes:
        after: When an answer is late: seconds, or a quantile of this route's own latencies, "p95" or "p99", learned as
            it goes. A route is a method, a host, and the call's `route=` where one is given.
        copies: Copies of a request in all, the first included.
        budget: Further copies per call, 0.05 for 5 %: never more than that, however slow everything is.
        minimum: Latencies of a route to be learned before its calls are hedged.
    """

    after: Annotated[float | str, AfterValidator(_late)] = "p95"
    _: KW_ONLY
    copies: Annotated[int, Field(ge=2, le=10)] = 2
    budget: Annotated[float, Field(gt=0, le=1)] = 0.05
    minimum: Annotated[int, Field(ge=20, le=256)] = 50

    def start(self) -> Route:
        """What is known of one route: nothing yet."""
        return Route(self._rules)

    @cached_property
    def _rules(self) -> Rules:
        """The same for all of them."""
        if isinstance(self.after, str):
            return Rules(float(self.after[1:]) / 100, budget=self.budget, minimum=self.minimum)
        return Rules(None, self.after, budget=self.budget)

    @cached_property
    def label(self) -> str:
        """When a response is late, as attempt records show it."""
        return self.after if isinstance(self.after, str) else "fixed"
