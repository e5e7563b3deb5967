"""Decide whether a request may be sent again, and whether that may help.

It may help after a failure that another attempt may not meet:
    connect errors (not TLS), a connection closed or broken mid-way, time-outs of an attempt,
    408 425 429 500 502 503 504; a 403 that is a rate limit (rate_limited.py); 529, as Anthropic says "overloaded"; and
    520 to 524, with which Cloudflare says that the server behind it gave nothing usable, was down, timed out (522, 524)
    or unreachable (developers.cloudflare.com, "Cloudflare 5xx errors"); or as the server says in `x-should-retry`.
It is safe where the server will not do the work twice:
    1. the caller says so (`idempotent=`); where nothing is said, the method is idempotent: GET HEAD OPTIONS TRACE PUT
       DELETE (RFC 9110 section 9.2.2), or
    2. the request carries an idempotency key, unless the caller says otherwise, or
    3. the failure proves that nothing was processed: no connection was made (also 521 and 523: none from Cloudflare
       to the server; a 522 may have come after one), the server or the transport says so (`ProtocolError.unprocessed`),
       a rate limit, or 529; unless it is what became of the GET that a redirect had made of a POST: the POST itself got
       a response.
    4. In every case its body can be sent from its beginning again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import ConnectError, ProtocolError, RequestTimeout, TransportError
from asyncapi.messages.request import Body
from asyncapi.sansio.limits.rate_limited import is_rate_limited

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # they do no work (RFC 9110 section 9.2.1)
IDEMPOTENT = SAFE | {"PUT", "DELETE"}  # RFC 9110 section 9.2.2
METHODS = IDEMPOTENT | {"POST", "PATCH"}
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_UNPROCESSED = frozenset({521, 523, 529})  # and rate limits
_TIMED_OUT = frozenset({504, 522, 524})  # what a proxy says of a host that does not respond in time


def rewindable(request: Request) -> bool:
    """Whether the body, if any, can be sent from its beginning again (rule 4)."""
    return not isinstance(request.content, Body) or request.content.rewindable


def safe(request: Request) -> bool:
    """Whether sending it twice does the work once, whatever became of the first (rules 1 and 2)."""
    return repeatable(request) and rewindable(request)


def repeatable(request: Request) -> bool:
    """Whether doing it twice does the work once (rules 1 and 2), whatever its body is."""
    if request.idempotent is not None:
        return request.idempotent
    return request.method in IDEMPOTENT or request.idempotency_key is not None


def timed_out(failure: Response | TransportError) -> bool:
    """Whether no response came in time, so that the host may still be working on the request."""
    if isinstance(failure, TransportError):
        return isinstance(failure, RequestTimeout) and failure.phase not in {"queue", "connect"}
    return failure.effective_status in _TIMED_OUT


def unprocessed(failure: Response | TransportError) -> bool:
    """Whether the failure proves that the server did nothing (rule 3)."""
    if isinstance(failure, TransportError):
        if isinstance(failure, ProtocolError):
            return failure.unprocessed
        return isinstance(failure, ConnectError) or (
            isinstance(failure, RequestTimeout) and failure.phase in {"queue", "connect"}
        )
    meaning = failure.meaning
    if meaning is not None and (meaning.unprocessed is not None or meaning.attempts > 1):
        return bool(meaning.unprocessed)  # of several attempts, a status speaks of the last alone
    status = failure.effective_status
    return status in _UNPROCESSED or is_rate_limited(status, failure.headers)


def not_begun(failure: TransportError) -> bool:
    """Whether the server or the transport says that the request was never begun: it is replayed at once."""
    return isinstance(failure, ProtocolError) and failure.unprocessed


def says_nothing(failure: TransportError) -> bool:
    """Whether the failure says nothing of the host: its connection was closed while idle, or for new requests."""
    return failure.stale or not_begun(failure)


def blames_host(failure: TransportError) -> bool:
    """Whether the failure says something of the host: a bound of ours or the end of a connection doesn't."""
    return not says_nothing(failure) and (not failure.final or isinstance(failure, ConnectError))


def resend_obstacle(request: Request, failure: Response | TransportError) -> str | None:
    """Why the request must not be sent again after this failure, or None if it may."""
    if safe(request):
        return None
    if not rewindable(request):
        return "its streamed body can't be sent again"
    attempts = request.call.attempts
    failed = failure.request or (attempts[-1] if attempts else request)  # another than `request` after a redirect
    if unprocessed(failure) and failed.method == request.method:  # rule 3
        return None
    if request.idempotent is False:
        return f"{request.method} with idempotent=False is not safe to resend"
    return f"{request.method} without an idempotency key is not safe to resend"
