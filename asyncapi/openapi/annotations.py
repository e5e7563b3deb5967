"""Write the annotation of a schema in the dialect: what a parameter, a body or a response has in the source."""

from __future__ import annotations

from typing import Any

from asyncapi.openapi.discriminators import LOCAL

_BY_FORMAT = {
    "date-time": "datetime", "date": "date", "time": "time", "uuid": "UUID", "binary": "bytes", "byte": "Base64Bytes",
}  # fmt: skip
_BY_TYPE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def annotation(schema: dict[str, Any]) -> str:
    """Write a schema as a type."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(LOCAL)
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(dict.fromkeys(annotation(one) for one in schema[word]))
    kind = schema.get("type")
    if kind == "array":
        return f"list[{annotation(schema.get('items') or {})}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {annotation(values) if isinstance(values, dict) and values else 'Any'}]"
    if kind == "string" and schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    return _BY_TYPE.get(str(kind), "Any")


def with_none(text: str) -> str:
    """Write a type that may also be None."""
    return text if text in {"Any", "None"} or text.endswith("| None") else f"{text} | None"
