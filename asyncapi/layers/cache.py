"""An HTTP cache for one client (RFC 9111): a hit sends nothing and waits for nothing.

Rules:
1. `sansio/http/caching.py` decides what may be stored, what may be used, and what has to be revalidated.
2. The principal of a response belongs to its key: credentials in the request's headers by their hash, the client's
   `auth=` by the user that it acts for (`call.principal`). Where that user is unknown, or has changed meanwhile, only a
   response that says `public` is stored. A response after a redirect, or from a fallback, is not stored.
3. A write (POST, PUT, PATCH, DELETE ...) that succeeds, or that may have succeeded, invalidates what is stored for its
   URL, for the URL that it was redirected to, and for its `Location` and `Content-Location` of the same origin (section
   4.4). A response that was requested before the write and comes after it is not stored. A HEAD that shows another
   representation invalidates the stored one (section 4.3.5).
4. The cache handles a 304 by itself: a caller that sent no conditions gets the stored response. Requests with
   conditions or ranges of their own, or with `no-store`, bypass the cache.
5. Two calls that ask for the same URL at the same time both send a request: `single_flight` lets them share one.
6. A request's own `Host` is part of the key: it names another server behind the same address (RFC 9110 section 7.2).
7. A streamed call gets what is stored; the response to a streamed call is not stored, not even in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.errors import RejectedError, TransportError
from asyncapi.messages.response import Response
from asyncapi.messages.target import Target
from asyncapi.messages.uri import join
from asyncapi.redact import is_secret
from asyncapi.sansio.failures.resend import SAFE
from asyncapi.sansio.http import caching
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.caching import Fetched, Stored

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.sansio.http.caching import Record
    from asyncapi.settings import Cache
    from asyncapi.stores.answers import Answers
    from asyncapi.types import Layer, Send

_NOT_MODIFIED = 304
_ERRORS = frozenset({500, 502, 503, 504})  # RFC 5861 section 4
_is_secret = lru_cache(maxsize=1024)(is_secret)  # called for every header of every call
_MOST_VARIANTS = 32  # of one URL
_NOBODY_KNOWS = "?"  # the identity of no stored response
_EVERYBODY = "public"  # the principal of responses that say `public`


@dataclass(slots=True)
class Counts:
    """What the cache has done.

    Attributes:
        hits: Calls that got a stored response without a request.
        revalidated: Calls whose stored response the server confirmed.
        stale: Calls that got a stale response because the server could not be reached.
        misses: Calls that got the whole response from the server.
        stored: Responses stored.
    """

    hits: int = 0
    revalidated: int = 0
    stale: int = 0
    misses: int = 0
    stored: int = 0


def cache(
    answers: Answers[tuple[Record, ...]],
    settings: Cache,
    counts: Counts,
    clock: Clock,
    unchanged: Callable[[Request], Awaitable[bool]] | None = None,
    *,
    fetching: dict[str, set[Fetch]] | None = None,
) -> Layer:
    """Respond from the store where that is allowed.

    Args:
        answers: Stores the responses.
        settings: The user's choices.
        counts: Counts hits and misses.
        clock: Its date is what ages are counted by.
        unchanged: Whether `auth=` still acts for `call.principal`; None for a client with one user.
        fetching: Requests under way by key, where another chain of the same client shares them.
    """
    shared: dict[str, set[Fetch]] = {} if fetching is None else fetching

    def layer(inner: Send) -> Send:
        return _Cache(inner, answers, settings, counts, clock, fetching=shared, unchanged=unchanged).send

    return layer


class Fetch:
    """A request under way, and whether a write to its URL has overtaken it (rule 3)."""

    __slots__ = ("overtaken",)

    def __init__(self) -> None:
        self.overtaken: bool = False


class _Cache:
    def __init__(
        self,
        inner: Send,
        answers: Answers[tuple[Record, ...]],
        settings: Cache,
        counts: Counts,
        clock: Clock,
        *,
        fetching: dict[str, set[Fetch]],
        unchanged: Callable[[Request], Awaitable[bool]] | None,
    ) -> None:
        self._unchanged = unchanged
        self._inner = inner
        self._answers = answers
        self._settings = settings
        self._counts = counts
        self._now = clock.wall
        self._fetching = fetching

    async def send(self, request: Request) -> Response:
        if request.method not in SAFE:
            return await self._write(request)
        if request.method == "HEAD":
            response = await self._inner(request)
            self._compare(request, response)
            return response
        if request.call.upgrade is not None:  # a connection can't be stored
            return await self._inner(request)
        if request.redirects is not None:  # what it gets is no response for calls that follow as many as usual
            return await self._inner(request)
        if request.content is not None or not caching.concerns(request.method, request.headers):  # rule 4
            return await self._inner(request)
        identity, key = _identity(request, request.call.principal), _key(request)
        variants = self._answers.get(key) or ()
        stored = caching.choose(variants, identity, request.headers)
        if stored is None and self._unchanged is not None:
            stored = caching.choose(variants, _identity(request, _EVERYBODY), request.headers)
        if stored is not None and caching.usable(stored, request.headers, self._now()):
            self._counts.hits += 1
            return self._answer(stored, request, "fresh")
        # section 5.2.1.7: no stored response may be used, and none may be fetched
        if "only-if-cached" in directives(request.headers):
            return Response(504, url=request.target, request=request)
        fetch = Fetch()
        self._fetching.setdefault(key, set()).add(fetch)
        try:
            return await self._ask(request, stored, fetch)
        finally:
            self._fetching[key].discard(fetch)
            if not self._fetching[key]:
                del self._fetching[key]

    async def _write(self, request: Request) -> Response:
        """Send a write, and invalidate what it may have changed (rule 3)."""
        try:
            response = await self._inner(request)
        except BaseException:
            if any(attempt.unsure for attempt in request.call.attempts):  # the work may have been done
                self._invalidate(request, None)
            raise
        if response.ok:
            self._invalidate(request, response)
        return response

    def _compare(self, request: Request, response: Response) -> None:
        """Invalidate what the response to a HEAD shows to be outdated (rule 3)."""
        if response.effective_status != 200 or not response.answers(request) or response.degraded:  # noqa: PLR2004
            return
        for user in {request.call.principal, _EVERYBODY}:
            variants = self._answers.get(_key(request)) or ()
            stored = caching.choose(variants, _identity(request, user), request.headers)
            if stored is not None and caching.outdated(stored, response.headers):
                self._keep(request, None, replaces=stored)

    async def _ask(self, request: Request, stored: Stored | None, fetch: Fetch) -> Response:
        """Ask the server for the whole response, or to confirm the stored one."""
        began = self._now()
        conditions = {} if stored is None else caching.conditions(stored)
        try:
            response = await self._inner(_with(request, conditions) if conditions else request)
        except (TransportError, RejectedError) as error:
            if (old := self._in_place(stored, request, type(error).__name__)) is not None:
                return old
            raise
        # section 4.3.3: a 5xx to a revalidation may be answered from the store
        if response.effective_status in _ERRORS:
            old = self._in_place(stored, request, str(response.shown_status))
            if old is not None:
                return old
        if stored is not None and conditions and response.status == _NOT_MODIFIED:
            valid = None
            if response.answers(request) and await self._owner(request, stored.headers) == stored.identity:
                valid = caching.freshened(stored, response.headers, self._fetched(request, began))
            # section 4.3.4: the 304's headers update the stored response
            if valid is not None:
                self._counts.revalidated += 1
                if not fetch.overtaken:
                    good = caching.storable(valid.status, valid.headers)
                    self._keep(request, valid if good else None, replaces=stored)
                return self._answer(valid, request, "revalidated")
            self._answers.drop(_key(request))  # the 304 is about another representation, or for another principal
            began, response = self._now(), await self._inner(request)
        self._counts.misses += 1
        fetched, owner = self._fetched(request, began), await self._owner(request, response.headers)
        if not fetch.overtaken:
            self._store(request, response, owner, fetched, stored)
        return response

    def _fetched(self, request: Request, began: float) -> Fetched:
        return Fetched(began, self._now(), request.headers, self._settings.heuristic)

    async def _owner(self, request: Request, headers: Mapping[str, str]) -> str | None:
        """Return the identity that a response with these headers belongs to; None where it is unknown (rule 2)."""
        if self._unchanged is None:
            return _identity(request, "")
        if "public" in directives(headers):
            return _identity(request, _EVERYBODY)
        return _identity(request, request.call.principal) if await self._unchanged(request) else None

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
        new: Stored | None = None
        if response.open_body is None and identity is not None:  # rule 7
            new = caching.store(
                response.status, response.headers, response.content, fetched,
                version=response.http_version, identity=identity,
            )  # fmt: skip
        if new is not None:
            self._counts.stored += 1
            self._keep(request, new, replaces=stored)
        elif stored is not None and response.ok:
            self._keep(request, None, replaces=stored)

    def _keep(self, request: Request, stored: Stored | None, *, replaces: Stored | None) -> None:
        key = _key(request)
        others = [
            variant
            for variant in self._answers.get(key) or ()
            if variant != replaces and (stored is None or variant[:2] != (stored.identity, stored.varies))
        ]
        variants = (*others, tuple(stored)) if stored is not None else tuple(others)
        variants = variants[-_MOST_VARIANTS:]
        if variants:
            self._answers.put(key, variants, sum(Stored._make(variant).size for variant in variants))
        else:
            self._answers.drop(key)

    def _in_place(self, stored: Stored | None, request: Request, why: str) -> Response | None:
        """Return the stored response in place of one that failed, where that is allowed (RFC 5861 section 4)."""
        now, settings = self._now(), self._settings
        if stored is None or not caching.usable_on_error(stored, request.headers, now, settings.stale_if_error):
            return None
        self._counts.stale += 1
        response = self._answer(stored, request, "stale")
        response.degraded = f"stale: {caching.age(stored, now):.3g} s old, after {why}"
        return response

    def _answer(self, stored: Stored, request: Request, how: str) -> Response:
        response = Response(
            stored.status, caching.with_age(stored, self._now()), stored.content,
            url=request.target, request=request, http_version=stored.version,
        )  # fmt: skip
        response.from_cache = how
        return response

    def _invalidate(self, request: Request, response: Response | None) -> None:
        """Drop what a write may have changed (section 4.4); None is a write whose outcome is not known."""
        self._forget(request, request.target)
        if response is None:
            return
        if not response.answers(request):
            self._forget(request, response.target)
        # section 4.4
        for name in ("Location", "Content-Location"):
            if name in response.headers:
                try:
                    named = _named(request, response, response.headers[name])
                except ValueError:
                    continue
                if named.origin == request.target.origin:  # section 4.4: another origin can't invalidate ours
                    self._forget(request, named)

    def _forget(self, request: Request, target: Target) -> None:
        key = _key(request, target)
        self._answers.drop(key)
        for fetch in self._fetching.get(key, ()):
            fetch.overtaken = True


def _named(request: Request, response: Response, location: str) -> Target:
    """The URL that a header names; one of an endpoint is one of the whole set."""
    if response.placed is None:
        return Target.of(join(request.url, location))
    return Target.of(response.placed.in_set(str(join(response.url, location))))


def _key(request: Request, target: Target | None = None) -> str:
    """The key of stored responses: the URL as text, and the host where the request names another one (rule 6)."""
    target = request.target if target is None else target
    text = target.text.partition("#")[0]
    if "Host" in request.headers:
        hosts = [host.lower() for host in request.headers.getall("Host")]
        if hosts != [target.host]:
            return f"cache {text} {' '.join(hosts)}"
    return f"cache {text}"


def _identity(request: Request, user: str | None) -> str:
    """Hash the credentials in a request's headers and the user of `auth=`; "" without any (rule 2)."""
    if user is None:
        return _NOBODY_KNOWS
    secrets = [(name.lower(), value) for name, value in request.headers.items() if _is_secret(name)]
    # the same key for all requests without credentials
    if not secrets and not user:
        return ""
    secrets.sort()
    if user:
        secrets.append(("", user))
    return sha256(repr(secrets).encode("utf-8", "surrogatepass")).hexdigest()


def _with(request: Request, conditions: dict[str, str]) -> Request:
    headers = CIMultiDict(request.headers)
    headers.update(conditions)
    return request.copy(headers=headers)
