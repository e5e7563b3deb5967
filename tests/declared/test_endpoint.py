"""Signatures that are checked: what can't be sent, and what would be lost, is said when the class is made."""

# ruff: noqa: A002 - "id" is what APIs call it

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from pydantic import BaseModel

from asyncapi import (
    API,
    ConfigError,
    PageNumber,
    Pages,
    delete,
    get,
    post,
)
from asyncapi.declared.api import Body, Form, Header, Option, Path, Query, Upload


class User(BaseModel):
    id: int
    name: str = ""


class Item(BaseModel):
    id: int
    name: str


def declared(decorator, function):
    """The class whose method `m` this is."""
    return type("Shop", (API,), {"m": decorator(function), "__module__": __name__})


async def no_parameter(self) -> User: ...


async def an_id(self, id: int) -> User: ...


async def an_optional_id(self, id: int | None = None) -> User: ...


async def no_annotation(self, id) -> User: ...


async def no_answer(self, id: int): ...


async def unknown_type(self, id: Nowhere) -> User: ...  # noqa: F821


async def unknown_answer(self, id: int) -> Nowhere: ...  # noqa: F821


async def odd_answer(self, id: int) -> object(): ...


async def streamed(self, id: int) -> AsyncIterator[bytes]: ...


async def variadic(self, *id: int) -> User: ...


async def options(self, **id: int) -> User: ...


async def a_model(self, user: User) -> User: ...


async def two_models(self, user: User, other: User) -> User: ...


async def body_and_form(self, user: User, name: Annotated[str, Form()]) -> User: ...


async def marked_body(self, id: Annotated[int, Body()]) -> User: ...


async def marked_form(self, id: Annotated[int, Form()]) -> User: ...


async def two_markers(self, id: Annotated[int, Query(), Header()]) -> User: ...


async def inner_marker(self, id: Annotated[int, Query()] | None = None) -> User: ...


async def model_in_query(self, user: Annotated[User, Query()]) -> User: ...


async def bytes_in_header(self, user: Annotated[bytes, Header()]) -> User: ...


async def some_bytes(self, id: bytes) -> User: ...


async def some_object(self, id: Endless) -> User: ...


async def elsewhere(self, id: Annotated[int, Path("other")]) -> User: ...


async def pages_async(self) -> Pages[Item]: ...


def pages_of_items(self) -> Pages[Item]: ...


def not_async(self) -> User: ...


class Endless:
    """Nothing that could be written into a URL."""


@pytest.mark.parametrize(
    ("decorator", "function", "said"),
    [
        (get("/users/{id}"), no_parameter, r"the placeholder \{id\} has no parameter"),
        (get("/users/{idd}"), an_id, r"the placeholder \{idd\} has no parameter"),
        (get("/users/{id}"), an_optional_id, "can't be None"),
        (get("/users/{id}"), no_annotation, "'id' has no annotation"),
        (get("/users/{id}"), no_answer, "say what it returns"),
        (get("/users/{id}"), unknown_type, "Nowhere"),
        (get("/users/{id}"), unknown_answer, "Nowhere"),
        (get("/users/{id}"), odd_answer, "annotation can't be read|not a type that pydantic"),
        (get("/users/{id}"), streamed, "not a type that pydantic"),
        (get("/users"), variadic, "name every parameter"),
        (get("/users"), options, "name every parameter"),
        (get("/users"), a_model, "a GET has no body"),
        (delete("/users"), a_model, "a DELETE has no body"),
        (get("/users"), marked_body, "a GET has no body"),
        (get("/users"), marked_form, "a GET has no body"),
        (post("/users"), two_models, "user and other are both the body"),
        (post("/users"), body_and_form, "there is one body"),
        (get("/users"), two_markers, "2 markers"),
        (get("/users"), inner_marker, "Annotated around the whole"),
        (get("/users"), model_in_query, "goes into the body"),
        (get("/users"), bytes_in_header, "goes into the body"),
        (post("/users"), some_bytes, "no place for"),
        (get("/users"), some_object, "no place for"),
        (get("/users/{id}"), elsewhere, r"there is no \{other\}"),
        (get("/users", by=PageNumber()), pages_async, "plain def"),
        (get("/users"), pages_of_items, "go together"),
        (get("/users", by=PageNumber()), no_parameter, "go together"),
        (get("/users"), not_async, "async def"),
        (get("/users/{id"), an_id, "not a template"),
        (get("/users/id}"), an_id, "not a template"),
        (get("/users/{{id}}"), an_id, "not a template"),
        (get("/users?id={id}"), an_id, "not a template|no parameter"),
        (get("https://{id}.example.com/"), an_id, "not a template"),
        (get(""), no_parameter, "not a template"),
    ],
)
def test_a_signature_that_cannot_be_sent_is_told_when_the_class_is_made(decorator, function, said):
    with pytest.raises(ConfigError, match=said) as caught:
        declared(decorator, function)
    assert "Shop.m: " in str(caught.value)


async def unknown_option(self, colour: Annotated[str, Option()]) -> User: ...


def option_of_a_call(self, key: Annotated[str, Option("idempotency_key")]) -> Pages[User]: ...


async def lost(self, a: Annotated[int, Query("q")], b: Annotated[int, Query("q")]) -> User: ...


async def lost_header(self, a: Annotated[str, Header("X-A")], b: Annotated[str, Header("x-a")]) -> User: ...


async def lost_field(self, a: Annotated[str, Form("f")], b: Annotated[bytes, Upload("f")]) -> User: ...


async def odd_header(self, a: Annotated[str, Header("X A")]) -> User: ...


async def body_and_file(self, a: User, b: Annotated[bytes, Upload()]) -> User: ...


async def file_on_get(self, b: Annotated[bytes, Upload()]) -> User: ...


@pytest.mark.parametrize(
    ("decorator", "function", "said"),
    [
        (get("/"), unknown_option, "'colour' is not an option of a call"),
        (get("/", by=PageNumber()), option_of_a_call, "'idempotency_key' is not an option of Pages"),
        (get("/"), lost, "a and b are both 'q'"),
        (get("/"), lost_header, "a and b are both 'x-a'"),
        (post("/"), lost_field, "a and b are both 'f'"),
        (get("/"), odd_header, "header name 'X A'"),
        (post("/"), body_and_file, "there is one body"),
        (get("/"), file_on_get, "a GET has no body"),
    ],
)
def test_what_would_be_lost_or_mean_nothing_is_told_when_the_class_is_made(decorator, function, said):
    with pytest.raises(ConfigError, match=said):
        declared(decorator, function)
