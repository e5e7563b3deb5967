"""The bodies of aiohttp's answers: decoded by us, whole, and within `max_body`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs
from aiohttp.helpers import EMPTY_BODY_STATUS_CODES

from asyncapi.errors import ProtocolError, final_error
from asyncapi.sansio.http.codings import decoding
from asyncapi.transports.decoded import DecodedBody

if TYPE_CHECKING:
    import aiohttp

    from asyncapi.messages.request import Request

_CHUNKED = ["chunked"]


def fits(answer: aiohttp.ClientResponse, most: int | None) -> bool:
    """Whether the answer says, in plain bytes, that it is within `max_body`: the common case."""
    if (length := _length(answer)) is None or hdrs.CONTENT_ENCODING in answer.headers:
        return False
    return most is None or length <= most


async def read(answer: aiohttp.ClientResponse, request: Request, most: int | None, *, raw: bool) -> bytes:
    """The decoded body, at most `most` bytes of it.

    Raises:
        ProtocolError: It is larger, or can't be decoded.
    """
    decoded = decoded_body(answer, request, raw=raw)
    if decoded is None:
        if most is None or request.method == hdrs.METH_HEAD:
            return await answer.read()
        if (length := _length(answer)) is not None and length > most:
            answer.close()
            raise _oversized(request, most, f"it says {length:,}")
    readany = answer.content.readany if decoded is None else decoded.read
    pieces, size = [], 0
    try:
        while piece := await readany():
            pieces.append(piece)
            size += len(piece)
            if most is not None and size > most:
                break
    except BaseException:
        answer.close()
        raise
    if most is not None and size > most:
        answer.close()
        raise _oversized(request, most, "decoded")
    answer.release()
    return b"".join(pieces)


def decoded_body(answer: aiohttp.ClientResponse, request: Request, *, raw: bool) -> DecodedBody | None:
    """The body, to be decoded as it is read; None where it came plain.

    Args:
        answer: Its.
        request: What it answers.
        raw: Whether it is wanted as it came.
    """
    if raw or getattr(answer, "_protocol", None) is None:  # what tests make up came over no connection
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


def _length(answer: aiohttp.ClientResponse) -> int | None:
    length = answer.headers.get(hdrs.CONTENT_LENGTH)
    return int(length) if length is not None and length.isdecimal() else None


def _oversized(request: Request, most: int, how: str) -> ProtocolError:
    return final_error(f"the body is over max_body={most:,} bytes ({how}): raise max_body if you expect that", request)
