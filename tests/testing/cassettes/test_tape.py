"""A tape takes what fits best, in the order of the recording."""

import asyncio

import pytest

from asyncapi import Bearer, Client
from asyncapi.testing import Cassette, MockTransport, reply, run


def test_a_placeholder_is_found_to_the_letter_before_any_other(tape):
    """Two users who got masked tokens are told apart by them."""

    def handler(request):
        if request.url.path == "/login":
            return reply(json={"session_token": f"tok-{request.url.query['user']}-1234"})
        return reply(json={"me": request.url.query["session_token"].split("-")[1]})

    async def program(cassette, order):
        async with Client("https://h", transport=cassette.transport(MockTransport(handler))) as client:
            tokens = {
                user: (await client.get(f"/login?user={user}")).json()["session_token"] for user in ("ada", "bob")
            }
            return [(await client.get(f"/me?session_token={tokens[user]}")).json()["me"] for user in order]

    assert run(program(Cassette(tape.path), ["ada", "bob"])) == ["ada", "bob"]
    assert run(program(Cassette(tape.path, "none"), ["bob", "ada"])) == ["bob", "ada"]


@pytest.mark.parametrize("count", [1, 100])
def test_equal_requests_at_once_each_get_one_response(tape, count):
    numbers = iter(range(1000))

    async def program(cassette):
        transport = cassette.transport(MockTransport(lambda _: reply(json=next(numbers))))
        async with Client("https://h", transport=transport, auth=Bearer("b-123456")) as client:
            return sorted(
                [(await each).json() for each in [asyncio.create_task(client.get("/")) for _ in range(count)]]
            )

    assert run(program(Cassette(tape.path))) == run(program(Cassette(tape.path, "none"))) == list(range(count))
