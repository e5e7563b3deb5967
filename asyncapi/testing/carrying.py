"""How a mock carries an attempt: reads it as a server does, in the time of the running event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asyncapi.clock import SYSTEM
from asyncapi.messages.request import Body
from asyncapi.testing.mock_calls import MockCall
from asyncapi.testing.rpc_wire import is_stream, messages_of
from asyncapi.transports import upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.settings import Chaos
    from asyncapi.types import Layer


async def received(request: Request) -> MockCall:
    """Read an attempt as a server does: all of its body, but for an RPC whose messages come one by one."""
    content = request.content
    if is_stream(request):
        return MockCall(request)
    if isinstance(content, Body):
        request.call.phase = "send"
        content = b"".join([piece async for piece in upload.pieces(request)])
        request.call.phase = "headers"
        request = request.copy(content=content)
    call = MockCall(request, content if isinstance(content, bytes) else b"")
    call.messages = messages_of(request, call.content)
    return call


class _LoopClock:
    """The time of the running event loop: virtual where that is."""

    def now(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """Return the date."""
        return SYSTEM.wall()

    def random(self) -> float:
        """Draw from [0, 1)."""
        return SYSTEM.random()

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task."""
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run `callback` at this time of the loop."""
        return asyncio.get_running_loop().call_at(when, callback)


LOOP_CLOCK: Clock = _LoopClock()
"""The time of whatever event loop runs."""


class _NoWatchdog:
    """The limit of an attempt is held around its fault, too: no other guard is needed."""

    def enter(self, due: float, task: object = None) -> None:
        """Guard nothing."""


def chaotic(settings: Chaos | str) -> Layer:
    """Make the layer of chaos for attempts that a mock carries."""
    from asyncapi.layers.chaos import chaos  # noqa: PLC0415 - few tests have it
    from asyncapi.settings.chaos import chaos_of  # noqa: PLC0415

    return chaos(chaos_of(settings), _NoWatchdog(), LOOP_CLOCK)  # type: ignore[arg-type]  # as far as it is asked
