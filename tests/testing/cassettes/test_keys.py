"""Requests that are alike have equal keys: to the letter, or loosely."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncapi.messages.request import Request
from asyncapi.testing.cassettes.conditions import IGNORED, LARGEST, PARTS
from asyncapi.testing.cassettes.exchange import Exchange
from asyncapi.testing.cassettes.index import Index
from asyncapi.testing.cassettes.keys import Keys, is_doubtful, of_call, of_exchange
from asyncapi.testing.cassettes.masking import Secrets
from asyncapi.testing.mock_calls import MockCall

KEYS = Keys(PARTS, IGNORED, Secrets(alike=True))
FORM = "application/x-www-form-urlencoded"


def recorded(url="https://h/a", body=b"", kind="", **more):
    return of_exchange(Exchange("POST", url, [("Content-Type", kind)] if kind else [], body, **more))


def sent(url="https://h/a", body=b"", kind="", **headers):
    fields = {"Content-Type": kind} if kind else {}
    return of_call(MockCall(Request("POST", url, headers=fields | headers), body))


@pytest.mark.parametrize(
    ("one", "other", "letter", "loose"),
    [
        (recorded(), sent(), True, True),
        (recorded("https://h/a?b=1&c=2"), sent("https://h/a?c=2&b=1"), False, True),
        (recorded("https://h/a?token=***7"), sent("https://h/a?token=real"), False, True),
        (recorded("https://h/a?token=***7"), sent("https://h/a?token=***7"), True, True),
        (recorded("https://h/a?idempotency_key=1"), sent("https://h/a?idempotency_key=2"), False, True),
        (recorded("https://h:443/a"), sent("https://h/a"), True, True),
        (recorded("wss://h/a"), sent("https://h/a"), True, True),
        (recorded(), sent("https://h/b"), False, False),
        (recorded(), sent(Range="bytes=0-"), False, False),
        (recorded(body=b'{"a":1,"b":2}', kind="application/json"), sent(body=b'{"b": 2, "a": 1.0}', kind="application/json"), False, True),
        (recorded(body=b'{"password":"***1"}', kind="application/json"), sent(body=b'{"password":"x"}', kind="application/json"), False, True),
        (recorded(body=b'{"a":1}', kind="application/json"), sent(body=b'{"a":true}', kind="application/json"), False, False),
        (recorded(body=b"a=1&b=2", kind=FORM), sent(body=b"b=2&a=1", kind=FORM), False, True),
        (recorded(body=b"--boundary--", kind="multipart/form-data; boundary=boundary"), sent(body=b"--x--", kind="multipart/form-data; boundary=x"), True, True),
        (recorded(body=b"\xff1"), sent(body=b"\xff1"), True, True),
        (recorded(body=b"x" * (LARGEST + 1)), sent(body=b"x" * (LARGEST + 1)), True, True),
    ],
)  # fmt: skip
def test_keys_of_requests(one, other, letter, loose):
    assert (KEYS.letter(one) == KEYS.letter(other)) is letter
    assert (KEYS.loose(one) == KEYS.loose(other)) is loose


def test_parts_that_are_not_compared_are_no_part_of_a_key():
    keys = Keys({"method", "path"}, (), Secrets(alike=True))
    assert keys.letter(recorded("https://h/a?b=1", b"x")) == keys.letter(sent("http://i:8080/a?c=2", b"y"))
    assert keys.letter(recorded()) != keys.letter(sent("https://h/b"))


@pytest.mark.parametrize(
    ("request_", "doubtful"),
    [
        (recorded(), False),
        (recorded(body=b'{"a":1}', kind="application/json"), False),
        (recorded("https://h/a?b=***1"), True),
        (recorded(body=b"hi ***1", kind="text/plain"), True),
        (recorded(body=b'{"a":1}'), True),
        (recorded(partial=True), True),
        (recorded(websocket=True), False),
    ],
)
def test_what_its_key_does_not_tell_is_doubtful(request_, doubtful):
    assert is_doubtful(request_) is doubtful


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_index_finds_what_comparing_one_by_one_finds(data):
    """Keys only make it faster: whatever fits by the conditions is found, and nothing else."""
    urls = [
        f"https://h/a{query}" for query in ("", "?a=1&b=2", "?b=2&a=1", "?token=***1", "?x=a***1", "?token=x", "?x=ab")
    ]
    bodies = [
        ("", b""), ("", b"a=1&b=2"), ("", b'{"a":1}'), ("application/json", b'{"a": 1}'), ("application/json", b'{"a":1.0}'),
        ("application/json", b'{"password":"***1"}'), ("application/json", b'{"password":"x"}'), ("application/json", b'{"n":"a***2"}'),
        ("application/json", b'{"n":"ab"}'), (FORM, b"a=1&b=2"), (FORM, b"b=2&a=1"), (FORM, b"a=1&b=***1"), ("text/plain", b"\xff\xfe"),
    ]  # fmt: skip
    exchanges = [
        Exchange("POST", url, [("Content-Type", kind)] if kind else [], body, status=200, filtered=filtered)
        for url, (kind, body), filtered in data.draw(
            st.lists(st.tuples(st.sampled_from(urls), st.sampled_from(bodies), st.booleans()), min_size=1, max_size=6)
        )
    ]
    index = Index(PARTS, IGNORED, Secrets(alike=True))
    for exchange in exchanges:
        index.add(exchange)
    url, (kind, body) = data.draw(st.sampled_from(urls)), data.draw(st.sampled_from(bodies))
    call = MockCall(Request("POST", url, headers={"Content-Type": kind} if kind else {}), body)
    fitting = [exchange for exchange in exchanges if index.fits(exchange, call)]
    found = index.find(call)
    assert (found is None) == (not fitting)
    assert found is None or any(found is each for each in fitting)
