"""Declared WebSockets: what a call of the method opens."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from pydantic import BaseModel, Field

from asyncapi import API, Client, ConfigError, Header, Option, Query, Retry, SocketClosed, WebSocket, get, websocket
from asyncapi.testing import FakeClock, MockTransport, run, socket

M = TypeVar("M")


class Trade(BaseModel):
    type: Literal["trade"] = "trade"
    id: int


class Quote(BaseModel):
    type: Literal["quote"] = "quote"
    id: int


def subscribe(ws):
    return ws.send({"subscribe": "all"})


class Exchange(API):
    @websocket("/feed/{room}", subprotocols=("v2", "v1"), on_open=subscribe, headers={"X-A": "b"})
    def feed(
        self,
        room: str,
        after: int = 0,
        *,
        tag: Annotated[str | None, Query("t")] = None,
        trace: Annotated[str, Header("X-Trace")] = "none",
        timeout: Annotated[float | None, Option()] = None,
        begin: Annotated[Any, Option("on_open")] = None,
    ) -> WebSocket[Trade | Quote]:
        """Trades and quotes."""

    @websocket("/marked")
    def marked(self) -> WebSocket[Annotated[Trade | Quote, Field(discriminator="type")]]: ...

    @websocket("/raw", reconnect=None, compress=False, heartbeat=None, max_message=5)
    def raw(self) -> WebSocket[str | bytes]: ...

    @websocket("/bare")
    def bare(self) -> WebSocket: ...

    @websocket("wss://elsewhere.example/{number}")
    def elsewhere(self, number: int) -> WebSocket[Trade]: ...


def talk(scenario, *messages, **how):
    """Run a scenario on an `Exchange` whose sockets send these messages; return what the handshakes were."""
    made = []

    def handler(request):
        made.append(socket(messages, **how))
        return made[-1]

    async def inside():
        client = Client("https://h", transport=MockTransport(handler), clock=FakeClock(), retry=Retry(attempts=3))
        async with Exchange(client) as exchange:
            await scenario(exchange)

    run(inside())
    return made


def test_parameters_go_where_they_go_in_any_endpoint():
    async def scenario(exchange):
        async with exchange.feed("a b/c", 7, tag="x", trace="1") as ws:
            assert [type(each) async for each in ws] == [Trade, Quote]
            assert ws.subprotocol == "v2"

    (made,) = talk(scenario, Trade(id=1), Quote(id=2))
    assert made.request.url.raw_path_qs == "/feed/a%20b%2Fc?after=7&t=x"
    assert (made.request.headers["X-A"], made.request.headers["X-Trace"]) == ("b", "1")
    assert made.request.headers["Sec-WebSocket-Protocol"] == "v2, v1"
    assert made.sent == ['{"subscribe":"all"}']


def test_an_on_open_of_the_call_takes_the_place_of_the_declared_one():
    async def scenario(exchange):
        async with exchange.feed("a", begin=lambda ws: ws.send("mine")) as ws:
            await ws.receive()

    assert talk(scenario, Trade(id=1))[0].sent == ["mine"]


def test_a_discriminated_union_is_a_model():
    async def scenario(exchange):
        async with exchange.marked() as ws:
            assert [each.type async for each in ws] == ["trade", "quote"]

    talk(scenario, Trade(id=1), Quote(id=2))


@pytest.mark.parametrize("method", ["raw", "bare"])
def test_without_a_model_text_and_bytes_come_as_they_are(method):
    async def scenario(exchange):
        async with getattr(exchange, method)() as ws:
            assert [each async for each in ws] == ["1", b"\xff"]

    talk(scenario, "1", b"\xff")


def test_what_the_decorator_says_holds():
    """One connection, and no message of more than five bytes."""

    async def scenario(exchange):
        async with exchange.raw() as ws:
            assert await ws.receive() == "12345"
            with pytest.raises(SocketClosed) as ended:
                await ws.receive()
            assert ended.value.code == 1009

    assert len(talk(scenario, "12345", "123456")) == 1


def test_a_url_of_its_own_may_say_wss():
    async def scenario(exchange):
        async with exchange.elsewhere(5) as ws:
            await ws.receive()

    assert str(talk(scenario, Trade(id=1))[0].request.url) == "https://elsewhere.example/5"


def test_the_template_is_the_route():
    async def scenario(exchange):
        async with exchange.feed("a") as ws:
            await ws.receive()

    assert talk(scenario, Trade(id=1))[0].request.route == "/feed/{room}"


def test_a_socket_of_a_generic_class_has_the_model_of_the_subclass():
    class Feed(API, Generic[M]):
        @websocket("/feed")
        def feed(self) -> WebSocket[M]: ...

    class Trades(Feed[Trade]): ...

    async def scenario(exchange):
        async with Trades(exchange.client).feed() as ws:
            assert await ws.receive() == Trade(id=1)

    talk(scenario, Trade(id=1))


# --- what makes no sense is an error when the class is made --------------------------------------------------------


def test_websocket_and_its_return_type_go_together():
    with pytest.raises(ConfigError, match=r"One\.feed: .*@websocket go together"):

        class One(API):
            @get("/feed")
            def feed(self) -> WebSocket[Trade]: ...

    with pytest.raises(ConfigError, match=r"Two\.feed: .*@websocket go together"):

        class Two(API):
            @websocket("/feed")
            async def feed(self) -> Trade: ...


def test_a_socket_is_declared_with_a_plain_def():
    with pytest.raises(ConfigError, match="WebSocket is declared with a plain def"):

        class One(API):
            @websocket("/feed")
            async def feed(self) -> WebSocket[Trade]: ...


def test_a_handshake_has_no_body():
    with pytest.raises(ConfigError, match="the handshake of a WebSocket has no body"):

        class One(API):
            @websocket("/feed")
            def feed(self, trade: Trade) -> WebSocket[Trade]: ...


@pytest.mark.parametrize("kind", [str, bytes, str | None, bytes | Trade])
def test_text_or_bytes_alone_are_no_model(kind):
    with pytest.raises(ConfigError, match=r"WebSocket\[str \| bytes\] takes text and bytes"):

        class One(API):
            @websocket("/feed")
            def feed(self) -> WebSocket[kind]: ...


def test_an_option_that_no_socket_takes_is_refused():
    with pytest.raises(ConfigError, match="'idempotency_key' is not an option of WebSocket"):

        class One(API):
            @websocket("/feed")
            def feed(self, idempotency_key: Annotated[str, Option()]) -> WebSocket[Trade]: ...


def test_a_placeholder_needs_its_parameter():
    with pytest.raises(ConfigError, match=r"\{room\} has no parameter"):

        class One(API):
            @websocket("/feed/{room}")
            def feed(self) -> WebSocket[Trade]: ...
