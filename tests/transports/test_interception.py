"""What is registered carries the attempts of the named transports, and nothing else; the last one decides."""

import pytest

from asyncapi import Client
from asyncapi.testing import MockTransport, reply
from asyncapi.transports import interception


class Taker:
    def __init__(self, name, takes=True):
        self.name, self._takes, self.seen = name, takes, []

    def takes(self, request):
        return self._takes

    async def send(self, request, network):
        if request.call.before_write is not None:
            request.call.before_write()
        self.seen.append(request)
        return reply(json=self.name)


@pytest.fixture
def takers():
    made = []

    def register(*args, **kwargs):
        made.append(Taker(*args, **kwargs))
        interception.register(made[-1])
        return made[-1]

    yield register
    for each in made:
        interception.unregister(each)
    assert not interception.active


@pytest.mark.parametrize("lane", ["aiohttp", "native"])
async def test_the_one_registered_last_carries_what_named_transports_send(takers, lane):
    first, second = takers("first"), takers("second")
    async with Client("https://h", transport=lane) as api:
        response = await api.get("/a")
        assert (response.json(), str(response.url)) == ("second", "https://h/a")
        interception.unregister(second)
        assert (await api.get("/a")).json() == "first"
    assert len(first.seen) == 1


async def test_a_transport_that_was_given_is_left_alone(takers):
    takers("mock")
    async with Client("https://h", transport=MockTransport(lambda _: reply(json="own"))) as api:
        assert (await api.get("/a")).json() == "own"


def test_taking_out_what_is_not_there_does_nothing():
    interception.unregister(Taker("x"))


@pytest.mark.parametrize("lane", ["aiohttp", "native"])
async def test_a_journal_notes_what_is_sent_before_it_is(takers, lane):
    noted, taker = [], takers("x")

    def layer(inner):
        async def send(request):
            request.call.before_write = lambda: noted.append(len(taker.seen))
            return await inner(request)

        return send

    async with Client("https://h", transport=lane, layers=[layer]) as api:
        await api.get("/a")
    assert noted == [0]


class Passing(Taker):
    """An interceptor that records: it sends on what it carries."""

    async def send(self, request, network):
        self.seen.append(request)
        response = await network()
        return reply(json=[self.name, response.json()])


@pytest.mark.parametrize("lane", ["aiohttp", "native"])
async def test_one_that_sends_on_reaches_the_one_before_it(takers, lane):
    takers("first")
    passing = Passing("passing")
    interception.register(passing)
    try:
        async with Client("https://h", transport=lane) as api:
            assert (await api.get("/a")).json() == ["passing", "first"]
    finally:
        interception.unregister(passing)
    assert len(passing.seen) == 1


@pytest.mark.parametrize("lane", ["aiohttp", "native"])
async def test_what_one_does_not_take_goes_to_the_one_before_it(takers, lane):
    takers("first")
    takers("second", takes=False)
    async with Client("https://h", transport=lane) as api:
        assert (await api.get("/a")).json() == "first"
