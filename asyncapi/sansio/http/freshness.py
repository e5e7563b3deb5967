"""How long a stored response may be used, and whether it may be used for a request (RFC 9111 section 4.2, RFC 5861).

    fresh           for max-age, else Expires less Date, else a share of its age where the user wants that (section
                    4.2.2) and its status is cacheable without more words, or it says `public`
    used stale      where the request allows it (`max-stale`), while it is revalidated (`stale-while-revalidate`), or
                    where the server can't be reached (`stale-if-error`); never against `must-revalidate` or `no-cache`

What can't be read counts so that the server is asked: an invalid or contradicted lifetime is none (section 4.2.1).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.sansio.http.cache_control import argument, directives, seconds
from asyncapi.sansio.http.fields import elements, lines
from asyncapi.sansio.http.http_date import http_date

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.sansio.http.cache_control import Directives
    from asyncapi.sansio.http.stored_response import Stored

CACHEABLE = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})  # RFC 9110 section 15.1
_SERVER_ERROR = 500
SKEW = 60.0  # seconds by which the clocks of two machines may differ
_MOST = 2**31  # seconds (section 1.2.2)
_UNKNOWN = 4.0 * _MOST  # more than any lifetime
_STRICT = frozenset({"max-age", "min-fresh", "no-cache"})  # what a request may want of freshness


def lifetime(status: int, headers: Mapping[str, str], own: Directives, response_time: float, heuristic: float) -> float:
    """The freshness lifetime in seconds (section 4.2.1); of several Expires, the least counts."""
    if "max-age" in own:
        return argument(own["max-age"])
    made = http_date(headers.get("Date"), response_time)
    made = response_time if made is None else made
    if "Expires" in headers:
        ends = [
            http_date(text, response_time) for text in lines(headers, "Expires")
        ]  # "0" and the like are in the past
        return min(0.0 if end is None else max(0.0, end - made) for end in ends)
    if not heuristic or not (status in CACHEABLE or "public" in own):  # section 4.2.2
        return 0.0
    modified = http_date(headers.get("Last-Modified"), response_time)
    return 0.0 if modified is None else max(0.0, made - modified) * heuristic


def age(stored: Stored, now: float) -> float:
    """Seconds since it was made, or was last found valid (section 4.2.3).

    One that came in the future was stored by a clock that was wrong: nobody knows how old it is.
    """
    resident = now - stored.response_time
    if resident < -SKEW:
        return _UNKNOWN
    return stored.initial_age + max(0.0, resident)


def initial_age(headers: Mapping[str, str], request_time: float, response_time: float) -> float:
    """The corrected initial age, by its Age, whose first element counts (section 5.1), and its Date (section 4.2.3)."""
    first = next(elements(lines(headers, "Age")), "").partition(";")[0]
    stated, made = seconds(first) or 0.0, http_date(headers.get("Date"), response_time)
    apparent = 0.0 if made is None else max(0.0, response_time - made)
    return max(apparent, stated + max(0.0, response_time - request_time))


def with_age(stored: Stored, now: float) -> CIMultiDictProxy[str]:
    """Its headers, with its age in `Age` (section 5.1)."""
    return aged(stored.headers, stored, now)


def aged(headers: CIMultiDict[str], stored: Stored, now: float) -> CIMultiDictProxy[str]:
    """Headers of a response made of a stored one, with its age."""
    headers["Age"] = str(min(_MOST, int(age(stored, now))))
    return CIMultiDictProxy(headers)


def usable(stored: Stored, request: Mapping[str, str], now: float) -> bool:
    """Whether it may be used without revalidation (sections 4.2, 5.2.1)."""
    wanted = directives(request)
    if stored.no_cache or "no-cache" in wanted:  # sections 5.2.2.4 and 5.2.1.4
        return False
    old, fresh_for = age(stored, now), stored.fresh_for
    if not wanted:
        return old < fresh_for
    if "max-age" in wanted and old > argument(wanted["max-age"]):  # section 5.2.1.1
        return stored.immutable and old < fresh_for and "min-fresh" not in wanted  # RFC 8246 section 2: a reload
    if "min-fresh" in wanted:  # section 5.2.1.3
        least = seconds(wanted["min-fresh"])
        return least is not None and fresh_for - old >= least
    if old < fresh_for:
        return True
    if "max-stale" not in wanted or stored.must_revalidate:  # sections 5.2.1.2 and 5.2.2.2
        return False
    return old - fresh_for <= (inf if wanted["max-stale"] == "" else argument(wanted["max-stale"]))


def usable_meanwhile(stored: Stored, request: Mapping[str, str], now: float) -> bool:
    """Whether it may be used stale at once, while it is revalidated in the background (RFC 5861 section 3).

    Not where the request says how fresh it has to be, and not in place of an error.
    """
    if stored.stale_while_revalidate < 0 or stored.no_cache or stored.must_revalidate:
        return False
    if stored.status >= _SERVER_ERROR or not directives(request).keys().isdisjoint(_STRICT):
        return False
    return age(stored, now) - stored.fresh_for <= stored.stale_while_revalidate


def usable_on_error(stored: Stored, request: Mapping[str, str], now: float, allowed: float = 0.0) -> bool:
    """Whether it may be used stale, because the server could not be reached (RFC 5861 section 4).

    Args:
        stored: The stored response.
        request: The request's headers.
        now: The date.
        allowed: Seconds over its time that the user allows, where neither says `stale-if-error`.
    """
    wanted = directives(request)
    if stored.status >= _SERVER_ERROR or stored.no_cache or stored.must_revalidate or "no-cache" in wanted:
        return False
    limits = [argument(wanted["stale-if-error"])] if "stale-if-error" in wanted else []
    if stored.stale_if_error >= 0:
        limits.append(stored.stale_if_error)
    return age(stored, now) - stored.fresh_for <= max(limits, default=allowed)
