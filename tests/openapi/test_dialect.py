"""Single schemas are written in one dialect: what pydantic holds to stays, everything else goes."""

from __future__ import annotations

import pytest

from asyncapi.openapi import dialect


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"exclusiveMinimum": True, "minimum": 3}, {"exclusiveMinimum": 3}),
        ({"type": "string", "x-secret": 1}, {"type": "string"}),
        ({"x-enumNames": ["A"]}, {"x-enum-varnames": ["A"]}),
    ],
)
def test_older_words_become_those_of_today(schema, made):
    assert dialect.upgraded(schema) == made


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"enum": ["a"]}, {"const": "a"}), ({"const": 5}, {"const": 5}),
        ({"type": "string", "enum": [True, 1]}, {"enum": ["true", "1"], "type": "string"}),
        ({"enum": [1.0, 2.0]}, {"enum": [1, 2], "type": "integer"}), ({"enum": [1.5, 2]}, {"type": "number"}),
        ({"enum": [True, False]}, {"type": "boolean"}), ({"enum": ["a", "a", "b"]}, {"enum": ["a", "b"], "type": "string"}),
        ({"enum": []}, {}), ({"enum": [{"a": 1}]}, {}),
    ],
)  # fmt: skip
def test_choices_become_constants_and_enums(schema, made):
    found = dialect.choice(schema)
    found.pop("x-enum-varnames", None)
    assert found == made


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string", "format": "uuid", "maxLength": 3}, {"type": "string", "format": "uuid"}),
        ({"type": "string", "format": "email"}, {"type": "string"}),
        ({"type": "string", "pattern": "(?=x)"}, {"type": "string"}),
        ({"type": "string", "pattern": "^a+$"}, {"type": "string", "pattern": "^a+$"}),
        ({"type": "number", "multipleOf": 0.01}, {"type": "number"}),
        ({"type": "integer", "minimum": 1.0}, {"type": "integer", "minimum": 1}),
        ({"type": "string", "minimum": 1}, {"type": "string"}), ({"type": "file"}, {"type": "string", "format": "binary"}),
        ({"type": "string", "contentEncoding": "base64"}, {"type": "string", "format": "byte"}),
        ({"type": "nonsense"}, {}), ({}, {}),
    ],
)  # fmt: skip
def test_primitives_keep_what_models_can_hold_to(schema, made):
    assert dialect.primitive(schema) == made


@pytest.mark.parametrize(
    ("value", "schema", "found", "fits"),
    [
        ("a", {"type": "string"}, {}, True), (1, {"type": "string"}, {}, False), ([], {"type": "array"}, {}, True),
        (["a"], {"type": "array"}, {}, False), ("x", {"$ref": "#"}, {"enum": ["x"]}, True),
        ("y", {"$ref": "#"}, {"enum": ["x"]}, False), (True, {"type": "integer"}, {}, False),
        ("2020-01-01", {"type": "string", "format": "date"}, {}, False), (1, {"type": "number"}, {}, True),
    ],
)  # fmt: skip
def test_a_default_stays_where_it_is_a_value_of_its_type(value, schema, found, fits):
    assert dialect.fits(value, schema, found) is fits


def test_anything_swallows_a_union_and_null_stands_last():
    assert dialect.either([{"type": "string"}, {}]) == {}
    assert dialect.either([{"type": "null"}, {"type": "string"}]) == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_an_enum_of_texts_and_broken_numbers_is_a_union_of_their_types():
    found = dialect.choice({"enum": ["a", 1, 1.5, True, None]})
    assert found == {"anyOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string"}]}
    assert dialect.choice({"const": None}) == {"type": "null"}
