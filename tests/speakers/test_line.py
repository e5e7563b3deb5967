"""What a protocol gets of a client: its calls, with everything that holds for them."""

from __future__ import annotations

import pytest

from asyncapi import API, Bearer, Breaker, Client, ConfigError, Retry, get
from asyncapi.messages.response import Response
from asyncapi.messages.upgrade import Upgrade
from asyncapi.speakers.line import line_of
from asyncapi.testing import FakeClock, MockTransport, reply, run


def speak(handler, use, **settings):
    async def scenario():
        async with Client(
            "https://api.test/v1", transport=MockTransport(handler), clock=FakeClock(), **settings
        ) as api:
            return await use(line_of(api)), api.stats

    return run(scenario())


def test_a_call_of_a_protocol_is_retried_and_returns_what_came():
    replies = iter([reply(503), reply(404)])
    response, stats = speak(lambda _: next(replies), lambda line: line.call("GET", "/users/1"))
    assert (response.status, len(response.attempts), str(response.url)) == (404, 2, "https://api.test/v1/users/1")
    assert stats.calls == 1


def test_a_body_is_left_open_for_the_protocol_to_close():
    async def use(line):
        response = await line.open("POST", "/stream", content=b"x", idempotent=True)
        body = response.open_body
        try:
            return await body.read(), line.base
        finally:
            body.close()

    async def pieces():
        yield b"one"

    (first, base), stats = speak(lambda _: reply(200, content=pieces()), use)
    assert (first, base, stats.in_flight) == (b"one", "https://api.test/v1", 0)


def test_a_stream_of_a_protocol_raises_no_status():
    async def use(line):
        async with line.stream("GET", "/") as response:
            return response.status

    assert speak(lambda _: reply(404), use)[0] == 404


def test_a_handshake_says_what_it_asks_for():
    seen, upgrade = [], Upgrade(("chat",))

    def handler(request):
        seen.append(request.call.upgrade)
        return reply(403)

    response, _ = speak(handler, lambda line: line.open("GET", "/ws", upgrade=upgrade))
    assert (response.status, seen) == (403, [upgrade])


def test_a_declared_api_has_the_line_of_its_client():
    class Users(API):
        @get("/users/{number}")
        async def user(self, number: int) -> dict: ...

    client = Client("https://api.test", transport=MockTransport(lambda _: reply(200)))
    assert line_of(Users(client)).base == line_of(client).base == "https://api.test"


@pytest.mark.parametrize("wrong", [None, "https://api.test", object()])
def test_what_is_no_client_has_no_line(wrong):
    with pytest.raises(ConfigError, match=r"give an asyncapi\.Client"):
        line_of(wrong)


async def test_a_line_over_another_step_shares_what_the_client_counts():
    made = []

    async def bare(request):
        made.append((request.method, request.headers["Authorization"]))
        return Response(503 if len(made) % 2 else 200)

    settings = {"auth": Bearer("t"), "retry": Retry(base=0.001), "breaker": Breaker(minimum=50)}
    async with Client("https://h", transport=MockTransport(lambda _: reply(200)), **settings) as api:
        line = line_of(api).over(bare)
        assert (await line.call("GET", "/a")).status == 200
        await api.get("/b")
        assert made == [("GET", "Bearer t")] * 2
        assert (api.stats.calls, api.stats.attempts, api.stats.retries) == (2, 3, 1)
        assert api.stats.circuits["h"].seen == 3
