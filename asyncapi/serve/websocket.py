"""`/ws`: an echo, and a feed that resumes, over WebSocket; with the ends that real ones have.

The feed is the same for everybody: the message of an id never changes. So a client that subscribes again with `after`
can see that it has missed nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, get_args

from aiohttp import web
from pydantic_core import from_json, to_json

from asyncapi.serve.query import seconds_in, whole_in
from asyncapi.serve.replies import Refusal
from asyncapi.serve.talk import Talk, Then

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from asyncapi.serve.oauth import Tokens
    from asyncapi.serve.talk import Line

    Speak = Callable[[Line], Awaitable[None]]

_HIGHEST = 10**12
_MANY = 1_000_000
_EXPIRED = 4401
_MISUNDERSTOOD = 4400
_LOWEST_CODE, _HIGHEST_CODE = 1000, 4999
_UNSENDABLE = {1004, 1005, 1006, 1015}  # RFC 6455 section 7.4.1: never in a close frame
_LONGEST_REASON = 123  # RFC 6455 section 5.5: a control frame has 125 bytes, two of them are the code
_PAUSE = 0.1


class Sockets:
    """The WebSocket endpoints.

    Args:
        tokens: Of `/oauth/token`, which `/ws/private` needs.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def __call__(self, request: web.BaseRequest, rest: str) -> Talk:
        """`/ws`, `/ws/feed` and `/ws/private`."""
        if rest == "":
            return talk(request, _echo)
        if rest == "feed":
            return talk(request, _Feed(seconds_in(request.query, "pause", _PAUSE)).speak)
        if rest == "private":
            until = self._tokens.expiry(request)
            return talk(request, _Feed(seconds_in(request.query, "pause", _PAUSE), until).speak)
        raise Refusal(404, "no such endpoint: the WebSockets are /ws, /ws/feed and /ws/private")


def talk(request: web.BaseRequest, speak: Speak, protocols: Sequence[str] | None = None) -> Talk:
    """Make a conversation with the end that the query asks for.

    Args:
        request: The handshake.
        speak: What is said.
        protocols: The subprotocols that are spoken; any that the client offers by default.
    """
    if protocols is None:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [name.strip() for name in offered.split(",") if name.strip()]
    if not web.WebSocketResponse(protocols=protocols).can_prepare(request):
        upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
        raise Refusal(426, "this endpoint speaks WebSocket: send an upgrade request (RFC 6455)", upgrade)
    query = request.query
    messages = None if "messages" not in query else whole_in(query, "messages", 0, 0, _MANY)
    code, reason = _close_of(query)
    return Talk(speak, protocols=protocols, messages=messages, then=_then(query), code=code, reason=reason)


def _then(query: Mapping[str, str]) -> Then:
    then = query.get("then", "close")
    for known in get_args(Then):
        if then == known:
            return known  # type: ignore[no-any-return]
    raise Refusal(400, f"then={then!r}: use one of {', '.join(get_args(Then))}")


def _close_of(query: Mapping[str, str]) -> tuple[int, str]:
    code, reason = whole_in(query, "code", 1000, _LOWEST_CODE, _HIGHEST_CODE), query.get("reason", "")
    if code in _UNSENDABLE:
        raise Refusal(400, f"code={code} is never in a close frame; then=drop is what a client sees as 1006")
    if len(reason.encode("utf-8", "replace")) > _LONGEST_REASON:
        raise Refusal(400, f"reason= has at most {_LONGEST_REASON} bytes")
    return code, reason


async def _echo(line: Line) -> None:
    while (message := await line.hear()) is not None:
        await line.say(message)


class _Feed:
    """Trades and quotes in turn, from the id that the client asks for.

    Args:
        pause: Seconds between two messages.
        until: When the client's token expires, on the event loop's clock; None for never.
    """

    def __init__(self, pause: float, until: float | None = None) -> None:
        self._pause = pause
        self._until = until

    async def speak(self, line: Line) -> None:
        """Wait for `{"subscribe": ..., "after": ...}`; another subscription takes the place of the last one."""
        speaker: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout_at(self._until):
                while (message := await line.hear()) is not None:
                    if (wanted := _subscription(message)) is None:
                        await line.close(_MISUNDERSTOOD, 'send {"subscribe": "some room", "after": 0}')
                        return
                    if speaker is not None:
                        speaker.cancel()
                    speaker = asyncio.create_task(self._speak(line, *wanted))
        except TimeoutError:
            if line.ended is None:
                await line.close(_EXPIRED, "the token has expired")
        finally:
            if speaker is not None:
                speaker.cancel()
                await asyncio.wait([speaker])
                if not speaker.cancelled():
                    speaker.exception()

    async def _speak(self, line: Line, room: str, after: int) -> None:
        number = after
        while True:
            number += 1
            await line.say(to_json(trade_or_quote(room, number)).decode())
            await asyncio.sleep(self._pause)


def trade_or_quote(room: str, number: int) -> dict[str, Any]:
    """The message of an id: a quote where the id is even, else a trade."""
    price = round(100 + number % 50 / 10, 2)
    if number % 2:
        return {"type": "trade", "room": room, "id": number, "price": price, "size": 1 + number % 7}
    return {"type": "quote", "room": room, "id": number, "bid": price - 0.5, "ask": price + 0.5}


def _subscription(message: str | bytes) -> tuple[str, int] | None:
    """The room and the last id known, or None where the message is no subscription."""
    try:
        data = from_json(message)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    room, after = data.get("subscribe"), data.get("after", 0)
    if isinstance(room, str) and isinstance(after, int) and 0 <= after <= _HIGHEST:
        return room, after
    return None
