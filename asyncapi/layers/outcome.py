"""Calls with an idempotency key end as what they are: settled, refused, or unknown. Never guessed.

A cut connection, or an attempt that took too long, may have done its work. The retry layer resolves that by sending the
key again. Where this has come to no answer either, whatever ended the call (a refused connection, a 503, the deadline)
would be taken for "not done": it becomes an `OutcomeUnknown` with the key, which may be sent again later.

It stands outside the deadline, which cuts off too. Calls without a key pass it by.
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
    """The layer.

    Raises (from the layer):
        OutcomeUnknown: The work may have been done or not; the failure is its `__cause__`.
    """

    def send(request: Request) -> Awaitable[Response]:  # no coroutine of its own where there is no key
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
        f"it may have been done or not ({failure.message}): to find out, send it again with idempotency_key={key!r}",
        idempotency_key=key,
        request=request,
    )
    error.phase = failure.phase
    return error
