"""The server's side of gRPC, grpc-web and Connect, as far as a mock needs it: read requests, write responses.

Rules:
1. Which of them a request speaks is seen from its headers, as servers do.
2. A response that fails before its first message has the status in its head, where the protocol allows that.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.messages.code import Code
from asyncapi.messages.request import Body
from asyncapi.sansio.rpc import codings, metadata, statuses
from asyncapi.sansio.rpc.envelopes import COMPRESSED, Envelopes, envelope
from asyncapi.testing.replies import reply
from asyncapi.transports import upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

Kind = Literal["grpc", "grpc-web", "connect", "connect unary"]

_CONNECT_END, _WEB_TRAILERS = 0x02, 0x80


@dataclass(slots=True)
class Ended:
    """How a call ends.

    Attributes:
        code: The status.
        details: The server's message.
        trailing: Trailing metadata, as header fields.
        pushback: Milliseconds for `grpc-retry-pushback-ms`, or None.
    """

    code: Code = Code.OK
    details: str = ""
    trailing: tuple[tuple[str, str], ...] = ()
    pushback: int | None = None

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields that end a call over gRPC."""
        fields = [("grpc-status", str(int(self.code))), *self.trailing]
        if self.details:
            fields.append(("grpc-message", quote(self.details, safe=" !\"#$&'()*+,/:;<=>?@[\\]^`{|}~")))
        if self.pushback is not None:
            fields.append((statuses.PUSHBACK, str(self.pushback)))
        return fields

    @property
    def error(self) -> dict[str, Any]:
        """The error of a call over Connect."""
        name = "canceled" if self.code is Code.CANCELLED else self.code.name.lower()
        return {"code": name, "message": self.details}


def kind_of(request: Request) -> Kind | None:
    """Which protocol a request speaks (rule 1); None for none of them."""
    kind = request.headers.get("Content-Type", "").lower()
    if kind.startswith("application/grpc-web"):
        return "grpc-web"
    if kind.startswith("application/grpc"):
        return "grpc"
    if kind.startswith("application/connect+"):
        return "connect"
    return "connect unary" if "Connect-Protocol-Version" in request.headers else None


def is_stream(request: Request) -> bool:
    """Whether it is a call whose messages come one by one: its body is not read before it is responded to."""
    return isinstance(request.content, Body) and kind_of(request) not in {None, "connect unary"}


def is_json(request: Request) -> bool:
    """Whether its messages are written in JSON."""
    kind = request.headers.get("Content-Type", "").lower()
    return kind.endswith("json") or request.url.query.get("encoding") == "json"


def messages_of(request: Request, content: bytes) -> list[bytes]:
    """Read the messages of a request whose body is there."""
    kind = kind_of(request)
    if kind is None or is_stream(request):
        return []
    if kind != "connect unary":
        return [_plain(request, flags, message) for flags, message in Envelopes().feed(content)]
    query = request.url.query
    if request.method == "GET":
        text = query.get("message", "")
        return [urlsafe_b64decode(text + "=" * (-len(text) % 4)) if query.get("base64") == "1" else text.encode()]
    coding = request.headers.get("Content-Encoding")
    return [content if coding is None else codings.decompress(coding, content, None)]


async def arriving(request: Request, kept: list[bytes]) -> AsyncIterator[bytes]:
    """Yield the messages of a request as they come; each is added to `kept`."""
    body, envelopes = request.content, Envelopes()
    if not isinstance(body, Body):
        for message in kept:
            yield message
        return
    async for piece in upload.checked(body):
        for flags, raw in envelopes.feed(piece):
            message = _plain(request, flags, raw)
            kept.append(message)
            yield message


def _plain(request: Request, flags: int, message: bytes) -> bytes:
    if not flags & COMPRESSED:
        return message
    names = ("grpc-encoding", "Connect-Content-Encoding")
    coding = next((request.headers[name] for name in names if name in request.headers), "")
    return codings.decompress(coding, message, None)


def serialized(message: Any, *, as_json: bool) -> bytes:
    """Write a message; bytes are left as they are."""
    if isinstance(message, bytes):
        return message
    if as_json:
        from google.protobuf.json_format import MessageToJson  # noqa: PLC0415 - an extra's

        return str(MessageToJson(message, indent=None)).encode()
    data: bytes = message.SerializeToString()
    return data


def refusal(request: Request, ended: Ended, initial: list[tuple[str, str]]) -> Response:
    """Make the response that fails before its first message (rule 2)."""
    kind = kind_of(request)
    if kind == "connect unary":
        headers = [*initial, *((f"trailer-{name}", value) for name, value in ended.trailing)]
        return reply(statuses.http_status(ended.code), json=ended.error, headers=_fields(headers))
    if kind == "connect":
        head = _fields([("Content-Type", request.headers["Content-Type"]), *initial])
        return reply(content=envelope(_last(ended), _CONNECT_END), headers=head)
    return reply(headers=_fields([("Content-Type", request.headers["Content-Type"]), *initial, *ended.fields]))


async def unary(
    request: Request, messages: AsyncIterator[Any], ended: Ended, initial: list[tuple[str, str]]
) -> Response:
    """Make the response of a unary call over Connect, which is no stream."""
    as_json = is_json(request)
    bodies = [serialized(message, as_json=as_json) async for message in messages]
    if ended.code is not Code.OK:
        return refusal(request, ended, initial)
    fields = [("Content-Type", f"application/{'json' if as_json else 'proto'}"), *initial]
    fields += [(f"trailer-{name}", value) for name, value in ended.trailing]
    return reply(content=b"".join(bodies), headers=_fields(fields))


def streamed(request: Request, messages: AsyncIterator[Any], ended: Ended, initial: list[tuple[str, str]]) -> Response:
    """Make the response of any other call: `messages` may change `ended` until its end."""
    trailers: CIMultiDict[str] = CIMultiDict()
    kind, as_json = kind_of(request), is_json(request)

    async def pieces() -> AsyncIterator[bytes]:
        async for message in messages:
            yield envelope(serialized(message, as_json=as_json))
        if kind == "grpc":
            trailers.extend(ended.fields)
        elif kind == "grpc-web":
            block = "".join(f"{name}: {value}\r\n" for name, value in ended.fields)
            yield envelope(block.encode(), _WEB_TRAILERS)
        else:
            yield envelope(_last(ended), _CONNECT_END)

    head = _fields([("Content-Type", request.headers["Content-Type"]), *initial])
    return reply(content=pieces(), headers=head, trailers=CIMultiDictProxy(trailers))


def _last(ended: Ended) -> bytes:
    """Write the end of a stream over Connect."""
    told: dict[str, Any] = {} if ended.code is Code.OK else {"error": ended.error}
    stated: dict[str, list[str]] = {}
    for name, value in ended.trailing:
        stated.setdefault(name, []).append(value)
    return json.dumps(told | ({"metadata": stated} if stated else {})).encode()


def _fields(fields: list[tuple[str, str]]) -> CIMultiDict[str]:
    return CIMultiDict(fields)


def written(given: Any) -> list[tuple[str, str]]:
    """Write metadata as header fields.

    Raises:
        ConfigError: It is none.
    """
    return metadata.written(given) if given is not None else []
