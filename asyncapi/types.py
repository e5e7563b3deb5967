"""The words the whole house speaks: Request, Response, Attempt, Outcome, Send, Layer, Transport.

Plain slotted classes, no validation: they are made once or more per call. A `Request` is never changed once it
has been handed to a layer; a layer that needs another one takes `request.copy(...)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from multidict import CIMultiDict, CIMultiDictProxy
from typing_extensions import TypeForm, TypeVar
from yarl import URL

from asyncapi import decoding, uri
from asyncapi.errors import AsyncAPIError, Phase, masked, status_error
from asyncapi.redact import redact_headers, redact_url

if TYPE_CHECKING:
    from asyncio import Task

    from asyncapi.opened import OpenBody

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True, default=Any)


class Unset:
    """The type of `UNSET`: an argument that was not given, where None means something."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset()

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Content = bytes | bytearray | memoryview | str | AsyncIterable[bytes] | Iterable[bytes]


class Body:
    """A request body that is streamed: `open()` gives its bytes, once per attempt.

    Attributes:
        open: Starts the body from its beginning.
        length: Bytes in all where known, else None (sent chunked).
        rewindable: Whether `open` may be called again; if not, the request is not resent.
    """

    __slots__ = ("length", "open", "rewindable")

    def __init__(
        self,
        opener: Callable[[], AsyncIterator[bytes]],
        *,
        length: int | None,
        rewindable: bool,
    ) -> None:
        self.open = opener
        self.length = length
        self.rewindable = rewindable


class Request:
    """One HTTP request: as the user wrote it, and, once the client has built it, as it goes on the wire.

    Args:
        method: Any HTTP method; upper-cased.
        url: Absolute, or relative to the client's base URL.
        params: Query parameters, added to those in `url`. A None value is left out, a list repeats the key.
        headers: Added to the client's, replacing those of the same name.
        json: A JSON body: plain data or a pydantic model.
        data: A form body (`application/x-www-form-urlencoded`), or the fields beside `files`.
        content: A raw body: bytes, text, a file object, or an (async) iterable of bytes.
        files: A multipart body: name -> path, bytes, file object, or `(filename, content[, content_type])`;
            a filename of None makes a part that is no file.
        id: The caller's own name for it; kept in outcomes and bulk rows.
        idempotency_key: True makes one; a string is sent as it is (header `Idempotency-Key`).
        timeout: Seconds in all or a `Timeout`, for this request alone; None for no limit.
        retry: Attempts in all or a `Retry`, for this request alone; None for a single attempt.
        route: The template of the URL (`/users/{id}`): its name in metrics.
        wait: Whether, or for how many seconds, to wait in line for a place or a token.
        priority: The higher goes first in every line; 0 is usual.
        tenant: On whose behalf: tenants of the same priority take turns.
    """

    __slots__ = (
        "call", "content", "data", "deadline", "files", "headers", "id", "idempotency_key", "json", "method",
        "params", "priority", "retry", "route", "tenant", "timeout", "url", "wait",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        url: str | URL,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        json: Any = None,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        content: Content | Body | None = None,
        files: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        id: Any = None,  # noqa: A002 - the public name
        idempotency_key: str | bool | None = None,
        timeout: Any = UNSET,
        retry: Any = UNSET,
        route: str | None = None,
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
    ) -> None:
        self.method = method.upper()
        self.url = decoding.parse_url(url)
        self.params = params
        self.headers: CIMultiDict[str] = CIMultiDict(headers or ())
        self.json = json
        self.data = data
        self.content = content
        self.files = files
        self.id = id
        self.idempotency_key = idempotency_key
        self.timeout = timeout
        self.retry = retry
        self.route = route
        self.wait = wait
        self.priority = priority
        self.tenant = tenant
        self.deadline: float | None = None
        self.call: Call = NO_CALL

    def copy(self, **changes: Any) -> Request:
        """A copy with some attributes replaced; headers are shared unless replaced."""
        twin = Request.__new__(Request)
        for name in Request.__slots__:
            setattr(twin, name, changes[name] if name in changes else getattr(self, name))
        return twin

    def redacted(self) -> Request:
        """A copy fit to be shown: secrets in the URL and headers masked, the body left out."""
        return self.copy(
            url=URL(redact_url(self.url), encoded=True),
            headers=redact_headers(self.headers),
            params=None, json=None, data=None, content=None, files=None, call=NO_CALL,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Request {self.method} {redact_url(self.url)}>"


class Response:
    """One answer, read to its end.

    Attributes:
        status: HTTP status code.
        headers: Case-insensitive multidict.
        content: The decoded (decompressed) body.
        url: Where it came from, after redirects.
        request: The request it answers.
        http_version: "1.0", "1.1", "2", "3", or "" where the transport doesn't say.
        elapsed: Seconds from the call to the end of the body, waits and retries included.
        attempts: One `Attempt` record per attempt, oldest first.
        degraded: Which fallback it came from, and why; "" from the usual place.
        from_cache: "fresh", "revalidated" or "stale" where the cache had it; "" otherwise.
        opened: Its body, where that is still to be read (`asyncapi/opened.py`); inside the layers alone, else None.
    """

    __slots__ = (
        "attempts", "content", "degraded", "elapsed", "from_cache", "headers", "http_version", "opened", "request",
        "status", "url",
    )  # fmt: skip

    def __init__(
        self,
        status: int,
        headers: CIMultiDictProxy[str] | Headers | None = None,
        content: bytes = b"",
        *,
        url: URL | str = "",
        request: Request | None = None,
        http_version: str = "",
    ) -> None:
        self.status, self.content = status, content
        self.headers: CIMultiDictProxy[str] = (
            headers if type(headers) is CIMultiDictProxy else CIMultiDictProxy(CIMultiDict(headers or ()))
        )
        self.url = url if type(url) is URL else uri.parse(str(url))
        self.request = request
        self.http_version = http_version
        self.elapsed = 0.0
        self.degraded = self.from_cache = ""
        self.attempts: tuple[Attempt, ...] = ()
        self.opened: OpenBody | None = None

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400  # noqa: PLR2004 - where errors begin, RFC 9110 section 15.5

    @property
    def text(self) -> str:
        """The body as text, by the charset the server names, else UTF-8.

        Raises:
            DecodeError: The charset is unknown, or the bytes are not in it.
        """
        with decoding.about(self):
            return decoding.text(self.content, self.headers.get("Content-Type", ""))

    def json(self) -> Any:
        """The body as plain data.

        Raises:
            DecodeError: It is empty or not JSON.
        """
        with decoding.about(self):
            return decoding.json(self.content, self.headers.get("Content-Type", ""))

    def parse(self, model: TypeForm[T]) -> T:
        """The body as any pydantic type: a model, `list[Model]`, a union, a TypedDict.

        Raises:
            DecodeError: It is empty or not JSON.
            SchemaError: It is JSON, but does not fit.
        """
        with decoding.about(self):
            return decoding.parse(model, self.content, self.headers.get("Content-Type", ""))

    def raise_for_status(self) -> Response:
        """The response itself below 400.

        Raises:
            StatusError: The subclass that fits the status.
        """
        if self.status < 400:  # noqa: PLR2004
            return self
        raise status_error(self, request=self.request, attempts=self.attempts)

    def __copy__(self) -> Response:
        twin = Response.__new__(Response)
        for name in Response.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles without the request's body and secrets."""
        request = None if self.request is None else self.request.redacted()
        made = Response, (self.status, CIMultiDict(self.headers), self.content)
        attempts = tuple(masked(attempt) for attempt in self.attempts)
        state = {"url": URL(redact_url(self.url), encoded=True), "request": request, "http_version": self.http_version,
                 "elapsed": self.elapsed, "attempts": attempts, "degraded": self.degraded,
                 "from_cache": self.from_cache}  # fmt: skip
        return *made, (None, state)

    def __repr__(self) -> str:
        return f"<Response {self.status} {redact_url(self.url)} {len(self.content)} bytes>"


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
        patience: Seconds it may stand in one line of ours; None for as long as its deadline allows.
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
        crowd: What it is one item of (`map`, `gather`, a job); None for a single call.
        asked: The URL that it asks for, before any redirect: whose origin a credential may be bound to.
        signature: What the attempt under way carries of a credential, or None; written by the auth layer.
        resend: Why the attempt that has just been answered may be sent again at once, outside the count, or "".
        refused: The signatures that this call has been sent again for.
        opened: The bodies that transports have left open for it, where it wants its own streamed; else None.
        guards: The time limits that stand over it (`Guard`), outermost first: who is cut off now can tell by which.
        whose: The user that `auth=` acts for now, where that may change: what is shared or kept is this user's alone.
            "" for the client's only one, None where the credential can't tell.
    """

    __slots__ = (
        "asked", "attempt", "attempts", "cause", "connect", "crowd", "ended_by", "guards", "held", "held_by", "host",
        "opened", "patience", "phase", "priority", "queued", "refused", "resend", "retry", "reused", "running",
        "signature", "started", "task", "tenant", "whose", "why",
    )  # fmt: skip

    def __init__(self, started: float, host: str, connect: float | None, attempt: float | None, retry: Any) -> None:
        self.started = started
        self.host = host
        self.connect = connect
        self.attempt = attempt
        self.retry = retry
        self.attempts: list[Attempt] = []
        self.patience: float | None = None
        self.priority = 0
        self.tenant = ""
        self.crowd: Any = None  # a fan-out's `Outcomes`
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
        self.opened: list[OpenBody] | None = None
        self.guards: tuple[Any, ...] = ()
        self.whose: str | None = ""

    @property
    def backlog(self) -> bool:
        """Whether it is one of more items than may be sent at a time, and not wanted just now."""
        return self.crowd is not None and bool(self.crowd.backlog)

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


@dataclass(slots=True)
class Outcome(Generic[T_co]):
    """What became of one item of a fan-out.

    Attributes:
        index: Its place in the source, from 0.
        request: What was asked for, as given.
        value: The model (or the `Response` where no model was asked for), None on error.
        error: The failure, or None.
        attempts: One record per attempt.
        elapsed: Seconds from its start to its end, waits and retries included.
        status: The last HTTP status seen, or None.
        degraded: As in `Response`.
    """

    index: int
    request: Request | str
    value: T_co | None = None
    error: AsyncAPIError | None = None
    attempts: tuple[Attempt, ...] = field(default=())
    elapsed: float = 0.0
    status: int | None = None
    degraded: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


NO_CALL: Final = Call(0.0, "", None, None, None)
"""What a Request belongs to until a client builds it."""

Send = Callable[[Request], Awaitable[Response]]
Layer = Callable[[Send], Send]


class Transport(Protocol):
    """What carries an attempt: keeps the attempt's time limit, follows no redirect, retries nothing."""

    async def send(self, request: Request) -> Response:
        """Carry one attempt.

        Raises:
            TransportError: Nothing usable came back.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; may be called twice."""
        ...


def stack(transport: Send, *layers: Layer) -> Send:
    """Compose layers over a transport; the first is the outermost."""
    for layer in reversed(layers):
        transport = layer(transport)
    return transport
