"""Asking an authorization server: forms over the bare transport of the client, a few tries, no layer above.

A try is repeated where another may mend it: no connection, a connection cut, 429, 5xx. A refresh token whose answer was
lost is sent again too: it is either still good, or lost in any case. Who is told to come back later than that
(`Retry-After`) is given up here, and asked again by whoever has the time (`tokens.py`).
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

TRIES = 3
_SETTINGS = CallSettings(connect=5.0, attempt=10.0)  # seconds
_BASE, _LONGEST_WAIT = 0.5, 5.0  # seconds between two tries
_MENDABLE = frozenset({408, 429, 500, 502, 503, 504})
_HEADERS = {"Accept": "application/json", "User-Agent": f"asyncapi-sdk/{VERSION}"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class NoAnswer(AuthError):
    """No answer came, or only of the kind that another try might have mended.

    Attributes:
        retry_after: Seconds after which the server wants to be asked again, or None.
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
        context: The client's.
        url: Where to.
        form: The fields; empty ones are left out.
        headers: Such as the client's authentication.
        who: What is asked, for messages ("the token endpoint").
        secrets: What is masked where the answer repeats it: errors show what it says.
        sign: Signs each try anew, as in `Signature`.

    Raises:
        AuthError: No answer came, or only of the kind that another try might have mended.
    """
    content = urlencode([(name, value) for name, value in form.items() if value]).encode()
    request = Request("POST", url, headers=_HEADERS | _FORM | dict(headers), content=content)
    return await _ask(context, request, who, Signature(secrets=secrets, sign=sign))


async def get(context: AuthContext, url: str, *, who: str) -> Response:
    """Get a document.

    Raises:
        AuthError: As for `post`.
    """
    return await _ask(context, Request("GET", url, headers=_HEADERS), who, NOTHING)


async def _ask(context: AuthContext, request: Request, who: str, signature: Signature) -> Response:
    host = request.url.host_port_subcomponent or ""
    failure: TransportError | EgressDenied | None = None
    told: float | None = None
    for number in range(1, TRIES + 1):
        request.call = Call(context.clock.now(), host, _SETTINGS)
        request.call.task, request.call.signature = asyncio.current_task(), signature
        told = None
        try:
            response = await context.send(signature.write(request, context.clock.wall()))
        except (TransportError, EgressDenied) as error:
            failure, said = error, error.message
            if isinstance(error, EgressDenied) or error.final:
                break
        else:
            signature.erase(response, request)
            if response.status not in _MENDABLE:
                return response
            failure, said = None, f"{response.status}{read_refusal(response.content).before()}"
            told = retry_after(response.headers, context.clock.wall())
        finally:
            request.call.task = None
        if number < TRIES:
            wait = full_jitter(number, context.clock.random(), base=_BASE, cap=_LONGEST_WAIT) if told is None else told
            if wait > _LONGEST_WAIT:
                break
            await context.clock.sleep(wait)
    later = f"; it asks to come back in {told:.3g} s" if told else ""
    raise NoAnswer(f"{who} at {request.url.origin()} gave no answer: {said}{later}", told) from failure
