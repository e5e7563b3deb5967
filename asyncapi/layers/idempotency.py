"""Two layers for calls with an idempotency key: raise `OutcomeUnknown` for what may be done, and send the same bytes.

The outcome, outside the deadline, which cuts calls off too:
1. A connection that breaks, or an attempt that takes too long, may have done its work. The retry layer resolves that by
   sending the key again. If this has no clear result either, the error that ended the call (a refused connection, a
   503, the deadline) would be taken for "not done". It becomes an `OutcomeUnknown` with the key, to be sent later.

The body snapshot, inside the deadline, which covers the reading:
2. Text, JSON and forms are bytes from the start. A file, or any other body that is opened again for each attempt, could
   have changed by then: it is read once, here, into memory. Its bytes are also compared with those that its key was
   used for before.
3. The boundary of a multipart form is derived from its content, so that a replay, in another process too, sends the
   same bytes: servers that compare fingerprints expect that.
4. A body that can't be read twice is left alone, since it is never sent again; so is one larger than `LARGEST`.

Calls without a key bypass both.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.errors import AsyncAPIError, ConfigError, OutcomeUnknown, status_error
from asyncapi.messages.request import Body
from asyncapi.sansio.failures.idempotency import outcome_unknown
from asyncapi.sansio.failures.resend import SAFE
from asyncapi.transports.upload import checked

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.idempotency import UsedKeys
    from asyncapi.types import Layer, Send

LARGEST = 4 * 1024 * 1024  # bytes; a hundred calls at a time must not fill the memory
_BOUNDARY = re.compile(r"(multipart/form-data; boundary=)([0-9a-f]{32})")  # as `messages/encoding.py` writes it


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
        raise _unknown(request, error) from error  # rule 1
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


def body_snapshot(used: UsedKeys) -> Layer:
    """Buffer bodies of calls with an idempotency key.

    Args:
        used: Remembers what keys were used for.

    Raises (from the layer):
        ConfigError: The key was used for another body, or the body can't be read. Nothing was sent.
    """

    def layer(inner: Send) -> Send:
        def send(request: Request) -> Awaitable[Response]:  # no coroutine of its own where there is nothing to buffer
            body = request.content
            if request.idempotency_key is None or not isinstance(body, Body) or not body.rewindable:  # rule 4
                return inner(request)
            return _send_snapshot(inner, request, body, used)

        return send

    return layer


async def _send_snapshot(inner: Send, request: Request, body: Body, used: UsedKeys) -> Response:
    content = await _read(body)
    if content is None:
        return await inner(request)
    request = _with_bytes(request, content)
    # rule 2: a server may answer other bytes under the same key with its first response
    if not used.fits(request):
        raise ConfigError(used.describe(request), request=request)
    return await inner(request)


async def _read(body: Body) -> bytes | None:
    """Read the whole body; None if it is too large (rule 4)."""
    if body.length is not None and body.length > LARGEST:
        return None
    content = bytearray()
    source = checked(body)
    try:
        async for piece in source:
            content += piece
            if len(content) > LARGEST:
                return None
    finally:
        await source.aclose()
    return bytes(content)


def _with_bytes(request: Request, content: bytes) -> Request:
    """Make a request with these bytes; the boundary of a form is derived from its content (rule 3)."""
    headers = CIMultiDict(request.headers)
    form = _BOUNDARY.fullmatch(headers.get("Content-Type", ""))
    if form is not None:
        random_boundary = form[2].encode()
        # a digest of the content, so nobody can write a form that contains it
        derived = blake2b(content.replace(random_boundary, b""), digest_size=16).hexdigest()
        content = content.replace(random_boundary, derived.encode())
        headers["Content-Type"] = form[1] + derived
    headers["Content-Length"] = str(len(content))
    return request.copy(content=content, headers=headers)
