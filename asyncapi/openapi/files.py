"""Hold the files of a document, and find what a `$ref` points to.

1. A place is a file and a JSON pointer (RFC 6901) in it. In a `$ref` the pointer stands after the `#`, percent-encoded.
2. What is found through other references counts as being where it really stands.
3. `#name` is an `$anchor`, and an address may be the `$id` of a schema (JSON Schema 2020-12 §8.2).
4. `#/$defs/X` that isn't there is looked for in the schemas around the reference: tools that paste in schemas of
   pydantic leave such references behind.
   The same goes for a file of a document that means the document: `#/definitions/X` stands for the one there.
5. Whole parts (`paths`, `definitions`, `components/schemas`) may be references too: no version allows it, and many
   tools do. So a pointer goes on in what a reference on its way leads to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from asyncapi.errors import ConfigError
from asyncapi.openapi import sources
from asyncapi.openapi.document import Problem

__all__ = ["Files", "Found", "Place", "tokens"]

# Where the parts of one kind stand, in OpenAPI 3 and in Swagger 2.0.
_PART = re.compile(
    r"/components/(schemas|responses|parameters|requestBodies|headers|securitySchemes)/[^/]+\Z"
    r"|/(definitions|parameters|responses)/[^/]+\Z"
)
MAX_FILES = 2_000
MAX_HOPS = 50  # references to references


class Place(NamedTuple):
    """Where something stands: the file ("" for the document itself) and the JSON pointer in it, without `#`."""

    file: str
    pointer: str

    def __truediv__(self, token: str | int) -> Place:
        return Place(self.file, f"{self.pointer}/{str(token).replace('~', '~0').replace('/', '~1')}")

    def __str__(self) -> str:
        return f"{self.file}#{self.pointer}"


class Found(NamedTuple):
    """What a reference leads to, and where that stands."""

    value: Any
    place: Place


def tokens(pointer: str) -> list[str]:
    """Split a JSON pointer into the keys that it names (RFC 6901 §4)."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


@dataclass
class Files:
    """The document's file and those that it refers to, each read once."""

    root: Any
    source: str
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _broken: dict[str, str] = field(default_factory=dict)
    _anchors: dict[str, dict[str, Place]] = field(default_factory=dict)
    _said: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.values[""] = self.root

    def problem(self, place: Place, what: str, hint: str = "", *, warning: bool = False) -> None:
        """Keep a problem, once."""
        if (str(place), what) not in self._said:
            self._said.add((str(place), what))
            self.problems.append(Problem(str(place), what, hint, "warning" if warning else "error"))

    def is_other(self, place: Place, section: str, at: Place, what: str) -> bool:
        """Say whether a reference at `at` leads to a part of another kind, and keep the problem."""
        match = _PART.match(place.pointer)
        found = (match[1] or match[2]) if match else section
        if not section or found == section:
            return False
        self.problem(at, f"the $ref leads to one of the {found}, and here stands {what}", "Refer to one of that kind.")
        return True

    def find(self, reference: Any, at: Place) -> Found | None:
        """Follow a reference that stands at `at`, to its end; None, with a problem kept, where it leads nowhere."""
        first, seen = at, set[Place]()
        while True:
            found = self.one(reference, at, first)
            if found is None:
                return None
            value, place = found
            if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
                return found
            if place in seen or len(seen) > MAX_HOPS:
                self.problem(
                    first, "this $ref leads back to itself, so nothing is defined", "Let one of them say what it is."
                )
                return None
            seen.add(place)
            reference, at = value["$ref"], place

    def one(self, reference: Any, at: Place, said_at: Place | None = None, *, mild: bool = False) -> Found | None:
        """Follow one reference, but not what it leads to. With `mild` one that leads nowhere is a warning."""
        said_at = said_at or at
        if not isinstance(reference, str):
            self.problem(said_at, "a $ref is text: a pointer such as #/components/schemas/Pet")
            return None
        file, _, fragment = reference.partition("#")
        if file and (known := self._known_id(reference)):
            return self._step(known)
        target = self._file(file, at, said_at, reference, mild=mild)
        if target is None:
            return None
        place = Place(target, unquote(fragment))
        if place.pointer and not place.pointer.startswith("/"):
            place = self._anchors_of(target).get(f"#{place.pointer}", place)
        found = self._step(place)
        if found is None:
            return self._around(place, at, reference, said_at, mild=mild)
        if place == Place("", ""):
            self.problem(
                said_at, f"the $ref {reference} means the whole document", "Name a part of it: #/components/..."
            )
            return None
        return found

    def value_at(self, place: Place) -> Any:
        """Return what stands at a place, None where nothing does."""
        found = self._step(place)
        return None if found is None else found.value

    def _step(self, place: Place, depth: int = 0) -> Found | None:
        """Follow a pointer, and (rule 5) a reference on its way."""
        value, at = self.values[place.file], Place(place.file, "")
        if not place.pointer.startswith("/"):
            return None if place.pointer else Found(value, place)
        for token in tokens(place.pointer):
            if (
                isinstance(value, dict)
                and token not in value
                and isinstance(value.get("$ref"), str)
                and depth < MAX_HOPS
            ):
                target = self._target(value["$ref"], at)
                found = self._step(target, depth + 1) if target else None
                value, at = found or (None, at)
            if isinstance(value, dict) and token in value:
                value = value[token]
            elif isinstance(value, list) and token.isdecimal() and int(token) < len(value):
                value = value[int(token)]
            else:
                return None
            at /= token
        return Found(value, at)

    def _target(self, reference: str, at: Place) -> Place | None:
        file, _, fragment = reference.partition("#")
        target = self._file(file, at, at, reference, mild=True)
        return None if target is None else Place(target, unquote(fragment))

    def _around(self, place: Place, at: Place, reference: str, said_at: Place, *, mild: bool) -> Found | None:
        """Rule 4; or say what is missing."""
        parts = tokens(place.pointer) if place.pointer.startswith("/") else []
        if len(parts) > 1 and parts[0] in {"$defs", "definitions"}:
            pointer = at.pointer
            while pointer:
                pointer = pointer.rpartition("/")[0]
                near = Place(at.file, pointer + place.pointer)
                if (found := self._step(near)) is not None:
                    self.problem(
                        said_at,
                        f"the $ref {reference} names nothing: it means {near}",
                        "Write the whole pointer.",
                        warning=True,
                    )
                    return found
        if place.file and reference.startswith("#") and (found := self._step(Place("", place.pointer))) is not None:
            hint = "Name the file before the #."
            self.problem(said_at, f"the $ref {reference} names nothing in its own file", hint, warning=True)
            return found
        self.problem(said_at, f"the $ref {reference} leads nowhere", self._hint(place), warning=mild)
        return None

    def _hint(self, place: Place) -> str:
        if not place.pointer.startswith("/"):
            return "A pointer begins with #/."
        *parents, last = tokens(place.pointer)
        value = self.values[place.file]
        for token in parents:
            value = value.get(token) if isinstance(value, dict) else None
        if not isinstance(value, dict):
            return "Nothing of the place that it names exists: is its spelling right?"
        from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong

        near = get_close_matches(last, [str(key) for key in list(value)[:5000]], n=1)
        return f"Is {near[0]!r} meant?" if near else f"Define {last!r} there, or remove the reference."

    def _file(self, file: str, at: Place, said_at: Place, reference: str, *, mild: bool) -> str | None:
        if not file:
            return at.file
        place = ""
        try:
            place = sources.beside(at.file or self.source, file)
            if place == self._own():
                return ""
            if place not in self.values and place not in self._broken:
                self.values[place] = self._loaded(place)
        except ConfigError as error:
            self._broken[place] = error.message
        if place in self._broken:
            self.problem(said_at, f"the $ref {reference} can't be followed: {self._broken[place]}", warning=mild)
            return None
        return place

    def _loaded(self, place: str) -> Any:
        if len(self.values) > MAX_FILES:
            raise ConfigError(f"the document refers to more than {MAX_FILES} files")
        return sources.parse(sources.load(place), place).value

    def _own(self) -> str:
        if sources.is_url(self.source) or self.source in {"", "-", "<bytes>"}:
            return self.source
        return str(Path(self.source).resolve())

    def _known_id(self, reference: str) -> Place | None:
        if not reference.startswith(("http://", "https://", "urn:", "tag:")):
            return None
        file, hash_, fragment = reference.partition("#")
        anchors = self._anchors_of("")
        if (place := anchors.get(reference)) is None and (base := anchors.get(file)) is not None and hash_:
            inner = Place("", base.pointer + unquote(fragment))
            place = inner if self._step(inner) is not None else None
        return place

    def _anchors_of(self, file: str) -> dict[str, Place]:
        """Rule 3: found on first use, in one walk."""
        if file not in self._anchors:
            found: dict[str, Place] = {}
            stack = [(self.values[file], Place(file, ""))]
            while stack:
                value, place = stack.pop()
                if isinstance(value, list):
                    stack += [
                        (each, place / index) for index, each in enumerate(value) if isinstance(each, dict | list)
                    ]
                elif isinstance(value, dict):
                    for key in ("$anchor", "$dynamicAnchor"):
                        if isinstance(name := value.get(key), str):
                            found.setdefault(f"#{name}", place)
                    if isinstance(name := value.get("$id"), str):
                        found.setdefault(name, place)
                    stack += [(each, place / key) for key, each in value.items() if isinstance(each, dict | list)]
            self._anchors[file] = found
        return self._anchors[file]
