"""The message of an attempt that no exchange fits says what is there, and shows no secret."""

from contextlib import suppress
from pathlib import Path

import pytest

from asyncapi import Client, Request
from asyncapi.testing import Cassette, MockCall, MockTransport, UnmatchedCall, reply, run
from asyncapi.testing.cassettes.conditions import IGNORED, PARTS
from asyncapi.testing.cassettes.exchange import Exchange
from asyncapi.testing.cassettes.index import Index
from asyncapi.testing.cassettes.masking import Secrets
from asyncapi.testing.cassettes.unmatched import why_unmatched


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


def test_the_nearest_of_thousands_is_named():
    index = Index(PARTS, IGNORED, Secrets(alike=True))
    for number in range(5000):
        index.add(Exchange("GET", f"https://h/users/{number}/orders", status=200))
    call = MockCall(Request("GET", "https://h/users/4321/order"))
    text = why_unmatched(call, index, Path("a.yaml"), "none", exists=True)
    assert "GET https://h/users/4321/orders -> 200  [exchange 4322]" in text
    assert "and 4997 more" in text


def test_after_many_the_nearest_are_no_longer_looked_for(tape):
    async def many(cassette):
        async with Client("https://h", transport=cassette.transport()) as client:
            for number in range(100):
                with suppress(UnmatchedCall):
                    await client.get(f"/b/{number}")

    run(program(Cassette(tape.path), "/a"))
    cassette = Cassette(tape.path, "none")
    run(many(cassette))
    assert "the nearest exchanges" in cassette.problems[0]
    assert (
        cassette.problems[99].splitlines()[0] == f"cassette: no exchange of {tape.path} is left for GET https://h/b/99"
    )
    with pytest.raises(UnmatchedCall, match="and 95 more calls like these"):
        cassette.check()
