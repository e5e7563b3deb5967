"""What an annotation says: plain text, a model, raw bytes, or a type variable that a subclass fills."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from asyncapi import ConfigError
from asyncapi.declared.annotations import (
    bare,
    has_dates,
    hints_of,
    is_model,
    is_open,
    is_plain,
    is_raw,
    iso_dates,
    types_given_by,
    with_types,
)

T = TypeVar("T")
UserId = NewType("UserId", int)


class User(BaseModel):
    id: int


@dataclass
class Point:
    x: int


class Row(TypedDict):
    id: int


class Batch(BaseModel, Generic[T]):
    items: list[T]


class Crud(Generic[T]):
    pass


class Colour(enum.Enum):
    RED = "red"


PLAIN = [
    str,
    int,
    float,
    bool,
    decimal.Decimal,
    uuid.UUID,
    dt.date,
    Colour,
    UserId,
    Any,
    Literal["a", 1],
    int | None,
]


@pytest.mark.parametrize("kind", PLAIN)
def test_what_has_one_plain_text_is_plain_and_a_list_of_it_where_lists_may_be(kind):
    assert is_plain(kind, lists=False)
    assert is_plain(list[kind], lists=True)
    assert not is_plain(list[kind], lists=False)
    assert not is_model(kind)


@pytest.mark.parametrize(
    "kind", [User, Point, Row, list[User], User | None, dict[str, int], Mapping, Annotated[User, 1]]
)
def test_models_and_what_holds_them_are_models(kind):
    assert is_model(kind)
    assert not is_plain(kind, lists=True)


@pytest.mark.parametrize("kind", [bytes, pathlib.Path, Iterable[bytes], bytes | pathlib.Path, bytes | None])
def test_bytes_files_and_iterables_of_bytes_are_raw(kind):
    assert is_raw(kind)


@pytest.mark.parametrize("kind", [str, bytes | str, None, list[str]])
def test_anything_else_is_not_raw(kind):
    assert not is_raw(kind)


def test_dates_are_written_as_iso_8601_within_lists_too():
    day = dt.date(2026, 1, 2)
    assert iso_dates(day) == "2026-01-02"
    assert iso_dates([day, "x", dt.time(1, 2)]) == ["2026-01-02", "x", "01:02:00"]
    assert iso_dates(5) == 5
    assert [has_dates(kind) for kind in (dt.date, list[dt.datetime], Any, T)] == [True] * 4
    assert not has_dates(list[str])


def test_type_variables_are_what_a_subclass_gives():
    assert types_given_by({}, Crud[User]) == {T: User}
    assert with_types(list[T], {T: User}) == list[User]
    assert with_types(Batch[T], {T: User}) is Batch[User]
    assert with_types(T, {}) is T
    assert is_open(list[T])
    assert not is_open(list[User])


def test_the_bare_type_is_below_annotated_and_newtype():
    assert bare(Annotated[UserId, "x"]) is int


def test_an_annotation_that_names_nothing_is_said_with_its_place():
    def method(self, a: Nowhere): ...  # noqa: F821

    with pytest.raises(ConfigError, match=r"^Shop\.m: an annotation can't be read: .*Nowhere"):
        hints_of("Shop.m", method, {})
