"""`asyncapi.testing.socket`: what it takes."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.testing import MockSocket, socket


def test_it_makes_a_new_socket_that_has_sent_nothing():
    made = socket(["a"])
    assert isinstance(made, MockSocket)
    assert (made.sent, made.closed, made.request) == ([], None, None)


@pytest.mark.parametrize("code", [0, 999, 5000, -1])
def test_a_close_code_that_does_not_exist_is_refused(code):
    with pytest.raises(ConfigError, match="from 1000 to 4999"):
        socket(close=code)


def test_a_reason_that_no_close_can_carry_is_refused():
    with pytest.raises(ConfigError, match="at most 123 bytes"):
        socket(reason="ö" * 62)
