"""Declared methods whose answers come bit by bit."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from asyncapi import (
    API,
    Client,
    ConfigError,
    Events,
    JSONLines,
    Query,
    Response,
    ServerSentEvent,
    Stream,
    get,
    post,
)
from asyncapi.testing import MockTransport, reply
from bodies import Source


class Row(BaseModel):
    id: int


class Question(BaseModel):
    text: str


class Shop(API):
    @get("/export/{day}")
    def export(self, day: int) -> Stream:
        """The whole shop."""

    @get("/rows")
    def rows(self, team: Annotated[str | None, Query("t")] = None) -> JSONLines[Row]: ...

    @get("/anything")
    def anything(self) -> JSONLines[Any]: ...

    @get("/changes", until="bye", headers={"X-A": "b"}, retry=None)
    def changes(self) -> Events[ServerSentEvent]: ...

    @get("/prices")
    def prices(self) -> Events[Row]: ...

    @post("/chat", until="[DONE]")
    def chat(self, question: Question) -> Events[Row]: ...


STREAM = {"Content-Type": "text/event-stream"}


class Host:
    """Answers with what it has for the path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked = []

    def answer(self, request):
        self.asked.append(request)
        rows = b'{"id": 1}\n{"id": 2}\n'
        body, headers = {
            "/export/7": (b"abc", {}),
            "/rows": (rows, {}),
            "/anything": (rows, {}),
            "/changes": (b"data: x\n\ndata: bye\n\ndata: y\n\n", STREAM),
            "/prices": (b'id: 3\ndata: {"id": 1}\n\n', STREAM),
            "/chat": (b'data: {"id": 5}\n\ndata: [DONE]\n\n', STREAM),
        }[request.url.path]
        return reply(200, content=aiter(Source(body)), headers=headers)


async def test_streams_are_read_as_declared():
    host = Host()
    async with Shop(Client("https://h", transport=MockTransport(host.answer))) as shop:
        async with shop.export(7) as response:
            assert await response.read() == b"abc"
        async with shop.rows("red") as rows:
            assert [row async for row in rows] == [Row(id=1), Row(id=2)]
        assert str(host.asked[-1].url) == "https://h/rows?t=red"
        assert host.asked[-1].route == "/rows"
        async with shop.anything() as values:
            assert [value async for value in values] == [{"id": 1}, {"id": 2}]
        async with shop.changes() as events:
            assert [event.data async for event in events] == ["x"]
        assert host.asked[-1].headers["X-A"] == "b"
        async with shop.prices() as prices:
            assert [await anext(prices), await anext(prices)] == [Row(id=1), Row(id=1)]
        assert host.asked[-1].headers["Last-Event-ID"] == "3"
        async with shop.chat(Question(text="why?")) as answers:
            assert [answer async for answer in answers] == [Row(id=5)]
        assert (host.asked[-1].method, host.asked[-1].content) == ("POST", b'{"text":"why?"}')
        assert shop.client.stats.in_flight == 0
    assert Shop.export.__doc__ == "The whole shop."


async def test_what_was_not_read_is_closed_with_the_block():
    host = Host()
    async with Shop(Client("https://h", transport=MockTransport(host.answer), concurrency=1)) as shop:
        for _ in range(3):
            async with shop.rows() as rows:
                await anext(rows)
            async with shop.prices() as prices:
                await anext(prices)
            async with shop.export(7):
                pass
        assert shop.client.stats.in_flight == 0


WRONG = {
    "Stream is declared with a plain def": lambda: get("/a")(coroutine_of(Stream)),
    "JSONLines is declared with a plain def": lambda: get("/a")(coroutine_of(JSONLines[Row])),
    "Events is declared with a plain def": lambda: get("/a")(coroutine_of(Events[Row])),
    "until= in its decorator needs Events": lambda: get("/a", until="x")(plain_of(JSONLines[Row])),
    "not a type that pydantic can validate": lambda: get("/a")(plain_of(JSONLines[Client])),
    "declare it with async def": lambda: get("/a")(plain_of(Response)),
}


def coroutine_of(made):
    async def method(self): ...

    method.__annotations__["return"] = made
    return method


def plain_of(made):
    def method(self): ...

    method.__annotations__["return"] = made
    return method


@pytest.mark.parametrize(("message", "declared"), WRONG.items(), ids=WRONG)
def test_what_is_declared_wrongly_is_an_error_when_the_class_is_made(message, declared):
    with pytest.raises(ConfigError, match=message):
        type("Wrong", (API,), {"method": declared()})
