"""Read the errors of the Connect protocol, and the last envelope of its streams (connectrpc.com/docs/protocol).

Rules:
1. An error is a JSON object: `code`, `message`, and `details` of a type and its bytes in base64. A unary response has
   it as its body, with a status other than 200.
2. The last envelope of a stream says in JSON how it ended: `{"error": {...}, "metadata": {...}}`.
3. Where a proxy responded instead of the server, or the JSON is no error, the HTTP status says which code it is.
4. Names of codes are those of gRPC in lower case, but for `canceled`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from asyncapi.messages.code import Code
from asyncapi.sansio.rpc import metadata
from asyncapi.sansio.rpc.protocol import Ending
from asyncapi.sansio.rpc.statuses import code_of_http

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from asyncapi.sansio.rpc.metadata import Metadata

_TYPE_URL = "type.googleapis.com/"
_NAMES = {code.name.lower(): code for code in Code if code.value} | {"canceled": Code.CANCELLED}  # rule 4
_URL_SAFE = str.maketrans("-_", "+/")  # some servers write one alphabet of base64, some the other
_SHOWN = 120  # characters of what is no error
_TEXT, _BYTES = 10, 18  # protobuf's keys of field 1 and field 2 where they have a length
_DETAILS = 26  # and of field 3
_MORE = 0x80


def error_of(status: int, kind: str, content: bytes, trailing: Metadata) -> Ending:
    """Read the error of a response whose status is not 200.

    Args:
        status: The HTTP status.
        kind: The Content-Type.
        content: The body.
        trailing: The trailing metadata.
    """
    stated = _object(content) if bare(kind) == "application/json" else None
    if stated is None or not ("code" in stated or "message" in stated):  # rule 3
        shown = content[:_SHOWN].decode("utf-8", "replace").strip()
        body = f": {shown}" if shown and shown.isprintable() else ""
        return Ending(code_of_http(status), f"the response is no Connect: HTTP status {status}{body}", trailing)
    return _ending(stated, code_of_http(status), trailing)


def is_error(kind: str, content: bytes) -> bool:
    """Whether a body is an error of the protocol's, and not one of a proxy's."""
    stated = _object(content) if bare(kind) == "application/json" else None
    return stated is not None and isinstance(stated.get("code"), str)


def end_of_stream(payload: bytes) -> Ending:
    """Read the last envelope of a stream (rule 2)."""
    stated = _object(payload)
    if stated is None:
        shown = payload[:_SHOWN].decode("utf-8", "replace")
        return Ending(Code.INTERNAL, f"the end of the stream is no JSON object: {shown!r}")
    trailing = metadata.read(_fields(stated.get("metadata")))
    error = stated.get("error")
    if error is None:
        return Ending(trailing=trailing)
    if not isinstance(error, dict):
        return Ending(Code.INTERNAL, "the error at the end of the stream is no JSON object", trailing)
    return _ending(error, Code.UNKNOWN, trailing)


def bare(kind: str) -> str:
    """Return a Content-Type without its parameters."""
    return kind.partition(";")[0].strip().lower()


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        stated = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return stated if isinstance(stated, dict) else None


def _ending(stated: dict[str, Any], otherwise: Code, trailing: Metadata) -> Ending:
    """Read an error; `otherwise` is the code where it names none that there is."""
    name, message, details = stated.get("code"), stated.get("message"), stated.get("details")
    code = _NAMES.get(name, otherwise) if isinstance(name, str) else otherwise
    text = message if isinstance(message, str) else ""
    found = list(_details(details)) if isinstance(details, list) else []
    return Ending(code, text, trailing, _packed(code, text, found) if found else b"")


def _details(stated: list[Any]) -> Iterator[tuple[str, bytes]]:
    """Read the details that are well formed: an error is not lost for one that is not."""
    for detail in stated:
        if not isinstance(detail, dict):
            continue
        name, value = detail.get("type"), detail.get("value")
        if isinstance(name, str) and isinstance(value, str):
            data = metadata.from_base64(value.translate(_URL_SAFE))
            if data is not None:
                yield name, data


def _packed(code: Code, message: str, details: list[tuple[str, bytes]]) -> bytes:
    """Serialize a `google.rpc.Status`, which is what carries details in gRPC."""
    parts = [b"\x08", _varint(code.value), _field(_BYTES, message.encode("utf-8", "replace"))]
    for name, value in details:
        url = name if "/" in name else _TYPE_URL + name
        parts.append(_field(_DETAILS, _field(_TEXT, url.encode("utf-8", "replace")) + _field(_BYTES, value)))
    return b"".join(parts)


def _field(key: int, data: bytes) -> bytes:
    return bytes([key]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number >= _MORE:
        octets.append(number & 0x7F | _MORE)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _fields(stated: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(stated, dict):
        return
    for name, values in stated.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                yield name.lower(), value
