"""One logical call: its fixed settings, its progress while it runs, and the records of its attempts.

`CallSettings` is what was decided before the call began; nothing writes to it. `Call` is the progress that layers and
transports report to each other. Who writes what (`tests/messages/test_call.py` holds this table):

    original, settings, started       nobody, once the call has begun
    fan_out                           client.methods, bulk.saving: before the call is sent
    reading                           speakers.line, speakers.graphql, speakers.rpc.site, streaming.stream: before the
                                      call is sent; trace.replay; layers.cache: of a refresh in the background
    dress                             speakers.rpc.site: before the call is sent; layers.cache: of a refresh
    peek                              speakers.line, speakers.rpc.site: before the call is sent; layers.cache: of a
                                      refresh
    upgrade                           speakers.line: before the call is sent
    before_write                      bulk.prepare: before each attempt
    host                              layers.fallback: another base URL
    principal                         layers.principal; layers.cache: of a refresh
    others                            layers.auth, layers.principal; layers.cache: of a refresh
    task                              client.methods, credentials.oauth.token_endpoint, layers.cache, layers.deadline,
                                      layers.hedge, layers.singleflight, layers.telemetry: whoever starts or ends a task
    running                           layers.cache, layers.hedge, layers.singleflight, layers.telemetry
    guards                            layers.deadline, layers.fallback, layers.overdue, layers.singleflight
    elsewhere, tried                  layers.balance
    why                               layers.balance, layers.breaker, layers.cache, layers.fallback, layers.hold,
                                      layers.redirect, sansio.failures.retry_choice, speakers.graphql_asking
    phase                             layers.auth, layers.concurrency, layers.hold, scheduling.token_queue,
                                      transports.native.http2.streams, transports.native.http3.places: "queue"
                                      layers.retry: "backoff"
                                      layers.balance: "connect"
                                      transports.aiohttp, transports.aiohttp_connector, transports.mock,
                                      transports.upload, transports.native.http3.alternatives,
                                      transports.native.exchange, transports.native.origins,
                                      transports.native.sending, transports.native.transport,
                                      layers.chaos, testing.carrying: "connect" to "body"
                                      speakers.rpc.channel_attempt: "headers"
                                      layers.singleflight: that of the flight
    queued                            layers.auth, layers.concurrency, layers.hold, scheduling.token_queue: they add
                                      their waits
                                      layers.telemetry: moves the sum into the attempt's record
    wait_log                          layers.auth, layers.concurrency, layers.hold, layers.retry,
                                      scheduling.token_queue
                                      layers.telemetry: moves the text into the attempt's record
    attempts                          layers.telemetry, layers.singleflight: the records of the flight
                                      speakers.graphql_asking: those of the first request
    reused                            transports.aiohttp, transports.aiohttp_connector,
                                      transports.native.http3.alternatives, transports.native.http2.streams,
                                      transports.native.origins, transports.native.transport
    open_bodies                       streaming.stream: the list, or None
                                      speakers.rpc.channel_attempt: streams
                                      transports.aiohttp, transports.mock, transports.mock_socket,
                                      transports.native.transport: its bodies
    signature                         layers.auth, credentials.oauth.token_endpoint
    resend                            layers.auth
    refused                           layers.auth; speakers.line: what an earlier call was refused for
    alternative                       layers.fallback
    line                              layers.hold
    decided                           sansio.failures.retry_choice
    cause, ended_by, held_by          sansio.failures.giving_up
                                      layers.singleflight: those of the flight
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from asyncapi.messages.decided import Decided
from asyncapi.messages.target import NOWHERE, Target
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Awaitable, Callable

    from yarl import URL

    from asyncapi.errors import AsyncAPIError, Phase
    from asyncapi.messages.decided import Decision
    from asyncapi.messages.meaning import Reading
    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.messages.upgrade import Upgrade


@dataclass(slots=True, eq=False)
class Attempt(Decided):
    """The record of one attempt, which hooks receive, and which errors and responses have.

    Attributes:
        number: 1 for the first.
        method: HTTP method.
        target: The URL that it was sent to, secrets included: show `url` instead.
        why: Why it was sent: "first", "retry: ...", "redirect: ...", "replay: ...".
        started: Seconds on the client's monotonic clock.
        at: Seconds since the Unix epoch.
        queued: Seconds that it waited in queues for a token and a place, before `started`.
        elapsed: Seconds from `started` to the end of the body, or of the headers where it is streamed, or the failure.
        status: The status of the response, or None.
        error: The failure as text, beginning with its class, or with the status of a response that was treated as
            another; or None.
        then: What was decided after it: "" (nothing more to do), "retried ...", "gave up: ...".
        held: What it had to wait for in our own queues, and how long: "rate 0.12 s behind 3", or "".
        state: The limits, the budget and the breaker at the moment when it was sent; for a first attempt that failed or
            was redirected, at its end. None for a first attempt that was sent at once and succeeded, without hooks.
        unsure: Whether it failed although the server may have done its work.
        http_version: As in `Response`; "" where there was no response.
        meant: The status that the response was treated as, where that is another than `status` (`Response.meaning`).
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
    meant: int | None = None

    @property
    def effective_status(self) -> int | None:
        """The status that the layers went by, or None."""
        return self.status if self.meant is None else self.meant

    @property
    def url(self) -> str:
        """The URL that it was sent to, secrets masked."""
        return redact_url(_sent_to(self))

    def __repr__(self) -> str:
        what = self.status if self.error is None else self.error.partition(":")[0]
        then = f", {self.then}" if self.then else ""
        held = f", held: {self.held}" if self.held else ""
        return f"<Attempt {self.number} {what} {self.elapsed * 1000:.0f} ms, {self.why}{held}{then}>"


_sent_to: Final[Callable[[Attempt], Target | URL]] = Attempt.__dict__["target"].__get__  # as it was given


def _target_url(record: Attempt) -> URL:
    """The URL that the attempt was sent to, secrets included: show `url` instead."""
    given = _sent_to(record)
    return given.url if isinstance(given, Target) else given


# The layers give a `Target`, as a type checker doesn't know: the object is made only when somebody reads it.
setattr(Attempt, "target", property(_target_url, Attempt.__dict__["target"].__set__))  # noqa: B010 - mypy forbids it


class CallSettings:
    """What is fixed before a call begins; calls that set nothing of their own share one.

    Attributes:
        connect: Seconds a new connection may take, or None for no limit.
        attempt: Seconds one attempt may take, or None for no limit.
        retry: The retry policy (`asyncapi.Retry`), or None for a single attempt.
        max_wait: Seconds the call may wait in one of our queues; None for as long as its deadline allows.
        priority: Higher goes first in every queue.
        tenant: Who the call is made for: tenants of the same priority take turns.
        per_try: Seconds that a mesh may take for one of its attempts, several of which are one of ours; None for as
            many as `attempt`.
    """

    __slots__ = ("attempt", "connect", "max_wait", "per_try", "priority", "retry", "tenant")

    def __init__(  # noqa: PLR0917 - made for every call with settings of its own: by position it is quicker
        self,
        connect: float | None = None,
        attempt: float | None = None,
        retry: Any = None,
        max_wait: float | None = None,
        priority: int = 0,
        tenant: str = "",
        per_try: float | None = None,
    ) -> None:
        self.connect: Final = connect
        self.attempt: Final = attempt
        self.retry: Final = retry
        self.max_wait: Final = max_wait
        self.priority: Final = priority
        self.tenant: Final = tenant
        self.per_try: Final = per_try

    def without_retry(self) -> CallSettings:
        """The same settings for a single attempt."""
        return CallSettings(self.connect, self.attempt, None, self.max_wait, self.priority, self.tenant, self.per_try)

    def without_waiting(self) -> CallSettings:
        """The same settings for a call that never waits in a queue."""
        return CallSettings(self.connect, self.attempt, self.retry, 0.0, self.priority, self.tenant, self.per_try)

    def left_to_mesh(self) -> CallSettings:
        """The same settings where a mesh retries: its attempts get the limit of ours, which has none."""
        return CallSettings(self.connect, None, self.retry, self.max_wait, self.priority, self.tenant, self.attempt)


NO_SETTINGS: Final = CallSettings()
"""No limits, no retries, no priority."""


class Call:
    """The progress of one logical call, shared by all of its attempts.

    It holds no Request and no Response, so that a finished call is freed at once, without the garbage collector.

    Attributes:
        settings: What was fixed when the call began.
        started: When it began, in seconds on the client's clock.
        original: The URL that the caller asked for, before any redirect: a credential may be bound to its origin.
        host: The host (with its port, where the URL has one) whose budgets and limits count now. A fallback to another
            base URL changes it.
        attempts: The records so far.
        before_write: Called right before the head of an attempt is written; what it raises keeps it from being sent.
        reading: Says what a response means in the protocol that the call speaks; None for plain HTTP.
        peek: Looks into the open body of a response before `reading` reads it, where the protocol says there how an
            attempt ended; None where the head is enough.
        dress: Puts onto a copy of each attempt's request what is new with each (the time left); None for plain HTTP.
        upgrade: What the connection is to change to (a WebSocket), or None.
        fan_out: The `map`, `gather` or job that it is one item of; None for a single call.
        task: The task it runs in.
        running: False once it has ended.
        phase: What it waits for now.
        why: Why the next attempt is sent.
        queued: Seconds spent waiting in our own queues since the last attempt.
        wait_log: What it waited for in these queues, as `Attempt.held` shows it.
        reused: Whether the attempt under way goes over a connection that has been used before.
        guards: The time limits that cover it (`Guard`), outermost first: a cancelled call can tell by which.
        open_bodies: The bodies that transports have left open for it, where the caller wants them streamed; else None.
        principal: The user that `auth=` acts for now, where that may change: only that user may share or cache the
            response. "" for the client's only user, None where the credential can't tell.
        others: The users that attempts were sent for although they are not `principal`; forks share the list. None
            where nobody asks.
        signature: What the attempt under way carries of a credential, or None.
        resend: Why the attempt that has just ended may be sent again at once, outside the count, or "".
        refused: The signatures that this call has been sent again for.
        ended_by: The phase that would have passed the deadline, where retries ended for that.
        cause: Why retries ended early, where an error says so.
        tried: The endpoints that its attempts have been sent to, the last one last, where the client has several; forks
            share the list. None before the first.
        elsewhere: Whether the next attempt would go to another endpoint than those tried so far.
        held_by: Which setting of the client ended them, in a word, as in `AsyncAPIError`.
        decided: The start of `why`, and what a policy decided: its reason follows there. None where none has decided.
        line: Why its next attempt waits in a queue, instead of a backoff, for its host to accept connections; or "".
        alternative: Says what a fallback is worth that can be had at once, from 0 to 1; None where there is none.
    """

    __slots__ = (
        "alternative",
        "attempts",
        "before_write",
        "cause",
        "decided",
        "dress",
        "elsewhere",
        "ended_by",
        "fan_out",
        "guards",
        "held_by",
        "host",
        "line",
        "open_bodies",
        "original",
        "others",
        "peek",
        "phase",
        "principal",
        "queued",
        "reading",
        "refused",
        "resend",
        "reused",
        "running",
        "settings",
        "signature",
        "started",
        "task",
        "tried",
        "upgrade",
        "wait_log",
        "why",
    )  # fmt: skip

    def __init__(
        self, started: float, host: str, settings: CallSettings = NO_SETTINGS, original: Target | URL = NOWHERE
    ) -> None:
        self.settings: Final = settings
        self.started: Final = started
        self.original: Final = original if type(original) is Target else Target.of(original)
        self.host: str = host
        self.attempts: list[Attempt] = []
        self.before_write: Callable[[], object] | None = None
        self.reading: Reading | None = None
        self.peek: Callable[[Response], Awaitable[object]] | None = None
        self.dress: Callable[[Request], Request] | None = None
        self.upgrade: Upgrade | None = None
        self.fan_out: Any = None  # a fan-out's `Outcomes`
        self.task: Task[Any] | None = None
        self.running: bool = True
        self.phase: Phase = "queue"
        self.why: str = "first"
        self.queued: float = 0.0
        self.wait_log: str = ""
        self.reused: bool = False
        self.guards: tuple[Any, ...] = ()
        self.open_bodies: list[OpenBody] | None = None
        self.principal: str | None = ""
        self.others: list[str] | None = None
        self.signature: Any = None
        self.resend: str = ""
        self.refused: tuple[Any, ...] = ()
        self.ended_by: Phase | None = None
        self.cause: AsyncAPIError | None = None
        self.held_by: str | None = None
        self.tried: list[str] | None = None
        self.elsewhere: bool = False
        self.alternative: Callable[[], float] | None = None
        self.line: str = ""
        self.decided: tuple[str, Decision] | None = None

    @property
    def original_url(self) -> URL:
        """The URL of `original` as an object."""
        return self.original.url

    @property
    def instead(self) -> float:
        """What can be had at once in place of a retry, a fallback, is worth so much: from 0 for nothing to 1."""
        return self.alternative() if self.alternative is not None else 0.0

    @property
    def backlog(self) -> bool:
        """Whether it is an item of a fan-out that has more items than may be sent at a time."""
        return self.fan_out is not None and bool(self.fan_out.backlog)

    def log_wait(self, text: str) -> None:
        """Add a wait of ours to what the next attempt's record shows: "rate 0.12 s behind 3"."""
        self.wait_log = f"{self.wait_log}, {text}" if self.wait_log else text

    def fork(self, why: str, settings: CallSettings | None = None) -> Call:
        """Copy the progress for a copy of the request that runs beside this one, in a task of its own.

        What layers write while an attempt is under way (phase, why, queue time, task, records) is then written to one
        copy alone. Its records begin with those made so far, so that the next one has the next number; `join` brings
        the new ones back.

        Args:
            why: Why the copy is sent.
            settings: The copy's settings; this call's own by default.
        """
        twin = Call.__new__(Call)
        # all progress is shared at first; what the copy writes for itself is set anew below
        for name in Call.__slots__:
            setattr(twin, name, settings if name == "settings" and settings is not None else getattr(self, name))
        twin.attempts = list(self.attempts)
        twin.why, twin.phase, twin.queued, twin.task = why, "queue", 0.0, None
        return twin

    def join(self, forked: Call) -> None:
        """Take over a fork's records, in the order of their sending, and what it has learned about the credential."""
        if len(forked.refused) > len(self.refused):
            self.refused, self.resend = forked.refused, forked.resend
        # by identity: the fork began with the same record objects
        known = {id(record) for record in self.attempts}
        self.attempts += [record for record in forked.attempts if id(record) not in known]
        self.attempts.sort(key=lambda record: record.started)
        for number, record in enumerate(self.attempts, 1):
            record.number = number


NO_CALL: Final = Call(0.0, "")
"""What a Request belongs to until a client builds it."""
