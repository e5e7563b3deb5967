"""One attempt on its connection: the request that is sent, and the response as its bytes arrive.

The same for every version of HTTP: a connection (HTTP/1.1) or a stream (HTTP/2, HTTP/3) reports the head, pieces of the
body, its end or a failure to its `Exchange`, which gives the transport what it waits for.

Rules:
1. What the transport waits for travels in the future alone, never on the connection: when the waiting task runs again,
   the connection may already serve another exchange.
2. A failure is the future's result, not its exception: a task that is cancelled in the same turn of the loop never asks
   for it, and asyncio would complain. The exchange is never its result: the two would keep each other alive.
3. At most `max_body` bytes of a body are collected, coded or not; the transport decodes within the same bound. The body
   of a streamed call is not collected: `IncomingBody` holds back the server while nobody reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.errors import ProtocolError, final_error
from asyncapi.messages.open_body import NO_TRAILERS
from asyncapi.messages.response import Response
from asyncapi.sansio.http.codings import decoding
from asyncapi.transports.native.incoming import IncomingBody

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from asyncapi.messages.request import Request
    from asyncapi.sansio.http.codings import Coding

_OVERHEAD = 64 * 1024  # bytes by which a coded body may be larger than what it decodes to
_UNBOUNDED = 1 << 62
_BODILESS = frozenset({204, 304})  # RFC 9110 sections 15.3.5 and 15.4.5


class Carrier(Protocol):
    """A connection, as an exchange and the transport see it."""

    def start(self, exchange: Exchange) -> None:
        """Send a request that has no body, or a small one.

        Raises:
            ConfigError: Its head can't be sent.
        """

    async def upload(self, exchange: Exchange) -> None:
        """Send a request with a body that is large, streamed or waits for `100 Continue`.

        It returns early where a response comes early.

        Raises:
            ConfigError: Its head or its body can't be sent.
        """

    def abandon(self, exchange: Exchange) -> None:
        """End an exchange that nobody waits for any more."""

    def pause(self, exchange: Exchange) -> None:
        """Read no more of a streamed body for now."""

    def resume(self, exchange: Exchange, count: int) -> None:
        """Read on: `count` bytes of the body were taken."""


class Exchange:
    """One request and its response.

    Args:
        request: The request.
        headers: Its headers, with what the transport has added.
        waiter: Its result is the `Response`; None where the response is to be made of this exchange (it is coded, or
            streamed, or has come in pieces); or a failure.
        max_body: Most bytes of a body; None for no bound.
        carrier: The connection that it is on.

    Attributes:
        headed: Whether the final head has come.
        body: The body of a streamed call, from the head on.
        coding: What decodes the body; None where it came uncoded.
        framed: Whether the response says where its body ends.
        trailers: The trailer fields, or none.
    """

    fields: CIMultiDict[str]
    framed: bool
    status: int
    version: str

    __slots__ = (
        "_limit", "_pieces", "_size", "_upload", "body", "carrier", "coding", "fields", "framed", "headed", "headers",
        "max_body", "request", "status", "trailers", "version", "waiter",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        headers: CIMultiDict[str],
        waiter: asyncio.Future[Any],
        max_body: int | None,
        carrier: Carrier,
    ) -> None:
        self.request: Request = request
        self.headers: CIMultiDict[str] = headers
        self.waiter: asyncio.Future[Any] = waiter
        self.max_body: int | None = max_body
        self.carrier: Carrier = carrier
        self.headed: bool = False
        self.body: IncomingBody | None = None
        self._upload: asyncio.Task[None] | None = None  # what still sends the request, beside a streamed response

    @property
    def ended(self) -> bool:
        """Whether the response is whole, or nobody waits for it any more."""
        return self.waiter.done() and (self.body is None or self.body.over)

    def look(self) -> None:
        """Have the request looked at once more: its head is written next. What that raises keeps it from being sent."""
        if (look := self.request.call.before_write) is not None:
            look()

    def whole(self, status: int, version: str, fields: CIMultiDict[str], content: bytes) -> None:
        """Take in a response that came in one piece and uncoded, of a call that does not stream: the usual one."""
        if self.max_body is not None and len(content) > self.max_body:
            self.settle(self._oversized(f"it has {len(content):,}"))
            return
        request = self.request
        self.settle(
            Response(
                status, CIMultiDictProxy(fields), content, url=request.target, request=request, http_version=version
            )
        )

    def begin(
        self, status: int, version: str, fields: CIMultiDict[str], *, length: int | None, framed: bool
    ) -> ProtocolError | None:
        """Take in the final head; returns the failure where the body can't be accepted.

        Args:
            status: The status.
            version: As `Response.http_version`.
            fields: The headers.
            length: The length of the body, where the response says it.
            framed: Whether the response says where the body ends.
        """
        request = self.request
        self.headed = True
        self.status, self.version, self.fields, self.framed = status, version, fields, framed
        self.trailers: CIMultiDictProxy[str] = NO_TRAILERS
        request.call.phase = "body"
        if request.method == "HEAD" or status in _BODILESS:
            self.coding: Coding | None = None
            length = 0
        else:
            transfer: list[str] = fields.getall("Transfer-Encoding", [])
            self.coding = decoding(transfer, fields.getall("Content-Encoding", []))
        self._pieces: list[bytes] = []
        self._size = 0
        if request.call.open_bodies is not None and status < 300:  # noqa: PLR2004 - others are read, as errors are
            self.body = IncomingBody(self)
            self.settle(None)
            return None
        bound = self.max_body
        self._limit = _UNBOUNDED if bound is None else bound + (0 if self.coding is None else _OVERHEAD)
        if length is not None and length > self._limit:
            return self._oversized(f"Content-Length is {length:,}")
        return None

    def feed(self, data: bytes) -> ProtocolError | None:
        """Take in bytes of the body; returns the failure where there are too many (rule 3)."""
        if self.body is not None:
            self.body.push(data)
            return None
        self._pieces.append(data)
        self._size += len(data)
        return self._oversized("it goes on") if self._size > self._limit else None

    def end(self, trailers: Iterable[tuple[str, str]] | None = None) -> None:
        """Take in the end of the response, with its trailer fields."""
        if trailers:
            self.trailers = CIMultiDictProxy(CIMultiDict(trailers))
        if self.body is not None:
            self.body.finish()
            self._end_upload()
        else:
            self.settle(None)

    def fail(self, error: Exception) -> None:
        """Take in that no more will come, and why."""
        if self.body is not None:
            self.body.fail(error)
            self._end_upload()
        else:
            self.settle(error)

    def let_go(self) -> None:
        """End what a streamed response still holds, once nobody reads it any more."""
        self._end_upload()
        self.carrier.abandon(self)
        self.body = None  # which knows this exchange

    def send_on(self, upload: asyncio.Task[None]) -> None:
        """Let the rest of the request be sent while the response is read; where that fails, the response does."""
        self._upload = upload
        upload.add_done_callback(self._sent)

    def _sent(self, upload: asyncio.Task[None]) -> None:
        self._upload = None
        error = None if upload.cancelled() else upload.exception()
        if isinstance(error, Exception):
            self.fail(error)  # whoever reads the body lets go of it then

    def _end_upload(self) -> None:
        if self._upload is not None:
            self._upload.cancel()

    def settle(self, result: Any) -> None:
        """Give the transport what it waits for (rule 2)."""
        if not self.waiter.done():
            self.waiter.set_result(result)

    def response(self, content: bytes) -> Response:
        """Make the response, its body decoded by the transport."""
        request = self.request
        return Response(
            self.status, CIMultiDictProxy(self.fields), content,
            url=request.target, request=request, http_version=self.version,
            trailers=self.trailers,
        )  # fmt: skip

    def raw(self) -> bytes:
        """Return the collected body, as it came."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _oversized(self, how: str) -> ProtocolError:
        return oversized(self.request, self.max_body or 0, how)


def oversized(request: Request, max_body: int, how: str) -> ProtocolError:
    """Make the error of a body that is larger than `max_body`."""
    return final_error(
        f"the body is larger than max_body={max_body:,} bytes ({how}): raise max_body if you expect that", request
    )
