"""Tell whether a 401 is the token's fault, or that of the route which sends it.

    the token is revoked         a new one is taken everywhere
    the route rejects them all   the new one is rejected there as well (a scope that is missing, a proxy)

1. A route's first rejection is taken as the token's fault: a new token is fetched, once for everybody.
2. A route that rejects the new token too is distrusted: until a pause is over, which doubles each time (1 to 30 s), its
   rejections are its own fault, and no token is fetched for them.
3. Three at once, and one a second from then on, are taken as the token's fault in all; and where several in a row have
   not helped, fewer: routes without number are no way around the pause.

A route is a method, a host and a path in which whatever has a digit stands for any other: `GET h /users/*`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.limits.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Hashable

_FIRST, _LONGEST = 1.0, 30.0  # seconds of a pause
_AT_ONCE, _A_SECOND = 3, 1.0  # renewals
_MOST = 128  # routes that are remembered
_LONG = 24  # characters: a longer segment of a path is no word
_VERSION = re.compile(r"[vV][0-9.]{1,8}")
_DEEP = 8  # segments that tell routes apart


class Rejections:
    """The 401s that one token has met; times in seconds, on one clock."""

    __slots__ = ("_bucket", "_last", "_pause_until", "_routes", "_unhelped")

    def __init__(self) -> None:
        self._bucket = Bucket(_A_SECOND, 1.0, _AT_ONCE)
        self._routes: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # seconds of the pause, and its end
        self._unhelped = 0  # renewals in a row that did not help
        self._pause_until = -inf
        self._last: tuple[Hashable, Any] | None = None

    def __len__(self) -> int:
        return len(self._routes)

    def may_renew(self, route: Hashable, now: float) -> bool:
        """Whether a token should be fetched for this rejection; if so, it is counted."""
        _, until = self._routes.get(route, (0.0, -inf))
        return now >= until and now >= self._pause_until and self._bucket.try_take(now)  # rules 1, 2 and 3

    def renewal_helped(self, route: Hashable) -> None:
        """Take in that the new token was accepted where the old one was rejected."""
        self._routes.pop(route, None)
        self._unhelped, self._pause_until = 0, -inf

    def renewal_failed(self, route: Hashable, token: Any, now: float) -> None:
        """Take in that the new token was rejected too, or could not be had; one of many calls with it counts."""
        if self._last is not None and self._last[0] == route and self._last[1] is token:
            return
        self._last = route, token
        pause, until = self._routes.pop(route, (0.0, -inf))
        if now >= until:  # rule 2
            pause = min(_LONGEST, 2.0 * pause or _FIRST)
            until = now + pause
            self._unhelped += 1
            if self._unhelped >= _AT_ONCE:  # rule 3
                self._pause_until = now + min(_LONGEST, _FIRST * 2.0 ** (self._unhelped - _AT_ONCE))
        self._routes[route] = pause, until
        if len(self._routes) > _MOST:
            self._routes.popitem(last=False)


def route_of(method: str, host: str, path: str) -> Hashable:
    """The route of a request, as a small key: the same for all resources of a kind."""
    segments = path.split("/", _DEEP + 1)[: _DEEP + 1]
    words = ("*" if len(segment) > _LONG or not _is_word(segment) else segment for segment in segments)
    return hash((method, host, *words))


def _is_word(segment: str) -> bool:
    return _VERSION.fullmatch(segment) is not None or not any(character.isdigit() for character in segment)
