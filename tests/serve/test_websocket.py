"""`/ws`, `/ws/feed` and `/ws/private`, seen by a plain aiohttp client."""

from __future__ import annotations

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
