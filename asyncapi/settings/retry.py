"""The settings of retries and of their budget."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field
from tenacity import RetryCallState

from asyncapi.sansio.failures.resend import RETRY_STATUSES
from asyncapi.sansio.failures.retry_budget import CostBudget as RunningCostBudget
from asyncapi.sansio.failures.retry_budget import Retries, RetryBudget
from asyncapi.settings.base import settings

_ATTEMPTS = 4  # in all, where nothing else is said


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

    def describe(self) -> str:
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

    def describe(self) -> str:
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

    def describe(self) -> str:
        """As `explain()` shows it."""
        most = self.max_attempts
        attempts = f"{most} attempts" if most is not None else "attempts as its stop strategy says"
        waits = f"full jitter {self.base:g}..{self.cap:g} s" if self.wait is None else type(self.wait).__name__
        return f"{attempts}, {waits}, {'no budget' if self.budget is None else self.budget.describe()}"
