"""A target is text with its parts: whichever way it was read, it says what the URL object says."""

from __future__ import annotations

import copy
import pickle
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from asyncapi.errors import ConfigError
from asyncapi.messages import uri
from asyncapi.messages.target import NOWHERE, Target, is_plain
from asyncapi.sansio.http.origin import origin

HOSTS = st.sampled_from([
    "h", "api.example.com", "a_b-c.d", "h.", "h..", "H.Example", "bücher.example", "xn--bcher-kva.example", "127.0.0.1",
    "256.1.1.1", "[::1]", "[fe80::1%25eth0]", "[FE80::A]", "-", "a..b", "",
])  # fmt: skip
PORTS = st.sampled_from(["", ":", ":80", ":443", ":8080", ":0", ":080", ":65535", ":99999", ":800", ":4430"])
USERS = st.sampled_from(["", "", "", "u@", "u:p@", ":p@", "@", "ü:p%40@"])
RESTS = st.text("ab/.%2eE?&=+#:@;é \\[]|~", max_size=14) | st.sampled_from(["", "/", "?", "#", "/?", "/x?#", "//x"])
TEXTS = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "http://", "https://", "HTTP://", "ftp://", "//", "http:", "", "x:"]),
    USERS, HOSTS, PORTS, st.sampled_from(["/", "/", ""]), RESTS,
)  # fmt: skip
PAIRS = st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=4), st.text("a &=?+%é/;,.~", max_size=4)))


def read(text: str) -> tuple[Target, URL]:
    """The target, and the object that the text means without one; the example is left out where it is not a URL."""
    try:
        return Target.of(text), uri.parse_url(text)
    except ConfigError:
        with pytest.raises(ConfigError):
            Target.of(text)
        with pytest.raises(ConfigError):
            uri.parse_url(text)
        return NOWHERE, URL()


def check(target: Target, url: URL) -> None:
    assert str(target.url) == target.text == str(target) == str(url)
    assert target.host == (url.host_port_subcomponent or "")
    assert target.path == url.raw_path_qs
    assert target.secure == (url.scheme == "https")
    assert target.usable == (url.scheme in {"http", "https"} and bool(url.raw_host))
    assert target.has_user == (url.raw_user is not None)


@given(TEXTS | st.text("hps:/?#.ab%2", max_size=16) | RESTS)
@example("https://h?")
@example("http://h.:81/x")
@example("https://h:80/")
@example("//h/x")
@example("///x")
def test_a_target_says_what_the_object_of_its_text_says(text):
    target, url = read(text)
    check(target, url)
    assert target.url == url


@given(TEXTS)
def test_the_origin_is_the_same_with_and_without_an_object(text):
    target, url = read(text)
    assert target.origin == origin(url)
    assert target.url is target.url
    assert target.origin == origin(url)


@given(TEXTS)
def test_a_target_of_an_object_is_that_of_its_text(text):
    target, url = read(text)
    made = Target.of(url)
    assert (made.text, made.host, made.path, made.secure) == (target.text, target.host, target.path, target.secure)
    assert made.url is url
    assert made == target
    assert hash(made) == hash(target)


@given(TEXTS)
def test_a_path_fits_into_a_request_line(text):
    target, _ = read(text)
    if target.usable:
        assert re.fullmatch("/[!-~]*", target.path)
        assert "#" not in target.path


@given(TEXTS, TEXTS)
@example("http://h", "http://h/")
@example("http://h/x#a", "http://h/x#b")
@example("http://u@h/x", "http://h/x")
def test_targets_are_equal_where_their_urls_are(one, other):
    (left, url), (right, of) = read(one), read(other)
    assert (left == right) == (url == of or str(url) == str(of))
    if left == right:
        assert hash(left) == hash(right)


@given(TEXTS, PAIRS)
@example("https://h/x?", [("a", "b")])
@example("https://h/x?a&", [("a", "b")])
@example("https://h/x?a?", [("a", "b")])
@example("https://h", [("a", "b c")])
@example("https://h/x#f", [("a", "b")])
def test_pairs_are_added_as_to_the_object(text, pairs):
    target, url = read(text)
    if pairs and target is not NOWHERE:
        check(target.with_pairs(pairs), uri.with_pairs(url, pairs))


@given(TEXTS, st.text("ab/.%2E?&=+#é", max_size=10))
def test_what_lies_below_a_target_is_what_its_text_says(text, rest):
    target, _ = read(text.rstrip("/") + "/")
    if target.usable and target.text.endswith("/") and is_plain(f"/{rest}"):
        root = Target(target.text[:-1], target.host, target.path[:-1], secure=target.secure)
        if "?" not in root.text and "#" not in root.text:
            below = root.below(f"/{rest}")
            check(below, uri.parse_url(below.text))
            assert below.origin == origin(below.url)


@pytest.mark.parametrize(
    "text",
    ["https://h", "https://h/", "http://h:8080/a/b?x=1&y=%2f", "https://api.example.com/items/1", "/items/1", "/x?a=b"],
)
def test_usual_urls_make_no_object(text, monkeypatch):
    monkeypatch.setattr(uri, "parse_url", None)
    target = Target.of(text)
    assert target.text == text
    assert target._url is None
    if target.host:
        more = target.with_pairs([("page", "2")])
        assert more.path.endswith("page=2")
        assert target._url is more._url is None


def test_an_object_that_was_made_with_broken_text_is_sent_whole_and_safely():
    url = URL.build(scheme="http", host="h", path="/a b\r\nX: y/é", query_string="ü", encoded=True)
    target = Target.of(url)
    assert target.path == "/a%20b%0D%0AX:%20y/%C3%A9?%C3%BC"
    assert target.url is url


@pytest.mark.parametrize("given", [None, 3, b"http://h/"])
def test_what_is_no_url_is_refused(given):
    with pytest.raises(ConfigError, match=r"a URL is text or a yarl.URL"):
        Target.of(given)


def test_a_target_is_taken_as_it_is():
    target = Target.of("http://h/")
    assert Target.of(target) is target


def test_copies_and_pickles_are_equal():
    for text in ("http://h/x?a=b", "http://h/é", "/x"):
        target = Target.of(text)
        assert copy.copy(target) == pickle.loads(pickle.dumps(target)) == target
    assert target != "http://h/x"
