"""Metadata goes out as it is or is refused, and comes in as it was sent."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import ConfigError
from asyncapi.sansio.rpc.metadata import Metadata, from_base64, message_of, read, to_base64, written


@given(st.binary(max_size=40))
def test_bytes_survive(data):
    assert from_base64(to_base64(data)) == data
    assert read(written([("key-bin", data)])) == [("key-bin", data)]


@pytest.mark.parametrize("given_", [(("a", "b"), ("a", "c")), [("A", "b"), ("a", "c")]])
def test_pairs_go_out_in_their_order_with_names_in_lower_case(given_):
    assert written(given_) == [("a", "b"), ("a", "c")]


def test_a_mapping_goes_out_too():
    assert written({"a": "b", "c-bin": "text"}) == [("a", "b"), ("c-bin", "dGV4dA")]


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([("a b", "c")], "letters"), ([("", "c")], "letters"), ([(3, "c")], "letters"), ([(":path", "c")], "letters"),
        ([("grpc-timeout", "1S")], "says that itself"), ([("te", "trailers")], "says that itself"),
        ([("Content-Type", "x")], "says that itself"), ([("a", "é")], "printable ASCII"), ([("a", "b\r\nc")], "printable"),
        ([("a", " b")], "a space"), ([("a", 3)], "give text, not int"), ([("a-bin", 3)], "give bytes, not int"),
        (7, "pairs or a mapping"), ([("a",)], "pairs or a mapping"), ("ab", "pairs or a mapping"),
    ],
)  # fmt: skip
def test_what_can_not_be_sent_is_refused(pairs, text):
    with pytest.raises(ConfigError, match=text):
        written(pairs)


def test_binary_values_come_padded_or_not_and_joined_by_commas():
    fields = [("k-bin", "AAE="), ("k-bin", "AAE"), ("k-bin", "AA,AQ=="), ("k-bin", "!!"), ("k-bin", "")]
    assert read(fields).get_all("k-bin") == [b"\0\1", b"\0\1", b"\0", b"\1", b""]


def test_what_the_protocol_says_is_no_metadata():
    fields = [("content-type", "application/grpc"), ("grpc-status", "0"), ("grpc-message", ""), ("X", "y")]
    assert read(fields) == [("x", "y")]


def test_metadata_is_read_like_grpcs():
    found = Metadata([("a", "1"), ("b", "2"), ("a", "3")])
    assert found["A"] == "1"
    assert found.get("c") is None
    assert found.get_all("a") == ["1", "3"]
    assert list(found) == found.items() == [("a", "1"), ("b", "2"), ("a", "3")]
    assert found.keys() == ["a", "b"]
    assert found.values() == ["1", "2", "3"]
    assert "b" in found
    assert len(found) == 3
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(KeyError):
        found["c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plain", "plain"), ("n%C3%B6 100%25", "nö 100%"), ("%", "%"), ("%zz", "%zz"), ("100%", "100%"),
        ("%ff", "\ufffd"), ("", ""), ("%0A", "\n"),
    ],
)  # fmt: skip
def test_messages_are_percent_decoded_and_never_lost(text, message):
    assert message_of(text) == message
