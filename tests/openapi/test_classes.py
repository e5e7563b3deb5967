"""Every schema that becomes a class has one good name, and models say what the document says."""

from __future__ import annotations

import json
from datetime import date, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from written_clients import body, document, ref, returns, written

TEXT = {"type": "string"}


def models(schemas, paths=None, **more):
    return written(document(paths, schemas, **more))


def test_formats_have_pythons_types():
    kinds = {"d": "date", "t": "date-time", "u": "uuid", "b": "byte", "e": "email", "w": "duration", "n": "int64"}
    made = models(
        {"A": {"type": "object", "properties": {key: {**TEXT, "format": value} for key, value in kinds.items()}}}
    )
    one = made.A(d="2026-01-02", t="2026-01-02T03:04:05Z", u="12345678123456781234567812345678", e="a@b", w="P1M")
    assert (type(one.d), type(one.t), type(one.u), type(one.e), type(one.w)) == (date, datetime, UUID, str, str)
    assert json.loads(one.model_dump_json())["t"] == "2026-01-02T03:04:05Z"


def test_optional_and_nullable_are_kept_apart():
    made = models({
        "A": {
            "type": "object", "required": ["must", "both"],
            "properties": {"must": TEXT, "may": TEXT, "both": {"type": ["string", "null"]}, "null": {"type": ["string", "null"]}},
        }
    })  # fmt: skip
    with pytest.raises(ValidationError):
        made.A(must="x")
    assert made.A(must="x", both=None).model_dump_json() == '{"must":"x","both":null}'
    assert made.A(must="x", both=None, may=None, null=None).model_dump_json() == '{"must":"x","both":null,"null":null}'


def test_a_default_is_read_and_not_sent():
    made = models(
        {
            "A": {
                "type": "object",
                "properties": {
                    "n": {"type": "integer", "default": 3},
                    "l": {"type": "array", "items": TEXT, "default": []},
                },
            }
        }
    )
    assert (made.A().n, made.A().l, made.A().model_dump_json()) == (3, [], "{}")
    assert made.A(n=3).model_dump_json() == '{"n":3}'


def test_wire_names_are_kept_and_python_names_work():
    made = models(
        {
            "A": {
                "type": "object",
                "properties": {
                    "petType": TEXT,
                    "class": TEXT,
                    "self": TEXT,
                    "model_config": TEXT,
                    "json": TEXT,
                    "größe": TEXT,
                    "a-b": TEXT,
                    "_x": TEXT,
                    "1st": TEXT,
                },
            }
        }
    )
    every = dict.fromkeys(("petType", "class", "self", "model_config", "json", "größe", "a-b", "_x", "1st"), "v")
    one = made.A.model_validate(every)
    assert json.loads(one.model_dump_json(by_alias=True)) == every
    assert made.A(pet_type="v").pet_type == "v"


def test_an_enum_inside_is_named_after_its_place():
    made = models({"Pet": {"type": "object", "properties": {"status": {**TEXT, "enum": ["on", "not-yet"]}}}})
    assert [one.value for one in made.PetStatus] == ["on", "not-yet"]
    assert made.Pet(status="on").status is made.PetStatus.ON


def test_an_enum_with_null_may_be_none():
    made = models(
        {
            "A": {"type": "object", "properties": {"s": ref("S")}},
            "S": {"type": ["string", "null"], "enum": ["a", "b", None]},
        }
    )
    assert made.A(s=None).s is None
    assert [one.value for one in made.S] == ["a", "b"]


def test_objects_maps_and_anything():
    made = models({
        "Free": {"type": "object"}, "Map": {"type": "object", "additionalProperties": {"type": "integer"}}, "Any": {},
        "Closed": {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        "Open": {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True},
    })  # fmt: skip
    assert made.Open.model_validate({"a": "x", "b": 1}).b == 1
    with pytest.raises(ValidationError):
        made.Closed.model_validate({"b": 1})
    assert str(made.Free) == "dict[str, typing.Any]"
    assert str(made.Map) == "dict[str, int]"


def test_recursive_schemas_are_possible():
    made = models({
        "Node": {"type": "object", "properties": {"child": ref("Node"), "all": {"type": "array", "items": ref("Node")}}},
        "Json": {"anyOf": [TEXT, {"type": "array", "items": ref("Json")}]},
        "Holder": {"type": "object", "properties": {"json": ref("Json")}},
    })  # fmt: skip
    assert made.Node.model_validate({"child": {"all": [{}]}}).child.all == [made.Node()]
    assert made.Holder(json_=["a", ["b"]]).json_ == ["a", ["b"]]


def test_dotted_names_are_short_where_they_are_unambiguous():
    made = models(
        {
            "io.v1.Pod": {"type": "object", "properties": {"a": TEXT}},
            "x.List": {"type": "object", "properties": {"b": TEXT}},
        }
    )
    assert made.Pod
    assert made.ListModel


def test_names_that_python_or_the_file_needs_get_another():
    made = models(
        {
            name: {"type": "object", "properties": {"a": TEXT}}
            for name in ("Response", "Client", "pet-a", "PetA", "None", "1st", "Model")
        }
    )
    assert {"ResponseModel", "ClientModel", "PetA", "PetA2", "NoneModel", "Model1st", "ModelModel"} <= set(vars(made))


def test_two_classes_where_what_is_sent_is_not_what_is_received():
    schemas = {
        "A": {"type": "object", "properties": {"id": {**TEXT, "readOnly": True}, "b": ref("B")}},
        "B": {"type": "object", "properties": {"x": TEXT, "y": {**TEXT, "readOnly": True}}},
        "C": {"type": "object", "properties": {"z": TEXT}},
    }
    both = {"post": {"operationId": "call", "requestBody": body(ref("A")), "responses": returns(ref("A"))}}
    made = models(schemas, {"/a": both})
    assert set(made.AInput.model_fields) == {"b"}
    assert set(made.BInput.model_fields) == {"x"}
    assert not hasattr(made, "CInput")


def test_a_reference_into_a_schema_is_followed():
    made = models(
        {
            "A": {
                "type": "object",
                "properties": {"s": {**TEXT, "enum": ["a", "b"]}, "t": {"$ref": "#/components/schemas/A/properties/s"}},
            }
        }
    )
    assert made.A(t="a")


def test_a_pattern_that_pydantic_cannot_read_is_left_out():
    made = models(
        {"A": {"type": "object", "properties": {"a": {**TEXT, "pattern": "^(?!x)"}, "b": {**TEXT, "pattern": "^y"}}}}
    )
    made.A(a="x")
    with pytest.raises(ValidationError):
        made.A(b="x")


def test_null_beside_a_choice_is_meant_as_nullable():
    value = {"type": "null", "oneOf": [TEXT, {"type": "array", "items": ref("Value")}]}
    made = models({"Value": value, "A": {"type": "object", "properties": {"v": ref("Value")}}})
    assert [made.A(v=one).v for one in ("a", ["b"], None)] == ["a", ["b"], None]


def test_a_name_of_null_alone_is_no_type():
    made = models({"Nothing": {"type": "null"}, "A": {"type": "object", "properties": {"v": ref("Nothing")}}})
    assert made.A(v=None).v is None
    with pytest.raises(ValidationError):
        made.A(v=1)


def test_items_without_a_type_may_be_one_of_them():
    choice = {"items": {"anyOf": [{"type": "object", "required": ["id"], "properties": {"id": TEXT}}, TEXT]}}
    made = models({"A": {"type": "object", "properties": {"v": choice}}})
    one = {"id": "x"}
    assert made.A(v=one).v == made.A(v=[one]).v[0]
    assert made.A(v="t").v == "t"
    assert made.A(v={"other": 1}).v == {"other": 1}  # "items" refuses no object


def test_what_is_required_and_not_described_is_sent():
    schema = {"type": "object", "required": ["a", "team"], "properties": {"a": TEXT}}
    made = models({}, {"/x": {"post": {"operationId": "call", "requestBody": body(schema), "responses": {}}}})
    with pytest.raises(ValidationError, match="team"):
        made.CallRequest(a="x")
    assert made.CallRequest(a="x", team=1).model_dump_json() == '{"a":"x","team":1}'


def test_the_type_wins_over_words_of_another_type():
    made = models({"A": {"type": "object", "properties": {"beta": {"type": "string", "items": TEXT}}}})
    assert made.A(beta="a,b").beta == "a,b"


def test_an_enum_of_null_alone_is_null():
    kind = {"oneOf": [ref("Kind"), ref("Null")]}
    schemas = {"Null": {"enum": [None]}, "Kind": {**TEXT, "enum": ["a", "b"]}}
    made = models({**schemas, "A": {"type": "object", "properties": {"kind": kind}}})
    assert made.A.model_validate({"kind": "a"}).kind is made.Kind.A
    assert made.A.model_validate({"kind": None}).kind is None
    with pytest.raises(ValidationError):
        made.A.model_validate({"kind": "c"})


def test_a_parent_with_a_discriminator_is_one_union_both_ways():
    base = {"type": "object", "required": ["kind"], "properties": {"kind": TEXT}}
    base["discriminator"] = {"propertyName": "kind"}
    kid = {"allOf": [ref("Base"), {"type": "object", "properties": {"k": TEXT}}]}
    operation = {"operationId": "call", "requestBody": body(ref("Base")), "responses": returns(ref("Base"))}
    made = models({"Base": base, "Kid1": kid, "Kid2": kid}, {"/x": {"post": operation}})
    assert [name for name in vars(made) if name.startswith("AnyBase")] == ["AnyBase"]


def test_a_union_with_a_discriminator_has_one_name_wherever_it_stands():
    kinds = {name: {"type": "object", "required": ["t"], "properties": {"t": {"const": name}}} for name in ("A", "B")}
    union = {"oneOf": [ref("A"), ref("B")], "discriminator": {"propertyName": "t"}}
    operation = {
        "operationId": "call",
        "requestBody": body(union),
        "responses": returns({"type": "array", "items": union}),
    }
    made = models(kinds, {"/x": {"post": operation}})
    assert len([name for name in vars(made) if name.startswith("Call")]) == 1
