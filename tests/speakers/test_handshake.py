"""What users ask for in `client.websocket(...)`: URLs, options, and what makes no sense."""

from __future__ import annotations

import pytest
import trustme

from asyncapi import (
    Client,
    ConfigError,
    TransportError,
)
from websocket_peers import (
    echo,
    peer,
)  # fmt: skip

pytestmark = pytest.mark.lanes


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
