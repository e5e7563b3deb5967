"""A request can be looked at again right before its head is written: what that look raises keeps it from being sent."""

import asyncio

import pytest

from asyncapi import Client
from asyncapi.clock import SYSTEM
from asyncapi.transports.factory import http_transport
from servers import always, scripted

pytestmark = pytest.mark.lanes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Refused(Exception):
    pass


class Looking:
    """A transport that has every attempt looked at."""

    def __init__(self, look):
        self.inner = http_transport(SYSTEM, max_body=None)
        self.look = look

    async def send(self, request):
        request.call.before_write = self.look
        return await self.inner.send(request)

    async def aclose(self):
        await self.inner.aclose()


@pytest.mark.parametrize("content", [None, b"body", b"x" * 300_000])
async def test_a_request_that_is_refused_is_not_sent_and_the_next_one_is(content):
    looks = []

    def look():
        looks.append(len(server.seen))
        if len(looks) == 1:
            raise Refused

    async with scripted(always(OK)) as server, Client(server.url, retry=None, transport=Looking(look)) as api:
        with pytest.raises(Refused):
            await api.post("/", content=content)
        assert server.seen == []
        assert (await api.post("/", content=content)).text == "hi"
        assert (await api.post("/", content=content)).text == "hi"
    assert looks == [0, 0, 1]
    assert len(server.seen) == 2


async def test_the_look_is_the_last_thing_before_the_head(monkeypatch):
    """What was true when the connection was asked for may no longer be when it is there."""
    may = [True]
    resolved = []

    def look():
        if not may[0]:
            raise Refused

    async with scripted(always(OK)) as server, Client(server.url, retry=None, transport=Looking(look)) as api:
        loop = asyncio.get_running_loop()
        connect = loop.create_connection

        async def late(*arguments, **settings):
            made = await connect(*arguments, **settings)
            may[0] = False
            resolved.append(made)
            return made

        monkeypatch.setattr(loop, "create_connection", late)
        with pytest.raises(Refused):
            await api.post("/", content=b"x")
    assert len(resolved) == 1
    assert server.seen == []


async def test_a_look_of_one_call_is_not_made_for_the_next():
    def look():
        raise Refused

    transport = Looking(look)
    async with scripted(always(OK)) as server, Client(server.url, retry=None, transport=transport) as api:
        with pytest.raises(Refused):
            await api.post("/")
        transport.look = None
        assert (await api.post("/")).text == "hi"
