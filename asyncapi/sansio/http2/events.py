"""Name what an HTTP/2 engine reports about its connection, and the codes of RFC 9113 section 7."""

from __future__ import annotations

from dataclasses import dataclass

NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
INTERNAL_ERROR = 0x2
FLOW_CONTROL_ERROR = 0x3
STREAM_CLOSED = 0x5
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB
HTTP_1_1_REQUIRED = 0xD

_NAMES = {
    NO_ERROR: "NO_ERROR", PROTOCOL_ERROR: "PROTOCOL_ERROR", INTERNAL_ERROR: "INTERNAL_ERROR",
    FLOW_CONTROL_ERROR: "FLOW_CONTROL_ERROR", 0x4: "SETTINGS_TIMEOUT", STREAM_CLOSED: "STREAM_CLOSED",
    FRAME_SIZE_ERROR: "FRAME_SIZE_ERROR", REFUSED_STREAM: "REFUSED_STREAM", CANCEL: "CANCEL",
    COMPRESSION_ERROR: "COMPRESSION_ERROR", 0xA: "CONNECT_ERROR", ENHANCE_YOUR_CALM: "ENHANCE_YOUR_CALM",
    0xC: "INADEQUATE_SECURITY", HTTP_1_1_REQUIRED: "HTTP_1_1_REQUIRED",
}  # fmt: skip


def code_name(code: int) -> str:
    """Name an error code as RFC 9113 section 7 does."""
    return _NAMES.get(code) or f"error {code:#x}"


Fields = tuple[tuple[str, str], ...]
"""Field lines in order, without pseudo-header fields: names in lower case, values as UTF-8 with surrogateescape."""


@dataclass(slots=True)
class Head:
    """The final head of a response.

    Attributes:
        stream: The stream's identifier.
        status: The status code, 200 to 999.
        fields: The field lines; responses with equal heads may share one tuple.
        end: The response ends here, without a body.
    """

    stream: int
    status: int
    fields: Fields
    end: bool


@dataclass(slots=True)
class Interim:
    """An interim response, 1xx.

    Attributes:
        stream: The stream's identifier.
        status: The status code.
        fields: The field lines.
    """

    stream: int
    status: int
    fields: Fields


@dataclass(slots=True)
class Data:
    """A part of a response's body.

    The receiver gives each part's room back with `Engine.acknowledge(stream, len(data))`, once, also when the stream
    has ended since. Padding isn't the receiver's concern: an engine gives that room back itself.

    Attributes:
        stream: The stream's identifier.
        data: The bytes, without padding; may be empty at the end.
        end: The response ends here, whole.
    """

    stream: int
    data: bytes
    end: bool


@dataclass(slots=True)
class Trailers:
    """The trailer section: the response ends here, whole.

    Attributes:
        stream: The stream's identifier.
        fields: The field lines.
    """

    stream: int
    fields: Fields


@dataclass(slots=True)
class Reset:
    """A stream has ended before its time; nothing more is said about it.

    After the end of the response, it says only that the server wants no more of the request (section 8.1).

    Attributes:
        stream: The stream's identifier.
        code: The error code.
        ours: The engine refused the response, which breaks the rules; the server did not reset the stream.
        why: What was wrong with the response, if the engine refused it, in words of our own.
    """

    stream: int
    code: int
    ours: bool = False
    why: str = ""


@dataclass(slots=True)
class GoAway:
    """The server takes no more requests on this connection; those it has begun go on (section 6.8).

    Attributes:
        last: The highest identifier of a stream that the server may have worked on.
        code: The error code; NO_ERROR for an orderly end.
        unprocessed: The streams above `last`: the server has not looked at them, and nothing more is said about them.
        debug: What the server adds for people to read: its own bytes, at most 256 of them.
    """

    last: int
    code: int
    unprocessed: tuple[int, ...] = ()
    debug: bytes = b""


@dataclass(slots=True)
class Settings:
    """The server has set or changed its settings: `Engine.limit` and the windows may be others now."""


@dataclass(slots=True)
class Window:
    """A stream whose `Engine.send` was cut short may go on.

    Attributes:
        stream: The stream's identifier.
    """

    stream: int


@dataclass(slots=True)
class Pong:
    """The server has answered a `ping`.

    Attributes:
        payload: The eight bytes of the ping.
    """

    payload: bytes


@dataclass(slots=True)
class Fault:
    """The connection is broken: the last event. A GOAWAY that says so waits in `Engine.outgoing`.

    Attributes:
        code: The error code.
        why: What was wrong, in words of our own, without the server's bytes.
    """

    code: int
    why: str


Event = Head | Interim | Data | Trailers | Reset | GoAway | Settings | Window | Pong | Fault


class ConnectionFault(Exception):
    """The connection is broken; raised inside an engine, which reports a `Fault`.

    Attributes:
        code: The error code.
        why: What was wrong, in words of our own.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
