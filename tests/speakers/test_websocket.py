"""WebSockets: typed messages, an end that is told, another connection where that helps, and one policy for all calls."""

from __future__ import annotations

import asyncio
import gc
import random
import resource
import time
from pathlib import Path
from typing import Annotated, Literal

import pytest
import trustme
import websockets
from pydantic import BaseModel, Field

from asyncapi import (
    TLS,
    Bearer,
    Breaker,
    CircuitOpen,
    Client,
    ConfigError,
    DecodeError,
    Forbidden,
    ProtocolError,
    QueueFull,
    RateLimited,
    RequestTimeout,
    Retry,
    SchemaError,
    ServerError,
    SocketClosed,
    TransportError,
    Unauthorized,
    deadline,
)
from bodies import at_rest
from websocket_peers import (
    BINARY, CLOSE, PING, PONG, TEXT, Line, bomb, close, echo, echoing, frame, peer, refusing, saying, text,
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


async def test_messages_are_values_of_the_model_whatever_union_it_is():
    script = saying('{"type":"trade","price":1}', '{"type":"quote","bid":2}', then=close(1000))
    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x", model=Either) as ws:
            assert [message async for message in ws] == [Trade(type="trade", price=1), Quote(type="quote", bid=2)]
        async with api.websocket("/x", model=dict[str, int | str]) as ws:
            assert await ws.receive() == {"type": "trade", "price": 1}


async def test_a_message_that_does_not_fit_is_an_error_that_keeps_it_and_the_socket():
    script = saying('{"type":"other"}', "no json ä", '{"type":"quote","bid":2}', then=frame(BINARY, b'{"type":"quote","bid":3}'))
    async with peer(script) as server, Client(server.url) as api, api.websocket("/x", model=Either) as ws:
        with pytest.raises(SchemaError) as bad:
            await ws.receive()
        assert bad.value.body == b'{"type":"other"}'
        with pytest.raises(DecodeError, match="the message isn't valid JSON") as worse:
            await ws.receive()
        assert worse.value.body == "no json ä".encode()
        assert [(await ws.receive()).bid for _ in range(2)] == [2, 3]
        assert len(server.lines) == 1


async def test_messages_in_pieces_and_in_the_packet_of_the_handshake_arrive_whole():
    pieces = frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(0, b"b", fin=False) + frame(0, b"c")
    async with peer(saying("first", then=pieces)) as server, Client(server.url) as api:
        async with api.websocket("/x") as ws:
            assert [await ws.receive(), await ws.receive()] == ["first", "abc"]
    assert server.lines[0].heard[0] == (PONG, b"p")


async def test_compression_is_used_where_the_server_accepts_it():
    async def handler(ws):
        async for message in ws:
            await ws.send(message)

    async with websockets.serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}") as api:
            for compress in (True, False):
                async with api.websocket("/", compress=compress) as ws:
                    assert (ws._socket._writer.compress > 0) is compress
                    for message in ("a" * 100_000, "b", bytes(30_000)):
                        await ws.send(message)
                        assert await ws.receive() == message


# URLs and handshakes


@pytest.mark.parametrize("scheme", ["ws", "WS", "http"])
async def test_urls_may_name_the_scheme_of_sockets(scheme):
    async with peer(echo) as server, Client(params={"p": "1"}) as api:
        async with api.websocket(f"{scheme}{server.url[4:]}/feed?q=a", params={"b": 2}) as ws:
            await ws.send("x")
            assert await ws.receive() == "x"
        assert server.lines[0].path == "/feed?q=a&p=1&b=2"


async def test_sockets_over_tls_trust_what_the_client_trusts():
    authority = trustme.CA()
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with authority.cert_pem.tempfile() as path:
        async with peer(echo, tls=context) as server:
            async with Client(server.url, tls=path) as api, api.websocket("/x") as ws:
                await ws.send("x")
                assert await ws.receive() == "x"
            async with Client(server.url, retry=None) as api:
                with pytest.raises(TransportError, match="TLS"):
                    async with api.websocket("wss" + server.url[5:]):
                        pass


async def test_the_server_chooses_among_the_subprotocols():
    async def script(line: Line) -> None:
        assert line.head["sec-websocket-protocol"] == "a, b"
        await line.accept("Sec-WebSocket-Protocol: b")
        await line.hear_out()

    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x", subprotocols=("a", "b")) as ws:
            assert ws.subprotocol == "b"


@pytest.mark.parametrize(
    ("lines", "proof", "match"),
    [
        (["Sec-WebSocket-Protocol: z"], None, "which was not offered"),
        (["Sec-WebSocket-Extensions: x-odd"], None, "which was not offered"),
        ([], "d3Jvbmc=", "proof"),
    ],
)
async def test_a_server_that_does_what_it_was_not_asked_for_is_refused(lines, proof, match):
    async def script(line: Line) -> None:
        await line.accept(*lines, proof=proof)
        await line.hear_out()

    async with peer(script) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(ProtocolError, match=match) as error:
            async with api.websocket("/x"):
                pass
        assert len(error.value.attempts) == 1
        await server.quiet()
        assert at_rest(api)


@pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (200, ProtocolError), (401, Unauthorized)])
async def test_a_refused_handshake_is_the_error_of_its_status(status, error):
    async with peer(refusing(status)) as server, Client(server.url) as api:
        with pytest.raises(error) as raised:
            async with api.websocket("/x"):
                pass
        assert len(raised.value.attempts) == 1
        assert "/x" in str(raised.value)
        assert at_rest(api)


async def test_a_redirect_is_followed_also_to_the_scheme_of_sockets():
    async with peer(echo) as server:
        async with peer(refusing(307, f"Location: ws{server.url[4:]}/there")) as first, Client(first.url) as api:
            async with api.websocket("/x") as ws:
                await ws.send("a")
                assert await ws.receive() == "a"
            assert server.lines[0].path == "/there"


async def test_a_stored_response_is_no_handshake():
    from asyncapi import Cache

    async with peer(refusing(200, "Cache-Control: max-age=60"), echo) as server:
        async with Client(server.url, cache=Cache(), single_flight=True) as api:
            assert (await api.get("/x")).status == 200
            async with api.websocket("/x") as ws:
                await ws.send("a")
                assert await ws.receive() == "a"


async def test_what_makes_no_sense_is_refused_before_anything_is_sent():
    async with Client("https://h") as api:
        for wrong in (
            {"heartbeat": 0}, {"heartbeat": "x"}, {"max_message": 0}, {"compress": 1}, {"subprotocols": ["a b"]},
            {"subprotocols": ["a", "a"]}, {"on_open": 3}, {"reconnect": "x"}, {"reconnect_on": 4000}, {"reconnect_on": [99]},
            {"headers": {"Upgrade": "x"}}, {"headers": {"sec-websocket-protocol": "x"}},
        ):  # fmt: skip
            with pytest.raises(ConfigError):
                api.websocket("/x", **wrong)
        with pytest.raises(TypeError, match="websocket"):
            api.websocket("/x", json={})
        ws = api.websocket("/x")
        for use in (ws.receive, lambda: ws.send("x"), ws.__anext__):
            with pytest.raises(ConfigError, match="block"):
                await use()


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


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 1014])
async def test_a_close_that_may_pass_is_followed_by_another_connection(code):
    async with peer(saying("a", then=close(code)), saying("b", then=close(1000))) as server:
        async with Client(server.url, retry=QUICK) as api, api.websocket("/x") as ws:
            assert [message async for message in ws] == ["a", "b"]
            assert (ws.reconnects, api.stats.calls) == (1, 2)


async def test_a_connection_that_breaks_is_followed_by_another_one():
    async with peer(saying("a", hear=False), saying("b", then=close(1000))) as server:
        async with Client(server.url, retry=QUICK) as api, api.websocket("/x") as ws:
            assert [message async for message in ws] == ["a", "b"]
            assert ws.reconnects == 1


async def test_without_reconnects_every_end_but_a_normal_one_is_an_error():
    async with peer(saying("a", hear=False)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=None) as ws:
            assert await ws.receive() == "a"
            with pytest.raises(SocketClosed) as error:
                await ws.receive()
            assert error.value.code == ws.close_code == 1006
        assert len(server.lines) == 1


async def test_failures_in_a_row_are_bounded_and_the_last_one_is_raised():
    async with peer(saying("a", hear=False)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=3, base=0.001)) as ws:
            found = []
            with pytest.raises(SocketClosed):
                async for message in ws:
                    found.append(message)
        assert (len(server.lines), found) == (3, ["a"] * 3)
    async with peer(saying("a", hear=False), refusing(503)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=4, base=0.001)) as ws:
            with pytest.raises(ServerError):
                async for _ in ws:
                    pass
        assert len(server.lines) == 4
    async with peer(saying("a", hear=False), refusing(403)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=4, base=0.001)) as ws:
            with pytest.raises(Forbidden):
                async for _ in ws:
                    pass
        assert len(server.lines) == 2


async def test_which_codes_of_the_application_pass_is_the_users_word():
    async def run(code, reconnect_on):
        async with peer(saying(then=close(code, "r")), saying("b", then=close(1000))) as server:
            async with Client(server.url, retry=QUICK) as api:
                async with api.websocket("/x", reconnect_on=reconnect_on) as ws:
                    return [message async for message in ws]

    assert await run(4000, {4000}) == ["b"]
    assert await run(4408, lambda code, reason: reason == "r") == ["b"]
    assert await run(1011, lambda *_: None) == ["b"]
    with pytest.raises(SocketClosed):
        await run(1011, lambda *_: False)
    with pytest.raises(SocketClosed):
        await run(4001, {4000})


# on_open


async def test_on_open_runs_on_every_connection_before_its_first_message_is_handed_out():
    async def subscribed(line: Line) -> None:
        await line.accept(then=text("early"))
        assert await line.hear() == (TEXT, b"sub")
        await line.say("late")
        line.kill() if len(server.lines) < 3 else await line.write(close(1000))
        await line.hear_out()

    seen = []

    async def on_open(ws) -> None:
        seen.append("open")
        await ws.send("sub")

    async with peer(subscribed) as server, Client(server.url, retry=QUICK) as api:
        async with api.websocket("/x", on_open=on_open, reconnect=ENOUGH) as ws:
            seen += [message async for message in ws]
    assert seen[0] == "open"
    assert len(server.lines) == 3


async def test_on_open_may_receive_and_what_it_takes_is_not_handed_out():
    async def script(line: Line) -> None:
        await line.accept()
        await line.hear()
        await line.say("ack", "one")
        await line.write(close(1000))
        await line.hear_out()

    async def on_open(ws) -> None:
        await ws.send("init")
        assert await ws.receive() == "ack"

    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x", on_open=on_open) as ws:
            assert [message async for message in ws] == ["one"]


async def test_a_connection_that_ends_in_on_open_has_failed_like_any_other():
    async def on_open(ws) -> None:
        await ws.send("init")
        await ws.receive()

    async def well(line: Line) -> None:
        await line.accept()
        await line.hear()
        await line.write(text("ack") + text("a") + close(1000))
        await line.hear_out()

    async with peer(saying(then=close(1012)), saying(hear=False), well) as server:
        async with Client(server.url, retry=QUICK) as api, api.websocket("/x", on_open=on_open) as ws:
            assert [message async for message in ws] == ["a"]
            assert len(server.lines) == 3
    async with peer(saying(then=close(1000))) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(SocketClosed, match="1000"):  # it has subscribed to nothing
            async with api.websocket("/x", on_open=on_open):
                pass
    async with peer(saying(then=close(4400, "bad"))) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(SocketClosed, match="bad"):
            async with api.websocket("/x", on_open=on_open):
                pass
        assert at_rest(api)
    async with peer(saying(then=close(1012))) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(SocketClosed):
            async with api.websocket("/x", on_open=on_open):
                pass
        assert len(server.lines) == 5


async def test_what_on_open_raises_is_raised_and_the_connection_closed():
    def on_open(ws) -> None:
        raise KeyError("x")

    async with peer(echo) as server, Client(server.url) as api:
        with pytest.raises(KeyError):
            async with api.websocket("/x", on_open=on_open):
                pass
        await server.quiet()
        assert at_rest(api)


async def test_on_open_takes_no_longer_than_the_handshake_may():
    async with peer(echo) as server, Client(server.url, timeout=0.05) as api:
        with pytest.raises(RequestTimeout, match="on_open"):
            async with api.websocket("/x", on_open=lambda ws: ws.receive()):
                pass
        assert at_rest(api)


# One policy


async def test_the_place_in_the_queue_is_held_until_the_socket_is_closed():
    async with peer(echo) as server, Client(server.url, concurrency=1) as api:
        async with api.websocket("/x") as ws:
            with pytest.raises(QueueFull):
                await api.get("/y", wait=False)
            assert api.stats.in_flight == 1
            await ws.send("x")
        assert api.stats.in_flight == 0
        server.scripts = [refusing(200)]
        await api.get("/y", wait=False)


async def test_a_lost_connection_gives_its_place_back_before_the_next_one():
    async with peer(saying("a", hear=False), saying("b", then=close(1000))) as server:
        async with Client(server.url, retry=QUICK, concurrency=1) as api, api.websocket("/x") as ws:
            assert [message async for message in ws] == ["a", "b"]


async def test_a_busy_server_is_tried_again_when_it_asks():
    async with peer(refusing(429, "Retry-After: 1"), refusing(503), echo) as server:
        records = []
        async with Client(server.url, retry=QUICK, hooks=[records.append]) as api:
            began = time.monotonic()
            async with api.websocket("/x") as ws:
                assert time.monotonic() - began >= 1
                await ws.send("x")
                assert await ws.receive() == "x"
        assert [record.status for record in records] == [429, 503, 101]
        assert "Retry-After" in records[0].then
    async with peer(refusing(429, "Retry-After: 100")) as server, Client(server.url) as api:
        with pytest.raises(RateLimited) as error:
            async with api.websocket("/x"):
                pass
        assert error.value.retry_after == 100


async def test_the_breaker_counts_handshakes():
    async with peer(refusing(503)) as server:
        async with Client(server.url, retry=None, breaker=Breaker(minimum=2, failure_rate=0.5)) as api:
            for _ in range(2):
                with pytest.raises(ServerError):
                    async with api.websocket("/x"):
                        pass
            with pytest.raises(CircuitOpen):
                async with api.websocket("/x"):
                    pass
        assert len(server.lines) == 2


async def test_a_refused_handshake_is_sent_again_with_a_fresh_token():
    tokens = iter(["old", "new", "newer"])
    async with peer(refusing(401), echo) as server:
        async with Client(server.url, auth=Bearer(lambda: next(tokens)), retry=None) as api, api.websocket("/x") as ws:
            assert ws.signed_headers == (("Authorization", "Bearer new"),)
        assert [line.head["authorization"] for line in server.lines] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("code", [3000, 4401])
async def test_a_close_for_the_credential_is_followed_by_one_with_a_fresh_one_once(code):
    tokens = iter(f"t{number}" for number in range(9))
    expired = saying("a", then=close(code))
    async with peer(expired, saying("b", then=close(1000))) as server:
        async with Client(server.url, auth=Bearer(lambda: next(tokens)), retry=QUICK) as api, api.websocket("/x") as ws:
            assert [message async for message in ws] == ["a", "b"]
        first, second = (line.head["authorization"] for line in server.lines)
        assert first != second
    async with peer(expired) as server:
        async with Client(server.url, auth=Bearer(lambda: next(tokens)), retry=QUICK) as api, api.websocket("/x") as ws:
            with pytest.raises(SocketClosed):
                async for _ in ws:
                    pass
        assert len(server.lines) == 2


async def test_a_credential_that_has_no_other_value_is_not_tried_again():
    async with peer(saying(then=close(4401))) as server, Client(server.url, auth=Bearer("fixed")) as api:
        async with api.websocket("/x") as ws:
            with pytest.raises(SocketClosed):
                await ws.receive()
        assert len(server.lines) == 1


async def test_a_server_that_is_down_for_a_while_is_come_back_to():
    async with peer(saying("a", hear=False), refusing(503), refusing(502), saying("b", then=close(1000))) as server:
        async with Client(server.url, retry=QUICK) as api:
            async with api.websocket("/x", reconnect=Retry(attempts=9, base=0.001)) as ws:
                assert [message async for message in ws] == ["a", "b"]
            assert api.stats.calls == 2


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


async def test_a_silent_peer_is_told_from_one_that_is_quiet():
    async def silent(line: Line) -> None:
        await line.accept()
        await asyncio.sleep(60)

    async with peer(silent) as server, Client(server.url) as api:
        async with api.websocket("/x", heartbeat=0.1, reconnect=None) as ws:
            with pytest.raises(SocketClosed, match="no PONG") as error:
                await ws.receive()
            assert error.value.code == 1006
    async with peer(echo) as server, Client(server.url) as api:
        async with api.websocket("/x", heartbeat=0.02, reconnect=None) as ws:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.receive(), 0.3)
            await ws.send("still")
            assert await ws.receive() == "still"
            assert sum(kind == PING for kind, _ in server.lines[0].heard) > 3


async def test_a_slow_reader_does_not_take_its_peer_for_dead_and_loses_nothing():
    """The PONG waits behind messages that were not read yet."""

    async def script(line: Line) -> None:
        await line.accept()
        await line.write(b"".join(text(f"{number} " + "x" * 10_000) for number in range(2000)) + close(1000))
        await line.hear_out()

    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x", heartbeat=0.05, reconnect=None) as ws:
            await asyncio.sleep(0.5)
            assert [int(message.partition(" ")[0]) async for message in ws] == [*range(2000)]


async def test_pings_get_their_pong_while_nobody_reads():
    async def script(line: Line) -> None:
        await line.accept(then=text("a") + frame(PING, b"there?"))
        assert await line.hear() == (PONG, b"there?")
        heard.set()
        await line.hear_out()

    heard = asyncio.Event()
    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        await asyncio.wait_for(heard.wait(), 5)
        assert await ws.receive() == "a"


# Back-pressure, and peers that do harm


async def test_an_unread_flood_stops_the_sender():
    async def flood(line: Line) -> None:
        await line.accept()
        for _ in range(40_000):
            await line.write(text("x" * 10_000))

    async with peer(flood) as server, Client(server.url) as api, api.websocket("/x") as ws:
        before = -1
        while before != (before := server.lines[0].sent if server.lines else 0) or not before:
            await asyncio.sleep(0.2)
        assert server.lines[0].sent < 20_000_000
        for _ in range(5000):
            assert len(await ws.receive()) == 10_000
        assert server.lines[0].sent > 40_000_000


async def test_a_sender_waits_for_a_slow_reader_and_learns_of_the_end():
    async def slow(line: Line) -> None:
        await line.accept()
        await stopped.wait()
        line.kill()

    stopped = asyncio.Event()
    async with peer(slow) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=None, compress=False) as ws:
            sent = 0

            async def send() -> None:
                nonlocal sent
                while True:
                    await ws.send(bytes(100_000))
                    sent += 1

            task = asyncio.create_task(send())
            before = -1
            while before != (before := sent):
                await asyncio.sleep(0.2)
            assert sent < 200
            stopped.set()
            with pytest.raises(SocketClosed):
                await task


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def test_a_bomb_is_an_error_and_takes_no_memory():
    packed = bomb(900)

    async def script(line: Line) -> None:
        await line.accept("Sec-WebSocket-Extensions: permessage-deflate", then=text("warm"))
        await line.write(packed)
        await line.hear_out()

    async with peer(script) as server, Client(server.url, retry=QUICK) as api, api.websocket("/x") as ws:
        assert await ws.receive() == "warm"
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024
        with pytest.raises(SocketClosed, match="1009") as error:
            await ws.receive()
        status = Path("/proc/self/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) / 1024 < before + 10
        assert error.value.code == 1009
        await server.quiet()
        assert server.lines[0].heard[-1] == (CLOSE, (1009).to_bytes(2, "big") + server.lines[0].heard[-1][1][2:])
        assert len(server.lines) == 1


async def test_endless_fragments_are_an_error():
    async def script(line: Line) -> None:
        await line.accept(then=frame(TEXT, b"x", fin=False))
        for _ in range(30_000):
            await line.write(frame(0, b"y" * 10_000, fin=False))

    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        with pytest.raises(SocketClosed, match="1009"):
            await ws.receive()
        await server.quiet()
        assert server.lines[0].sent < 40_000_000


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\x8f\x00", 1002), (b"\xf1\x01a", 1002), (frame(0, b"x"), 1002), (frame(PING, bytes(126)), 1002),
        (frame(TEXT, b"\xff"), 1007), (frame(CLOSE, b"\x03"), 1002), (frame(CLOSE, b"\x03\xec"), 1002),
        (frame(PING, b"", fin=False), 1002), (b"\x81\x7f" + b"\xff" * 8, 1009),
        (b"\x81\x7f" + (5 << 20).to_bytes(8, "big"), 1009), (b"HTTP/1.1 200 OK\r\n\r\n", 1002),
    ],
)  # fmt: skip
async def test_a_bad_frame_ends_the_connection_whether_it_is_read_or_not(bad, code):
    """What came before it is handed out; the server is told why, and not listened to any more."""

    async def script(line: Line) -> None:
        await line.accept(then=text("before") + bad)
        for _ in range(30_000):
            await line.write(b"z" * 10_000)

    async with peer(script) as server, Client(server.url, retry=QUICK) as api, api.websocket("/x") as ws:
        await server.quiet()
        assert server.lines[0].sent < 40_000_000
        assert await ws.receive() == "before"
        with pytest.raises(SocketClosed) as error:
            await ws.receive()
        assert error.value.code == code
        with pytest.raises(SocketClosed):
            await ws.send("x")
        assert len(server.lines) == 1


async def test_a_message_as_large_as_is_taken_is_taken():
    async with peer(saying("x" * 1000, "x" * 1001)) as server, Client(server.url) as api:
        async with api.websocket("/x", max_message=1000) as ws:
            assert len(await ws.receive()) == 1000
            with pytest.raises(SocketClosed):
                await ws.receive()
        async with api.websocket("/x", max_message=None) as ws:
            assert [len(await ws.receive()) for _ in range(2)] == [1000, 1001]


async def test_a_flood_of_pings_piles_up_no_pongs():
    async def script(line: Line) -> None:
        await line.accept()
        for _ in range(3000):
            await line.write(frame(PING, bytes(125)) * 100)
        await line.say("end")
        await line.hear_out()

    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        assert await ws.receive() == "end"
        assert ws._socket.unsent < 1 << 20


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


async def dumb(line: Line) -> None:
    await line.accept()
    await asyncio.sleep(60)


async def never_done(line: Line) -> None:
    await line.accept()
    while True:
        await line.say("more" * 1000)


@pytest.mark.parametrize("script", [dumb, never_done])
async def test_close_takes_two_seconds_at_the_most_whatever_the_peer_does(script):
    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x") as ws:
            if script is never_done:
                await asyncio.sleep(0.3)
            began = time.monotonic()
            await ws.close()
            assert time.monotonic() - began < 4
            assert ws._response.open_body.closed
        assert at_rest(api)


async def test_close_is_not_held_up_by_what_the_peer_does_not_read():
    async with peer(dumb) as server, Client(server.url) as api:
        async with api.websocket("/x", compress=False) as ws:
            task = asyncio.create_task(ws.send(bytes(50_000_000)))
            await asyncio.sleep(0.2)
            began = time.monotonic()
            await ws.close()
            assert time.monotonic() - began < 4
            with pytest.raises(SocketClosed):
                await task


async def test_a_task_that_receives_finds_the_socket_closed_by_another():
    async with peer(echo) as server, Client(server.url) as api, api.websocket("/x") as ws:
        task = asyncio.create_task(ws.__anext__())
        await asyncio.sleep(0.05)
        with pytest.raises(ConfigError, match="two tasks"):
            await ws.receive()
        await ws.close()
        with pytest.raises(StopAsyncIteration):
            await task


async def test_a_task_that_waits_to_connect_again_finds_the_socket_closed_by_another():
    async with peer(saying(hear=False), refusing(503)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=9, base=100, cap=100)) as ws:
            task = asyncio.create_task(ws.__anext__())
            await asyncio.sleep(0.1)
            with pytest.raises(SocketClosed, match="not sent"):
                await ws.send("x")
            await ws.close()
            with pytest.raises(StopAsyncIteration):
                await task


async def test_a_socket_ends_with_its_client():
    async with peer(echo) as server:
        api = Client(server.url)
        async with api.websocket("/x", reconnect=None) as ws:
            await api.aclose()
            with pytest.raises(SocketClosed):
                await ws.receive()
        await server.quiet()


# Cancelling


async def test_a_cancelled_receive_loses_no_message():
    async def script(line: Line) -> None:
        await line.accept()
        for number in range(100):
            await line.say(str(number))
            await asyncio.sleep(0.002)
        await line.write(close(1000))
        await line.hear_out()

    async with peer(script) as server, Client(server.url) as api, api.websocket("/x") as ws:
        found = []
        while len(found) < 100:
            try:
                found.append(int(await asyncio.wait_for(ws.receive(), 0.003)))
            except TimeoutError:
                pass
        assert found == [*range(100)]


async def test_a_wait_to_connect_again_is_not_begun_anew_by_who_cancels_it():
    async with peer(saying(hear=False), saying("b")) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=9, base=0.5, cap=0.5)) as ws:
            began = time.monotonic()
            while True:
                try:
                    assert await asyncio.wait_for(ws.receive(), 0.05) == "b"
                    break
                except TimeoutError:
                    assert time.monotonic() - began < 20


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


async def test_wherever_it_is_cancelled_nothing_is_left():
    async def script(line: Line) -> None:
        await asyncio.sleep(0)
        await line.accept("Sec-WebSocket-Extensions: permessage-deflate")
        await line.hear()
        await line.say("a")
        line.kill() if random.random() < 0.5 else await echoing(line)

    async def use(api: Client) -> None:
        async with api.websocket("/x", on_open=lambda ws: ws.send("x" * 20_000), reconnect=ENOUGH) as ws:
            for _ in range(3):
                await ws.receive()
                await ws.send("y")

    async with peer(script) as server, Client(server.url) as api:
        for steps in range(80):
            task = asyncio.create_task(use(api))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.result() is None
            assert at_rest(api)
        await asyncio.wait_for(server.quiet(), 10)
        while len(asyncio.all_tasks()) > 2:  # a message that was being compressed in a thread
            await asyncio.sleep(0.01)


async def test_a_peer_that_is_killed_a_hundred_times_repeats_and_hides_nothing():
    """Messages carry their number: none comes twice, and where some are missing, `on_open` was called in between."""
    dice, number = random.Random(12), 0

    async def script(line: Line) -> None:
        nonlocal number
        await line.accept()
        await line.hear()
        for _ in range(dice.randrange(40)):
            number += 1
            await line.say(str(number))
            if dice.random() < 0.1:
                await asyncio.sleep(0)
        if len(server.lines) <= 100:
            line.kill() if dice.random() < 0.7 else await line.write(close(1012))
        else:
            await line.write(close(1000))
        await line.hear_out()

    seen: list[int | None] = []

    async def on_open(ws) -> None:
        seen.append(None)
        await ws.send("subscribe")

    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x", model=int, on_open=on_open, reconnect=ENOUGH) as ws:
            async for message in ws:
                seen.append(message)
            assert ws.reconnects >= 90
        await asyncio.wait_for(server.quiet(), 10)
        numbers = [one for one in seen if one is not None]
        assert numbers == sorted(set(numbers))
        for before, after in zip(seen, seen[1:], strict=False):
            assert before is None or after is None or after == before + 1
        assert at_rest(api)
        assert len(asyncio.all_tasks()) <= 2
