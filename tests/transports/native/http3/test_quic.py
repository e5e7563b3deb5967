"""The library beneath HTTP/3, as it is used here."""

from __future__ import annotations

import logging

import pytest
from qh3.quic.events import ConnectionTerminated

from asyncapi.transports.native.http3.quic import NO_ERROR, Ended, ended_by


@pytest.mark.parametrize(
    ("code", "frame", "alert"),
    [
        (0x174, 0, True),
        (0x100, 6, True),
        (0x1FF, 0, True),
        (0x174, None, False),
        (NO_ERROR, None, False),
        (0x6, 4, False),
    ],
)
def test_an_alert_of_tls_is_told_from_the_codes_of_http3(code, frame, alert):
    why = ended_by(ConnectionTerminated(code, frame, "why"))
    assert (why.code, why.reason, why.remote, why.alert) == (code, "why", True, alert)


def test_a_server_broke_the_protocol_where_the_connection_was_ended_here():
    assert Ended(0x101, "", remote=False).broken
    assert not Ended(0x101, "", remote=True).broken
    assert not Ended(NO_ERROR, "", remote=False).broken


def test_its_warnings_are_silent_unless_the_user_has_set_a_level():
    assert logging.getLogger("quic").level == logging.ERROR
