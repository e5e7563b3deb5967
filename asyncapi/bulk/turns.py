"""Rows that are held back wait for their turn: who waits, for how long, and when waiting ends the job.

A refusal of ours (words.py) fails no row of a job while its attempts and its deadline are unspent. Rules:
1. It goes to the end of the line, with the attempts it has left. What is safe to send again was decided by the retry
   layer, which asks the budget last; a refusal before the first attempt has sent nothing.
2. The retry budget gives turns: one for every answer of the host, beside ten a second. So a host is sent what its rows
   are worth and their share of retries, and again as much as it has just answered: never a storm.
3. A host that asks to wait is left alone until then. Above `max_wait` the job stops instead.
4. A host from which for `max_outage` seconds nothing came but failures stops the job, where rows of it are held back or
   no other host answers either. 502, 503 and 504 without a Retry-After are no answers: they come from what stands
   before a host.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.prepare import once_only
from asyncapi.bulk.words import BREAKER, BUDGET, QUEUE, RATE, WAIT, refusal, word
from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, RequestTimeout, StatusError, TransportError
from asyncapi.fanout.held_back import Verdict
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.failures.resend import resend_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

    from asyncapi.bulk.job import Job
    from asyncapi.client.client import Client
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Outcome, Response
    from asyncapi.settings import Retry, Timeout

_A_SECOND = 10.0  # turns that there are in any case
_OURS = frozenset({RATE, QUEUE, BREAKER})  # what they wait for, no server has told
_MOST_HOSTS = 10_000
_NOBODY_BEHIND = frozenset({502, 503, 504})
_TOO_MANY_REQUESTS = 429
_FORBIDDEN = 403  # with Retry-After: GitHub's limits


@dataclass(slots=True)
class Host:
    """A host that something is wrong with.

    Attributes:
        turns: Rows that may be sent again now.
        at: When turns were last counted.
        held: Rows that wait for it.
        silent_since: When it was last known to answer, or None while it does.
        until: Until when it has asked to be left alone.
    """

    turns: float
    at: float
    held: int = 0
    silent_since: float | None = None
    until: float = -inf


@dataclass(frozen=True)
class _Stop:
    """A stop strategy that goes on counting where an earlier call of the row has ended."""

    stop: Callable[[RetryCallState], Any]
    made: int
    age: float

    def __call__(self, state: RetryCallState) -> Any:
        state.attempt_number += self.made
        state.start_time -= self.age
        return self.stop(state)


class Turns:
    """The judge of a job's rows; see `asyncapi.fanout.held_back.Judge`.

    Args:
        retry: The client's.
        limits: The client's.
        draw: Draws the jitter of waits, from [0, 1).
        most: Turns that may be kept: the rows that are sent at a time.
        max_wait: The longest wait that a host may ask for, seconds.
        max_outage: Seconds of silence that stop the job.
        stop: Stops it, for a reason.
        release: Called with a row that waits although it may have been noted as sent.
        note: Called with a row that is sent again, where nobody else notes it; or None.

    Attributes:
        waiting: Rows that wait now, by word.
        waited: Rows that have waited, by the word that they waited for first.
        told: Hosts that have asked to be left alone for longer than a retry may wait, and until when (wall clock).
    """

    def __init__(
        self,
        retry: Retry | None,
        limits: Timeout,
        *,
        draw: Callable[[], float],
        most: int,
        max_wait: float,
        max_outage: float,
        stop: Callable[[str], object],
        release: Callable[[Any], object],
        note: Callable[[Any], object] | None = None,
    ) -> None:
        self.waiting: dict[str, int] = {}
        self.waited: dict[str, int] = {}
        self.told: dict[str, float] = {}
        self._retry = retry
        self._limits = limits
        self._draw = draw
        self._most = max(float(most), _A_SECOND)
        self._max_wait = max_wait
        self._max_outage = max_outage
        self._stop = stop
        self._release = release
        self._note = note
        self._sees_attempts = note is None
        self._hosts: dict[str, Host] = {}
        self._answered_at = -inf

    def key(self, item: Request | str) -> str:
        """The host, with its port where one is written."""
        return "" if isinstance(item, str) else item.url.host_port_subcomponent or ""

    def before(self, item: Request | str, now: float) -> Verdict | None:
        """A row of a host that has asked to be left alone is not sent before."""
        if not self.told:
            return None
        key = self.key(item)
        host = self._hosts.get(key)
        if host is None or host.until <= now:
            return None
        return self._hold(item, key, WAIT, host.until - now, now)

    def after(self, outcome: Outcome[Any], age: float, now: float) -> Verdict | None:
        """A row that was held back waits; any other outcome stands."""
        item, error = outcome.request, outcome.error
        key = self.key(item)
        if not self._sees_attempts:
            self._look_at(key, outcome, now)
        if error is None or (isinstance(error, StatusError) and _answers(error.status)):
            self._give_turn(key, now)
        if error is None:
            return None
        why, told = word(error), getattr(refusal(error), "retry_after", None) or getattr(error, "retry_after", None)
        made = sum(one.why.startswith(("first", "retry")) for one in outcome.attempts)
        if why is None:
            if not self._is_too_long(item, error, told, made):
                return None
            why = WAIT
        if (told or 0.0) > self._max_wait and why not in _OURS:
            self._end_for(key, told or 0.0)
        wait = max(told or 0.0, self._backoff(made) if why == BUDGET or not told else 0.0)
        total = self._limits.total
        if isinstance(item, str) or (total is not None and age + wait >= total):
            return None
        item.retry = self._left(made, age)
        if why == WAIT:
            self._leave_alone(key, wait, now)
        return self._hold(item, key, why, wait, now)

    def turn(self, key: str, why: str, now: float) -> float:
        """Seconds until the line of a host may have a turn; 0: it has it now."""
        host = self._host(key, now)
        if host.until > now:
            return host.until - now
        if why == BUDGET:
            if host.turns < _A_SECOND:
                host.turns = min(_A_SECOND, host.turns + (now - host.at) * _A_SECOND)
            host.at = now
            if host.turns < 1.0:
                return (1.0 - host.turns) / _A_SECOND
            host.turns -= 1.0
        host.held -= 1
        self.waiting[why] -= 1
        self.told.pop(key, None)
        return 0.0

    def again(self, item: Request | str, age: float) -> AsyncAPIError | None:
        """The row's deadline goes on while it waits."""
        total = self._limits.total
        if isinstance(item, str):
            return None
        if total is not None:
            if age >= total:
                message = f"not done after {age:.3g} s: the deadline passed while it was held back"
                return RequestTimeout(message, phase="backoff", request=item)
            item.timeout = replace(self._limits, total=total - age)
        if self._note is not None and once_only(item):
            self._note(item)
        return None

    def answered(self, key: str, response: Response, began: float, now: float) -> None:
        """An attempt has brought an answer."""
        if response.status in _NOBODY_BEHIND and "Retry-After" not in response.headers:
            self.failed(key, f"{response.status}", began, now)
        else:
            self._heard(key, now)

    def failed(self, key: str, why: str, began: float, now: float) -> None:
        """An attempt that began then has brought no answer."""
        host = self._host(key, now)
        if host.silent_since is None:
            host.silent_since = max(began, self._answered_at)
        elif now - host.silent_since >= self._max_outage and (host.held or self._answered_at < host.silent_since):
            self._stop(
                f"{key or 'the host'} has been unavailable for {now - host.silent_since:.0f} s ({why}); "
                "--max-outage SECONDS waits longer"
            )

    def _look_at(self, key: str, outcome: Outcome[Any], now: float) -> None:
        """The same from an outcome, where the attempts are not seen."""
        error, began = outcome.error, now - outcome.elapsed
        if isinstance(error, TransportError):
            self.failed(key, f"{type(error).__name__}: {error.message}", began, now)
        elif isinstance(error, StatusError) and outcome.attempts:
            self.answered(key, error.response, began, now)
        elif outcome.attempts:
            self._heard(key, now)

    def _heard(self, key: str, now: float) -> None:
        self._answered_at = now
        host = self._hosts.get(key)
        if host is not None:
            host.silent_since = None

    def _give_turn(self, key: str, now: float) -> None:
        host = self._hosts.get(key)
        if host is None:
            return
        host.turns = min(self._most, host.turns + 1.0)
        if not host.held and host.silent_since is None and host.until <= now:
            del self._hosts[key]  # all is well again: nothing is kept

    def _host(self, key: str, now: float) -> Host:
        host = self._hosts.get(key)
        if host is None:
            if len(self._hosts) >= _MOST_HOSTS:
                for old in [one for one, state in self._hosts.items() if not state.held and state.until <= now]:
                    del self._hosts[old]
            host = self._hosts[key] = Host(_A_SECOND, now)
        return host

    def _hold(self, item: Request | str, key: str, why: str, wait: float, now: float) -> Verdict:
        self._host(key, now).held += 1
        self.waiting[why] = self.waiting.get(why, 0) + 1
        if not getattr(item, "held", why):
            item.held = why  # type: ignore[union-attr]  # a row's
            self.waited[why] = self.waited.get(why, 0) + 1
        if not isinstance(item, str) and once_only(item):
            self._release(item)
        return Verdict(wait, key, why)

    def _is_too_long(self, item: Request | str, error: AsyncAPIError, told: float | None, made: int) -> bool:
        """Whether a retry was given up for one reason alone: the host asks for a wait over `max_retry_after`."""
        policy = self._retry
        if policy is None or told is None or told <= policy.max_retry_after or not isinstance(error, StatusError):
            return False
        if policy.max_attempts is not None and made >= policy.max_attempts:
            return False
        worthwhile = error.status in policy.statuses or error.status == _FORBIDDEN
        return worthwhile and not isinstance(item, str) and resend_obstacle(item, error.response) is None

    def _leave_alone(self, key: str, wait: float, now: float) -> None:
        host = self._host(key, now)
        host.until = max(host.until, now + wait)
        self.told[key] = max(self.told.get(key, 0.0), time.time() + wait)

    def _end_for(self, key: str, told: float) -> None:
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + min(told, 1e9)))
        self._stop(
            f"{key or 'the host'} asks to wait {told:.0f} s, until {until}, longer than {self._max_wait:g} s; "
            "--max-wait SECONDS waits longer"
        )

    def _backoff(self, made: int) -> float:
        policy = self._retry
        base, cap = (0.5, 30.0) if policy is None else (policy.base, policy.cap)
        return full_jitter(max(1, made), self._draw(), base=base, cap=cap)

    def _left(self, made: int, age: float) -> Retry | None:
        """The retries of a row that has made so many attempts."""
        retry = self._retry
        if retry is None:
            return None
        attempts = None if retry.max_attempts is None else max(1, retry.max_attempts - made)
        return replace(retry, attempts=attempts, stop=None if retry.stop is None else _Stop(retry.stop, made, age))


def _answers(status: int) -> bool:
    return status < 500 and status != _TOO_MANY_REQUESTS  # noqa: PLR2004 - the server's own failures


def turns_of(
    job: Job,
    own: Client | None,
    *,
    stop: Callable[[str], object],
    note: Callable[[int], object],
    release: Callable[[int], object],
) -> Turns:
    """The judge of a job's rows, by the job's settings or those of a client of the user's own."""
    client: Any = own  # its settings hold
    return Turns(
        job.retries() if own is None else client._state.settings.retry,  # noqa: SLF001 - what the client's own map goes by
        job.limits() if own is None else client._timeout,  # noqa: SLF001 - the same
        draw=(SYSTEM if own is None else client._clock).random,  # noqa: SLF001 - the same
        most=job.concurrency,
        max_wait=job.max_wait,
        max_outage=job.max_outage,
        stop=stop,
        release=lambda item: release(item.index),
        note=None if own is None else lambda item: note(item.index),
    )
