"""The reason of a refusal reaches the message in whatever form it comes: one short line, and no secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.auth.oauth_errors import Refusal, parse, read_refusal, shown

WHY = "the app is suspended"


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ({"error": "invalid_grant", "error_description": WHY}, "invalid_grant", WHY),
        ({"error": {"code": 191, "message": WHY, "type": "OAuthException"}}, "191", WHY),
        ({"error": {"status": "PERMISSION_DENIED", "message": WHY}}, "PERMISSION_DENIED", WHY),
        ({"error": {"errors": [{"message": WHY}]}}, "", WHY),
        ({"error_description": WHY}, "", WHY),
        ({"message": WHY}, "", WHY),
        ({"Message": WHY}, "", WHY),
        ({"errorCode": "E1", "errorSummary": WHY}, "E1", WHY),
        ({"errors": [{"message": WHY}, {"message": "and old"}]}, "", f"{WHY}; and old"),
        ({"errors": [WHY]}, "", WHY),
        ([{"errorCode": "E1", "message": WHY}], "E1", WHY),
        ({"fault": {"faultstring": WHY, "detail": {"errorcode": "keys.old"}}}, "keys.old", WHY),
        ({"type": "about:blank", "title": "Forbidden", "detail": WHY}, "about:blank", WHY),
        ({"why": {"then": WHY}, "access_token": "a-secret"}, "", WHY),
        (WHY, "", WHY),
        ({}, "", ""),
        ([], "", ""),
        ([[[[[[[[WHY]]]]]]]], "", ""),
    ],
)
def test_json(said, error, text):
    assert read_refusal(json.dumps(said).encode()) == Refusal(error, text)


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        (b"error=bad_code&error_description=the+app+is+suspended", "bad_code", WHY),
        (b"the app is suspended\r\n", "", WHY),
        (b"<html><head><title>403</title><style>a{}</style></head><h1>the app\n is suspended</h1>", "", f"403 {WHY}"),
        (b"<error><message>the app is suspended</message></error>", "", WHY),
        ("\ufeffthe app is suspended".encode(), "", WHY),
        (b"", "", ""),
        (b"\xff\xfe", "", "��"),
        (b"[" * 100_000, "", "[" * 197 + "..."),
    ],
)
def test_other_shapes(said, error, text):
    assert read_refusal(said) == Refusal(error, text)


def test_what_is_named_nowhere_is_left_out_where_a_token_may_be_among_it():
    assert read_refusal(b'{"token": "a-secret", "note": "hello"}', any_text=False) == Refusal("", "")
    assert read_refusal(b"a-secret", any_text=False) == Refusal("", "")


@pytest.mark.parametrize(
    "text",
    [
        "refresh_token=canary-bird is old",
        "refresh_token: 'canary-bird'",
        '{"client_secret": "canary-bird"}',
        "eyJhbGciOiJIUzI1NiJ9.canary-bird.signature-canary-bird is expired",
    ],
)
def test_what_looks_like_a_secret_is_masked(text):
    assert "canary" not in shown(text)


@given(
    st.binary(max_size=2000)
    | st.text(max_size=2000).map(str.encode)
    | st.text().map(lambda t: json.dumps({"error": t}).encode())
)
def test_whatever_comes_is_one_short_line(content):
    refusal = read_refusal(content)
    for told in (refusal.text, shown(refusal.error), refusal.before(), refusal.after()):
        assert told.isprintable()
        assert len(told) <= 410


def test_control_characters_and_directions_are_gone():
    assert shown("a\x1b[31mb\u202ec\x00\n\nd\ud800e") == "a [31mb c d e"


@pytest.mark.parametrize(
    "content", [b"a=b", b"x" * 100, b"<a href=error=1>", b"error=1 2", b"[1", b"error=" + b"&a=b" * 1000]
)
def test_what_is_neither_json_nor_a_form_is_nothing(content):
    assert parse(content) is None
