"""A failed row is only sent again where its work cannot be done twice."""

import pytest

from asyncapi.bulk.again import may_be_sent_again
from asyncapi.bulk.reader import Item
from asyncapi.bulk.rows import REDIRECTED, UNKNOWN


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
@pytest.mark.parametrize(("status", "error"), [(500, "ServerError: 500"), (None, UNKNOWN), (None, "RequestTimeout: x")])
def test_an_idempotent_request_may_always_be_sent_again(method, status, error):
    assert may_be_sent_again(Item(method, "https://h/"), status, error)


@pytest.mark.parametrize(
    ("status", "error", "may"),
    [
        (None, "ConnectError: refused", True), (None, "TLSError: certificate", True), (None, "AuthError: no token", True),
        (None, "RateExceeded: 3 s", True), (429, "RateLimited: 429", True), (400, "BadRequest: 400", True),
        (401, "Unauthorized: 401", True), (404, "NotFound: 404", True), (422, "UnprocessableEntity: 422", True),
        (529, "ServerError: 529", True), (521, "ServerError: 521", True), (429, "RateLimited: 429 [budget]", True),
        (408, "ClientError: 408", False), (409, "Conflict: 409", False), (425, "ClientError: 425", False),
        (500, "ServerError: 500", False), (503, "ServerError: 503", False), (None, "ProtocolError: closed", False),
        (None, "RequestTimeout: 30 s", False), (None, "OutcomeUnknown: cut off", False), (None, UNKNOWN, False),
        (200, "DecodeError: not JSON", False), (201, "SchemaError: name", False), (302, "StatusError: 302", False),
        (404, "NotFound: 404" + REDIRECTED, False), (429, "RateLimited: 429" + REDIRECTED, False),
        (None, "ConnectError: refused" + REDIRECTED, False), (None, "", False), (None, "WhoKnows: what", False),
    ],
)  # fmt: skip
def test_a_post_without_a_key_is_sent_again_if_it_was_not_processed(status, error, may):
    assert may_be_sent_again(Item("POST", "https://h/"), status, error) is may


def test_a_key_of_the_users_own_makes_it_safe():
    for key in ({"idempotency_key": "k"}, {"headers": {"Idempotency-Key": "k"}}):
        assert may_be_sent_again(Item("POST", "https://h/", **key), 500, "ServerError: 500")
    assert not may_be_sent_again(Item("POST", "https://h/", idempotency_key=True), 500, "x"), "it would be another key"


def test_the_word_of_the_input_holds():
    assert may_be_sent_again(Item("POST", "https://h/", idempotent=True), 500, "ServerError: 500")
    assert not may_be_sent_again(Item("GET", "https://h/", idempotent=False), 500, "ServerError: 500")
