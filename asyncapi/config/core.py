"""The settings of the core: time, retries, rate limits."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field
from tenacity import RetryCallState

from asyncapi.config.settings import Seconds, settings
from asyncapi.sansio.failures.resend import RETRY_STATUSES
from asyncapi.sansio.failures.retry_budget import CostBudget as RunningCostBudget
from asyncapi.sansio.failures.retry_budget import Retries, RetryBudget
from asyncapi.sansio.limits.bucket import Bucket

_ATTEMPTS = 4  # in all, where nothing else is said


@settings
class Timeout:
    """How long things may take, in seconds; None is no limit.

    Attributes:
        total: The whole call: queueing, every attempt, backoff and the body.
        connect: A new connection: name, TCP, TLS, proxy.
        attempt: One attempt, from its start to the end of its body.
        read: The silence between two pieces of a streamed body. Of a stream, `attempt` ends with the headers, and so
            does `total`, unless it was given to that very call.
    """

    total: Seconds | None = 30.0
    _: KW_ONLY
    connect: Seconds | None = 5.0
    attempt: Seconds | None = None
    read: Seconds | None = 60.0


@settings
class Budget:
    """A retry budget per host: retries may be `ratio` of the calls, plus a floor.

    While nearly all attempts of a busy client time out, none of these is retried: that would keep the host overloaded.

    Attributes:
        ratio: Retries per call, 0.2 for 20 %.
        floor: Retries that are there from the start, and come back over five minutes.
    """

    ratio: Annotated[float, Field(ge=0, le=10)] = 0.2
    floor: Annotated[float, Field(ge=0)] = 10.0

    def start(self) -> Retries:
        """The running budget of one host."""
        return RetryBudget(self.ratio, self.floor)

    def told(self) -> str:
        """As `explain()` shows it."""
        return f"budget {self.ratio:.0%} + {self.floor:g}"


@settings
class CostBudget:
    """A retry budget per host as in the AWS SDKs: a quota that retries use up and successes pay back.

    Attributes:
        capacity: The quota in full.
        retry: What a retry costs, after a throttled answer or any other failure but a time-out.
        timeout: What a retry after a time-out costs.
        payback: What a success without a retry pays back; one after a retry pays back that retry.
    """

    capacity: Annotated[float, Field(gt=0)] = 500.0
    _: KW_ONLY
    retry: Annotated[float, Field(gt=0)] = 5.0
    timeout: Annotated[float, Field(gt=0)] = 10.0
    payback: Annotated[float, Field(ge=0)] = 1.0

    def start(self) -> Retries:
        """The running budget of one host."""
        return RunningCostBudget(self.capacity, self.retry, self.timeout, self.payback)

    def told(self) -> str:
        """As `explain()` shows it."""
        return f"budget {self.capacity:g}, a retry costs {self.retry:g}, after a time-out {self.timeout:g}"


@settings
class Retry:
    """When and how a failed attempt is sent again. The defaults are safe for any API.

    tenacity strategies are taken as they are: `Retry(stop=stop_after_delay(10), wait=wait_random_exponential(max=5))`.
    They never lift the rules of safety: what might be done twice is not sent twice.

    Attributes:
        attempts: Attempts in all; 4, or no bound of its own where `stop` is given.
        base: The ceiling of the first wait, seconds. It doubles with each retry; waits are drawn from [0, ceiling).
        cap: The ceiling of every wait, seconds.
        statuses: Statuses worth a retry. 429 stands for every rate limit, as GitHub's, which are 403s.
        max_retry_after: The longest wait a server may ask for, seconds; beyond, the error is raised at once.
        budget: A `Budget` or `CostBudget` per host, or None. It is the client's: a call's `retry=` can only opt out. It
            holds retries back also where more `attempts` are asked for, and errors say so (`held_by`).
        wait: A tenacity wait strategy instead of the exponential one. A server's Retry-After goes before it.
        stop: A tenacity stop strategy, beside `attempts`.
        retry: A tenacity retry strategy instead of the built-in choice; it sees errors, and answers as results.
    """

    attempts: Annotated[int, Field(ge=1)] | None = None
    _: KW_ONLY
    base: Annotated[float, Field(ge=0)] = 0.5
    cap: Annotated[float, Field(ge=0)] = 30.0
    statuses: frozenset[Annotated[int, Field(ge=100, le=599)]] = RETRY_STATUSES
    max_retry_after: Annotated[float, Field(ge=0)] = 60.0
    budget: Budget | CostBudget | None = Budget()
    wait: Callable[[RetryCallState], Any] | None = None
    stop: Callable[[RetryCallState], Any] | None = None
    retry: Callable[[RetryCallState], Any] | None = None

    @cached_property
    def max_attempts(self) -> int | None:
        """Attempts in all; None where only `stop` bounds them."""
        return self.attempts if self.attempts is not None else None if self.stop is not None else _ATTEMPTS

    def told(self) -> str:
        """As `explain()` shows it."""
        most = self.max_attempts
        attempts = f"{most} attempts" if most is not None else "attempts as its stop strategy says"
        waits = f"full jitter {self.base:g}..{self.cap:g} s" if self.wait is None else type(self.wait).__name__
        return f"{attempts}, {waits}, {'no budget' if self.budget is None else self.budget.told()}"


@settings
class RateLimit:
    """At most `amount` attempts per `per` seconds, as a token bucket (GCRA). Several limits may hold at once.

    Attributes:
        amount: Tokens per `per`.
        per: Seconds.
        burst: Tokens that may be spent at once; `amount` by default. 1 spaces the attempts evenly.
        by: "client": all attempts of the client share it; "host": each host has its own.
        weight: What a Request costs, instead of 1: for limits on tokens or rows.
    """

    amount: Annotated[float, Field(gt=0)]
    _: KW_ONLY
    per: Seconds = 1.0
    burst: Annotated[float, Field(ge=1)] | None = None
    by: Literal["client", "host"] = "client"
    weight: Callable[[Any], float] | None = None

    def start(self) -> Bucket:
        """The running bucket of one key."""
        return Bucket(self.amount, self.per, self.burst if self.burst is not None else max(1.0, self.amount))
