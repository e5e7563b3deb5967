"""Walk a piece of a document at any depth: which named schemas it refers to, and whether it has one-way properties."""

from __future__ import annotations

from typing import Any

from asyncapi.openapi.discriminators import LOCAL


def references(schema: Any) -> set[str]:
    """Return the names of the named schemas that a piece of a document refers to, at any depth."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("$ref"), str) and one["$ref"].startswith(LOCAL):
                found.add(one["$ref"].removeprefix(LOCAL).split("/")[0].replace("~1", "/").replace("~0", "~"))
            mapping = one.get("discriminator")
            if isinstance(mapping, dict) and isinstance(mapping.get("mapping"), dict):
                found |= {str(each).rpartition("/")[2] for each in mapping["mapping"].values()}
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    return found


def has_one_way(schema: Any) -> bool:
    """Whether a piece of a document has a read-only or write-only property, named schemas left out."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("readOnly") is True or one.get("writeOnly") is True:
                return True
            waiting += [each for key, each in one.items() if key not in {"example", "examples", "default", "enum"}]
        elif isinstance(one, list | tuple):
            waiting += one
    return False
