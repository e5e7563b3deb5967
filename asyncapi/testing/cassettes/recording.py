"""Record one attempt while it goes over the network: nothing that the client sees is changed or delayed.

Rules:
1. A body that is streamed, in either direction, is noted as it passes.
2. A response's body is recorded decoded, as the client reads it, without Content-Encoding and with the length it has.
3. What is neither a response nor a failure of the transport (a wrong setting) is not recorded.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asyncapi.errors import TransportError
from asyncapi.messages.open_body import release_at_end
from asyncapi.messages.request import Body
from asyncapi.messages.upgrade import Closed
from asyncapi.testing.cassettes.exchange import RECEIVED, SENT, Closing, Exchange, Frame, plain
from asyncapi.testing.failures import Failure
from asyncapi.testing.rpc_wire import is_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.messages.upgrade import Socket
    from asyncapi.transports.interception import Network

_OF_CODINGS = frozenset({"content-encoding", "transfer-encoding", "content-length"})


async def recorded(request: Request, network: Network, exchange: Exchange) -> Response:
    """Send an attempt on, and record into `exchange` what comes of it.

    Raises:
        TransportError: The attempt failed; that is recorded, too.
    """
    body = _Passing(request.content, exchange, talks=is_stream(request)) if isinstance(request.content, Body) else None
    try:
        response = await network(None if body is None else body.body)
    except TransportError as error:
        exchange.failure, exchange.finished = Failure.of(error), True
        raise
    except asyncio.CancelledError:
        exchange.failure, exchange.finished = Failure("CancelledError"), True
        raise
    exchange.status, exchange.version = response.status, response.http_version
    exchange.fields = plain(response.headers)
    exchange.partial = body is not None and not body.ended and not body.talks
    opened = response.open_body
    if opened is None:
        exchange.trailers, exchange.finished = plain(response.trailers), True
        if body is not None and body.talks:
            exchange.add(RECEIVED, response.content)
        else:
            exchange.content = response.content
    elif opened.socket is not None:
        opened.socket = _Listening(opened.socket, exchange)
        release_at_end(response, lambda _: setattr(exchange, "finished", True))
    else:
        _listen(response, opened, exchange, talks=body is not None and body.talks)
    return response


def consistent(exchange: Exchange, content: bytes) -> list[tuple[str, str]]:
    """Return the header fields of a response that are true of its decoded body (rule 2)."""
    coded = exchange.first("content-encoding")
    if exchange.method == "HEAD" or exchange.status in {204, 304} or exchange.cut:
        return exchange.fields
    length = str(len(content))
    kept = [(name, value) for name, value in exchange.fields if name.lower() not in _OF_CODINGS]
    if exchange.first("content-length") and not exchange.frames and exchange.failure is None:
        place = next(at for at, (name, _) in enumerate(exchange.fields) if name.lower() == "content-length")
        place -= sum(name.lower() in _OF_CODINGS for name, _ in exchange.fields[:place])
        kept.insert(place, ("Content-Length", length))
    elif not coded and not exchange.first("transfer-encoding"):
        return [pair for pair in exchange.fields if pair[0].lower() != "content-length"]
    return kept


class _Passing:
    """The body of a request, which is noted as it passes.

    Args:
        source: The body.
        exchange: Where it is noted.
        talks: Whether the messages of an RPC are sent while others are received.

    Attributes:
        body: What is sent in its place.
        ended: Whether all of it has passed.
        talks: As above.
    """

    def __init__(self, source: Body, exchange: Exchange, *, talks: bool) -> None:
        self._source = source
        self._exchange = exchange
        self.talks = talks
        self.ended: bool = False
        self.body: Body = Body(self._open, length=source.length, rewindable=source.rewindable)

    async def _open(self) -> AsyncIterator[bytes]:
        pieces, exchange = list[bytes](), self._exchange
        source: Any = self._source.open()
        try:
            async for piece in source:
                if self.talks:
                    exchange.add(SENT, bytes(piece))
                else:
                    pieces.append(bytes(piece))
                yield piece
            self.ended = True
        finally:
            if not self.talks:
                exchange.body = b"".join(pieces)
            if hasattr(source, "aclose"):
                await source.aclose()


def _listen(response: Response, body: OpenBody, exchange: Exchange, *, talks: bool) -> None:
    """Note what is read of an open body (rule 1)."""
    read, pieces, over = body.read, list[bytes](), False

    async def listening() -> bytes:
        nonlocal over
        try:
            piece = await read()
        except TransportError as error:
            exchange.failure = Failure.of(error)
            raise
        if not piece:
            over = True
        elif talks:
            exchange.add(RECEIVED, piece)
        else:
            pieces.append(piece)
        return piece

    def ended(_: object) -> None:
        exchange.content, exchange.trailers = b"".join(pieces), plain(body.trailers)
        exchange.cut = not over and exchange.failure is None
        exchange.finished = True

    body.read = listening
    release_at_end(response, ended)


class _Listening:
    """A WebSocket whose messages are noted in the order in which the client sends and receives them."""

    def __init__(self, socket: Socket, exchange: Exchange) -> None:
        self._socket = socket
        self._exchange = exchange

    @property
    def subprotocol(self) -> str | None:
        """As of a `Socket`."""
        return self._socket.subprotocol

    async def receive(self) -> str | bytes | Closed:
        """Wait for the next message, and note it."""
        message = await self._socket.receive()
        if not isinstance(message, Closed):
            self._exchange.frames.append(Frame(RECEIVED, message))
        elif self._exchange.closing is None:
            self._exchange.closing = Closing(message.code, message.reason, message.why)
        return message

    async def send(self, message: str | bytes) -> None:
        """Note a message, and send it."""
        self._exchange.frames.append(Frame(SENT, message))
        await self._socket.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close, and note it."""
        if self._exchange.closing is None:
            self._exchange.closing = Closing(code, reason, by="client")
        await self._socket.close(code, reason)
