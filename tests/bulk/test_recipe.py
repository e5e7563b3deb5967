"""A row becomes a request: its columns fill it, and what is wrong with it is said."""

import pytest

from asyncapi.bulk.recipe import Recipe
from asyncapi.errors import ConfigError


def item(row, *, table=False, **settings):
    recipe = Recipe(**settings)
    recipe.table = table
    recipe.check(row)
    return recipe.item(row)


def test_a_body_makes_a_post_unless_the_method_is_given():
    row = {"url": "https://h/", "t": "x"}
    assert item(row, json='{"a": "{t}"}').method == "POST"
    assert item(row, data="a={t}").method == "POST"
    assert item(row, json='{"a": "{t}"}', method="put").method == "PUT"
    assert item(row, data="a={t}", method="GET").method == "GET"
    assert item({"url": "https://h/"}).method == "GET"
    assert item({**row, "method": "patch"}, json="[]").method == "PATCH"


def test_a_fixed_url_is_allowed_where_the_body_differs():
    made = item({"text": "hi", "id": 3}, template="https://h/v1/chat", json='{"prompt": "{text}"}')
    assert (made.given, made.json, made.id) == ("https://h/v1/chat", {"prompt": "hi"}, 3)
    with pytest.raises(ConfigError, match="every row would request the same URL"):
        Recipe(template="https://h/v1/chat", json='{"prompt": "hi"}')
    assert item({"t": 1}, template="https://h/", headers={"X": "{t}"}).headers["X"] == "1"


def test_keys_of_a_request_keep_their_meaning_beside_columns():
    row = {"id": 1, "url": "https://h/", "headers": {"X-A": "own"}, "params": {"q": 1}, "text": "t", "note": "n"}
    made = item(row, json='{"p": "{text}"}', headers={"X-A": "{note}", "X-B": "{note}"}, carry="all")
    assert (made.params, made.json, made.columns) == ({"q": 1}, {"p": "t"}, {"text": "t", "note": "n"})
    assert dict(made.headers) == {"X-A": "own", "X-B": "n"}


@pytest.mark.parametrize("name", ["json", "data", "content"])
def test_a_body_key_is_a_column_where_the_jobs_body_asks_for_it(name):
    made = item({"url": "https://h/", name: "text"}, json={"p": f"{{{name}}}"}, carry="all")
    assert (made.json, made.columns) == ({"p": "text"}, {name: "text"})
    with pytest.raises(ValueError, match=f"the row has '{name}' and the job has --data: a request has one body"):
        item({"url": "https://h/", name: {} if name == "data" else "text"}, data="x")


def test_two_bodies_of_a_job_exclude_each_other():
    with pytest.raises(ConfigError, match="one body"):
        Recipe(json="{}", data="")


@pytest.mark.parametrize(
    ("carry", "template", "columns"),
    [
        ("all", None, {"note": "n", "x": ""}),
        (("note",), None, {"note": "n"}),
        (("x", "note", "x"), None, {"x": "", "note": "n"}),
        (("id", "url", "method"), None, {"method": ""}),
        ("all", "https://h/{x}a", {"url": "https://h/", "method": "", "note": "n", "x": ""}),
        (("url", "id"), "https://h/{note}", {"url": "https://h/"}),
        (("gone",), None, {"gone": None}),
    ],
)
def test_columns_are_carried_but_for_those_that_the_output_has(carry, template, columns):
    row = {"id": "1", "url": "https://h/", "method": "", "note": "n", "x": ""}
    if template == "https://h/{x}a":
        template = "https://h/q?{x}"
    assert item(row, table=True, carry=carry, template=template).columns == columns


@pytest.mark.parametrize(("value", "weight"), [("3", 3.0), (2, 2.0), (0.5, 0.5), ("1e3", 1000.0), (" 7 ", 7.0)])
def test_a_weight_is_a_positive_number(value, weight):
    assert item({"url": "https://h/", "w": value}, weight_from="w").weight == weight


@pytest.mark.parametrize("value", ["", "x", 0, -1, "nan", "inf", None, True, [1]])
def test_any_other_weight_is_refused(value):
    with pytest.raises(ValueError, match=r"column 'w' is .*: a weight is a number above 0"):
        item({"url": "https://h/", "w": value}, weight_from="w")


def test_a_missing_weight_column_is_refused():
    with pytest.raises(ValueError, match=r"no column 'w' \(the columns are: url\)"):
        item({"url": "https://h/"}, weight_from="w")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\rb"])
def test_a_header_value_that_would_end_its_line_is_refused(value):
    with pytest.raises(ValueError, match="header X: a line break or control character in its value"):
        item({"url": "https://h/", "v": value}, headers={"X": "{v}"})


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"url": 5}, "column 'url' is 5: give text"),
        ({"url": "https://h/", "method": 5}, "column 'method' is 5: give text"),
        ({"url": None}, "the row has no 'url'"),
        ({"url": "https://h/", "method": "GE T"}, "'GE T' is not an HTTP method"),
        ({"url": "s3cret@h/x"}, "has no scheme"),
    ],
)
def test_the_row_of_a_table_is_checked(row, says):
    with pytest.raises(ValueError, match=says):
        item(row, table=True, carry="all")


def test_typed_ids_and_keys_of_tables_are_taken():
    from decimal import Decimal

    made = item({"id": 0, "url": "https://h/", "idempotency_key": 7}, table=True, carry="all")
    assert (made.id, made.idempotency_key) == (0, "7")
    assert item({"id": Decimal("1.5"), "url": "https://h/"}, table=True, carry="all").id == "1.5"


def test_a_method_that_is_none_is_refused_before_any_row():
    with pytest.raises(ConfigError, match="'GE T' is not an HTTP method"):
        Recipe(method="GE T")


def test_columns_that_are_named_must_be_there():
    recipe = Recipe(carry=("note", "x"), weight_from="cost", json='{"a": "{text}"}')
    recipe.check_names(["x", "note", "cost"])
    with pytest.raises(
        ValueError, match=r"no column 'note' \(the columns are: x, Notes, cost\); did you mean 'Notes'\?"
    ):
        recipe.check_names(["x", "Notes", "cost"])
