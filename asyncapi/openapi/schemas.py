"""Turn the schemas of any version into those of OpenAPI 3.1, with every reference to a schema that has a name.

1. A schema at `#/components/schemas/X` (`#/definitions/X` in Swagger 2.0) is X. Any other that is referenced gets a
   name from its pointer or its file, and moves to the components; where it stood, a reference to it is left.
2. A component that is no more than a reference to a schema in another file gives that schema its name.
3. `nullable` and `x-nullable` become the type "null"; a boolean `exclusiveMinimum` takes the number of `minimum`;
   `example` joins `examples`; `type: file` is binary text; a `discriminator` that is text names its property.
4. What other tools let pass is mended as they mean it: `type: int`, `required: true` on a property, keywords that are
   null, `type: array` beside a reference to what is no list.
5. Only places where a schema may stand are walked: a `$ref` inside an example or a default is data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.files import Place, tokens

if TYPE_CHECKING:
    from asyncapi.openapi.files import Files

__all__ = ["PREFIX", "Schemas", "Visit"]

Visit = Callable[[str, Any, "Place"], None]  # is told each object on the way: its kind, as it was written, its place

PREFIX = "#/components/schemas/"
_ONE = ("additionalProperties", "items", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames",
        "unevaluatedProperties", "unevaluatedItems", "contentSchema")  # fmt: skip
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_MEANT = {
    "int": "integer", "int32": "integer", "int64": "integer", "long": "integer", "float": "number", "double": "number",
    "decimal": "number", "bool": "boolean", "str": "string", "text": "string", "date": "string", "datetime": "string",
    "date-time": "string", "uuid": "string", "list": "array", "dict": "object", "map": "object", "hash": "object",
}  # fmt: skip
# No names of schemas, but of the places where they stand.
_VAGUE = frozenset({
    "schema", "schemas", "items", "content", "responses", "properties", "application/json", "get", "allOf", "anyOf",
    "oneOf", "0", "1", "$defs", "definitions", "components", "paths", "parameters", "requestBody",
    "additionalProperties",
})  # fmt: skip


class Schemas:
    """The named schemas of one document, growing while its parts are read."""

    def __init__(self, files: Files, *, old: bool, visit: Visit | None = None) -> None:
        self.files = files
        self.visit = visit
        self.old = old  # before 3.1: nothing counts beside a $ref
        self.made: dict[str, dict[str, Any]] = {}
        self._names: dict[Place, str] = {}
        self._placed: dict[Place, dict[str, Any]] = {}
        self._waiting: list[Place] = []

    def components(self, raw: Any, at: Place) -> None:
        """Read the schemas that the document itself names."""
        named = {str(name): value for name, value in raw.items()} if isinstance(raw, dict) else {}
        for name in named:
            self._names[at / name] = name
            self.made[name] = {}
        for name, value in named.items():
            if (
                isinstance(value, dict)
                and isinstance(reference := value.get("$ref"), str)
                and not reference.startswith("#")
            ):
                found = self.files.one(reference, at / name)
                if found is not None and found.place not in self._names:  # rule 2
                    self._names[found.place] = name
                    self.made[name].update(self.read(found.value, found.place))
                    continue
            self.made[name].update(self.read(value, at / name))

    def known(self, place: Place, name: str) -> None:
        """Take the schema at a place as one that has this name."""
        self._names[place] = name
        self.made.setdefault(name, {})

    def settle(self) -> None:
        """Read the schemas that got their names on the way, until there are no more."""
        while self._waiting:
            place = self._waiting.pop()
            schema = self.made[self._names[place]]
            if (stood := self._placed.get(place)) is not None:
                schema.update(stood)  # the schema moves: what is inside it stays the same objects
                stood.clear()
                stood["$ref"] = PREFIX + _escaped(self._names[place])
                self._placed[place] = schema
            else:
                schema.update(self.read(self.files.value_at(place), place))

    def read(self, raw: Any, at: Place) -> dict[str, Any]:
        """Return one schema as OpenAPI 3.1 has it."""
        if self.visit is not None:
            self.visit("schema", raw, at)
        if raw is True or raw is None:
            return {}
        if raw is False:
            return {"not": {}}
        if not isinstance(raw, dict):
            self.files.problem(at, f"a schema is an object, not {_kind(raw)}")
            return {}
        if "$ref" in raw:
            return self._reference(raw, at)
        made = {key: value for key, value in raw.items() if value is not None or key in _MAY_BE_NULL}
        self._placed[at] = made
        self._inside(made, at)
        _types(made)
        _words(made)
        self._discriminator(made, at)
        return _nullable(made)

    def _inside(self, made: dict[str, Any], at: Place) -> None:
        for key in _ONE:
            if key in made and not isinstance(value := made[key], bool):
                if key == "items" and isinstance(value, list) and "type" not in made:  # meant as a choice: Slack's do
                    made.setdefault("anyOf", made.pop("items"))
                    continue
                if key == "items" and isinstance(value, list):  # tuples, as JSON Schema had them before 2020-12
                    made["prefixItems"] = [self.read(each, at / key / index) for index, each in enumerate(value)]
                    del made["items"]
                    continue
                made[key] = self.read(value, at / key)
        for key in _LISTS:
            if isinstance(value := made.get(key), list):
                made[key] = [self.read(each, at / key / index) for index, each in enumerate(value)]
        for key in _MAPS:
            if isinstance(value := made.get(key), dict):
                made[key] = {str(name): self.read(each, at / key / name) for name, each in value.items()}
            elif key in made and key == "properties":
                del made[key]

    def _reference(self, raw: dict[str, Any], at: Place) -> dict[str, Any]:
        name = self.name(raw["$ref"], at)
        if name is None:
            return {}
        made: dict[str, Any] = {"$ref": PREFIX + _escaped(name)}
        if raw.get("type") == "array" and "items" not in raw and not self._is_list(raw["$ref"], at):
            made = {"type": "array", "items": made}  # rule 4
        if raw.get("nullable") is True or raw.get("x-nullable") is True:
            made = {"anyOf": [made, {"type": "null"}]}
        for key in ("description", "deprecated", "title"):  # not official before 3.1, and meant
            if key in raw:
                made[key] = raw[key]
        if not self.old and len(raw) > len(made):
            rest = {key: value for key, value in raw.items() if key != "$ref"}
            made |= self.read(rest, at)
        return made

    def _is_list(self, reference: Any, at: Place) -> bool:
        found = self.files.one(reference, at, mild=True)
        target = found.value if found is not None else None
        return isinstance(target, dict) and (target.get("type") == "array" or not {"type", "properties"} & set(target))

    def name(self, reference: Any, at: Place, *, mild: bool = False) -> str | None:
        """Return the name of the schema that a reference leads to; None, with a problem kept, where there is none."""
        found = self.files.one(reference, at, mild=mild)
        if found is None:
            return None
        if isinstance(found.value, dict) and "$ref" in found.value and self.files.find(reference, at) is None:
            return None
        place = found.place
        if self.files.is_other(place, "definitions" if place.pointer.startswith("/def") else "schemas", at, "a schema"):
            return None
        if place not in self._names:
            self._names[place] = self._free(_called(place))
            self.made[self._names[place]] = {}
            self._waiting.append(place)
        return self._names[place]

    def _free(self, name: str) -> str:
        count, free = 1, name
        while free in self.made:
            count += 1
            free = f"{name}{count}"
        return free

    def _discriminator(self, made: dict[str, Any], at: Place) -> None:
        said = made.get("discriminator")
        if isinstance(said, str):
            made["discriminator"] = {"propertyName": said}
        elif isinstance(said, dict) and isinstance(mapping := said.get("mapping"), dict):
            new = {}
            for value, target in mapping.items():
                here = at / "discriminator" / "mapping" / value
                if isinstance(target, str) and (name := self._mapped(target, here)) is not None:
                    new[str(value)] = PREFIX + _escaped(name)
            made["discriminator"] = said | {"mapping": new}
        elif "discriminator" in made and not isinstance(said, dict):
            del made["discriminator"]

    def _mapped(self, target: str, at: Place) -> str | None:
        if target in self.made and "#" not in target and "/" not in target:  # a bare name (OpenAPI 3.x, discriminator)
            return target
        return self.name(target, at, mild=True)


_ABOUT: tuple[str, ...] = ("description", "title", "deprecated", "default", "readOnly", "writeOnly")
_MAY_BE_NULL = frozenset({"default", "example", "const"})


def _kind(value: Any) -> str:
    return {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}.get(type(value), "null")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _called(place: Place) -> str:
    """Make a name from where a schema stands: the last telling word of its pointer, or that of its file."""
    parts = [part for part in tokens(place.pointer) if part not in _VAGUE] if place.pointer else []
    if parts:
        parts = parts[-2:] if not place.file else parts[-1:]
    else:
        parts = [PurePosixPath(place.file.partition("?")[0]).stem]
    words = re.findall(r"[A-Za-z0-9]+", " ".join(parts))
    return "".join(word[0].upper() + word[1:] for word in words) or "Schema"


def _types(made: dict[str, Any]) -> None:
    """Rule 3 and 4, on `type`."""
    said = made.get("type")
    if said is None:
        return
    kinds = said if isinstance(said, list) else [said]
    if "file" in kinds:
        made["type"], made["format"] = "string", "binary"
        return
    kinds = [_MEANT.get(kind.strip().lower(), kind.strip().lower()) for kind in kinds if isinstance(kind, str)]
    kinds = list(dict.fromkeys(kind for kind in kinds if kind in _TYPES))
    if not kinds:
        del made["type"]
    else:
        made["type"] = kinds if len(kinds) > 1 else kinds[0]


def _words(made: dict[str, Any]) -> None:
    """Rule 3 and 4, on what limits values and shows them."""
    for key, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if made.get(key) is True and isinstance(made.get(limit), int | float):
            made[key] = made.pop(limit)
        elif isinstance(made.get(key), bool):
            del made[key]
    if "required" in made:
        if isinstance(made["required"], list) and made["required"]:
            made["required"] = list(dict.fromkeys(map(str, made["required"])))
        else:
            del made["required"]
    if "enum" in made and not isinstance(made["enum"], list):
        del made["enum"]
    if "example" in made:
        example = made.pop("example")
        made.setdefault("examples", [example])
    if isinstance(made.get("examples"), dict):  # written as those of a parameter
        made["examples"] = [each.get("value") if isinstance(each, dict) else each for each in made["examples"].values()]
    elif "examples" in made and not isinstance(made["examples"], list):
        made["examples"] = [made["examples"]]


def _nullable(made: dict[str, Any]) -> dict[str, Any]:
    nullable = made.pop("nullable", None)
    other = made.pop("x-nullable", None)
    if nullable is not True and other is not True:
        return made
    if isinstance(values := made.get("enum"), list) and None not in values:
        made["enum"] = [*values, None]
    if isinstance(kind := made.get("type"), str):
        made["type"] = [kind, "null"] if kind != "null" else kind
    elif isinstance(kind, list):
        made["type"] = [*kind, "null"] if "null" not in kind else kind
    for key in ("anyOf", "oneOf"):
        if isinstance(choices := made.get(key), list):
            if not any(isinstance(each, dict) and each.get("type") == "null" for each in choices):
                choices.append({"type": "null"})
            return made
    if "allOf" in made:
        return _or_null(made)
    return made


def _or_null(made: dict[str, Any]) -> dict[str, Any]:
    """Wrap a schema of `allOf`, in place: its object may have been referenced."""
    outer = {key: made.pop(key) for key in _ABOUT if key in made}
    if isinstance(kind := made.get("type"), list):
        made["type"] = next((each for each in kind if each != "null"), "null")
    inner = dict(made)
    made.clear()
    made.update(outer)
    made["anyOf"] = [inner, {"type": "null"}]
    return made
