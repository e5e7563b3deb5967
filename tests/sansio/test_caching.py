"""RFC 9111, as tables: what is stored, for how long it is fresh, when it is asked about, and what a 304 does to it."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio import caching
from asyncapi.sansio.cache_control import directives
from asyncapi.sansio.caching import (
    age,
    choose,
    concerns,
    conditions,
    freshened,
    store,
    usable,
    usable_on_error,
)

NOW = 1_700_000_000.0


def date(ahead: float = 0.0) -> str:
    return formatdate(NOW + ahead, usegmt=True)


def stored(*headers, status=200, request=(), came=NOW, asked=None, identity="", heuristic=0.0):
    return store(
        status,
        CIMultiDict(headers),
        b"{}",
        version="1.1",
        asked=came if asked is None else asked,
        came=came,
        identity=identity,
        request=CIMultiDict(request),
        heuristic=heuristic,
    )


CONTROL = "Cache-Control"
TAGGED = ("ETag", '"1"')


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("max-age=60", {"max-age": "60"}),
        ("No-Cache, MAX-AGE=5", {"no-cache": "", "max-age": "5"}),
        ('private="set-cookie, x", max-age="7"', {"private": "set-cookie, x", "max-age": "7"}),
        ("max-age=60, max-age=10", {"max-age": "10"}),
        (",, ,no-store,", {"no-store": ""}),
        ("max-age = 3", {"max-age": "max-age = 3"}),  # no number: it is stale
        ("", {}),
        ('x="a\\"b", y', {"x": 'a\\"b', "y": ""}),
    ],
)
def test_cache_control_is_read(value, told):
    assert directives(CIMultiDict([(CONTROL, value)])) == told


def test_several_lines_are_one_and_pragma_counts_where_there_is_none():
    assert directives(CIMultiDict([(CONTROL, "a"), (CONTROL, "b=1")])) == {"a": "", "b": "1"}
    assert directives(CIMultiDict([("Pragma", "no-cache")])) == {"no-cache": ""}
    assert directives(CIMultiDict([("Pragma", "no-cache"), (CONTROL, "max-age=1")])) == {"max-age": "1"}


@given(st.text(max_size=200))
def test_nothing_in_a_header_breaks_it(text):
    one = stored((CONTROL, text), ("Age", text), ("Date", text), ("Expires", text), ("Vary", text), TAGGED)
    if one is not None:
        assert one.fresh_for >= 0
        assert age(one, NOW) >= 0
        usable(one, {CONTROL: text}, NOW)
        usable_on_error(one, {CONTROL: text}, NOW, 10)
        freshened(one, CIMultiDict([("ETag", text)]), asked=NOW, came=NOW, request={})


@pytest.mark.parametrize(
    ("headers", "status", "kept"),
    [
        ([(CONTROL, "max-age=60")], 200, True),
        ([(CONTROL, "private, max-age=60")], 200, True),  # it is private itself
        ([(CONTROL, "max-age=60"), ("Set-Cookie", "a=b")], 200, True),
        ([(CONTROL, "s-maxage=60")], 200, False),  # of use to a shared one alone
        ([(CONTROL, "no-store, max-age=60")], 200, False),
        ([("Expires", date(60)), ("Date", date())], 200, True),
        ([("Expires", "0")], 200, False),
        ([TAGGED], 200, True),  # can be asked about
        ([("Last-Modified", date(-60))], 200, True),
        ([], 200, False),
        ([(CONTROL, "max-age=60"), ("Vary", "Accept")], 200, True),
        ([(CONTROL, "max-age=60"), ("Vary", "accept, *")], 200, False),
        ([(CONTROL, "max-age=60")], 206, False),
        ([(CONTROL, "max-age=60")], 304, False),
        ([(CONTROL, "max-age=60")], 404, True),
        ([(CONTROL, "max-age=60")], 500, False),
        ([(CONTROL, "max-age=60")], 429, False),
        ([(CONTROL, "max-age=0")], 200, False),
    ],
)
def test_what_is_stored(headers, status, kept):
    assert (stored(*headers, status=status) is not None) == kept


def test_headers_of_the_connection_are_not_kept():
    one = stored((CONTROL, "max-age=1"), ("Connection", "close"), ("Transfer-Encoding", "chunked"), ("X", "y"))
    assert set(one.headers) == {CONTROL, "X"}


@pytest.mark.parametrize(
    ("method", "headers", "ours"),
    [
        ("GET", {}, True),
        ("HEAD", {}, False),
        ("GET", {"Range": "bytes=0-1"}, False),
        ("GET", {"If-None-Match": '"1"'}, False),
        ("GET", {CONTROL: "no-store"}, False),
        ("GET", {CONTROL: "no-cache"}, True),
    ],
)
def test_which_requests_it_has_to_do_with(method, headers, ours):
    assert concerns(method, CIMultiDict(headers)) == ours


@pytest.mark.parametrize(
    ("headers", "heuristic", "seconds"),
    [
        ([(CONTROL, "max-age=60")], 0, 60),
        ([(CONTROL, "max-age=60"), ("Expires", date(5))], 0, 60),  # goes before
        ([("Date", date()), ("Expires", date(30))], 0, 30),
        ([("Expires", date(30))], 0, 30),  # no Date: when it came
        ([("Date", date()), ("Expires", date(-30)), TAGGED], 0, 0),
        ([("Expires", "never"), TAGGED], 0, 0),
        ([("Date", date()), ("Last-Modified", date(-1000))], 0, 0),  # asked about
        ([("Date", date()), ("Last-Modified", date(-1000))], 0.1, 100),
        ([("Date", date()), ("Last-Modified", date(1000))], 0.1, 0),
        ([(CONTROL, "max-age=soon"), TAGGED], 0, 0),
        ([(CONTROL, "max-age=-5"), TAGGED], 0, 0),
    ],
)
def test_how_long_it_is_fresh(headers, heuristic, seconds):
    assert stored(*headers, heuristic=heuristic).fresh_for == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "asked", "later", "seconds"),
    [
        ([], 0, 10, 10),
        ([("Age", "5")], 0, 10, 15),
        ([("Age", "5")], -3, 10, 18),  # it took three seconds to come
        ([("Date", date(-20))], 0, 10, 30),
        ([("Date", date(-20)), ("Age", "50")], 0, 10, 60),
        ([("Date", date(100))], 0, 10, 10),  # their clock is ahead
        ([("Age", "old")], 0, 10, 10),
        ([], 0, -50, 0),  # ours was put back
    ],
)
def test_how_old_it_is(headers, asked, later, seconds):
    one = stored((CONTROL, "max-age=60"), *headers, asked=NOW + asked)
    assert age(one, NOW + later) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("control", "request_control", "old", "used"),
    [
        ("max-age=60", "", 59, True),
        ("max-age=60", "", 60, False),
        ("max-age=60, no-cache", "", 1, False),
        ('max-age=60, no-cache="x"', "", 1, False),
        ("max-age=60", "no-cache", 1, False),
        ("max-age=60", "max-age=10", 10, True),
        ("max-age=60", "max-age=10", 11, False),
        ("max-age=60", "max-age=0", 1, False),
        ("max-age=60", "max-age=soon", 1, False),
        ("max-age=60", "min-fresh=30", 30, True),
        ("max-age=60", "min-fresh=30", 31, False),
        ("max-age=60", "max-stale", 1000, True),
        ("max-age=60", "max-stale=30", 90, True),
        ("max-age=60", "max-stale=30", 91, False),
        ("max-age=60, must-revalidate", "max-stale", 61, False),
        ("max-age=60, must-revalidate", "", 59, True),
        ("max-age=60, proxy-revalidate", "max-stale", 61, True),  # for shared ones
    ],
)
def test_when_it_is_used_without_asking(control, request_control, old, used):
    one = stored((CONTROL, control), TAGGED)
    assert usable(one, CIMultiDict({CONTROL: request_control}), NOW + old) == used


@pytest.mark.parametrize(
    ("control", "request_control", "allowed", "old", "used"),
    [
        ("max-age=60", "", 0, 61, False),
        ("max-age=60", "", 100, 160, True),
        ("max-age=60", "", 100, 161, False),
        ("max-age=60, stale-if-error=30", "", 0, 90, True),
        ("max-age=60, stale-if-error=30", "", 100, 91, False),  # the server's word goes before
        ("max-age=60", "stale-if-error=30", 0, 90, True),
        ("max-age=60, stale-if-error=30, must-revalidate", "", 100, 61, False),
        ("max-age=60, no-cache", "", 100, 1, False),
        ("max-age=60", "no-cache", 100, 1, False),
    ],
)
def test_when_it_is_used_because_nobody_answers(control, request_control, allowed, old, used):
    one = stored((CONTROL, control), TAGGED)
    assert usable_on_error(one, CIMultiDict({CONTROL: request_control}), NOW + old, allowed) == used


def test_variants_are_told_apart_and_the_latest_wins():
    vary = (CONTROL, "max-age=60"), ("Vary", "Accept-Language")
    english = stored(*vary, request={"Accept-Language": "en"})
    german = stored(*vary, request={"accept-language": "de"})
    newer = stored(*vary, request={"Accept-Language": "en"}, came=NOW + 1)
    mine = stored(*vary, request={"Accept-Language": "en"}, identity="me", came=NOW + 2)
    kept = [newer, english, german, mine]
    assert choose(kept, "", CIMultiDict({"Accept-Language": "en"})) == newer
    assert choose(kept, "", CIMultiDict({"Accept-Language": "de"})) == german
    assert choose(kept, "", CIMultiDict({"Accept-Language": "fr"})) is None
    assert choose(kept, "", CIMultiDict()) is None
    assert choose(kept, "me", CIMultiDict({"Accept-Language": "en"})) == mine
    assert choose(kept, "you", CIMultiDict({"Accept-Language": "en"})) is None


def test_what_is_asked_and_what_a_304_changes():
    one = stored(TAGGED, ("Last-Modified", date(-5)), ("Content-Type", "a/b"), ("X-Old", "1"), ("Age", "50"))
    assert conditions(one) == {"If-None-Match": '"1"', "If-Modified-Since": date(-5)}
    told = CIMultiDict([("ETag", 'W/"1"'), (CONTROL, "max-age=9"), ("Content-Length", "0"), ("X-Old", "2")])
    new = freshened(one, told, asked=NOW + 10, came=NOW + 11, request={})
    assert (new.headers["X-Old"], new.headers["Content-Type"], new.came) == ("2", "a/b", NOW + 11)
    assert "Content-Length" not in new.headers
    assert age(new, NOW + 11) == pytest.approx(1)
    assert usable(new, {}, NOW + 15)
    assert freshened(one, CIMultiDict([("ETag", '"2"')]), asked=NOW, came=NOW, request={}) is None
    assert freshened(one, CIMultiDict(), asked=NOW, came=NOW, request={}) is not None


def test_the_age_is_told():
    assert caching.with_age(stored((CONTROL, "max-age=60")), NOW + 7.9)["Age"] == "7"
