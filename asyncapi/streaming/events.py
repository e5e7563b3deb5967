"""Subscribe to server-sent events, and reconnect when the connection ends (WHATWG HTML, sections 9.2.2 and 9.2.3).

    async with api.events("/prices", model=Price) as events:
        async for price in events: ...

Rules:
1. Each connection is a stream of the client, with its limits, retries and credentials. It names the last event in
   `Last-Event-ID`, and the server resumes after it. An id with control characters, which no header may have, is not
   sent, and that is logged: the server then begins where it does without one.
2. Whatever ends a connection after its headers (its end, a cut, silence) is followed by another connection, after the
   time that the server asks for (`retry:`) and the backoff of the call's retry policy, which also says how many
   connections in a row may bring no event.
3. 204 ends the subscription for good; any other response than 200 with `text/event-stream` is an error.
4. Without retries (`retry=None`) there is one connection; the subscription ends with it.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from multidict import CIMultiDict

from asyncapi.calls.arguments import checked_headers, policy_of
from asyncapi.clock import SYSTEM
from asyncapi.errors import ConfigError, RequestTimeout, TransportError, final_error
from asyncapi.layers import deadline
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.http.ndjson import MOST
from asyncapi.sansio.http.sse import EventParser, ServerSentEvent, sendable
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.streaming.items import item_reader
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.settings import Retry
    from asyncapi.streaming.items import Items
    from asyncapi.streaming.response import StreamedResponse
    from asyncapi.streaming.stream import Stream

log: logging.Logger = logging.getLogger("asyncapi")

T = TypeVar("T")

_NO_CONTENT = 204  # WHATWG HTML section 9.2: "clients will reconnect ... HTTP 204 to tell them to stop"
_ASKED = {"Accept": "text/event-stream", "Cache-Control": "no-store"}


class Events(Generic[T]):
    """A subscription: `async with` it, then `async for` over it. It connects as the block begins.

    Attributes:
        last_id: The id of the last event that you got: `last_id=` of another subscription resumes after it.
        connections: How many connections have been opened.
    """

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(
        self,
        stream: Callable[[str], Stream],
        policy: Retry | None,
        clock: Clock,
        *,
        model: Any = None,
        last_id: str = "",
        until: str | None = None,
        max_event: int = MOST,
        bare: bool = False,
    ) -> None:
        self.last_id: str = last_id
        self.connections: int = 0
        self._stream = stream
        self._policy = policy
        self._clock = clock
        self._parse = None if model is None else item_reader(model, "the data of an event")
        self._until = until
        self._max_event = max_event
        self._bare = bare  # whether an event without data is one
        self._open: tuple[Stream, StreamedResponse, EventParser, Items[ServerSentEvent]] | None = None
        self._retry_after: float | None = None  # seconds that the server asks us to wait
        self._fruitless = 0  # connections in a row without an event
        self._state = "new"

    @staticmethod
    def of(stream: Stream, model: Any, until: str | None) -> Events[Any]:
        """Read the events of one response, such as a POST's; they end with it (rule 4)."""
        return Events(lambda _: stream, None, SYSTEM, model=model, until=until)

    def through(self, wrap: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]) -> None:
        """Have every connection go through another function, as declared clients do to read errors."""
        make = self._stream

        def stream(last_id: str) -> Stream:
            made = make(last_id)
            made.through(wrap)
            return made

        self._stream = stream

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise ConfigError("a subscription can be opened once: call client.events(...) again")
        self._state = "running"
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._state = "closed"
        connection, self._open = self._open, None
        if connection is not None:
            await connection[0].__aexit__(kind, error, tb)

    async def aclose(self) -> None:
        """End the subscription. May be called twice."""
        await self.__aexit__(None, None, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next event, of this connection or of another.

        Raises:
            TransportError: No connection could be had, or several in a row brought no event.
            StatusError: The response of a new connection is a 4xx or 5xx.
            DecodeError: The data is not JSON, or (SchemaError) does not fit. The next round resumes after it.
        """
        if self._state in {"new", "closed"}:
            raise ConfigError("a subscription is read inside its block: async with client.events(...) as events")
        while self._state == "running":
            if self._open is None:
                await self._connect()
                continue
            _, response, _, events = self._open
            try:
                event = await anext(events)
            except StopAsyncIteration:
                await self._lost(None)
                continue
            except TransportError as error:
                await self._lost(error)
                continue
            self._fruitless, self.last_id = 0, event.id
            if event.data == self._until:
                self._end()
                break
            return event if self._parse is None else response.value(self._parse, event.data.encode())  # type: ignore[return-value]
        raise StopAsyncIteration

    async def _connect(self) -> None:
        """Open the next connection.

        Raises:
            ProtocolError: The response is not an event stream.
        """
        stream = self._stream(self.last_id)
        response = await stream.__aenter__()
        self.connections += 1
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status == _NO_CONTENT:
            response.close()
            self._end()
        elif response.status != 200 or kind != "text/event-stream":  # noqa: PLR2004 - nothing else is one
            response.close()
            what = f"{response.status}, {kind or 'no Content-Type'}"
            raise response.with_call(
                final_error(f"the response is not an event stream ({what}): that is 200 with text/event-stream")
            )
        else:
            parser = EventParser(self._max_event, self.last_id, bare=self._bare)
            self._open = stream, response, parser, response.events_of(parser, None, None)

    async def _lost(self, error: TransportError | None) -> None:
        """Wait until the next connection is due, after one has ended (rule 2)."""
        ended, self._open, policy = self._open, None, self._policy
        if ended is None:
            return
        _, response, parser, _ = ended
        self.last_id = parser.last_id
        self._retry_after = parser.retry if parser.retry is not None else self._retry_after
        if error is not None and (policy is None or error.final):
            raise error
        if policy is None:
            self._end()
            return
        self._fruitless += 1
        retry_after, due = self._retry_after or 0.0, deadline.current.get()
        wait = retry_after + full_jitter(self._fruitless, self._clock.random(), base=policy.base, cap=policy.cap)
        if policy.max_attempts is not None and self._fruitless >= policy.max_attempts:
            raise error or response.with_call(
                final_error(f"{self._fruitless} connections in a row ended without an event")
            )
        if retry_after > (longest := policy.max_retry_after):
            raise error or response.with_call(
                final_error(f"the server's retry is {retry_after:.3g} s, over max_retry_after={longest:g}")
            )
        if due is not None and self._clock.now() + wait >= due:
            late = RequestTimeout(f"a wait of {wait:.3g} s would pass the deadline", phase="backoff")
            raise error or response.with_call(late)
        await self._clock.sleep(wait)

    def _end(self) -> None:
        self._state = "ended"
        connection, self._open = self._open, None
        if connection is not None:
            connection[1].close()


def subscribe(
    stream: Callable[..., Stream],
    policy: Retry | None,
    clock: Clock,
    url: str | URL,
    options: dict[str, Any],
    **how: Any,
) -> Events[Any]:
    """Make a subscription to a URL, requested with GET.

    Args:
        stream: `Client.stream`.
        policy: The client's retries.
        clock: Times and draws the waits.
        url: As in `Client.request`.
        options: The options of each connection.
        how: The other arguments of `Events`.
    """
    headers = CIMultiDict(_ASKED)
    headers.update(checked_headers(options.pop("headers", None)))
    retry = options.get("retry", UNSET)
    connect = partial(stream, "GET", url, raise_for_status=True, **options)
    return Events(
        lambda last_id: connect(headers=_with_id(headers, last_id)),
        policy if retry is UNSET else policy_of(retry),
        clock,
        **how,
    )


def _with_id(headers: CIMultiDict[str], last_id: str) -> CIMultiDict[str]:
    """Add the id of the last event to the headers, where a header can carry it (rule 1)."""
    if not last_id:
        return headers
    if not sendable(last_id):
        log.warning("Last-Event-ID left out: %r has control characters, which no header may have", last_id)
        return headers
    headers = headers.copy()
    headers["Last-Event-ID"] = last_id
    return headers
