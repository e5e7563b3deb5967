"""An RPC takes grpc.aio's options and those of a call; any other is refused, and says what to give."""

import pytest

from asyncapi import ConfigError
from asyncapi.speakers.rpc.options import check


def test_what_is_an_option_is_taken():
    check({"timeout": 1, "metadata": (), "compression": None, "credentials": None, "wait_for_ready": False})
    check({"retry": 3, "idempotent": True, "route": "x", "wait": False, "priority": 1, "tenant": "t", "auth": None})


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"timout": 1}, TypeError, "did you mean 'timeout'"),
        ({"deadline": 1}, TypeError, "timeout="),
        ({"credentials": object()}, ConfigError, "say auth="),
        ({"wait_for_ready": True}, ConfigError, "say retry="),
    ],
)
def test_any_other_is_refused(options, error, text):
    with pytest.raises(error, match=text):
        check(options)
