"""Schemas of every version become those of 3.1, and every schema that is referenced has a name."""

from __future__ import annotations

import pytest

from asyncapi.openapi.files import Files, Place
from asyncapi.openapi.schemas import PREFIX, Schemas

NULL = {"type": "null"}


def read(schema, *, old=True, components=None):
    files = Files({"components": {"schemas": components or {}}}, "<bytes>")
    schemas = Schemas(files, old=old)
    schemas.components(components, Place("", "/components/schemas"))
    made = schemas.read(schema, Place("", "/paths/~1a/get/schema"))
    schemas.settle()
    return made, schemas, files


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "x-nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"enum": ["a", None], "nullable": True}, {"enum": ["a", None]}),
        ({"oneOf": [{"type": "string"}], "nullable": True}, {"oneOf": [{"type": "string"}, NULL]}),
        ({"anyOf": [NULL, {"type": "string"}], "nullable": True}, {"anyOf": [NULL, {"type": "string"}]}),
        ({"allOf": [{"type": "object"}], "nullable": True, "description": "d"},
         {"description": "d", "anyOf": [{"allOf": [{"type": "object"}]}, NULL]}),
        ({"nullable": True}, {}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": False}, {"type": "integer", "maximum": 1}),
        ({"exclusiveMaximum": True}, {}),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
        ({"examples": {"one": {"value": 1}, "two": {"value": 2}}}, {"examples": [1, 2]}),
        ({"type": "file"}, {"type": "string", "format": "binary"}),
        ({"type": "Int"}, {"type": "integer"}),
        ({"type": "whatever"}, {}),
        ({"type": ["string", "bool"]}, {"type": ["string", "boolean"]}),
        ({"type": "object", "properties": None, "required": None}, {"type": "object"}),
        ({"type": "string", "required": True}, {"type": "string"}),
        ({"type": "array", "items": [{"type": "file"}]},
         {"type": "array", "prefixItems": [{"type": "string", "format": "binary"}]}),
        ({"discriminator": "kind"}, {"discriminator": {"propertyName": "kind"}}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"properties": {"a": True, "b": False}}, {"properties": {"a": {}, "b": {"not": {}}}}),
        ({"default": None, "title": None}, {"default": None}),
        ({"default": {"$ref": "#/data"}, "enum": [{"nullable": True}]},
         {"default": {"$ref": "#/data"}, "enum": [{"nullable": True}]}),
    ],
)  # fmt: skip
def test_words_of_3_0_become_those_of_3_1(old, new):
    made, _, files = read(old)
    assert made == new
    assert files.problems == []


def test_what_stands_beside_a_reference_counts_as_its_version_says():
    components = {"A": {"type": "object"}}
    reference = {"$ref": "#/components/schemas/A"}
    assert read({**reference, "minProperties": 1}, components=components)[0] == reference
    assert read({**reference, "minProperties": 1}, components=components, old=False)[0] == {
        **reference,
        "minProperties": 1,
    }
    assert read({**reference, "nullable": True}, components=components)[0] == {"anyOf": [reference, NULL]}


def test_a_list_beside_a_reference_is_a_list_of_what_is_referenced():
    components = {"A": {"type": "object", "properties": {"a": {"type": "string"}}}, "L": {"type": "array"}}
    ref = {"$ref": f"{PREFIX}A"}
    assert read({"type": "array", **ref}, components=components)[0] == {"type": "array", "items": ref}
    of_list = {"type": "array", "$ref": f"{PREFIX}L"}
    assert read(of_list, components=components)[0] == {"$ref": f"{PREFIX}L"}


def test_a_schema_that_is_referenced_where_it_stands_moves_to_the_components():
    components = {
        "Pet": {
            "properties": {"tag": {"type": "string"}, "other": {"$ref": "#/components/schemas/Pet/properties/tag"}}
        },
        "Tree": {
            "properties": {
                "child": {"$ref": "#/components/schemas/Tree/properties/self"},
                "self": {"$ref": "#/components/schemas/Tree"},
            }
        },
    }
    _, schemas, files = read({}, components=components)
    assert schemas.made["PetTag"] == {"type": "string"}
    assert schemas.made["Pet"]["properties"] == {
        "tag": {"$ref": PREFIX + "PetTag"},
        "other": {"$ref": PREFIX + "PetTag"},
    }
    assert schemas.made["TreeSelf"] == {"$ref": PREFIX + "Tree"}
    assert files.problems == []


def test_schemas_of_other_files_get_names_that_are_free(tmp_path):
    (tmp_path / "Pet.yaml").write_text(
        "type: object\nproperties: {next: {$ref: Pet.yaml}, common: {$ref: 'common.yaml#/Pet'}}\n"
    )
    (tmp_path / "common.yaml").write_text("Pet: {type: string, nullable: true}\n")
    root = {"components": {"schemas": {"Animal": {"$ref": "Pet.yaml"}}}}
    files = Files(root, str(tmp_path / "root.yaml"))
    schemas = Schemas(files, old=True)
    schemas.components(root["components"]["schemas"], Place("", "/components/schemas"))
    schemas.settle()
    assert schemas.made == {
        "Animal": {
            "type": "object",
            "properties": {"next": {"$ref": PREFIX + "Animal"}, "common": {"$ref": PREFIX + "Pet"}},
        },
        "Pet": {"type": ["string", "null"]},
    }


def test_names_with_slashes_are_escaped_in_references():
    made, _, _ = read({"$ref": "#/components/schemas/a~1b"}, components={"a/b": {"type": "string"}})
    assert made == {"$ref": "#/components/schemas/a~1b"}


def test_the_targets_of_a_discriminator_become_references():
    components = {"Cat": {}, "Dog": {}, "Pet": {"discriminator": {"propertyName": "kind", "mapping": {
        "cat": "Cat", "dog": "#/components/schemas/Dog", "cow": "#/components/schemas/Cow"}}}}  # fmt: skip
    _, schemas, files = read({}, components=components)
    assert schemas.made["Pet"]["discriminator"]["mapping"] == {"cat": PREFIX + "Cat", "dog": PREFIX + "Dog"}
    assert [(each.severity, each.where) for each in files.problems] == [
        ("warning", "#/components/schemas/Pet/discriminator/mapping/cow")
    ]


@pytest.mark.parametrize("raw", [7, "text", [1], 1.5])
def test_what_is_no_schema_is_any_value_with_a_problem(raw):
    made, _, files = read(raw)
    assert made == {}
    assert "a schema is an object" in files.problems[0].what


def test_schemas_that_only_refer_to_each_other_are_any_value():
    made, _, files = read({"$ref": "#/components/schemas/A"}, components={
        "A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}})  # fmt: skip
    assert made == {}
    assert any("leads back to itself" in each.what for each in files.problems)
