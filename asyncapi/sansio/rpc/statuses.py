"""What a status code means to retries, the breaker, limits and credentials; and the code of what has none of its own.

    code                 treated as   retried                               counts in the breaker
    OK                   200
    CANCELLED            499          no                                    no
    UNKNOWN              500          no                                    yes: a failure in the server's code
    INVALID_ARGUMENT     400          no                                    no
    DEADLINE_EXCEEDED    504          only where the attempt's limit ended  yes
                                      it, and not the call's
    NOT_FOUND            404          no                                    no
    ALREADY_EXISTS       409          no                                    no
    PERMISSION_DENIED    403          no                                    no
    RESOURCE_EXHAUSTED   429          where 429 is                          no: the host is alive
    FAILED_PRECONDITION  400          no                                    no
    ABORTED              409          no: the transaction begins anew       no
    OUT_OF_RANGE         400          no                                    no
    UNIMPLEMENTED        501          no                                    no: no other attempt will find it
    INTERNAL             500          no                                    yes
    UNAVAILABLE          503          where 503 is                          yes
    DATA_LOSS            500          no                                    yes
    UNAUTHENTICATED      401          with a fresh credential, where        no
                                      there may be one

Retried means: where it is safe to send the call again (`sansio/failures/resend.py`). No code proves that the server did
nothing. `grpc-retry-pushback-ms` says how long to wait before a retry; a negative number, or none, forbids it
(gRFC A6). Where it says nothing, the RetryInfo of a `google.rpc.Status` does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asyncapi.messages.code import Code
from asyncapi.messages.meaning import Meaning
from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.rpc.metadata import from_base64, message_of
from asyncapi.sansio.rpc.packed import retry_delay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.messages.response import Response

PUSHBACK = "grpc-retry-pushback-ms"

_STATUSES = {
    Code.OK: 200, Code.CANCELLED: 499, Code.UNKNOWN: 500, Code.INVALID_ARGUMENT: 400, Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404, Code.ALREADY_EXISTS: 409, Code.PERMISSION_DENIED: 403, Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400, Code.ABORTED: 409, Code.OUT_OF_RANGE: 400, Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500, Code.UNAVAILABLE: 503, Code.DATA_LOSS: 500, Code.UNAUTHENTICATED: 401,
}  # fmt: skip
_BY_LIST = frozenset({Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED})  # the policy's list of statuses decides
_SHOWN = 200  # characters of a message in a record

# doc/http-grpc-status-mapping.md; any other is UNKNOWN, and so is a 200 without a grpc-status
_OF_HTTP = {
    400: Code.INTERNAL, 401: Code.UNAUTHENTICATED, 403: Code.PERMISSION_DENIED, 404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE, 502: Code.UNAVAILABLE, 503: Code.UNAVAILABLE, 504: Code.UNAVAILABLE,
}  # fmt: skip
# gRPC over HTTP/2, "Errors"; any other is INTERNAL
_OF_RESET = {
    ev.REFUSED_STREAM: Code.UNAVAILABLE, ev.CANCEL: Code.CANCELLED, ev.ENHANCE_YOUR_CALM: Code.RESOURCE_EXHAUSTED,
    0xC: Code.PERMISSION_DENIED,
}  # fmt: skip

_NUMBER = re.compile(r"[0-9]{1,10}")


def code_of(text: str) -> Code:
    """Read a `grpc-status`; a number that is no code is UNKNOWN."""
    try:
        return Code(int(text)) if text.isascii() and text.isdecimal() else Code.UNKNOWN
    except ValueError:
        return Code.UNKNOWN


def code_of_http(status: int) -> Code:
    """The code of an HTTP response that has none of its own."""
    return _OF_HTTP.get(status, Code.UNKNOWN)


def code_of_reset(error: int) -> Code:
    """The code of a stream that the server has reset, by the error code of its RST_STREAM."""
    return _OF_RESET.get(error, Code.INTERNAL)


def http_status(code: Code) -> int:
    """The HTTP status whose treatment a code gets."""
    return _STATUSES[code]


def meaning_of(
    code: Code, details: str, *, pushback: str | None = None, late: bool = False, packed: bytes = b""
) -> Meaning:
    """What a status code means to the layers.

    Args:
        code: The code.
        details: The server's message.
        pushback: What the server says in `grpc-retry-pushback-ms`.
        late: Whether the attempt's own limit, and not that of the whole call, has passed.
        packed: A serialized `google.rpc.Status`: its RetryInfo asks to wait, where no pushback does.
    """
    by_list = code in _BY_LIST or (late and code is Code.DEADLINE_EXCEEDED)
    wait: float | None = None
    forbidden = False
    if pushback is not None:
        forbidden = _NUMBER.fullmatch(pushback) is None  # gRFC A6: negative, or not a number
        wait = None if forbidden else int(pushback) / 1000
    elif packed:
        wait = retry_delay(packed)
    return Meaning(
        _STATUSES[code],
        f"RPCError: {code.name}: {details[:_SHOWN]}" if details else f"RPCError: {code.name}",
        retry=None if by_list and not forbidden else False,
        failed=False if code is Code.UNIMPLEMENTED else None,
        unprocessed=None if code is Code.UNAUTHENTICATED else False,  # whom it doesn't know, it does nothing for
        wait=wait,
    )


def packed_of(fields: Mapping[str, str]) -> bytes:
    """The serialized `google.rpc.Status` among the fields that end a call; b"" where there is none."""
    return from_base64(fields.get("grpc-status-details-bin", "")) or b""


def pushback_of(fields: Mapping[str, str]) -> str | None:
    """What a server says of a retry, in its headers or trailers."""
    return fields.get(PUSHBACK)


def read_head(response: Response) -> Meaning | None:
    """What a response means that has its `grpc-status` in the head (Trailers-Only); None for any other."""
    return read_ending(response.headers)


def read_ending(fields: Mapping[str, str], *, late: bool = False) -> Meaning | None:
    """What the fields that end a call mean; None where there is no status among them, or it is OK.

    Args:
        fields: Headers, or trailers.
        late: As in `meaning_of`.
    """
    text = fields.get("grpc-status")
    if text is None or text == "0":
        return None
    details = message_of(fields.get("grpc-message", ""))
    return meaning_of(code_of(text), details, pushback=pushback_of(fields), late=late, packed=packed_of(fields))
