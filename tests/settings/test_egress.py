"""The settings of the egress guard: public addresses by default, and entries that are checked at once."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Egress


def test_only_public_addresses_are_allowed_by_default():
    guard = Egress().guard()
    assert guard.address("h.example", "93.184.216.34") is None
    assert "private" in (guard.address("h.example", "10.0.0.5") or "")
    assert "loopback" in (guard.address("h.example", "127.0.0.1") or "")


def test_allow_names_what_is_not_public_and_deny_comes_first():
    guard = Egress(["10.0.0.0/8"], deny=["10.1.0.0/16"]).guard()
    assert guard.address("h.example", "10.0.0.5") is None
    assert guard.address("h.example", "10.1.0.5") is not None


def test_without_public_only_what_is_named_is_allowed():
    guard = Egress(["10.0.0.0/8"], public=False).guard()
    assert guard.address("h.example", "10.0.0.5") is None
    assert guard.address("h.example", "93.184.216.34") is not None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"allow": "10.0.0.0/8"}, "Egress(allow='10.0.0.0/8'): give a list of networks, addresses and hosts"),
        ({"allow": [3]}, "Egress(allow=[3]): give a list of networks, addresses and hosts"),
        ({"allow": ["10.0.0.0/99"]}, "Egress(allow=['10.0.0.0/99']): '10.0.0.0/99' is no"),
        ({"allow": ["a b"]}, "Egress(allow=['a b']): 'a b' is no"),
        ({"deny": ["h.example/x"]}, "Egress(deny=['h.example/x']): 'h.example/x' is no"),
        ({"public": "maybe"}, "Egress(public='maybe'): Input should be a valid boolean"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        Egress(**wrong)
    assert str(caught.value).startswith(message.removesuffix(" no"))


def test_entries_are_kept_as_they_were_given():
    assert Egress(["10.0.0.0/8", "*.h.example"]).allow == ("10.0.0.0/8", "*.h.example")
