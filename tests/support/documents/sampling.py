"""Make a value for a schema of a document: its own example where it has a valid one, else the plainest that fits.

The values are the same in every run. `NoSample` is raised where none was found: what can't be made here can't be tried.
"""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import jsonschema
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import sre_constants as parts_of_regex
    import sre_parse

PREFIX = "#/components/schemas/"
FORMATS = {
    "date-time": "2024-01-02T03:04:05Z", "date": "2024-01-02", "time": "03:04:05Z", "duration": "P1D",
    "uuid": "0b8f3f4e-9a53-4d53-8d6d-3a2c1c5b7a10", "email": "ada@example.com", "idn-email": "ada@example.com",
    "uri": "https://example.com/a", "url": "https://example.com/a", "uri-reference": "/a", "iri": "https://example.com/a",
    "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "byte": "YWJj", "binary": "abc",
    "json-pointer": "/a", "regex": "a",
}  # fmt: skip
MAX_DEPTH = 12
CHECKED = FormatChecker(["uuid", "date", "ipv4", "ipv6", "regex"])


@CHECKED.checks("date-time")
def _is_date_time(value: object) -> bool:
    """Say whether a text is a time of RFC 3339, section 5.6, which has an offset."""
    pattern = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(pattern, value, re.ASCII) is not None


@CHECKED.checks("uri")
@CHECKED.checks("url")
def _is_url(value: object) -> bool:
    """Say whether a text has no character that a URL can't have (RFC 3986, section 2)."""
    return (
        not isinstance(value, str) or re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\[\]{}<>\"|\\^`]*", value) is not None
    )


class NoSample(Exception):
    """No value was found that the schema accepts."""


class Sampler:
    """Makes values for the schemas of one document (as OpenAPI 3.1)."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self.schemas = plain["components"]["schemas"]
        self.registry = {
            skipped: Registry().with_resource("urn:document", Resource(
                contents={"components": {"schemas": self._without(self.schemas, skipped)}}, specification=DRAFT202012
            ))
            for skipped in ("readOnly", "writeOnly")
        }  # fmt: skip

    def valid(self, value: Any, schema: Any, *, sent: bool = True) -> bool:
        """Say whether a schema accepts a value in a request, or in a response.

        What is `readOnly` is required in responses alone, and `writeOnly` in requests (OpenAPI 3.0.3, "Schema Object").
        """
        skipped = "readOnly" if sent else "writeOnly"
        try:
            rebased = {"$id": "urn:part", **_rebased(self._without(schema, skipped))}
            return Draft202012Validator(rebased, registry=self.registry[skipped], format_checker=CHECKED).is_valid(
                value
            )
        except (jsonschema.SchemaError, re.error, RecursionError, TypeError, ValueError):
            return False

    def sample(self, schema: Any, *, sent: bool = True) -> Any:
        """Return a value that the schema accepts.

        Raises:
            NoSample: None was found.
        """
        for value in self._given(schema):
            if self.valid(value, schema) and not (sent and self._has_read_only(schema)):
                return value
        value = self._made(schema, 0)
        if not self.valid(value, schema):
            raise NoSample(f"{value!r:.80} doesn't fit {schema!r:.120}")
        return value

    def with_two(self, value: Any, schema: Any) -> Any:
        """Return a list of one item with a second one, if the schema allows it: how lists are written then shows."""
        if not isinstance(value, list) or len(value) != 1:
            return value
        items = self._resolved(self._resolved(schema).get("items", {}))
        for second in [*items.get("enum", []), *value, f"{value[0]}b", "b", 2]:
            if self.valid([*value, second], schema) and (second not in value or second is value[0]):
                return [*value, second]
        return value

    def _without(self, schema: Any, word: str) -> Any:
        """Return a schema without the properties that have this word."""
        if isinstance(schema, list):
            return [self._without(each, word) for each in schema]
        if not isinstance(schema, dict):
            return schema
        made = {key: self._without(each, word) for key, each in schema.items()}
        required, properties = schema.get("required"), schema.get("properties")
        if isinstance(properties, dict):
            left_out = {name for name, each in properties.items() if self._resolved(each).get(word) is True}
            made["properties"] = {name: each for name, each in made["properties"].items() if name not in left_out}
            if isinstance(required, list):
                made["required"] = [each for each in required if each not in left_out]
        return made

    def _has_read_only(self, schema: Any) -> bool:
        resolved = self._resolved(schema)
        return any(isinstance(each, dict) and each.get("readOnly") for each in resolved.get("properties", {}).values())

    def _given(self, schema: Any) -> list[Any]:
        resolved = self._resolved(schema)
        return [*resolved.get("examples", []), *([resolved["default"]] if resolved.get("default") is not None else [])]

    def _resolved(self, schema: Any) -> dict[str, Any]:
        seen = 0
        while isinstance(schema, dict) and "$ref" in schema and seen < 20:
            name = schema["$ref"].removeprefix(PREFIX).replace("~1", "/").replace("~0", "~")
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self.schemas.get(name, {}), **rest}
            seen += 1
        return schema if isinstance(schema, dict) else {}

    def _made(self, schema: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise NoSample("too deep")
        if (child := self._child(schema)) is not None:
            target, name, key = child
            return {**self._made({"$ref": target}, depth + 1), key: name}
        schema = self._merged(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return next((each for each in schema["enum"] if each is not None), None)
        for value in [*schema.get("examples", []), *([schema["default"]] if schema.get("default") is not None else [])]:
            if depth and self.valid(value, schema):
                return value
        for key in ("oneOf", "anyOf"):
            if schema.get(key):
                return self._chosen(schema, key, depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        if kind is None:
            kind = _implied(schema)
        return getattr(self, f"_{kind}")(schema, depth)

    def _merged(self, schema: Any, depth: int) -> dict[str, Any]:
        """Put `allOf` together, as far as plain values need it."""
        schema = dict(self._resolved(schema))
        for each in schema.pop("allOf", []):
            if depth > MAX_DEPTH:
                raise NoSample("too deep")
            part = self._merged(each, depth + 1)
            for key, value in part.items():
                if key == "properties":
                    schema["properties"] = {**value, **schema.get("properties", {})}
                elif key == "required":
                    schema["required"] = [*value, *schema.get("required", [])]
                elif key in {"examples", "default"}:
                    continue
                else:
                    schema.setdefault(key, value)
        return schema

    def _chosen(self, schema: dict[str, Any], key: str, depth: int) -> Any:
        rest = {name: value for name, value in schema.items() if name not in {key, "discriminator"}}
        last = NoSample("no choice")
        choices = sorted(schema[key], key=lambda each: isinstance(each, dict) and each.get("type") == "null")
        for choice in choices:
            try:
                value = self._made({"allOf": [rest, choice]} if _implied(rest) else choice, depth + 1)
                value = self._discriminated(value, schema, choice)
            except NoSample as error:
                last = error
                continue
            if self.valid(value, schema):
                return value
        raise last

    def _discriminated(self, value: Any, schema: dict[str, Any], choice: Any) -> Any:
        said = schema.get("discriminator")
        if not isinstance(said, dict) or not isinstance(value, dict) or "$ref" not in choice:
            return value
        by_name = {target: name for name, target in (said.get("mapping") or {}).items()}
        name = by_name.get(choice["$ref"], choice["$ref"].rpartition("/")[2])
        return {**value, said["propertyName"]: name}

    def _child(self, schema: Any) -> tuple[str, str, str] | None:
        """Return a child (reference, name, property) of a parent that leaves the choice to its discriminator."""
        resolved = self._resolved(schema)
        said = resolved.get("discriminator")
        if not isinstance(said, dict) or resolved.get("oneOf") or resolved.get("anyOf"):
            return None
        own = schema.get("$ref")
        choices = [(target, name) for name, target in (said.get("mapping") or {}).items() if target != own]
        known = [(target, name) for target, name in choices if self._resolved({"$ref": target}).get("allOf")]
        return (*known[0], str(said.get("propertyName"))) if known else None

    def _null(self, schema: dict[str, Any], depth: int) -> Any:
        return None

    def _boolean(self, schema: dict[str, Any], depth: int) -> Any:
        return True

    def _integer(self, schema: dict[str, Any], depth: int) -> Any:
        return int(self._number(schema, depth, step=1))

    def _number(self, schema: dict[str, Any], depth: int, step: float = 0.5) -> Any:
        low, high = schema.get("minimum"), schema.get("maximum")
        if (over := schema.get("exclusiveMinimum")) is not None and not isinstance(over, bool):
            low = max(low if low is not None else -math.inf, math.floor(over) + step)
        if (under := schema.get("exclusiveMaximum")) is not None and not isinstance(under, bool):
            high = min(high if high is not None else math.inf, math.ceil(under) - step)
        value = low if low is not None else min(1, high) if high is not None else 1
        factor = schema.get("multipleOf")
        return math.ceil(value / factor) * factor if factor else value

    def _string(self, schema: dict[str, Any], depth: int) -> Any:
        if schema.get("format") in FORMATS and "pattern" not in schema:
            return FORMATS[schema["format"]]
        low, high = schema.get("minLength", 0), schema.get("maxLength")
        if pattern := schema.get("pattern"):
            return matching(pattern, low)
        return ("a" * max(low, 1))[:high]

    def _array(self, schema: dict[str, Any], depth: int) -> Any:
        first = [self._made(each, depth + 1) for each in schema.get("prefixItems", [])]
        count = max(schema.get("minItems", 0) - len(first), 0)
        items = schema.get("items", {})
        if not first and not count and schema.get("maxItems") != 0:
            try:
                return [self._made(items, depth + 1)]
            except NoSample:
                return []
        made = self._made(items, depth + 1) if count else None
        if schema.get("uniqueItems") and count > 1:
            choices = self._resolved(items).get("enum", [])
            return [*first, *choices[:count]]
        return [*first, *([made] * count)]

    def _object(self, schema: dict[str, Any], depth: int) -> Any:
        required = set(schema.get("required", []))
        made = {}
        for name, each in schema.get("properties", {}).items():
            each_resolved = self._resolved(each)
            if each_resolved.get("readOnly") or (name not in required and (depth > 3 or _is_false(each))):
                continue
            try:
                made[name] = self._made(each, depth + 1)
            except NoSample:
                if name in required:
                    raise
        extra = schema.get("additionalProperties")
        for name in sorted(required - set(made)):
            if name not in schema.get("properties", {}):
                made[name] = self._made(extra if isinstance(extra, dict) else {}, depth + 1)
        if len(made) < schema.get("minProperties", 0) and isinstance(extra, dict):
            made["a"] = self._made(extra, depth + 1)
        while (most := schema.get("maxProperties")) is not None and len(made) > most:
            name = next((each for each in reversed(made) if each not in required), None)
            if name is None:
                break
            del made[name]
        return made


def _is_false(schema: Any) -> bool:
    return schema == {"not": {}}


def _implied(schema: dict[str, Any]) -> str:
    if "properties" in schema or "additionalProperties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    if "minimum" in schema or "maximum" in schema:
        return "number"
    return "string"


def _rebased(schema: Any) -> Any:
    """Point the references of a schema to the registered document."""
    if isinstance(schema, dict):
        made = {
            key: _rebased(value) for key, value in schema.items() if key not in {"examples", "default", "const", "enum"}
        }
        made |= {key: schema[key] for key in ("const", "enum") if key in schema}
        if isinstance(reference := schema.get("$ref"), str):
            made["$ref"] = f"urn:document{reference}"
        return made
    return [_rebased(each) for each in schema] if isinstance(schema, list) else schema


def matching(pattern: str, low: int = 0) -> str:
    """Return a text that a regular expression matches.

    Raises:
        NoSample: None was found.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = sre_parse.parse(pattern)
        text = _text(tree)
        if len(text) < low:
            text = _text(tree, most=low)
        if re.search(pattern, text) is None:
            raise NoSample(pattern)
    except (re.error, RecursionError, NotImplementedError, OverflowError) as error:
        raise NoSample(f"{pattern}: {error}") from error
    return text


def _text(tree: Any, most: int = 0) -> str:
    made = ""
    for kind, value in tree:
        name = str(kind)
        if kind is parts_of_regex.LITERAL:
            made += chr(value)
        elif kind is parts_of_regex.NOT_LITERAL:
            made += "a" if value != ord("a") else "b"
        elif kind is parts_of_regex.ANY:
            made += "a"
        elif kind is parts_of_regex.IN:
            made += _member(value)
        elif name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            low, high, inner = value
            count = max(low, min(high, most)) if most else max(low, 1 if high else 0)
            made += "".join(_text(inner) for _ in range(min(count, 200)))
        elif kind is parts_of_regex.SUBPATTERN:
            made += _text(value[-1], most)
        elif kind is parts_of_regex.BRANCH:
            made += _text(value[1][0])
        elif name not in {"AT", "ASSERT", "ASSERT_NOT"}:
            raise NotImplementedError(name)
    return made


def _member(members: Any) -> str:
    negated = members and members[0][0] is parts_of_regex.NEGATE
    if negated:
        inside = "".join(_member([each]) for each in members[1:])
        return next(each for each in "aA0_- " if each not in inside)
    kind, value = members[0]
    if kind is parts_of_regex.LITERAL:
        return chr(value)
    if kind is parts_of_regex.RANGE:
        return chr(value[0])
    return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}.get(str(value), "a")
