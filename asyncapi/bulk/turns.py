"""Decide which rows are held back, for how long, and when waiting ends the job.

A refusal of ours (words.py) fails no row of a job while the row has attempts and time left. Rules:
1. The row goes to the end of its host's queue, with the attempts it has left. The retry layer has decided that it is
   safe to send again, since it asks the budget last; a refusal before the first attempt has sent nothing.
2. The retry budget gives turns: one for every response of the host, and ten a second in any case. So a host gets its
   rows, their share of retries, and as many again as it has just responded to: never a storm.
3. A host that asks to wait gets nothing until then. If it asks for more than `max_wait`, the job stops instead.
4. A host that for `max_outage` seconds has sent nothing but failures stops the job, if rows of it are held back or no
   other host responds either. 502, 503 and 504 without a Retry-After count as no response: they come from a proxy in
   front of the host.
5. What learned retries give up (`policy`), or no longer wait for (`hold`), has failed: for some rows no retry pays. But
   where a host sends nothing but failures, it is not the row's fault: after ten such rows, others are held back as by
   the budget. Else an outage would cost as many rows as can be sent meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.prepare import unsafe_to_repeat
from asyncapi.bulk.words import BREAKER, BUDGET, HOLD, POLICY, QUEUE, RATE, WAIT, refusal, word
from asyncapi.clock import SYSTEM
from asyncapi.errors import AsyncAPIError, RequestTimeout, StatusError, TransportError
from asyncapi.fanout.held_back import Verdict
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.failures.resend import resend_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

    from asyncapi.bulk.commentary import Commentary
    from asyncapi.bulk.job import Job
    from asyncapi.client.client import Client
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Outcome, Response
    from asyncapi.settings import Retry, Timeout

_A_SECOND = 10.0  # turns a second that a host has in any case (rule 2)
_GIVEN_UP = 10  # rows that an outage may cost (rule 5)
_PACED = frozenset({BUDGET, POLICY, HOLD})  # by turns
_OURS = frozenset({RATE, QUEUE, BREAKER})  # settings of the client, not limits of a server
_MAX_HOSTS = 10_000
_FROM_PROXY = frozenset({502, 503, 504})  # rule 4
_TOO_MANY_REQUESTS = 429
_FORBIDDEN = 403  # with Retry-After: GitHub's limits


@dataclass(slots=True)
class Host:
    """The state of a host that has failed or asked to wait.

    Attributes:
        turns: Rows that may be sent again now.
        at: When turns were last counted.
        held: Rows that are held back for it.
        silent_since: When it last responded, or None while it does.
        until: When the wait ends that it has asked for.
        given_up: Rows that learned retries have given up since it last responded.
    """

    turns: float
    at: float
    held: int = 0
    silent_since: float | None = None
    until: float = -inf
    given_up: int = 0


@dataclass(frozen=True)
class _Stop:
    """A stop strategy that continues the count of an earlier call of the row."""

    stop: Callable[[RetryCallState], Any]
    attempts: int
    age: float

    def __call__(self, state: RetryCallState) -> Any:
        state.attempt_number += self.attempts
        state.start_time -= self.age
        return self.stop(state)


class Turns:
    """Decides which rows of a job are held back: an `asyncapi.fanout.held_back.Judge`.

    Args:
        retry: The client's retry settings.
        limits: The client's timeout.
        draw: Draws the jitter of waits, from [0, 1).
        max_turns: Turns that a host may save up: the rows that are sent at a time.
        max_wait: The longest wait that a host may ask for, seconds.
        max_outage: Seconds without a response that stop the job.
        stop: Stops the job, for a reason.
        release: Called with a row that is held back although it may have been noted as sent.
        note: Called with a row that is sent again, where the transport doesn't note it; or None.

    Attributes:
        waiting: Rows that are held back now, by word.
        waited: Rows that have been held back, by their first word.
        asked: Hosts that have asked for a longer wait than a retry may take, and when it ends (wall clock).
        commentary: Says which rows are held back, or None.
    """

    def __init__(
        self,
        retry: Retry | None,
        limits: Timeout,
        *,
        draw: Callable[[], float],
        max_turns: int,
        max_wait: float,
        max_outage: float,
        stop: Callable[[str], object],
        release: Callable[[Any], object],
        note: Callable[[Any], object] | None = None,
    ) -> None:
        self.waiting: dict[str, int] = {}
        self.waited: dict[str, int] = {}
        self.asked: dict[str, float] = {}
        self._retry = retry
        self._limits = limits
        self._draw = draw
        self._max_turns = max(float(max_turns), _A_SECOND)
        self._max_wait = max_wait
        self._max_outage = max_outage
        self._stop = stop
        self._release = release
        self._note = note
        self._sees_attempts = note is None
        self._hosts: dict[str, Host] = {}
        self._answered_at = -inf
        self.commentary: Commentary | None = None

    def key(self, item: Request | str) -> str:
        """Return the host, with its port where the URL has one."""
        return "" if isinstance(item, str) else item.target.host

    def before(self, item: Request | str, now: float) -> Verdict | None:
        """Hold a row back until the wait ends that its host has asked for (rule 3)."""
        if not self.asked:
            return None
        key = self.key(item)
        host = self._hosts.get(key)
        if host is None or host.until <= now:
            return None
        return self._hold(item, key, WAIT, host.until - now, now)

    def after(self, outcome: Outcome[Any], age: float, now: float) -> Verdict | None:
        """Hold a row back if a refusal of ours ended its call; any other outcome is final."""
        item, error = outcome.request, outcome.error
        key = self.key(item)
        if not self._sees_attempts:
            self._look_at(key, outcome, now)
        if error is None or (isinstance(error, StatusError) and _answers(error.status)):
            self._give_turn(key, now)
        if error is None:
            return None
        why = word(error) or self._given_up(key, error)
        retry_after = getattr(refusal(error), "retry_after", None) or getattr(error, "retry_after", None)
        attempts = sum(attempt.why.startswith(("first", "retry")) for attempt in outcome.attempts)
        if why is None:
            if not self._is_too_long(item, error, retry_after, attempts):
                return None
            why = WAIT
        if (retry_after or 0.0) > self._max_wait and why not in _OURS:
            self._end_for(key, retry_after or 0.0)  # rule 3
        wait = max(retry_after or 0.0, self._backoff(attempts) if why in _PACED or not retry_after else 0.0)
        total = self._limits.total
        if isinstance(item, str) or (total is not None and age + wait >= total):
            return None
        item.retry = self._left(attempts, age)  # rule 1
        if why == WAIT:
            self._leave_alone(key, wait, now)
        return self._hold(item, key, why, wait, now)

    def turn(self, key: str, why: str, now: float) -> float:
        """Return the seconds until a host may have a turn; 0: it has one now (rule 2)."""
        host = self._host(key, now)
        if host.until > now:
            return host.until - now
        if why in _PACED:
            if host.turns < _A_SECOND:
                host.turns = min(_A_SECOND, host.turns + (now - host.at) * _A_SECOND)
            host.at = now
            if host.turns < 1.0:
                return (1.0 - host.turns) / _A_SECOND
            host.turns -= 1.0
        host.held -= 1
        self.waiting[why] -= 1
        self.asked.pop(key, None)
        return 0.0

    def again(self, item: Request | str, age: float) -> AsyncAPIError | None:
        """End a row whose deadline has passed while it was held back; else shorten its timeout."""
        total = self._limits.total
        if isinstance(item, str):
            return None
        if total is not None:
            if age >= total:
                message = f"not done after {age:.3g} s: the deadline passed while it was held back"
                return RequestTimeout(message, phase="backoff", request=item)
            item.timeout = replace(self._limits, total=total - age)
        if self._note is not None and unsafe_to_repeat(item):
            self._note(item)
        return None

    def answered(self, key: str, response: Response, began: float, now: float) -> None:
        """Note that an attempt to a host has got a response."""
        if response.effective_status in _FROM_PROXY and "Retry-After" not in response.headers:
            self.failed(key, f"{response.status}", began, now)
        else:
            self._heard(key, now)

    def failed(self, key: str, why: str, began: float, now: float) -> None:
        """Note that an attempt that began then has got no response (rule 4)."""
        host = self._host(key, now)
        if host.silent_since is None:
            host.silent_since = max(began, self._answered_at)
        elif now - host.silent_since >= self._max_outage and (host.held or self._answered_at < host.silent_since):
            self._stop(
                f"{key or 'the host'} has been unavailable for {now - host.silent_since:.0f} s ({why}); "
                "--max-outage SECONDS waits longer"
            )

    def _look_at(self, key: str, outcome: Outcome[Any], now: float) -> None:
        """Note how a row ended, where attempts are not observed one by one."""
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
            host.silent_since, host.given_up = None, 0

    def _given_up(self, key: str, error: AsyncAPIError) -> str | None:
        """Name what learned retries have held back rather than failed; None for nothing (rule 5)."""
        host = self._hosts.get(key)
        if error.held_by not in {POLICY, HOLD} or host is None or host.silent_since is None:
            return None
        host.given_up += 1
        return error.held_by if host.given_up > _GIVEN_UP else None

    def _give_turn(self, key: str, now: float) -> None:
        host = self._hosts.get(key)
        if host is None:
            return
        host.turns = min(self._max_turns, host.turns + 1.0)
        if not host.held and host.silent_since is None and host.until <= now:
            del self._hosts[key]  # the host is well again

    def _host(self, key: str, now: float) -> Host:
        host = self._hosts.get(key)
        if host is None:
            if len(self._hosts) >= _MAX_HOSTS:
                for old in [name for name, state in self._hosts.items() if not state.held and state.until <= now]:
                    del self._hosts[old]
            host = self._hosts[key] = Host(_A_SECOND, now)
        return host

    def _hold(self, item: Request | str, key: str, why: str, wait: float, now: float) -> Verdict:
        self._host(key, now).held += 1
        self.waiting[why] = self.waiting.get(why, 0) + 1
        if not getattr(item, "held", why):
            item.held = why  # type: ignore[union-attr]  # a row's
            self.waited[why] = self.waited.get(why, 0) + 1
            if self.commentary is not None:
                self.commentary.held_back(item, why)  # type: ignore[arg-type]  # a row
        if not isinstance(item, str) and unsafe_to_repeat(item):
            self._release(item)
        return Verdict(wait, key, why)

    def _is_too_long(self, item: Request | str, error: AsyncAPIError, asked: float | None, attempts: int) -> bool:
        """Whether a retry was given up only because the host asks for a wait over `max_retry_after`."""
        policy = self._retry
        if policy is None or asked is None or asked <= policy.max_retry_after or not isinstance(error, StatusError):
            return False
        if policy.max_attempts is not None and attempts >= policy.max_attempts:
            return False
        worthwhile = error.status in policy.statuses or error.status == _FORBIDDEN
        return worthwhile and not isinstance(item, str) and resend_obstacle(item, error.response) is None

    def _leave_alone(self, key: str, wait: float, now: float) -> None:
        host = self._host(key, now)
        host.until = max(host.until, now + wait)
        self.asked[key] = max(self.asked.get(key, 0.0), time.time() + wait)

    def _end_for(self, key: str, asked: float) -> None:
        until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + min(asked, 1e9)))
        self._stop(
            f"{key or 'the host'} asks to wait {asked:.0f} s (until {until}), longer than {self._max_wait:g} s; "
            "--max-wait SECONDS waits longer"
        )

    def _backoff(self, attempts: int) -> float:
        policy = self._retry
        base, cap = (0.5, 30.0) if policy is None else (policy.base, policy.cap)
        return full_jitter(max(1, attempts), self._draw(), base=base, cap=cap)

    def _left(self, attempts: int, age: float) -> Retry | None:
        """Return the retry settings of a row that has made so many attempts."""
        retry = self._retry
        if retry is None:
            return None
        left = None if retry.max_attempts is None else max(1, retry.max_attempts - attempts)
        return replace(retry, attempts=left, stop=None if retry.stop is None else _Stop(retry.stop, attempts, age))


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
    """Make the judge of a job's rows, from the job's settings or those of the user's client."""
    client: Any = own  # its settings hold
    return Turns(
        job.retries() if own is None else client._state.settings.retry,  # noqa: SLF001 - what the client's own map goes by
        job.limits() if own is None else client._timeout,  # noqa: SLF001 - the same
        draw=(SYSTEM if own is None else client._clock).random,  # noqa: SLF001 - the same
        max_turns=job.concurrency,
        max_wait=job.max_wait,
        max_outage=job.max_outage,
        stop=stop,
        release=lambda item: release(item.index),
        note=None if own is None else lambda item: note(item.index),
    )
