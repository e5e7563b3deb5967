"""Look for the first message of a stream, or for an end in its place, while its attempt is under way.

The error of a stream may come in the body of a response that is a 200: in the last envelope of Connect and grpc-web, or
in trailers. What comes in the place of the first message is the outcome of the attempt, and may be retried; after a
message nothing is sent again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.errors import RPCError, TransportError
from asyncapi.messages.open_body import release_at_end
from asyncapi.sansio.rpc.grpc import DETAILS
from asyncapi.sansio.rpc.metadata import to_base64
from asyncapi.sansio.rpc.statuses import PUSHBACK

if TYPE_CHECKING:
    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.response import Response
    from asyncapi.sansio.rpc.protocol import Ending, Messages, Method, RPCProtocol

LONGEST = 1.0  # seconds: a stream may be silent for long, and is open then


class Peek:
    """Looks into an open body (`Call.peek`); what it has read is read again by whoever gets the response.

    Args:
        protocol: What is spoken.
        method: The method that is called.
    """

    __slots__ = ("_method", "_protocol")

    def __init__(self, protocol: RPCProtocol, method: Method) -> None:
        self._protocol = protocol
        self._method = method

    async def __call__(self, response: Response) -> None:
        """Read up to the first message or the end. What is wrong with the messages is for their reader to find.

        Raises:
            TransportError: The body broke off before the first message.
        """
        body = response.open_body
        if body is None:
            return
        try:
            reader = self._protocol.messages(response, self._method)
        except RPCError:
            return
        again = _Again(body)
        release_at_end(response, again.stop)
        try:
            ended = await again.look(reader)
        except TransportError as error:  # the attempt has failed, as one whose head does not come
            body.close(error)
            raise
        except RPCError:
            return
        if ended and "grpc-status" in body.trailers:
            response.trailers = body.trailers
        elif reader.ending is not None:
            response.trailers = _fields(reader.ending)


class _Again:
    """Puts the pieces that were read before those that come.

    A read that takes long is left under way for the reader to wait for: it is not cancelled.
    """

    __slots__ = ("_pieces", "_read", "_under_way")

    def __init__(self, body: OpenBody) -> None:
        self._read = body.read
        self._pieces: list[bytes] = []
        self._under_way: asyncio.Future[bytes] | None = None
        body.read = self.read

    async def look(self, reader: Messages) -> bool:
        """Read until there is a message or the end, or no more time; returns whether all of the body was read."""
        now = asyncio.get_running_loop().time
        end = now() + LONGEST
        while True:
            self._under_way = reading = asyncio.ensure_future(self._read())
            await asyncio.wait({reading}, timeout=end - now())
            if not reading.done():
                return False
            self._under_way = None
            piece = reading.result()
            self._pieces.append(piece)
            if not piece:
                return True
            if reader.feed(piece) or reader.ending is not None:
                return False

    async def read(self) -> bytes:
        """As `OpenBody.read`."""
        if self._pieces:
            return self._pieces.pop(0)
        reading, self._under_way = self._under_way, None
        return await (self._read() if reading is None else reading)

    def stop(self, _: BaseException | None) -> None:
        """Give up a read that is under way."""
        if self._under_way is not None:
            self._under_way.cancel()
            self._under_way = None


def _fields(ending: Ending) -> CIMultiDictProxy[str]:
    """Write an ending as the trailers that say it in gRPC."""
    fields = CIMultiDict({"grpc-status": str(ending.code.value), "grpc-message": quote(ending.details)})
    pushback = ending.trailing.get(PUSHBACK)
    if isinstance(pushback, str):
        fields[PUSHBACK] = pushback
    if ending.packed:
        fields[DETAILS] = to_base64(ending.packed)
    return CIMultiDictProxy(fields)
