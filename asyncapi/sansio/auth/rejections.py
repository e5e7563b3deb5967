"""Whether a 401 is the token's fault, or that of the route which answers it.

    the token is revoked         a new one is taken everywhere
    the route refuses them all   the new one is refused there as well (a scope that is missing, a proxy)

1. A route's first refusal is believed: a new token is fetched, once for everybody.
2. A route that refuses the new token too is doubted: until a pause is over, which doubles each time (1 to 30 s), its
   refusals are its own, and no token is fetched for them.
3. Three at once, and one a second from then on, are believed in all; and where several in a row have not helped, fewer:
   routes without number are no way around the pause.

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

_FIRST, _LONGEST = 1.0, 30.0  # seconds
_AT_ONCE, _A_SECOND = 3, 1.0
_MOST = 128  # routes that are remembered
_LONG = 24  # characters of a path's segment that is no word any more
_VERSION = re.compile(r"[vV][0-9.]{1,8}")
_DEEP = 8  # segments that tell routes apart


class Doubts:
    """What is known of one token's refusals; times in seconds, on one clock."""

    __slots__ = ("_bucket", "_last", "_pause_until", "_routes", "_unhelped")

    def __init__(self) -> None:
        self._bucket = Bucket(_A_SECOND, 1.0, _AT_ONCE)
        self._routes: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # pause, and until when
        self._unhelped = 0  # in a row
        self._pause_until = -inf
        self._last: tuple[Hashable, Any] | None = None

    def __len__(self) -> int:
        return len(self._routes)

    def believe(self, route: Hashable, now: float) -> bool:
        """Whether a token should be fetched for this refusal; it is counted, then."""
        _, until = self._routes.get(route, (0.0, -inf))
        return now >= until and now >= self._pause_until and self._bucket.try_take(now)

    def helped(self, route: Hashable) -> None:
        """The new token was taken where the old one was refused."""
        self._routes.pop(route, None)
        self._unhelped, self._pause_until = 0, -inf

    def unhelped(self, route: Hashable, token: Any, now: float) -> None:
        """It was refused as well, or could not be had; that many calls say so of one token counts once."""
        if self._last is not None and self._last[0] == route and self._last[1] is token:
            return
        self._last = route, token
        pause, until = self._routes.pop(route, (0.0, -inf))
        if now >= until:
            pause = min(_LONGEST, 2.0 * pause or _FIRST)
            until = now + pause
            self._unhelped += 1
            if self._unhelped >= _AT_ONCE:
                self._pause_until = now + min(_LONGEST, _FIRST * 2.0 ** (self._unhelped - _AT_ONCE))
        self._routes[route] = pause, until
        if len(self._routes) > _MOST:
            self._routes.popitem(last=False)


def route_of(method: str, host: str, path: str) -> Hashable:
    """What tells a route from another; small, and the same for all of its resources."""
    segments = path.split("/", _DEEP + 1)[: _DEEP + 1]
    return hash((method, host, *("*" if len(each) > _LONG or not _is_word(each) else each for each in segments)))


def _is_word(segment: str) -> bool:
    return _VERSION.fullmatch(segment) is not None or not any(each.isdigit() for each in segment)
