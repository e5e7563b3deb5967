"""An exchange knows its name, whether it is good, and joins the bytes of one direction."""

import pytest

from asyncapi.testing.cassettes.exchange import RECEIVED, SENT, Exchange
from asyncapi.testing.failures import Failure


@pytest.mark.parametrize(
    ("exchange", "good", "name"),
    [
        (Exchange("GET", "https://h/", status=200, finished=True), True, "GET https://h/ -> 200"),
        (Exchange("GET", "https://h/", status=200), False, "GET https://h/ -> 200"),
        (Exchange("GET", "https://h/", status=404, finished=True), False, "GET https://h/ -> 404"),
        (Exchange("GET", "https://h/", failure=Failure("ConnectError"), finished=True), False, "GET https://h/ -> ConnectError"),
        (Exchange("GET", "https://h/", websocket=True, status=101), False, "WebSocket https://h/ -> 101"),
    ],
)  # fmt: skip
def test_names_and_goodness(exchange, good, name):
    assert (exchange.is_good, exchange.name) == (good, name)


def test_bytes_of_one_direction_are_one_frame():
    exchange = Exchange("POST", "https://h/")
    for direction, data in ((SENT, b"a"), (SENT, b"b"), (RECEIVED, b"c"), (SENT, b"d")):
        exchange.add(direction, data)
    assert [(frame.direction, frame.data) for frame in exchange.frames] == [
        (SENT, b"ab"), (RECEIVED, b"c"), (SENT, b"d"),
    ]  # fmt: skip
