"""Make WebSockets for handlers of `MockTransport`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.transports.mock_socket import MockSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from asyncapi.transports.mock_socket import Peer


def socket(
    messages: Iterable[Any] | AsyncIterable[Any] | Callable[[Peer], object] = (),
    *,
    close: int | None = 1000,
    reason: str = "",
    pongs: bool = True,
    subprotocol: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> MockSocket:
    """Make a WebSocket for a `MockTransport` handler to return; a new one for each handshake.

        def handler(request):
            return socket([{"price": 100}, {"price": 101}], close=1012)

    A handler that returns a `reply` for a handshake refuses it.

    Args:
        messages: What the peer sends: text, bytes, and models or plain data as JSON text. An async iterable may sleep
            between them. Or a function of a `Peer` that receives, too. An OSError in it drops the connection; anything
            else that it raises is raised where the client receives.
        close: The code that the peer closes with at the end of that: 1006 drops the connection without a CLOSE, None
            leaves it open.
        reason: The reason of that close.
        pongs: Whether the peer answers PING and CLOSE: False is one that is gone without a word.
        subprotocol: What the peer picks: the first that is offered by default, "" for none.
        headers: More headers of the response to the handshake.

    Raises:
        ConfigError: No such close code exists, the reason is too long, or `messages` is a single one.
    """
    return MockSocket(messages, close=close, reason=reason, pongs=pongs, subprotocol=subprotocol, headers=headers)
