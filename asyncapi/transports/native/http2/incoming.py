"""Take in what the server of an HTTP/2 connection says, event by event: a table of them is at the end.

Rules:
1. A response that comes whole in one turn of the loop, uncoded, is settled at once: the usual one. Other heads begin
   their responses at the end of the turn, or with the first of their body.
2. What one stream's events say concerns that stream alone. GOAWAY and a broken connection concern all.
3. A 421 and HTTP_1_1_REQUIRED ask for HTTP/1.1: where the caller allows it, the request goes there, and so do all later
   ones to this origin (RFC 9110 section 15.5.20, RFC 9113 section 7). A 421 to a body that can't be sent again is a
   response like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.sansio.failures.resend import rewindable
from asyncapi.sansio.http2 import events as ev
from asyncapi.transports.native.http2 import failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.transports.native.http2.connection import HTTP2Connection
    from asyncapi.transports.native.http2.stream import Stream

_MISDIRECTED = 421
_CONTINUE = 100  # RFC 9110 section 15.2.1


def take(connection: HTTP2Connection, data: bytes) -> None:
    """Take in bytes, and do what they say."""
    headed: list[int] = []
    for event in connection.engine.receive(data):
        kind = type(event)
        if kind is ev.Head:
            headed.append(event.stream)  # type: ignore[union-attr]  # a Head has one
        _TAKE[kind](connection, event)
    for number in headed:
        stream = connection.streams.get(number)
        if stream is not None and stream.head is not None:
            _begin(connection, stream)


def _head(connection: HTTP2Connection, event: ev.Head) -> None:
    stream = connection.streams.get(event.stream)
    if stream is None:
        return
    request = stream.exchange.request
    if event.status == _MISDIRECTED and not connection.owner.prior and rewindable(request):  # rule 3
        connection.owner.require_http1()
        connection.engine.reset(event.stream)
        connection.end_stream(stream, failures.not_begun(failures.NOT_HERE, request))
        return
    stream.head = event
    if event.end and not _whole(connection, stream, b"") and _begin(connection, stream):
        connection.finish(stream)
        stream.exchange.end()


def _interim(connection: HTTP2Connection, event: ev.Interim) -> None:
    stream = connection.streams.get(event.stream)
    if stream is not None and event.status == _CONTINUE:
        stream.proceed()


def _data(connection: HTTP2Connection, event: ev.Data) -> None:
    stream, data = connection.streams.get(event.stream), event.data
    wanted = stream is not None
    if stream is not None and stream.head is not None:
        wanted = not (event.end and _whole(connection, stream, data)) and _begin(connection, stream)
    if stream is None or not wanted:
        connection.engine.acknowledge(event.stream, len(data))
        return
    failure = stream.take(data) if data else None
    if failure is not None:
        connection.engine.reset(event.stream)
        connection.end_stream(stream, failure)
    elif event.end:
        connection.finish(stream)
        stream.exchange.end()


def _trailers(connection: HTTP2Connection, event: ev.Trailers) -> None:
    stream = connection.streams.get(event.stream)
    if stream is not None and (stream.head is None or _begin(connection, stream)):
        connection.finish(stream)
        stream.exchange.end(event.fields)


def _reset(connection: HTTP2Connection, event: ev.Reset) -> None:
    stream = connection.streams.get(event.stream)
    if stream is None:
        return
    error = failures.reset(stream.exchange, event)
    if event.code == ev.HTTP_1_1_REQUIRED and not event.ours:  # rule 3
        if connection.owner.prior:
            error.final = True
        else:
            connection.owner.require_http1()
    if event.code == ev.REFUSED_STREAM and not event.ours:
        connection.owner.origin.pool.refused += 1
    connection.end_stream(stream, error)


def _goaway(connection: HTTP2Connection, event: ev.GoAway) -> None:
    connection.leave()
    for number in event.unprocessed:
        stream = connection.streams.get(number)
        if stream is not None:
            connection.owner.origin.pool.refused += 1
            connection.end_stream(stream, failures.went_away(event.code, stream.exchange.request))


def _window(connection: HTTP2Connection, event: ev.Window) -> None:
    stream = connection.streams.get(event.stream)
    if stream is not None:
        stream.go_on()


def _fault(connection: HTTP2Connection, event: ev.Fault) -> None:
    connection.fail(lambda stream: failures.broken(stream.exchange, event))


def _nothing(connection: HTTP2Connection, event: ev.Settings | ev.Pong) -> None:
    """Do nothing: the queue looks at the limit after every turn, and any bytes say that the server is there."""


def _whole(connection: HTTP2Connection, stream: Stream, content: bytes) -> bool:
    """Settle the exchange if its response came in one turn, uncoded (rule 1)."""
    head, exchange = stream.head, stream.exchange
    if head is None or exchange.request.call.open_bodies is not None:
        return False
    fields = CIMultiDict(head.fields)
    if "Content-Encoding" in fields:
        return False
    stream.head = None
    connection.finish(stream)
    exchange.whole(head.status, "2", fields, content)
    return True


def _begin(connection: HTTP2Connection, stream: Stream) -> bool:
    """Begin the response of an exchange; returns whether its body is wanted."""
    head, stream.head = stream.head, None
    assert head is not None  # noqa: S101 - the callers look
    fields = CIMultiDict(head.fields)
    declared = None if head.end else fields.get("Content-Length")
    length = None if declared is None else int(declared)
    failure = stream.exchange.begin(head.status, "2", fields, length=length, framed=True)
    if failure is not None:
        connection.engine.reset(stream.id)
        connection.end_stream(stream, failure)
    return failure is None


_TAKE: dict[type, Callable[[HTTP2Connection, Any], None]] = {
    ev.Head: _head, ev.Data: _data, ev.Trailers: _trailers, ev.Interim: _interim, ev.Reset: _reset,
    ev.GoAway: _goaway, ev.Settings: _nothing, ev.Window: _window, ev.Pong: _nothing, ev.Fault: _fault,
}  # fmt: skip
