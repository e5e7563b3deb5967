"""A declared method names the models of its errors; what it raises has the value in `.detail`."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from asyncapi import (
    API,
    Client,
    ClientError,
    ConfigError,
    Events,
    JSONLines,
    LinkHeader,
    NotFound,
    Pages,
    ServerError,
    StatusError,
    Stream,
    get,
    post,
)
from asyncapi.declared.failures import Failures
from asyncapi.testing import MockTransport, reply, run


class Problem(BaseModel):
    why: str


class Other(BaseModel):
    code: int


ERRORS = {404: Problem, "4xx": Other, "default": dict[str, object]}


class Shop(API):
    @get("/one", errors=ERRORS)
    async def one(self) -> Problem: ...

    @get("/pages", by=LinkHeader(), errors=ERRORS)
    def pages(self) -> Pages[Problem]: ...

    @get("/stream", errors=ERRORS)
    def stream(self) -> Stream: ...

    @get("/lines", errors=ERRORS)
    def lines(self) -> JSONLines[Problem]: ...

    @get("/events", errors=ERRORS)
    def events(self) -> Events[Problem]: ...

    @post("/chat", errors=ERRORS)
    def chat(self) -> Events[Problem]: ...


def shop(*answer, **more):
    return Shop(Client("https://shop.test", transport=MockTransport(lambda _: reply(*answer, **more)), retry=None))


def error_of(work):
    async def main():
        with pytest.raises(StatusError) as caught:
            await work
        return caught.value

    return run(main())


@pytest.mark.parametrize(
    ("status", "sent", "kind", "detail"),
    [
        (404, {"why": "none"}, NotFound, Problem(why="none")),
        (418, {"code": 3}, ClientError, Other(code=3)),
        (500, {"x": 1}, ServerError, {"x": 1}),
        (404, {"else": 1}, NotFound, None),
    ],
)
def test_the_most_exact_status_holds_and_a_body_that_does_not_fit_changes_nothing(status, sent, kind, detail):
    error = error_of(shop(status, json=sent).one())
    assert isinstance(error, kind)
    assert error.detail == detail


def test_a_body_that_is_no_json_leaves_the_bytes():
    error = error_of(shop(404, content=b"<html>").one())
    assert (error.detail, error.body) == (None, b"<html>")


async def _entered(manager):
    async with manager:
        pass


async def _first(pages):
    async for _ in pages:
        break


@pytest.mark.parametrize("name", ["stream", "lines", "events", "chat"])
def test_streams_have_it_too(name):
    made = getattr(shop(404, json={"why": "none"}), name)()
    assert error_of(_entered(made)).detail == Problem(why="none")


def test_pages_have_it_too():
    assert error_of(_first(shop(404, json={"why": "none"}).pages())).detail == Problem(why="none")


@pytest.mark.parametrize("key", [200, 600, "2XX", "404", True, "x"])
def test_a_key_that_is_no_error_is_refused(key):
    with pytest.raises(ConfigError, match="give a status from 400 to 599"):
        Failures({key: Problem})
