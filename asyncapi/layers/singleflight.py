"""Single-flight: identical GETs and HEADs that are under way at the same time share one way through the layers below.

A streamed call flies alone: one body can't be read by several. So does one of which nobody can tell whose it is.

Identical: the same method, URL, limits, retry policy and place in our lines (an urgent call must not wait behind those
before a bulk one), the user that `auth=` acts for, no body, and the same headers, credentials included; those that only
name or trace a request (`x-request-id`, `traceparent`, ...) don't count.

Rules:
1. A flight is a task of its own, so that it outlives any of its waiters. When the last of them has gone, it is
   cancelled and waited for.
2. Each waiter keeps its own deadline: it leaves when it comes. The flight's deadline is the latest of its waiters'; the
   flight owns the Request that carries it, and moves it out when somebody with more time joins.
3. What a waiter gets is its own: a Response, or an error, that no other waiter holds; only the bytes of the body and
   the headers, which can't be changed, are shared.
4. A flight that has ended takes no more waiters: nothing is kept, this is no cache.
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
        self.shared = 0

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
            if call.principal is None:
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
    """What identical requests have in common."""
    call = request.call
    # A policy is told by its identity, which is enough: the flight's call keeps it alive, so none can take its place.
    policies = (call.principal, call.connect, call.attempt, id(call.retry), call.priority, call.tenant, call.max_wait)
    return request.method, request.url, key_headers(request.headers), policies


class _Flight:
    """One way through the layers below, for several waiters.

    Attributes:
        shared: Whether anybody has joined it.
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
        """Go on until this deadline, if it is later than that of all others."""
        mine = self._request.deadline
        if mine is not None and (deadline is None or deadline > mine):
            self._request.deadline = deadline

    async def wait(self, request: Request, prefix: str) -> Response:
        """What becomes of the flight, for the caller alone.

        Args:
            request: The caller's own.
            prefix: Goes before the reason of each attempt in the caller's records.
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
                    self._call.guards = request.call.guards  # by whose time it may be that all of it ends
                    await self._end()
            finally:
                self._tell(request.call, prefix)

    async def _fly(self) -> None:
        """The flight itself; what it comes to is kept for the waiters."""
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
        """Nobody may join from here; those who wait are called."""
        if self._flights.by_key.get(self._key) is self:
            del self._flights.by_key[self._key]
        for place in self._waiters:
            if not place.done():
                place.set_result(None)

    def _outcome(self, request: Request) -> Response:
        """What it came to, for one waiter."""
        if self._response is not None:
            return _own_response(self._response, request, shared=self.shared)
        raise _own_error(self._error or asyncio.CancelledError(), shared=self.shared)

    def _tell(self, call: Call, prefix: str) -> None:
        """Write into a waiter's call what happened on the way."""
        call.ended_by, call.cause, call.held_by = self._call.ended_by, self._call.cause, self._call.held_by
        if not self.shared:
            call.attempts += self._call.attempts
            return
        for record in self._call.attempts:
            twin = copy(record)
            twin.why = prefix + record.why
            if not (self._task.done() or record.status or record.error):
                twin.then = "left: it went on for others"
            call.attempts.append(twin)

    async def _end(self) -> None:
        """Nobody waits any more: cancel what still runs and wait until it is gone."""
        self._land()
        cancelled: asyncio.CancelledError | None = None
        while not self._task.done():
            self._task.cancel("nobody waits for it any more")
            try:
                await asyncio.wait((self._task,))
            except asyncio.CancelledError as error:  # cancelled again while cleaning up: still leave nothing behind
                cancelled = error
        self._response = self._error = None  # whose traceback holds this flight
        if cancelled is not None:
            raise cancelled


def _own_response(response: Response, request: Request, *, shared: bool) -> Response:
    """The same answer, to the request of one waiter."""
    own = copy(response) if shared else response
    if own.request is not None:  # the last of its redirects
        own.request = own.request.copy(call=request.call)
    return own


def _own_error(error: BaseException, *, shared: bool) -> BaseException:
    """The same error for one waiter, so that none grows the traceback of another; it begins with the flight's own."""
    if not shared:
        return error
    if isinstance(error, AsyncAPIError):
        twin: BaseException = type(error).__new__(type(error), *error.args)
        twin.__dict__.update(error.__dict__)
    else:
        try:
            twin = copy(error)
        except Exception:
            return error  # one of the few that can't be copied
    twin.__cause__, twin.__suppress_context__ = error.__cause__, error.__suppress_context__
    return twin.with_traceback(error.__traceback__)
