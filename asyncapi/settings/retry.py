"""The settings of retries and of their budget."""

from collections.abc import Callable
from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Any

from tenacity import RetryCallState

from asyncapi.sansio.failures.resend import RETRY_STATUSES
from asyncapi.sansio.failures.retry_budget import CostBudget as RunningCostBudget
from asyncapi.sansio.failures.retry_budget import Retries, RetryBudget
from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds
from asyncapi.settings.learned import Learned

_ATTEMPTS = 4  # in all, by default
_LEARNED_ATTEMPTS = 6  # where a policy refuses those that are of no use


@settings
class Budget:
    """Limit the retries of each host to a share of its calls, plus a few: a retry budget.

    While nearly all attempts of a busy client time out, none of these is retried: that would keep the host overloaded.

    Attributes:
        ratio: Retries per call; 0.2, the default, is 20 %.
        floor: Retries that are available from the start, and are refilled over five minutes; 10 by default.
    """

    ratio: Annotated[float, Bounds(ge=0, le=10)] = 0.2
    floor: Annotated[float, Bounds(ge=0)] = 10.0

    def start(self) -> Retries:
        """Start the budget of one host."""
        return RetryBudget(self.ratio, self.floor)

    def describe(self) -> str:
        """As `explain()` shows it."""
        return f"budget {self.ratio:.0%} + {self.floor:g}"


@settings
class CostBudget:
    """Limit the retries of each host by a quota that retries use up and successes pay back, as in the AWS SDKs.

    Attributes:
        capacity: The full quota; 500 by default.
        retry: What a retry costs, after a 429 or any failure other than a timeout; 5 by default.
        timeout: What a retry after a timeout costs; 10 by default.
        payback: What a success without a retry pays back, 1 by default; a success after a retry pays back that retry,
            and with a `policy` all retries of its call.
        crowding: Whether no timeout is retried while nearly all attempts of a busy client time out, much as with a
            `Budget`; False by default, as in the AWS SDKs.
    """

    capacity: Annotated[float, Bounds(gt=0)] = 500.0
    _: KW_ONLY
    retry: Annotated[float, Bounds(gt=0)] = 5.0
    timeout: Annotated[float, Bounds(gt=0)] = 10.0
    payback: Annotated[float, Bounds(ge=0)] = 1.0
    crowding: bool = False

    def start(self) -> Retries:
        """Start the budget of one host."""
        return RunningCostBudget(self.capacity, self.retry, self.timeout, self.payback, crowding=self.crowding)

    def describe(self) -> str:
        """As `explain()` shows it."""
        return f"budget {self.capacity:g}, a retry costs {self.retry:g}, after a timeout {self.timeout:g}"


_LEARNED_BUDGET = CostBudget(800.0, timeout=5.0, crowding=True)
"""What a policy implies: it watches over time-outs, so that they need not cost twice as much."""
_USUAL_BUDGET = Budget()  # by itself, it shows that none was given


@settings
class Retry:
    """Say when and how a failed attempt is sent again. The defaults are safe for any API.

    tenacity strategies work as they are: `Retry(stop=stop_after_delay(10), wait=wait_random_exponential(max=5))`. They
    never lift the rules of safety: a request that the server might carry out twice is not sent twice.

    Attributes:
        attempts: Most attempts, the first included; 4 by default, 6 with a `policy`, or no limit of its own where
            `stop` is given.
        base: The upper limit of the first wait, in seconds; 0.5 by default. It doubles with each retry, and each wait
            is drawn from 0 to the limit (full jitter).
        cap: The upper limit of every wait, in seconds; 30 by default.
        statuses: Statuses that are retried. 429 stands for every rate limit, also for those that are 403s (GitHub).
        max_retry_after: The longest wait that a server may ask for, in seconds; 60 by default. For a longer one the
            error is raised at once.
        budget: A `Budget` or `CostBudget` per host, or None. It belongs to the client: a call's `retry=` can only opt
            out. It holds retries back also where more `attempts` are allowed, and errors say so (`held_by`). A
            `Budget()` by default; with a `policy`, a `CostBudget(800, timeout=5, crowding=True)`.
        wait: A tenacity wait strategy instead of the exponential one. A server's Retry-After takes precedence.
        stop: A tenacity stop strategy, beside `attempts`.
        retry: A tenacity retry strategy instead of the built-in choice: it sees errors as exceptions, and other
            responses as results.
        policy: A `Learned()`, which decides by what it has seen whether a retry pays, and after what wait. It takes the
            place of `retry` and `wait`, and of `base`.

    Raises:
        ConfigError: A value is wrong, or `policy` is given beside a strategy that decides the same.
    """

    attempts: Annotated[int, Bounds(ge=1)] | None = None
    _: KW_ONLY
    base: Annotated[float, Bounds(ge=0)] = 0.5
    cap: Annotated[float, Bounds(ge=0)] = 30.0
    statuses: frozenset[Annotated[int, Bounds(ge=100, le=599)]] = RETRY_STATUSES
    max_retry_after: Annotated[float, Bounds(ge=0)] = 60.0
    budget: Budget | CostBudget | None = _USUAL_BUDGET
    wait: Callable[[RetryCallState], Any] | None = None
    stop: Callable[[RetryCallState], Any] | None = None
    retry: Callable[[RetryCallState], Any] | None = None
    policy: Learned | None = None

    def __post_init__(self) -> None:
        """Check that the settings go together, and give a policy the budget that it needs."""
        if self.policy is None:
            return
        # a strategy that only names the kinds of failures to retry leaves the rest to the policy
        if self.retry is not None and not getattr(self.retry, "names_kinds", False):
            raise ValueError("policy and retry both decide whether a retry is worth it: drop retry=, or the policy")
        if self.wait is not None:
            raise ValueError("policy and wait both decide how long to wait: drop wait=, or the policy")
        if self.budget is _USUAL_BUDGET:
            object.__setattr__(self, "budget", _LEARNED_BUDGET)

    @cached_property
    def max_attempts(self) -> int | None:
        """Most attempts; None where only `stop` limits them."""
        if self.attempts is not None or self.stop is not None:
            return self.attempts
        return _ATTEMPTS if self.policy is None else _LEARNED_ATTEMPTS

    def describe(self) -> str:
        """As `explain()` shows it."""
        most = self.max_attempts
        attempts = f"{most} attempts" if most is not None else "attempts as its stop strategy says"
        waits = f"full jitter {self.base:g}..{self.cap:g} s" if self.wait is None else type(self.wait).__name__
        if self.policy is not None:
            waits = self.policy.describe()
        return f"{attempts}, {waits}, {'no budget' if self.budget is None else self.budget.describe()}"
