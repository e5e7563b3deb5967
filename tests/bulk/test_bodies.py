"""Bodies and headers are filled from columns, and no value can break out of its place."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.bodies import DataBody, HeaderFields, JsonBody
from asyncapi.errors import ConfigError
from asyncapi.messages.request import Request


def filled(template, row):
    request = Request("POST", "https://h/")
    JsonBody(template).put(request, row, None)
    return request.json


def sent(template, row, kind=None, headers=()):
    request = Request("POST", "https://h/", headers=dict(headers))
    DataBody(template).put(request, row, kind)
    return request.content, request.headers.get("Content-Type")


@pytest.mark.parametrize(
    ("template", "row", "body"),
    [
        ('{"prompt": "{text}"}', {"text": "hi"}, {"prompt": "hi"}),
        ('{"prompt": "Say {text}!"}', {"text": 'a"}, {"x": "'}, {"prompt": 'Say a"}, {"x": "!'}),
        ('{"n": "{n}", "t": "no {n}"}', {"n": 7}, {"n": 7, "t": "no 7"}),
        ('["{a}", "{a}{b}", 1, null, true]', {"a": True, "b": 1.5}, [True, "true1.5", 1, None, True]),
        ('{"o": "{o}", "t": "{o}."}', {"o": {"k": [1]}}, {"o": {"k": [1]}, "t": '{"k":[1]}.'}),
        ('{"n": "{n}"}', {"n": None}, {"n": None}),
        ('"{x}"', {"x": [1, {"y": None}]}, [1, {"y": None}]),
        ('{"re": "a{{2,3}}", "{k}": "{{{x}}}"}', {"x": "v"}, {"re": "a{2,3}", "{k}": "{v}"}),
        ({"m": [{"c": "{Item Id}"}], "k": 1.25}, {"Item Id": "é\n"}, {"m": [{"c": "é\n"}], "k": 1.25}),
        ("{}", {}, {}),
        ('{"d": "{d}", "m": "{m}"}', {"d": date(2024, 1, 2), "m": Decimal("1.10")}, {"d": "2024-01-02", "m": "1.10"}),
        ('{"a": {"b": [["{x}"]]}}', {"x": ""}, {"a": {"b": [[""]]}}),
    ],
)  # fmt: skip
def test_texts_of_json_are_filled_and_one_field_alone_keeps_its_type(template, row, body):
    assert filled(template, row) == body


def test_a_json_body_that_is_null_is_sent_as_null():
    request = Request("POST", "https://h/")
    JsonBody('"{x}"').put(request, {"x": None}, None)
    assert (request.json, request.content, request.headers["Content-Type"]) == (None, b"null", "application/json")


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text() | st.integers() | st.none(), min_size=2, max_size=2))
def test_no_value_changes_the_shape_of_the_json(row):
    body = json.loads(json.dumps(filled('{"x": ["{a}", {"y": "{b}"}], "z": "{a}"}', row)))
    assert body == {"x": [row["a"], {"y": row["b"]}], "z": row["a"]}


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ('{"a": {text}}', "--json is not valid JSON: "),
        ("hello", "--json is not valid JSON"),
        ('{"a": NaN}', "JSON has no NaN"),
        ('{"a": 1e999}', "no NaN and no infinity"),
        ('{"a": "{x"}', "cannot read the template in --json .*a brace is {{ or }}"),
        ('{"a": "x}"}', "cannot read the template in --json"),
        ('{"a": "{}"}', "a field is {column}, nothing more"),
        ('{"a": "{x:>3}"}', "a field is {column}, nothing more"),
        ({"a": object()}, "JSON can't hold it"),
        ("[" * 100_000, "--json"),
    ],
)
def test_a_json_template_that_cannot_work_is_one_clear_error(template, says):
    with pytest.raises(ConfigError, match=says):
        JsonBody(template)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"txet": "x"}, r"no column 'text' \(the columns are: txet\); did you mean 'txet'\?"),
        ({"text": float("nan")}, "JSON has no NaN"),
        ({"text": [1, {"x": float("inf")}]}, "JSON has no NaN"),
        ({"text": object()}, "JSON can't hold it"),
    ],
)
def test_a_value_that_json_cannot_hold_is_refused(row, says):
    with pytest.raises(ValueError, match=says):
        filled('{"prompt": "{text}"}', row)


def test_null_inside_of_a_text_is_refused():
    with pytest.raises(ValueError, match="column 'text' is null: it has no text"):
        filled('{"prompt": "Say {text}"}', {"text": None})


@pytest.mark.parametrize(
    ("template", "kind", "body", "sent_as"),
    [
        ("a={b}&c=1", None, b"a=x%26%20%C3%A9%3D&c=1", "application/x-www-form-urlencoded"),
        ("a={b}", "Application/X-WWW-Form-Urlencoded; charset=utf-8", b"a=x%26%20%C3%A9%3D",
         "Application/X-WWW-Form-Urlencoded; charset=utf-8"),
        ("<b>{b}</b>", "application/xml", "<b>x& é=</b>".encode(), "application/xml"),
        ("{{{b}}}", "text/plain", "{x& é=}".encode(), "text/plain"),
        ("no fields", None, b"no fields", "application/x-www-form-urlencoded"),
        ("", None, b"", "application/x-www-form-urlencoded"),
    ],
)  # fmt: skip
def test_data_is_a_form_unless_the_content_type_says_otherwise(template, kind, body, sent_as):
    assert sent(template, {"b": "x& é="}, kind) == (body, sent_as)


def test_the_rows_own_content_type_decides_about_its_body():
    assert sent("{b}", {"b": "&"}, None, {"Content-Type": "text/csv"}) == (b"&", "text/csv")


def test_json_in_data_is_pointed_to_the_other_option():
    with pytest.raises(ConfigError, match=r"template of --data .*JSON is easier with --json"):
        DataBody('{"a": "{b}"}')


def test_headers_are_filled_and_those_without_a_field_are_fixed():
    fields = HeaderFields({"X-A": "v {a}", "X-B": "{{fixed}}", "X-C": "plain", "Content-type": "text/csv"})
    request = Request("GET", "https://h/", headers={"x-own": "stays"})
    fields.put(request, {"a": 5})
    assert fields.fixed == {"X-B": "{fixed}", "X-C": "plain", "Content-type": "text/csv"}
    assert (fields.fields, fields.content_type) == (("a",), "text/csv")
    assert dict(request.headers) == {"x-own": "stays", "X-A": "v 5"}


def test_a_header_that_the_row_names_itself_stays():
    request = Request("GET", "https://h/", headers={"x-a": "mine"})
    HeaderFields({"X-A": "{a}"}).put(request, {"a": 5})
    assert request.headers.getall("X-A") == ["mine"]


def test_a_header_template_that_cannot_be_read_names_the_header():
    with pytest.raises(ConfigError, match="cannot read the template of the header X-A"):
        HeaderFields({"X-A": "{a"})
