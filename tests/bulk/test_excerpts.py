"""Errors quote the user's line: on one line, short, and without its secrets."""

import pytest

from asyncapi.bulk.excerpts import excerpt, secrets_of


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("https://h/1\r\n", "https://h/1"),
        ("https://u:pw@h/1?q=1", "https://***@h/1?q=1"),
        ("ftp://h/?token=abc&q=1", "ftp://h/?token=***&q=1"),
        ('{"id":1,"headers":{"Authorization":"Bearer s3cret"},"url":"x"}',
         '{"id":1,"headers":{"Authorization":"***"},"url":"x"}'),
        ('{"api_key": "a\\"b", "q": "c"}', '{"api_key": "***", "q": "c"}'),
        ('{"password":"never closed', '{"password":"***"'),
        ("1,Bearer abcdef,x", "1,Bearer ***,x"),
        ("a\tb\x1b[31m\u202ec", "a b\\x1b[31m\\u202ec"),
        ("x" * 500, "x" * 97 + "..."),
        ("", ""),
    ],
)  # fmt: skip
def test_a_line_is_quoted_short_and_masked(line, shown):
    assert excerpt(line) == shown


def test_the_cells_of_columns_that_hold_secrets_are_masked():
    row = {"id": "7", "api_key": "k-123", "name": "x", "token": ""}
    assert secrets_of(row) == ["k-123"]
    assert excerpt("7,k-123,x,", secrets_of(row)) == "7,***,x,"


def test_a_long_line_of_quotes_takes_no_time():
    assert len(excerpt('"' * 1_000_000)) == 100
    assert len(excerpt('"\\' * 1_000_000)) == 100


def test_a_secret_in_an_array_or_an_object_is_masked_with_all_that_follows():
    assert excerpt('{"id":1,"token":["s3cret"],"b":2}') == '{"id":1,"token":***'
    assert "s3cret" not in excerpt('{"a":[1],"password" : {"x":"s3cret"}}')
    assert excerpt('{"tags":["x"],"n":{"a":1}}') == '{"tags":["x"],"n":{"a":1}}'


def test_secrets_of_a_row_may_be_of_any_type():
    assert secrets_of({"token": ["a"], "n": {"b": 1}, "password": None}) == ["['a']"]
