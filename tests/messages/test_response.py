"""A response: read as text, data or models, copied and pickled without secrets; and the outcome of one item."""

from __future__ import annotations

import pickle
from copy import copy

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import BaseModel
from yarl import URL

from asyncapi import ConfigError, DecodeError, NotFound, Outcome, Request, Response, SchemaError, ServerError
from asyncapi.messages import decoding
from asyncapi.types import Attempt


class User(BaseModel):
    id: int


JSON = {"Content-Type": "application/json"}


def test_headers_are_case_insensitive_and_can_not_be_changed():
    response = Response(200, {"X-A": "1"})
    assert response.headers["x-a"] == "1"
    assert type(response.headers) is CIMultiDictProxy
    proxy = CIMultiDictProxy(CIMultiDict(JSON))
    assert Response(200, proxy).headers is proxy


@pytest.mark.parametrize(("status", "ok"), [(200, True), (304, True), (399, True), (400, False), (503, False)])
def test_a_status_below_400_is_ok(status, ok):
    assert Response(status).ok is ok


def test_a_body_is_read_as_text_data_and_models():
    response = Response(200, JSON, b'{"id":1}')
    assert (response.text, response.json(), response.parse(User)) == ('{"id":1}', {"id": 1}, User(id=1))
    assert Response(200, JSON, b'[{"id":1}]').parse(list[User]) == [User(id=1)]


def test_a_body_in_the_charset_of_its_header_is_parsed_too():
    latin = Response(200, {"Content-Type": "application/json; charset=latin-1"}, '{"n":"é"}'.encode("latin-1"))
    assert latin.parse(dict[str, str]) == {"n": "é"}


def test_a_good_body_is_parsed_by_the_fast_reader_alone(monkeypatch):
    def slow(*_):
        raise AssertionError("the slow reader")

    monkeypatch.setattr(decoding, "parse", slow)
    assert Response(200, JSON, b'{"id":1}').parse(User) == User(id=1)
    with pytest.raises(AssertionError, match="the slow reader"):
        Response(200, JSON, b"{}").parse(User)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"{}", SchemaError, "the response doesn't match User: Field required at id"),
        (b"", DecodeError, "the response body is empty where User was expected"),
        (b"<html>", DecodeError, r"the response isn't valid JSON \(Content-Type application/json\)"),
    ],
)
def test_an_error_of_a_body_has_the_request_the_attempts_and_the_bytes(content, error, message):
    request = Request("GET", "https://h/?token=s3cr3t")
    response = Response(200, JSON, content, url=request.url, request=request)
    response.attempts = (attempt(),)
    with pytest.raises(error, match=message) as caught:
        response.parse(User)
    assert str(caught.value).startswith("GET https://h/?token=***: ")
    assert (caught.value.attempts, caught.value.body) == (response.attempts, content)


def test_a_model_that_is_none_is_an_error_with_its_request():
    with pytest.raises(ConfigError, match=r"^GET https://h/: model=.* is not a type") as caught:
        Response(200, JSON, b"{}", request=Request("GET", "https://h/")).parse(print)
    assert caught.value.request is not None


def test_a_bad_status_raises_its_class():
    response = Response(200)
    assert response.raise_for_status() is response
    with pytest.raises(NotFound):
        Response(404).raise_for_status()
    with pytest.raises(ServerError):
        Response(500).raise_for_status()


def test_a_copy_is_another_object_with_the_same_values():
    response = Response(200, JSON, b"1", url="https://h/")
    response.attempts, response.degraded = (attempt(),), "stale"
    twin = copy(response)
    assert twin is not response
    assert all(getattr(twin, name) is getattr(response, name) for name in Response.__slots__)


def test_trailers_are_apart_from_the_headers_and_outlive_copies_and_pickles():
    assert not Response(200).trailers
    response = Response(200, JSON, b"1", url="https://h/", trailers=[("Grpc-Status", "0"), ("a", "1"), ("a", "2")])
    assert "grpc-status" not in response.headers
    for twin in (response, copy(response), pickle.loads(pickle.dumps(response))):
        assert (twin.trailers["grpc-status"], twin.trailers.getall("A")) == ("0", ["1", "2"])
        assert type(twin.trailers) is type(twin.headers)


def test_the_trailers_of_an_error_are_pickled_without_secrets():
    failed = Response(503, JSON, b"{}", url="https://h/", trailers={"Grpc-Status": "14", "Set-Cookie": "a=s3cr3t"})
    with pytest.raises(ServerError) as caught:
        failed.raise_for_status()
    data = pickle.dumps(caught.value)
    assert b"s3cr3t" not in data
    assert pickle.loads(data).response.trailers["grpc-status"] == "14"


def test_a_pickle_has_the_answer_and_no_secret():
    request = Request("GET", "https://h/?token=s3cr3t", headers={"Authorization": "s3cr3t"})
    response = Response(200, JSON, b"1", url=request.url, request=request, http_version="1.1")
    response.attempts, response.elapsed, response.from_cache = (attempt(),), 1.5, "fresh"
    data = pickle.dumps(response)
    assert b"s3cr3t" not in data
    back = pickle.loads(data)
    assert (back.status, back.content, back.headers, back.http_version) == (200, b"1", response.headers, "1.1")
    assert (back.elapsed, back.from_cache, str(back.url)) == (1.5, "fresh", "https://h/?token=***")
    assert back.attempts[0].url == "https://h/?token=***"


def test_its_text_says_status_place_and_size():
    assert (
        repr(Response(200, None, b"abc", url="https://h/?token=s3cr3t"))
        == "<Response 200 https://h/?token=*** 3 bytes>"
    )


def test_an_outcome_is_ok_where_there_is_no_error():
    assert Outcome(0, "https://h/", value=None).ok
    assert not Outcome(0, "https://h/", error=DecodeError("no", body=b"")).ok


def attempt() -> Attempt:
    return Attempt(1, "GET", URL("https://h/?token=s3cr3t"), "first", 0.0, 0.0, status=200)
