"""Two requests are the same if every header that may change the response is; what traces them does not count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio.http.request_key import identity, key_headers, url_key

TRACING = ["traceparent", "X-Request-ID", "B3", "baggage", "X-Amzn-Trace-Id"]
HEADERS = st.lists(
    st.tuples(st.sampled_from(["Accept", "Authorization", "Cookie", "X-Tenant"]), st.text(max_size=5)), max_size=6
)


@given(HEADERS, st.randoms(use_true_random=False), st.lists(st.sampled_from(TRACING), max_size=4))
def test_the_order_the_case_and_the_trace_of_headers_do_not_count(headers, chance, tracing):
    other = [(name.upper(), value) for name, value in headers] + [(name, "1") for name in tracing]
    chance.shuffle(other)
    assert key_headers(CIMultiDict(headers)) == key_headers(CIMultiDict(other))


def test_requests_that_differ_in_a_credential_or_in_accept_are_not_the_same():
    plain = CIMultiDict({"Accept": "text/html"})
    for other in ({"Accept": "text/css"}, {"Accept": "text/html", "Authorization": "Bearer a"}, {}):
        assert key_headers(plain) != key_headers(CIMultiDict(other))


def test_every_line_of_a_header_counts():
    twice = CIMultiDict([("Accept", "a"), ("Accept", "b")])
    assert key_headers(twice) == (("accept", "a"), ("accept", "b"))


@pytest.mark.parametrize(
    ("url", "headers", "key"),
    [
        ("https://h/x?a=1#part", [], "https://h/x?a=1"),
        ("https://h/x", [("Host", "H")], "https://h/x"),
        ("https://h/x", [("host", "Other")], "https://h/x other"),
        ("https://h/x", [("Host", "h"), ("Host", "other")], "https://h/x h other"),
    ],
)
def test_the_key_of_a_stored_response_is_its_url_and_another_host(url, headers, key):
    assert url_key(url, "h", CIMultiDict(headers)) == key


def test_the_identity_of_a_stored_response_keeps_no_credential():
    mine = identity({"Authorization": "secret", "Accept": "a/b"}, "")
    assert "secret" not in mine
    assert mine == identity({"authorization": "secret"}, "") != identity({"Authorization": "other"}, "")
    assert identity({"Authorization": "secret"}, "lynn") not in {mine, identity({}, "lynn")}
    assert (identity({"Accept": "a/b"}, ""), identity({"Authorization": "secret"}, None)) == ("", "?")
