"""The settings of adaptive concurrency: how many attempts a host can take at a time, learned instead of set."""

from dataclasses import KW_ONLY
from typing import Annotated, Literal

from asyncapi.errors import ConfigError
from asyncapi.sansio.limits.adaptive import AdaptiveLimit
from asyncapi.sansio.limits.limit_algorithms import ALGORITHMS
from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds


@settings
class Adaptive:
    """Learn for each host how many attempts it can take at a time: `Client(concurrency=Adaptive())`.

    The limit falls when the host responds with 429 or 503, times out or can't be reached, and when its latency shows
    that requests queue there. It grows while it is used and none of this happens. Time spent in the client's own queue
    never counts as latency.

    Attributes:
        algorithm: "gradient2" compares the latency with the latency without a queue, and allows the square root of the
            limit on top (Netflix's concurrency-limits). "vegas" keeps a few attempts queued at the server (TCP Vegas).
            "aimd" goes by refusals and timeouts alone (additive increase, multiplicative decrease): for servers whose
            latency says nothing; it fills their queues.
        initial: The limit at the start, in attempts at a time; 20 by default.
        minimum: The lowest limit; 1 by default.
        maximum: The highest limit; 1000 by default.
        backoff: The share of the limit that is left after the first refusal; 0.9 by default.
    """

    algorithm: Literal["gradient2", "vegas", "aimd"] = "gradient2"
    _: KW_ONLY
    initial: Annotated[int, Bounds(ge=1)] = 20
    minimum: Annotated[int, Bounds(ge=1)] = 1
    maximum: Annotated[int, Bounds(ge=1)] = 1000
    backoff: Annotated[float, Bounds(ge=0.5, lt=1)] = 0.9

    def __post_init__(self) -> None:
        """Check that the limits are in order."""
        minimum, initial, maximum = self.minimum, self.initial, self.maximum
        if not minimum <= initial <= maximum:
            raise ConfigError(
                f"Adaptive(maximum={maximum}): "
                f"minimum={minimum}, initial={initial} and maximum={maximum} must be in this order"
            )

    def start(self) -> AdaptiveLimit:
        """Start the limit of one host."""
        return AdaptiveLimit(
            ALGORITHMS[self.algorithm](),
            initial=self.initial,
            minimum=self.minimum,
            maximum=self.maximum,
            backoff=self.backoff,
        )
