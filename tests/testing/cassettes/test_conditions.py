"""Which attempts an exchange fits, and what is said where it doesn't."""

import json

import pytest

from asyncapi.messages.request import Request
from asyncapi.testing.cassettes.conditions import IGNORED, PARTS, conditions_of, same, same_bytes, unlike
from asyncapi.testing.cassettes.exchange import Exchange
from asyncapi.testing.mock_calls import MockCall


def differences(exchange, method="GET", url="https://h/a", content=b"", **headers):
    request = Request(method, url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    call = MockCall(request, content)
    return [text for each in conditions_of(exchange, PARTS, IGNORED) if (text := each.difference(call))]


@pytest.mark.parametrize(
    ("recorded", "sent", "said"),
    [
        ("https://h/a?b=1&c=2", "https://h/a?c=2&b=1", []),
        ("https://h/a?token=***1", "https://h/a?token=xyz", []),
        ("https://h/a", "https://h/a?b=1", ["query parameter b was not there"]),
        ("https://h/a?b=1", "https://h/a?b=2", ["query parameter b is '2', not '1'"]),
        ("https://h/a?b=1", "https://h/a", ["query parameter b is missing"]),
        ("https://h/a", "https://h/b", ["the path is /b, not /a"]),
        ("https://h/a%2Fb", "https://h/a/b", ["the path is /a/b, not /a%2Fb"]),
        ("https://h/a", "http://h:443/a", ["the scheme is http://, not https://"]),
        ("https://h/a", "https://h:8443/a", ["the port is 8443, not 443"]),
        ("https://h/a", "https://i/a", ["the host is i, not h"]),
        ("https://h/a?idempotency_key=1", "https://h/a?idempotency_key=2", []),
    ],
)
def test_urls(recorded, sent, said):
    assert differences(Exchange("GET", recorded), url=sent) == said


@pytest.mark.parametrize(
    ("kind", "recorded", "sent", "fits"),
    [
        ("application/json", b'{"a":1,"b":[1]}', b'{"b": [1], "a": 1.0}', True),
        ("application/json", b'{"a":1}', b'{"a":true}', False),
        ("application/json", b'{"a":1}', b'{"a":1,"b":2}', False),
        ("application/json", b'{"password":"***1"}', b'{"password":"other"}', True),
        ("application/json", b'{"password":"***1"}', b'{"password":5}', True),
        ("application/x-www-form-urlencoded", b"a=1&b=2", b"b=2&a=1", True),
        ("application/x-www-form-urlencoded", b"a=1&client_secret=***1", b"client_secret=x%20y&a=1", True),
        ("text/plain", b"hi ***3!", b"hi you!", True),
        ("text/plain", b"hi", b"ho", False),
        ("application/octet-stream", b"\xff****", b"\xffabcd", True),
        ("application/octet-stream", b"\xff****", b"\xfeabcd", False),
    ],
)
def test_bodies(kind, recorded, sent, fits):
    exchange = Exchange("GET", "https://h/a", [("Content-Type", kind)], recorded)
    assert (differences(exchange, content=sent, Content_Type=kind) == []) is fits


def test_of_headers_only_range_is_compared():
    exchange = Exchange("GET", "https://h/a", [("X", "1"), ("Range", "bytes=0-")])
    assert differences(exchange, X="2", Range="bytes=0-") == []
    assert differences(exchange, X="2") == ["the header Range is missing, not bytes=0-"]


def test_a_mask_stands_for_any_secret():
    assert same("a ***1 b", "a anything b")
    assert same("***", 5)
    assert not same("a ***1", "b x")
    assert same_bytes(b"***1", b"x")


def test_json_says_where_it_differs():
    recorded = {"a": [{"b": 1}]}
    assert unlike(recorded, {"a": [{"b": 2}]}, ()) == "$.a[0].b is 2, not 1"
    assert unlike(recorded, {"a": []}, ()) == "$.a has 0 elements, not 1"
    assert unlike(recorded, {}, ()) == "$.a is missing"
    assert unlike(recorded, json.loads('{"a": [{"b": 2}]}'), {"b"}) == ""
