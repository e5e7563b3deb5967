"""Messages come out of their envelopes whole, however the body is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import RPCError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.envelopes import Envelopes, envelope

messages = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8)


@given(messages, st.data())
def test_messages_survive_any_cut(sent, data):
    body = b"".join(envelope(message, flags) for flags, message in sent)
    reader, found, at = Envelopes(), [], 0
    while at < len(body):
        size = data.draw(st.integers(1, len(body) - at))
        found += reader.feed(body[at : at + size])
        at += size
    reader.end()
    assert found == sent


def test_an_empty_message_is_a_message():
    assert Envelopes().feed(envelope(b"")) == [(0, b"")]


def test_four_megabytes_byte_by_byte():
    message = bytes(range(256)) * (1 << 10)
    reader, found = Envelopes(len(message)), []
    for octet in envelope(message):
        found += reader.feed(bytes((octet,)))
    assert found == [(0, message)]


@pytest.mark.parametrize("cut", [1, 4, 5, 7])
def test_a_body_that_ends_inside_an_envelope_is_an_error(cut):
    reader = Envelopes()
    assert reader.feed(envelope(b"whole")[:cut]) == []
    with pytest.raises(RPCError, match="broke off") as caught:
        reader.end()
    assert caught.value.code is Code.INTERNAL


def test_a_message_that_is_too_large_is_refused_by_its_length():
    reader = Envelopes(10)
    assert reader.feed(envelope(b"0123456789")) == [(0, b"0123456789")]
    with pytest.raises(RPCError, match="max_message=10") as caught:
        reader.feed(b"\0\0\0\0\x0b")
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_the_bytes_of_the_next_message_wait():
    reader = Envelopes()
    assert reader.feed(envelope(b"a") + b"\0") == [(0, b"a")]
    assert reader.feed(b"\0\0\0\x01b") == [(0, b"b")]
    reader.end()
