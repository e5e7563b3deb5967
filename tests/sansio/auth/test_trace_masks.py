"""No secret is written down, and equal secrets stay equal."""

from __future__ import annotations

import pytest

from asyncapi.sansio.auth.trace_masks import Masks


@pytest.mark.parametrize(
    ("content", "kind", "written"),
    [
        (b'{"n": 1, "access_token": "abc"}', "application/json", '{"n": 1, "access_token": "***1"}'),
        (b'[{"password":"a\\"b"},{"client_secret" : "c"}]', "x/y", '[{"password":"***1"},{"client_secret" : "***2"}]'),
        (b'{"access_token": "a\\"b", "n": 1}', "application/json", '{"access_token": "***1", "n": 1}'),
        (
            b'{"data":[{"client_secret" : "x"},{"refresh_token":""}]}', "application/json",
            '{"data":[{"client_secret" : "***1"},{"refresh_token":"***2"}]}',
        ),
        (
            b'{"code": "E1", "key": "k", "status_code": "S", "token": 3, "text": "token"}', "application/json",
            '{"code": "E1", "key": "k", "status_code": "S", "token": 3, "text": "token"}',
        ),
        (
            b'{"auth_code": "a", "device_code": "b", "private_key": "c", "session": "d", "otp": "e"}', "x/y",
            '{"auth_code": "***1", "device_code": "***2", "private_key": "***3", "session": "***4", "otp": "***5"}',
        ),
        (b"\xff<html>", "text/html", "\xff<html>"),
        (b"", "", ""),
        (b'{"refresh_token": "cut of', "application/json", '{"refresh_token": "***1"'),
        (b"a=1&access_token=abc", "application/x-www-form-urlencoded; charset=utf-8", "a=1&access_token=***1"),
        (b"a=1&access_token=abc", "text/plain", "a=1&access_token=abc"),
        (b"\xff\x00{", "application/octet-stream", "\xff\x00{"),
        (b'{"name": "token", "value": "x"}', "application/json", '{"name": "token", "value": "x"}'),
    ],
)  # fmt: skip
def test_bodies(content, kind, written):
    assert Masks().body(content, kind) == written


def test_headers_and_the_urls_in_them():
    headers = {"Location": "/cb?code=abc&n=1", "Set-Cookie": "sid=abc", "ETag": "abc", "Authorization": "Bearer abc"}
    assert Masks().headers(headers) == {
        "Location": "/cb?code=***1&n=1", "Set-Cookie": "***2", "ETag": "abc", "Authorization": "***3",
    }  # fmt: skip


def test_a_secret_has_one_mask_wherever_it_stands():
    masks = Masks()
    assert masks.url("https://u:p@h/?token=abc#sid=abc") == "https://***1@h/?token=***2#sid=***2"
    assert masks.headers({"X-Token": "abc"}) == {"X-Token": "***2"}
    assert masks("other") == "***3"
