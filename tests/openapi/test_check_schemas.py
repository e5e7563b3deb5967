"""The words of a schema are checked for the version of its document."""

from __future__ import annotations

import json

import pytest

from asyncapi.openapi.check import check
from asyncapi.openapi.reading import read


def found(schema, spec="3.0.3"):
    whole = {"info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {
        "operationId": "a", "responses": {"200": {"description": ""}}}}}}  # fmt: skip
    if spec == "2.0":
        whole |= {"swagger": spec, "definitions": {"S": schema}}
    else:
        whole |= {"openapi": spec, "components": {"schemas": {"S": schema, "Dog": {}}}}
    return check(read(json.dumps(whole).encode()))


@pytest.mark.parametrize(
    ("spec", "schema", "what"),
    [
        ("3.0.3", {"type": "int"}, "'int' isn't a type"),
        ("3.1.0", {"type": ["string", "nul"]}, "'nul' isn't a type"),
        ("3.0.3", {"type": ["string", "null"]}, "a list of types is a word of OpenAPI 3.1"),
        ("3.0.3", {"type": "null"}, "the type null is a word of OpenAPI 3.1"),
        ("3.0.3", {"type": "file"}, "'file' isn't a type"),
        ("3.0.3", {"type": "array"}, "an array has no items"),
        ("3.0.3", {"minLength": -1}, "minLength is a whole number"),
        ("3.0.3", {"minimum": "1"}, "minimum is a number"),
        ("3.0.3", {"multipleOf": 0}, "multipleOf is a number above 0"),
        ("3.0.3", {"required": True}, "required is a list of names"),
        ("3.0.3", {"enum": []}, "enum is a list of values"),
        ("3.0.3", {"allOf": []}, "allOf is a list of schemas"),
        ("3.0.3", {"properties": []}, "properties is an object"),
        ("3.0.3", {"pattern": "(a"}, "the pattern '(a' isn't a regular expression"),
        ("3.0.3", {"type": "string", "enum": ["a", 1]}, "the enum mixes integer and string"),
        ("3.0.3", {"minimum": 2, "maximum": 1}, "minimum 2 is above maximum 1"),
        ("3.0.3", {"exclusiveMinimum": 1}, "exclusiveMinimum is true or false in OpenAPI 3.0"),
        ("3.1.0", {"exclusiveMinimum": True}, "exclusiveMinimum is a number in OpenAPI 3.1"),
        ("3.0.3", {"const": 1}, "const is a word of OpenAPI 3.1, and this is 3.0"),
        ("3.0.3", {"$defs": {}}, "$defs is a word of OpenAPI 3.1"),
        ("2.0", {"oneOf": [{}]}, "oneOf is a word of OpenAPI 3, and this is 2.0"),
        ("2.0", {"nullable": True}, "nullable is a word of OpenAPI 3, and this is 2.0"),
        ("3.0.3", {"discriminator": {}}, "a discriminator has no propertyName"),
        ("2.0", {"discriminator": {"propertyName": "a"}}, "is the name of a property"),
        ("3.0.3", 7, "a schema is an object"),
    ],
)
def test_wrong_words_are_errors(spec, schema, what):
    match = [each for each in found(schema, spec) if what in each.what]
    assert [(each.severity, each.where.startswith("#/")) for each in match] == [("error", True)]


@pytest.mark.parametrize(
    ("spec", "schema", "what"),
    [
        ("3.1.0", {"type": "string", "nullable": True}, "nullable has no effect"),
        ("3.0.3", {"type": "object", "properties": {"name": {}}, "required": ["nam"]}, "the required property 'nam' isn't among"),
        ("3.0.3", {"enum": ["a", "a"]}, "the enum has 'a' twice"),
        ("3.0.3", {"properties": {"a": {}}, "discriminator": {"propertyName": "b"}}, "'b' isn't declared"),
        ("3.0.3", {"properties": {"a": {}}, "discriminator": {"propertyName": "a"}}, "'a' isn't required"),
        ("3.0.3", {"oneOf": [{"type": "object"}], "discriminator": {"propertyName": "a"}}, "is no reference"),
        ("3.0.3", {"oneOf": [{"$ref": "#/components/schemas/Dog"}], "discriminator": {
            "propertyName": "a", "mapping": {"cow": "#/components/schemas/Cow"}}}, "leads nowhere"),
    ],
)  # fmt: skip
def test_what_is_hardly_meant_is_a_warning(spec, schema, what):
    match = [each for each in found(schema, spec) if what in each.what]
    assert [each.severity for each in match] == ["warning"]


@pytest.mark.parametrize(
    ("spec", "schema"),
    [
        ("3.1.0", {"type": ["string", "null"], "const": "a", "$defs": {}, "examples": ["a"]}),
        ("3.1.0", {"type": "array"}),
        ("3.0.3", {"type": "string", "nullable": True, "enum": ["a", None]}),
        ("3.0.3", {"enum": [1, 2.5]}),
        ("3.0.3", {"allOf": [{"$ref": "#/components/schemas/Dog"}, {"properties": {"a": {}}, "required": ["b"]}]}),
        ("3.0.3", {"properties": {"a": {}}, "required": ["b"], "additionalProperties": {"type": "string"}}),
        ("3.0.3", {"pattern": r"^(?<year>\d{4})\/[\p{L}\-]+\u{1F600}$"}),
        ("2.0", {"type": "object", "discriminator": "k", "properties": {"k": {"type": "string"}}, "required": ["k"]}),
        ("3.1.0", True),
    ],
)
def test_what_is_right_is_not_told(spec, schema):
    assert found(schema, spec) == []
