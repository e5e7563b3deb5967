"""`allOf`, `oneOf` and `anyOf` become inheritance, one class, or a union."""

from __future__ import annotations

from asyncapi.openapi.classes import Schemas
from written_clients import document, ref, written

TEXT = {"type": "string"}
BASE = {"type": "object", "properties": {"x": TEXT}}


def models(**schemas):
    return written(document(None, schemas))


def test_parts_that_do_not_touch_are_inherited():
    made = models(
        Base=BASE, Child={"allOf": [ref("Base"), {"type": "object", "properties": {"y": TEXT}, "required": ["y"]}]}
    )
    assert issubclass(made.Child, made.Base)
    assert made.Child(x="a", y="b").y == "b"


def test_parts_that_touch_are_one_class():
    made = models(
        Base=BASE,
        Child={"allOf": [ref("Base"), {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}]},
    )
    assert not issubclass(made.Child, made.Base)
    assert made.Child(x=1).x == 1


def test_a_single_part_is_that_part():
    made = models(Base=BASE, A={"type": "object", "properties": {"b": {"allOf": [ref("Base")], "description": "It."}}})
    assert made.A(b={"x": "1"}).b == made.Base(x="1")


def test_constraints_of_several_parts_are_joined():
    made = models(A={"type": "object", "properties": {"a": {"allOf": [TEXT, {"maxLength": 2}]}}})
    assert made.A(a="xy")


def test_properties_beside_a_union_are_in_each_member():
    made = models(
        A={
            "type": "object",
            "properties": {"id": TEXT},
            "oneOf": [
                {"type": "object", "title": "Cat", "properties": {"meow": TEXT}, "required": ["meow"]},
                {"type": "object", "title": "Dog", "properties": {"bark": TEXT}, "required": ["bark"]},
            ],
        }
    )
    assert made.Cat(id="1", meow="m").id == "1"
    assert made.Dog(bark="w")


def test_branches_that_only_require_are_no_union():
    made = models(
        A={"type": "object", "properties": {"a": TEXT, "b": TEXT}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    )
    assert made.A(a="x")


def test_constants_of_a_union_are_an_enum():
    made = models(A={"oneOf": [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]})
    assert made.A.FIRST.value == "a"


def test_a_union_holds_its_members():
    made = models(
        A={
            "type": "object",
            "properties": {
                "v": {"oneOf": [TEXT, {"type": "integer"}, {"type": "array", "items": TEXT}, {"type": "null"}]}
            },
        }
    )
    assert [made.A(v=one).v for one in ("a", 1, ["a"], None)] == ["a", 1, ["a"], None]


def test_schemas_that_contain_themselves_many_times_take_no_time():
    several = [ref("A"), ref("B"), ref("C"), {"type": "object", "properties": {"a": {"type": "string"}}}]
    named = {name: {"allOf": several} for name in ("A", "B", "C")}
    facts = Schemas({"components": {"schemas": named}}).facts(ref("A"))
    assert facts["properties"] == {"a": {"type": "string"}}
