"""Write requests of the Connect protocol, and read its responses (connectrpc.com/docs/protocol).

Rules:
1. A unary call is a plain POST with the message as its body, or a GET with the message in its query where the method has
   no side effects. The response to it is a 200 with the message, or another status with the error as JSON.
2. A stream is a POST of envelopes in a response of 200; its last envelope, with the flag 0x02, says in JSON how it
   ended: `{"error": {...}, "metadata": {...}}`. A body that ends without it was cut off.
3. Trailing metadata of a unary response has the prefix `trailer-` among its headers.
4. Where a proxy responded instead of the server, or the JSON is not an error, the HTTP status says which code it is.
5. Names of codes are those of gRPC in lower case, but for `canceled`.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.metadata import from_base64
from asyncapi.sansio.rpc.statuses import code_of_http

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COMPRESSED: Final = 0x01
END: Final = 0x02
_TRAILER = "trailer-"
_TYPE_URL = "type.googleapis.com/"
_NAMES = {code.name.lower(): code for code in Code if code} | {"canceled": Code.CANCELLED}  # rule 5
_MOST_TIMEOUT = 10**10 - 1  # ten digits: the longest that the protocol allows
_SHOWN = 120
_OK = 200


class Failure(NamedTuple):
    """An error as the server states it.

    Attributes:
        code: What went wrong.
        message: In the server's words; may be "".
        details: Type name and serialized message of each detail.
    """

    code: Code
    message: str
    details: tuple[tuple[str, bytes], ...] = ()


class End(NamedTuple):
    """How a stream ended.

    Attributes:
        failure: The error, or None where it ended well.
        metadata: The trailing metadata.
    """

    failure: Failure | None
    metadata: tuple[tuple[str, str], ...]


def content_type(codec: str, *, stream: bool) -> str:
    """Return the type of a request's body, which is that of the response, too."""
    return f"application/connect+{codec}" if stream else f"application/{codec}"


def headers(codec: str, *, stream: bool, timeout: float | None, coding: str = "") -> list[tuple[str, str]]:
    """Write the headers of a POST.

    Args:
        codec: "proto" or "json".
        stream: Whether it is a stream of envelopes.
        timeout: Seconds left, or None for no limit.
        coding: How the request is compressed; "" for not at all.
    """
    written = [("Content-Type", content_type(codec, stream=stream)), *query_headers(timeout)]
    if stream:
        written.append(("Connect-Accept-Encoding", "gzip"))
        # HTTP's own coding around a stream would hold envelopes back until its buffer is full
        written.append(("Accept-Encoding", "identity"))
    if coding:
        written.append(("Connect-Content-Encoding" if stream else "Content-Encoding", coding))
    return written


def query_headers(timeout: float | None) -> list[tuple[str, str]]:
    """Write the headers that every request has."""
    written = [("Connect-Protocol-Version", "1")]
    if timeout is not None:
        written.append(("Connect-Timeout-Ms", str(max(0, min(int(timeout * 1000), _MOST_TIMEOUT)))))
    return written


def query(message: bytes, codec: str) -> list[tuple[str, str]]:
    """Write the query of a GET: the same message gives the same URL, so that caches find it."""
    if codec == "json":
        return [("connect", "v1"), ("encoding", codec), ("message", message.decode())]
    coded = urlsafe_b64encode(message).rstrip(b"=").decode()
    return [("connect", "v1"), ("base64", "1"), ("encoding", codec), ("message", coded)]


def unary_failure(status: int, kind: str, content: bytes, codec: str) -> Failure | None:
    """Read what a response to a unary call says, but for its message.

    Args:
        status: The HTTP status.
        kind: The Content-Type.
        content: The body.
        codec: What the request was sent in.

    Returns:
        Failure | None: The error; None for a good response.
    """
    bare = _bare(kind)
    if status == _OK:
        return (
            None if bare == content_type(codec, stream=False) else _wrong_type(bare, content_type(codec, stream=False))
        )
    if bare != "application/json":  # rule 4
        return _of_http(status)
    try:
        stated = json.loads(content)
    except (ValueError, RecursionError):
        return _of_http(status)
    return _failure(stated, status) if isinstance(stated, dict) else _of_http(status)


def stream_failure(status: int, kind: str, codec: str) -> Failure | None:
    """Read what the head of a response to a stream says: None where its envelopes follow."""
    if status != _OK:
        return _of_http(status)
    bare, expected = _bare(kind), content_type(codec, stream=True)
    return None if bare == expected else _wrong_type(bare, expected)


def end_of_stream(payload: bytes) -> End:
    """Read the last envelope of a stream (rule 2)."""
    try:
        stated = json.loads(payload)
    except (ValueError, RecursionError):
        stated = None
    if not isinstance(stated, dict):
        shown = payload[:_SHOWN].decode("utf-8", "replace")
        return End(Failure(Code.INTERNAL, f"the end of the stream is not a JSON object: {shown!r}"), ())
    error = stated.get("error")
    metadata = tuple(_metadata(stated.get("metadata")))
    if error is None:
        return End(None, metadata)
    if not isinstance(error, dict):
        return End(Failure(Code.INTERNAL, "the error at the end of the stream is not a JSON object"), metadata)
    return End(_failure(error, 0), metadata)


def split_metadata(fields: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Part the headers of a unary response into initial and trailing metadata (rule 3)."""
    initial, trailing = [], []
    for name, value in fields:
        lower = name.lower()
        if lower.startswith(_TRAILER):
            trailing.append((lower[len(_TRAILER) :], value))
        else:
            initial.append((lower, value))
    return initial, trailing


def _bare(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()


def _of_http(status: int) -> Failure:
    return Failure(code_of_http(status), f"HTTP status {status} without an error of the Connect protocol")


def _wrong_type(found: str, expected: str) -> Failure:
    code = Code.INTERNAL if found.startswith("application/") else Code.UNKNOWN  # another codec; no RPC server at all
    return Failure(code, f"the response has the Content-Type {found!r}, not {expected!r}")


def _failure(stated: Mapping[str, Any], status: int) -> Failure:
    """Read an error; a code that is missing or unknown is that of the HTTP status (rule 4)."""
    code = _NAMES.get(stated["code"]) if isinstance(stated.get("code"), str) else None
    message = stated.get("message")
    if code is None:
        code = code_of_http(status)
    details = stated.get("details")
    read = tuple(_details(details)) if isinstance(details, list) else ()
    return Failure(code, message if isinstance(message, str) else "", read)


def _details(stated: list[Any]) -> Iterable[tuple[str, bytes]]:
    """Read the details that are well formed: an error is not lost for one that is not."""
    for detail in stated:
        if not isinstance(detail, dict):
            continue
        name, value = detail.get("type"), detail.get("value")
        if not isinstance(name, str) or not isinstance(value, str):
            continue
        data = from_base64(value.translate(_URL_SAFE))
        if data is not None:
            yield name.removeprefix(_TYPE_URL), data


_URL_SAFE = str.maketrans("-_", "+/")  # some servers write one alphabet, some the other


def _metadata(stated: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(stated, dict):
        return
    for name, values in stated.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                yield name.lower(), value
