"""Cookies: verbatim both ways, to whom they were set for, until they end; bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.cookies import Jar, date, read

NOW = 1_700_000_000.0


def sent(*fields, host="h.example", path="/", secure=True, to=None, now=NOW, given=""):
    """What goes out after these fields came from a host; `to` changes where it goes."""
    jar = Jar()
    jar.keep(fields, secure=secure, host=host, path=path, now=NOW)
    where = {"secure": secure, "host": host, "path": path, "now": now} | (to or {})
    return jar.header(**where, given=given)


@pytest.mark.parametrize(
    "pair",
    [
        "a=b", "a=b c", "a=b=c==", "a=x,y", 'a={"x":1,"y":2}', 'a="q"', 'a="q', "a=a%2Cb", "a=", "a=\\073", "a=\udce9é",
        'a"b,c=d', "a:b@(c)=d", "$Version=1", "expires=x",
    ],
)  # fmt: skip
def test_name_and_value_are_sent_as_they_were_written(pair):
    assert sent(f"{pair}; Path=/") == pair
    assert sent(f" {pair}\t;Path=/") == pair


@pytest.mark.parametrize("field", ["", "a", "=b", ";a=b", "a\x00=b", "a=b\x07", f"a={'b' * 70_000}"])
def test_what_sets_no_cookie_is_passed_over(field):
    assert sent(field) == ""


@pytest.mark.parametrize(
    ("said", "lasts"),
    [
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("Expires=Thu, 01-Jan-70 00:00:01 GMT", False),
        ("Expires=Fri, 31 Dec 9999 23:59:59 GMT", True),
        ("expires=Wed, 09 Jun 2100 10:18:14 GMT", True),
        ("Expires=0", True),
        ("Expires=never", True),
        ("Expires=Thu, 31 Feb 2000 00:00:00 GMT", True),
        ("Expires=", True),
        ("Max-Age=0", False),
        ("Max-Age=-1", False),
        ("Max-Age=60", True),
        ("Max-Age=" + "9" * 5_000, True),
        ("Max-Age=-" + "9" * 5_000, False),
        ("Max-Age=0; Max-Age=60", True),
        ("Max-Age=60; Max-Age=0", False),
        ("Max-Age=soon; Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("Expires=Wed, 09 Jun 2100 10:18:14 GMT; Max-Age=0", False),
        ("Max-Age=0x10", True),
    ],
)
def test_a_cookie_ends_when_the_server_says(said, lasts):
    """It is set, and set again in this way: a date that is past deletes it, one that is none counts for nothing."""
    assert sent("a=1; Path=/", f"a=2; Path=/; {said}") == ("a=2" if lasts else "")


def test_it_ends_by_the_clock():
    assert sent("a=1; Max-Age=60", now=NOW + 59) == "a=1"
    assert sent("a=1; Max-Age=60", now=NOW + 60) == ""


@pytest.mark.parametrize(
    ("host", "said", "to", "goes"),
    [
        ("h.example", "", "h.example", True),
        ("h.example", "", "www.h.example", False),
        ("h.example", "Domain=h.example", "www.h.example", True),
        ("h.example", "Domain=.H.Example", "www.h.example", True),
        ("www.h.example", "Domain=h.example", "h.example", True),
        ("www.h.example", "Domain=h.example", "other.h.example", True),
        ("www.h.example", "Domain=www.h.example", "h.example", False),
        ("h.example", "Domain=www.h.example", "www.h.example", False),
        ("h.example", "Domain=other.example", "other.example", False),
        ("nh.example", "Domain=h.example", "h.example", False),
        ("h.example", "Domain=h.example", "nh.example", False),
        ("h.example", "Domain=example", "other.example", False),
        ("h.example", "Domain=example", "h.example", False),
        ("h.example", "Domain=", "h.example", True),
        ("h.example", "Domain=", "www.h.example", False),
        ("h.example", "Domain=.", "h.example", True),
        ("h.example", "Domain=evil.example; Domain=h.example", "www.h.example", True),
        ("h.example", "Domain=h.example; Domain=evil.example", "h.example", False),
        ("localhost", "Domain=localhost", "localhost", True),
        ("localhost", "Domain=localhost", "a.localhost", False),
        ("127.0.0.1", "", "127.0.0.1", True),
        ("127.0.0.1", "Domain=127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "Domain=0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "", "1.127.0.0.1", False),
        ("::1", "", "::1", True),
    ],
)
def test_a_cookie_goes_to_whom_it_was_set_for(host, said, to, goes):
    assert sent(f"a=1; {said}", host=host, to={"host": to}) == ("a=1" if goes else "")


@pytest.mark.parametrize(
    ("path", "said", "to", "goes"),
    [
        ("/a/b", "", "/a/c", True),
        ("/a/b", "", "/a", True),
        ("/a/b", "", "/ab", False),
        ("/a/b/", "", "/a/b/c", True),
        ("/a/b/", "", "/a/", False),
        ("/a", "", "/", True),
        ("", "", "/x", True),
        ("/", "Path=/a", "/a", True),
        ("/", "Path=/a", "/a/b", True),
        ("/", "Path=/a", "/ab", False),
        ("/", "Path=/a/", "/a", False),
        ("/a/b", "Path=a", "/a/c", True),
        ("/a/b", "Path=", "/", False),
        ("/", "Path=/a; Path=/b", "/b", True),
        ("/", "Path=/%61", "/a", False),
    ],
)
def test_a_cookie_goes_to_its_path_and_below(path, said, to, goes):
    assert sent(f"a=1; {said}", path=path, to={"path": to}) == ("a=1" if goes else "")


@pytest.mark.parametrize(
    ("field", "secure", "kept"),
    [
        ("a=1; Secure", True, True),
        ("a=1; secure=no", True, True),
        ("a=1; Secure", False, False),
        ("__Secure-a=1; Secure", True, True),
        ("__Secure-a=1", True, False),
        ("__Host-a=1; Secure; Path=/", True, True),
        ("__HOST-a=1; Secure; Path=/x", True, False),
        ("__Host-a=1; Secure", True, False),
        ("__Host-a=1; Secure; Path=/; Domain=h.example", True, False),
        ("__Host-a=1; Path=/", True, False),
    ],
)
def test_what_a_name_or_secure_promises_is_held(field, secure, kept):
    assert (read(field, secure=secure, host="h.example", path="/", now=NOW) is not None) is kept


def test_a_secure_cookie_goes_over_https_alone_and_is_not_replaced_over_http():
    jar, place = Jar(), {"host": "h.example", "path": "/", "now": NOW}
    jar.keep(["a=safe; Secure; Path=/"], secure=True, **place)
    jar.keep(["a=planted; Path=/", "b=1"], secure=False, **place)
    jar.keep(["a=planted; Path=/x; Domain=h.example"], secure=False, **place | {"host": "www.h.example"})
    assert jar.header(secure=False, **place) == "b=1"
    assert jar.header(secure=True, **place | {"path": "/x/"}) == "a=safe; b=1"


def test_longer_paths_go_first_then_older_ones():
    fields = ["a=1; Path=/", "b=2; Path=/x", "c=3; Path=/", "a=4; Path=/x"]
    assert sent(*fields, to={"path": "/x/y"}) == "b=2; a=4; a=1; c=3"
    assert sent("a=1", "b=2", "a=3") == "a=3; b=2"


def test_what_the_user_sends_goes_before_and_stays():
    assert sent("a=1", "b=2", given='a="mine"; c') == 'a="mine"; c; b=2'
    assert sent(given="a=mine") == "a=mine"


def test_the_jar_is_bounded_and_the_least_recently_used_go_first():
    jar, place = Jar(), {"secure": True, "path": "/", "now": NOW}
    jar.keep((f"{n}=x" for n in range(180)), host="h.example", **place)
    jar.keep(["0=y", "more=x", "short=x; Max-Age=1"], host="h.example", **place)
    assert len(jar) == 180
    names = {pair.partition("=")[0] for pair in jar.header(host="h.example", **place).split("; ")}
    assert "0" in names
    assert not names & {"1", "2"}
    jar.keep(["new=x"], host="h.example", **place | {"now": NOW + 2})
    assert "3=x" in jar.header(host="h.example", **place)  # the one that had ended made room
    for n in range(4_000):
        jar.keep(["a=x"], host=f"h{n}.example", **place)
    assert len(jar) == 3_000
    assert len(jar._by_domain) <= 3_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
        ("6 nov 1994 8:49:37", 784_111_777),
        ("1994 6 November 08:49:37x", 784_111_777),
        ("Sun, 06 Nov 1994", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("Sun, 32 Nov 1994 08:49:37 GMT", None),
        ("Mon, 29 Feb 2023 08:49:37 GMT", None),
        ("Sun, 06 Nov 1600 08:49:37 GMT", None),
        ("", None),
    ],
)
def test_dates_are_read_as_browsers_do(text, seconds):
    assert date(text) == seconds


@given(st.text(st.characters(codec="utf-8", exclude_characters=";"), max_size=30), st.text(max_size=60))
def test_any_field_is_read_and_a_value_never_changes(value, said):
    cookie = read(f"a={value};{said}", secure=True, host="h.example", path="/x", now=NOW)
    assert cookie is None or cookie.value == value.strip(" \t")
