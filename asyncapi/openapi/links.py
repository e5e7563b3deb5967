"""Walk a piece of a document at any depth: which named schemas it refers to, and whether it has one-way properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.openapi.discriminators import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ways:
    """Which named schemas are sent, and which are received.

    Args:
        named: The named schemas of a document.
        sent: The schemas of requests.
        received: The schemas of responses.

    Attributes:
        two: Those that go both ways and have, at any depth, a property that goes one way alone.
    """

    def __init__(self, named: Mapping[str, Any], sent: list[Any], received: list[Any]) -> None:
        to = {name: references(schema) for name, schema in named.items()}
        self._sent = _reached(to, references(sent))
        self._received = _reached(to, references(received))
        one_way = {name for name, schema in named.items() if has_one_way(schema)}
        self.two: set[str] = {name for name in self._sent & self._received if _reached(to, {name}) & one_way}

    def sent_only(self, name: str) -> bool:
        """Whether a named schema is sent and never received."""
        return name in self._sent and name not in self._received


def _reached(to: Mapping[str, set[str]], start: set[str]) -> set[str]:
    seen: set[str] = set()
    waiting = [name for name in start if name in to]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [other for other in to[name] if other in to]
    return seen


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
