"""A column holds what its kind says, and nothing that a table would change."""

import datetime as dt
import enum
import math
from typing import Annotated

import pydantic
import pytest
from typing_extensions import TypedDict

from asyncapi.bulk.cells import cell, fields_of


class Colour(enum.Enum):
    red = "r"


class Inner(pydantic.BaseModel):
    x: int


class Model(pydantic.BaseModel):
    number: int
    real: float
    either: int | float
    yes: bool
    text: str
    maybe: str | None = None
    day: dt.date
    colour: Colour
    inner: Inner
    many: list[int]
    mixed: int | str
    renamed: Annotated[str, pydantic.Field(alias="other")] = ""


class Plain(TypedDict):
    a: int


def test_the_fields_of_a_model_have_its_types():
    assert fields_of(Model) == [
        ("number", "int"), ("real", "real"), ("either", "real"), ("yes", "bool"), ("text", "text"), ("maybe", "text"),
        ("day", "text"), ("colour", "text"), ("inner", "json"), ("many", "json"), ("mixed", "json"), ("renamed", "text"),
    ]  # fmt: skip
    assert fields_of(Plain) == [("a", "int")]


@pytest.mark.parametrize("model", [int, list[Model], dict[str, int], Model | Inner])
def test_a_type_without_fields_has_none(model):
    assert fields_of(model) == []


def test_a_field_without_a_schema_is_json():
    class Odd:
        pass

    class Holder(pydantic.BaseModel):
        model_config = {"arbitrary_types_allowed": True}
        odd: Odd

    assert fields_of(Holder) == [("odd", "json")]


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        ("int", 5, 5), ("int", 2**63, None), ("int", True, None), ("int", "5", None),
        ("real", 5, 5.0), ("real", math.inf, None), ("real", 10**400, None), ("real", -0.0, 0.0),
        ("bool", True, True), ("bool", 1, None),
        ("text", "é", "é"), ("text", "\ud800", "\\ud800"), ("text", ["a"], '["a"]'),
        ("json", "a", '"a"'), ("json", {"a": math.nan}, '{"a":null}'),
        ("any", True, True), ("any", 2**70, str(2**70)), ("any", 1.5, 1.5), ("any", math.nan, None), ("any", "x", "x"),
        ("any", [1, "a"], '[1,"a"]'), ("id", 2**70, str(2**70)), ("id", [1], "[1]"), ("any", None, None),
    ],
)  # fmt: skip
def test_a_value_is_held_as_its_kind_or_as_json(kind, value, held):
    found = cell(kind, value)
    assert (type(found), found) == (type(held), held)


def test_the_json_of_null_is_only_for_data():
    assert cell("json", None) is None
    assert cell("json", None, null=True) == "null"
