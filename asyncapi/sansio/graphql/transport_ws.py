"""Speak graphql-transport-ws, the protocol of subscriptions over WebSocket, for one operation of one connection.

    connection_init ->   <- connection_ack   subscribe ->   <- next, next ...   <- complete | error

Rules (https://github.com/enisdenjo/graphql-ws, PROTOCOL.md):
1. The operation is sent when the server has acknowledged the connection. A ping is answered by a pong at any time.
2. `next` brings a result, `error` ends the operation with errors, `complete` ends it. What names another operation is
   not ours, and is skipped.
3. What is no message of the protocol is an error, and the connection is closed with 4400.
4. A close before `complete` or `error` ends a connection, never the subscription: `after_close` says what follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic_core import from_json, to_json

from asyncapi.errors import final_error

if TYPE_CHECKING:
    from asyncapi.errors import ProtocolError

SUBPROTOCOL: Final = "graphql-transport-ws"
INVALID_MESSAGE: Final = 4400

# What follows each close code (rule 4): True to reconnect, False to raise, "renew" to reconnect once with a fresh
# credential. None: the table of WebSocket decides.
_AFTER_CLOSE: Final[dict[int, bool | Literal["renew"]]] = {
    1000: True,  # a normal close, though the subscription is not complete
    1005: True,  # the same without a code
    4400: False,  # the server did not understand a message
    4401: "renew",  # unauthorized
    4403: "renew",  # forbidden: the server's onConnect said no
    4406: False,  # the subprotocol is not acceptable
    4408: True,  # connection_init came too late
    4409: False,  # an operation with this id exists already
    4429: False,  # a second connection_init came
    4500: True,  # an internal error of the server
}
_SHOWN = 80  # characters of a message in an error


def after_close(code: int, _reason: str = "") -> bool | Literal["renew"] | None:
    """Return what follows a close before the end of the subscription (rule 4)."""
    return _AFTER_CLOSE.get(code)


@dataclass(frozen=True, slots=True)
class Received:
    """What a message of the server brings.

    Attributes:
        kind: "ack", "next", "error" or "complete"; "" for what needs nothing from the reader.
        payload: The result of a `next`, or the list of an `error`.
        reply: The text to send back at once, or None.
    """

    kind: Literal["", "ack", "next", "error", "complete"]
    payload: Any = None
    reply: str | None = None


_NOTHING = Received("")


class Operation:
    """One operation over one connection.

    Args:
        ident: Its id.
        payload: The request: query, variables, operationName, extensions.
        init: The payload of connection_init, or None.

    Attributes:
        acknowledged: Whether connection_ack has come.
        over: Whether the server has ended the operation.
    """

    __slots__ = ("_ident", "_init", "_payload", "acknowledged", "over")

    def __init__(self, ident: str, payload: dict[str, Any], init: dict[str, Any] | None = None) -> None:
        self._ident = ident
        self._payload = payload
        self._init = init
        self.acknowledged: bool = False
        self.over: bool = False

    def first(self) -> str:
        """The message that opens the connection."""
        return _text({"type": "connection_init"} | ({} if self._init is None else {"payload": self._init}))

    def subscribe(self) -> str:
        """The message that starts the operation."""
        return _text({"id": self._ident, "type": "subscribe", "payload": self._payload})

    def stop(self) -> str:
        """The message that tells the server to end the operation."""
        return _text({"id": self._ident, "type": "complete"})

    def receive(self, message: str | bytes) -> Received:
        """Read a message of the server.

        Raises:
            ProtocolError: It is no message of the protocol (rule 3).
        """
        content = _read(message)
        kind = content["type"]
        if kind == "ping":
            return Received("", reply=_text({"type": "pong"}))
        if kind == "pong":
            return _NOTHING
        if kind == "connection_ack":
            if self.acknowledged:
                raise _invalid(message, "a second connection_ack")
            self.acknowledged = True
            return Received("ack", content.get("payload"))
        if kind not in {"next", "error", "complete"}:
            raise _invalid(message, "an unknown type")
        if not isinstance(content.get("id"), str):
            raise _invalid(message, f"a {kind} without an id")
        if not self.acknowledged:
            raise _invalid(message, f"a {kind} before connection_ack")
        if content["id"] != self._ident or self.over:
            return _NOTHING
        return self._of_ours(kind, content.get("payload"), message)

    def _of_ours(self, kind: Literal["next", "error", "complete"], payload: Any, message: str | bytes) -> Received:
        if kind == "next" and not isinstance(payload, dict):
            raise _invalid(message, "a next whose payload is no object")
        if kind == "error" and not (isinstance(payload, list) and all(isinstance(each, dict) for each in payload)):
            raise _invalid(message, "an error whose payload is no list of errors")
        self.over = kind != "next"
        return Received(kind, payload)


def _text(message: dict[str, Any]) -> str:
    return to_json(message).decode()


def _read(message: str | bytes) -> dict[str, Any]:
    try:
        content = from_json(message)
    except ValueError:
        raise _invalid(message, "text that is not JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise _invalid(message, "JSON without a type")
    return content


def _invalid(message: str | bytes, what: str) -> ProtocolError:
    shown = message if isinstance(message, str) else message.decode("utf-8", "replace")
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
    return final_error(f"the server sent {what}, which graphql-transport-ws does not allow: {shown!r}")
