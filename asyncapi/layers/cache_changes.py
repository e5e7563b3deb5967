"""Requests other than GET, before a cache: what writes invalidate, and what a HEAD or a POST renews (RFC 9111).

Rules:
1. A write (POST, PUT, PATCH, DELETE ...) that succeeds, or that may have succeeded, invalidates what is stored for its
   URL, for the URL that it was redirected to, and for its `Location` and `Content-Location` of the same origin (section
   4.4). A response that was requested before the write and comes after it is not stored.
2. The response to a POST that says how long it is fresh, and names its own URL in `Content-Location`, is stored for
   later GETs (RFC 9110 section 9.3.3); not that of a protocol over POST (GraphQL, gRPC).
3. A HEAD that shows another representation invalidates the stored one; one that has the same validators renews it
   (section 4.3.5).
4. Other methods (OPTIONS, TRACE) pass by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.failures.resend import SAFE
from asyncapi.sansio.http import caching
from asyncapi.stores.shelf import key_of, target_of
from asyncapi.stores.variants import Fetch

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.stores.shelf import Counts, Shelf
    from asyncapi.types import Layer, Send

_OK = 200


def cache_changes(shelf: Shelf, counts: Counts) -> Layer:
    """Send requests other than GET, and invalidate or renew what is stored.

    Args:
        shelf: The stored responses.
        counts: Counts responses that are stored.
    """

    def layer(inner: Send) -> Send:
        return _Changes(inner, shelf, counts).send

    return layer


class _Changes:
    def __init__(self, inner: Send, shelf: Shelf, counts: Counts) -> None:
        self._inner = inner
        self._shelf = shelf
        self._counts = counts

    async def send(self, request: Request) -> Response:
        if request.method not in SAFE:
            return await self._write(request)
        return await (self._head(request) if request.method == "HEAD" else self._inner(request))

    async def _write(self, request: Request) -> Response:
        """Send a write, and invalidate what it may have changed (rule 1)."""
        began = self._shelf.now()
        try:
            response = await self._inner(request)
        except BaseException:
            if any(attempt.unsure for attempt in request.call.attempts):  # the work may have been done
                self._invalidate(request, None)
            raise
        if response.ok:
            self._invalidate(request, response)
            await self._shelf.variants.settle(self._shelf.spare(request))
            if request.method == "POST" and "Content-Location" in response.headers:
                await self._store_posted(request, response, began)
        return response

    async def _store_posted(self, request: Request, response: Response, began: float) -> None:
        """Store the response to a POST that says it is what a GET would get, and for how long (RFC 9110 9.3.3)."""
        places, plain = response.headers.getall("Content-Location"), request.call.reading is None
        if response.status != _OK or response.degraded or not plain or len(places) != 1:
            return
        try:
            same = response.answers(request) and target_of(request, response, places[0]) == request.target
        except ValueError:
            return
        fetched = self._shelf.fetched(request, began)._replace(heuristic=0.0)
        owner = await self._shelf.owner(request, response.headers) if same else None
        if owner is not None and response.open_body is None:
            new = caching.store(
                _OK, response.headers, response.content, fetched, version=response.http_version, identity=owner
            )
            if new is not None and new.fresh_for > 0:
                self._counts.stored += 1
                self._shelf.variants.keep(key_of(request), new)

    async def _head(self, request: Request) -> Response:
        """Send a HEAD, and compare its response with what is stored (rule 3)."""
        began = self._shelf.now()
        await self._shelf.variants.bring(key_of(request), self._shelf.spare(request))
        with self._shelf.variants.under_way(key_of(request), fetch := Fetch()):
            response = await self._inner(request)
            await self._compare(request, response, began, fetch)
        return response

    async def _compare(self, request: Request, response: Response, began: float, fetch: Fetch) -> None:
        """Renew what the response to a HEAD shows to be the same, and invalidate what it shows to be outdated."""
        if response.effective_status != _OK or not response.answers(request) or response.degraded:
            return
        for owner in self._shelf.identities(request):
            variants = self._shelf.variants.get(key_of(request)) or ()
            stored = caching.choose(variants, owner, request.headers)
            if stored is None:
                continue
            if caching.outdated(stored, response.headers):
                self._shelf.variants.keep(key_of(request), None, replaces=stored)
                continue
            same = caching.same_validators(stored, response.headers)
            if same and await self._shelf.owner(request, stored.headers) == stored.identity:
                new = caching.freshened(stored, response.headers, self._shelf.fetched(request, began))
                if new is not None and not fetch.overtaken:
                    good = caching.storable(new.status, new.headers)
                    self._shelf.variants.keep(key_of(request), new if good else None, replaces=stored)

    def _invalidate(self, request: Request, response: Response | None) -> None:
        """Drop what a write may have changed (section 4.4); None is a write whose outcome is not known."""
        self._shelf.variants.forget(key_of(request))
        if response is None:
            return
        if not response.answers(request):
            self._shelf.variants.forget(key_of(request, response.target))
        # section 4.4
        for name in ("Location", "Content-Location"):
            if name in response.headers:
                try:
                    named = target_of(request, response, response.headers[name])
                except ValueError:
                    continue
                if named.origin == request.target.origin:  # section 4.4: another origin can't invalidate ours
                    self._shelf.variants.forget(key_of(request, named))
