"""What servers send is read as what they mean."""

from __future__ import annotations

import pytest

from asyncapi.sansio.graphql.results import Result, code_of, is_from_server, result_of, summary


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (200, "application/json", True),
        (200, "application/graphql-response+json; charset=utf-8", True),
        (299, "", True),
        (400, "application/graphql-response+json", True),
        (500, "Application/GraphQL-Response+JSON ;charset=utf-8", True),
        (400, "application/json", False),
        (502, "text/html", False),
        (302, "application/json", False),
    ],
)
def test_the_media_type_says_whose_response_it_is(status, kind, expected):
    assert is_from_server(status, kind) is expected


@pytest.mark.parametrize("body", [None, [], "text", 1, {}, {"error": "x"}, {"message": "no"}])
def test_what_has_neither_data_nor_errors_is_no_result(body):
    assert result_of(body) is None


def test_errors_are_taken_as_they_come():
    message = [{"message": "no"}]
    assert result_of({"errors": "no"}).errors == message
    assert result_of({"errors": ["no"]}).errors == message
    assert result_of({"errors": {"message": "no"}}).errors == message
    assert result_of({"errors": message, "data": None}).errors == message
    for nothing in (None, [], {}):
        assert result_of({"data": {"a": 1}, "errors": nothing}) == Result({"a": 1}, [], {}, executed=True)


def test_without_data_nothing_was_executed():
    assert result_of({"errors": [{"message": "no"}], "extensions": {"a": 1}}) == Result(
        None, [{"message": "no"}], {"a": 1}, executed=False
    )
    assert result_of({"data": None, "errors": ["no"]}).executed
    assert result_of({"data": {}, "extensions": 1}).extensions == {}


def test_a_code_stands_in_the_extensions_or_beside_the_message():
    assert code_of({"extensions": {"code": "A"}, "type": "B"}) == "A"
    assert code_of({"type": "RATE_LIMITED"}) == "RATE_LIMITED"
    assert code_of({"errorType": "UnauthorizedException"}) == "UnauthorizedException"
    assert code_of({"extensions": {"code": 401}}) == 401
    for error in ({}, {"extensions": None}, {"extensions": {"code": ["A"]}}, {"extensions": {"code": True}}):
        assert code_of(error) is None


def test_a_summary_is_a_line_about_the_first_error():
    first = {"message": "no", "path": ["users", 0, "name"], "extensions": {"code": "BAD"}}
    assert summary([first]) == "no (BAD at users.0.name)"
    assert summary([{"message": "no"}, {}, {}]) == "no (and 2 more)"
    assert summary([{"path": ["a"]}]) == "no message (a)"
    assert summary([]) == "the response has no errors"
