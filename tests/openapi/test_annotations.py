"""A schema in the dialect becomes an annotation."""

from __future__ import annotations

import pytest

from asyncapi.openapi.annotations import annotation, with_none


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"$ref": "#/components/schemas/Pet"}, "Pet"), ({"const": "a"}, "Literal['a']"), ({"enum": ["a", 1]}, "Literal['a', 1]"),
        ({"type": "array", "items": {"type": "integer"}}, "list[int]"), ({"type": "array"}, "list[Any]"),
        ({"type": "object"}, "dict[str, Any]"), ({"type": "object", "additionalProperties": {"type": "number"}}, "dict[str, float]"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "str | None"), ({"type": "string", "format": "date-time"}, "datetime"),
        ({"type": "string", "format": "uuid"}, "UUID"), ({"type": "string", "format": "binary"}, "bytes"), ({}, "Any"),
    ],
)  # fmt: skip
def test_a_schema_is_a_type(schema, text):
    assert annotation(schema) == text


@pytest.mark.parametrize(("text", "made"), [("int", "int | None"), ("Any", "Any"), ("str | None", "str | None")])
def test_none_is_added_once(text, made):
    assert with_none(text) == made
