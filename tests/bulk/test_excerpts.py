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
