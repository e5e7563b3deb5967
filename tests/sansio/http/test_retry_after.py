"""Every form in which a server says how long to wait."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio.http.retry_after import retry_after, should_retry

WALL = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "+3"}, None),
        ({"Retry-After": "1e3"}, None),
        ({"Retry-After": "0x10"}, None),
        ({"Retry-After": "1_0"}, None),
        ({"Retry-After": "\u0663"}, None),  # an Arabic 3
        ({"Retry-After": '"5"'}, None),
        ({"Retry-After": "5 s"}, None),
        ({"Retry-After": "9" * 100}, 1e12),
        ({"Retry-After": "9" * 1000}, None),  # over what is read at all
        ({"Retry-After": "7, 7"}, 7.0),  # two lines, joined by a proxy
        ({"Retry-After": "3,, 9,"}, 9.0),
        ({"Retry-After": "soon, 7, -5"}, 7.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:50:07 GMT, Sun, 06 Nov 1994 08:50:17 GMT"}, 40.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:50:07 GMT, 7"}, 30.0),
        ({"Retry-After": "Sun, 06 Nov 1994 03:50:07 EST"}, 30.0),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"Retry-After": "12 parsecs"}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:50:07 GMT"}, 30.0),  # IMF-fixdate
        ({"Retry-After": "Sunday, 06-Nov-94 08:50:07 GMT"}, 30.0),  # RFC 850
        ({"Retry-After": "Sun Nov  6 08:50:07 1994"}, 30.0),  # asctime
        ({"Retry-After": "Sun, 06 Nov 1994 08:50:07 -0000"}, 30.0),
        ({"Retry-After": "Sun, 06 Nov 1994 09:50:07 +0100"}, 30.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:07 GMT"}, 0.0),  # past
        ({"Retry-After": "Sun, 99 Nov 1994 08:49:07 GMT"}, None),
        ({"Retry-After": "Sun, 06 Nov 99999999 08:49:07 GMT"}, None),
        ({"Retry-After": "Mon, 01 Jan 0101 00:00:00 +2359"}, 0.0),  # the first and the last dates there are
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, 252_618_275_362.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "Retry-After": "60"}, 0.25),
        ({"retry-after-ms": "x", "Retry-After": "60"}, 60.0),
        ({"retry-after-ms": "-1"}, None),
        ({"retry-after-ms": "-1", "Retry-After": "60"}, 60.0),
        ({"retry-after-ms": "250, 300"}, 0.3),
        ({"RETRY-AFTER": "7"}, 7.0),
    ],
)
def test_every_form(headers, expected):
    assert retry_after(CIMultiDict(headers), WALL) == expected


def test_of_two_lines_the_longer_wait_holds():
    lines = CIMultiDict([("Retry-After", "5"), ("Retry-After", "9"), ("Retry-After", "x")])
    assert retry_after(lines, WALL) == 9.0


@pytest.mark.parametrize(
    ("ours", "date", "told"),
    [
        (0.0, 0.0, 30.0),
        (0.7, 0.0, 29.3),  # within the whole seconds that a Date has, ours is the finer clock
        (300.0, 0.0, 30.0),  # else theirs says what was meant
        (-90.0, 0.0, 30.0),
        (300.0, None, 0.0),
        (0.0, -WALL, 30.0),  # the Date of a clock that was never set
    ],
)
def test_a_date_is_by_the_servers_own_clock(ours, date, told):
    headers = {"Retry-After": formatdate(WALL + 30, usegmt=True)}
    if date is not None:
        headers["Date"] = formatdate(WALL + date, usegmt=True)
    assert retry_after(CIMultiDict(headers), WALL + ours) == pytest.approx(told)


def test_a_date_out_of_a_cache_is_as_old_as_its_age_says():
    date, until = (formatdate(WALL + 1e9 + seconds, usegmt=True) for seconds in (0, 100))
    headers = CIMultiDict({"Date": date, "Age": "60", "Retry-After": until})
    assert retry_after(headers, WALL + 1e9 + 300) == 40.0


@given(st.text(), st.text())
def test_no_text_breaks_it_and_no_wait_is_negative(seconds, millis):
    wait = retry_after({"retry-after": seconds, "retry-after-ms": millis}, WALL)
    assert wait is None or 0 <= wait < float("inf")


@given(st.integers(0, 4_000_000_000))
def test_any_date_is_the_time_until_it(when):
    told = retry_after({"retry-after": formatdate(when, usegmt=True)}, WALL)
    assert told == max(0.0, when - WALL)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-should-retry": "true"}, True),
        ({"x-should-retry": " FALSE "}, False),
        ({"x-should-retry": "maybe"}, None),
        ({"stripe-should-retry": "true"}, True),
        ({"stripe-should-retry": "false"}, False),
        ({"x-should-retry": "maybe", "stripe-should-retry": "true"}, True),
        ({"x-should-retry": "false", "stripe-should-retry": "true"}, False),
    ],
)
def test_the_servers_own_verdict(headers, expected):
    assert should_retry(CIMultiDict(headers)) is expected
