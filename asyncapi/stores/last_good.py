"""Store the last good response to each GET, for fallbacks: in bounded memory, as plain tuples."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from asyncapi.messages.response import Response
from asyncapi.sansio.http.cache_control import directives
from asyncapi.sansio.http.caching import headers_of, plain_fields
from asyncapi.sansio.http.request_key import key_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.messages.request import Request
    from asyncapi.stores.answers import Answers

_OVERHEAD = 700  # bytes that a stored response takes beside its body and headers, roughly
_NOT_MODIFIED = 304
_ASKS_WHETHER_IT_HOLDS = frozenset({"if-none-match", "if-modified-since"})

Flat = tuple[float, int, str, tuple[str, ...], bytes]  # when it was stored, status, URL, names and values in turn, body


class LastGood:
    """The last good responses, and when they were received.

    Args:
        answers: Stores them as plain tuples in bounded memory; a cache may use the same store.
        unchanged: Whether the principal of a call is still the same, as in the cache layer.

    Attributes:
        unchanged: As above.
    """

    def __init__(self, answers: Answers[Flat], unchanged: Callable[[Request], Awaitable[bool]] | None = None) -> None:
        self._answers = answers
        self.unchanged = unchanged

    def put(self, request: Request, response: Response, now: float) -> None:
        """Store a good response to a GET, unless it says `no-store`."""
        if not _concerns(request) or not response.ok:
            return
        key = _key(request)
        if response.status == _NOT_MODIFIED:  # the stored response was good until now
            stored = self._answers.get(key)
            if stored is not None:
                self._answers.put(key, (now, *stored[1:]), _size(stored))
            return
        if "no-store" in directives(response.headers):
            self._answers.drop(key)
            return
        flat: Flat = (now, response.status, response.target.text, plain_fields(response.headers), response.content)
        self._answers.put(key, flat, _size(flat))

    def get(self, request: Request, oldest: float) -> tuple[float, Response] | None:
        """Return when the last good response was stored, and a copy of it; None if there is none since `oldest`."""
        if not _concerns(request):
            return None
        stored = self._answers.get(_key(request))
        if stored is None or stored[0] < oldest:
            return None
        at, status, url, fields, content = stored
        return at, Response(status, headers_of(fields), content, url=url, request=request)


def _key(request: Request) -> str:
    """Hash what tells a request from others: no credential is stored."""
    headers = [pair for pair in key_headers(request.headers) if pair[0] not in _ASKS_WHETHER_IT_HOLDS]
    text = repr((request.target.text, headers, request.call.principal)).encode("utf-8", "surrogatepass")
    return f"stale {sha256(text).hexdigest()}"


def _size(stored: Flat) -> int:
    """Return roughly how many bytes of memory a stored response takes."""
    return _OVERHEAD + len(stored[4]) + sum(len(text) + 60 for text in stored[3])


def _concerns(request: Request) -> bool:
    """Whether its response may be stored: its principal has to be known, and it must not say `no-store`."""
    return (
        request.method == "GET"
        and request.content is None
        and request.redirects is None  # a response that follows fewer redirects is nobody else's
        and request.call.principal is not None
        and "no-store" not in directives(request.headers)
    )
