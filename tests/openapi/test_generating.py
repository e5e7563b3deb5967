"""A document becomes a module: whole, the same each time, and clean for type checkers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asyncapi
from asyncapi import ConfigError
from asyncapi.openapi import layout
from asyncapi.openapi.formatting import formatted
from asyncapi.openapi.generating import chosen, client_name, drafted, generate
from asyncapi.openapi.notes import notes_of
from asyncapi.openapi.reading import read
from written_clients import OK, body, document, imported, one, plain, ref, returns

TEXT = {"type": "string"}
EVERYTHING = plain(
    {
        "/pets": {
            "get": {
                "operationId": "listPets", "tags": ["pets"], "summary": "List", "deprecated": True,
                "parameters": [
                    {"name": "page", "in": "query", "schema": {"type": "integer"}},
                    {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object", "properties": {"a": TEXT}}},
                    {"name": "kinds", "in": "query", "schema": {"type": "array", "items": {"enum": ["cat", "dog"]}}},
                    {"name": "since", "in": "query", "schema": {**TEXT, "format": "date-time"}},
                    {"name": "X-Trace", "in": "header", "required": True, "schema": TEXT},
                    {"name": "sid", "in": "cookie", "schema": TEXT},
                ],
                "responses": {**returns({"type": "object", "properties": {"items": {"type": "array", "items": ref("Pet")}, "total": {"type": "integer"}}}), "default": {"description": "Bad", "content": {"application/json": {"schema": ref("Problem")}}}},
            },
            "post": {"operationId": "add", "tags": ["pets"], "requestBody": body(ref("Pet")), "responses": {**returns(ref("Pet")), "204": {"description": ""}}, "security": []},
        },
        "/pets/{petId}": {
            "parameters": [{"name": "petId", "in": "path", "required": True, "schema": {**TEXT, "format": "uuid"}}],
            "get": {"responses": returns(ref("Animal")), "security": [{"admin": []}]}, "delete": {"responses": {"204": {"description": ""}}},
            "put": {"operationId": "upload", "requestBody": body({"type": "object", "required": ["file"], "properties": {"file": {**TEXT, "format": "binary"}, "note": TEXT}}, "multipart/form-data"), "responses": OK},
            "patch": {"operationId": "text", "requestBody": body(TEXT, "text/plain"), "responses": returns(TEXT, "text/plain")},
            "head": {"operationId": "exists", "responses": {"200": {"description": ""}}},
        },
        "/stream": {"post": {"operationId": "chat", "requestBody": body({"type": "object", "properties": {"q": TEXT}}), "responses": {"200": {"description": "", "content": {"text/event-stream": {"schema": ref("Pet")}, "application/json": {"schema": ref("Pet")}}}}}},
        "/rows": {"get": {"operationId": "rows", "responses": returns(ref("Pet"), "application/x-ndjson")}},
        "/next": {"get": {"operationId": "next", "responses": returns({"type": "object", "properties": {"value": {"type": "array", "items": TEXT}, "@odata.nextLink": TEXT}})}},
        "/search": {"post": {"operationId": "search", "requestBody": body(ref("Search")), "responses": returns({"type": "object", "properties": {"rows": {"type": "array", "items": ref("Row")}, "next_cursor": TEXT}})}},
        "/any": {"post": {"operationId": "any_form", "requestBody": body({}, "multipart/form-data"), "responses": {"201": {"description": "", "headers": {"Location": {"schema": TEXT}}}}}},
        "/both": {"post": {"operationId": "both", "servers": [{"url": "https://up.test"}], "security": [{"key": [], "admin": []}], "requestBody": {"content": {"application/json": {"schema": ref("Row")}, "multipart/form-data": {"schema": {"type": "object", "properties": {"file": {**TEXT, "format": "binary"}}}}, "text/csv": {"schema": TEXT}}}, "responses": returns(ref("Odd"))}},
        "/file": {"get": {"operationId": "file", "responses": returns({**TEXT, "format": "binary"}, "application/pdf")}},
    },
    {
        "Pet": {"type": "object", "required": ["id", "name"], "properties": {"id": {"type": "integer", "readOnly": True}, "name": TEXT, "petType": {"enum": ["cat", "dog"]}, "born": {"type": ["string", "null"], "format": "date"}, "parent": ref("Pet"), "size": {"type": "integer", "default": 1}, "list": {"type": "array", "items": TEXT}, "date": {**TEXT, "format": "date"}, "data": ref("Json")}},
        "Search": {"type": "object", "properties": {"q": TEXT, "cursor": {"type": ["string", "null"]}}},
        "Row": {"type": "object", "properties": {"a": TEXT, "userIDs": {"type": "array", "items": TEXT}}, "additionalProperties": {"anyOf": [{"type": "integer"}, ref("Odd"), ref("Pet")]}},
        "Odd": {"enum": ["+1", 1, True, None]}, "Signs": {"enum": ["+1", "-1", "", "a b", "a-b"]}, "Lists": {"type": "array", "items": ref("Lists")},
        "Problem": {"type": "object", "properties": {"title": TEXT}},
        "Cat": {"allOf": [ref("Problem"), {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "cat"}, "title": TEXT}}]},
        "Dog": {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "dog"}}},
        "Animal": {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}},
        "Json": {"anyOf": [TEXT, {"type": "number"}, {"type": "array", "items": ref("Json")}, {"type": "object", "additionalProperties": ref("Json")}]},
    },
    tags=[{"name": "pets"}], components={"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}, "admin": {"type": "http", "scheme": "basic"}}}, security=[{"key": []}],
)  # fmt: skip

PROGRAM = """
import sys
from asyncapi.openapi.generating import generate
from asyncapi.openapi.reading import read
sys.stdout.write(generate(read(sys.stdin.buffer.read())))
"""


def in_a_process(seed):
    home = str(Path(asyncapi.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(EVERYTHING).encode(), capture_output=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join([home, *sys.path])},
    )  # fmt: skip
    return done.stdout


def test_the_same_bytes_come_out_whatever_the_seed_of_hashes():
    assert in_a_process(1) == in_a_process(2) == generate(read(json.dumps(EVERYTHING).encode())).encode()


def test_it_can_be_imported():
    assert imported(generate(read(json.dumps(EVERYTHING).encode()))).Shop


@pytest.mark.soak
@pytest.mark.parametrize("checker", [["mypy", "--strict", "--no-incremental"], ["pyright"]], ids=["mypy", "pyright"])
def test_type_checkers_find_nothing(checker, tmp_path):
    home = str(Path(asyncapi.__file__).parent.parent)
    (tmp_path / "client.py").write_text(generate(read(json.dumps(EVERYTHING).encode())))
    done = subprocess.run(
        [sys.executable, "-m", *checker, "client.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "MYPYPATH": home, "PYTHONPATH": home},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Pet Store API", "PetStore"),
        ("", "Client1"),
        ("1Forge", "Api1Forge"),
        ("The API", "TheAPI"),
        ("größe", "Größe"),
    ],
)
def test_the_client_is_named_after_the_title(title, name):
    made = document()
    made = type(made)(**{**{key: getattr(made, key) for key in made.__dataclass_fields__}, "title": title})
    found = client_name(made, set())
    assert found.isidentifier()
    assert found == name or not title


def test_a_name_that_a_model_has_is_refused_or_avoided():
    made = document(None, {"Shop": {"type": "object", "properties": {"a": TEXT}}})
    assert "class ShopAPI(API)" in generate(made)
    with pytest.raises(ConfigError, match="is a model of the document"):
        generate(made, class_name="Shop")
    with pytest.raises(ConfigError, match="can't be the name of a class"):
        generate(made, class_name="a-b")


@pytest.mark.parametrize("word", ["pets", "second", "/b", "GET /b"])
def test_only_some_operations_are_chosen(word):
    made = document(
        {
            "/a": {"get": {"operationId": "first", "responses": OK}},
            "/b": {"get": {"operationId": "second", "tags": ["pets"], "responses": OK}},
        }
    )
    assert [each.id for each in chosen(made, [word]).operations] == ["second"]


def test_a_choice_of_nothing_names_what_is_near():
    with pytest.raises(ConfigError, match="did you mean 'call'"):
        generate(one(), only=["cal"])


_NAMES = st.text(min_size=0, max_size=8) | st.sampled_from(
    ["self", "class", "list", "date", "id", "Id", "model_config", "json", "None", "Model"]
)
_PLAIN = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object", "file", "nonsense"])
_SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={"type": _PLAIN | st.lists(_PLAIN, max_size=3), "format": st.sampled_from(["date", "uuid", "byte", "x"]), "description": st.text(max_size=30), "default": st.none() | st.integers() | st.text(max_size=4), "enum": st.lists(st.none() | st.text(max_size=5) | st.integers() | st.booleans(), max_size=4), "const": st.integers() | st.text(max_size=3), "nullable": st.booleans(), "pattern": st.text(max_size=5), "minimum": st.integers() | st.floats(), "deprecated": st.booleans()})
    | st.sampled_from([ref("A"), ref("B"), ref("Missing"), {"$ref": "#/components/schemas/A/properties/x"}]),
    lambda inner: st.fixed_dictionaries({}, optional={"type": _PLAIN, "properties": st.dictionaries(_NAMES, inner, max_size=3), "required": st.lists(_NAMES, max_size=2), "items": inner, "additionalProperties": inner | st.booleans(), "allOf": st.lists(inner, max_size=3), "oneOf": st.lists(inner, max_size=3), "anyOf": st.lists(inner, max_size=3), "discriminator": st.just({"propertyName": "kind"})}),
    max_leaves=8,
)  # fmt: skip
_PARAMETERS = st.lists(
    st.fixed_dictionaries({"name": _NAMES, "in": st.sampled_from(["query", "header", "cookie", "path"]), "schema": _SCHEMAS}, optional={"style": st.sampled_from(["form", "deepObject", "pipeDelimited", "matrix"]), "explode": st.booleans(), "required": st.booleans()}),
    max_size=4,
)  # fmt: skip
_KINDS = st.sampled_from(
    [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "text/event-stream",
        "application/octet-stream",
        "*/*",
        "x",
    ]
)


@given(
    schemas=st.fixed_dictionaries({"A": _SCHEMAS, "B": _SCHEMAS}), parameters=_PARAMETERS, kind=_KINDS, given_body=_SCHEMAS,
    answer=_SCHEMAS, name=st.none() | _NAMES, said=st.text(max_size=40), method=st.sampled_from(["get", "post", "delete", "head"]),
)  # fmt: skip
@settings(
    max_examples=int(os.environ.get("GENERATED_DOCUMENTS", "6")),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_any_document_becomes_a_module_or_one_clear_error(
    schemas, parameters, kind, given_body, answer, name, said, method
):
    operation = {
        "parameters": parameters,
        "requestBody": body(given_body, kind),
        "responses": returns(answer, kind),
        "summary": said,
        "description": said,
        "tags": [said],
    }
    made = plain(
        {"/x/{id}": {method: {**operation, **({"operationId": name} if name is not None else {})}}},
        schemas,
        info={"title": said, "version": said, "description": said},
    )
    try:
        found = read(json.dumps(made).encode("utf-8", "surrogatepass"))
    except ConfigError:
        return
    try:
        draft = drafted(found)
        source = formatted(layout.module(draft))
    except ConfigError as error:
        assert "contains itself" in error.message  # noqa: PT017 - the one thing that can't be written
        return
    assert all("\n" not in note for note in notes_of(draft))
    imported(source)
