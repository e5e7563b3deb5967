"""Find the stored response that belongs to a request, and make a response of it; say whose a response is.

The principal of a response belongs to its key: credentials in the request's headers by their hash, the client's `auth=`
by the user that it acts for (`call.principal`). Where that user is unknown, or has changed meanwhile, only a response
that says `public` belongs to anybody: then to everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from asyncapi.messages.response import Response
from asyncapi.messages.target import Target
from asyncapi.messages.uri import join
from asyncapi.sansio.http import caching, partial_content
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.caching import Fetched, Stored
from asyncapi.sansio.http.request_key import identity, url_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.stores.variants import Variants

_EVERYBODY = "public"  # the principal of responses that say `public`
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Counts:
    """What the cache has done.

    Attributes:
        hits: Calls that got a stored response without a request.
        revalidated: Calls whose stored response the server confirmed.
        stale: Calls that got a stale response: because the server could not be reached, or while it is asked again in
            the background (`stale-while-revalidate`).
        misses: Calls that got the whole response from the server.
        stored: Responses stored.
    """

    hits: int = 0
    revalidated: int = 0
    stale: int = 0
    misses: int = 0
    stored: int = 0


class Shelf:
    """The stored responses of a client, by request.

    Args:
        variants: Keeps them.
        clock: Its date is what ages are counted by.
        unchanged: Whether `auth=` still acts for `call.principal`; None for a client with one user.
        heuristic: As in `asyncapi.Cache`.
        redirects: Whether calls that don't say so themselves follow redirects.

    Attributes:
        variants: As above.
        now: The date, in seconds since the Unix epoch.
    """

    __slots__ = ("_heuristic", "_monotonic", "_redirects", "_unchanged", "now", "variants")

    def __init__(
        self,
        variants: Variants,
        clock: Clock,
        unchanged: Callable[[Request], Awaitable[bool]] | None,
        *,
        heuristic: float,
        redirects: bool,
    ) -> None:
        self.variants = variants
        self.now: Callable[[], float] = clock.wall
        self._monotonic = clock.now
        self._unchanged = unchanged
        self._heuristic = heuristic
        self._redirects = redirects

    def spare(self, request: Request) -> float:
        """Seconds that a call can wait for a store: half of what it has left."""
        return inf if request.deadline is None else (request.deadline - self._monotonic()) / 2

    def follows(self, request: Request) -> bool:
        """Whether a redirect would not be what other calls get (rule 2)."""
        return self._redirects or request.redirects is not None

    def find(self, request: Request, key: str) -> Stored | None:
        """Return the stored response that belongs to a request, its user's own or everybody's."""
        variants = self.variants.get(key)
        if not variants:
            return None
        stored = caching.choose(variants, identity(request.headers, request.call.principal), request.headers)
        if stored is None and self._unchanged is not None:
            stored = caching.choose(variants, identity(request.headers, _EVERYBODY), request.headers)
        if stored is not None and stored.status in REDIRECTS and self.follows(request):  # rule 2
            return None
        return stored

    def identities(self, request: Request) -> set[str]:
        """The identities that a stored response may have to belong to a request."""
        return {identity(request.headers, user) for user in (request.call.principal, _EVERYBODY)}

    async def owner(self, request: Request, headers: Mapping[str, str]) -> str | None:
        """Return the identity that a response with these headers belongs to; None where it is unknown (rule 2)."""
        if self._unchanged is None:
            return identity(request.headers, "")
        if "public" in directives(headers):
            return identity(request.headers, _EVERYBODY)
        return identity(request.headers, request.call.principal) if await self._unchanged(request) else None

    def fetched(self, request: Request, began: float) -> Fetched:
        """Say when, and for which request, a response was fetched that has just come."""
        return Fetched(began, self.now(), request.headers, self._heuristic)

    def answer(self, stored: Stored, request: Request, how: str) -> Response:
        """Make a response of a stored one; `how` is its `from_cache`."""
        response = Response(
            stored.status, caching.with_age(stored, self.now()), stored.content,
            url=request.target, request=request, http_version=stored.version,
        )  # fmt: skip
        response.from_cache = how
        return response

    async def part_of(self, request: Request, response: Response, began: float) -> Stored | None:
        """Make a stored part of a 206, if it may be stored."""
        owner = await self.owner(request, response.headers)
        if owner is None or response.open_body is not None:
            return None
        return partial_content.store(
            response.headers, response.content, self.fetched(request, began),
            version=response.http_version, identity=owner,
        )  # fmt: skip


def key_of(request: Request, target: Target | None = None) -> str:
    """The key of whole responses (rule 6)."""
    target = request.target if target is None else target
    return f"cache {url_key(target.text, target.host, request.headers)}"


def target_of(request: Request, response: Response, location: str) -> Target:
    """The URL that a header names; one of an endpoint is one of the whole set."""
    if response.placed is None:
        return Target.of(join(request.url, location))
    return Target.of(response.placed.in_set(str(join(response.url, location))))


def unavailable(request: Request) -> Response | None:
    """The response to `only-if-cached` (section 5.2.1.7) where no stored one may be used; None for other requests."""
    return (
        Response(504, url=request.target, request=request) if "only-if-cached" in directives(request.headers) else None
    )
