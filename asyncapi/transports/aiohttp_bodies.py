"""Read the bodies of aiohttp's responses: decoded by us, to their end, and within `max_body`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES

from asyncapi.errors import ProtocolError, final_error
from asyncapi.sansio.http.codings import decoding
from asyncapi.transports.decoded import DecodedBody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    import aiohttp

    from asyncapi.messages.request import Request

_CHUNKED = ["chunked"]


def whole_body(
    answer: aiohttp.ClientResponse, request: Request, max_body: int | None, *, raw: bool
) -> Awaitable[bytes]:
    """Read the decoded body to its end; in the common case the awaitable is aiohttp's own.

    Args:
        answer: The response of aiohttp, at the end of its headers.
        request: The request that it belongs to.
        max_body: Most decoded bytes; None for no bound.
        raw: Whether the body is wanted as it came.

    Raises (when awaited):
        ProtocolError: The body is larger, or can't be decoded.
    """
    headers = answer.headers
    length = _declared_length(headers)
    if length is not None and hdrs.CONTENT_ENCODING not in headers and (max_body is None or length <= max_body):
        return answer.read()
    decoded = decoded_body(answer, request, raw=raw)
    if decoded is None:
        # RFC 9110 section 9.3.2: the Content-Length of a response to HEAD is that of a body that doesn't come
        if max_body is None or request.method == hdrs.METH_HEAD:
            return answer.read()
        if length is not None and length > max_body:
            answer.close()
            raise _oversized(request, max_body, f"Content-Length is {length:,}")
    return _read_bounded(answer, request, decoded, max_body)


async def _read_bounded(
    answer: aiohttp.ClientResponse, request: Request, decoded: DecodedBody | None, max_body: int | None
) -> bytes:
    """The body piece by piece, no further than `max_body`."""
    readany = answer.content.readany if decoded is None else decoded.read
    pieces, size, oversized = [], 0, False
    try:
        # one piece too many is read to know that the body is larger, never the rest
        while not oversized and (piece := await readany()):
            pieces.append(piece)
            size += len(piece)
            oversized = max_body is not None and size > max_body
    except BaseException:
        answer.close()
        raise
    if oversized:
        answer.close()
        raise _oversized(request, max_body or 0, "decoded")
    answer.release()
    return b"".join(pieces)


def decoded_body(answer: aiohttp.ClientResponse, request: Request, *, raw: bool) -> DecodedBody | None:
    """The body, to be decoded as it is read; None where the server sent it uncoded.

    Args:
        answer: The response of aiohttp.
        request: The request that it belongs to.
        raw: Whether the body is wanted as it came.
    """
    if raw or getattr(answer, "_protocol", None) is None:  # a response made up by a test has no connection
        return None
    if request.method == hdrs.METH_HEAD or answer.status in EMPTY_BODY_STATUS_CODES:
        return None
    headers = answer.headers
    transfer: list[str] = headers.getall(hdrs.TRANSFER_ENCODING, [])
    if transfer == _CHUNKED and hdrs.CONTENT_ENCODING not in headers:
        return None
    coding = decoding(transfer, headers.getall(hdrs.CONTENT_ENCODING, []))
    if coding is None:
        return None
    chunked = bool(transfer) and transfer[-1].rpartition(",")[2].strip().lower() == "chunked"
    return DecodedBody(answer.content.readany, coding, framed=chunked or hdrs.CONTENT_LENGTH in headers)


def _declared_length(headers: Mapping[str, str]) -> int | None:
    length = headers.get(hdrs.CONTENT_LENGTH)
    return int(length) if length is not None and length.isdecimal() else None


def _oversized(request: Request, max_body: int, how: str) -> ProtocolError:
    return final_error(
        f"the body is larger than max_body={max_body:,} bytes ({how}): raise max_body if you expect that", request
    )
