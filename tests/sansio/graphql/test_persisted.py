"""Each way of servers to say that they don't know a hash, or that they take none."""

from __future__ import annotations

import pytest

from asyncapi.sansio.graphql.document import operation_of
from asyncapi.sansio.graphql.persisted import PersistedQueries, extension
from asyncapi.sansio.graphql.results import result_of

A = operation_of("{ a }")


def verdict(status, body, queries=None):
    return (queries or PersistedQueries(supported=True)).verdict(A, status, result_of(body))


def coded(message, code=None):
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, coded("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")),
        (404, coded("PersistedQueryNotFound")),
        (400, coded("not here", "PERSISTED_QUERY_NOT_FOUND")),
        (200, coded("PersistedQueryNotFound", "HC0020")),
        (200, {"data": None, "errors": ["PersistedQueryNotFound"]}),
        (400, coded("Persisted query not found.")),
    ],
)
def test_a_hash_that_isnt_known_gets_its_document(status, body):
    queries = PersistedQueries(supported=True)
    assert verdict(status, body, queries) == "unknown"
    assert queries.supported


def test_a_server_without_hashes_is_asked_for_no_more():
    queries = PersistedQueries(supported=True)
    assert verdict(200, coded("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED"), queries) == "refused"
    assert not queries.supported


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, coded("Must provide query string.", "BAD_REQUEST")),
        (400, None),
        (422, coded("no query")),
        (200, coded("?")),
    ],
)
def test_a_doubt_is_settled_by_the_document(status, body):
    queries = PersistedQueries(supported=True)
    assert verdict(status, body, queries) == "doubtful"
    queries.concluded(good=False)  # the document is wrong, then
    assert queries.supported
    queries.concluded(good=True)
    assert not queries.supported


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"data": {"a": 1}}),
        (200, {"data": {"a": 1}, "errors": [{"message": "no"}]}),
        (401, coded("who?", "UNAUTHENTICATED")),
        (429, None),
        (503, None),
        (200, None),
    ],
)
def test_everything_else_is_the_response(status, body):
    assert verdict(status, body) == "taken"


def test_an_error_to_a_hash_that_is_known_is_the_response():
    queries = PersistedQueries(supported=True)
    assert verdict(200, {"data": {"a": 1}}, queries) == "taken"
    assert verdict(400, coded("bad variables"), queries) == "taken"


def test_the_hash_is_that_of_the_document():
    assert extension(A) == {"persistedQuery": {"version": 1, "sha256Hash": A.sha256}}
