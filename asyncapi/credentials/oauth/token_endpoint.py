"""Send requests to an authorization server: over the client's bare transport, in a few attempts, without its layers.

An attempt is repeated if that may help: after a failed or cut connection, a 408, a 429 or a 5xx. A refresh token whose
response was lost is sent again too: it is either still valid, or lost in any case. A `Retry-After` that is longer than
the pauses here ends the attempts; `tokens.py` waits for it if the calls have the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from asyncapi.credentials.base import NOTHING, Signature
from asyncapi.errors import AuthError, EgressDenied, TransportError
from asyncapi.messages.call import Call, CallSettings
from asyncapi.messages.request import Request
from asyncapi.sansio.auth.oauth_errors import read_refusal
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.http.retry_after import retry_after
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.credentials.base import AuthContext
    from asyncapi.messages.response import Response

ATTEMPTS = 3
_SETTINGS = CallSettings(connect=5.0, attempt=10.0)  # seconds to connect, and for an attempt in all
_BASE, _LONGEST_WAIT = 0.5, 5.0  # seconds between two attempts
_RETRIABLE = frozenset({408, 429, 500, 502, 503, 504})
_HEADERS = {"Accept": "application/json", "User-Agent": f"asyncapi-sdk/{VERSION}"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class EndpointFailed(AuthError):
    """No attempt got a response, or only responses that a later attempt might have changed.

    Attributes:
        retry_after: The server's `Retry-After` in seconds, or None.
    """

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


Sign = Callable[[Request, float], Request]


async def post(
    context: AuthContext,
    url: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    who: str,
    secrets: tuple[str, ...] = (),
    sign: Sign | None = None,
) -> Response:
    """Post a form.

    Args:
        context: The client's context.
        url: The endpoint.
        form: The fields; empty ones are left out (RFC 6749 section 3.2).
        headers: Further headers, such as the client's authentication.
        who: The endpoint's name in messages ("the token endpoint").
        secrets: Masked if the response repeats them, because errors show its text.
        sign: Signs each attempt, as in `Signature`.

    Raises:
        AuthError: No attempt got a response that is final.
    """
    content = urlencode([(name, value) for name, value in form.items() if value]).encode()
    request = Request("POST", url, headers=_HEADERS | _FORM | dict(headers), content=content)
    return await _send(context, request, who, Signature(secrets=secrets, sign=sign))


async def get(context: AuthContext, url: str, *, who: str) -> Response:
    """Get a document.

    Raises:
        AuthError: No attempt got a response that is final.
    """
    return await _send(context, Request("GET", url, headers=_HEADERS), who, NOTHING)


async def _send(context: AuthContext, request: Request, who: str, signature: Signature) -> Response:
    host = request.target.host
    failure: TransportError | EgressDenied | None = None
    wanted: float | None = None  # the last response's Retry-After
    for number in range(1, ATTEMPTS + 1):
        request.call = Call(context.clock.now(), host, _SETTINGS)
        # The transport reads both: whom to cancel when the time is up, and what to mask in errors.
        request.call.task, request.call.signature = asyncio.current_task(), signature
        wanted = None
        try:
            response = await context.send(signature.write(request, context.clock.wall()))
        except (TransportError, EgressDenied) as error:
            failure, why = error, error.message
            # A destination that policy denies, or a certificate that is wrong, stays so.
            if isinstance(error, EgressDenied) or error.final:
                break
        else:
            signature.erase(response, request)
            if response.status not in _RETRIABLE:
                return response
            failure, why = None, f"{response.status}{read_refusal(response.content).before()}"
            wanted = retry_after(response.headers, context.clock.wall())
        finally:
            request.call.task = None
        if number < ATTEMPTS:
            jittered = full_jitter(number, context.clock.random(), base=_BASE, cap=_LONGEST_WAIT)
            wait = jittered if wanted is None else wanted
            if wait > _LONGEST_WAIT:
                break
            await context.clock.sleep(wait)
    later = f"; it asks to retry after {wanted:.3g} s" if wanted else ""
    raise EndpointFailed(f"{who} at {request.url.origin()} failed: {why}{later}", wanted) from failure
