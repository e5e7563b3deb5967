"""WebSockets: typed messages, an end that is told, another connection where that helps, and one policy for all calls."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from asyncapi import (
    Bearer,
    Client,
    ConfigError,
    DecodeError,
    RequestTimeout,
    Retry,
    SchemaError,
    SocketClosed,
    deadline,
)
from bodies import at_rest
from websocket_peers import (
    BINARY,
    CLOSE,
    Line,
    close,
    echo,
    frame,
    peer,
    saying,
)  # fmt: skip

pytestmark = pytest.mark.lanes

QUICK = Retry(attempts=5, base=0.001, cap=0.002)
ENOUGH = Retry(attempts=1000, base=0.001, cap=0.002)


class Trade(BaseModel):
    type: Literal["trade"]
    price: float


class Quote(BaseModel):
    type: Literal["quote"]
    bid: float


Either = Annotated[Trade | Quote, Field(discriminator="type")]


# Messages


async def test_text_and_bytes_go_both_ways_as_they_are():
    async with peer(echo) as server, Client(server.url) as api:
        async with api.websocket("/x") as ws:
            for message in ("", "ä\u2028\U0001f600", b"", b"\x00\xff", "x" * 70_000, bytes(200_000)):
                await ws.send(message)
                assert await ws.receive() == message
            await ws.send_bytes(bytearray(b"ab"))
            assert await ws.receive() == b"ab"
            await ws.send(memoryview(b"cd"))
            assert await ws.receive() == b"cd"
        assert server.lines[0].heard[-1] == (CLOSE, (1000).to_bytes(2, "big"))
        assert at_rest(api)


async def test_models_and_plain_data_are_sent_as_json_text():
    async with peer(echo) as server, Client(server.url) as api, api.websocket("/x") as ws:
        await ws.send(Trade(type="trade", price=1.5))
        await ws.send({"a": [1, None]})
        await ws.send_json("text")
        assert [await ws.receive() for _ in range(3)] == ['{"type":"trade","price":1.5}', '{"a":[1,null]}', '"text"']
        with pytest.raises(ConfigError, match="NaN"):
            await ws.send({"a": float("nan")})
        with pytest.raises(ConfigError, match="lone surrogate"):
            await ws.send("a\ud800")
        await ws.send("still open")
        assert await ws.receive() == "still open"


async def test_messages_are_values_of_the_model_whatever_union_it_is():
    script = saying('{"type":"trade","price":1}', '{"type":"quote","bid":2}', then=close(1000))
    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x", model=Either) as ws:
            assert [message async for message in ws] == [Trade(type="trade", price=1), Quote(type="quote", bid=2)]
        async with api.websocket("/x", model=dict[str, int | str]) as ws:
            assert await ws.receive() == {"type": "trade", "price": 1}


async def test_a_message_that_does_not_fit_is_an_error_that_keeps_it_and_the_socket():
    script = saying(
        '{"type":"other"}', "no json ä", '{"type":"quote","bid":2}', then=frame(BINARY, b'{"type":"quote","bid":3}')
    )
    async with peer(script) as server, Client(server.url) as api, api.websocket("/x", model=Either) as ws:
        with pytest.raises(SchemaError) as bad:
            await ws.receive()
        assert bad.value.body == b'{"type":"other"}'
        with pytest.raises(DecodeError, match="the message isn't valid JSON") as worse:
            await ws.receive()
        assert worse.value.body == "no json ä".encode()
        assert [(await ws.receive()).bid for _ in range(2)] == [2, 3]
        assert len(server.lines) == 1


# URLs and handshakes


# Ends


@pytest.mark.parametrize("code", [1000, None])
async def test_a_normal_close_ends_the_loop(code):
    async with peer(saying("a", "b", then=close(code))) as server, Client(server.url) as api:
        async with api.websocket("/x") as ws:
            assert [message async for message in ws] == ["a", "b"]
            assert ws.close_code == (code or 1005)
            assert [message async for message in ws] == []
            with pytest.raises(SocketClosed) as error:
                await ws.receive()
            assert error.value.code == (code or 1005)
            with pytest.raises(SocketClosed, match="not sent"):
                await ws.send("x")
        assert len(server.lines) == 1
        assert at_rest(api)


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 1010, 3003, 4000, 4403, 4999])
async def test_a_close_for_good_is_an_error_again_and_again(code):
    async with peer(saying("a", then=close(code, "because"))) as server, Client(server.url, retry=QUICK) as api:
        async with api.websocket("/x") as ws:
            assert await ws.receive() == "a"
            for _ in range(2):
                with pytest.raises(SocketClosed, match="because") as error:
                    await ws.receive()
                assert (error.value.code, error.value.reason) == (code, "because")
                assert error.value.request.url.path == "/x"
        assert len(server.lines) == 1
        assert api.stats.by_error == {"SocketClosed": 1}


# on_open


# One policy


# Time


async def test_the_clients_total_ends_with_the_handshake_and_the_sockets_own_bounds_all():
    async def script(line: Line) -> None:
        await line.accept()
        await asyncio.sleep(0.3)
        await line.say("late")
        await line.hear_out()

    async with peer(script) as server, Client(server.url, timeout=0.2) as api:
        async with api.websocket("/x") as ws:
            assert await ws.receive() == "late"
        async with api.websocket("/x", timeout=0.1) as ws:
            with pytest.raises(RequestTimeout):
                await ws.receive()
        async with api.websocket("/x", timeout=5) as ws:
            with deadline(0.05), pytest.raises(RequestTimeout):
                await ws.receive()
            assert await ws.receive() == "late"
        assert at_rest(api)


# Back-pressure, and peers that do harm


# Closing


async def test_close_says_what_it_is_told_and_is_the_end():
    async with peer(echo) as server, Client(server.url) as api, api.websocket("/x") as ws:
        await ws.close(4000, "enough")
        await ws.close()
        assert server.lines[0].heard[-1] == (CLOSE, (4000).to_bytes(2, "big") + b"enough")
        assert ws.close_code == 4000
        assert [message async for message in ws] == []
        with pytest.raises(SocketClosed) as error:
            await ws.receive()
        assert error.value.code == 4000
        for code in (1005, 1006, 999, 2000, 5000, 1015):
            with pytest.raises(ConfigError):
                await ws.close(code)
        with pytest.raises(ConfigError):
            await ws.close(1000, "ä" * 62)


async def test_a_task_that_receives_finds_the_socket_closed_by_another():
    async with peer(echo) as server, Client(server.url) as api, api.websocket("/x") as ws:
        task = asyncio.create_task(ws.__anext__())
        await asyncio.sleep(0.05)
        with pytest.raises(ConfigError, match="two tasks"):
            await ws.receive()
        await ws.close()
        with pytest.raises(StopAsyncIteration):
            await task


# Cancelling


async def test_a_cancelled_block_tells_the_server_and_leaves_nothing():
    async with peer(echo) as server, Client(server.url) as api:

        async def use() -> None:
            async with api.websocket("/x") as ws:
                opened.set()
                await ws.receive()

        opened = asyncio.Event()
        task = asyncio.create_task(use())
        await opened.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.quiet(), 5)
        assert server.lines[0].heard[-1] == (CLOSE, (1001).to_bytes(2, "big"))
        assert at_rest(api)


async def test_a_close_that_repeats_the_credential_does_not_show_it():
    script = saying(then=close(4403, "no access with s3cret-token-of-mine"))
    async with (
        peer(script) as server,
        Client(server.url, auth=Bearer("s3cret-token-of-mine")) as api,
        api.websocket("/x") as ws,
    ):
        with pytest.raises(SocketClosed, match="no access") as error:
            await ws.receive()
        assert "s3cret" not in f"{error.value} {error.value!r} {error.value.args}"


async def test_text_of_a_class_of_its_own_is_text():
    class Kind(str):
        __slots__ = ()

    async with peer(echo) as server, Client(server.url) as api, api.websocket("/x") as ws:
        await ws.send(Kind("a"))
        assert await ws.receive() == "a"


async def test_codes_that_only_report_are_not_echoed():
    async with peer(saying(then=close(1006))) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=None) as ws:
            with pytest.raises(SocketClosed):
                await ws.receive()
        await server.quiet()
        assert server.lines[0].heard == [(CLOSE, (1000).to_bytes(2, "big"))]
