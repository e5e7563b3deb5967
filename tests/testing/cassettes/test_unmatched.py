"""The message of an attempt that no exchange fits says what is there, and shows no secret."""

import pytest

from asyncapi import Client
from asyncapi.testing import Cassette, MockTransport, UnmatchedCall, reply, run


async def program(cassette, path):
    async with Client("https://h", transport=cassette.transport(MockTransport(lambda _: reply()))) as client:
        await client.get(path)


def test_a_secret_of_the_request_is_not_shown(tape):
    run(program(Cassette(tape.path), "/a?api_key=first-123"))
    with pytest.raises(UnmatchedCall) as failed:
        run(program(Cassette(tape.path, "none"), "/b?api_key=second-456"))
    assert "second-456" not in str(failed.value)
    assert "the path is /b, not /a" in str(failed.value)


def test_an_empty_cassette_is_said_to_be_one(tape):
    tape.path.parent.mkdir()
    tape.path.write_text("cassette: 1\nexchanges: []\n")
    with pytest.raises(UnmatchedCall, match="the cassette is empty"):
        run(program(Cassette(tape.path, "none"), "/a"))
