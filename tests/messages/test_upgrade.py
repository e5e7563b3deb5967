"""What a handshake asks for."""

from __future__ import annotations

from asyncapi.messages.upgrade import Upgrade


def test_an_upgrade_begins_without_a_socket():
    upgrade = Upgrade(("chat",), heartbeat=None, max_message=100, compress=False)
    assert (upgrade.subprotocols, upgrade.heartbeat, upgrade.max_message) == (("chat",), None, 100)
    assert (upgrade.compress, upgrade.socket) == (False, None)
