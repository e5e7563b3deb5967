"""Test code that uses this SDK: a mock of its APIs, a transport without a network, a virtual clock, chaos on purpose.

    async def test_retries(api_mock):
        users = api_mock.get("/users/{id}").reply(503).then.reply(json={"id": 1})
        ...                                         # the code under test makes a client, and calls
        assert users.call_count == 2

pytest loads the fixtures of `asyncapi.testing.pytest_plugin` by itself. Without pytest, or for one client alone:

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

from typing import TYPE_CHECKING

from asyncapi.faces import lazy_face

if TYPE_CHECKING:
    from asyncapi.settings import Chaos
    from asyncapi.testing.cassettes.cassette import Cassette
    from asyncapi.testing.mock_calls import Calls, MockCall
    from asyncapi.testing.mock_route import Route
    from asyncapi.testing.mocked_api import APIMock
    from asyncapi.testing.nearest import UnmatchedCall
    from asyncapi.testing.replies import mocked_aiohttp, reply
    from asyncapi.testing.rpc_route import RPCRoute
    from asyncapi.testing.sockets import socket
    from asyncapi.testing.system_time import SystemTime
    from asyncapi.testing.virtual_time import FakeClock, VirtualTimeLoop, run
    from asyncapi.transports.mock import MockTransport
    from asyncapi.transports.mock_socket import MockSocket, Peer

__all__ = [
    "APIMock",
    "Calls",
    "Cassette",
    "Chaos",
    "FakeClock",
    "MockCall",
    "MockSocket",
    "MockTransport",
    "Peer",
    "RPCRoute",
    "Route",
    "SystemTime",
    "UnmatchedCall",
    "VirtualTimeLoop",
    "mocked_aiohttp",
    "reply",
    "run",
    "socket",
]

# pytest loads this package at the start of every run: what a test doesn't use is not imported
_HOMES = {
    "settings": "Chaos",
    "testing.cassettes.cassette": "Cassette",
    "testing.mock_calls": "Calls MockCall",
    "testing.mock_route": "Route",
    "testing.mocked_api": "APIMock",
    "testing.nearest": "UnmatchedCall",
    "testing.replies": "mocked_aiohttp reply",
    "testing.rpc_route": "RPCRoute",
    "testing.sockets": "socket",
    "testing.system_time": "SystemTime",
    "testing.virtual_time": "FakeClock VirtualTimeLoop run",
    "transports.mock": "MockTransport",
    "transports.mock_socket": "MockSocket Peer",
}
if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_face(__name__, _HOMES, below="asyncapi")
