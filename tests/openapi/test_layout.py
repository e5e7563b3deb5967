"""A module has its imports, its models and its client; servers are where the client goes."""

from __future__ import annotations

import pytest

from asyncapi.openapi import layout
from asyncapi.openapi.generating import drafted, generate
from asyncapi.openapi.models import MODEL_IMPORTS
from asyncapi.openapi.names import IMPORTED
from asyncapi.testing import run
from written_clients import OK, Wire, document, one, written


def test_imports_are_sorted_and_only_what_is_used():
    made = layout.imports_of(
        "x: Annotated[UUID, Query()]\ny: API", {"enum": {"StrEnum"}, "datetime": {"date as date_aliased"}}
    )
    assert made == "from typing import Annotated\nfrom uuid import UUID\n\nfrom asyncapi import API, Query"


def test_every_name_that_may_be_imported_is_kept_from_models():
    assert set(layout.HOMES) | {name for names in MODEL_IMPORTS.values() for name in names} <= IMPORTED


def test_a_field_that_is_called_as_an_import_imports_nothing():
    body = "class A(Model):\n    date: date_aliased\n    get: int\n    operation: str"
    made = layout.imports_of(body, {"datetime": {"date as date_aliased"}})
    assert made == "from datetime import date as date_aliased"


def test_the_first_server_is_the_default():
    made = written(
        one(document={"servers": [{"url": "https://a.test/v1", "description": "Live"}, {"url": "https://b.test"}]})
    )
    assert (made.Shop.SERVER, made.Shop.SERVERS) == ("https://a.test/v1", ("https://a.test/v1", "https://b.test"))
    assert str(made.Shop().client.base_url if hasattr(made.Shop().client, "base_url") else made.Shop.SERVER).startswith(
        "https://a.test"
    )


def test_a_server_with_variables_is_filled_in():
    server = {
        "url": "https://{region}.test/{base-path}",
        "variables": {"region": {"default": "eu", "enum": ["eu", "us"]}, "base-path": {"default": "v1"}},
    }
    made = written(one(document={"servers": [server]}))
    assert made.Shop.SERVER == "https://eu.test/v1"
    assert made.Shop.server("us", base_path="v2") == "https://us.test/v2"


@pytest.mark.parametrize("servers", [[], [{"url": "/v1"}]])
def test_without_a_server_the_caller_names_it(servers):
    made = written(one(document={"servers": servers}))
    assert not hasattr(made.Shop, "SERVER")
    wire = Wire()
    run(made.Shop(wire.client("https://own.test")).call())
    assert wire.last.url.host == "own.test"


def test_a_package_has_the_models_apart():
    made = document(
        {"/x": {"get": {"operationId": "call", "responses": OK}}}, {"Pet": {"type": "object", "properties": {"a": {}}}}
    )
    files = layout.package(drafted(made))
    assert set(files) == {"__init__.py", "client.py", "models.py"}
    assert "class Pet(Model)" in files["models.py"]
    assert "from .client import Shop" in files["__init__.py"]


def test_the_head_says_where_it_comes_from():
    assert generate(one()).startswith('"""A client of Shop 1, written by `asyncapi generate`.')
