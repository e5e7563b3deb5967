"""Every status code has its treatment: the table of the module's docstring."""

import pytest

from asyncapi.messages.code import Code
from asyncapi.messages.response import Response
from asyncapi.sansio.failures.resend import RETRY_STATUSES
from asyncapi.sansio.rpc.statuses import code_of, code_of_http, code_of_reset, http_status, meaning_of, read_head
from asyncapi.settings import Breaker

RETRIED = {Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED}
COUNTED = {Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS}


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_a_code_is_retried_and_counted_as_the_table_says(code):
    meaning = meaning_of(code, "why")
    worth = meaning.status in RETRY_STATUSES if meaning.retry is None else meaning.retry
    counted = meaning.status in Breaker().statuses if meaning.failed is None else meaning.failed
    assert (worth, counted) == (code in RETRIED, code in COUNTED)
    assert meaning.unprocessed is (None if code is Code.UNAUTHENTICATED else False)
    assert meaning.text == f"RPCError: {code.name}: why"
    assert meaning.status == http_status(code) >= 400


def test_a_deadline_is_retried_where_it_was_the_attempts_own():
    assert meaning_of(Code.DEADLINE_EXCEEDED, "").retry is False
    assert meaning_of(Code.DEADLINE_EXCEEDED, "", late=True).retry is None


@pytest.mark.parametrize(("pushback", "wait"), [("700", 0.7), ("0", 0.0)])
def test_a_pushback_is_waited_for(pushback, wait):
    meaning = meaning_of(Code.UNAVAILABLE, "", pushback=pushback)
    assert (meaning.retry, meaning.wait) == (None, wait)


@pytest.mark.parametrize("pushback", ["-1", "", "soon", "1.5", "1e3", "+1", "٣"])
def test_a_pushback_that_is_negative_or_garbage_ends_retries(pushback):
    meaning = meaning_of(Code.UNAVAILABLE, "", pushback=pushback)
    assert (meaning.retry, meaning.wait) == (False, None)


@pytest.mark.parametrize(
    ("text", "code"), [("0", Code.OK), ("16", Code.UNAUTHENTICATED), ("17", Code.UNKNOWN), ("x", Code.UNKNOWN)]
)
def test_a_status_that_is_no_code_is_unknown(text, code):
    assert code_of(text) is code


def test_an_http_status_has_its_code():  # doc/http-grpc-status-mapping.md
    codes = {
        400: Code.INTERNAL, 401: Code.UNAUTHENTICATED, 403: Code.PERMISSION_DENIED, 404: Code.UNIMPLEMENTED,
        429: Code.UNAVAILABLE, 502: Code.UNAVAILABLE, 503: Code.UNAVAILABLE, 504: Code.UNAVAILABLE, 200: Code.UNKNOWN,
        500: Code.UNKNOWN, 302: Code.UNKNOWN,
    }  # fmt: skip
    assert {status: code_of_http(status) for status in codes} == codes


def test_a_reset_has_its_code():  # gRPC over HTTP/2, "Errors"
    codes = dict.fromkeys(range(14), Code.INTERNAL) | {
        7: Code.UNAVAILABLE, 8: Code.CANCELLED, 11: Code.RESOURCE_EXHAUSTED, 12: Code.PERMISSION_DENIED,
    }  # fmt: skip
    assert {error: code_of_reset(error) for error in codes} == codes


def test_a_head_with_a_status_is_read():
    assert read_head(Response(200)) is None
    assert read_head(Response(200, {"grpc-status": "0"})) is None
    meaning = read_head(Response(200, {"grpc-status": "14", "grpc-message": "n%C3%B6"}))
    assert meaning is not None
    assert meaning.text == "RPCError: UNAVAILABLE: nö"
