"""The words for a WebSocket that transports and the speaker share."""

from __future__ import annotations

from asyncapi.messages.open_body import OpenBody
from asyncapi.messages.upgrade import Closed, Upgrade


def test_what_is_asked_for_has_bounds_by_default():
    upgrade = Upgrade()
    assert (upgrade.subprotocols, upgrade.heartbeat, upgrade.max_message, upgrade.compress) == ((), 20.0, 4 << 20, True)


def test_an_end_says_its_code_and_why():
    assert Closed(1006, why="cut") == Closed(1006, "", "cut")


async def test_an_open_body_has_no_socket_until_its_connection_has_changed():
    assert OpenBody(lambda: None, None).socket is None
