"""RFC 9111, as tables: what is stored, for how long it is fresh, when it is revalidated, and what a 304 changes."""

from __future__ import annotations

import gc
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio.http import caching
from asyncapi.sansio.http.caching import (
    Fetched,
    age,
    choose,
    concerns,
    conditions,
    freshened,
    outdated,
    store,
    usable,
    usable_on_error,
)

NOW = 1_700_000_000.0


def date(ahead: float = 0.0) -> str:
    return formatdate(NOW + ahead, usegmt=True)


def stored(*headers, status=200, request=(), response_time=NOW, request_time=None, identity="", heuristic=0.0):
    return store(
        status,
        CIMultiDict(headers),
        b"{}",
        Fetched(
            response_time if request_time is None else request_time, response_time, CIMultiDict(request), heuristic
        ),
        version="1.1",
        identity=identity,
    )


CONTROL = "Cache-Control"
TAGGED = ("ETag", '"1"')


@given(st.text(max_size=200))
def test_nothing_in_a_header_breaks_it(text):
    one = stored((CONTROL, text), ("Age", text), ("Date", text), ("Expires", text), ("Vary", text), TAGGED)
    if one is not None:
        assert one.fresh_for >= 0
        assert age(one, NOW) >= 0
        usable(one, {CONTROL: text}, NOW)
        usable_on_error(one, {CONTROL: text}, NOW, 10)
        freshened(one, CIMultiDict([("ETag", text)]), Fetched(NOW, NOW, {}))


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
        ([(CONTROL, "max-age=60")], 500, True),  # section 3: it says so itself
        ([(CONTROL, "max-age=60")], 299, True),
        ([(CONTROL, "max-age=60")], 599, True),
        ([("Expires", date(60)), ("Date", date())], 403, True),
        ([(CONTROL, "public"), TAGGED], 403, True),
        ([TAGGED], 403, False),  # neither its status nor its headers allow it
        ([(CONTROL, "no-cache"), TAGGED], 500, False),
        ([(CONTROL, "public"), TAGGED], 500, False),  # a failure is not revalidated
        *(([(CONTROL, "public, max-age=60")], status, False) for status in (100, 103, 401, 407, 408, 421, 425)),
        *(([(CONTROL, "public, max-age=60")], status, False) for status in (428, 429, 431, 511)),  # RFC 6585
        ([(CONTROL, "max-age=0")], 200, False),
        ([(CONTROL, "max-age=60, must-understand, no-store")], 200, True),  # section 5.2.2.3
        ([(CONTROL, "max-age=60, must-understand, no-store")], 599, False),
        ([(CONTROL, "max-age=60, must-understand")], 599, False),
        ([(CONTROL, "max-age=0, stale-while-revalidate=60")], 200, True),
        ([(CONTROL, "max-age=0, stale-if-error=60")], 200, True),
        ([(CONTROL, "max-age=60; no-store")], 200, False),  # no directive by the grammar, but plainly meant
        ([(CONTROL, "max-age=60"), ("Vary", "Accept"), ("Vary", "*")], 200, False),
        ([(CONTROL, "max-age=60"), ("Vary", "x, " * 10_000)], 200, False),  # nobody reads that to its end
        ([(CONTROL, "max-age=60"), ("Connection", "x, " * 10_000)], 200, False),
        ([("ETag", '"a\x01"')], 200, False),  # can't be asked about by what can't be sent
        ([("ETag", '"caf\udce9"')], 200, True),
        ([("ETag", '"1"'), ("ETag", '"2"')], 200, False),
    ],
)
def test_what_is_stored(headers, status, kept):
    assert (stored(*headers, status=status) is not None) == kept


def test_headers_of_the_connection_are_not_stored():
    """Nor those that its Connection names (section 3.1)."""
    one = stored(
        (CONTROL, "max-age=1"), ("Connection", "close, X-Hop"), ("Connection", "x-session"), ("X-Hop", "1"),
        ("X-Session", "2"), ("Transfer-Encoding", "chunked"), ("Keep-Alive", "1"), ("Proxy-Authenticate", "x"),
        ("Proxy-Connection", "x"), ("Proxy-Authentication-Info", "x"), ("TE", "x"), ("Trailer", "x"), ("Upgrade", "x"),
        ("X", "y"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"),
    )  # fmt: skip
    assert set(one.headers) == {CONTROL, "X", "Set-Cookie"}
    assert one.headers.getall("Set-Cookie") == ["a=b", "c=d"]
    new = freshened(one, CIMultiDict([("Connection", "X-B"), ("X-B", "1")]), Fetched(NOW, NOW, {}))
    assert "X-B" not in new.headers


def test_what_is_stored_is_plain_data_that_the_garbage_collector_leaves_alone():
    one = tuple(stored((CONTROL, "max-age=1"), ("Vary", "A, B"), TAGGED, request={"A": "1"}))
    gc.collect()
    gc.collect()
    assert not gc.is_tracked(one)
    assert {type(each) for part in one for each in (part if type(part) is tuple else (part,))} <= {
        str, bytes, int, float, bool, type(None),
    }  # fmt: skip


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
        ([(CONTROL, "max-age"), TAGGED], 0, 0),
        ([(CONTROL, "max-age=60.5"), TAGGED], 0, 0),
        ([(CONTROL, "max-age =60"), TAGGED], 0, 0),
        ([(CONTROL, "max-age= 60"), TAGGED], 0, 0),
        ([(CONTROL, "max-age=soon"), ("Expires", date(30)), TAGGED], 0, 0),  # Expires is for who says nothing
        ([(CONTROL, 'max-age="60"')], 0, 60),  # section 5.2: recipients take both forms
        ([(CONTROL, "max-age=60, max-age=5")], 0, 5),
        ([(CONTROL, "max-age=60"), (CONTROL, "max-age=x"), TAGGED], 0, 0),
        ([(CONTROL, "max-age=" + "9" * 30)], 0, 2**31),
        ([(CONTROL, "s-maxage=600, max-age=5")], 0, 5),
        ([("Expires", date(30)), ("Expires", "0"), TAGGED], 0, 0),  # section 4.2.1: contradictions are stale
        ([("Expires", "0"), ("Expires", date(30)), TAGGED], 0, 0),
        ([("Expires", date(30)), ("Expires", date(10))], 0, 10),
        ([("Expires", date(30)), ("Date", "now")], 0, 30),  # an invalid Date: when it came
        ([("Expires", date(30).replace("GMT", "UTC")), TAGGED], 0, 0),
        ([("Expires", date(30).replace("GMT", "+0000")), TAGGED], 0, 0),
        ([("Last-Modified", "yesterday"), TAGGED], 0.1, 0),
        ([(CONTROL, "s-maxage=600"), TAGGED], 0.1, 0),
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
        ([("Age", "50, 0")], 0, 10, 60),  # section 5.1: the first counts
        ([("Age", "0, 50")], 0, 10, 10),
        ([("Age", "50"), ("Age", "0")], 0, 10, 60),
        ([("Age", "50;a=b")], 0, 10, 60),
        ([("Age", "-50")], 0, 10, 10),
        ([("Age", "50.0")], 0, 10, 10),
        ([("Age", "9" * 30)], 0, 10, 2**31 + 10),
        ([("Date", date(-20).replace("GMT", "EST"))], 0, 10, 10),
        ([], 0, -50, 0),  # ours was put back
    ],
)
def test_how_old_it_is(headers, asked, later, seconds):
    one = stored((CONTROL, "max-age=60"), *headers, request_time=NOW + asked)
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
        ("max-age=60", "min-fresh=soon", 1, False),
        ("max-age=60", "max-stale = 30", 61, False),
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
def test_when_it_is_used_because_the_server_does_not_respond(control, request_control, allowed, old, used):
    one = stored((CONTROL, control), TAGGED)
    assert usable_on_error(one, CIMultiDict({CONTROL: request_control}), NOW + old, allowed) == used


def test_variants_are_distinguished_and_the_latest_wins():
    vary = (CONTROL, "max-age=60"), ("Vary", "Accept-Language")
    english = stored(*vary, request={"Accept-Language": "en"})
    german = stored(*vary, request={"accept-language": "de"})
    newer = stored(*vary, request={"Accept-Language": "en"}, response_time=NOW + 1)
    mine = stored(*vary, request={"Accept-Language": "en"}, identity="me", response_time=NOW + 2)
    kept = [newer, english, german, mine]
    assert choose(kept, "", CIMultiDict({"Accept-Language": "en"})) == newer
    assert choose(kept, "", CIMultiDict({"Accept-Language": "de"})) == german
    assert choose(kept, "", CIMultiDict({"Accept-Language": "fr"})) is None
    assert choose(kept, "", CIMultiDict()) is None
    assert choose(kept, "me", CIMultiDict({"Accept-Language": "en"})) == mine
    assert choose(kept, "you", CIMultiDict({"Accept-Language": "en"})) is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (["en", "de"], ["en", "de"], True),
        (["en", "de"], ["en", "fr"], False),  # all lines count (section 4.1)
        (["en", "de"], ["en"], False),
        (["en", "de"], ["de", "en"], False),
        (["en", "de"], ["en,de"], True),
        ([" en ,\tde"], ["en, de"], True),
        ([], [""], False),  # absent matches absent alone
        ([], [], True),
        (['"a, b"'], ['"a,b"'], False),  # that comma is no list's
        (["EN"], ["en"], True),  # language ranges have no case (RFC 4647 section 2.1)
        (["x" * 20_000, "a"], ["x" * 20_000, "b"], False),
    ],
)
def test_what_a_response_varies_by_is_compared_whole(first, second, same):
    vary = (CONTROL, "max-age=60"), ("Vary", "Accept-Language")
    one = stored(*vary, request=[("Accept-Language", value) for value in first])
    assert (choose([one], "", CIMultiDict(("accept-language", value) for value in second)) is not None) == same


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ([("ETag", '"caf\u00e9"')], {"If-None-Match": '"caf\u00e9"'}),
        ([("ETag", '"caf\udce9"')], {"If-None-Match": '"caf\udce9"'}),  # obs-text (RFC 9110 section 8.8.3)
        ([("ETag", '"caf\ud800"'), ("Last-Modified", date(-5))], {"If-Modified-Since": date(-5)}),
        ([("ETag", '"a\x01"'), ("Last-Modified", date(-5))], {"If-Modified-Since": date(-5)}),
        ([("ETag", '"1"'), ("ETag", '"2"'), ("Last-Modified", date(-5))], {"If-Modified-Since": date(-5)}),
        ([("ETag", '"1"'), ("ETag", '"1"')], {"If-None-Match": '"1"'}),
        ([("ETag", ""), ("Last-Modified", date(-5))], {"If-Modified-Since": date(-5)}),
        ([("ETag", "unquoted")], {"If-None-Match": "unquoted"}),
    ],
)
def test_a_validator_is_sent_as_it_came_or_not_at_all(headers, asked):
    assert conditions(stored((CONTROL, "max-age=60"), *headers)) == asked


def test_a_304_may_change_what_the_response_varies_by():
    one = stored(TAGGED, (CONTROL, "max-age=1"))
    told = CIMultiDict([("ETag", '"1"'), ("Vary", "A")])
    new = freshened(one, told, Fetched(NOW, NOW, CIMultiDict({"A": "1"})))
    assert choose([new], "", CIMultiDict({"A": "2"})) is None
    assert choose([new], "", CIMultiDict({"A": "1"})) == new


def test_a_304_of_another_date_is_about_another_response():
    one = stored(("Last-Modified", date(-5)), (CONTROL, "max-age=1"))
    assert freshened(one, CIMultiDict({"Last-Modified": date(-1)}), Fetched(NOW, NOW, {})) is None
    assert freshened(one, CIMultiDict({"Last-Modified": date(-5)}), Fetched(NOW, NOW, {})) is not None


@pytest.mark.parametrize(
    ("told", "other"),
    [
        ({}, False), ({"ETag": '"1"'}, False), ({"ETag": 'W/"1"'}, False), ({"ETag": '"2"'}, True),
        ({"Last-Modified": date(-1)}, True), ({"Content-Length": "2"}, False), ({"Content-Length": "3"}, True),
    ],
)  # fmt: skip
def test_what_a_response_to_head_says_about_the_stored_one(told, other):
    """Section 4.3.5."""
    one = stored(TAGGED, ("Last-Modified", date(-5)), ("Content-Length", "2"), (CONTROL, "max-age=60"))
    assert outdated(one, CIMultiDict(told)) == other


def test_what_is_asked_and_what_a_304_changes():
    one = stored(TAGGED, ("Last-Modified", date(-5)), ("Content-Type", "a/b"), ("X-Old", "1"), ("Age", "50"))
    assert conditions(one) == {"If-None-Match": '"1"', "If-Modified-Since": date(-5)}
    told = CIMultiDict([("ETag", 'W/"1"'), (CONTROL, "max-age=9"), ("Content-Length", "0"), ("X-Old", "2")])
    new = freshened(one, told, Fetched(NOW + 10, NOW + 11, {}))
    assert (new.headers["X-Old"], new.headers["Content-Type"], new.response_time) == ("2", "a/b", NOW + 11)
    assert "Content-Length" not in new.headers
    assert age(new, NOW + 11) == pytest.approx(1)
    assert usable(new, {}, NOW + 15)
    assert freshened(one, CIMultiDict([("ETag", '"2"')]), Fetched(NOW, NOW, {})) is None
    assert freshened(one, CIMultiDict(), Fetched(NOW, NOW, {})) is not None


def test_the_age_is_sent_along():
    assert caching.with_age(stored((CONTROL, "max-age=60")), NOW + 7.9)["Age"] == "7"
