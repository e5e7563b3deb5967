"""Name what retries are learned for: a route, and a kind of failure.

Where a call has no `route=`, its path stands for it, and each segment with a digit in it, or a very long one, for any:
`/users/17` and `/users/18` are one route.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.errors import TransportError
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

_SEGMENT, _SEGMENTS = 32, 12  # characters and segments of a path that keys keep
_ROUTE, _KIND = 256, 48  # characters of a route and of a kind

Key = tuple[str, str]
"""Route and kind of failure."""


def key_of(request: Request, failure: Response | TransportError) -> Key:
    """Name the route and the kind of failure that a retry is learned for."""
    kind: str | int
    if isinstance(failure, Exception):
        kind = type(failure).__name__
    elif failure.meaning is not None and failure.meaning.text:
        kind = str(failure.meaning.shown)
    else:
        kind = failure.effective_status
    return _key(request.method, request.route, "" if request.route is not None else request.call.original.path, kind)


@lru_cache(1024)
def _key(method: str, route: str | None, path: str, kind: str | int) -> Key:
    """Make a key of the parts of it: a status, the code of a protocol, or the class of an error is the kind."""
    return f"{method} {(route_of(path) if route is None else route)[:_ROUTE]}", str(kind)[:_KIND]


@lru_cache(1024)
def route_of(path: str) -> str:
    """Make a route of a path: what looks like the name of one thing stands for any."""
    segments = path.partition("?")[0].split("/", _SEGMENTS + 1)
    del segments[_SEGMENTS + 1 :]
    return "/".join("{}" if _is_name_of_one(segment) else segment for segment in segments) or "/"


def _is_name_of_one(segment: str) -> bool:
    if len(segment) > _SEGMENT:
        return True
    if segment[:1] == "v" and segment[1:].isdecimal():  # a version
        return False
    return any(character.isdecimal() for character in segment)
