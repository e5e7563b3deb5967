"""Wrong uses: each line marked `# wrong` is an error to mypy strict and to pyright strict, and no other line is.

Never run, and left out of `make check`: tests/typing/test_typing.py reads it with both.
"""

from __future__ import annotations

from pydantic import BaseModel

from asyncapi import (
    API,
    TLS,
    Client,
    Cursor,
    Egress,
    Outcome,
    PageNumber,
    Pages,
    RateLimit,
    Request,
    Response,
    deadline,
    get,
)
from asyncapi.blocking import Client as BlockingClient
from asyncapi.testing import MockTransport, reply


class User(BaseModel):
    """A model."""

    id: int


async def calls(api: Client) -> None:
    """Of the verbs."""
    user = await api.get("/users/1", model=User)
    print(user.nickname)  # wrong
    response = await api.get("/users/1")
    print(response.id)  # wrong
    text: str = await api.get("/users/1", model=User)  # wrong
    print(text)
    maybe = await api.get("/users/1", model=User | None)
    print(maybe.id)  # wrong
    await api.get(1)  # wrong
    await api.get("/", timeout="5")  # wrong
    await api.get("/", retry="3")  # wrong
    await api.post("/", jsn={})  # wrong
    await api.post("/", None)  # wrong
    print(api.get("/").id)  # wrong
    await api.fetch("/")  # wrong


async def options(api: Client, sync: BlockingClient) -> None:
    """Of the options of calls."""
    await api.get("/", auth=("user", "password"))  # wrong
    await api.get("/", auth="token")  # wrong
    await api.get("/", cookies={"a": 1})  # wrong
    await api.get("/", redirects="no")  # wrong
    await api.get("/", verify=False)  # wrong
    await api.get("/", concurrency=3)  # wrong
    await api.put("/", content=3)  # wrong
    sync.get("/", follow_redirects=True)  # wrong
    sync.get("/", auth="token")  # wrong
    api.stream("GET", "/", tiemout=3)  # wrong
    api.events("/", json={})  # wrong
    api.events("/", raise_for_status=False)  # wrong
    api.websocket("/", json={})  # wrong
    api.websocket("/", heartbeat="20")  # wrong
    sync.websocket("/", tiemout=3)  # wrong
    api.paginate("/", by=Cursor(), tiemout=3)  # wrong
    api.paginate("/", by=Cursor(), data=b"")  # wrong
    sync.paginate("/", by=Cursor(), tiemout=3)  # wrong
    api.map(["/"], json={})  # wrong
    api.map(["/"], timeout="5")  # wrong
    sync.map(["/"], retry="3")  # wrong
    await api.gather(["/"], ordered=True)  # wrong
    await api.gather(["/"], return_exceptions="yes")  # wrong
    sync.gather(["/"], idempotency_key=True)  # wrong
    values: list[Response] = await api.gather(["/"], return_exceptions=True)  # wrong
    print(values)
    Client(verify=False)  # wrong
    Client(max_connections=3)  # wrong
    Client(cookies={"a": "b"})  # wrong
    Request("GET", "/", redirects="0")  # wrong


def connections() -> None:
    """Of settings of connections."""
    Client(egress="private")  # wrong
    Client(egress=Egress("10.0.0.0/8", "h.example"))  # wrong
    TLS(pins=[5])  # wrong
    TLS(min_version="1.1")  # wrong
    TLS("ca.pem")  # wrong


async def fan_out(api: Client) -> None:
    """Of the fan-out."""
    await api.gather("/a", model=3)  # wrong
    await api.gather([1, 2])  # wrong
    users: list[str] = await api.gather(["/a"], model=User)  # wrong
    print(users)
    api.map(["/a"], on_error="ignore")  # wrong
    async with api.map(["/a"], model=User) as outcomes:
        async for outcome in outcomes:
            print(outcome.value.id)  # wrong
            wrong: Outcome[str] = outcome  # wrong
            print(wrong)


async def pages(api: Client) -> None:
    """Of pages."""
    api.paginate("/users")  # wrong
    api.paginate("/users", by="page")  # wrong
    api.paginate("/users", by=Cursor(), model=3)  # wrong
    PageNumber(size="10")  # wrong
    async for user in api.paginate("/users", by=Cursor(), model=User):
        print(user.nickname)  # wrong
    for _ in api.paginate("/users", by=Cursor()):  # wrong
        print("a row")


def without_await() -> None:
    """Of the blocking client."""
    BlockingClient(concurency=10)  # wrong
    api = BlockingClient("https://api.example.com", timeout="5")  # wrong
    print(api.get("/users/1", model=User).nickname)  # wrong
    api.get("/users/1", jsn={})  # wrong
    api.map(["/a"], on_error="ignore")  # wrong
    for outcome in api.map(["/a"], model=User):
        print(outcome.value.id)  # wrong


class Directory(API):
    """A declared client."""

    @get("/users/{number}")
    async def user(self, number: int) -> User:
        """One user."""
        raise NotImplementedError

    @get("/users", by=Cursor())
    def users(self) -> Pages[User]:
        """All users."""
        raise NotImplementedError


async def declared(directory: Directory) -> None:
    """Of its methods."""
    await directory.user("1")  # wrong
    await directory.user()  # wrong
    print((await directory.user(1)).nickname)  # wrong
    await directory.users()  # wrong
    Directory(5)  # wrong


def settings() -> None:
    """Of the constructors."""
    Client(concurency=10)  # wrong
    Client(concurrency="10")  # wrong
    Client(transport=print)  # wrong
    Client(hooks=[1])  # wrong
    Request("GET")  # wrong
    RateLimit()  # wrong
    with deadline("5"):  # wrong
        pass


def handler(request: Request) -> str:
    """No Response."""
    return request.method


def mocks() -> None:
    """Of the test seam."""
    MockTransport(handler)  # wrong
    reply("200")  # wrong
    response: str = reply(200)  # wrong
    print(response, Response)


async def streamed(api: Client, sync: BlockingClient) -> None:
    """Of streams."""
    api.stream("/export")  # wrong
    api.stream("GET", "/export", model=User)  # wrong
    with api.stream("GET", "/export"):  # wrong
        pass
    async with api.stream("GET", "/export") as response:
        print(response.content)  # wrong
        for _ in response.lines():  # wrong
            pass
        number: int = await anext(response.json_lines(model=User))  # wrong
        print(number)
    sync.stream("GET", "/export", tiemout=3)  # wrong
