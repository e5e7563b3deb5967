"""An HTTP cache for one client (RFC 9111): a hit sends nothing and waits for nothing.

Rules:
1. What may be stored, used, or has to be asked again is decided in `sansio/http/caching.py`.
2. Whose an answer is belongs to its key: credentials in the request's headers by their hash, the client's `auth=` by
   the user that it acts for (`call.principal`). Where nobody can tell, or that has changed meanwhile, only what is
   `public` is stored. Where an answer came from after a redirect, or from a fallback, it is not stored.
3. A write (POST, PUT, PATCH, DELETE ...) that succeeds, or whose outcome nobody knows, forgets what is stored of its
   URL, of where it was redirected to, and of the `Location` and `Content-Location` of the same origin (section 4.4).
   What was asked for before that, and comes after, is not stored. A HEAD that finds another answer there forgets the
   stored one (section 4.3.5).
4. A 304 is the cache's own affair: who asked without conditions gets the stored answer. Requests with conditions or
   ranges of their own, or with `no-store`, pass it by.
5. Two calls that ask for the same at the same time both ask: let `single_flight` share that.
6. A request's own `Host` is part of the key: it names another server behind the same address (RFC 9110 section 7.1).
7. A streamed call is answered from what is stored; what comes as a stream is not stored, not even in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.errors import RejectedError, TransportError
from asyncapi.messages.response import Response
from asyncapi.messages.uri import join
from asyncapi.redact import is_secret
from asyncapi.sansio.failures.resend import SAFE
from asyncapi.sansio.http import caching
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.caching import Stored
from asyncapi.sansio.http.origin import origin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.sansio.http.caching import Kept
    from asyncapi.settings import Cache
    from asyncapi.stores.answers import Answers
    from asyncapi.types import Layer, Send

_NOT_MODIFIED = 304
_ERRORS = frozenset({500, 502, 503, 504})  # RFC 5861 section 4
_is_secret = lru_cache(maxsize=1024)(is_secret)  # asked of every header of every call
_MOST_VARIANTS = 32  # of one URL
_NOBODY_KNOWS = "?"  # the identity of no stored response
_EVERYBODY = "public"  # the user of an answer that is for all


@dataclass(slots=True)
class Counts:
    """What the cache has done.

    Attributes:
        hits: Calls that were answered without asking.
        revalidated: Calls whose stored answer was found valid.
        stale: Calls that got a stored answer because the server could not be asked.
        misses: Calls that were asked for in full.
        stored: Answers stored.
    """

    hits: int = 0
    revalidated: int = 0
    stale: int = 0
    misses: int = 0
    stored: int = 0


def cache(
    answers: Answers[tuple[Kept, ...]],
    settings: Cache,
    counts: Counts,
    clock: Clock,
    unchanged: Callable[[Request], Awaitable[bool]] | None = None,
    *,
    asking: dict[str, set[Asked]] | None = None,
) -> Layer:
    """Answer from what is stored where that is allowed.

    Args:
        answers: Where it is stored.
        settings: The user's choices.
        counts: What was done.
        clock: Its date is what ages are counted by.
        unchanged: Whether `auth=` acts for nobody but `call.principal` since that was said; None for one user's client.
        asking: Questions under way by key, where another chain of the same client shares them.
    """
    shared: dict[str, set[Asked]] = {} if asking is None else asking

    def layer(inner: Send) -> Send:
        return _Cache(inner, answers, settings, counts, clock, asking=shared, unchanged=unchanged).send

    return layer


class Asked:
    """A question under way, and whether a write has overtaken it."""

    __slots__ = ("overtaken",)

    def __init__(self) -> None:
        self.overtaken = False


class _Cache:
    def __init__(
        self,
        inner: Send,
        answers: Answers[tuple[Kept, ...]],
        settings: Cache,
        counts: Counts,
        clock: Clock,
        *,
        asking: dict[str, set[Asked]],
        unchanged: Callable[[Request], Awaitable[bool]] | None,
    ) -> None:
        self._unchanged = unchanged
        self._inner = inner
        self._answers = answers
        self._settings = settings
        self._counts = counts
        self._now = clock.wall
        self._asking = asking

    async def send(self, request: Request) -> Response:
        if request.method not in SAFE:
            return await self._write(request)
        if request.method == "HEAD":
            response = await self._inner(request)
            self._compare(request, response)
            return response
        if request.redirects is not None:  # what it gets is no response for calls that follow as many as usual
            return await self._inner(request)
        if request.content is not None or not caching.concerns(request.method, request.headers):
            return await self._inner(request)
        identity, key = _identity(request, request.call.principal), _key(request)
        kept = self._answers.get(key) or ()
        stored = caching.choose(kept, identity, request.headers)
        if stored is None and self._unchanged is not None:
            stored = caching.choose(kept, _identity(request, _EVERYBODY), request.headers)
        if stored is not None and caching.usable(stored, request.headers, self._now()):
            self._counts.hits += 1
            return self._answer(stored, request, "fresh")
        if "only-if-cached" in directives(request.headers):
            return Response(504, url=request.url, request=request)
        mine = Asked()
        self._asking.setdefault(key, set()).add(mine)
        try:
            return await self._ask(request, stored, mine)
        finally:
            self._asking[key].discard(mine)
            if not self._asking[key]:
                del self._asking[key]

    async def _write(self, request: Request) -> Response:
        """Send what may change something, and forget what it may have changed."""
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
        """What the answer to a HEAD says of the stored one."""
        if response.status != 200 or response.url != request.url or response.degraded:  # noqa: PLR2004
            return
        for user in {request.call.principal, _EVERYBODY}:
            kept = self._answers.get(_key(request)) or ()
            stored = caching.choose(kept, _identity(request, user), request.headers)
            if stored is not None and caching.outdated(stored, response.headers):
                self._keep(request, None, replaces=stored)

    async def _ask(self, request: Request, stored: Stored | None, mine: Asked) -> Response:
        """Ask the server: for the whole, or whether what is stored still holds."""
        asked = self._now()
        conditions = {} if stored is None else caching.conditions(stored)
        try:
            response = await self._inner(_with(request, conditions) if conditions else request)
        except (TransportError, RejectedError) as error:
            if (old := self._in_place(stored, request, type(error).__name__)) is not None:
                return old
            raise
        if response.status in _ERRORS and (old := self._in_place(stored, request, str(response.status))) is not None:
            return old
        if stored is not None and conditions and response.status == _NOT_MODIFIED:
            valid = None
            if response.url == request.url and await self._owner(request, stored.headers) == stored.identity:
                valid = caching.freshened(
                    stored, response.headers,
                    asked=asked, came=self._now(), request=request.headers, heuristic=self._settings.heuristic,
                )  # fmt: skip
            if valid is not None:
                self._counts.revalidated += 1
                if not mine.overtaken:
                    good = caching.storable(valid.status, valid.headers)
                    self._keep(request, valid if good else None, replaces=stored)
                return self._answer(valid, request, "revalidated")
            self._answers.drop(_key(request))  # the server knows another one, or speaks of another's
            asked, response = self._now(), await self._inner(request)
        self._counts.misses += 1
        came, owner = self._now(), await self._owner(request, response.headers)
        if not mine.overtaken:
            self._store(request, response, owner, (asked, came), stored)
        return response

    async def _owner(self, request: Request, headers: Mapping[str, str]) -> str | None:
        """Whose the answer with these headers is; None where nobody can tell (any more)."""
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
        when: tuple[float, float],
        stored: Stored | None,
    ) -> None:
        if response.degraded or response.url != request.url:
            return
        asked, came = when
        made = None if response.open_body is not None or identity is None else caching.store(
            response.status, response.headers, response.content,
            version=response.http_version, asked=asked, came=came,
            identity=identity, request=request.headers, heuristic=self._settings.heuristic,
        )  # fmt: skip
        if made is not None:
            self._counts.stored += 1
            self._keep(request, made, replaces=stored)
        elif stored is not None and response.ok:
            self._keep(request, None, replaces=stored)

    def _keep(self, request: Request, stored: Stored | None, *, replaces: Stored | None) -> None:
        key = _key(request)
        others = [
            one
            for one in self._answers.get(key) or ()
            if one != replaces and (stored is None or one[:2] != (stored.identity, stored.varies))
        ]
        kept = (*others, tuple(stored)) if stored is not None else tuple(others)
        kept = kept[-_MOST_VARIANTS:]
        if kept:
            self._answers.put(key, kept, sum(Stored._make(one).size for one in kept))
        else:
            self._answers.drop(key)

    def _in_place(self, stored: Stored | None, request: Request, why: str) -> Response | None:
        """The stored answer in place of one that could not be had, where that is allowed."""
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
            url=request.url, request=request, http_version=stored.version,
        )  # fmt: skip
        response.from_cache = how
        return response

    def _invalidate(self, request: Request, response: Response | None) -> None:
        """Forget what a write may have changed; None is a write whose outcome is not known."""
        self._forget(request, request.url)
        if response is None:
            return
        if response.url != request.url:
            self._forget(request, response.url)
        for name in ("Location", "Content-Location"):
            if name in response.headers:
                try:
                    named = join(request.url, response.headers[name])
                except ValueError:
                    continue
                if origin(named) == origin(request.url):
                    self._forget(request, named)

    def _forget(self, request: Request, url: URL) -> None:
        key = _key(request, url)
        self._answers.drop(key)
        for asked in self._asking.get(key, ()):
            asked.overtaken = True


def _key(request: Request, url: URL | None = None) -> str:
    """What answers are stored under: the URL as text, and the host where the request names another one."""
    url = request.url if url is None else url
    text = str(url)
    if url.raw_fragment:
        text = text.partition("#")[0]
    if "Host" in request.headers:
        hosts = [host.lower() for host in request.headers.getall("Host")]
        if hosts != [url.host_port_subcomponent]:
            return f"cache {text} {' '.join(hosts)}"
    return f"cache {text}"


def _identity(request: Request, user: str | None) -> str:
    """Whose request it is, by the credentials that its headers carry and by `auth=`; "" without any."""
    if user is None:
        return _NOBODY_KNOWS
    secrets = [(name.lower(), value) for name, value in request.headers.items() if _is_secret(name)]
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
