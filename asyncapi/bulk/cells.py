"""Turn values into the cells of a table, and find the fields of a model with what each of them holds.

A cell is a number, text, a boolean or None. Anything else is its JSON text. A number that a field's column can't hold
is None: `data` has it.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from asyncapi.bulk.rows import BIGGEST_INT, id_cell
from asyncapi.messages.json_text import written_anyhow

Kind = Literal["id", "text", "int", "real", "bool", "time", "json", "any"]

_TYPES: dict[str, Kind] = {"integer": "int", "number": "real", "boolean": "bool", "string": "text"}


def cell(kind: Kind, value: Any, *, null: bool = False) -> Any:
    """Turn a value into what a column of this kind holds (rule 3)."""
    if value is None and not null:
        return None
    if kind == "id":
        return id_cell(value)
    if kind == "json":
        return written_anyhow(value).decode()
    if kind == "int":
        return value if type(value) is int and -BIGGEST_INT <= value < BIGGEST_INT else None
    if kind == "real":
        return _finite(value) if type(value) in {int, float} else None
    if kind == "bool":
        return value if type(value) is bool else None
    if type(value) is str:
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if kind != "any":
        return written_anyhow(value).decode()
    return _any_cell(value)


def _any_cell(value: Any) -> Any:
    if type(value) is bool:
        return value
    if type(value) is int:
        return value if -BIGGEST_INT <= value < BIGGEST_INT else str(value)
    return _finite(value) if type(value) is float else written_anyhow(value).decode()


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number + 0.0 if math.isfinite(number) else None


def plain(value: Any) -> Any:
    """Return a value as plain data, as JSON has it."""
    from pydantic_core import from_json  # noqa: PLC0415 - it takes long

    return value if type(value) in {dict, list} else from_json(written_anyhow(value))


def fields_of(model: Any) -> list[tuple[str, Kind]]:
    """Return the fields of a model with their kinds; none of a type without fields."""
    from pydantic import BaseModel, TypeAdapter  # noqa: PLC0415 - it takes long

    try:
        schema = TypeAdapter(model).json_schema(by_alias=False, mode="serialization")
    except Exception:  # a type that has no JSON schema
        is_model = isinstance(model, type) and issubclass(model, BaseModel)
        return [(name, "json") for name in model.model_fields] if is_model else []
    whole = _resolved(schema, schema)
    return [(name, _kind(part, schema)) for name, part in whole.get("properties", {}).items()]


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for _ in range(10):
        reference = part.get("$ref", "")
        if not reference.startswith("#/$defs/"):
            break
        part = schema["$defs"][reference.removeprefix("#/$defs/")]
    return part


def _kind(part: dict[str, Any], schema: dict[str, Any]) -> Kind:
    part = _resolved(part, schema)
    choices = [_resolved(one, schema) for one in part.get("anyOf", ())]
    kinds = {one.get("type") for one in choices if one.get("type") != "null"} or {part.get("type")}
    if kinds == {"integer", "number"}:
        return "real"
    return _TYPES.get(str(kinds.pop()), "json") if len(kinds) == 1 else "json"
