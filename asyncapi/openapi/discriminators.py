"""Find what discriminators say, and write it where a model can go by it: as the one value of a property."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema = dict[str, Any]
LOCAL = "#/components/schemas/"


def name_of(pointer: str) -> str | None:
    """Return the named schema that a reference, or a bare name of a mapping, points to."""
    if pointer.startswith(LOCAL):
        return pointer.removeprefix(LOCAL).replace("~1", "/").replace("~0", "~")
    return None if "/" in pointer or "#" in pointer else pointer


def property_of(schema: Schema) -> str | None:
    """Return the property that a discriminator names."""
    found = schema.get("discriminator")
    name = found.get("propertyName") if isinstance(found, dict) else None
    return name if isinstance(name, str) and name else None


def pinned(named: Mapping[str, Any], plain: Any) -> dict[str, Any]:
    """Return the named schemas, with the one value of a discriminator in those that it selects.

    Args:
        named: The named schemas.
        plain: The document.
    """
    pins: dict[str, dict[str, set[str]]] = {}
    for schema in _with_discriminator(plain):
        prop, values = property_of(schema), _values(schema)
        members = [
            name_of(one["$ref"]) for word in ("oneOf", "anyOf") for one in schema.get(word) or () if _is_ref(one)
        ]
        for name in members:
            if prop is not None and name is not None and name in named:
                pins.setdefault(name, {}).setdefault(prop, set()).update(values.get(name) or {name})
    for parent, children in children_of(named).items():
        prop, values = property_of(named[parent]), _values(named[parent])
        for name in children:
            if prop is not None:
                pins.setdefault(name, {}).setdefault(prop, set()).update(values.get(name) or {name})
    made = dict(named)
    for name, found in pins.items():
        for prop, values_of in sorted(found.items()):
            if len(values_of) == 1:
                made[name] = _with_value(made[name], prop, next(iter(values_of)), named)
    return made


def children_of(named: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the schemas that extend, at whatever distance, one that has a discriminator and no members of its own."""
    parents = {
        name for name, one in named.items()
        if isinstance(one, dict) and property_of(one) and not (one.get("oneOf") or one.get("anyOf"))
    }  # fmt: skip
    bases = {name: _bases(one) for name, one in named.items()}
    found: dict[str, list[str]] = {}
    for name in named:
        seen: set[str] = set()
        waiting = list(bases[name])
        while waiting:
            base = waiting.pop()
            if base not in seen and base in bases:
                seen.add(base)
                waiting += bases[base]
        for base in sorted(seen & parents - {name}):
            found.setdefault(base, []).append(name)
    for parent, children in found.items():  # a parent that is a kind of its own, by its mapping
        if parent in _values(named[parent]):
            children.insert(0, parent)
    return found


def _bases(schema: Any) -> list[str]:
    parts = schema.get("allOf") if isinstance(schema, dict) else None
    names = [name_of(one["$ref"]) for one in parts if _is_ref(one)] if isinstance(parts, list) else []
    return [name for name in names if name is not None]


def _is_ref(schema: Any) -> bool:
    return isinstance(schema, dict) and isinstance(schema.get("$ref"), str)


def _with_discriminator(plain: Any) -> Iterator[Schema]:
    waiting = [plain]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if property_of(one) and (isinstance(one.get("oneOf"), list) or isinstance(one.get("anyOf"), list)):
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _values(schema: Schema) -> dict[str, set[str]]:
    """Return which values a mapping gives to which named schemas."""
    mapping = schema["discriminator"].get("mapping")
    found: dict[str, set[str]] = {}
    for value, pointer in (mapping if isinstance(mapping, dict) else {}).items():
        if isinstance(pointer, str) and (name := name_of(pointer)) is not None:
            found.setdefault(name, set()).add(str(value))
    return found


def _declared(schema: Any, prop: str, named: Mapping[str, Any], depth: int = 0) -> Schema | None:
    """Return what a schema, or the nearest one that it extends, says about a property."""
    if _is_ref(schema):
        schema = named.get(name_of(schema["$ref"]) or "")
    if not isinstance(schema, dict) or depth > 20:  # noqa: PLR2004 - a cycle
        return None
    own = (schema.get("properties") or {}).get(prop)
    if isinstance(own, dict):
        return own
    parts = schema.get("allOf") if isinstance(schema.get("allOf"), list) else []
    found = (_declared(part, prop, named, depth + 1) for part in parts or ())
    return next((one for one in found if one is not None), None)


def _with_value(schema: Any, prop: str, value: str, named: Mapping[str, Any]) -> Any:
    """Return a schema in which a property has one value: its own where it names one, else the mapping's."""
    if not isinstance(schema, dict) or (not {"properties", "allOf"} & set(schema) and schema.get("type") != "object"):
        return schema
    if schema.get("oneOf") or schema.get("anyOf") or "$ref" in schema:
        return schema
    inner = _declared(schema, prop, named) or {}
    if _is_ref(inner):
        inner = named.get(name_of(inner["$ref"]) or "") or {}
    choices = [inner["const"]] if "const" in inner else inner.get("enum")
    if isinstance(choices, list) and value not in choices:
        if len(choices) != 1:
            return schema
        value = choices[0]
    said = {"description": inner["description"]} if isinstance(inner.get("description"), str) else {}
    pin = {"properties": {prop: {"const": value, **said}}, "required": [prop]}
    if "allOf" in schema:
        return {**schema, "allOf": [*schema["allOf"], {"type": "object", **pin}]}
    required = [name for name in schema.get("required") or () if name != prop]
    properties = {**(schema.get("properties") or {}), **pin["properties"]}  # type: ignore[dict-item]
    return {**schema, "properties": properties, "required": [*required, prop]}
