"""Concerns that meet: what each promises alone still holds when another one is on."""

from __future__ import annotations

import pytest

from asyncapi import Cache, Client
from asyncapi.testing import FakeClock, MockTransport, reply, run


async def _pieces(*pieces):
    for piece in pieces:
        yield piece


class Served:
    """A client over a handler that keeps what it was asked."""

    def __init__(self, handler, **settings):
        self.clock = FakeClock()
        self.asked = []
        self.handler = handler
        settings.setdefault("retry", None)
        self.transport = MockTransport(self.answer, clock=self.clock)
        self.api = Client("https://h", transport=self.transport, clock=self.clock, **settings)

    def answer(self, request):
        self.asked.append(request)
        return self.handler(request, len(self.asked))


def played(scenario, handler, **settings):
    async def main():
        served = Served(handler, **settings)
        async with served.api:
            return await scenario(served)

    return run(main())


# Cache and streams.

FRESH = {"Cache-Control": "max-age=60", "ETag": '"1"'}


@pytest.mark.parametrize("reads", [True, False])
def test_a_streamed_answer_is_never_stored_in_part_or_whole(reads):
    def handler(request, number):
        return reply(content=_pieces(b"who", b"le"), headers=FRESH)

    async def scenario(served):
        async with served.api.stream("GET", "/x") as response:
            got = await response.read() if reads else b""
        again = await served.api.get("/x")
        return got, again.content, again.from_cache, len(served.asked)

    got, again, how, asked = played(scenario, handler, cache=Cache())
    assert got == (b"whole" if reads else b"")
    assert (again, how, asked) == (b"whole", "", 2)


def test_a_stream_of_what_is_stored_sends_nothing():
    async def scenario(served):
        await served.api.get("/x")
        async with served.api.stream("GET", "/x") as response:
            return await response.read(), len(served.asked)

    assert played(scenario, lambda *_: reply(content=b"whole", headers=FRESH), cache=Cache()) == (b"whole", 1)


def test_a_stream_of_what_is_old_asks_whether_it_holds_and_a_new_one_ends_the_old():
    def handler(request, number):
        if request.headers.get("If-None-Match") == '"1"' and number < 3:
            return reply(304, headers=FRESH)
        if number >= 3:
            return reply(content=_pieces(b"ne", b"w"), headers={**FRESH, "ETag": '"2"'})
        return reply(content=b"old", headers=FRESH)

    async def scenario(served):
        await served.api.get("/x")
        await served.clock.sleep(61)
        read = []
        for _ in range(2):
            async with served.api.stream("GET", "/x") as response:
                read.append(await response.read())
            await served.clock.sleep(61)
        read.append((await served.api.get("/x")).content)
        return read, [request.headers.get("If-None-Match") for request in served.asked]

    assert played(scenario, handler, cache=Cache()) == ([b"old", b"new", b"new"], [None, '"1"', '"1"', None])
