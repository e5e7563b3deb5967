"""Read and write single JSON Schemas of OpenAPI 3.1, so far as models need them: rule 1 of `classes.py`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.names import member_names

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

# Formats whose values get a Python type of their own; the values of others are what their `type` says.
_FORMATS = frozenset({"date-time", "date", "time", "uuid", "byte", "binary"})
_TEXTS = ("string", "integer", "number")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_BY_TYPE: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_COMPOSED = frozenset({"anyOf", "oneOf", "allOf"})
_CHECKS = frozenset({"required", "properties", "description", "title"})  # of a branch that only says what must be there


def upgraded(schema: Schema) -> Schema:
    """Return a schema with what older versions say otherwise in the words of 3.1."""
    made = {key: value for key, value in schema.items() if not key.startswith("x-") or key == "x-enum-varnames"}
    names = schema.get("x-enumNames") or schema.get("x-enum-varnames")
    if isinstance(names, list):
        made["x-enum-varnames"] = names
    if made.pop("nullable", False) is True:
        kind = made.get("type")
        if isinstance(kind, str):
            made["type"] = [kind, "null"]
        elif kind is None and "$ref" not in made:
            made["type"] = ["null", *_kinds_of_values(made)]
    for word, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(word), bool) and made.pop(word) and bound in made:
            made[word] = made.pop(bound)
    return made


def _kinds_of_values(schema: Schema) -> list[str]:
    values = schema.get("enum")
    return [] if not isinstance(values, list) else sorted({_BY_TYPE.get(type(one), "null") for one in values})


def kinds(schema: Schema) -> list[str]:
    """Return the types that a schema names; for an enum those of its values, null last."""
    kind = schema.get("type")
    found = (
        [kind]
        if isinstance(kind, str)
        else [one for one in kind if isinstance(one, str)]
        if isinstance(kind, list)
        else []
    )
    values = schema.get("enum")
    if isinstance(values, list) and None in values and "null" not in found:
        found = [*found, "null"]
    for word in ("oneOf", "anyOf"):
        if isinstance(schema.get(word), list) and any(_is_null(one) for one in schema[word]):
            found = [*found, "null"]
    if "null" in found:
        found = [*(one for one in found if one != "null"), "null"]
    return list(dict.fromkeys(found))


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and (
        schema.get("type") in ("null", ["null"]) or schema.get("enum") == [None] or schema.get("const", 0) is None
    )


def without_null(schema: Schema) -> Schema:
    """Return what is left of a schema that also allows null; an empty one where nothing is."""
    made = dict(schema)
    kind = made.get("type")
    if isinstance(kind, list):
        rest = [one for one in kind if one != "null"]
        made["type"] = rest[0] if len(rest) == 1 else rest
        if not rest:
            del made["type"]
            if not set(made) & {"enum", "anyOf", "oneOf", "allOf", "properties", "items", "additionalProperties"}:
                return {}
    elif kind == "null" and not set(made) & _COMPOSED:
        return {}
    elif kind == "null":  # meant as nullable: nothing is null alone and composed of others
        del made["type"]
    for word in ("enum", "oneOf", "anyOf"):
        if isinstance(made.get(word), list):
            made[word] = [one for one in made[word] if not (one is None if word == "enum" else _is_null(one))]
            if not made[word]:
                return {}
    return made


def split(schema: Schema) -> Schema:
    """Turn several types into as many schemas."""
    found = [one for one in kinds(schema) if one != "null"]
    rest = {key: value for key, value in schema.items() if key not in {"type", "description", "default", "deprecated"}}
    return {"anyOf": [{**rest, "type": one} for one in found], **said(schema)}


def said(schema: Schema) -> Schema:
    """Return what a schema says about its place, not about its values."""
    made: Schema = {}
    text = schema.get("description")
    if isinstance(text, str) and text.strip():
        made["description"] = text
    if schema.get("deprecated") is True:
        made["deprecated"] = True
    return made


def bounds(schema: Schema, *words: str) -> Schema:
    """Return those of the words that have whole numbers that can be bounds."""
    return {
        word: int(schema[word])
        for word in words
        if isinstance(schema.get(word), int | float)
        and not isinstance(schema[word], bool)
        and 0 <= schema[word] < 2**63
    }


def additional(schema: Schema) -> Any:
    """Return what further properties may be: a schema, True for anything, False for none."""
    more = schema.get("additionalProperties", True)
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict) and patterns and not isinstance(more, dict):
        found = [one for one in patterns.values() if isinstance(one, dict)]
        return True if len(found) < len(patterns) else found[0] if len(found) == 1 else {"anyOf": found}
    return {} if more == {} else more if isinstance(more, bool | dict) else True


def beside_properties(schema: Schema) -> Any:
    """Return what properties without a name may be; True where they may be anything, as beside a pattern."""
    more = schema.get("additionalProperties", True)
    return True if schema.get("patternProperties") and more is not False else additional(schema)


def choice(schema: Schema) -> Schema:
    """Write an enum, or a constant where there is one value."""
    values = _values(schema)
    if values == [None]:
        return {"type": "null", **said(schema)}
    if not values or not all(isinstance(one, str | int | float | bool) for one in values):
        return said(schema)
    if (
        all(isinstance(one, float) and one.is_integer() for one in values if not isinstance(one, bool))
        and not any(isinstance(one, bool) for one in values)
        and not any(isinstance(one, str | int) for one in values)
    ):
        values = [int(one) for one in values]
    if any(isinstance(one, float) for one in values):  # no Literal, and no enum that reads well
        kinds_of_values = sorted({_BY_TYPE[type(one)] for one in values} - {"integer"})
        return {**either({"type": one} for one in kinds_of_values), **said(schema)}
    if len(values) == 1:
        return {"const": values[0], **said(schema)}
    if {type(one) for one in values} == {bool}:
        return {"type": "boolean", **said(schema)}
    made: Schema = {"enum": values, **said(schema)}
    types = {_BY_TYPE[type(one)] for one in values}
    if len(types) == 1:
        made["type"] = types.pop()
    names = schema.get("x-enum-varnames")
    if isinstance(names, list) and len(names) == len(values) and all(isinstance(one, str) for one in names):
        made["x-enum-varnames"] = names
    elif made.get("type") in {"string", "integer"}:
        made["x-enum-varnames"] = member_names(values)
    return made


def _values(schema: Schema) -> list[Any]:
    """The values of an enum, each once; of one of texts, as texts."""
    if "const" in schema:
        return [schema["const"]]
    values = [one for one in schema["enum"] if isinstance(one, str | int | float | bool)]
    if kinds(schema)[:1] == ["string"]:
        values = [_as_text(one) for one in values]
    return [one for at, one in enumerate(values) if not any(_same(one, other) for other in values[:at])]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def primitive(schema: Schema) -> Schema:
    """Write a text, a number or a boolean; anything where no type is named."""
    kind = (kinds(schema) or [""])[0]
    made: Schema = said(schema)
    if kind == "null":
        return {"type": "null", **made}
    if kind == "file":  # Swagger 2.0
        return {"type": "string", "format": "binary", **made}
    if kind not in {"string", "integer", "number", "boolean"}:
        return made
    made = {"type": kind, **made}
    if kind == "string":
        made |= _of_text(schema)
    elif kind != "boolean":
        made |= _of_number(schema, kind)
    return made


def _of_text(schema: Schema) -> Schema:
    form = schema.get("format")
    encoded, media = schema.get("contentEncoding"), schema.get("contentMediaType")
    if encoded == "base64":
        form = "byte"
    elif (
        encoded is None
        and isinstance(media, str)
        and form is None
        and not media.startswith(("text/", "application/json"))
    ):
        form = "binary"
    if form in _FORMATS:
        return {"format": form}
    made = bounds(schema, "minLength", "maxLength")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and pattern and _compiles(pattern):
        made["pattern"] = pattern
    return made


def _compiles(pattern: str) -> bool:
    """Whether pydantic's regex engine takes a pattern; Python's own must as well, which shows it in editors."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema  # noqa: PLC0415 - takes long

    try:
        re.compile(pattern)
        SchemaValidator(core_schema.str_schema(pattern=pattern))
    except (SchemaError, re.error, RecursionError, OverflowError):
        return False
    return pattern.isprintable()


def _of_number(schema: Schema, kind: str) -> Schema:
    made: Schema = {}
    for word in _NUMBERS:
        value = schema.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:  # noqa: PLR2004
            made[word] = int(value) if kind == "integer" and float(value).is_integer() else value
    step = schema.get("multipleOf")
    if kind == "integer" and isinstance(step, int) and step > 0:  # a float is never quite a multiple of 0.01
        made["multipleOf"] = step
    return made


def either(schemas: Iterable[Schema]) -> Schema:
    """Write a union: no member twice, no union inside; anything at all swallows the rest."""
    members: list[Schema] = []
    for schema in schemas:
        inner = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
        members += [one for one in inner if one not in members]
    if any(not set(one) - {"description"} for one in members):
        return {}
    members = [one for one in members if one != {"type": "null"}] + [one for one in members if one == {"type": "null"}]
    return members[0] if len(members) == 1 else {"anyOf": members}


def flattened(schema: Schema) -> Schema:
    """Write "a text or null" as one type: the library would give its bounds a name of their own."""
    members = schema.get("anyOf") or []
    if len(members) == 2 and members[1] == {"type": "null"} and members[0].get("type") in _TEXTS:  # noqa: PLR2004
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**members[0], **beside, "type": [members[0]["type"], "null"]}
    return schema


def may_be_null(schema: Schema, found: Schema) -> bool:
    """Whether null is among the values of a schema in the dialect; `found` is what its reference points to."""
    return any(
        one.get("type") == "null" or any(each == {"type": "null"} for each in one.get("anyOf", ()))
        for one in (schema, found)
    )


def fits(value: Any, schema: Schema, found: Schema) -> bool:
    """Whether a default can stand in the source as it is, for a schema and what its reference points to."""
    members = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(members) == 1:
        schema = members[0]
        if "$ref" in schema:
            return False
    facts = found if "$ref" in schema else schema
    if "enum" in facts:
        return len({type(one) for one in facts["enum"]}) == 1 and any(_same(value, one) for one in facts["enum"])
    if "const" in facts:
        return _same(value, facts["const"])
    kind = facts.get("type")
    if facts.get("format") or "pattern" in facts or kind is None or isinstance(kind, list):
        return False
    if kind == "array":
        return bool(value == [])
    if kind == "object":
        return bool(value == {}) and "properties" not in facts and "$ref" not in schema
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return bool(_BY_TYPE.get(type(value)) == kind)


def only_requires(schema: Any) -> bool:
    """Whether a branch of a union says nothing but which properties must be there."""
    return isinstance(schema, dict) and (
        not schema
        or (
            "required" in schema
            and set(schema) <= _CHECKS
            and not any(isinstance(one, dict) and one for one in (schema.get("properties") or {}).values())
        )
        or set(schema) == {"not"}
    )
