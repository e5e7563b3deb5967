"""Replay one exchange for an attempt: what the client sees is what it saw then.

Rules:
1. A response comes at once. A cancelled attempt waits until it is cancelled again.
2. In a conversation, what was received before a message was sent comes before it is awaited; each message that the
   client sends must be the one that was recorded.
3. An operation of GraphQL over a WebSocket has another id in every run: the one that is sent now stands for the one
   that was recorded, in both directions.
4. What the client has not read when it was recorded can't be read: that is an error that says so.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import ProtocolError
from asyncapi.messages.open_body import NO_TRAILERS, release_at_end
from asyncapi.messages.response import Response
from asyncapi.testing.cassettes.conditions import same_bytes, unlike
from asyncapi.testing.cassettes.exchange import SENT
from asyncapi.testing.cassettes.recording import consistent
from asyncapi.testing.sockets import socket
from asyncapi.transports import upload
from asyncapi.transports.mock import body_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable

    from asyncapi.messages.request import Request
    from asyncapi.testing.cassettes.exchange import Exchange
    from asyncapi.testing.nearest import UnmatchedCall
    from asyncapi.transports.mock_socket import MockSocket, Peer

    Complain = Callable[[str], UnmatchedCall]

_SWITCHED = 101
_OF_HANDSHAKE = frozenset({"upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol", "date"})
_OF_EXTENSIONS = "sec-websocket-extensions"


async def replayed(
    exchange: Exchange, request: Request, ignored: Collection[str], complain: Complain
) -> Response | MockSocket:
    """Return, or raise, what came of an attempt when it was recorded.

    Args:
        exchange: What was recorded.
        request: The attempt.
        ignored: Names that are not compared.
        complain: Makes the error of a message that differs from the recorded one.

    Raises:
        TransportError: As it was recorded.
    """
    failure = exchange.failure
    if failure is not None and not exchange.status:
        if failure.error == "CancelledError":
            await asyncio.get_running_loop().create_future()  # rule 1
        raise failure.raised(request)
    if exchange.websocket and exchange.status == _SWITCHED:
        return _socket(exchange, ignored, complain)
    fields = CIMultiDict(consistent(exchange, exchange.content))
    trailers = CIMultiDict(exchange.trailers)
    if not exchange.frames and failure is None and not exchange.cut and request.call.open_bodies is None:
        return Response(exchange.status, fields, exchange.content, trailers=trailers)
    response = Response(exchange.status, fields, trailers=trailers)
    heard = _Heard(request) if exchange.frames else None
    body = body_of(_pieces(exchange, request, heard, complain), response.trailers)
    response.open_body, response.trailers = body, NO_TRAILERS
    if heard is not None:
        release_at_end(response, lambda _: heard.task.cancel())
    return response


async def _pieces(
    exchange: Exchange, request: Request, heard: _Heard | None, complain: Complain
) -> AsyncIterator[bytes]:
    """Yield the body of a response as it is read."""
    if heard is not None:
        async for piece in _talk(exchange, heard, complain):
            yield piece
    elif exchange.content:
        for at in range(0, len(exchange.content), upload.LARGE):
            yield exchange.content[at : at + upload.LARGE]
    if exchange.failure is not None:
        raise exchange.failure.raised(request)
    if exchange.cut:  # rule 4
        raise ProtocolError("the recording ends here: the stream was closed before its end then", request=request)


class _Heard:
    """What the client of an RPC sends, taken as it comes: its writes never wait for its reads."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._data = b""
        self._over = False
        self._news = asyncio.Event()
        self._failed: BaseException | None = None
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._take())

    async def read(self, size: int) -> bytes:
        """Wait for so many bytes; fewer at the end of them."""
        while len(self._data) < size and not self._over:
            self._news.clear()
            await self._news.wait()
        if self._failed is not None:
            raise self._failed
        data, self._data = self._data[:size], self._data[size:]
        return data

    async def _take(self) -> None:
        sending: Any = upload.pieces(self._request)
        try:
            async for piece in sending:
                self._data += piece
                self._news.set()
        except Exception as error:
            self._failed = error
        finally:
            self._over = True
            self._news.set()
            await sending.aclose()


async def _talk(exchange: Exchange, heard: _Heard, complain: Complain) -> AsyncIterator[bytes]:
    """Yield what an RPC received, each piece after what was sent before it (rule 2)."""
    for frame in exchange.frames:
        data = frame.data if isinstance(frame.data, bytes) else frame.data.encode()
        if frame.direction != SENT:
            yield data
            continue
        sent = await heard.read(len(data))
        if not same_bytes(data, sent):
            raise complain(f"{exchange.name}: the client sends messages that are not those recorded")


def _socket(exchange: Exchange, ignored: Collection[str], complain: Complain) -> MockSocket:
    """Make the WebSocket that says what was received, and checks what is sent (rule 2)."""
    closing = exchange.closing
    code: int | None = None
    if closing is not None and closing.by == "server":
        code = closing.code
    elif closing is None:
        code = 1000

    ids = _Ids(exchange.first("sec-websocket-protocol"))

    async def talk(peer: Peer) -> None:
        number = 0
        for frame in exchange.frames:
            if frame.direction != SENT:
                await peer.send(ids.renamed(frame.data))
                continue
            number += 1
            sent = await anext(peer, None)
            if sent is None:
                return
            ids.learn(frame.data, sent)
            if text := _unlike(ids.renamed(frame.data), sent, ignored):
                raise complain(f"{exchange.name}: message {number} of the client: {text}")
        if closing is None or closing.by == "client":
            async for message in peer:
                raise complain(f"{exchange.name}: the client sends {message!r:.100}, after all that was recorded")

    fields = {
        name: value
        for name, value in exchange.fields
        if name.lower() not in _OF_HANDSHAKE and name.lower() != _OF_EXTENSIONS
    }
    picked = exchange.first("sec-websocket-protocol")
    reason = "" if closing is None else closing.reason
    return socket(talk, close=code, reason=reason, subprotocol=picked, headers=fields)


def check_sent(exchange: Exchange, sent: Iterable[str | bytes], ignored: Collection[str], complain: Complain) -> None:
    """Check all that the client of a WebSocket has sent: it may close before `_socket` looks at the last message.

    Args:
        exchange: What was recorded.
        sent: The messages.
        ignored: Names that are not compared.
        complain: Takes in what differs.
    """
    ids = _Ids(exchange.first("sec-websocket-protocol"))
    recorded = (frame.data for frame in exchange.frames if frame.direction == SENT)
    for number, message in enumerate(sent, 1):
        expected = next(recorded, None)
        if expected is None:
            complain(f"{exchange.name}: the client sends {message!r:.100}, after all that was recorded")
            return
        ids.learn(expected, message)
        if text := _unlike(ids.renamed(expected), message, ignored):
            complain(f"{exchange.name}: message {number} of the client: {text}")
            return


class _Ids:
    """The ids of operations that were recorded, and those that stand for them (rule 3)."""

    def __init__(self, subprotocol: str) -> None:
        self._sent: dict[str, str] = {}
        self._on = subprotocol in {"graphql-transport-ws", "graphql-ws"}

    def learn(self, recorded: str | bytes, sent: str | bytes) -> None:
        """Take in the id of an operation that begins."""
        old, new = self._id(recorded), self._id(sent)
        if old and new:
            self._sent.setdefault(old, new)

    def renamed(self, recorded: str | bytes) -> str | bytes:
        """Return a message with the id that is sent now."""
        old = self._id(recorded)
        if not isinstance(recorded, str) or old not in self._sent:
            return recorded
        return recorded.replace(json.dumps(old), json.dumps(self._sent[old]))

    def _id(self, message: str | bytes) -> str:
        if not self._on:
            return ""
        try:
            data = json.loads(message)
        except ValueError:
            return ""
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else ""


def _unlike(recorded: str | bytes, sent: str | bytes, ignored: Collection[str]) -> str:
    if recorded == sent:
        return ""
    if type(recorded) is not type(sent):
        return f"{sent!r:.100}, not {recorded!r:.100}"
    a, b = (each if isinstance(each, bytes) else each.encode() for each in (recorded, sent))
    try:
        text = unlike(json.loads(a), json.loads(b), ignored)
    except ValueError:
        return "" if same_bytes(a, b) else f"{sent!r:.100}, not {recorded!r:.100}"
    return f"in the JSON, {text}" if text else ""
