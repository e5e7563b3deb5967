"""Lists and objects of parameters go out in the styles of OpenAPI: the table of its section 4.8.12.4, and its edges."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import BaseModel, Field

from asyncapi import ConfigError
from asyncapi.declared.styles import header_text, path_text, query_pairs

RGB = {"R": 100, "G": 200}
LIST = ["blue", "black"]


class Filter(BaseModel):
    name: str = Field(alias="Name")
    since: date | None = None


@pytest.mark.parametrize(
    ("value", "style", "explode", "pairs"),
    [
        (LIST, "form", None, [("c", "blue"), ("c", "black")]),
        (LIST, "form", False, [("c", "blue,black")]),
        (RGB, "form", None, [("R", "100"), ("G", "200")]),
        (RGB, "form", False, [("c", "R,100,G,200")]),
        (LIST, "spaceDelimited", None, [("c", "blue black")]),
        (LIST, "pipeDelimited", None, [("c", "blue|black")]),
        (LIST, "pipeDelimited", True, [("c", "blue"), ("c", "black")]),
        (LIST, "tabDelimited", None, [("c", "blue\tblack")]),
        (RGB, "deepObject", None, [("c[R]", "100"), ("c[G]", "200")]),
        ({"a": {"b": [1, 2]}}, "deepObject", None, [("c[a][b][0]", "1"), ("c[a][b][1]", "2")]),
        ({"a": [RGB, None]}, "deepObject", None, [("c[a][0][R]", "100"), ("c[a][0][G]", "200")]),
        (LIST, "deepObject", None, [("c[0]", "blue"), ("c[1]", "black")]),
        ([RGB], "form", None, [("c", '{"R":100,"G":200}')]),
        ([RGB, RGB], "form", False, [("c", '[{"R":100,"G":200},{"R":100,"G":200}]')]),
        ({"a": {"b": 1}, "d": [2, 3]}, "form", None, [("a", '{"b":1}'), ("d", "2"), ("d", "3")]),
        ({"a": {"b": 1}}, "form", False, [("c", '{"a":{"b":1}}')]),
        (RGB, "json", None, [("c", '{"R":100,"G":200}')]),
        ([], "form", False, []),
        ({"a": None, "b": True}, "form", None, [("b", "true")]),
        (None, "deepObject", None, []),
        (Filter(Name="x", since=date(2026, 1, 2)), "deepObject", None, [("c[Name]", "x"), ("c[since]", "2026-01-02")]),
        ([date(2026, 1, 2), None], "form", False, [("c", "2026-01-02")]),
        (7, "form", False, [("c", "7")]),
    ],
)
def test_a_query_has_each_style(value, style, explode, pairs):
    assert query_pairs("c", value, style, explode) == pairs


@pytest.mark.parametrize(
    ("value", "style", "explode", "text"),
    [
        (LIST, "simple", False, "blue,black"),
        (RGB, "simple", False, "R,100,G,200"),
        (RGB, "simple", True, "R=100,G=200"),
        (LIST, "label", False, ".blue,black"),
        (LIST, "label", True, ".blue.black"),
        (RGB, "label", True, ".R=100.G=200"),
        (LIST, "matrix", False, ";c=blue,black"),
        (LIST, "matrix", True, ";c=blue;c=black"),
        (RGB, "matrix", False, ";c=R,100,G,200"),
        (RGB, "matrix", True, ";R=100;G=200"),
        ("a/b", "simple", False, "a%2Fb"),
        (RGB, "json", False, "%7B%22R%22%3A100%2C%22G%22%3A200%7D"),
    ],
)
def test_a_path_has_each_style(value, style, explode, text):
    assert path_text("c", value, style, explode) == text


@pytest.mark.parametrize(
    ("value", "explode", "text"),
    [(LIST, False, "blue,black"), (RGB, False, "R,100,G,200"), (RGB, True, "R=100,G=200"), (5, False, "5")],
)
def test_a_header_separates_by_commas(value, explode, text):
    assert header_text("c", value, "simple", explode) == text


def test_an_item_that_holds_the_delimiter_is_refused():
    with pytest.raises(ConfigError, match="separates the items"):
        query_pairs("c", ["a,b"], "form", False)


@pytest.mark.parametrize("value", [None, "", [], [""]])
def test_a_path_is_never_empty(value):
    with pytest.raises(ConfigError, match="can't be in the path"):
        path_text("c", value, "simple", False)


def test_what_has_no_style_is_json():
    assert query_pairs("c", [[1]], "form", False) == [("c", "[[1]]")]
    assert path_text("c", [RGB], "simple", False) == "%5B%7B%22R%22%3A100%2C%22G%22%3A200%7D%5D"
    assert header_text("c", {"a": {"b": 1}}, "simple", False) == '{"a":{"b":1}}'
