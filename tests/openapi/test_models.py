"""Models are made by the library, and read as definitions."""

from __future__ import annotations

import ast
import json
import re

import pytest
from pydantic import ValidationError

from asyncapi import Body, ConfigError
from asyncapi.openapi.generating import generate
from asyncapi.openapi.models import models_of, renamed
from asyncapi.types import Content
from written_clients import body, document, imported, one, ref, written

TEXT = {"type": "string"}


def test_definitions_have_docstrings_and_no_settings_of_the_library():
    made = models_of(
        {
            "Pet": {
                "type": "object",
                "description": "A pet.",
                "properties": {"a": {"type": "string", "description": "The a."}},
            }
        }
    )
    assert (
        made.definitions["Pet"] == 'class Pet(Model):\n    """A pet."""\n\n    a: str | None = None\n    """The a."""'
    )


def test_an_alias_is_plain_unless_it_looks_ahead():
    made = models_of(
        {
            "Ids": {"type": "array", "items": {"type": "string"}},
            "J": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/J"}}]},
        }
    )
    assert made.definitions["Ids"] == "Ids: TypeAlias = list[str]"
    assert made.definitions["J"].startswith("J = TypeAliasType(")


def test_nothing_needs_no_library():
    assert models_of({}).definitions == {}


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datamodel_code_generator", None)
    with pytest.raises(ConfigError, match=r"asyncapi-sdk\[generate\]"):
        models_of({"A": {"type": "string"}})


def test_what_the_library_names_itself_takes_no_name_of_an_import():
    text = {"type": "string", "minLength": 1}
    parts = {"type": "array", "minItems": 1, "items": {"type": "string"}}
    union = {"anyOf": [text, parts], "description": "Text or parts."}
    fields = dict.fromkeys(("content", "body", "path", "model", "query"), union)
    source = generate(
        one(
            "put",
            "/{Id}",
            parameters=[{"name": "Id", "in": "path", "required": True, "schema": {"type": "string"}}],
            requestBody=body({"type": "string", "format": "binary"}, "application/pdf"),
            schemas={
                "Message": {"type": "object", "properties": fields},
                "Kind": {"type": "object", "properties": {"a": {"enum": ["Content", "Body"]}, "content": union}},
            },
        )
    )
    assert re.search(r"^ContentModel\w*\b.*=", source, re.MULTILINE)  # the library names such a type by itself
    made = imported(source)
    assert made.Content is Content
    assert made.Body is Body
    assert made.Message(content="a", body=["b"]).model_dump_json() == '{"content":"a","body":["b"]}'
    assert [each.value for each in made.KindA] == ["Content", "Body"]


def test_renaming_leaves_fields_and_values_alone():
    tree = ast.parse(
        "Content: TypeAlias = str\nJ = TypeAliasType('J', 'Content | list[J]')\nclass A(Content):\n"
        "    Content: Literal['Content'] = Field(default='Content')\n    more: 'Content'\nA.model_rebuild()\n"
    )
    text = ast.unparse(renamed(tree, {"A"}))
    assert "ContentModel: TypeAlias = str" in text
    assert "class A(ContentModel):\n    Content: Literal['Content'] = Field(default='Content')" in text
    assert "more: 'ContentModel'" in text


INTEGER = {"type": "integer"}


def test_further_properties_beside_named_ones_are_checked():
    made = written(
        document(None, {"A": {"type": "object", "properties": {"a": TEXT}, "additionalProperties": INTEGER}})
    )
    assert made.A.model_validate({"a": "x", "b": "1"}).b == 1
    with pytest.raises(ValidationError):
        made.A.model_validate({"b": "x"})
    assert json.loads(made.A(a="x", b=1).model_dump_json()) == {"a": "x", "b": 1}


def test_further_properties_may_be_models_that_come_later():
    schemas = {
        "A": {"type": "object", "properties": {"a": TEXT}, "additionalProperties": ref("B")},
        "B": {"type": "object", "properties": {"c": ref("A")}},
    }
    made = written(document(None, schemas))
    assert isinstance(made.A.model_validate({"b": {"c": {}}}).b, made.B)


def test_properties_by_pattern_are_kept():
    both = {"type": "object", "properties": {"a": TEXT}, "patternProperties": {"^x-": INTEGER}}
    made = written(document(None, {"A": both, "B": {**both, "additionalProperties": False}}))
    assert made.A.model_validate({"x-b": "any"}).model_extra == {"x-b": "any"}
    assert made.B.model_validate({"x-b": "1"}).model_extra == {"x-b": 1}


def test_values_of_several_types_stay_apart():
    made = written(document(None, {"A": {"type": "object", "properties": {"v": {"enum": [1, True, "1"]}}}}))
    assert [made.A.model_validate({"v": value}).v for value in (1, True, "1")] == [1, True, "1"]
    assert made.A.model_validate({"v": True}).v is True


def test_a_list_of_itself_is_a_list():
    assert "List1: TypeAlias = list[Any]" in generate(
        document(None, {"List1": {"type": "array", "items": ref("List1")}})
    )
