"""A row is shown as it would be sent, without its secrets."""

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.item import Item
from asyncapi.cli.first_rows import shown


def item(*args, **settings):
    made = Item(*args, **settings)
    made.name, made.index, made.held, made.columns = settings.get("id"), 0, "", None
    return made


def lines(made, **settings):
    return list(shown(Job("in.jsonl", "out.jsonl", **settings), made))


def test_method_url_and_headers_of_a_row_are_shown_and_secrets_are_not():
    made = item("POST", "https://u:p@h.example/1?api_key=x&q=1", id="a7", headers={"X-A": "row", "X-Api-Key": "s3cr3t"})
    assert sorted(lines(made, headers={"x-a": "all", "Authorization": "Bearer s3cr3t"})) == [
        "  Authorization: ***",
        "  X-A: row",
        "  X-Api-Key: ***",
        "POST https://***@h.example/1?api_key=***&q=1   (id a7)",
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"json": {"prompt": "grün", "max_tokens": 5, "password": "s3cr3t", "in": [{"token": "s3cr3t"}]}},
         '{"prompt": "grün", "max_tokens": 5, "password": "***", "in": [{"token": "***"}]}'),
        ({"data": {"a": "b c", "token": "s3cr3t"}}, "a=b+c&token=***"),
        ({"content": "a=b&secret=s3cr3t"}, "a=b&secret=***"),
        ({"content": b'{"a": 1, "secret": "s3cr3t"}'}, '{"a": 1, "secret": "***"}'),
        ({"content": "two\nlines"}, "two lines"),
        ({"content": "x" * 500}, "x" * 197 + "..."),
        ({"json": "text"}, '"text"'),
    ],
)  # fmt: skip
def test_a_body_is_one_line_without_secrets(body, says):
    assert lines(item("POST", "https://h.example/1", **body)) == ["POST https://h.example/1", f"  {says}"]


def test_carried_columns_are_shown():
    made = item("GET", "https://h.example/1")
    made.columns = {"note": "the\nfirst", "n": 3}
    assert lines(made) == ["GET https://h.example/1", "  carries note=the first, n=3"]
