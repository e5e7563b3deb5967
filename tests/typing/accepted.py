"""What types the public face promises. Never run: read by mypy strict and pyright strict (test_typing.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, assert_type

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from asyncapi import (
    Client,
    Outcome,
    RateLimit,
    Request,
    RequestTimeout,
    Response,
    Retry,
    StatusError,
    Timeout,
    deadline,
)
from asyncapi.testing import MockTransport, reply


class User(BaseModel):
    """A pydantic model."""

    id: int


class Team(BaseModel):
    """Another one."""

    members: list[User]


class Row(TypedDict):
    """A typed dictionary."""

    id: int


async def verbs(api: Client) -> None:
    """`model=` says what a call returns; without it, a Response."""
    assert_type(await api.get("/users/1", model=User), User)
    assert_type(await api.post("/users", json=User(id=1), model=User, idempotency_key=True), User)
    assert_type(await api.put("/users/1", data={"id": 1}, model=User), User)
    assert_type(await api.patch("/users/1", content=b"", model=User), User)
    assert_type(await api.delete("/users/1", model=User | None), User | None)
    assert_type(await api.options("/users/1", model=User), User)
    assert_type(await api.request("GET", "/users/1", model=User), User)
    assert_type(await api.get("/users/1"), Response)
    assert_type(await api.post("/users"), Response)
    assert_type(await api.put("/users/1"), Response)
    assert_type(await api.patch("/users/1"), Response)
    assert_type(await api.delete("/users/1"), Response)
    assert_type(await api.head("/users/1"), Response)
    assert_type(await api.options("/users/1"), Response)
    assert_type(await api.request("GET", "/users/1"), Response)


async def models(api: Client) -> None:
    """Any type that pydantic understands is a model."""
    assert_type(await api.get("/", model=list[User]), list[User])
    assert_type(await api.get("/", model=User | None), User | None)
    assert_type(await api.get("/", model=User | Team), User | Team)
    assert_type(await api.get("/", model=dict[str, User]), dict[str, User])
    assert_type(await api.get("/", model=Row), Row)
    assert_type(await api.get("/", model=int), int)
    assert_type(await api.get("/", model=Literal["a", "b"]), Literal["a", "b"])
    assert_type(await api.get("/", model=Annotated[int, Field(gt=0)]), int)


async def fan_out(api: Client, lazy: Iterator[Request], slow: AsyncIterator[str]) -> None:
    """The elements of a fan-out have the model's type."""
    assert_type(await api.gather(["/a", "/b"], model=User), list[User])
    assert_type(await api.gather(["/a", "/b"]), list[Response])
    async with api.map(lazy, model=User) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome, Outcome[User])
            assert_type(outcome.value, User | None)
            assert_type(outcome.request, Request | str)
    async with api.map(slow, ordered=True, on_error="raise", max_errors=3, concurrency=5) as answers:
        async for answer in answers:
            assert_type(answer, Outcome[Response])
    async with api.map(["/a"], model=list[User]) as pages:
        async for page in pages:
            assert_type(page.value, list[User] | None)


def answers(response: Response) -> None:
    """A Response, read."""
    assert_type(response.status, int)
    assert_type(response.text, str)
    assert_type(response.content, bytes)
    assert_type(response.json(), Any)
    assert_type(response.headers["ETag"], str)
    assert_type(response.parse(list[User]), list[User])
    assert_type(response.raise_for_status(), Response)


async def settings() -> None:
    """Settings, short and long."""
    Client()
    Client("https://api.example.com", timeout=5, retry=3, concurrency=None, tls="ca.pem", rate=RateLimit(50))
    Client(timeout=Timeout(total=30, connect=5, attempt=None), retry=None, headers={"X-Team": "a"}, params={"v": 1})
    Client(retry=Retry(attempts=4), rate=[RateLimit(50, per=1.0), RateLimit(1000, per=60.0)], transport=mock())
    async with Client("https://api.example.com") as api:
        assert_type(api, Client)
        with deadline(2.5):
            await api.get("/", timeout=1, retry=Retry(attempts=2))
            await api.get("/", timeout=Timeout(total=1), retry=None, headers={"X": "y"}, params=[("a", "1")])


def mock() -> MockTransport:
    """Handlers of both kinds."""

    async def handler(request: Request) -> Response:
        return reply(200, json={"path": request.url.path})

    MockTransport(handler)
    return MockTransport(lambda _: reply(204))


async def failures(api: Client) -> None:
    """Errors and what they carry."""
    try:
        await api.get("/")
    except RequestTimeout as error:
        assert_type(
            error.phase, Literal["queue", "connect", "send", "headers", "body", "backoff"] | None
        )  # None only on errors that are no timeout
    except StatusError as error:
        assert_type(error.status, int)
        assert_type(error.body, bytes)
        assert_type(error.retry_after, float | None)
