"""Errors of Connect are read with their details; garbage never hides that the call has failed."""

import base64
import json

import pytest
from google.rpc import error_details_pb2, status_pb2

from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.connect_errors import end_of_stream, error_of, is_error
from asyncapi.sansio.rpc.metadata import NONE

INFO = error_details_pb2.ErrorInfo(reason="NO_QUOTA", domain="a.example").SerializeToString()


def read(stated, status=503, kind="application/json; charset=utf-8"):
    body = stated if isinstance(stated, bytes) else json.dumps(stated).encode()
    return error_of(status, kind, body, NONE)


@pytest.mark.parametrize("coded", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("name", ["google.rpc.ErrorInfo", "type.googleapis.com/google.rpc.ErrorInfo"])
def test_details_become_a_google_rpc_status(coded, padded, name):
    value = coded(INFO).decode()
    detail = {"type": name, "value": value if padded else value.rstrip("="), "debug": {"reason": "x"}}
    ending = read({"code": "resource_exhausted", "message": "ü" * 100, "details": [detail, detail]})
    status = status_pb2.Status.FromString(ending.packed)
    assert (status.code, status.message) == (8, "ü" * 100)
    found = error_details_pb2.ErrorInfo()
    assert [each.Unpack(found) for each in status.details] == [True, True]
    assert found.reason == "NO_QUOTA"


@pytest.mark.parametrize(
    "detail", [1, None, {}, {"type": "a"}, {"type": 1, "value": "AA"}, {"type": "a", "value": "?"}]
)
def test_a_detail_that_is_not_well_formed_is_left_out(detail):
    good = {"type": "a.B", "value": "AAE"}
    ending = read({"code": "aborted", "details": [detail, good]})
    (found,) = status_pb2.Status.FromString(ending.packed).details
    assert (found.type_url, found.value) == ("type.googleapis.com/a.B", b"\0\1")


@pytest.mark.parametrize("details", [None, {}, "x", 3])
def test_details_that_are_no_list_are_left_out(details):
    assert read({"code": "aborted", "details": details}).packed == b""


def test_a_code_that_there_is_not_is_that_of_the_status():
    assert read({"code": "sleepy", "message": "zz"}, 503).code is Code.UNAVAILABLE
    assert read({"message": "zz"}, 401).code is Code.UNAUTHENTICATED
    assert read({"code": 7, "message": 8}, 404).code is Code.UNIMPLEMENTED
    assert read({"code": 7, "message": 8}, 404).details == ""


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.INTERNAL), (401, Code.UNAUTHENTICATED), (403, Code.PERMISSION_DENIED), (404, Code.UNIMPLEMENTED),
        (408, Code.UNKNOWN), (413, Code.UNKNOWN), (429, Code.UNAVAILABLE), (500, Code.UNKNOWN),
        (502, Code.UNAVAILABLE), (503, Code.UNAVAILABLE), (504, Code.UNAVAILABLE), (505, Code.UNKNOWN),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b"{}"])
def test_a_body_that_is_no_error_has_the_code_of_its_status(status, code, body):
    ending = read(body, status)
    assert ending.code is code
    assert f"HTTP status {status}" in ending.details


def test_an_error_in_another_type_is_not_read():
    assert read({"code": "not_found"}, 503, "text/plain").code is Code.UNAVAILABLE


def test_only_an_object_with_a_code_is_an_error_of_the_protocol():
    assert is_error("application/json", b'{"code":"sleepy"}')
    assert not is_error("application/json", b'{"error":"x"}')
    assert not is_error("text/html", b'{"code":"internal"}')


def test_the_end_of_a_stream_has_its_error_and_its_metadata():
    stated = {"error": {"code": "canceled", "message": "m"}, "metadata": {"A": ["1", 2], "b": 3, "c": "4"}}
    ending = end_of_stream(json.dumps(stated).encode())
    assert (ending.code, ending.details) == (Code.CANCELLED, "m")
    assert ending.trailing == [("a", "1"), ("c", "4")]
    assert end_of_stream(b'{"error":{"code":"sleepy"}}').code is Code.UNKNOWN
    assert end_of_stream(b'{"error":{}}').code is Code.UNKNOWN
