"""The settings of TLS: defaults, what belongs together, and pins in one form."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import TLS

PIN, OTHER = f"sha256/{'A' * 43}=", f"sha256/{'B' * 42}A="


def test_the_defaults_trust_the_system_and_verify():
    chosen = TLS()
    assert (chosen.ca, chosen.cert, chosen.key, chosen.password, chosen.pins) == (None, None, None, None, None)
    assert (chosen.verify, chosen.min_version) == (True, "1.2")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"key": "k.pem"}, "TLS(key=..., password=...) belong to a certificate: give cert= too"),
        ({"password": "x"}, "TLS(key=..., password=...) belong to a certificate: give cert= too"),
        ({"ca": "ca.pem", "verify": False}, "TLS(ca=..., verify=False): ca= has no effect"),
        ({"min_version": "1.1"}, "TLS(min_version='1.1'): Input should be '1.2' or '1.3'"),
        ({"pins": "x"}, "TLS(pins='x'): "),
        ({"pins": []}, "TLS(pins=[]): give at least one pin, better two"),
        ({"pins": {"h.example": []}}, "TLS(pins={'h.example': []}): give at least one pin"),
        ({"pins": 3}, "TLS(pins=3): give pins as text, sha256/...=: one or several"),
        ({"ca": 3}, "TLS(ca=3): Input should be a valid string"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, message):
    with pytest.raises(ConfigError) as caught:
        TLS(**wrong)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_path_is_taken_as_text():
    assert TLS(ca=Path("ca.pem")).ca == "ca.pem"


def test_a_password_is_not_shown():
    assert "s3cr3t" not in repr(TLS(cert="c.pem", password="s3cr3t"))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (PIN, (PIN,)),
        ([PIN, OTHER, PIN], (PIN, OTHER)),
        ({"H.Example.": PIN}, {"h.example": (PIN,)}),
    ],
)
def test_pins_are_a_tuple_or_one_for_each_host_in_lower_case(given, read):
    assert TLS(pins=given).pins == read
