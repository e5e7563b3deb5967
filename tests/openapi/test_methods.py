"""An operation is a method: its name, its docstring in the document's words, its marks."""

from __future__ import annotations

import warnings

import pytest

from asyncapi.openapi.generating import generate
from asyncapi.openapi.methods import name_of
from asyncapi.testing import run
from written_clients import OK, Wire, document, one, written


@pytest.mark.parametrize(
    ("method", "path", "id", "name"),
    [
        ("get", "/users/{id}", None, "get_users_by_id"), ("get", "/", None, "get_root"), ("post", "/a-b/c", None, "post_a_b_c"),
        ("get", "/x", "listPets", "list_pets"), ("get", "/x", "pets/list", "pets_list"), ("get", "/items/{id}", "read_item_items__id__get", "read_item"),
        ("get", "/x", "class", "class_"), ("get", "/x", "größe", "größe"),
    ],
)  # fmt: skip
def test_a_method_has_a_name(method, path, id, name):  # noqa: A002
    made = document({path: {method: {"responses": OK, **({"operationId": id} if id else {})}}})
    assert name_of(made.operations[0]) == name


def test_names_that_the_class_needs_and_equal_names_get_others():
    paths = {
        f"/{at}": {"get": {"operationId": name, "responses": OK}}
        for at, name in enumerate(["list", "get", "client", "a", "A", "aclose", "str"])
    }
    made = written(document(paths))
    assert {"list_", "get_", "client_", "a", "a_2", "aclose_", "str_"} <= set(vars(made.Shop))


def test_operations_of_one_name_are_told_apart_by_method_tag_or_path():
    same = {"operationId": "list_items", "responses": OK}
    paths = {
        "/a/items": {"get": {**same, "tags": ["a"]}, "post": {**same, "tags": ["a"]}},
        "/b/items": {"get": {**same, "tags": ["b"]}},
        "/c/items": {"get": same},
    }
    made = written(document(paths))
    assert {"list_items", "list_items_post", "list_items_b", "list_items_c"} <= set(vars(made.Shop))


@pytest.mark.parametrize("method", ["get", "delete"])
def test_the_path_that_fastapi_writes_behind_a_name_is_cut_for_every_method(method):
    made = document({"/a/{id}": {method: {"operationId": "show_a__id__delete", "responses": OK}}})
    assert name_of(made.operations[0]) == "show"


def test_a_docstring_has_the_operations_words():
    operation = {
        "summary": "List the *pets*",
        "description": "All of them.\n\n- one\n- two",
        "parameters": [{"name": "a", "in": "query", "description": 'The "a" \\ one', "schema": {}}],
    }
    said = written(one(**operation)).Shop.call.__doc__
    assert "List the" in said
    assert "- one\n" in said
    assert 'a: The "a" \\ one' in said


def test_a_deprecated_operation_warns():
    made = written(one(deprecated=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(made.Shop(Wire().client()).call())
    assert [str(each.message) for each in caught] == ["The API has deprecated GET /x."]


@pytest.mark.parametrize("method", ["head", "options", "trace", "delete", "patch"])
def test_every_method_is_called(method):
    made = written(one(method))
    wire = Wire()
    run(made.Shop(wire.client()).call())
    assert wire.last.method == method.upper()


def test_sections_are_those_of_the_tags():
    paths = {f"/{tag}": {"get": {"operationId": f"get_{tag}", "tags": [tag], "responses": OK}} for tag in ("b", "a")}
    source = generate(document(paths, tags=[{"name": "a", "description": "The first."}]))
    assert source.index("# --- a: The first ---") < source.index("def get_a") < source.index("# --- b ---")
