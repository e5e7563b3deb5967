"""Read what the codes of GraphQL errors mean to credentials, limits and retries.

A GraphQL server may say with the status 200 that a token has expired, or that a limit is reached: `extensions.code` of
an error does. The specification names no codes; these are those of servers and APIs (letters and digits count, so that
RATE_LIMITED, RATELIMITED and rate-limited are one). "FORBIDDEN", and "UNAUTHORIZED", which many use for it, are about
permissions: a fresh token would not help.

How long to wait stands in the extensions of the error or of the response: seconds (monday.com, Codex), milliseconds, a
time (graphql-rate-limit), or what the query costs and how fast that comes back (Shopify, "GraphQL Admin API rate
limits").

Rules:
1. The error that is dealt with first wins: a credential before a limit, a limit before a failure.
2. A failure (503, 504) counts where there is no data; with partial data the response is the caller's to judge.
3. It is no proof that nothing was done if the execution may have begun, or if the response may not be the server's
   and its status doesn't say the same.
"""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from asyncapi.messages.meaning import Meaning
from asyncapi.redact import one_line
from asyncapi.sansio.graphql.results import code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from asyncapi.sansio.graphql.results import Result

_STATUSES = {
    401: (
        "UNAUTHENTICATED AUTHENTICATION_ERROR AUTHENTICATION_REQUIRED AUTH_NOT_AUTHENTICATED UNAUTHENTICATED_ERROR "
        "TOKEN_EXPIRED EXPIRED_TOKEN INVALID_TOKEN JWT_EXPIRED INVALID_JWT UnauthorizedException"
    ),
    429: (
        "RATE_LIMITED RATE_LIMIT RATE_LIMIT_EXCEEDED RATE_LIMIT_ERROR REQUEST_RATE_LIMITED GRAPHQL_RATE_LIMIT "
        "THROTTLED THROTTLING ThrottlingException TOO_MANY_REQUESTS TooManyRequestsException "
        "COMPLEXITY_BUDGET_EXHAUSTED CONCURRENCY_LIMIT_EXCEEDED"
    ),
    503: "SERVICE_UNAVAILABLE OVER_CAPACITY OVERLOADED",
    504: "GATEWAY_TIMEOUT REQUEST_TIMEOUT",
}
_ORDER = (401, 429, 503, 504)  # rule 1
_FAILURES = 500
_SECONDS = {"RETRYAFTER", "RETRYAFTERSECONDS", "RETRYAFTERSEC", "RETRYINSECONDS", "RETRYIN"}
_MILLISECONDS = {"RETRYAFTERMS", "RETRYAFTERMILLIS", "RETRYAFTERMILLISECONDS", "RETRYINMS"}
_TIMES = {"RESETAT", "RETRYAT"}
_EPOCH_MS = 1e11  # a larger number counts milliseconds since the Unix epoch
_SHOWN = 60


def plain(code: Any) -> str:
    """The letters and digits of a code in upper case."""
    return "".join(filter(str.isalnum, str(code)[:80])).upper()


DEFAULT: Mapping[str, int] = {plain(code): status for status, codes in _STATUSES.items() for code in codes.split()}
"""The HTTP status whose treatment each code gets."""


def meaning_of(
    results: Iterable[Result], codes: Mapping[str, int], *, status: int, trusted: bool, wall: float
) -> Meaning | None:
    """Say what the errors of a response mean; None where no code says more than the HTTP status.

    Args:
        results: One, or those of a batch.
        codes: `DEFAULT`, or that with the user's own; their names as `plain` writes them.
        status: The HTTP status of the response.
        trusted: Whether the response is the GraphQL server's.
        wall: Now, in seconds since the Unix epoch.
    """
    found: dict[int, tuple[Any, float | None]] = {}
    executed = False
    for result in results:
        executed = executed or result.executed
        for error in result.errors:
            code = code_of(error)
            meant = _status(code, codes)
            if meant is None or (meant >= _FAILURES and result.data is not None):  # rule 2
                continue
            first, longest = found.get(meant, (code, None))
            waits = (longest, _wait(error.get("extensions"), wall))
            longest = max((wait for wait in waits if wait is not None), default=_wait(result.extensions, wall))
            found[meant] = first, longest
    for meant in (*_ORDER, *sorted(found)):
        if meant in found:
            code, wait = found[meant]
            doubtful = executed or not (trusted or status == meant)  # rule 3
            text = f"GraphQLError: {one_line(str(code))[:_SHOWN]}"
            return Meaning(meant, text, wait=wait, unprocessed=False if doubtful else None)
    return None


def _status(code: Any, codes: Mapping[str, int]) -> int | None:
    if code is None:
        return None
    name = plain(code)
    if name in codes:
        return codes[name]
    return int(name) if name in {"401", "429", "503", "504"} else None


def _wait(extensions: Any, wall: float) -> float | None:
    """Seconds that extensions ask to wait; None where they name no time."""
    if not isinstance(extensions, dict):
        return None
    for key, value in extensions.items():
        name = plain(key)
        if name in _SECONDS and (seconds := _number(value)) is not None:
            return max(0.0, seconds)
        if name in _MILLISECONDS and (millis := _number(value)) is not None:
            return max(0.0, millis / 1000)
        if name in _TIMES and (due := _time(value)) is not None:
            return max(0.0, due - wall)
    return _until_paid(extensions.get("cost"))


def _until_paid(cost: Any) -> float | None:
    """Seconds until Shopify's bucket holds what the query costs."""
    status = cost.get("throttleStatus") if isinstance(cost, dict) else None
    if not isinstance(status, dict):
        return None
    needed = _number(cost.get("requestedQueryCost"))
    there, rate = _number(status.get("currentlyAvailable")), _number(status.get("restoreRate"))
    if needed is None or there is None or rate is None or rate <= 0:
        return None
    return max(0.0, (needed - there) / rate)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _time(value: Any) -> float | None:
    """Seconds since the Unix epoch: of a number, or of a date as in RFC 3339."""
    if (number := _number(value)) is not None:
        return number / 1000 if number > _EPOCH_MS else number
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
