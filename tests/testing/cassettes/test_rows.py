"""Exchanges become rows, and rows the same exchanges."""

import pytest

from asyncapi.testing.cassettes.exchange import RECEIVED, SENT, Closing, Exchange, Frame
from asyncapi.testing.cassettes.rows import exchange_of, row_of
from asyncapi.testing.failures import Failure

FULL = Exchange(
    "POST", "https://h/a", [("A", "1"), ("B", "2"), ("A", "3")], b"hi", "", True, True, 101, "1.1",
    [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], b'{"a":1}', [("grpc-status", "0")], True,
    Failure("ProtocolError", "m", "body", stale=True, final=True, unprocessed=True),
    [Frame(SENT, "text"), Frame(RECEIVED, b"bytes"), Frame(SENT, ""), Frame(RECEIVED, b"\xff")],
    Closing(4000, "r", "w", "client"), finished=True, read=True,
)  # fmt: skip


@pytest.mark.parametrize("exchange", [FULL, Exchange("GET", "https://h/", status=204, finished=True, read=True)])
def test_an_exchange_is_the_same_again(exchange):
    again = exchange_of(row_of(exchange))
    assert sorted(again.headers) == sorted(exchange.headers)
    again.headers = exchange.headers  # lines of one name stand together
    assert again == exchange


def test_what_says_nothing_is_left_out():
    assert row_of(Exchange("GET", "https://h/", status=200)) == {
        "request": {"method": "GET", "url": "https://h/"}, "response": {"status": 200},
    }  # fmt: skip
