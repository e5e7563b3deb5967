"""What types the public face promises. Never run: read by mypy strict and pyright strict (test_typing.py)."""

# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar, assert_type

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from asyncapi import (
    API,
    TLS,
    ApiKey,
    AsyncAPIError,
    AWSSigV4,
    Basic,
    Bearer,
    Body,
    Client,
    Cursor,
    Egress,
    EgressDenied,
    Env,
    Events,
    Form,
    GraphQL,
    GraphQLResult,
    Header,
    Issuer,
    JSONLines,
    Key,
    KeyPool,
    LinkHeader,
    NextUrl,
    OAuth2AuthorizationCode,
    OAuth2ClientCredentials,
    OAuth2DeviceCode,
    OAuth2RefreshToken,
    Offset,
    Option,
    Outcome,
    Page,
    PageNumber,
    Pages,
    Query,
    RateLimit,
    Request,
    RequestTimeout,
    Response,
    Retry,
    ServerSentEvent,
    StatusError,
    Stream,
    StreamedResponse,
    Timeout,
    TLSError,
    Upload,
    WebSocket,
    deadline,
    get,
    post,
    websocket,
)
from asyncapi.blocking import Client as BlockingClient
from asyncapi.blocking import Outcomes as BlockingOutcomes
from asyncapi.blocking import Pages as BlockingPages
from asyncapi.blocking import WebSocket as BlockingWebSocket
from asyncapi.testing import MockSocket, MockTransport, Peer, reply, socket
from asyncapi.types import Failure, Success

if TYPE_CHECKING:
    from pathlib import Path

    from asyncapi.options import CallOptions


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


async def options(api: Client, sync: BlockingClient, photo: Path) -> None:
    """Every option of a call, where it may be given."""
    mine = Bearer("a")
    await api.get("/", auth=mine, cookies={"a": "b"}, redirects=0, wait=1.5, priority=-1, tenant="t", route="/")
    await api.get("/", auth=None, retry=None, timeout=None, raise_for_status=False, model=User)
    await api.put("/photo", content=photo, headers=[("A", "b")])
    await api.request("PUT", "/photo", content=photo, idempotency_key="k", auth=Basic("u", Env("PASSWORD")))
    await api.head("/", params={"a": [1, 2]})
    sync.put("/photo", content=photo, auth=mine, cookies={"a": "b"}, redirects=0)
    sync.get("/", raise_for_status=False)
    api.stream("PUT", "/photo", content=photo, auth=mine, cookies={"a": "b"}, redirects=1)
    api.events("/", auth=mine, cookies={}, redirects=1, wait=False)
    api.paginate("/", by=Cursor(), auth=mine, cookies={}, redirects=1, wait=False)
    api.map(["/"], auth=mine, cookies={}, redirects=1, wait=False, headers={"a": "b"}, raise_for_status=False)
    sync.map(["/"], auth=mine, retry=2, timeout=3.0, params={"a": 1}, route="/")
    Request("GET", "/", auth=mine, cookies={"a": "b"}, redirects=0, content=photo)
    given: CallOptions = {"timeout": 3.0, "json": {"a": 1}, "auth": mine}
    assert_type(await api.post("/", **given), Response)
    assert_type(await api.post("/", **given, model=User), User)


def narrowed(outcome: Success[User] | Failure[User]) -> None:
    """What is there is known after a look at either; `if outcome.ok:` is in narrowed_by_mypy.py."""
    general: Outcome[User] = outcome
    assert_type(general.value, User | None)
    if outcome.error is None:
        assert_type(outcome.value, User)
    else:
        assert_type(outcome.error, AsyncAPIError)
    if outcome.ok is True:
        assert_type(outcome.value, User)
    match outcome:
        case Success():
            assert_type(outcome.value, User)
        case Failure():
            assert_type(outcome.error, AsyncAPIError)
    assert isinstance(outcome, Outcome)
    assert_type(Outcome(0, "/", User(id=1)), Outcome[User])


async def gathered(api: Client, sync: BlockingClient) -> None:
    """The values of a fan-out, or failures in their place."""
    assert_type(await api.gather(["/a"], model=User, retry=2, timeout=3, headers={"a": "b"}), list[User])
    assert_type(await api.gather(["/a"], return_exceptions=False), list[Response])
    assert_type(await api.gather(["/a"], return_exceptions=True), list[Response | AsyncAPIError])
    assert_type(await api.gather(["/a"], model=User, return_exceptions=True), list[User | AsyncAPIError])
    assert_type(sync.gather(["/a"], model=User, return_exceptions=True), list[User | AsyncAPIError])
    assert_type(sync.gather(["/a"], return_exceptions=True), list[Response | AsyncAPIError])
    assert_type(sync.gather(["/a"], model=list[User], auth=None), list[list[User]])


async def fan_out(api: Client, lazy: Iterator[Request], slow: AsyncIterator[str]) -> None:
    """The elements of a fan-out have the model's type."""
    assert_type(await api.gather(["/a", "/b"], model=User), list[User])
    assert_type(await api.gather(["/a", "/b"]), list[Response])
    async with api.map(lazy, model=User) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome, Success[User] | Failure[User])
            assert_type(outcome.value, User | None)
            assert_type(outcome.request, Request | str)
            narrowed(outcome)
    async with api.map(slow, ordered=True, on_error="raise", max_errors=3, concurrency=5) as answers:
        async for answer in answers:
            assert_type(answer, Success[Response] | Failure[Response])
    async with api.map(["/a"], model=list[User]) as pages:
        async for page in pages:
            assert_type(page.value, list[User] | None)


def following(page: Page[Any]) -> str | None:
    """A way of one's own."""
    return page.data["next"] if page.items else None


async def pages(api: Client) -> None:
    """The items of pages have the model's type."""
    users = api.paginate("/users", by=PageNumber(size_param="per_page", size=50), items="data.users", model=User)
    assert_type(users, Pages[User])
    async for user in users:
        assert_type(user, User)
    async for page in api.paginate("/users", by=Cursor("after", at="meta.after"), model=User).pages():
        assert_type(page, Page[User])
        assert_type(page.items, list[User])
        assert_type(page.response, Response)
    async for row in api.paginate("/users", by=LinkHeader(), start=users.position, max_pages=None):
        assert_type(row, Any)
    async with api.paginate("/users", by=following, model=Row, allow_origins=["https://h"], prefetch=0) as rows:
        assert_type(rows, Pages[Row])
    api.paginate("/users", by=Offset(size=10), params={"q": 1}, timeout=5, retry=None, concurrency=2)
    api.paginate("/users", by=NextUrl("links.next"), headers={"X": "y"}, route="/users")


def without_await() -> None:
    """The blocking client has the same settings, arguments and types."""
    with BlockingClient("https://api.example.com", timeout=5, rate=RateLimit(50), retry=Retry(attempts=2)) as api:
        assert_type(api, BlockingClient)
        assert_type(api.get("/users/1", model=User), User)
        assert_type(api.post("/users", json=User(id=1), idempotency_key=True), Response)
        assert_type(api.request("GET", "/users", model=list[User]), list[User])
        assert_type(api.put("/users/1", data={"id": 1}, model=User), User)
        assert_type(api.patch("/users/1", content=b"", model=User), User)
        assert_type(api.delete("/users/1", model=User | None), User | None)
        assert_type(api.options("/users/1", model=User), User)
        assert_type(api.head("/users/1"), Response)
        assert_type(api.gather(["/a"], model=User), list[User])
        assert_type(api.gather(["/a"]), list[Response])
        with api.map(["/a"], model=User, ordered=True) as outcomes:
            assert_type(outcomes, BlockingOutcomes[User])
            for outcome in outcomes:
                assert_type(outcome, Success[User] | Failure[User])
                narrowed(outcome)
        users = api.paginate("/users", by=PageNumber(), model=User)
        assert_type(users, BlockingPages[User])
        assert_type(list(users), list[User])
        assert_type([page.items for page in users.pages()], list[list[User]])
        assert_type(api.explain(), str)


T = TypeVar("T")


class Crud(API, Generic[T]):
    """A part of several declared clients: its type variable is what a subclass says."""

    @get("/{number}")
    async def one(self, number: int) -> T: ...

    @post("/")
    async def create(self, item: T) -> T: ...

    @get("/", by=PageNumber())
    def every(self) -> Pages[T]: ...


class Users(Crud[User]):
    """One that is all said."""

    @post("/photos")
    async def photo(
        self,
        photo: Annotated[bytes, Upload()],
        *,
        title: Annotated[str, Form()] = "",
        timeout: Annotated[float | None, Option()] = None,
    ) -> bytes: ...


async def parts(users: Users) -> None:
    """Inherited methods have the subclass's types."""
    assert_type(await users.one(1), User)
    assert_type(await users.create(User(id=1)), User)
    assert_type(await users.photo(b"", title="a", timeout=1.0), bytes)
    assert_type([one async for one in users.every()], list[User])


class Directory(API):
    """A declared client: methods have the types they are written with."""

    @get("/users/{number}")
    async def user(self, number: int) -> User: ...

    @post("/users", idempotency_key=True)
    async def add(
        self, user: User, *, team: Annotated[str, Header("X-Team")], dry: Annotated[bool, Query("dryRun")] = False
    ) -> list[User]: ...

    @post("/raw")
    async def raw(self, content: Annotated[bytes, Body()]) -> Response: ...

    @get("/users", by=Cursor(), items="users")
    def users(self, team: str | None = None) -> Pages[User]: ...

    @get("/export")
    def export(self) -> Stream: ...

    @get("/rows")
    def rows(self, team: str) -> JSONLines[Row]: ...

    @post("/chat", until="[DONE]")
    def chat(self, user: User) -> Events[Team]: ...

    @websocket("/feed/{room}", subprotocols=("v1",), reconnect=10)
    def feed(self, room: str) -> WebSocket[User | Team]: ...


async def declared(api: Client) -> None:
    """And so do their calls."""
    async with Directory("https://api.example.com") as directory:
        assert_type(directory, Directory)
        assert_type(await directory.user(1), User)
        assert_type(await directory.add(User(id=1), team="red"), list[User])
        assert_type(await directory.raw(b""), Response)
        async for user in directory.users("red"):
            assert_type(user, User)
        async with directory.export() as response:
            assert_type(response, StreamedResponse)
        async with directory.rows("red") as rows:
            assert_type([row async for row in rows], list[Row])
        async with directory.chat(User(id=1)) as answers:
            assert_type([answer async for answer in answers], list[Team])
        async with directory.feed("red") as ws:
            assert_type(await ws.receive(), User | Team)
    assert_type(Directory(api).client, Client)


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


async def connections() -> None:
    """Who is trusted, and where a client may connect."""
    guards: list[Egress | Literal["public"] | None] = [
        None, "public", Egress(), Egress(["10.0.0.0/8"], deny=("h.example",), public=False)
    ]  # fmt: skip
    pinned: list[TLS] = [
        TLS(pins="sha256/..."), TLS(pins=["sha256/..."]), TLS(pins={"h.example": ["sha256/..."]}), TLS(cert="c", key="k")
    ]  # fmt: skip
    for guard, tls in zip(guards, pinned, strict=True):
        async with Client(egress=guard, tls=tls) as api:
            try:
                await api.get("https://h.example")
            except TLSError as error:
                assert_type(error.final, bool)
            except EgressDenied as error:
                assert_type(error.retry_after, float | None)


async def credentials() -> None:
    """Every one is an `auth=`; several are one for each origin, or a pool."""
    issuer = Issuer("https://login")
    one = OAuth2AuthorizationCode(issuer, "tool", dpop=True)
    for auth in (
        AWSSigV4("s3", "eu-central-1"),
        AWSSigV4("es", access_key=Env("ID"), secret_key=Env("SECRET")),
        one,
        OAuth2ClientCredentials(issuer, "me", Env("SECRET"), dpop=True),
        OAuth2DeviceCode(issuer, "tool"),
        OAuth2RefreshToken(issuer, "tool", refresh_token=Env("TOKEN")),
        KeyPool([ApiKey("a"), Key(AWSSigV4("s3"), quota=3)], pace=False),
    ):
        Client("https://h", auth=auth)
    Client(auth={"https://h": AWSSigV4("s3"), "https://i": one})
    assert_type(await one.revoke(), None)


async def streamed(api: Client) -> None:
    """What a stream is read as."""
    async with api.stream("POST", "/export", json=User(id=1), timeout=Timeout(read=5), retry=None) as response:
        assert_type(response, StreamedResponse)
        assert_type([piece async for piece in response.bytes()], list[bytes])
        assert_type([line async for line in response.lines()], list[str])
        assert_type([row async for row in response.json_lines()], list[Any])
        assert_type([row async for row in response.json_lines(model=Row)], list[Row])
        assert_type([event async for event in response.events()], list[ServerSentEvent])
        assert_type([user async for user in response.events(model=User, until="[DONE]")], list[User])
        assert_type(await response.read(), bytes)
        assert_type(response.status, int)
    async with api.events("/changes", last_id="7") as events:
        async for event in events:
            assert_type(event, ServerSentEvent)
            assert_type(event.parse(User), User)
    async with api.events("/changes", model=User) as users:
        assert_type(users.last_id, str)
        async for user in users:
            assert_type(user, User)


async def sockets(api: Client) -> None:
    """Over WebSocket: a model gives the messages their type."""

    async def subscribe(ws: WebSocket[Any]) -> None:
        await ws.send({"subscribe": "all"})

    async with api.websocket("wss://api.example.com/feed", headers={"X-A": "b"}, wait=False) as plain:
        assert_type(plain, WebSocket[str | bytes])
        assert_type(await plain.receive(), str | bytes)
    how = api.websocket(
        "/feed",
        model=User | Team,
        on_open=subscribe,
        reconnect=Retry(attempts=3),
        reconnect_on={4000},
        subprotocols=("a", "b"),
        heartbeat=None,
        max_message=None,
        compress=False,
    )
    async with how as ws:
        assert_type([message async for message in ws], list[User | Team])
        await ws.send(User(id=1))
        await ws.close(4000, "done")
        assert_type(ws.close_code, int | None)
        assert_type(ws.subprotocol, str | None)
    api.websocket("/feed", on_open=lambda ws: ws.send("x"), reconnect=5, reconnect_on=lambda code, reason: None)


def sockets_sync(api: BlockingClient) -> None:
    """And without await."""

    def subscribe(ws: BlockingWebSocket[Any]) -> None:
        ws.send({"subscribe": "all"})

    with api.websocket("/feed") as plain:
        assert_type(plain.receive(), str | bytes)
    with api.websocket("/feed", model=User | Team, on_open=subscribe, reconnect=None) as ws:
        assert_type(ws, BlockingWebSocket[User | Team])
        assert_type(list(ws), list[User | Team])
        ws.send_json("text")


def mocked_sockets(request: Request) -> MockSocket | Response:
    """What a mock handler returns."""

    async def play(peer: Peer) -> None:
        async for message in peer:
            await peer.send(message)
        assert_type(await peer.receive(), str | bytes)

    if request.url.path == "/echo":
        return socket(play, pongs=False)
    return socket([User(id=1), "text", b"bytes"], close=None) if request.url.path else reply(401)


def streamed_sync(api: BlockingClient) -> None:
    """And without await."""
    with api.stream("GET", "/export", params={"a": 1}, timeout=5) as response:
        assert_type(list(response.bytes(65536)), list[bytes])
        assert_type(list(response.lines()), list[str])
        assert_type(list(response.json_lines(model=Row)), list[Row])
        assert_type(list(response.events()), list[ServerSentEvent])
        assert_type(list(response.events(model=User)), list[User])
        assert_type(response.read(), bytes)
    with api.events("/changes", model=User) as users:
        for user in users:
            assert_type(user, User)


async def graphql(api: Client) -> None:
    gql = GraphQL(api)
    assert_type(await gql.query("{ user { id } }", {"id": 1}, model=User, field="user", timeout=3), User)
    assert_type(await gql.query("{ users { id } }", model=list[User], field="users"), list[User])
    assert_type(await gql.query("{ user { id } }"), Any)
    assert_type(await gql.query("{ user { id } }", model=User, errors="return"), GraphQLResult[User])
    assert_type(await gql.mutate("mutation { a }", model=int | None, idempotency_key=True), int | None)
    assert_type((await gql.mutate("mutation { a }", model=User, errors="return")).data, User | None)
