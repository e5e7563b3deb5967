"""How a protocol of remote procedure calls is plugged in: what it writes of a call, and how it reads the response.

gRPC, grpc-web and Connect differ in this alone. The channel makes the calls, and knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from asyncapi.errors import RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.metadata import NONE, Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from multidict import CIMultiDict

    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.response import Response

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service, as its stub names it.

    Attributes:
        path: "/package.Service/Method".
        streams_in: Whether it takes a stream of messages.
        streams_out: Whether it returns a stream of messages.
        idempotent: Whether calling it twice does its work once, as its `idempotency_level` says; None where it doesn't.
        safe: Whether it has no side effects at all.
    """

    path: str
    streams_in: bool
    streams_out: bool
    idempotent: bool | None = None
    safe: bool = False

    @property
    def unary(self) -> bool:
        """Whether it takes one message and returns one."""
        return not (self.streams_in or self.streams_out)


class Opening(NamedTuple):
    """The head of a call's request, and the body of a unary one.

    Attributes:
        method: HTTP method.
        url: The path below the client's base URL.
        headers: What the protocol and the caller's metadata say.
        content: The body of a call that takes one message; None for a GET, and for a stream.
    """

    method: str
    url: str
    headers: Fields
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call has ended.

    Attributes:
        code: The status code.
        details: The server's message.
        trailing: The metadata that came with it.
        packed: A serialized `google.rpc.Status`, b"" where there is none.
    """

    code: Code = Code.OK
    details: str = ""
    trailing: Metadata = NONE
    packed: bytes = b""


class Answer(NamedTuple):
    """A whole response to a call that returns one message.

    Attributes:
        message: The message, decompressed; None where there is none.
        ending: How the call has ended.
        initial: The metadata of the head.
    """

    message: bytes | None
    ending: Ending
    initial: Metadata


class Messages(Protocol):
    """Reads the body of a response that streams.

    Attributes:
        ending: How the call has ended, where the body has said so; None before, and where trailers say it.
    """

    ending: Ending | None

    @property
    def initial(self) -> Metadata:
        """The metadata of the head."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take in a piece of the body; returns the messages that are now whole, decompressed.

        Raises:
            RPCError: The body is not what the protocol says.
        """

    def end(self, trailers: Iterable[tuple[str, str]]) -> Ending:
        """Take in the end of the body; returns how the call has ended.

        Raises:
            RPCError: The body is not whole.
        """


class RPCProtocol(Protocol):
    """What a protocol writes and reads.

    Attributes:
        name: As in `Client.grpc(protocol=...)`.
        needs_http2: Whether HTTP/1.1 can't carry it.
    """

    name: str
    needs_http2: bool

    def open(self, method: Method, message: bytes | None, metadata: Fields, compression: str | None) -> Opening:
        """Write the head of a call, and the body of one that takes a single message.

        Args:
            method: The method.
            message: The serialized message; None where the call takes a stream.
            metadata: The caller's, as header fields.
            compression: "gzip" or "deflate", or None.
        """

    def frame(self, message: bytes, compression: str | None) -> bytes:
        """Write one message of a stream."""

    # body(message, compression) -> bytes: the body of a call that takes one message. A protocol has it where the head
    # of a call is the same whatever its message is: such a head is made once.

    def dress(self, headers: CIMultiDict[str], left: float | None, attempts: int) -> None:
        """Say in the headers of an attempt what is new with each.

        Args:
            headers: The headers, to be changed.
            left: Seconds until nobody waits for the response any more; None where there is no limit.
            attempts: How many attempts were made before.
        """

    def meaning(self, response: Response, *, late: bool) -> Meaning | None:
        """Say what a response means to the layers: a whole one, or the head of one that streams.

        Args:
            response: The response.
            late: Whether the attempt's own limit has passed, and not that of the call.

        Returns:
            None for what its HTTP status says.
        """

    def read(self, response: Response, method: Method) -> Answer:
        """Read a whole response.

        Raises:
            RPCError: It is not what the protocol says.
        """

    def messages(self, response: Response, method: Method) -> Messages:
        """Read the head of a response that streams.

        Raises:
            RPCError: It is not what the protocol says.
        """


def the_one(messages: list[bytes], ending: Ending, initial: Metadata, method: Method) -> Answer:
    """Make the response to a call that returns one message, of the messages that came (gRFC A6).

    Raises:
        RPCError: The call ended well with another number of them.
    """
    if ending.code is not Code.OK:
        return Answer(None, ending, initial)
    if len(messages) != 1:
        raise RPCError(
            Code.INTERNAL,
            f"the response has {len(messages)} messages, where {method.path} returns one",
            metadata=ending.trailing,
        )
    return Answer(messages[0], ending, initial)
