"""What a route asks: values, patterns, functions, what must not be there; and what a difference says."""

import re
from unittest.mock import ANY

import pytest
from pydantic import BaseModel

from asyncapi import ConfigError, Request
from asyncapi.testing import MockCall, matching


class Person(BaseModel):
    name: str


def call(method="GET", url="https://h.example/a", content=b"", **headers):
    return MockCall(Request(method, url, headers=headers), content)


def wrong(conditions, received):
    return [text for each in conditions if (text := each.difference(received))]


@pytest.mark.parametrize(
    ("expected", "value", "same"),
    [
        ("a", "a", True), ("a", "b", False), (1, "1", True), (1.5, "1.5", True), (True, "true", True), (True, True, True),
        (1, True, False), (True, 1, False), (re.compile("^a"), "ab", True), (re.compile("^a"), "ba", False),
        (re.compile(b"^a"), b"ab", True), (str.isdigit, "12", True), (str.isdigit, "x", False), (ANY, "x", True),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_fits(expected, value, same):
    assert matching.fits(expected, value) is same


@pytest.mark.parametrize(
    ("expected", "value", "says"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ""), ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, ""), ({}, {"a": 1}, ""),
        ({"a": 1}, {"b": 1}, "$.a is missing"), ({"a": [1, 2]}, {"a": [1]}, "$.a has 1 elements, not 2"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "$.a[0].b is 2, not 1"), ({"a": None}, {}, ""), ({"a": None}, {"a": None}, ""),
        ({"a": None}, {"a": 0}, "$.a is 0, not None"), ({"a": True}, {"a": 1}, "$.a is 1, not True"), ([], {}, "$ is {}, not []"),
        ({"a": ANY}, {"a": 5}, ""), ({"a": re.compile("x")}, {"a": "axb"}, ""),
    ],
    ids=str,
)  # fmt: skip
def test_json_must_have_the_least_and_a_difference_says_where(expected, value, says):
    assert matching.unlike(expected, value) == says


def test_a_model_stands_for_its_data():
    received = call(content=b'{"name": "Ada", "age": 3}')
    assert not wrong([matching.json_is(Person(name="Ada"))], received)
    assert wrong([matching.json_is(Person(name="Bob"))], received) == ["in the JSON body, $.name is 'Ada', not 'Bob'"]
    assert wrong([matching.json_is({})], call()) == ["there is no body"]
    assert "no JSON" in wrong([matching.json_is({})], call(content=b"<"))[0]


@pytest.mark.parametrize(
    ("url", "received", "says"),
    [
        ("/a", "https://h.example/b", ["the path is /b, not /a"]), ("http://h.example/a", "https://h.example/a", ["the scheme is https, not http"]),
        ("https://x/a", "https://h.example/a", ["the host is h.example, not x"]), ("/{a}/{b}", "https://h/x/y", []),
        ("/{a}", "https://h/x/y", ["the path is /x/y, not /{a}"]), ("wss://h/a", "https://h/a", []),
        ("https://h:8443/a", "https://h/a", ["the host is h, not h:8443"]), ("https://h/a", "https://h:8443/a", []),
        ("/a?x=1&x=2", "https://h/a?x=1", ["query parameter x is '1', not ['1', '2']"]), ("/a?x=1&x=2", "https://h/a?x=1&x=2", []),
    ],
)  # fmt: skip
def test_a_url_says_what_differs(url, received, says):
    assert wrong(matching.url_is(url), call(url=received)) == says


@pytest.mark.parametrize("url", ["users/1", "", "ht!tp"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError, match="give a path that begins with /"):
        matching.url_is(url)


def test_fields_may_be_asked_not_to_be_there_and_secrets_are_not_shown():
    of = matching.fields_are
    received = call(url="https://h/?a=1&token=s3cret", Authorization="Bearer s3cret")
    params, headers = (lambda c: c.params), (lambda c: c.headers)
    assert not wrong(of("query", {"b": None, "a": 1}, params), received)
    assert wrong(of("query", {"a": None}, params), received) == ["query parameter a is there"]
    assert wrong(of("headers", {"x-a": "1"}, headers), received) == ["header x-a is missing"]
    said = wrong(of("headers", {"authorization": "Bearer other"}, headers), received)
    said += wrong(of("query", {"token": "t"}, params), received)
    assert len(said) == 2
    assert "s3cret" not in "".join(said)
    assert "other" not in "".join(said)


def test_a_graphql_operation_is_found_in_a_batch():
    batch = b'[{"query": "query A { a }"}, {"query": "query B($n: Int) { b }", "variables": {"n": 1}}]'
    received = call("POST", content=batch)
    assert not wrong([matching.graphql_is("B", {"n": 1})], received)
    assert wrong([matching.graphql_is("B", {"n": 2})], received) == ["in the operation, variables.n is 1, not 2"]
    assert wrong([matching.graphql_is("C", None)], received) == ["the operation is A, B, not C"]
    assert wrong([matching.graphql_is("C", None)], call()) == ["it is no GraphQL operation"]
