"""One HTTP/1.1 connection: an asyncio protocol that carries one exchange at a time.

Rules:
1. Nothing is pipelined. What a server sends unasked, or beyond a response's end, closes the connection: no byte can be
   taken for another exchange's (RFC 9112 section 9.2).
2. A connection goes back to the pool in the turn in which its response is whole, and only where nothing of the request
   is still to be sent. From then on its last exchange has no say over it.
3. An exchange that nobody waits for any more takes its connection with it.
4. A failure before any byte of a response, on a connection that was used before, is stale: the server had closed it.
5. A large body is read a piece in each turn of the loop. uvloop would read all that is there, of every connection: many
   whole bodies would then wait for their tasks at the same moment, and their memory would be new each time.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import ProtocolError, final_error
from asyncapi.messages.request import Body
from asyncapi.sansio.http.greetings import protocol_of
from asyncapi.sansio.http.http1 import BadResponse, Reader
from asyncapi.transports import failures
from asyncapi.transports.native import sending
from asyncapi.transports.wire import ended_in_order, heard

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.transports.native.exchange import Exchange
    from asyncapi.transports.native.origins import Origin

_RAGGED = "the connection was closed without an end of TLS (close_notify), so it may have been cut off"
_LARGE = 128 * 1024  # bytes that come at once
_CONTINUE = 100  # RFC 9110 section 15.2.1


class Connection(asyncio.Protocol):
    """One connection of an origin.

    Attributes:
        transport: asyncio's transport.
        exchange: The exchange under way, or None.
        idle_since: When it went back to the pool, on the loop's clock.
        gone: Whether it is closed, or being closed.
        retired: Whether it is closed after the exchange under way.
    """

    __slots__ = (
        "_drained", "_heard", "_origin", "_paused", "_proceed", "_reader", "_sending", "exchange", "gone", "idle_since",
        "retired", "transport",
    )  # fmt: skip

    def __init__(self, origin: Origin, max_headers: int) -> None:
        self._origin = origin
        self._reader = Reader(max_headers)
        self._paused = False  # whether the loop reads nothing from it
        self._sending = False  # whether a part of the request is still to be sent
        self._drained: asyncio.Future[None] | None = None  # there while asyncio's write buffer is full
        self._proceed: asyncio.Future[None] | None = None  # there while `100 Continue` is waited for
        self._heard: Callable[[int], Any] | None = None
        self.transport: Any = None
        self.exchange: Exchange | None = None
        self.idle_since: float = 0.0
        self.gone: bool = False
        self.retired: bool = False

    # --- what the loop calls ---------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Take in asyncio's transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in bytes."""
        exchange = self.exchange
        reader = self._reader
        if exchange is None:
            reader.feed(data)  # it is nobody's
            self.close()  # rule 1
            return
        try:
            content = reader.feed(data)
        except BadResponse as error:
            self._refuse(exchange, error)
            return
        if not exchange.headed:
            if not reader.headed:
                if self._proceed is not None and reader.interim == _CONTINUE:
                    _set(self._proceed)
                return
            if not self._head(exchange, reader, content):
                return
        if content and (failure := exchange.feed(content)) is not None:
            self.fail(failure)
        elif reader.done:
            self._release()
            exchange.end(reader.trailers)
        elif len(data) >= _LARGE and not self._paused:  # rule 5
            self.transport.pause_reading()
            self._origin.pool.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._paused and not self.gone:
            self.transport.resume_reading()

    def eof_received(self) -> None:
        """Take in that the server has closed its side: asyncio closes ours."""
        exchange = self.exchange
        if exchange is None:
            self.gone = True
            return
        reader = self._reader
        try:
            reader.end()
        except BadResponse as error:
            self.fail(self._cut(exchange, None, str(error)))
            return
        if ended_in_order(self.transport):
            self.close()  # whatever was still to be sent: nobody reads it
            exchange.end(reader.trailers)
        else:
            self.fail(ProtocolError(f"the body broke off: {_RAGGED}", request=exchange.request))

    def connection_lost(self, error: Exception | None) -> None:
        """Take in that the connection is closed."""
        self.gone = True
        self._origin.forget(self)
        self._origin.pool.lost(self)
        self._wake()
        if (exchange := self.exchange) is not None:
            self.exchange = None
            exchange.fail(self._cut(exchange, error))

    def pause_writing(self) -> None:
        """Take in that asyncio's write buffer is full."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Take in that the write buffer has room again."""
        if self._drained is not None:
            _set(self._drained)
            self._drained = None

    # --- what the pool calls ---------------------------------------------------------------------------------------

    def usable(self) -> bool:
        """Whether a request may be sent: no bytes may wait in its socket that the loop has not seen (rule 1)."""
        if self.gone or self.transport.is_closing():
            return False
        if self._heard is None:
            self._heard = heard(self.transport)
        return not self._heard(0)

    def retire(self) -> None:
        """Hang up, after the exchange under way."""
        if self.exchange is None:
            self.close()
        else:
            self.retired = True

    def shut(self) -> None:
        """End the exchange under way, because the client is closed, and hang up."""
        exchange = self.exchange
        self.close()
        if exchange is not None:
            exchange.fail(final_error(failures.CLOSED, exchange.request))

    def close(self) -> None:
        """Hang up."""
        if not self.gone:
            self.gone = True
            self.exchange = None
            self._origin.forget(self)
            self._wake()
            self.transport.abort()

    # --- what the transport calls: it is a `Carrier` -----------------------------------------------------------------

    def start(self, exchange: Exchange) -> None:
        """Send a request that has no body, or a small one."""
        head = self._begin(exchange)
        request = exchange.request
        content = request.content
        if content is None and request.call.before_write is None:
            self._origin.pool.write_later(self, head)
        elif not self.gone:
            self.transport.write(head + (content or b""))  # type: ignore[operator]  # the transport knows that it is bytes

    async def upload(self, exchange: Exchange) -> None:
        """Send a request with a body that is large, streamed or waits for `100 Continue`."""
        head = self._begin(exchange)
        if self.gone:
            return
        self._sending = True
        self.transport.write(head)
        if "Expect" in exchange.headers:
            self._proceed = exchange.waiter.get_loop().create_future()
            proceeds = await sending.wait_to_proceed(self._proceed, exchange)
            self._proceed = None
            if not proceeds:
                return
        chunked = isinstance(exchange.request.content, Body) and "Content-Length" not in exchange.headers

        def end() -> None:
            if self.exchange is exchange:  # else the response was there first, and the connection is closed
                self._sending = False
                if chunked:
                    self.transport.write(b"0\r\n\r\n")

        await sending.send(exchange, self._write_chunk if chunked else self._write, end)

    def _begin(self, exchange: Exchange) -> bytes:
        """Begin an exchange; returns the head of its request."""
        request, origin = exchange.request, self._origin
        if self.gone:  # in the turn in which it was made
            exchange.fail(self._unwritten(exchange))
        else:
            self.exchange = exchange
            self._reader.begin(request.method)
        headers, heads = exchange.headers, origin.pool.heads
        first = "" if "Host" in headers else origin.host
        if origin.authorization and "Proxy-Authorization" not in headers:
            first += origin.authorization
        head = heads.head(request, headers, first, proxied=origin.proxied)
        self.retired = self.retired or heads.closes
        if (look := request.call.before_write) is not None:
            look()
        return head

    def abandon(self, exchange: Exchange) -> None:
        """Close the connection where the exchange still has it (rule 3)."""
        if self.exchange is exchange:
            self.close()

    def pause(self, exchange: Exchange) -> None:
        """Read no more for now."""
        if self.exchange is exchange:
            self._paused = True
            self.transport.pause_reading()

    def resume(self, exchange: Exchange, count: int) -> None:  # noqa: ARG002 - other carriers count
        """Read on."""
        if self.exchange is exchange and self._paused:
            self._paused = False
            self.transport.resume_reading()

    # --- the ends of an exchange -----------------------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """End the exchange, and the connection with it."""
        exchange = self.exchange
        self.close()
        if exchange is not None:
            exchange.fail(error)

    def _head(self, exchange: Exchange, reader: Reader, content: bytes) -> bool:
        """Take in the final head; returns whether `content`, which came with it, is still to be taken in."""
        if self._proceed is not None:
            _set(self._proceed)
        if reader.status < 200:  # noqa: PLR2004
            self.fail(_interim(exchange, reader.status))
            return False
        fields = CIMultiDict(reader.fields)
        if (
            reader.done
            and reader.length is not None
            and "Content-Encoding" not in fields
            and exchange.request.call.open_bodies is None
        ):
            self._release()
            exchange.whole(reader.status, reader.version, fields, content)
            return False
        coded: list[str] = fields.getall("Transfer-Encoding", [])
        framed = reader.length is not None or bool(coded and coded[-1].lower().endswith("chunked"))
        failure = exchange.begin(reader.status, reader.version, fields, length=reader.length, framed=framed)
        if failure is not None:
            self.fail(failure)
        return failure is None

    def _release(self) -> None:
        """Go back to the pool, or close: the response is whole (rule 2)."""
        reader = self._reader
        self.exchange = None
        if not reader.keep or reader.rest or self._sending or self.retired or self._drained is not None:
            self.close()
            return
        if self._paused:  # the end came with the bytes that were too many
            self._paused = False
            self.transport.resume_reading()
        self._origin.put(self)

    def _refuse(self, exchange: Exchange, error: BadResponse) -> None:
        if error.too_large:
            self.fail(final_error(failures.TOO_MUCH, exchange.request))
        elif exchange.headed:
            self.fail(ProtocolError(f"the body broke off: {error}", request=exchange.request))
        else:
            self.fail(ProtocolError(f"the response isn't valid HTTP: {error}", request=exchange.request))

    def _cut(self, exchange: Exchange, error: Exception | None, how: str = "") -> Exception:
        """Make the error of a connection that was lost under an exchange."""
        request = exchange.request
        if self._origin.pool.closed:
            return final_error(failures.CLOSED, request)
        if isinstance(error, ssl.SSLError | ssl.CertificateError):
            return failures.tls_broke(error, request)
        if exchange.headed and not isinstance(error, OSError):
            how = how or "the connection was closed before its end"
            return ProtocolError(f"the body broke off: {how}", request=request)
        failure = failures.cut(error, request)
        failure.stale = failure.stale and not self._reader.begun  # rule 4
        return failure

    def _unwritten(self, exchange: Exchange) -> Exception:
        """Make the error of a connection that was gone before anything was written to it."""
        if said := self._reader.rest:
            who = protocol_of(said)
            why = f"{who} is on this port" if who else "it came before the request"
            return ProtocolError(f"the response isn't valid HTTP: {why}", request=exchange.request)
        error = self._cut(exchange, None)
        if isinstance(error, ProtocolError):
            error.unprocessed = not error.final
        return error

    # --- writing -----------------------------------------------------------------------------------------------------

    async def _write(self, data: bytes) -> bool:
        """Write a piece, and wait while the buffer is full; returns False where nobody takes more."""
        if self.gone:
            return False
        self.transport.write(data)
        while self._drained is not None and not self.gone:
            await asyncio.shield(self._drained)
        return not self.gone

    async def _write_chunk(self, data: bytes) -> bool:
        return await self._write(b"%x\r\n%b\r\n" % (len(data), data)) if data else not self.gone

    def _wake(self) -> None:
        for future in (self._drained, self._proceed):
            if future is not None:
                _set(future)


def _interim(exchange: Exchange, status: int) -> ProtocolError:
    """Make the error of a response that ends with an interim status (RFC 9110 section 15.2)."""
    return ProtocolError(
        f"the server sent {status} as the final status, which must be 200 or higher", request=exchange.request
    )


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
