"""Recorded exchanges: an attempt, and what came of it. In memory with their secrets, until they are saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.testing.failures import Failure

Fields = list[tuple[str, str]]

SENT, RECEIVED = "sent", "received"


def plain(fields: Mapping[str, str]) -> Fields:
    """Return header fields as plain text, each line on its own."""
    return [(str(name), str(value)) for name, value in fields.items()]


@dataclass(slots=True)
class Frame:
    """A message of a conversation, or the bytes of several.

    Attributes:
        direction: "sent" by the client, or "received".
        data: Text or bytes.
    """

    direction: str
    data: str | bytes


@dataclass(slots=True)
class Closing:
    """The end of a WebSocket.

    Attributes:
        code: Its code (RFC 6455 section 7.4).
        reason: What the CLOSE says.
        why: What ended it, where that was no CLOSE.
        by: Who closed: "client" or "server".
    """

    code: int
    reason: str = ""
    why: str = ""
    by: str = "server"


@dataclass(slots=True)
class Exchange:
    """One attempt and its response, or its error.

    Attributes:
        method: The HTTP method.
        url: The absolute URL.
        headers: The request's header fields.
        body: The request's body.
        digest: "sha256:..." of a body that is too large to be kept; "" for one that is here.
        partial: Whether the server responded before all of the body was sent.
        websocket: Whether it is the handshake of a WebSocket.
        filtered: Whether secrets may have been taken out of it, or replaced by other text: what is named like one is
            not compared.
        status: The response's status; 0 where none came.
        version: The HTTP version of the response; "" where that is not known.
        fields: The response's header fields.
        content: The response's body, decoded.
        trailers: The response's trailer fields.
        cut: Whether the client has closed the stream before its end.
        failure: How the attempt failed, or its body broke off; or None.
        frames: The messages of a WebSocket, or the bytes of an RPC that streams, in their order.
        closing: The end of a WebSocket, where it had one.
        finished: Whether all of it has come.
        read: Whether it was read from a file: its secrets are masked.
        played: How many times it has been replayed.
    """

    method: str
    url: str
    headers: Fields = field(default_factory=list)
    body: bytes = b""
    digest: str = ""
    partial: bool = False
    websocket: bool = False
    status: int = 0
    version: str = ""
    fields: Fields = field(default_factory=list)
    content: bytes = b""
    trailers: Fields = field(default_factory=list)
    cut: bool = False
    failure: Failure | None = None
    frames: list[Frame] = field(default_factory=list)
    closing: Closing | None = None
    finished: bool = False
    read: bool = False
    played: int = 0
    filtered: bool = False

    @property
    def is_good(self) -> bool:
        """Whether it is worth keeping from a run that has failed: a whole response without an error."""
        return self.finished and self.failure is None and 0 < self.status < 400  # noqa: PLR2004 - where errors begin

    @property
    def name(self) -> str:
        """What it is called in messages."""
        what = self.failure.error if self.failure is not None and not self.status else str(self.status)
        return f"{'WebSocket' if self.websocket else self.method} {self.url} -> {what}"

    def add(self, direction: str, data: bytes) -> None:
        """Add bytes of a conversation to those of the same direction."""
        last = self.frames[-1] if self.frames else None
        if last is not None and last.direction == direction and isinstance(last.data, bytes):
            last.data += data
        else:
            self.frames.append(Frame(direction, data))

    def first(self, name: str, *, sent: bool = False) -> str:
        """Return the first value of a header field of the response, or of the request where `sent`; or ""."""
        fields = self.headers if sent else self.fields
        return next((value for field_name, value in fields if field_name.lower() == name), "")
