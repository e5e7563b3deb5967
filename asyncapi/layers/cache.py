"""An HTTP cache for one client (RFC 9111): a hit sends nothing and waits for nothing.

Rules:
1. `sansio/http/caching.py` decides what may be stored, what may be used, and what has to be revalidated.
2. The principal of a response belongs to its key: credentials in the request's headers by their hash, the client's
   `auth=` by the user that it acts for (`call.principal`). Where that user is unknown, or has changed meanwhile, only a
   response that says `public` is stored. A response after a redirect, or from a fallback, is not stored. A redirect is
   stored only where the client follows none.
3. Writes invalidate what is stored, and a HEAD may renew it: `cache_changes.py`. A response that was requested before a
   write and comes after it is not stored.
4. The cache handles a 304 by itself: a caller that sent no conditions gets the stored response. Requests with ranges or
   conditions of their own are for `cache_ranges.py`. A request with `no-store` bypasses the cache.
5. Two calls that ask for the same URL at the same time both send a request: `single_flight` lets them share one; with a
   store that several processes share, across these (`stores/turns.py`).
6. A request's own `Host` is part of the key: it names another server behind the same address (RFC 9110 section 7.2).
7. A streamed call gets what is stored, but no ranges of it; the response to a streamed call is not stored, not even in
   part.
8. A response that is used while it is revalidated (`stale-while-revalidate`) is requested in the background, once for
   each key: no call waits for that or hears of its failure, and it has as much time as the call had.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.errors import RejectedError, TransportError
from asyncapi.messages.call import Call
from asyncapi.sansio.http import caching, partial_content
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.request_key import identity, key_headers
from asyncapi.stores.shelf import REDIRECTS, Counts, Shelf, key_of, unavailable
from asyncapi.stores.variants import Fetch, Variants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.http.caching import Fetched, Record, Stored
    from asyncapi.scheduling.background import Background
    from asyncapi.settings import Cache
    from asyncapi.stores.answers import Answers
    from asyncapi.stores.responses import Lasting
    from asyncapi.stores.turns import Outcome, Turns
    from asyncapi.types import Layer, Send

__all__ = ["Counts", "Fetch", "cache"]

_OK, _PARTIAL, _NOT_MODIFIED, _UNSATISFIABLE = 200, 206, 304, 416
_ERRORS = frozenset({500, 502, 503, 504})  # RFC 5861 section 4
_HURRY = 0.1  # seconds to spare: a call with less can't wait for other processes
_REFRESH_LIMIT = 60.0  # seconds, where the call has no limit


def cache(
    answers: Answers[tuple[Record, ...]],
    settings: Cache,
    counts: Counts,
    clock: Clock,
    unchanged: Callable[[Request], Awaitable[bool]] | None = None,
    *,
    fetching: dict[str, set[Fetch]] | None = None,
    background: Background | None = None,
    follows: bool = True,
    aside: Callable[[Shelf, Counts], Layer] | None = None,
    changes: Callable[[Shelf, Counts], Layer] | None = None,
    lasting: Lasting | None = None,
    turns: Turns | None = None,
    watch: Layer | None = None,
) -> Layer:
    """Respond from the store where that is allowed.

    Args:
        answers: Stores the responses.
        settings: The user's choices.
        counts: Counts hits and misses.
        clock: Its date is what ages are counted by.
        unchanged: Whether `auth=` still acts for `call.principal`; None for a client with one user.
        fetching: Requests under way by key, where another chain of the same client shares them.
        background: Runs what no call waits for (rule 8); None to let each call wait.
        follows: Whether calls that don't say so themselves follow redirects.
        aside: Makes what serves requests with ranges or conditions of their own (rule 4); None to pass them on.
        changes: Makes what sends requests other than GET (rule 3); None to pass them on.
        lasting: Stores the responses in place of `answers`, where they outlive the client.
        turns: Lets one of several processes fetch what all of them miss (rule 5).
        watch: Notifies watchers of requests that no call waits for; None where nobody watches.
    """
    variants = Variants(answers, {} if fetching is None else fetching, lasting)
    shelf = Shelf(variants, clock, unchanged, heuristic=settings.heuristic, redirects=follows)

    def layer(inner: Send) -> Send:
        others = [inner if other is None else other(shelf, counts)(inner) for other in (aside, changes)]
        return _Cache(
            inner,
            *others,
            shelf=shelf,
            settings=settings,
            counts=counts,
            clock=clock,
            background=background,
            turns=turns,
            watch=watch,
        ).send

    return layer


class _Cache:
    def __init__(
        self,
        inner: Send,
        aside: Send,
        changes: Send,
        *,
        shelf: Shelf,
        settings: Cache,
        counts: Counts,
        clock: Clock,
        background: Background | None,
        turns: Turns | None,
        watch: Layer | None,
    ) -> None:
        self._turns = turns
        self._watch = watch
        self._inner = inner
        self._aside = aside
        self._changes = changes
        self._shelf = shelf
        self._settings = settings
        self._counts = counts
        self._clock = clock
        self._background = background

    async def send(self, request: Request) -> Response:
        if request.method != "GET":
            return await self._changes(request)
        if request.content is not None or request.call.upgrade is not None:  # a connection can't be stored
            return await self._inner(request)
        if not caching.concerns(request.method, request.headers):
            return await self._aside(request)
        key = key_of(request)
        lasting = self._shelf.variants.lasting
        if lasting is not None and lasting.far:
            await self._shelf.variants.bring(key, self._shelf.spare(request))
        stored = self._shelf.find(request, key)
        if stored is not None:
            now = self._shelf.now()
            if caching.usable(stored, request.headers, now):
                self._counts.hits += 1
                return self._shelf.answer(stored, request, "fresh")
            if self._background is not None and caching.usable_meanwhile(stored, request.headers, now):
                self._counts.stale += 1
                if "only-if-cached" not in directives(request.headers):
                    self._refresh(request, stored, key)
                return self._shelf.answer(stored, request, "stale")
        return unavailable(request) or await self._fetch_in_turn(request, stored, key, Fetch())

    async def _fetch_in_turn(self, request: Request, stored: Stored | None, key: str, fetch: Fetch) -> Response:
        """Ask the server, or wait for what another process is asking it for (rule 5)."""
        call = request.call
        if self._turns is None or call.open_bodies is not None or call.principal is None or directives(request.headers):
            return await self._fetch(request, stored, key, fetch)
        if self._shelf.spare(request) < _HURRY:
            return await self._fetch(request, stored, key, fetch)
        now, find = self._shelf.now, self._shelf.find

        def useful() -> bool:
            found = find(request, key)
            return found is not None and caching.usable(found, request.headers, now())

        name = repr((key, key_headers(request.headers), call.principal, request.redirects))
        turn = await self._turns.take(name, key, useful)
        stored = find(request, key)
        if turn is None and stored is not None:
            self._counts.hits += not fetch.unheard
            return self._shelf.answer(stored, request, "fresh")
        outcome: Outcome = "left"
        try:
            response = await self._fetch(request, stored, key, fetch)
            outcome = "useful" if useful() else "useless"
        except Exception:
            outcome = "failed"
            raise
        finally:
            if turn is not None:
                turn.release(outcome)
        return response

    async def _fetch(self, request: Request, stored: Stored | None, key: str, fetch: Fetch) -> Response:
        """Ask the server for the whole response, for the rest of a part, or to confirm the stored one."""
        with self._shelf.variants.under_way(key, fetch):
            if stored is None and (done := await self._complete(request, key, fetch)) is not None:
                return done
            return await self._ask(request, stored, fetch)

    async def _complete(self, request: Request, key: str, fetch: Fetch) -> Response | None:
        """Ask for the rest of a stored part; None where there is none, or it is of no use any more."""
        if request.call.open_bodies is not None:
            return None
        user, began = identity(request.headers, request.call.principal), self._shelf.now()
        for part in self._shelf.variants.parts(key, user, request.headers):
            if (rest := partial_content.rest_of(part)) is not None:
                break
        else:
            return None
        asked = _with(request, rest)
        response = await self._inner(asked)
        if response.status == _PARTIAL and response.answers(request):
            new = await self._shelf.part_of(asked, response, began)
            whole = partial_content.joined(new, part) if new is not None else None
            if whole is not None and whole.status == _OK:
                self._counts.revalidated += 1
                if not fetch.overtaken:
                    self._shelf.variants.keep(key, whole)
                return self._shelf.answer(whole, request, "revalidated")
        elif response.effective_status != _UNSATISFIABLE:
            await self._take(request, response, None, fetch, began)
            return response
        self._shelf.variants.drop_parts(key)  # it is a part of something else
        return None

    def _refresh(self, request: Request, stored: Stored, key: str) -> None:
        """Revalidate a response in the background (rule 8)."""
        if self._background is None:
            return
        its = request.call
        limit = _REFRESH_LIMIT if request.deadline is None else max(1.0, request.deadline - its.started)

        async def ask(request: Request) -> Response:
            return await self._fetch_in_turn(request, stored, key, Fetch(unheard=True))

        send = ask if self._watch is None else self._watch(ask)

        async def work() -> None:
            began = self._clock.now()
            call = Call(began, its.host, its.settings, its.original)
            call.principal, call.reading, call.peek, call.dress = its.principal, its.reading, its.peek, its.dress
            call.others = None if its.others is None else []
            call.task, call.why = asyncio.current_task(), "background: stale-while-revalidate"
            try:
                response = await send(request.copy(call=call, deadline=began + limit))
                if response.degraded:
                    raise TransportError(response.degraded, request=request)
                if response.effective_status in _ERRORS:
                    response.raise_for_status()
            finally:
                call.running, call.task = False, None

        self._background.start((key, stored.identity, stored.varies), work, limit)

    async def _ask(self, request: Request, stored: Stored | None, fetch: Fetch) -> Response:
        """Ask the server for the whole response, or to confirm the stored one."""
        began = self._shelf.now()
        conditions = {} if stored is None else caching.conditions(stored)
        try:
            response = await self._inner(_with(request, conditions) if conditions else request)
        except (TransportError, RejectedError) as error:
            old = None if fetch.unheard else self._in_place(stored, request, type(error).__name__)
            if old is not None:
                return old
            raise
        # section 4.3.3: a 5xx to a revalidation may be answered from the store
        if response.effective_status in _ERRORS:
            if fetch.unheard:  # the stored response is better
                return response
            old = self._in_place(stored, request, str(response.shown_status))
            if old is not None:
                return old
        if stored is not None and conditions and response.status == _NOT_MODIFIED:
            confirmed = await self._confirmed(request, response, stored, fetch, began)
            if confirmed is not None:
                return confirmed
            began, response = self._shelf.now(), await self._inner(request)
        await self._take(request, response, stored, fetch, began)
        return response

    async def _confirmed(
        self, request: Request, response: Response, stored: Stored, fetch: Fetch, began: float
    ) -> Response | None:
        """Update the stored response by the headers of a 304 (section 4.3.4); None where that is about another one."""
        valid = None
        if response.answers(request) and await self._shelf.owner(request, stored.headers) == stored.identity:
            valid = caching.freshened(stored, response.headers, self._shelf.fetched(request, began))
        if valid is not None:
            self._counts.revalidated += not fetch.unheard
            if not fetch.overtaken:
                good = caching.storable(valid.status, valid.headers)
                self._shelf.variants.keep(key_of(request), valid if good else None, replaces=stored)
            return self._shelf.answer(valid, request, "revalidated")
        # it is for another principal, or about another representation; one of a fallback says nothing of what is stored
        if not response.degraded:
            self._shelf.variants.keep(key_of(request), None, replaces=stored)
        return None

    async def _take(
        self, request: Request, response: Response, stored: Stored | None, fetch: Fetch, began: float
    ) -> None:
        """Count a response from the server, and store it where that is allowed."""
        self._counts.misses += not fetch.unheard
        fetched, owner = self._shelf.fetched(request, began), await self._shelf.owner(request, response.headers)
        if not fetch.overtaken:
            self._store(request, response, owner, fetched, stored)

    def _store(
        self,
        request: Request,
        response: Response,
        identity: str | None,
        fetched: Fetched,
        stored: Stored | None,
    ) -> None:
        if response.degraded or not response.answers(request):  # rule 2
            return
        if response.status in REDIRECTS and self._shelf.follows(request):  # rule 2
            return
        new: Stored | None = None
        if response.open_body is None and identity is not None:  # rule 7
            new = caching.store(
                response.status, response.headers, response.content, fetched,
                version=response.http_version, identity=identity,
            )  # fmt: skip
        if new is not None:
            self._counts.stored += 1
            self._shelf.variants.keep(key_of(request), new, replaces=stored)
        elif stored is not None and response.ok:
            self._shelf.variants.keep(key_of(request), None, replaces=stored)

    def _in_place(self, stored: Stored | None, request: Request, why: str) -> Response | None:
        """Return the stored response in place of one that failed, where that is allowed (RFC 5861 section 4)."""
        now, settings = self._shelf.now(), self._settings
        if stored is None or not caching.usable_on_error(stored, request.headers, now, settings.stale_if_error):
            return None
        self._counts.stale += 1
        response = self._shelf.answer(stored, request, "stale")
        response.degraded = f"stale: {caching.age(stored, now):.3g} s old, after {why}"
        return response


def _with(request: Request, conditions: dict[str, str]) -> Request:
    headers = CIMultiDict(request.headers)
    headers.update(conditions)
    return request.copy(headers=headers)
