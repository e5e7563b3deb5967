"""The settings of a rate limit."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal, Self

from asyncapi.errors import ConfigError
from asyncapi.sansio.limits.bucket import Bucket
from asyncapi.sansio.limits.rate_text import parse_rate, rate_text
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

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a limit from text: "50" (a second), "50/s", "100/m", "5000/h", "10000/d" or "10/30s".

        A second's worth may be sent at once, never more: 5000/h is no flood.

        Raises:
            ConfigError: The text can't be read.
        """
        if not isinstance(text, str):
            raise ConfigError(f"RateLimit.of({text!r}): give text such as '100/m', or RateLimit({text!r})")
        try:
            amount, per = parse_rate(text)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        return cls(amount, per=per, burst=max(1.0, amount / per))

    def start(self) -> Bucket:
        """Start the bucket of one key."""
        return Bucket(self.amount, self.per, self.depth)

    @property
    def depth(self) -> float:
        """The bucket's depth, tokens: `burst`, or what it is by default."""
        return self.burst if self.burst is not None else max(1.0, self.amount)

    def describe(self) -> str:
        """Write the limit for people: "100 a minute"."""
        return rate_text(self.amount, self.per)
