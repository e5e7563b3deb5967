"""Adaptive concurrency: how many attempts at a time a host can take, learned instead of set."""

from dataclasses import KW_ONLY
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from asyncapi.sansio.limits.adaptive import AdaptiveLimit
from asyncapi.sansio.limits.limit_algorithms import ALGORITHMS
from asyncapi.settings.base import settings


@settings
class Adaptive:
    """A concurrency limit for each host that follows what the host can take: `Client(concurrency=Adaptive())`.

    It falls when the host answers 429 or 503, times out or can't be reached, and when its latency shows a queue; it
    grows while it is used and nothing of this happens. Time spent in our own line never counts as latency.

    Attributes:
        algorithm: "gradient2" compares latency with what it is without a queue, and keeps a headroom of the limit's
            square root. "vegas" keeps a few attempts queued at the server. "aimd" knows refusals and timeouts alone:
            for servers whose latency says nothing; it fills their queues.
        initial: Attempts at a time to begin with.
        minimum: Never fewer.
        maximum: Never more.
        backoff: What a first refusal leaves of the limit, as a share.
    """

    algorithm: Literal["gradient2", "vegas", "aimd"] = "gradient2"
    _: KW_ONLY
    initial: Annotated[int, Field(ge=1)] = 20
    minimum: Annotated[int, Field(ge=1)] = 1
    maximum: Annotated[int, Field(ge=1, validate_default=True)] = 1000
    backoff: Annotated[float, Field(ge=0.5, lt=1)] = 0.9

    @field_validator("maximum")
    @classmethod
    def _in_order(cls, maximum: int, others: ValidationInfo) -> int:
        initial, minimum = others.data.get("initial", maximum), others.data.get("minimum", 1)
        if not minimum <= initial <= maximum:
            raise ValueError(f"minimum={minimum}, initial={initial} and maximum={maximum} must be in this order")
        return maximum

    def start(self) -> AdaptiveLimit:
        """The running limit of one host."""
        return AdaptiveLimit(
            ALGORITHMS[self.algorithm](),
            initial=self.initial,
            minimum=self.minimum,
            maximum=self.maximum,
            backoff=self.backoff,
        )
