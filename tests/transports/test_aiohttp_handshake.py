"""Handshakes of WebSockets: what a server may grant."""

from __future__ import annotations

import pytest

from asyncapi import (
    Client,
    ProtocolError,
    Retry,
)
from bodies import at_rest
from websocket_peers import (
    Line,
    peer,
)  # fmt: skip

pytestmark = pytest.mark.lanes

QUICK = Retry(attempts=5, base=0.001, cap=0.002)


async def test_the_server_chooses_among_the_subprotocols():
    async def script(line: Line) -> None:
        assert line.head["sec-websocket-protocol"] == "a, b"
        await line.accept("Sec-WebSocket-Protocol: b")
        await line.hear_out()

    async with (
        peer(script) as server,
        Client(server.url) as api,
        api.websocket("/x", subprotocols=("a", "b")) as ws,
    ):
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
