"""Test code that uses this SDK: a transport without a network, replies, sockets, a virtual clock, aioresponses.

    def test_retries():
        replies = iter([reply(503), reply(200, json={"id": 1})])
        clock = FakeClock()

        async def scenario():
            async with Client("https://h", transport=MockTransport(lambda _: next(replies)), clock=clock) as api:
                return await api.get("/users/1")

        assert run(scenario()).status == 200        # a minute of backoff takes no time

`run` runs a coroutine on an event loop whose time jumps to the next timer whenever nothing else is to be done: every
sleep, timeout and deadline in it (asyncio's own too) passes at once and in order. It is for code without real I/O.
"""

from asyncapi.settings import Chaos
from asyncapi.testing.replies import mocked_aiohttp, reply
from asyncapi.testing.sockets import socket
from asyncapi.testing.virtual_time import FakeClock, VirtualTimeLoop, run
from asyncapi.transports.mock import MockTransport
from asyncapi.transports.mock_socket import MockSocket, Peer

__all__ = [
    "Chaos",
    "FakeClock",
    "MockSocket",
    "MockTransport",
    "Peer",
    "VirtualTimeLoop",
    "mocked_aiohttp",
    "reply",
    "run",
    "socket",
]
