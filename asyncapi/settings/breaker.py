"""The settings of the circuit breaker."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Any

from asyncapi.sansio.failures.circuit import Circuit, Rules
from asyncapi.settings.base import Seconds, settings
from asyncapi.settings.checks import Bounds

Share = Annotated[float, Bounds(gt=0, le=1)]

_SERVER_ERRORS = frozenset(range(500, 600))


@settings
class Breaker:
    """Stop sending to a host that fails (the circuit opens), and return to it with one probe at a time.

    Failures are the `statuses` and attempts without a response (`TransportError`). A 4xx never is one (429s are for the
    rate limits), nor is a cancellation, nor what the client refused to send. A circuit that is open raises
    `CircuitOpen`.

    Attributes:
        failure_rate: The circuit opens when this share of the attempts in the window failed, 0.5 for half of them; and
            when, for at least a second, every one of at least `minimum` attempts failed.
        window: How far the window looks back, in seconds; 30 by default.
        count: Look back at the last `count` attempts instead, however long ago they were; None for `window`.
        minimum: Attempts that must be in the window before the circuit can open; 20 by default.
        slow: An attempt that takes longer than this is slow, in seconds, without the time in the client's queues; None
            (the default) ignores speed.
        slow_rate: The circuit opens when this share of the attempts in the window was slow; 0.5 by default.
        open_for: Seconds that the circuit stays open, 0.5 by default; half as long again each time it opens without
            having closed. In the first 5 s of an outage, calls that retry wait for the next probe instead of being
            refused.
        open_cap: The longest time that the circuit stays open, in seconds; 4 by default.
        jitter: The share of the open time that is drawn at random, so that many clients don't return at the same
            moment; 0.2 by default.
        probes: Successful probes in a row that close the circuit; 3 by default.
        lease: Seconds after which a probe without a result no longer blocks the next one; 30 by default.
        statuses: Statuses that are failures; all 5xx by default, and nothing else may be named.
        key: A function that names the circuit of a `Request`; by default each host has its own.
    """

    failure_rate: Share = 0.5
    _: KW_ONLY
    window: Seconds = 30.0
    count: Annotated[int, Bounds(ge=1)] | None = None
    minimum: Annotated[int, Bounds(ge=1)] = 20
    slow: Seconds | None = None
    slow_rate: Share = 0.5
    open_for: Seconds = 0.5
    open_cap: Seconds = 4.0
    jitter: Annotated[float, Bounds(ge=0, le=1)] = 0.2
    probes: Annotated[int, Bounds(ge=1)] = 3
    lease: Seconds = 30.0
    statuses: frozenset[Annotated[int, Bounds(ge=500, le=599)]] = _SERVER_ERRORS
    key: Callable[[Any], str] | None = None

    def start(self, random: Callable[[], float]) -> Circuit:
        """Start the circuit of one key; `random` draws its jitter."""
        return Circuit(self._rules, random)

    @cached_property
    def _rules(self) -> Rules:
        """The rules that all circuits share."""
        # a window of `count` attempts can never hold more than that
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
