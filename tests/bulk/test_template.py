"""URL templates fill one URL a row, and no value can change which path is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from asyncapi.bulk.template import Template
from asyncapi.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "row", "url"),
    [
        ("https://h/items/{id}", {"id": 7}, "https://h/items/7"),
        ("https://h/items/{id}", {"id": "a/b?c#d"}, "https://h/items/a%2Fb%3Fc%23d"),
        ("https://h/{a}/{b}/x", {"a": "1", "b": "2", "c": "3"}, "https://h/1/2/x"),
        ("https://h/s?q={q}&r={q}", {"q": "x y&z"}, "https://h/s?q=x%20y%26z&r=x%20y%26z"),
        ("https://h/s?q={q}", {"q": ""}, "https://h/s?q="),
        ("https://h/{{x}}/{id}", {"id": 1}, "https://h/{x}/1"),
        ("https://h/{{{id}}}?a={b}", {"id": 1, "b": ""}, "https://h/{1}?a="),
        ("https://h/{Item Id}", {"Item Id": 1.5}, "https://h/1.5"),
    ],
)
def test_columns_fill_the_fields_quoted(text, row, url):
    assert Template(text).fill(row) == url


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://h/items", "no {column}"),
        ("https://h/{}", "a field is {column}"),
        ("https://h/{id", "cannot read"),
        ("https://h/id}", "cannot read"),
        ("https://h/{id:>3}", "nothing more"),
        ("https://h/{id!r}", "nothing more"),
    ],
)
def test_a_template_that_cannot_work_is_one_clear_error(text, says):
    with pytest.raises(ConfigError, match=says):
        Template(text)


@pytest.mark.parametrize(
    ("value", "says"),
    [("", "change the path"), (".", "change the path"), ("..", "change the path"), (None, "only hold text"),
     (True, "only hold text"), ([1], "only hold text")],
)  # fmt: skip
def test_a_value_that_would_ask_for_another_path_is_refused(value, says):
    with pytest.raises(ValueError, match=says):
        Template("https://h/items/{id}").fill({"id": value})


def test_a_missing_column_is_named_beside_those_that_are_there():
    with pytest.raises(ValueError, match=r"no column 'id' \(the columns are: a, b\)"):
        Template("https://h/{id}").fill({"a": 1, "b": 2})


@given(st.text(min_size=1).filter(lambda value: value not in {".", ".."} and value.isprintable()))
def test_any_text_comes_back_as_one_path_segment(value):
    url = URL(Template("https://h/items/{id}/end").fill({"id": value}))
    assert url.host == "h"
    assert url.raw_path.count("/") == 3
    assert url.parts == ("/", "items", value, "end")
