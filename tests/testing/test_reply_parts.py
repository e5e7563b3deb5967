"""The parts of a response: numbers, headers, bodies in pieces, and where they break off."""

import pytest

from asyncapi import ConfigError, ProtocolError
from asyncapi.testing import reply
from asyncapi.testing.reply_parts import body, broken, cut_off, fields_of, number


async def pieces_of(source):
    return [piece async for piece in source]


def test_numbers_are_numbers_of_seconds():
    assert (number("delay", 0), number("delay", 1.5)) == (0, 1.5)
    for wrong in (-1, "1", True, None, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=r"delay=.*: give a number of seconds, at least 0"):
            number("delay", wrong)


def test_headers_are_pairs_of_text():
    assert fields_of([("A", "1"), ("a", "2")]).getall("a") == ["1", "2"]
    assert not fields_of(None)
    for wrong in ({"A": 1}, "A: 1", 5, [("A",)]):
        with pytest.raises(ConfigError, match="give names and values as text"):
            fields_of(wrong)


async def test_bodies_are_made_anew():
    kind, make = body(None, None, ["x", {"data": {"n": 1}, "id": 7}], None)
    assert kind == "text/event-stream"
    assert await pieces_of(make()) == await pieces_of(make()) == [b"data: x\n\n", b'id: 7\ndata: {"n":1}\n\n']
    assert body(None, "ä", None, None) == ("text/plain; charset=utf-8", "ä".encode())


async def test_a_body_breaks_off_where_it_is_cut():
    with pytest.raises(ProtocolError, match="closed after 2 of 4 bytes"):
        await pieces_of(cut_off(reply(content=b"abcd"), 2))
    with pytest.raises(ConfigError, match="cut it before its end"):
        cut_off(reply(content=b"abcd"), 4)
    with pytest.raises(ProtocolError, match="closed after 9 bytes"):
        await pieces_of(broken(b"", "9"))
