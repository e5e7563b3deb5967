"""The settings of hedging."""

import re
from dataclasses import KW_ONLY
from functools import cached_property
from math import inf
from typing import Annotated

from asyncapi.sansio.failures.hedging import Route, Rules
from asyncapi.settings.base import settings
from asyncapi.settings.checks import After, Bounds


def _late(after: float | str) -> float | str:
    known = re.fullmatch(r"p[1-9]\d(\.\d+)?", after) if isinstance(after, str) else 0 < after < inf
    if not known:
        raise ValueError("give seconds, or a quantile of the route's latencies such as 'p95'")
    return after


@settings
class Hedge:
    """Send a second copy of a request whose response is late, and take the response that comes first.

    Only requests that are safe to send twice are hedged: GET, HEAD, OPTIONS, TRACE, PUT and DELETE, and calls with an
    idempotency key. The method is that of Dean and Barroso, "The Tail at Scale" (2013).

    Attributes:
        after: When a response is late: seconds, or a quantile of the route's own latencies, "p95" (the default) or
            "p99", learned while the client runs. A route is a method, a host, and the call's `route=` where it has one.
        copies: Most copies of a request, the first included; 2 by default.
        budget: Most further copies per call, however slow the host is: 0.05, the default, is 5 %.
        minimum: Latencies of a route that must be known before its calls are hedged by a quantile; 50 by default.
    """

    after: Annotated[float | str, After(_late)] = "p95"
    _: KW_ONLY
    copies: Annotated[int, Bounds(ge=2, le=10)] = 2
    budget: Annotated[float, Bounds(gt=0, le=1)] = 0.05
    minimum: Annotated[int, Bounds(ge=20, le=256)] = 50

    def start(self) -> Route:
        """Start the record of one route."""
        return Route(self._rules)

    @cached_property
    def _rules(self) -> Rules:
        """The rules that all routes share."""
        if isinstance(self.after, str):
            return Rules(float(self.after[1:]) / 100, budget=self.budget, minimum=self.minimum)
        return Rules(None, self.after, budget=self.budget)

    @cached_property
    def label(self) -> str:
        """When a response is late, as attempt records show it."""
        return self.after if isinstance(self.after, str) else "fixed"
