"""The transport of one client writes its cassette when it closes, and marks what a failure has cut short."""

import pytest

from asyncapi import Client
from asyncapi.testing import Cassette, MockTransport, reply, run


def test_it_is_written_when_the_client_closes(tape):
    async def program():
        cassette = Cassette(tape.path)
        async with Client("https://h", transport=cassette.transport(MockTransport(lambda _: reply()))) as client:
            await client.get("/")
            assert not tape.path.exists()
        assert "unfinished" not in tape.text()

    run(program())


def test_an_exception_that_closes_it_leaves_it_unfinished(tape):
    async def program():
        cassette = Cassette(tape.path)
        async with Client("https://h", transport=cassette.transport(MockTransport(lambda _: reply()))) as client:
            await client.get("/")
            raise KeyError

    with pytest.raises(KeyError):
        run(program())
    assert "unfinished: true" in tape.text()
