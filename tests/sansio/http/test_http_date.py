"""The three forms of RFC 9110 section 5.6.7 and no other."""

from __future__ import annotations

from email.utils import formatdate
from time import asctime, gmtime, strftime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.http_date import http_date

NOW = 1_700_000_000.0  # 2023
FIXED = 784_111_777.0


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", FIXED),
        ("Sunday, 06-Nov-94 08:49:37 GMT", FIXED),
        ("Sun Nov  6 08:49:37 1994", FIXED),
        ("Sun Nov 06 08:49:37 1994", FIXED),
        ("\tSun, 06 Nov 1994 08:49:37 GMT ", FIXED),
        ("SUN, 06 nov 1994 08:49:37 gmt", FIXED),  # RFC 9111 section 4.2
        ("Mon, 06 Nov 1994 08:49:37 GMT", FIXED),  # the day of the week says nothing new
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800.0),  # a leap second
        ("Monday, 06-Nov-73 08:49:37 GMT", 3_277_183_777.0),  # within 50 years
        ("Monday, 06-Nov-74 08:49:37 GMT", 152_959_777.0),
        *(
            (text, None)
            for text in (
                None, "", "0", "-1", "now", "1700000000", "2023-11-14T22:13:30Z",
                "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 AEST", "Sun, 06 Nov 1994 08:49:37 +0000",
                "Sun, 06 Nov 1994 08:49:37", "Sun 06 Nov 1994 08:49:37 GMT", "Sun,  06  Nov  1994  08:49:37  GMT",
                "Sun, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
                "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 November 1994 08:49:37 GMT",
                "06 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
                "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 0000 08:49:37 GMT",
                "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT, x", "Sun, 06 Nov 1994 08:49:37 GMT" * 2,
            )
        ),
    ],
)  # fmt: skip
def test_what_is_a_date_and_what_is_none(text, when):
    assert http_date(text, NOW) == when


@given(st.integers(0, 4_000_000_000))
def test_every_second_is_read_back(second):
    assert http_date(formatdate(second, usegmt=True), NOW) == second
    assert http_date(asctime(gmtime(second)), NOW) == second
    if abs(second - NOW) < 45 * 365 * 86_400:
        assert http_date(strftime("%A, %d-%b-%y %H:%M:%S GMT", gmtime(second)), NOW) == second
