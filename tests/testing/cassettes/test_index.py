"""The index finds the exchange that fits best, of thousands as of ten."""

import re

import pytest

from asyncapi.messages.request import Request
from asyncapi.testing.cassettes.conditions import IGNORED, PARTS
from asyncapi.testing.cassettes.exchange import Exchange
from asyncapi.testing.cassettes.index import Index, _Line
from asyncapi.testing.cassettes.masking import Secrets
from asyncapi.testing.mock_calls import MockCall

JSON = "application/json"


def index(*exchanges, parts=PARTS, mask=(), repeats=False):
    made = Index(parts, IGNORED, Secrets(mask, alike=True), repeats=repeats)
    for exchange in exchanges:
        made.add(exchange)
    return made


def recorded(url="https://h/a", body=b"", kind="", status=200, **headers):
    fields = [*([("Content-Type", kind)] if kind else []), *headers.items()]
    return Exchange("POST", url, fields, body, status=status)


def taken(where, url="https://h/a", body=b"", kind="", **headers):
    fields = {"Content-Type": kind} if kind else {}
    found = where.find(MockCall(Request("POST", url, headers=fields | headers), body))
    if found is not None:
        found.played += 1
    return found


def test_equal_ones_come_in_the_order_of_the_recording():
    all_ = [recorded() for _ in range(3)]
    made = index(*all_)
    assert [taken(made) for _ in range(4)] == [*all_, None]


def test_the_letter_goes_before_what_is_alike_and_that_before_what_must_be_compared():
    compared = recorded(body=b"hi ***1", kind="text/plain")
    alike = recorded("https://h/a?token=***1", b"hi you", "text/plain")
    letter = recorded("https://h/a?token=abc", b"hi you", "text/plain")
    made = index(alike, letter, compared)
    found = [taken(made, "https://h/a?token=abc", b"hi you", "text/plain") for _ in range(3)]
    assert found[0] is letter
    assert found[1] is alike
    assert found[2] is None
    assert taken(made, "https://h/a", b"hi you", "text/plain") is compared


def test_of_equal_ones_the_headers_decide_then_all_but_the_credential():
    made = index(
        recorded(status=201, Accept="a", Authorization="Bearer ***1"), recorded(status=202, Accept="b", Authorization="Bearer ***1"),
        recorded(status=203, Accept="b", Authorization="Bearer ***2"), recorded(status=204),
    )  # fmt: skip
    assert taken(made, Accept="b", Authorization="Bearer ***2").status == 203
    assert taken(made, Accept="b", Authorization="Bearer real").status == 202
    assert [taken(made, Accept="c").status for _ in range(2)] == [201, 204]


def test_a_mask_in_the_path_is_found_by_its_pattern_or_by_comparing():
    telegram = [recorded(f"https://h/bot***1/send?n={number}") for number in range(3)]
    assert taken(index(*telegram, mask=[re.compile("/bot([^/]+)/")]), "https://h/bot123:abc/send?n=2") is telegram[2]
    telegram[2].played = 0
    assert taken(index(*telegram), "https://h/bot123:abc/send?n=2") is telegram[2]


@pytest.mark.parametrize("body", [b"a=1&b=2", b'{"a": 1}'])
def test_a_body_whose_kind_is_not_said_is_compared(body):
    one = recorded(body=body, kind="application/x-www-form-urlencoded" if body[:1] == b"a" else JSON)
    assert taken(index(one), body=body) is one


def test_what_was_replayed_repeats_only_if_it_may_and_the_last_of_them():
    first, last = recorded(status=201), recorded(status=202)
    assert [taken(index(first, last, repeats=True)).status for _ in range(1)] == [201]
    first.played = last.played = 1
    made = index(first, last, repeats=True)
    assert [taken(made).status for _ in range(3)] == [202, 202, 202]
    assert taken(index(first, last)) is None


def test_masked_ones_repeat_too():
    first, last = (recorded("https://h/a?b=x***1", status=status) for status in (201, 202))
    made = index(first, last, repeats=True)
    assert [taken(made, "https://h/a?b=xyz").status for _ in range(4)] == [201, 202, 202, 202]


@pytest.mark.parametrize("kind", ["url", "json", "equal", "etag"])
def test_finding_takes_as_many_looks_as_there_are_requests(kind, monkeypatch):
    """One by one, it took the square of that."""
    count, looks = 1000, 0

    def arguments(number, secret):
        if kind == "url":
            return {"url": f"https://h/a/{number}?token={secret}"}
        if kind == "json":
            return {"body": f'{{"n":{number},"password":"{secret}"}}'.encode(), "kind": JSON}
        return {} if kind == "equal" else {"If-None-Match": f'"{number}"', "Authorization": f"Bearer {secret}{number}"}

    def counted(function):
        def looking(*args):
            nonlocal looks
            looks += 1
            return function(*args)

        return looking

    monkeypatch.setattr(Index, "fits", counted(Index.fits))
    monkeypatch.setattr(_Line, "head", counted(_Line.head))
    made = index(*(recorded(**arguments(number, "***1")) for number in range(count)))
    assert all(taken(made, **arguments(number, "real")) is made.exchanges[number] for number in range(count))
    assert looks <= 5 * count
