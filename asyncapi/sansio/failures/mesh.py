"""Read what a service mesh says of a request in its response, and tell it in the request who retries.

A mesh is a proxy between services that retries, limits and balances by itself: Envoy and what is made of it (Istio, AWS
App Mesh, Consul ...), Linkerd. Header names, and what they mean, are Envoy's where nothing else is said (envoyproxy.io,
"Router": "HTTP response headers set on downstream responses", "consumed from upstream").

    x-envoy-attempt-count         how often the proxy has sent the request on: these attempts count as ours (rule 1)
    x-envoy-overloaded            the proxy dropped it for its circuit breaker or maintenance mode: as a 429, no failure
                                  of the host, nothing was done, one more attempt at most (rule 2)
    x-envoy-ratelimited           a rate limit refused it, whatever the status: as a 429 (envoyproxy.io, "Rate limit")
    x-envoy-immediate-health-check-fail   this endpoint wants no more requests, be the response good or bad
    grpc-status                   of a 200: the outcome (gRPC over HTTP/2, "Responses")
    "upstream connect error ... connection failure", "no healthy upstream"    of a 503: nothing was sent (rule 3)

Rules:
1. The count includes the first attempt. One that is no number says nothing; one above 100 counts as 100: it ends the
   retries of this call as well, and can't be more than wrong.
2. If the proxy has sent the request on before it refused a retry, the server may have done its work.
3. These texts are the proxy's own only where its count says that this was the first attempt, and where it does not
   say how long a server took (`x-envoy-upstream-service-time`): a server may pass on the error of another proxy. The
   proxy's settings may change them; they then prove nothing.
4. The last word on the outcome is the protocol's: what the speaker of a call has read is refined, never replaced.
5. Without its own limit for each attempt, Envoy would keep that of the route, however short; it ignores one that is not
   less than the total, which then holds alone. Time limits are rounded down: nobody works on for nobody.

What is asked of a proxy, in the request (Envoy heeds it from clients inside the mesh alone):
    envoy       x-envoy-max-retries, x-envoy-upstream-rq-timeout-ms, x-envoy-upstream-rq-per-try-timeout-ms
                (envoyproxy.io, "Router": "HTTP headers consumed from downstreams")
    linkerd     l5d-retry-limit, l5d-timeout, l5d-retry-timeout (linkerd.io, "Per-Request Policy")

`x-envoy-degraded` and `x-envoy-upstream-canary` are for the proxy, and change nothing here.
"""

from __future__ import annotations

from copy import copy
from math import floor, inf
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.messages.meaning import Meaning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

_ATTEMPTS = "x-envoy-attempt-count"
_OVERLOADED = "x-envoy-overloaded"
_RATE_LIMITED = "x-envoy-ratelimited"
_OUT = "x-envoy-immediate-health-check-fail"
_SERVICE_TIME = "x-envoy-upstream-service-time"
_MOST = 100  # attempts that a count is believed
_DIGITS = 9  # of a count
_GRPC_STATUS = "grpc-status"
_OK, _TOO_MANY_REQUESTS, _UNAVAILABLE = 200, 429, 503
# Rule 3: what Envoy's router says of a pool without hosts, and of a connection that never was. One that ended later
# ("connection termination") may have carried the request.
_UNSENT = (
    "no healthy upstream",
    *(
        f"upstream connect error or disconnect/reset before headers. reset reason: {what}"
        for what in (
            "connection failure", "remote connection failure", "local connection failure", "connection timeout",
        )
    ),
)  # fmt: skip
_READ = 200  # bytes of a body that are compared with these texts


# The names of what is asked of a proxy: no retries, the time of all attempts and of each; and the form of the times.
_ASKED = {
    "envoy": (
        "x-envoy-max-retries", "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms", "{}",
    ),
    "linkerd": ("l5d-retry-limit", "l5d-timeout", "l5d-retry-timeout", "{}ms"),
}  # fmt: skip


def failing(response: Response, meaning: Meaning | None) -> Meaning | None:
    """Say what a failing response means where a proxy tells: what holds without any setting.

    Args:
        response: The response of one attempt.
        meaning: What the protocol of its call says, if any.
    """
    status = response.status if meaning is None else meaning.status
    return meaning if status < 400 else _refined(response.headers, status, meaning)  # noqa: PLR2004 - where errors begin


def behind_a_mesh(response: Response, meaning: Meaning | None) -> Meaning | None:
    """Say what any response means, where the user says that a mesh is there.

    Args:
        response: The response of one attempt.
        meaning: What the protocol of its call says, if any.
    """
    if meaning is None and response.status == _OK:
        meaning = _of_grpc(response)
    status = response.status if meaning is None else meaning.status
    headers = response.headers
    if status >= 400:  # noqa: PLR2004
        refined = _refined(headers, status, meaning)
        if _never_sent(response, headers):
            refined = _own(refined, status)
            refined.unprocessed = True
        return refined
    if _OUT in headers:
        meaning = _own(meaning, status)
        meaning.out = True
    return meaning


def attempts_behind(headers: Mapping[str, str]) -> int:
    """How many attempts a proxy has made for this response (rule 1); 0 where it doesn't say."""
    value = headers.get(_ATTEMPTS, "").strip()
    readable = value.isascii() and value.isdigit() and len(value) <= _DIGITS
    return min(int(value), _MOST) if readable else 0


def _refined(headers: Mapping[str, str], status: int, meaning: Meaning | None) -> Meaning | None:
    """Refine the meaning of a failure by what a proxy tells."""
    attempts = attempts_behind(headers)
    overloaded, limited, out = _OVERLOADED in headers, _RATE_LIMITED in headers, _OUT in headers
    if attempts <= 1 and not (overloaded or limited or out):
        return meaning
    meaning = _own(meaning, status)
    if attempts > 1:
        meaning.attempts = max(meaning.attempts, attempts)
        meaning.unprocessed = False  # a status, be it 429, speaks of the last attempt alone
    meaning.out = meaning.out or out
    if overloaded:
        _as_rate_limit(meaning, f"{status}: overloaded ({_OVERLOADED})")
        meaning.unprocessed, meaning.more = attempts <= 1, 1  # rules 1 and 2
    elif limited and status != _TOO_MANY_REQUESTS:
        _as_rate_limit(meaning, f"{status}: rate limited ({_RATE_LIMITED})")
    return meaning


def _own(meaning: Meaning | None, status: int) -> Meaning:
    """Return a meaning to write into: a speaker may keep one for many responses."""
    return Meaning(status) if meaning is None else copy(meaning)


def _as_rate_limit(meaning: Meaning, text: str) -> None:
    meaning.status, meaning.failed = _TOO_MANY_REQUESTS, False
    meaning.text = meaning.text or text


def _never_sent(response: Response, headers: Mapping[str, str]) -> bool:
    """Whether the proxy proves that it could not connect to any server (rule 3)."""
    if attempts_behind(headers) != 1 or _SERVICE_TIME in headers:
        return False
    if response.status == _OK:  # to a gRPC call, Envoy says it so
        return headers.get("grpc-message", "").startswith(_UNSENT)
    return response.status == _UNAVAILABLE and response.content[:_READ].decode("latin-1").startswith(_UNSENT)


def _of_grpc(response: Response) -> Meaning | None:
    """Read the `grpc-status` of a 200; None where it has none, or is OK."""
    fields = response.headers if _GRPC_STATUS in response.headers else response.trailers
    status = fields.get(_GRPC_STATUS)
    if status is None or status.strip() == "0":
        return None
    from asyncapi.sansio.rpc import statuses  # noqa: PLC0415 - few calls are of gRPC
    from asyncapi.sansio.rpc.metadata import message_of  # noqa: PLC0415 - as above

    code = statuses.code_of(status.strip())
    return statuses.meaning_of(code, message_of(fields.get("grpc-message", "")), pushback=statuses.pushback_of(fields))


def with_most_retries(request: Request, most: int) -> Request:
    """Ask a proxy that has retried a request to do so at most so often; a number that the user has given stays.

    What the proxy made for the first attempt has counted; so that both together keep to one number, it gets the rest.
    """
    headers = CIMultiDict(request.headers)
    headers.setdefault(_ASKED["envoy"][0], str(most))
    return request.copy(headers=headers)


def asked_of(proxy: str, *, ours: bool, total: float, each: float) -> Iterator[tuple[str, str]]:
    """Yield the header fields that ask a proxy to leave retries to us or not, and to keep our time limits (rule 5).

    Args:
        proxy: "envoy" or "linkerd".
        ours: Whether this client retries, and the proxy should not.
        total: Seconds that we wait for the response of this attempt, the proxy's retries included; inf for no limit.
        each: Seconds that one attempt of the proxy may take; inf for no limit.
    """
    no_retries, for_all, for_each, form = _ASKED[proxy]
    if ours:
        yield no_retries, "0"
    if total < inf:
        yield for_all, form.format(_milliseconds(total))
    if min(each, total) < inf:
        yield for_each, form.format(_milliseconds(min(each, total)))


def _milliseconds(seconds: float) -> int:
    return max(1, floor(seconds * 1000))  # 0 is no limit to Envoy
