"""Stored responses as bytes: whole or not at all."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.stores import records as module
from asyncapi.stores.records import Records

KEY = Fernet.generate_key().decode()
text = st.text(max_size=20) | st.just("\udc80")
records = st.builds(
    lambda identity, varies, time, fields, body: (
        identity, tuple(varies), time, 0.0, float("inf"), False, True, -1.0, -1.0, False, 200, "1.1", tuple(fields), body,
    ),
    text, st.lists(st.none() | text), st.floats(allow_nan=False), st.lists(text), st.binary(max_size=200),
)  # fmt: skip


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "sealed"])
@given(record=records)
def test_what_was_written_is_read_back_the_same(key, record):
    own = Records(b"salt", key)
    place = own.place("cache https://a.example/\udc80")
    assert own.unpack(place, own.pack(place, record)) == record


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "sealed"])
@given(record=records, cut=st.integers(0, 400), flip=st.integers(0, 400))
def test_what_is_cut_or_changed_is_no_response(key, record, cut, flip):
    own = Records(b"salt", key)
    value = own.pack(b"place", record)
    if cut < len(value):
        assert own.unpack(b"place", value[:cut]) is None
    spoilt = bytearray(value)
    spoilt[flip % len(value)] ^= 1
    assert own.unpack(b"place", bytes(spoilt)) is None


def test_a_value_of_another_format_is_no_response(monkeypatch):
    own = Records(b"salt", None)
    record = ("", (), 0.0, 0.0, 1.0, False, False, -1.0, -1.0, False, 200, "1.1", (), b"x")
    value = own.pack(b"p", record)
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    assert own.unpack(b"p", value) is None


def test_a_sealed_value_belongs_to_its_place_and_its_key():
    record = ("", (), 0.0, 0.0, 1.0, False, False, -1.0, -1.0, False, 200, "1.1", (), b"x")
    own = Records(b"", KEY)
    value = own.pack(b"here", record)
    assert own.unpack(b"there", value) is None
    assert Records(b"", Fernet.generate_key().decode()).unpack(b"here", value) is None
    assert Records(b"", None).unpack(b"here", value) is None


def test_places_differ_from_store_to_store_and_show_nothing():
    one, other = Records(b"a", None), Records(b"b", None)
    assert one.place("k") == one.place("k") != other.place("k")
    assert len(one.place("k" * 1000)) == 16
