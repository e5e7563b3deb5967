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


def test_what_is_named_like_a_secret_is_never_shown():
    conditions = [
        *matching.fields_are("query", {"token": "mine-1"}, lambda call: call.params),
        *matching.fields_are("headers", {"Authorization": "Bearer mine-2"}, lambda call: call.headers),
        matching.json_is({"user": {"password": "mine-3"}}),
    ]
    received = call(
        "POST", "https://h/a?token=real-1", b'{"user": {"password": "real-3"}}', Authorization="Bearer real-2"
    )
    said = [*wrong(conditions, received), *(each.asked for each in conditions)]
    assert said[:3] == [
        "query parameter token differs (it is named like a secret, and not shown)",
        "header Authorization differs (it is named like a secret, and not shown)",
        "in the JSON body, $.user.password differs (it is named like a secret, and not shown)",
    ]
    assert not [text for text in said if "real-" in text or "mine-" in text]
    form = matching.fields_are("body", {"client_secret": "mine-4"}, lambda call: call.form, "form field")
    assert "mine" not in form[0].asked


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: matching.path_is("/{a}/{a}"), "give each {name} another name"),
        (lambda: matching.path_is("/{1st}"), "begins with a letter"),
        (lambda: matching.path_is("/{user-id}"), "letters, digits and underscores"),
        (lambda: matching.path_is("/{open"), "letters, digits and underscores"),
        (lambda: matching.method_is("/users"), "give an HTTP method"),
        (lambda: matching.host_is("https://api.example.com"), "give a host"),
        (lambda: matching.fields_are("query", "a=1", lambda call: call.params), "by its name"),
        (lambda: matching.graphql_is("User", [1]), "by their names"),
        (lambda: matching.predicate("x"), "give a function"),
    ],
)
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(ConfigError) as failed:
        make()
    assert said in str(failed.value)


def test_a_brace_of_the_path_itself_is_written_encoded():
    assert wrong([matching.path_is("/a%7Bb%7D")], call(url="https://h/a%7Bb%7D")) == []
