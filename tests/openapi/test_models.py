"""Models are made by the library, and read as definitions."""

from __future__ import annotations

import pytest

from asyncapi import ConfigError
from asyncapi.openapi.models import models_of


def test_definitions_have_docstrings_and_no_settings_of_the_library():
    made = models_of(
        {
            "Pet": {
                "type": "object",
                "description": "A pet.",
                "properties": {"a": {"type": "string", "description": "The a."}},
            }
        }
    )
    assert (
        made.definitions["Pet"] == 'class Pet(Model):\n    """A pet."""\n\n    a: str | None = None\n    """The a."""'
    )


def test_an_alias_is_plain_unless_it_looks_ahead():
    made = models_of(
        {
            "Ids": {"type": "array", "items": {"type": "string"}},
            "J": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/J"}}]},
        }
    )
    assert made.definitions["Ids"] == "Ids: TypeAlias = list[str]"
    assert made.definitions["J"].startswith("J = TypeAliasType(")


def test_nothing_needs_no_library():
    assert models_of({}).definitions == {}


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datamodel_code_generator", None)
    with pytest.raises(ConfigError, match=r"asyncapi-sdk\[generate\]"):
        models_of({"A": {"type": "string"}})
