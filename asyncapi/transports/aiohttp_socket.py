"""WebSocket connections over an aiohttp session: the handshake is a request like any other (RFC 6455).

aiohttp parses and writes the frames. The connection itself is ours, for what aiohttp's own class does otherwise (seen
in 3.14.5):

1. PINGs get their PONG as they arrive, not when the reader comes to them.
2. A peer is given up for dead only where we listen: not while its messages wait for a slow reader, and not while it
   takes what we send.
3. What breaks the protocol ends the connection at once, whether anybody reads or not.
4. `close()` takes two seconds at the most, whatever the peer does or sends. What is still unsent then is dropped.
5. A sender waits while the peer is slow, and learns if the connection ends meanwhile.
6. No PONGs pile up for a peer that doesn't read: the last is owed to it (RFC 6455 section 5.5.3).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http_websocket import WebSocketWriter, WSMsgType

from asyncapi.errors import SocketClosed
from asyncapi.messages.upgrade import Closed
from asyncapi.sansio.http.closecodes import GOING_AWAY, LOST, NO_CODE, NORMAL, describe, is_sendable
from asyncapi.transports.aiohttp_handshake import chosen_protocol, compression

if TYPE_CHECKING:
    from asyncapi.clock import Clock
    from asyncapi.messages.upgrade import Upgrade

CLOSE_TIME = 2.0  # seconds (rule 4)
_TEXT, _BINARY, _CLOSE, _PING, _PONG = (
    WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG,
)  # fmt: skip
_TOO_BIG = 1009
_CLOSED_BY_US = "the client was closed"
_feed = WebSocketDataQueue.feed_data


class AioHTTPSocket:
    """An open WebSocket connection: the `Socket` of `asyncapi/messages/upgrade.py`.

    Args:
        answer: The response to the handshake, 101.
        key: The value that the server has to prove it read.
        upgrade: What was asked for.
        clock: Times the heartbeat and the close.

    Attributes:
        subprotocol: The one that the server has chosen, or None.
        ended: How the connection has ended; None while messages may be sent.

    Raises:
        ProtocolError: The response is not that of a WebSocket server, or of one that does what it was not asked for.
    """

    def __init__(self, answer: aiohttp.ClientResponse, key: str, upgrade: Upgrade, clock: Clock) -> None:
        self.subprotocol: str | None = chosen_protocol(answer.headers, key, upgrade)
        compress, no_takeover = compression(answer.headers, upgrade)
        self.ended: Closed | None = None
        self._answer = answer
        self._clock = clock
        connection: Any = answer.connection
        self._protocol, self._transport = connection.protocol, connection.transport
        self._protocol.read_timeout = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue = _Messages(self._protocol, 1 << 16, loop=asyncio.get_running_loop())
        self._queue.socket = self
        if upgrade.max_message is not None:
            self._queue.most = upgrade.max_message
        self._writer = WebSocketWriter(
            self._protocol, self._transport, use_mask=True, compress=compress, notakeover=no_takeover
        )
        # aiohttp's own limit is exclusive, but for compressed messages
        limit = 0 if upgrade.max_message is None else upgrade.max_message + 1
        reader = WebSocketReader(self._queue, limit, compress=bool(compress), decode_text=True)
        self._frames = _Frames(self, reader, clock)
        self._beat: _Heartbeat | None = None
        if upgrade.heartbeat is not None:
            self._beat = _Heartbeat(self, self._frames, upgrade.heartbeat, clock)
        self._pong_owed: bytes | None = None  # rule 6
        self._close_sent = self._agreed = self._let_go_of = False
        self._last_resort: asyncio.TimerHandle | None = None
        self._protocol.set_parser(self._frames, self._queue)

    async def receive(self) -> str | bytes | Closed:
        """Wait for the next message, or the end."""
        try:
            message = await self._queue.read()
        except Exception as error:  # the end of the queue, in aiohttp's many words
            return self._end_of(error)
        if message[0] is _CLOSE:
            return self.ended or Closed(LOST)
        data: str | bytes = message[1]
        return data

    async def send(self, message: str | bytes) -> None:
        """Send a message; wait while the peer is slow.

        Raises:
            SocketClosed: The connection has ended.
        """
        if self.ended is None:
            try:
                if isinstance(message, str):
                    await self._writer.send_frame(message.encode(), _TEXT)
                else:
                    await self._writer.send_frame(message, _BINARY)
            except (aiohttp.ClientError, ConnectionError, RuntimeError):
                self.lose()
            except asyncio.CancelledError:
                for task in self._writer._background_tasks:  # noqa: SLF001 - it compresses on, and may find it closed
                    task.add_done_callback(_ignored)
                raise
            if self._pong_owed is not None:
                self.pay()
        if (end := self.ended) is not None:  # also where it ended while the sender waited (rule 5)
            why = f": {end.why or end.reason}" if end.why or end.reason else ""
            text = f"not sent: the socket is closed, {describe(end.code)}{why}"
            raise SocketClosed(text, code=end.code, reason=end.reason)

    async def close(self, code: int, reason: str) -> None:
        """Send a CLOSE, and wait until the peer's has come and the connection is gone (rule 4)."""
        if self.ended is None:
            self.ended = Closed(code, reason, "closed by ourselves")
            self._say_close(code, reason)
        self._queue.drop = True
        self._queue.feed_eof()  # wakes a task that waits in `receive`
        try:
            while self._queue._buffer:  # noqa: SLF001 - only what is read lets the parser go on to the CLOSE
                await self._queue.read()
            await asyncio.wait((self._lost,), timeout=CLOSE_TIME)
        finally:
            self._abort()
        # the loop's next rounds, and what is compressed in a thread
        await asyncio.wait((self._lost, *self._writer._background_tasks), timeout=CLOSE_TIME)  # noqa: SLF001

    def release(self) -> None:
        """Let go of the connection now; a peer that is still there gets a CLOSE if it takes one at once."""
        if self.ended is None:
            self.ended = Closed(LOST, why=_CLOSED_BY_US)
            self._say_close(GOING_AWAY, "")
        if self._agreed:  # the CLOSE that is its echo may still be on its way
            self._let_go()
        else:
            self._abort()

    def _abort(self) -> None:
        self._let_go()
        if not self._lost.done():
            self._transport.abort()

    def control(self, kind: Any, data: Any, reason: Any) -> None:
        """Take in a control frame, as it arrives."""
        if kind is _PING:
            self._pong_owed = bytes(data)
            self.pay()
        elif kind is _CLOSE:
            code = data or NO_CODE
            if self.ended is None:
                self.ended = Closed(code, reason)
            self._agreed = True
            self._say_close(code if is_sendable(code) else NORMAL, "")  # RFC 6455 section 5.5.1: it is echoed
            self._let_go()

    def pay(self) -> None:
        """Send the PONG that is owed, unless the peer is slow to read (rule 6)."""
        if not self._protocol._paused and self._pong_owed is not None and self.ended is None:  # noqa: SLF001
            owed, self._pong_owed = self._pong_owed, None
            self._write(owed, _PONG)

    def ping(self) -> None:
        """Send a PING."""
        self._write(b"", _PING)

    def fail(self, code: int, why: str) -> None:
        """End the connection, because of what the peer sent or does not send; messages that have come are kept."""
        if self.ended is None:
            if code == _TOO_BIG:
                why = f"a message is over max_message={self._queue.most:,.0f} bytes"
            self.ended = Closed(code, why=why)
            self._say_close(code if code != LOST else GOING_AWAY, "")
        self._let_go()
        self._queue.feed_eof()

    def lose(self) -> None:
        """Note that the connection is gone."""
        if self.ended is None:
            self.ended = Closed(LOST, why="the connection was cut")
        self._let_go()
        self._queue.feed_eof()

    def gone(self) -> None:
        """Note that the system has closed the connection."""
        self.lose()
        if self._last_resort is not None:
            self._last_resort.cancel()
            self._last_resort = None
        if not self._lost.done():
            self._lost.set_result(None)

    @property
    def is_deaf(self) -> bool:
        """Whether we don't listen, since what has come waits to be read."""
        return bool(self._protocol._reading_paused)  # noqa: SLF001

    @property
    def unsent(self) -> int:
        """Bytes that the system has not taken yet."""
        return int(self._transport.get_write_buffer_size())

    def _end_of(self, error: Exception) -> Closed:
        """Return the end, at the end of the messages."""
        if self.ended is None and (code := getattr(error, "code", None)) is not None:
            self.fail(int(code), str(error))
        elif self.ended is None:
            self.lose()
        return self.ended or Closed(LOST)

    def _say_close(self, code: int, reason: str) -> None:
        if not self._close_sent:
            self._close_sent = True
            self._write(code.to_bytes(2, "big") + reason.encode(), _CLOSE)

    def _write(self, data: bytes, kind: int) -> None:
        """Write a control frame, without waiting."""
        with suppress(aiohttp.ClientError, ConnectionError, RuntimeError):  # it is gone, and says so itself
            self._writer._write_websocket_frame(data, kind, 0)  # noqa: SLF001 - `send_frame` may wait

    def _let_go(self) -> None:
        """Close the connection once what was written is out, in two seconds at the latest."""
        if self._let_go_of:
            return
        self._let_go_of = True
        if self._beat is not None:
            self._beat.stop()
        if not self._lost.done():
            self._last_resort = self._clock.call_at(self._clock.now() + CLOSE_TIME, self._transport.abort)
        self._answer.close()


class _Messages(WebSocketDataQueue):
    """The messages that wait to be read; control frames go past them (rule 1)."""

    socket: AioHTTPSocket
    drop: bool = False
    most: float = inf

    def feed_data(self, data: Any, size: int) -> None:
        kind = data[0]
        if kind is _TEXT or kind is _BINARY:
            if size > self.most:
                self.drop = True
                self.socket.fail(_TOO_BIG, "")
            elif not self.drop:
                _feed(self, data, size)
        elif not self.drop or kind is not _PING:
            if kind is _CLOSE:
                if not self.drop:
                    _feed(self, data, size)
                self.drop = True  # RFC 6455 section 5.5.1: nothing comes after it
            self.socket.control(kind, data[1], data[2])


class _Frames:
    """What the connection hands its bytes to.

    Attributes:
        heard: When bytes last came, on the clock.
    """

    def __init__(self, socket: AioHTTPSocket, reader: WebSocketReader, clock: Clock) -> None:
        self._socket = socket
        self._parse = reader.feed_data
        self._now = clock.now
        self.heard: float = clock.now()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.heard = self._now()
        failed, rest = self._parse(data)
        if failed:  # rule 3
            error = self._socket._queue.exception()  # noqa: SLF001
            self._socket.fail(int(getattr(error, "code", 1002)), str(error))
        return failed, rest

    def feed_eof(self) -> None:
        self._socket.gone()


class _Heartbeat:
    """Asks a silent peer whether it is still there (rule 2): one timer, set anew when it rings."""

    def __init__(self, socket: AioHTTPSocket, frames: _Frames, every: float, clock: Clock) -> None:
        self._socket = socket
        self._frames = frames
        self._every = every
        self._clock = clock
        self._asked: float | None = None  # when a PING was sent
        self._unsent = 0
        self._timer = clock.call_at(clock.now() + every, self._ring)

    def stop(self) -> None:
        self._timer.cancel()

    def _ring(self) -> None:
        socket, now, heard = self._socket, self._clock.now(), self._frames.heard
        socket.pay()
        unsent, before = socket.unsent, self._unsent
        self._unsent = unsent
        if socket.is_deaf or (unsent < before):
            self._frames.heard, self._asked, due = now, None, now + self._every
        elif self._asked is not None and heard < self._asked:
            if now - self._asked >= self._every / 2:
                socket.fail(LOST, f"no PONG within {self._every / 2:g} s")
                return
            due = self._asked + self._every / 2
        elif now - heard >= self._every:
            self._asked, due = now, now + self._every / 2
            socket.ping()
            self._unsent = socket.unsent
        else:
            self._asked, due = None, heard + self._every
        self._timer = self._clock.call_at(due, self._ring)


def _ignored(task: asyncio.Task[None]) -> None:
    """Look at the error of a task that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
