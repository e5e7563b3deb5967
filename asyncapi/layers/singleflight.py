"""Single-flight: identical GETs and HEADs that are under way at the same time share one pass through the layers below.

Identical means the same method, URL, limits, retry policy, priority and tenant (an urgent call must not wait behind a
bulk one), the same principal, no body, and the same headers, credentials included; headers that only name or trace a
request (`x-request-id`, `traceparent`, ...) don't count. A streamed call does not share, since a body can't be read by
several; nor does a call with an unknown principal.

Rules:
1. A flight is a task of its own, so that it outlives any of its waiters. When the last waiter has left, the flight is
   cancelled and awaited.
2. Each waiter keeps its own deadline, and leaves when it passes. The flight's deadline is the latest of its waiters':
   the flight owns the Request with the deadline, and extends it when a waiter with more time joins.
3. Each waiter gets a Response, or an error, of its own; only the bytes of the body and the headers, which can't be
   changed, are shared.
4. A flight that has ended takes no more waiters: nothing is stored, this is not a cache.
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError
from asyncapi.sansio.http.request_key import key_headers

if TYPE_CHECKING:
    from collections.abc import Hashable

    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Layer, Send

_METHODS = frozenset({"GET", "HEAD"})


class Flights:
    """The flights of one client.

    Attributes:
        shared: Calls that joined the flight of another.
    """

    __slots__ = ("by_key", "shared")

    def __init__(self) -> None:
        self.by_key: dict[Hashable, _Flight] = {}
        self.shared: int = 0

    def __len__(self) -> int:
        """Flights under way."""
        return len(self.by_key)


def singleflight(flights: Flights) -> Layer:
    """Let identical requests share one flight."""
    by_key = flights.by_key

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            if request.method not in _METHODS or request.content is not None or call.open_bodies is not None:
                return await inner(request)
            if call.principal is None or request.redirects is not None:  # one that follows fewer is nobody else's
                return await inner(request)
            key = _key(request)
            flight = by_key.get(key)
            if flight is None:
                flight = by_key[key] = _Flight(flights, key, inner, request)
                return await flight.wait(request, "")
            flights.shared += 1
            flight.shared = True
            flight.stretch(request.deadline)
            return await flight.wait(request, "single-flight: shared with a call under way, ")

        return send

    return layer


def _key(request: Request) -> Hashable:
    """The key of identical requests."""
    its = request.call.settings
    # The id of a retry policy is enough: the flight's call keeps the policy alive, so no other can take its id.
    settings = (its.connect, its.attempt, id(its.retry), its.priority, its.tenant, its.max_wait)
    return request.method, request.target, key_headers(request.headers), request.call.principal, settings


class _Flight:
    """One pass through the layers below, for several waiters.

    Attributes:
        shared: Whether a second call has joined it.
    """

    __slots__ = (
        "_call", "_error", "_flights", "_inner", "_key", "_request", "_response", "_task", "_waiters", "shared",
    )  # fmt: skip

    def __init__(self, flights: Flights, key: Hashable, inner: Send, request: Request) -> None:
        self._flights = flights
        self._key = key
        self._inner = inner
        self._call = request.call.fork(request.call.why)
        self._request = request.copy(call=self._call)
        self._waiters: dict[asyncio.Future[None], None] = {}  # in the order in which they came
        self.shared = False
        self._response: Response | None = None
        self._error: BaseException | None = None
        self._task = asyncio.get_running_loop().create_task(self._fly())
        self._task.add_done_callback(self._land)

    def stretch(self, deadline: float | None) -> None:
        """Extend the flight to this deadline, if it is later than all others (rule 2)."""
        mine = self._request.deadline
        # None is no deadline at all, the latest there is
        if mine is not None and (deadline is None or deadline > mine):
            self._request.deadline = deadline

    async def wait(self, request: Request, prefix: str) -> Response:
        """Wait for the flight, and return a response of the caller's own.

        Args:
            request: The caller's own request.
            prefix: Put before the reason of each attempt in the caller's records.
        """
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[place] = None
        try:
            await place
            return self._outcome(request)
        except BaseException:
            request.call.phase = self._call.phase
            raise
        finally:
            del self._waiters[place]
            try:
                if not self._waiters:
                    self._call.guards = request.call.guards  # the last waiter's deadline may be what ends the flight
                    await self._end()
            finally:
                self._write_records(request.call, prefix)

    async def _fly(self) -> None:
        """Run the flight (rule 1), and store its result for the waiters."""
        call = self._call
        call.task = asyncio.current_task()
        try:
            self._response = await self._inner(self._request)
        except asyncio.CancelledError as error:
            self._error = error
            raise
        except Exception as error:
            self._error = error
        finally:
            call.running = False
            call.task = None

    def _land(self, _: object = None) -> None:
        """Close the flight to further waiters (rule 4), and wake those that wait."""
        if self._flights.by_key.get(self._key) is self:
            del self._flights.by_key[self._key]
        for place in self._waiters:
            if not place.done():
                place.set_result(None)

    def _outcome(self, request: Request) -> Response:
        """Return or raise the result for one waiter (rule 3)."""
        if self._response is not None:
            return _own_response(self._response, request, shared=self.shared)
        raise _own_error(self._error or asyncio.CancelledError(), shared=self.shared)

    def _write_records(self, call: Call, prefix: str) -> None:
        """Write the flight's records into a waiter's call."""
        call.ended_by, call.cause, call.held_by = self._call.ended_by, self._call.cause, self._call.held_by
        if not self.shared:
            call.attempts += self._call.attempts
            return
        for record in self._call.attempts:
            twin = copy(record)
            twin.why = prefix + record.why
            if not (self._task.done() or record.status or record.error):
                twin.then = "left: the flight continued for others"
            call.attempts.append(twin)

    async def _end(self) -> None:
        """Cancel the flight that nobody waits for, and wait for its end (rule 1)."""
        self._land()
        cancelled: asyncio.CancelledError | None = None
        while not self._task.done():
            self._task.cancel("nobody waits for it any more")
            try:
                await asyncio.wait((self._task,))
            except asyncio.CancelledError as error:  # cancelled again while cleaning up: still leave nothing behind
                cancelled = error
        self._response = self._error = None  # its traceback holds this flight
        if cancelled is not None:
            raise cancelled


def _own_response(response: Response, request: Request, *, shared: bool) -> Response:
    """Make a response of one waiter's own."""
    own = copy(response) if shared else response
    if own.request is not None:  # the last of its redirects
        own.request = own.request.copy(call=request.call)
    return own


def _own_error(error: BaseException, *, shared: bool) -> BaseException:
    """Make an error of one waiter's own, so that no waiter grows another's traceback; it begins with the flight's."""
    if not shared:
        return error
    if isinstance(error, AsyncAPIError):
        # not by its __init__, which may want other arguments than `args`
        twin: BaseException = type(error).__new__(type(error), *error.args)
        twin.__dict__.update(error.__dict__)
    else:
        try:
            twin = copy(error)
        except Exception:
            return error  # one of the few that can't be copied
    twin.__cause__, twin.__suppress_context__ = error.__cause__, error.__suppress_context__
    return twin.with_traceback(error.__traceback__)
