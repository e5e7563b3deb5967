"""A discriminator decides which model a value is."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from written_clients import document, ref, returns, written

KIND = {"type": "string"}


def member(**more):
    return {"type": "object", "required": ["kind"], "properties": {"kind": KIND, "petName": {"type": "string"}, **more}}


def models(schemas, paths=None):
    return written(document(paths, schemas))


@pytest.mark.parametrize("mapping", [{}, {"mapping": {"cat": "#/components/schemas/Cat", "dog": "Dog"}}])
def test_a_union_goes_by_the_value(mapping):
    schemas = {
        "Cat": member(),
        "Dog": member(),
        "Pet": {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind", **mapping}},
    }
    made = models(schemas)
    names = ("cat", "dog") if mapping else ("Cat", "Dog")
    pet = TypeAdapter(made.Pet)
    assert [type(pet.validate_python({"kind": one})).__name__ for one in names] == ["Cat", "Dog"]
    assert made.Cat().model_dump_json() == f'{{"kind":"{names[0]}"}}'
    with pytest.raises(ValidationError, match="kind"):
        pet.validate_python({"kind": "fish"})


def test_a_property_of_a_union_has_it_too():
    cat, dog = (
        {**member(), "properties": {"petType": {"const": one}}, "required": ["petType"]} for one in ("cat", "dog")
    )
    made = models(
        {
            "Cat": cat,
            "Dog": dog,
            "A": {
                "type": "object",
                "properties": {
                    "pet": {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "petType"}}
                },
            },
        }
    )
    assert type(made.A.model_validate({"pet": {"petType": "dog"}}).pet) is made.Dog


def test_a_parent_with_a_discriminator_stands_for_its_children():
    schemas = {
        "Pet": {**member(), "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/components/schemas/Cat"}}},
        "Cat": {"allOf": [ref("Pet"), {"type": "object", "properties": {"lives": {"type": "integer"}}}]},
        "Dog": {"allOf": [ref("Pet"), {"type": "object", "properties": {"friend": ref("Pet")}}]},
        "Owner": {"type": "object", "properties": {"pet": ref("Pet")}},
    }  # fmt: skip
    made = models(schemas, {"/x": {"get": {"operationId": "call", "responses": returns(ref("Pet"))}}})
    owner = made.Owner.model_validate({"pet": {"kind": "Dog", "friend": {"kind": "cat", "lives": 9}}})
    assert (type(owner.pet), type(owner.pet.friend), owner.pet.friend.lives) == (made.Dog, made.Cat, 9)


def test_members_that_cannot_be_told_apart_are_a_plain_union():
    schemas = {
        "A": {"type": "string"},
        "B": member(),
        "U": {"oneOf": [ref("A"), ref("B")], "discriminator": {"propertyName": "kind"}},
    }
    made = models(schemas)
    assert TypeAdapter(made.U).validate_python("x") == "x"


def test_the_propertys_own_enum_wins_over_the_schemas_name():
    made = models(
        {
            "EpisodeBase": {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["episode"]}}},
            "Episode": {"allOf": [ref("EpisodeBase"), {"type": "object", "properties": {"length": {}}}]},
            "Track": {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["track"]}}},
            "Item": {"oneOf": [ref("Track"), ref("Episode")], "discriminator": {"propertyName": "kind"}},
        }
    )
    assert type(TypeAdapter(made.Item).validate_python({"kind": "episode"})) is made.Episode
