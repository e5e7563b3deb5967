"""Check the schemas of a document: their words, for the version that it is written in.

1. Each version of OpenAPI has its own words: `nullable` is 3.0's, `const` is 3.1's, and 2.0 says `x-nullable`.
2. What is required but not declared is looked for only where nothing else can declare it: not inside `allOf`,
   `anyOf`, `oneOf`, `not` or `if`, whose neighbours may, nor where more properties are described than named.
3. A word that no version has is a slip where it is spelled like one. Before 3.1 it has no effect in any case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.files import Place, tokens
from asyncapi.openapi.findings import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.openapi.document import Document
    from asyncapi.openapi.findings import Findings

__all__ = ["check"]

_TYPES = ("string", "number", "integer", "boolean", "array", "object")
_MEANT = {
    "int": "integer", "long": "integer", "int32": "integer", "int64": "integer", "float": "number", "double": "number",
    "decimal": "number", "bool": "boolean", "str": "string", "text": "string", "date": "string", "datetime": "string",
    "date-time": "string", "uuid": "string", "list": "array", "dict": "object", "map": "object",
}  # fmt: skip
_ONLY_31 = {
    "const": "an enum of one value", "$defs": "components/schemas", "prefixItems": "items", "if": "oneOf",
    "then": "oneOf", "else": "oneOf", "dependentSchemas": "allOf", "dependentRequired": "allOf",
    "patternProperties": "additionalProperties", "propertyNames": "additionalProperties",
    "unevaluatedProperties": "additionalProperties", "contains": "items",
    "unevaluatedItems": "items", "contentMediaType": "format", "contentEncoding": "format: byte", "$anchor": "",
    "$dynamicRef": "$ref", "$dynamicAnchor": "", "examples": "example",
}  # fmt: skip
_ONLY_3 = ("oneOf", "anyOf", "not", "nullable", "writeOnly", "deprecated")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        (_is_count, "a whole number, 0 or more"),
    ),
    **dict.fromkeys(("minimum", "maximum"), (_is_number, "a number")),
    **dict.fromkeys(
        ("uniqueItems", "readOnly", "writeOnly", "deprecated", "nullable"),
        (lambda value: isinstance(value, bool), "true or false"),
    ),
    **dict.fromkeys(
        ("allOf", "anyOf", "oneOf"), (lambda value: isinstance(value, list) and bool(value), "a list of schemas")
    ),
    **dict.fromkeys(("title", "description", "format", "pattern"), (lambda value: isinstance(value, str), "text")),
    "properties": (lambda value: isinstance(value, dict), "an object: names and their schemas"),
    "multipleOf": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "required": (_is_texts, "a list of names"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of values, with one at least"),
}
_PAIRS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)
_KNOWN = frozenset({
    *_KINDS, *_ONLY_31, *_ONLY_3, "type", "items", "additionalItems", "additionalProperties", "default", "example",
    "examples", "discriminator", "xml", "externalDocs", "exclusiveMinimum", "exclusiveMaximum", "definitions",
    "contentSchema", "dependencies", "minContains", "maxContains", "collectionFormat", "id",
})  # fmt: skip
_PARTLY = re.compile(r"/(allOf|anyOf|oneOf|not|if|then|else|dependentSchemas)(/|\Z)")


def check(document: Document, schemas: dict[Place, Any], findings: Findings) -> None:
    """Check each schema by itself."""
    _circles(document, findings)
    for at, raw in schemas.items():
        if raw is None:
            findings.error(at, "the schema is null", "Write {} if anything is allowed, or remove it.")
        if isinstance(raw, dict) and "$ref" not in raw:
            _type(document, raw, at, findings)
            _words(raw, at, findings)
            _exclusive(document, raw, at, findings)
            _limits(raw, at, findings)
            _versions(document, raw, at, findings)
            _unknown(document, raw, at, findings)
            _required(raw, at, findings)
            _discriminator(document, raw, at, findings)


def _type(document: Document, raw: dict[str, Any], at: Place, findings: Findings) -> None:
    said = raw.get("type")
    if said is None:
        if "type" in raw:
            findings.error(at, "the type is null", 'Leave it out, or write "null" in quotes.')
        return
    if isinstance(said, list) and document.spec in {"2.0", "3.0"}:
        words = "x-nullable" if document.spec == "2.0" else "nullable: true, or oneOf"
        findings.error(at, f"a list of types is a word of OpenAPI 3.1, and this is {document.spec}", f"Use {words}.")
    elif said == "null" and document.spec in {"2.0", "3.0"}:
        findings.error(
            at, f"the type null is a word of OpenAPI 3.1, and this is {document.spec}", "Use nullable: true."
        )
    known = {*_TYPES, "null", "file"} if document.spec == "2.0" else {*_TYPES, "null"}
    for kind in said if isinstance(said, list) else [said]:
        if not isinstance(kind, str) or kind not in known:
            meant = _MEANT.get(str(kind).strip().lower()) or nearest(str(kind).strip().lower(), _TYPES)
            hint = f"Write {meant!r}." if meant else f"It is one of: {', '.join(_TYPES)}."
            hint = "Write type: string, format: binary." if kind == "file" else hint
            findings.error(at, f"{kind!r} isn't a type", hint)
    if said == "array" and "items" not in raw and document.spec in {"2.0", "3.0"} and not _PARTLY.search(at.pointer):
        findings.error(at, "an array has no items", "Add items, with the schema of each item ({} allows anything).")


def _words(raw: dict[str, Any], at: Place, findings: Findings) -> None:
    for key, (fits, what) in _KINDS.items():
        if key in raw and not fits(raw[key]):
            hint = f"Write {what}."
            if key == "required" and isinstance(raw[key], bool):
                hint = "List the names of required properties in the schema around it."
            findings.error(at / key, f"{key} is {what}, not {raw[key]!r:.60}", hint)
    if isinstance(pattern := raw.get("pattern"), str) and not _is_pattern(pattern):
        findings.error(
            at / "pattern",
            f"the pattern {pattern!r:.80} isn't a regular expression",
            "Escape \\ ( ) [ ] { } if they are meant literally.",
        )
    if isinstance(values := raw.get("enum"), list):
        _enum(values, at / "enum", findings, typed="type" in raw)


def _exclusive(document: Document, raw: dict[str, Any], at: Place, findings: Findings) -> None:
    for key, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if key not in raw:
            continue
        if document.spec in {"2.0", "3.0"}:
            if not isinstance(raw[key], bool):
                findings.error(
                    at / key,
                    f"{key} is true or false in OpenAPI {document.spec}",
                    f"Put the number into {limit}, and add {key}: true.",
                )
        elif not _is_number(raw[key]):
            findings.error(
                at / key,
                f"{key} is a number in OpenAPI {document.spec}",
                f"Write the number of {limit} here, and remove {limit}.",
            )


def _is_pattern(pattern: str) -> bool:
    """Say whether a pattern is one of ECMA-262, as far as Python can tell: what it spells otherwise is let pass."""
    spelled = re.sub(r"\\[pP]\{[^{}]*\}|\\u\{[0-9a-fA-F]+\}", r"\\w", pattern)
    spelled = re.sub(r"\(\?<([A-Za-z]\w*)>", r"(", spelled).replace(r"\/", "/").replace(r"\-", "-")
    spelled = re.sub(r"\\(?:c[A-Za-z]|k<\w+>|[zZGeQEhRlLUNCXoyYiIjJKFmMgHTaVO'\"<>%&!@#~`:;=,_ ])", "x", spelled)
    try:
        re.compile(spelled)
    except re.error as error:
        return not any(word in str(error) for word in ("missing )", "unbalanced", "unterminated", "nothing to repeat"))
    except (OverflowError, RecursionError):
        return True
    return True


def _enum(values: list[Any], at: Place, findings: Findings, *, typed: bool) -> None:
    shown = [repr(value) for value in values]
    if len(set(shown)) < len(shown):
        twice = next(each for each in shown if shown.count(each) > 1)
        findings.warn(at, f"the enum has {twice} twice", "Remove one.")
    kinds = {_kind(value) for value in values} - {"null"}
    kinds = kinds - {"integer"} if "number" in kinds else kinds
    if len(kinds) > 1:
        (findings.error if typed else findings.warn)(
            at, f"the enum mixes {' and '.join(sorted(kinds))}",
            "In YAML, put quotes around text like 1 or true." if "string" in kinds else "Keep one type.",
        )  # fmt: skip


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _limits(raw: dict[str, Any], at: Place, findings: Findings) -> None:
    for low, high in _PAIRS:
        if _is_number(raw.get(low)) and _is_number(raw.get(high)) and raw[low] > raw[high]:
            findings.error(
                at, f"{low} {raw[low]} is above {high} {raw[high]}, so nothing is valid", "Swap or mend them."
            )


def _versions(document: Document, raw: dict[str, Any], at: Place, findings: Findings) -> None:
    """Rule 1."""
    if document.spec in {"2.0", "3.0"}:
        for key, instead in _ONLY_31.items():
            if key in raw:
                hint = f"Use {instead}, or" if instead else "Remove it, or"
                findings.error(
                    at / key, f"{key} is a word of OpenAPI 3.1, and this is {document.spec}",
                    f'{hint} write "openapi": "3.1.0" at the top.',
                )  # fmt: skip
    if document.spec == "2.0":
        for key in _ONLY_3:
            if key in raw:
                hint = "Use x-nullable." if key == "nullable" else "Remove it, or convert the document to OpenAPI 3."
                findings.error(at / key, f"{key} is a word of OpenAPI 3, and this is 2.0", hint)
    elif document.spec != "3.0" and "nullable" in raw:
        findings.warn(
            at / "nullable", f"nullable has no effect in OpenAPI {document.spec}", 'Add "null" to the list of types.'
        )


def _unknown(document: Document, raw: dict[str, Any], at: Place, findings: Findings) -> None:
    """Rule 3."""
    for key in raw:
        if key in _KNOWN or key.startswith(("x-", "$")):
            continue
        near = nearest(key, _KNOWN)
        if near or document.spec in {"2.0", "3.0"}:
            findings.warn(
                at / key, f"{key!r} isn't a word of a schema, so it has no effect",
                f"Is {near!r} meant?" if near else "Remove it, or begin it with x-.",
            )  # fmt: skip


def _circles(document: Document, findings: Findings) -> None:
    """Find named schemas that are made of themselves by `allOf` alone: no value can be tried against them."""
    schemas = document.plain["components"]["schemas"]
    parents = {
        name: [
            tokens(each["$ref"][1:])[-1]
            for each in schema.get("allOf", ()) if isinstance(each, dict) and isinstance(each.get("$ref"), str)
        ]
        for name, schema in schemas.items()
    }  # fmt: skip
    home = Place("", "/definitions" if document.spec == "2.0" else "/components/schemas")
    for name in schemas:
        reached, waiting = set[str](), list(parents[name])
        while waiting:
            if (each := waiting.pop()) not in reached:
                reached.add(each)
                waiting += parents.get(each, [])
        if name in reached:
            findings.error(home / name, f"allOf of {name!r} leads back to itself", "Take one of them out of allOf.")


def _required(raw: dict[str, Any], at: Place, findings: Findings) -> None:
    """Rule 2."""
    properties, required = raw.get("properties"), raw.get("required")
    if not isinstance(required, list) or not isinstance(properties, dict) or _PARTLY.search(at.pointer):
        return
    open_to_more = isinstance(raw.get("additionalProperties"), dict) or raw.get("patternProperties")
    if open_to_more or any(key in raw for key in ("allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas")):
        return
    for name in required:
        if isinstance(name, str) and name not in properties:
            near = nearest(name, properties)
            findings.warn(
                at / "required", f"the required property {name!r} isn't among the properties",
                f"Is {near!r} meant?" if near else "Declare it, or take it out of required.",
            )  # fmt: skip


def _discriminator(document: Document, raw: dict[str, Any], at: Place, findings: Findings) -> None:
    said = raw.get("discriminator")
    if said is None:
        return
    here = at / "discriminator"
    if document.spec == "2.0":
        name = said if isinstance(said, str) else None
        if name is None:
            findings.error(here, "in Swagger 2.0 a discriminator is the name of a property", "Write the name alone.")
    else:
        name = said.get("propertyName") if isinstance(said, dict) else None
        if not isinstance(name, str):
            findings.error(
                here,
                "a discriminator has no propertyName",
                'Write {"propertyName": "type"}, with the property\'s name.',
            )
    properties = raw.get("properties")
    if (
        isinstance(name, str)
        and isinstance(properties, dict)
        and not any(key in raw for key in ("oneOf", "anyOf", "allOf"))
    ):
        if name not in properties:
            findings.warn(
                here, f"the discriminator's property {name!r} isn't declared", "Add it to properties and required."
            )
        elif isinstance(required := raw.get("required", []), list) and name not in required:
            findings.warn(here, f"the discriminator's property {name!r} isn't required", "Add it to required.")
    choices = [each for key in ("oneOf", "anyOf") if isinstance(raw.get(key), list) for each in raw[key]]
    if any(isinstance(each, dict) and "$ref" not in each and each.get("type") != "null" for each in choices):
        findings.warn(
            here, "a choice of the discriminator is no reference, so it has no name to choose it by",
            "Move the choices to the components, and refer to them.",
        )  # fmt: skip
