"""Declared clients: what a signature says is what is sent, and what can't be sent is told when the class is made."""

# ruff: noqa: A002 - "id" is what APIs call it

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path as FilePath  # noqa: TC003 - read when the class is made
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

import pytest
from aiohttp import web
from pydantic import BaseModel
from typing_extensions import TypedDict

from asyncapi import (
    API,
    Bearer,
    Client,
    ConfigError,
    Cursor,
    NotFound,
    PageNumber,
    Pages,
    Response,
    SchemaError,
    ServerError,
    Timeout,
    delete,
    get,
    patch,
    post,
    put,
)
from asyncapi.declared.api import Body, Form, Header, Option, Path, Query, Upload
from asyncapi.serve import FaultServer
from asyncapi.testing import FakeClock, MockTransport, reply, run
from servers import application, echo


class User(BaseModel):
    id: int
    name: str = ""


class Item(BaseModel):
    id: int
    name: str


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Row(TypedDict):
    id: int


UserId = NewType("UserId", int)


class Echo(API):
    """Everything that can be declared, against a server that tells what it saw."""

    @get("/users/{id}")
    async def user(self, id: UserId) -> dict[str, Any]:
        """One user."""

    @get("/users/{user-id}/files/{name}")
    async def file(self, user: Annotated[int, Path("user-id")], name: str, /) -> dict[str, Any]: ...

    @get("/users")
    async def users(
        self,
        team: list[str] | None = None,
        *,
        active: bool | None = None,
        since: date | datetime | None = None,
        days: list[date] | None = None,
        colour: Colour | Literal["any"] = "any",
        per_page: Annotated[int, Query("perPage")] = 50,
        price: Decimal | float | None = None,
        trace: Annotated[UUID | None, Header] = None,
        team_header: Annotated[str | None, Header("X-Team")] = None,
    ) -> dict[str, Any]: ...

    @post("/users")
    async def add(self, user: User, *, dry_run: Annotated[bool, Query("dryRun")] = False) -> dict[str, Any]: ...

    @post("/users/bulk")
    async def add_all(self, users: list[User]) -> dict[str, Any]: ...

    @put("/users/{id}")
    async def change(self, id: int, user: User | None = None) -> dict[str, Any]: ...

    @patch("/users/{id}")
    async def amend(self, id: int, changes: Annotated[Mapping[str, Any], Body()]) -> dict[str, Any]: ...

    @post("/points")
    async def point(self, point: Point, row: Annotated[str, Query] = "a") -> dict[str, Any]: ...

    @post("/rows")
    async def row(self, row: Row) -> dict[str, Any]: ...

    @post("/login", headers={"X-Fixed": "1"}, timeout=5, retry=None)
    async def login(
        self, name: Annotated[str, Form()], *, code: Annotated[int | None, Form("otp")] = None
    ) -> dict[str, Any]: ...

    @put("/raw")
    async def raw(self, content: Annotated[bytes, Body()]) -> dict[str, Any]: ...

    @put("/raw")
    async def stream(self, content: Annotated[AsyncIterator[bytes], Body]) -> dict[str, Any]: ...

    @put("/raw")
    async def upload(self, file: Annotated[FilePath, Body]) -> dict[str, Any]: ...

    @delete("/users/{id}")
    async def remove(self, id: int) -> None: ...

    @get("/users/{id}")
    async def response(self, id: int) -> Response: ...

    @post("/charges", idempotency_key=True)
    async def charge(self, amount: Annotated[int, Body()]) -> dict[str, Any]: ...


@pytest.fixture
async def shop():
    async with application(web.route("*", "/{rest:.*}", echo)) as url, Echo(url) as shop:
        yield shop


@pytest.mark.lanes
async def test_what_is_in_the_path_is_encoded_whole(shop):
    assert (await shop.user(7))["path"] == "/users/7"
    assert (await shop.user(id=7))["path"] == "/users/7"
    assert (await shop.file(7, "a b/../c?d=é#%41"))["path"] == "/users/7/files/a%20b%2F..%2Fc%3Fd%3D%C3%A9%23%2541"
    assert (await shop.file(7, "v1.2_x-y~z"))["path"] == "/users/7/files/v1.2_x-y~z"


@pytest.mark.parametrize("name", ["", ".", "..", None, "\ud800", b"x", {"a": 1}])
async def test_what_would_change_the_path_is_refused(name):
    transport = MockTransport(lambda _: reply(json={}))
    async with Echo(Client("https://h", transport=transport)) as shop:
        with pytest.raises(ConfigError, match=r"Echo\.file: |path: 'name'"):
            await shop.file(7, name)
    assert transport.requests == 0


@pytest.mark.lanes
async def test_the_rest_goes_into_the_query_where_given(shop):
    assert (await shop.users())["path"] == "/users?colour=any&perPage=50"
    seen = await shop.users(
        ["a", "b c"], active=True, since=datetime(2026, 1, 2, 3, 4, tzinfo=UTC), days=[date(2026, 1, 2)],
        colour=Colour.RED, per_page=5, price=Decimal("1.50"),
    )  # fmt: skip
    assert seen["path"] == (
        "/users?team=a&team=b+c&active=true&since=2026-01-02T03:04:00%2B00:00&days=2026-01-02&colour=red&perPage=5&price=1.50"
    )


@pytest.mark.lanes
async def test_headers_are_sent_where_given(shop):
    trace = UUID(int=5)
    seen = (await shop.users(trace=trace, team_header="red"))["headers"]
    assert (seen["trace"], seen["x-team"]) == (str(trace), "red")
    assert not {"trace", "x-team"} & set((await shop.users())["headers"])


@pytest.mark.lanes
async def test_models_are_the_body(shop):
    seen = await shop.add(User(id=1, name="Ada"), dry_run=True)
    assert (seen["method"], seen["path"], seen["body"]) == ("POST", "/users?dryRun=true", '{"id":1,"name":"Ada"}')
    assert (await shop.add_all([User(id=1)]))["body"] == '[{"id":1,"name":""}]'
    assert (await shop.change(1, User(id=2)))["method"] == "PUT"
    assert (await shop.change(1))["body"] == ""
    assert (await shop.amend(1, {"name": "x"}))["body"] == '{"name":"x"}'
    assert (await shop.point(Point(1)))["body"] == '{"x":1}'
    assert (await shop.row({"id": 1}))["body"] == '{"id":1}'


@pytest.mark.lanes
async def test_forms_raw_bodies_streams_and_files(shop, tmp_path):
    seen = await shop.login("a b", code=None)
    assert (seen["body"], seen["headers"]["content-type"]) == ("name=a+b", "application/x-www-form-urlencoded")
    assert seen["headers"]["x-fixed"] == "1"
    assert (await shop.login("a", code=5))["body"] == "name=a&otp=5"
    assert (await shop.raw(b"\x00\x01"))["body"] == "\x00\x01"

    async def pieces():
        yield b"a"
        yield b"b"

    assert (await shop.stream(pieces()))["body"] == "ab"
    (tmp_path / "f").write_bytes(b"of a file")
    assert (await shop.upload(tmp_path / "f"))["body"] == "of a file"


@pytest.mark.lanes
async def test_the_answer_is_what_the_signature_says(shop):
    assert await shop.remove(1) is None
    assert isinstance(await shop.response(1), Response)
    key = (await shop.charge(5))["headers"]["idempotency-key"]
    assert key != (await shop.charge(5))["headers"]["idempotency-key"]


@pytest.mark.lanes
async def test_models_errors_and_pages_of_a_real_server():
    class Shop(API):
        @get("/items/{id}")
        async def item(self, id: int) -> Item: ...

        @get("/status/{code}")
        async def status(self, code: int) -> Item: ...

        @get("/items", by=PageNumber(), items="items")
        def items(self, total: int, per_page: int = 10) -> Pages[Item]: ...

        @get("/items", by=Cursor(first=""))
        def raw_items(self, total: int) -> Pages: ...

    async with FaultServer() as server, Shop(server.url) as shop:
        assert await shop.item(7) == Item(id=7, name="item 7")
        with pytest.raises(NotFound):
            await shop.status(404)
        with pytest.raises(SchemaError):
            await shop.status(200)
        assert [item.id async for item in shop.items(95)] == list(range(1, 96))
        assert [page.number async for page in shop.items(total=30).pages()] == [1, 2, 3]
        assert [item["id"] async for item in shop.raw_items(25)] == list(range(1, 26))


async def test_the_template_is_the_route_and_settings_go_with_the_call():
    seen = []

    def handler(request):
        seen.append((request.route, request.timeout, request.retry, request.headers.get("X-Fixed")))
        return reply(json={"items": []})

    async with Echo(Client("https://h", transport=MockTransport(handler))) as shop:
        await shop.user(7)
        await shop.login("a")
        assert [page async for page in Listed(shop.client).rows(3)] == []
    assert [one[0] for one in seen] == ["/users/{id}", "/login", "/rows/{id}"]
    assert seen[1][1:] == (5, None, "1")


class Listed(API):
    @get("/rows/{id}", by=PageNumber())
    def rows(self, id: int) -> Pages[Row]: ...


async def test_methods_keep_their_signature_name_and_docstring():
    assert inspect.iscoroutinefunction(Echo.user)
    assert (Echo.user.__name__, Echo.user.__doc__) == ("user", "One user.")
    assert list(inspect.signature(Echo.users).parameters)[:3] == ["self", "team", "active"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda shop: shop.user(), "missing a required argument: 'id'"),
        (lambda shop: shop.user(1, 2), "too many positional"),
        (lambda shop: shop.user(1, id=2), "multiple values"),
        (lambda shop: shop.user(idd=2), "missing|unexpected"),
        (lambda shop: shop.users([], True), "too many positional"),
        (lambda shop: shop.users(tema=[]), "unexpected"),
        (lambda shop: shop.file(1, name="x"), "name"),
    ],
)
async def test_wrong_arguments_are_pythons_own_type_error(shop, call, said):
    with pytest.raises(TypeError, match=said):
        await call(shop)


async def test_many_apis_share_a_client_and_methods_are_inherited():
    class More(Echo):
        @get("/more")
        async def more(self) -> dict[str, Any]: ...

    async with Client(
        "https://h", transport=MockTransport(lambda request: reply(json={"u": str(request.url)}))
    ) as client:
        first, second = More(client), Echo(client)
        assert (await first.more())["u"] == "https://h/more"
        assert (await first.user(1)) == (await second.user(1)) == {"u": "https://h/users/1"}


async def test_leaving_the_block_closes_the_client():
    client = Client("https://h", transport=MockTransport(lambda _: reply(json={})))
    async with Echo(client) as shop:
        await shop.user(1)
    with pytest.raises(ConfigError, match="closed"):
        await client.get("/")


def test_what_is_no_client_is_told():
    with pytest.raises(ConfigError, match=r"give an asyncapi\.Client or a base URL"):
        Echo(5)


async def test_outside_of_an_api_a_declared_method_says_so():
    class Plain:
        @get("/users")
        async def users(self) -> list[User]: ...

    with pytest.raises(ConfigError, match="derived from API"):
        await Plain().users()


# --- signatures that can't be sent ------------------------------------------------------------------------------


async def no_parameter(self) -> User: ...


def test_settings_that_make_no_sense_are_told_at_once():
    with pytest.raises(ConfigError):
        get("/", timeout=-1)
    with pytest.raises(ConfigError):
        get("/", retry=0)
    with pytest.raises(ConfigError):
        get("/", headers={"a b": "c"})


def test_a_static_method_is_none_of_an_api():
    with pytest.raises(ConfigError, match="plain method"):
        type("Shop", (API,), {"m": staticmethod(get("/")(no_parameter))})


async def test_models_of_the_function_around_the_class_are_known():
    class Local(BaseModel):
        id: int

    class Shop(API):
        class Inner(BaseModel):
            id: int

        @get("/a")
        async def list(self) -> list[Local]: ...

        @get("/b")
        async def inner(self) -> Inner: ...

        @post("/c")
        async def again(self, one: Local) -> list[Inner]: ...

    async with Shop(Client("https://h", transport=MockTransport(lambda r: reply(json=[{"id": 1}])))) as shop:
        assert await shop.list() == [Local(id=1)]
        assert await shop.again(Local(id=2)) == [Shop.Inner(id=1)]


async def test_a_declared_call_costs_little_more_than_the_plain_one():
    """Measured at 1 to 5 us; the limit leaves room for busy machines."""
    async with Echo(Client("https://h", transport=MockTransport(lambda _: reply(content=b"{}")))) as shop:

        async def cost(call):
            best = 1.0
            for _ in range(15):
                began = time.perf_counter()
                for _ in range(200):
                    await call()
                best = min(best, (time.perf_counter() - began) / 200)
            return best

        plain = await cost(lambda: shop.client.get("/users/7", model=dict[str, Any], route="/users/{id}"))
        assert await cost(lambda: shop.user(7)) - plain < 20e-6


# --- generics and mixins ------------------------------------------------------------------------------------------

T = TypeVar("T")
K = TypeVar("K")


class Batch(BaseModel, Generic[T]):
    items: list[T]


class Crud(API, Generic[T, K]):
    @get("/{id}")
    async def one(self, id: K) -> T: ...

    @get("/")
    async def all(self) -> list[T]: ...

    @get("/batch")
    async def batch(self) -> Batch[T]: ...

    @get("/maybe")
    async def maybe(self) -> T | None: ...

    @post("/")
    async def add(self, item: T, *, note: Annotated[K | None, Query()] = None) -> T: ...

    @get("/paged", by=PageNumber(), items="items")
    def paged(self) -> Pages[T]: ...


class Named(Crud[T, str], Generic[T]):
    @get("/named")
    async def named(self) -> T: ...


class Users(Named[User]):
    pass


class Days(Crud[User, date]):
    @get("/other/{id}")
    async def one(self, id: date) -> User: ...


class Health:
    """No API of its own: a part of several."""

    @get("/health")
    async def health(self) -> dict[str, str]: ...


class Whole(Health, Users):
    pass


def answered(request):
    shape = {"/": [{"id": 1}], "/batch": {"items": [{"id": 1}]}, "/maybe": None, "/health": {"is": "well"}}
    if request.method == "POST":
        return reply(content=request.content)
    if request.url.path == "/paged":
        return reply(json={"items": [{"id": 1}], "total": 1})
    return reply(json=shape.get(request.url.path, {"id": 1}))


@pytest.mark.parametrize("kind", [Users, Whole])
async def test_type_variables_are_what_the_subclass_says(kind):
    async with kind(Client("https://h", transport=MockTransport(answered))) as api:
        assert await api.one("a") == User(id=1)
        assert await api.all() == [User(id=1)]
        assert (await api.batch()).items == [User(id=1)]
        assert await api.maybe() is None
        assert await api.add(User(id=7), note="n") == User(id=7)
        assert [item async for item in api.paged()] == [User(id=1)]
        assert await api.named() == User(id=1)


async def test_what_does_not_fit_the_subclass_is_an_error_there():
    async with Users(Client("https://h", transport=MockTransport(lambda _: reply(json={"id": "x"})))) as api:
        with pytest.raises(SchemaError):
            await api.one("a")
        with pytest.raises(SchemaError):
            await api.named()


async def test_the_generic_class_itself_is_plain_data_and_subclasses_may_override():
    seen = []
    transport = MockTransport(lambda request: seen.append(request.url.path) or answered(request))
    async with Client("https://h", transport=transport) as client:
        assert await Crud(client).one(3) == {"id": 1}
        assert await Days(client).one(date(2026, 1, 2)) == User(id=1)
        assert await Days(client).all() == [User(id=1)]
    assert seen == ["/3", "/other/2026-01-02", "/"]


async def test_methods_of_a_plain_mixin_are_those_of_the_api():
    async with Whole(Client("https://h", transport=MockTransport(answered))) as api:
        assert await api.health() == {"is": "well"}
    with pytest.raises(ConfigError, match="derived from API"):
        await Health().health()


def test_a_mixin_that_cannot_be_sent_is_told_when_an_api_takes_it_in():
    class Wrong:
        @get("/users/{id}")
        async def user(self) -> User: ...

    with pytest.raises(ConfigError, match=r"Shop.user: the placeholder \{id\}"):
        type("Shop", (Wrong, API), {"__module__": __name__})


async def test_an_inherited_method_may_be_wrapped():
    class Counting(Users):
        calls = 0

        async def one(self, id: str) -> User:
            self.calls += 1
            return await super().one(id)

    async with Counting(Client("https://h", transport=MockTransport(answered))) as api:
        assert await api.one("a") == User(id=1)
        assert api.calls == 1


# --- files, raw answers, options of a call ------------------------------------------------------------------------


class Studio(API):
    @post("/photos", idempotency_key=True, timeout=30)
    async def photo(
        self,
        photo: Annotated[FilePath | bytes | tuple[str, bytes], Upload()],
        thumbnail: Annotated[bytes | None, Upload("thumb")] = None,
        *,
        title: Annotated[str, Form()],
        key: Annotated[str | None, Option("idempotency_key")] = None,
        timeout: Annotated[float | Timeout | None, Option] = None,
        priority: Annotated[int, Option()] = 0,
    ) -> dict[str, Any]: ...

    @get("/photos/{id}")
    async def download(self, id: int) -> bytes: ...

    @get("/photos", by=PageNumber())
    def photos(self, *, retry: Annotated[int | None, Option()] = None) -> Pages[User]: ...


@pytest.mark.lanes
async def test_files_and_fields_make_one_form_and_bytes_are_the_answer_itself(tmp_path):
    path = tmp_path / "p.png"
    path.write_bytes(b"\x89PNG")
    async with application(web.route("*", "/{rest:.*}", echo)) as url, Studio(url) as studio:
        saw = await studio.photo(path, title="sea")
        assert 'name="photo"; filename="p.png"' in saw["body"]
        assert 'name="title"' in saw["body"]
        assert "thumb" not in saw["body"]
        saw = await studio.photo(("q.bin", b"abc"), b"small", title="sea")
        assert 'name="thumb"; filename="thumb"' in saw["body"]
        assert isinstance(await studio.download(7), bytes)


async def test_options_of_a_call_go_before_the_decorators_and_none_leaves_those():
    seen = []
    transport = MockTransport(lambda request: seen.append(request) or reply(json={}))
    async with Studio(Client("https://h", transport=transport)) as studio:
        await studio.photo(b"a", title="t")
        await studio.photo(b"a", title="t", key="order-17", timeout=5, priority=3)
    one, two = seen
    assert len(one.idempotency_key) == 36
    assert one.deadline - one.call.started == pytest.approx(30)
    assert (two.idempotency_key, two.priority) == ("order-17", 3)
    assert two.deadline - two.call.started == pytest.approx(5)
    assert (one.call.settings.priority, two.call.settings.priority) == (0, 3)


def test_options_of_a_call_hold_for_each_page():
    async def scenario():
        asked = []
        transport = MockTransport(lambda request: asked.append(1) or reply(503))
        async with Studio(Client("https://h", transport=transport, clock=FakeClock())) as studio:
            with pytest.raises(ServerError):
                [one async for one in studio.photos(retry=2)]
        assert len(asked) == 2

    run(scenario())


class Several(API):
    @get("/me")
    async def me(
        self,
        *,
        auth: Annotated[Any, Option()] = None,
        cookies: Annotated[dict[str, str] | None, Option()] = None,
        redirects: Annotated[int | None, Option()] = None,
    ) -> dict[str, Any]: ...

    @get("/all", by=PageNumber())
    def all(self, *, auth: Annotated[Any, Option()] = None) -> Pages[Any]: ...


async def test_a_method_takes_a_credential_cookies_and_redirects_as_options():
    seen = []

    def handler(request):
        seen.append((request.headers.get("Authorization"), request.headers.get("Cookie"), request.redirects))
        return reply(json=[] if request.url.path == "/all" else {})

    async with Several(Client("https://h", transport=MockTransport(handler))) as several:
        await several.me(auth=Bearer("mine"), cookies={"a": "b"}, redirects=0)
        await several.me()
        assert [one async for one in several.all(auth=Bearer("mine"))] == []
    assert seen == [("Bearer mine", "a=b", 0), (None, None, None), ("Bearer mine", None, None)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters have a syntax of their own from Python 3.12 on")
@pytest.mark.parametrize("future", ["from __future__ import annotations", ""])
async def test_type_parameters_may_be_written_in_brackets(future):
    names = {"__name__": __name__, "API": API, "User": User, "get": get, "post": post}
    code = f"""{future}
class Crud[T, K: str | int](API):
    @get("/{{id}}")
    async def one(self, id: K) -> T: ...
    @post("/")
    async def add(self, item: T) -> T: ...
class Users(Crud[User, int]): ...
"""
    exec(code, names)
    async with names["Users"](Client("https://h", transport=MockTransport(answered))) as api:
        assert await api.one(1) == User(id=1)
        assert await api.add(User(id=7)) == User(id=7)
