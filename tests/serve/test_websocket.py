"""`/ws`, `/ws/feed` and `/ws/private`, seen by a plain aiohttp client."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import WSMsgType

from asyncapi.serve import Faults, FaultServer

SUBSCRIBE = {"subscribe": "ada", "after": 0}


async def heard(ws, count=1_000):
    """What a socket brings until it ends, at most `count` messages; and the message that ended it."""
    messages = []
    while len(messages) < count:
        message = await ws.receive(timeout=20)
        if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
            return messages, message
        messages.append(message.data)
    return messages, None


async def token(http, expires_in=30):
    form = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "secret"}
    answer = await http.post(f"/oauth/token?expires_in={expires_in}", data=form)
    return (await answer.json())["access_token"]


async def test_it_echoes_text_and_bytes_and_takes_the_first_subprotocol(http):
    async with http.ws_connect("/ws", protocols=["chat.v2", "chat.v1"]) as ws:
        await ws.send_str("ö")
        await ws.send_bytes(b"\xff\x00")
        assert (await heard(ws, 2))[0] == ["ö", b"\xff\x00"]
        assert ws.protocol == "chat.v2"


async def test_messages_go_through_permessage_deflate(http):
    async with http.ws_connect("/ws", compress=15) as ws:
        assert ws.compress
        await ws.send_str("a" * 10_000)
        assert (await heard(ws, 1))[0] == ["a" * 10_000]


async def test_the_feed_resumes_behind_the_id_that_the_client_names(http):
    async with http.ws_connect("/ws/feed?messages=3&pause=0") as ws:
        await ws.send_json(SUBSCRIBE)
        first = [json.loads(each) for each in (await heard(ws))[0]]
    async with http.ws_connect("/ws/feed?messages=2&pause=0") as ws:
        await ws.send_json({**SUBSCRIBE, "after": first[0]["id"]})
        second = [json.loads(each) for each in (await heard(ws))[0]]
    assert [each["id"] for each in first] == [1, 2, 3]
    assert second == first[1:]
    assert [each["type"] for each in first] == ["trade", "quote", "trade"]


async def test_another_subscription_takes_the_place_of_the_last_one(http):
    async with http.ws_connect("/ws/feed?pause=60") as ws:
        for room in ("ada", "bob"):
            await ws.send_json({"subscribe": room})
            (message,), _ = await heard(ws, 1)
            assert json.loads(message)["room"] == room


@pytest.mark.parametrize("message", ["", "{}", "[]", '{"subscribe": 1}', '{"subscribe": "a", "after": -1}'])
async def test_a_message_that_is_no_subscription_closes_the_feed_with_4400(http, message):
    async with http.ws_connect("/ws/feed") as ws:
        await ws.send_str(message)
        _, end = await heard(ws)
        assert (end.type, end.data) == (WSMsgType.CLOSE, 4400)
        assert "subscribe" in end.extra


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
@pytest.mark.parametrize("code", [1000, 1012, 4000])
async def test_it_closes_with_a_code_and_a_reason_after_some_messages(http, path, code):
    async with http.ws_connect(f"{path}?messages=2&code={code}&reason=so+be+it&pause=0") as ws:
        for _ in range(2):
            await ws.send_json(SUBSCRIBE)
        messages, end = await heard(ws)
        assert (len(messages), end.type, end.data, end.extra) == (2, WSMsgType.CLOSE, code, "so be it")


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
async def test_it_drops_the_connection_without_a_close_frame(http, server, path):
    async with http.ws_connect(f"{path}?messages=1&then=drop&pause=0") as ws:
        await ws.send_json(SUBSCRIBE)
        messages, end = await heard(ws)
        assert (len(messages), end.type, ws.close_code) == (1, WSMsgType.CLOSED, 1006)
    assert server.stats.by_status == {"dropped": 1}


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
async def test_it_sends_what_is_no_frame(http, path):
    async with http.ws_connect(f"{path}?messages=1&then=garbage&pause=0") as ws:
        await ws.send_json(SUBSCRIBE)
        messages, end = await heard(ws)
        assert (len(messages), end.type) == (1, WSMsgType.ERROR)


@pytest.mark.parametrize("path", ["/ws", "/ws/feed"])
async def test_it_stalls_and_answers_no_ping_any_more(http, server, path):
    async with http.ws_connect(f"{path}?messages=1&then=stall&pause=0", autoping=False) as ws:
        await ws.ping()
        assert (await ws.receive(timeout=20)).type is WSMsgType.PONG
        await ws.send_json(SUBSCRIBE)
        assert (await ws.receive(timeout=20)).type is WSMsgType.TEXT
        await ws.ping()
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.3)
        ws._response.close()  # leaves without a close frame
    async with asyncio.timeout(20):
        while server.stats.in_flight:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("then=never", "then='never'"),
        ("code=1006", "then=drop"),
        ("code=999", "code is a whole number"),
        ("messages=-1", "messages is a whole number"),
        (f"reason={'x' * 124}", "at most 123 bytes"),
    ],
)
async def test_a_query_that_makes_no_sense_gets_400(http, query, says):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"/ws?{query}")
    assert refused.value.status == 400
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = await http.get(f"/ws?{query}", headers={**headers, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="})
    assert says in (await answer.json())["error"]


async def test_a_request_that_is_no_handshake_gets_426(http):
    answer = await http.get("/ws")
    assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
    assert (await http.post("/ws")).status == 405


async def test_an_unknown_socket_gets_404(http):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect("/ws/nothing")
    assert refused.value.status == 404


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_a_handshake_is_refused_on_request(http, status):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"/ws?fault={status}")
    assert refused.value.status == status
    assert ("Retry-After" in refused.value.headers) == (status == 429)


@pytest.mark.parametrize(("fault", "count"), [("drop-headers", 0), ("drop-body", 1)])
async def test_a_dropped_conversation_ends_after_its_handshake_or_a_message(http, fault, count):
    async with http.ws_connect(f"/ws?fault={fault}") as ws:
        await ws.send_str("a")
        messages, _ = await heard(ws)
        assert (len(messages), ws.close_code) == (count, 1006)


async def test_faults_by_rate_hold_for_handshakes():
    async with FaultServer(Faults(error_rate=1.0)) as server, aiohttp.ClientSession(server.url) as http:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect("/ws")
        assert server.stats.faults == {"error": 1}


async def test_the_private_feed_needs_a_token_and_closes_with_4401_as_it_expires(http):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect("/ws/private")
    assert (refused.value.status, refused.value.headers["WWW-Authenticate"]) == (401, "Bearer")
    headers = {"Authorization": f"Bearer {await token(http, expires_in=0.3)}"}
    async with http.ws_connect("/ws/private?pause=0.01", headers=headers) as ws:
        await ws.send_json(SUBSCRIBE)
        messages, end = await heard(ws)
        assert messages
        assert (end.type, end.data) == (WSMsgType.CLOSE, 4401)


async def test_a_stop_closes_every_socket_with_1001(server, http):
    async with http.ws_connect("/ws") as echo, http.ws_connect("/ws/feed") as feed:
        stop = asyncio.create_task(server.aclose())
        for ws in (echo, feed):
            _, end = await heard(ws)
            assert (end.type, end.data) == (WSMsgType.CLOSE, 1001)
        await stop


async def test_sockets_are_counted(http, server):
    async with http.ws_connect("/ws") as ws:
        assert server.stats.in_flight == 1
        await ws.close()
    async with asyncio.timeout(20):
        while server.stats.in_flight:
            await asyncio.sleep(0.01)
    assert (server.stats.by_status, server.stats.by_prefix) == ({"101": 1}, {"/ws": 1})
