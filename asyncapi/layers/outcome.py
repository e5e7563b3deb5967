"""Raise `OutcomeUnknown` for calls with an idempotency key that may have been carried out, and never guess.

A connection that breaks, or an attempt that takes too long, may have done its work. The retry layer resolves that by
sending the key again. If this has no clear result either, the error that ended the call (a refused connection, a 503,
the deadline) would be taken for "not done". It becomes an `OutcomeUnknown` with the key, to be sent again later.

The layer is outside the deadline, which cuts calls off too. Calls without a key bypass it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError, OutcomeUnknown, status_error
from asyncapi.sansio.failures.idempotency import outcome_unknown
from asyncapi.sansio.failures.resend import SAFE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Send


def outcome(inner: Send) -> Send:
    """Raise `OutcomeUnknown` where a call with a key may have been carried out.

    Raises (from the layer):
        OutcomeUnknown: The request may have been carried out or not; the failure is its `__cause__`.
    """

    def send(request: Request) -> Awaitable[Response]:  # no coroutine of its own where there is no key
        # a safe request can simply be sent again
        if request.idempotency_key is None or request.method in SAFE:
            return inner(request)
        return _known(inner, request)

    return send


async def _known(inner: Send, request: Request) -> Response:
    attempts = request.call.attempts
    try:
        response = await inner(request)
    except AsyncAPIError as error:
        if not outcome_unknown(request.method, attempts):
            raise
        raise _unknown(request, error) from error
    if outcome_unknown(request.method, attempts):
        cause = status_error(response, request=request, attempts=tuple(attempts))
        raise _unknown(request, cause) from cause
    return response


def _unknown(request: Request, failure: AsyncAPIError) -> OutcomeUnknown:
    key = str(request.idempotency_key)
    error = OutcomeUnknown(
        f"the request may have been carried out or not ({failure.message}): "
        f"to find out, send it again with idempotency_key={key!r}",
        idempotency_key=key,
        request=request,
    )
    error.phase = failure.phase
    return error
