"""URLs in AWS' own encoding, and what a refusal says: a wrong clock, keys that are out of date."""

from __future__ import annotations

from email.utils import formatdate
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from asyncapi.sansio.auth.aws_quirks import outdated, skew, strict_url

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("url", "s3", "sent"),
    [
        ("https://h", True, "https://h/"),
        ("https://h/a b/é", True, "https://h/a%20b/%C3%A9"),
        ("https://h/a+b", True, "https://h/a%2Bb"),
        ("https://h/!$&'()*,;=:@~", True, "https://h/%21%24%26%27%28%29%2A%2C%3B%3D%3A%40~"),
        ("https://h//a///b/", True, "https://h//a///b/"),
        ("https://h/a%2Fb", True, "https://h/a/b"),
        ("https://h/a%2Fb", False, "https://h/a%2Fb"),
        ("https://h/%FF%00", True, "https://h/%FF%00"),
        ("https://h/?a=1+2&b=%2B&c=/:,é", False, "https://h/?a=1%202&b=%2B&c=%2F%3A%2C%C3%A9"),
        ("https://h/?acl", True, "https://h/?acl"),
        ("https://h/?e=&&f==", True, "https://h/?e=&f=%3D"),
        ("https://me:pw@h:8443/x?y#z", True, "https://h:8443/x?y"),
        ("http://[::1]:99/x", True, "http://[::1]:99/x"),
    ],
)
def test_what_is_sent_is_what_aws_would_write(url, s3, sent):
    assert str(strict_url(URL(url), s3=s3)) == sent


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    st.dictionaries(st.text("abé /+&=%~?#"), st.text("aé /+&=%")),
)
def test_it_means_the_same_and_nothing_is_left_to_encode(path, query):
    url = (URL("https://h") / "k").with_path(f"/k/{path}").with_query(query)
    made = strict_url(url, s3=False)
    assert unquote(made.raw_path) == url.path
    assert parse_qsl(made.raw_query_string, keep_blank_values=True) == [*query.items()] or "" in query
    assert (
        quote(unquote(made.raw_path), safe="-_.~/%") == made.raw_path
        or "%2F" in made.raw_path
        or "%25" in made.raw_path
    )
    assert strict_url(made, s3=False) == made


@pytest.mark.parametrize(
    ("status", "date", "behind"),
    [
        (403, formatdate(NOW + 3600, usegmt=True), 3600.0),
        (400, formatdate(NOW - 301, usegmt=True), -301.0),
        (401, formatdate(NOW + 241, usegmt=True), 241.0),
        (403, formatdate(NOW + 200, usegmt=True), None),
        (200, formatdate(NOW + 3600, usegmt=True), None),
        (503, formatdate(NOW + 3600, usegmt=True), None),
        (403, "", None),
        (403, "yesterday", None),
        (403, "Tue, 32 Foo 99999", None),
    ],
)
def test_a_clock_is_wrong_where_a_refusal_has_another_date(status, date, behind):
    assert skew(status, {"Date": date}, NOW) == behind


@pytest.mark.parametrize(("age", "behind"), [("3600", None), ("100", -3500.0), ("old", None), ("inf", None)])
def test_what_a_cache_sends_is_as_old_as_it_says(age, behind):
    assert skew(403, {"Date": formatdate(NOW - 3600, usegmt=True), "Age": age}, NOW) == behind


def test_without_a_date_nothing_is_known():
    assert skew(403, {}, NOW) is None


@pytest.mark.parametrize(
    ("status", "content", "verdict"),
    [
        (400, b"<Error><Code>ExpiredToken</Code>", True),
        (400, b'{"__type":"com.amazon.coral.service#ExpiredTokenException"}', True),
        (403, b'{"__type":"UnrecognizedClientException"}', True),
        (403, b"<Code>SignatureDoesNotMatch</Code>", False),
        (403, b"", False),
        (200, b"ExpiredToken", False),
    ],
)
def test_keys_are_out_of_date_where_the_server_says_so(status, content, verdict):
    assert outdated(status, content) is verdict
