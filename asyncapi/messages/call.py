"""The state of one logical call while it runs, and the records of its attempts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from asyncio import Task

    from asyncapi.errors import AsyncAPIError, Phase
    from asyncapi.messages.open_body import OpenBody


@dataclass(slots=True, eq=False)
class Attempt:
    """The record of one attempt: what hooks receive and what errors and responses carry.

    Attributes:
        number: 1 for the first.
        method: HTTP method.
        target: Where it was sent, as it was sent: show `url` instead.
        why: Why it was sent: "first", "retry: ...", "redirect: ...", "replay: ...".
        started: Seconds on the client's monotonic clock.
        at: Seconds since the Unix epoch.
        queued: Seconds it waited for a token and a place, before `started`.
        elapsed: Seconds from `started` to the end of the body, or of the headers where it is streamed, or the failure.
        status: The answer's status, or None.
        error: The failure as text, beginning with its class, or None.
        then: What was decided after it: "" (nothing more to do), "retried ...", "gave up: ...".
        held: What it had to wait for in our own lines, and how long: "rate 0.12 s behind 3", or "".
        state: The limits, the budget and the breaker as they were when it was sent; of a first one that failed or
            was redirected, as they were then. None of a first one that went at once and well, without hooks to see it.
        unsure: Whether it failed in a way that the server may have done its work.
        http_version: As in `Response`; "" where there was no answer.
    """

    number: int
    method: str
    target: URL
    why: str
    started: float
    at: float
    queued: float = 0.0
    elapsed: float = 0.0
    status: int | None = None
    error: str | None = None
    then: str = ""
    held: str = ""
    state: dict[str, Any] | None = None
    unsure: bool = False
    http_version: str = ""

    @property
    def url(self) -> str:
        """Where it was sent, secrets masked."""
        return redact_url(self.target)

    def __repr__(self) -> str:
        what = self.status if self.error is None else self.error.partition(":")[0]
        then = f", {self.then}" if self.then else ""
        held = f", held: {self.held}" if self.held else ""
        return f"<Attempt {self.number} {what} {self.elapsed * 1000:.0f} ms, {self.why}{held}{then}>"


_NOWHERE: Final = URL()


class Call:
    """What one logical call knows while it runs, shared by all of its attempts.

    It holds no Request and no Response, so that a finished call is freed at once, without the garbage collector.

    Attributes:
        started: When it began, on the client's clock.
        host: The host (with its port, where one is written) that budgets and limits go by.
        connect: Seconds a new connection may take, or None.
        attempt: Seconds one attempt may take, or None.
        retry: The retry policy of this call, or None.
        attempts: The records so far.
        max_wait: Seconds it may wait in one of our queues; None for as long as its deadline allows.
        priority: The higher goes first.
        tenant: On whose behalf it is made.
        why: Why the next attempt is sent.
        phase: What it waits for now.
        queued: Seconds spent waiting in our own lines since the last attempt.
        held: What for.
        reused: Whether the attempt under way goes over a connection that has been used before.
        task: The task it runs in.
        running: False once it has ended.
        ended_by: The phase that would have passed the deadline, where retries ended for that.
        cause: Why retries ended early, where an error says so.
        held_by: Which setting of ours ended them, in a word, as in `AsyncAPIError`.
        fan_out: What it is one item of (`map`, `gather`, a job); None for a single call.
        asked: The URL that it asks for, before any redirect: whose origin a credential may be bound to.
        signature: What the attempt under way carries of a credential, or None; written by the auth layer.
        resend: Why the attempt that has just been answered may be sent again at once, outside the count, or "".
        refused: The signatures that this call has been sent again for.
        open_bodies: The bodies that transports have left open for it, where it wants its own streamed; else None.
        guards: The time limits that stand over it (`Guard`), outermost first: who is cut off now can tell by which.
        principal: The user that `auth=` acts for now, where that may change: what is shared or cached is theirs alone.
            "" for the client's only one, None where the credential can't tell.
    """

    __slots__ = (
        "asked",
        "attempt",
        "attempts",
        "cause",
        "connect",
        "ended_by",
        "fan_out",
        "guards",
        "held",
        "held_by",
        "host",
        "max_wait",
        "open_bodies",
        "phase",
        "principal",
        "priority",
        "queued",
        "refused",
        "resend",
        "retry",
        "reused",
        "running",
        "signature",
        "started",
        "task",
        "tenant",
        "why",
    )  # fmt: skip

    def __init__(self, started: float, host: str, connect: float | None, attempt: float | None, retry: Any) -> None:
        self.started = started
        self.host = host
        self.connect = connect
        self.attempt = attempt
        self.retry = retry
        self.attempts: list[Attempt] = []
        self.max_wait: float | None = None
        self.priority = 0
        self.tenant = ""
        self.fan_out: Any = None  # a fan-out's `Outcomes`
        self.why = "first"
        self.phase: Phase = "queue"
        self.queued = 0.0
        self.held = ""
        self.reused = False
        self.task: Task[Any] | None = None
        self.running = True
        self.ended_by: Phase | None = None
        self.cause: AsyncAPIError | None = None
        self.held_by: str | None = None
        self.asked = _NOWHERE
        self.signature: Any = None
        self.resend = ""
        self.refused: tuple[Any, ...] = ()
        self.open_bodies: list[OpenBody] | None = None
        self.guards: tuple[Any, ...] = ()
        self.principal: str | None = ""

    @property
    def backlog(self) -> bool:
        """Whether it is one of more items than may be sent at a time, and not wanted just now."""
        return self.fan_out is not None and bool(self.fan_out.backlog)

    def fork(self, why: str) -> Call:
        """A call like this one for a copy of the request that runs beside it, in a task of its own.

        What layers write while an attempt is under way (phase, why, queue time, task, records) is then written to one
        copy alone. Its records begin with those made so far, so that it goes on with the next number; `join` brings
        the new ones back.
        """
        twin = Call.__new__(Call)
        for name in Call.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.attempts = list(self.attempts)
        twin.why, twin.phase, twin.queued, twin.task = why, "queue", 0.0, None
        return twin

    def join(self, forked: Call) -> None:
        """Take the records that a fork has made among this call's, in the order in which they were sent.

        And what its answer has said about the credential.
        """
        if len(forked.refused) > len(self.refused):
            self.refused, self.resend = forked.refused, forked.resend
        known = {id(record) for record in self.attempts}
        self.attempts += [record for record in forked.attempts if id(record) not in known]
        self.attempts.sort(key=lambda record: record.started)
        for number, record in enumerate(self.attempts, 1):
            record.number = number


NO_CALL: Final = Call(0.0, "", None, None, None)
"""What a Request belongs to until a client builds it."""
