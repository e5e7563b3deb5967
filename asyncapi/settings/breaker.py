"""The settings of the circuit breaker."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from asyncapi.sansio.failures.circuit import Circuit, Rules
from asyncapi.settings.base import Seconds, settings

Share = Annotated[float, Field(gt=0, le=1)]

_SERVER_ERRORS = frozenset(range(500, 600))


@settings
class Breaker:
    """When to stop sending to a host that fails, and how to come back to it.

    What counts as a failure: the `statuses`, and attempts that brought no answer (`TransportError`). What never does:
    any 4xx (a 429 is the rate limit's business), cancellations, and whatever we refused to send.

    Attributes:
        failure_rate: It opens when this share of the attempts in the window has failed, 0.5 for half of them; and when
            the last `minimum` attempts, for a second at least, have all failed.
        window: Seconds that the window looks back.
        count: Look back at the last `count` attempts instead, however long ago.
        minimum: Attempts that must be in the window before it can open.
        slow: An attempt that takes longer is slow, seconds without our own queueing; None: speed doesn't matter.
        slow_rate: It opens when this share of the attempts in the window was slow.
        open_for: Seconds it stays open; half as long again each time it opens again without having recovered. In the
            first 5 s of an outage, calls that retry wait for the next probe instead of being refused.
        open_cap: The longest it stays open, seconds.
        jitter: The share of the open time that is left to chance: many clients must not come back at once.
        probes: Good attempts in a row that close it again, one at a time.
        lease: Seconds after which a probe that has not come back no longer keeps others from trying.
        statuses: Statuses that are failures; 5xx only.
        key: Names the circuit that a Request belongs to, instead of its host.
    """

    failure_rate: Share = 0.5
    _: KW_ONLY
    window: Seconds = 30.0
    count: Annotated[int, Field(ge=1)] | None = None
    minimum: Annotated[int, Field(ge=1)] = 20
    slow: Seconds | None = None
    slow_rate: Share = 0.5
    open_for: Seconds = 0.5
    open_cap: Seconds = 4.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    probes: Annotated[int, Field(ge=1)] = 3
    lease: Seconds = 30.0
    statuses: frozenset[Annotated[int, Field(ge=500, le=599)]] = _SERVER_ERRORS
    key: Callable[[Any], str] | None = None

    def start(self, random: Callable[[], float]) -> Circuit:
        """The running circuit of one key; `random` draws its jitter."""
        return Circuit(self._rules, random)

    @cached_property
    def _rules(self) -> Rules:
        """The same for all of them."""
        minimum = self.minimum if self.count is None else min(self.minimum, self.count)
        return Rules(
            failure_rate=self.failure_rate,
            slow_rate=self.slow_rate,
            minimum=minimum,
            window=self.window,
            count=self.count,
            open_for=self.open_for,
            open_cap=max(self.open_for, self.open_cap),
            jitter=self.jitter,
            probes=self.probes,
            lease=self.lease,
        )
