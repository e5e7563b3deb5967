"""Rates are read by one grammar, and written for people."""

from __future__ import annotations

import pytest

from asyncapi.sansio.limits.rate_text import parse_rate, rate_text


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("50", (50, 1)), ("50/s", (50, 1)), ("100/m", (100, 60)), ("5000/h", (5000, 3600)), ("10000/d", (10000, 86400)),
        ("10/30s", (10, 30)), ("2.5/1.5m", (2.5, 90)), (" 100 / m ", (100, 60)), ("0.00001", (0.00001, 1)),
    ],
)  # fmt: skip
def test_a_rate_is_an_amount_and_the_time_it_is_for(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "50/", "/s", "50/w", "50/S", "0", "0/s", "0.0", "-5", "-5/m", "1e3", "inf", "nan", "1/0s", "50 a second",
     "5,000/h", "\N{ARABIC-INDIC DIGIT FIVE}", "9" * 400, "50/s\n/m", "100/min"],
)  # fmt: skip
def test_what_is_no_rate_is_refused_and_told_how_to_write_one(text):
    with pytest.raises(ValueError, match="cannot be read: write 50 ") as caught:
        parse_rate(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("rate", "text"),
    [((50, 1.0), "50 a second"), ((100, 60.0), "100 a minute"), ((5, 3600.0), "5 an hour"), ((10, 30.0), "10 in 30 s")],
)
def test_a_rate_is_written_for_people(rate, text):
    assert rate_text(*rate) == text
