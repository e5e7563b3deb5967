"""Requests with a range or conditions of their own, from the cache (RFC 9111 sections 3.3, 3.4 and 4.3.2).

Rules:
1. A request with conditions, or for one range of bytes, is served from what is fresh: by a 304, a part (206), or the
   whole. Else it goes to the server as it is.
2. Of what comes then only a part is stored. Parts that belong together are joined, and make up a whole response.
3. A streamed call, one that says `no-store`, one for several ranges, and conditions that are for the server (If-Match,
   If-Unmodified-Since) pass by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http import caching, partial_content, validation
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.request_key import identity
from asyncapi.stores.shelf import key_of, unavailable
from asyncapi.stores.variants import Fetch

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.stores.shelf import Counts, Shelf
    from asyncapi.types import Layer, Send

_OK, _PARTIAL, _NOT_MODIFIED = 200, 206, 304


def cache_ranges(shelf: Shelf, counts: Counts) -> Layer:
    """Respond from the store to requests with a range or conditions, where that is allowed.

    Args:
        shelf: The stored responses.
        counts: Counts hits, and parts that are stored.
    """

    def layer(inner: Send) -> Send:
        return _Ranges(inner, shelf, counts).send

    return layer


class _Ranges:
    def __init__(self, inner: Send, shelf: Shelf, counts: Counts) -> None:
        self._inner = inner
        self._shelf = shelf
        self._counts = counts

    async def send(self, request: Request) -> Response:
        """Serve a request with a range or conditions of its own from what is fresh, else pass it on (rule 1)."""
        headers = request.headers
        if request.method != "GET" or "no-store" in directives(headers) or request.call.open_bodies is not None:
            return await self._inner(request)
        await self._shelf.variants.bring(key_of(request), self._shelf.spare(request))
        if partial_content.asked(headers) is not None:
            return await self._range(request)
        stored = self._shelf.find(request, key_of(request)) if validation.held(headers) else None
        if stored is None or not caching.usable(stored, headers, self._shelf.now()):
            return unavailable(request) or await self._inner(request)
        self._counts.hits += 1
        response = self._shelf.answer(stored, request, "fresh")
        if stored.status == _OK and validation.not_modified(stored, headers):
            response.status = response.effective_status = _NOT_MODIFIED
            response.headers, response.content = validation.of_a_304(response.headers), b""
        return response

    async def _range(self, request: Request) -> Response:
        """Serve one range of bytes from what is stored; or pass the request on, and store the part that comes."""
        key, now, headers = key_of(request), self._shelf.now(), request.headers
        whole, user = self._shelf.find(request, key), identity(request.headers, request.call.principal)
        parts = self._shelf.variants.parts(key, user, headers)
        for stored in parts if whole is None else (whole, *parts):
            found = partial_content.cut(stored, headers) if caching.usable(stored, headers, now) else None
            if found is not None:
                self._counts.hits += 1
                response = self._shelf.answer(stored._replace(content=found[1]), request, "fresh")
                response.status = response.effective_status = _PARTIAL
                response.headers = caching.aged(found[0], stored, now)
                return response
        if (none := unavailable(request)) is not None:
            return none
        with self._shelf.variants.under_way(key, fetch := Fetch()):
            response = await self._inner(request)
            if response.status == _PARTIAL and response.answers(request) and not response.degraded:
                part = await self._shelf.part_of(request, response, now)
                if part is not None and not fetch.overtaken:
                    self._counts.stored += 1
                    self._shelf.variants.keep_part(key, part)
                if whole is not None and caching.outdated_by_part(whole, response.headers):
                    self._shelf.variants.keep(key, None, replaces=whole)
        return response
