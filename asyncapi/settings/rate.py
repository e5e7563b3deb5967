"""The settings of a rate limit."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal

from asyncapi.sansio.limits.bucket import Bucket
from asyncapi.settings.base import Seconds, settings
from asyncapi.settings.checks import Bounds


@settings
class RateLimit:
    """Send at most `amount` attempts per `per` seconds: a token bucket (GCRA). Several limits may hold at once.

    Attributes:
        amount: Tokens that come back per `per` seconds; an attempt takes one, a retry too.
        per: Seconds; 1 by default.
        burst: Tokens that may be spent at once; `amount` by default. 1 spaces the attempts evenly.
        by: "client": all attempts of the client share the limit; "host": each host has its own.
        weight: A function that says how many tokens a `Request` takes instead of 1: for limits on LLM tokens or rows.
    """

    amount: Annotated[float, Bounds(gt=0)]
    _: KW_ONLY
    per: Seconds = 1.0
    burst: Annotated[float, Bounds(ge=1)] | None = None
    by: Literal["client", "host"] = "client"
    weight: Callable[[Any], float] | None = None

    def start(self) -> Bucket:
        """Start the bucket of one key."""
        return Bucket(self.amount, self.per, self.depth)

    @property
    def depth(self) -> float:
        """The bucket's depth, tokens: `burst`, or what it is by default."""
        return self.burst if self.burst is not None else max(1.0, self.amount)
