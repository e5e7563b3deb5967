"""Try the values of a document (defaults, enums, examples) against its schemas.

1. `jsonschema` decides, with the schemas as OpenAPI 3.1 has them, so `nullable` and the like count as they are meant.
2. What is only read need not stand in the example of a request, nor what is only written in that of a response.
3. A wrong default is an error (it SHALL fit), a wrong example a warning.
4. The example of a parameter may also be the text that is sent: "in the correct format as specified in the parameter
   encoding" (OpenAPI 3.0.3, Parameter Object). Texts of objects have many forms, and are not tried.
5. Values beyond `MAX_VALUES` are not tried: a check ends within seconds.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.openapi.files import Files, Place
from asyncapi.openapi.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.openapi.document import Document
    from asyncapi.openapi.findings import Findings

__all__ = ["MAX_VALUES", "check"]

MAX_VALUES = 5_000
_SENT = "example of the parameter"
_NAME = "urn:asyncapi:document"
_DATA = frozenset({"examples", "example", "default", "const", "enum"})


def check(document: Document, parts: dict[str, Any], findings: Findings) -> None:
    """Check the values that the document itself gives.

    Raises:
        ConfigError: The extra `generate` is missing.
    """
    trial = Trial(document)
    for number, (at, what, value, schema) in enumerate(_values(document, parts)):
        if number >= MAX_VALUES:
            return
        wrong = trial.wrong(value, schema, at)
        if wrong and what == _SENT and isinstance(value, str) and trial.reads(value, schema, at):
            continue
        if wrong and what == "default":
            findings.error(at, f"the default {value!r:.60} doesn't fit its own schema: {wrong}", "Mend one of them.")
        elif wrong:
            findings.warn(at, f"the {what} doesn't fit its schema: {wrong}", "Mend one of them.")


def _values(document: Document, parts: dict[str, Any]) -> Iterator[tuple[Place, str, Any, Any]]:
    """Yield the values as (place, what it is, the value, its schema as it was written)."""
    for at, raw in parts.get("schema", {}).items():
        if not isinstance(raw, dict) or "$ref" in raw:
            continue
        for key in ("default", "example"):
            if raw.get(key) is not None:
                yield at / key, key, raw[key], raw
        for index, each in enumerate(raw["examples"] if isinstance(raw.get("examples"), list) else ()):
            yield at / "examples" / index, "example", each, raw
        yield from _enum(raw, at)
    if document.spec == "2.0":
        for at, raw in parts.get("a parameter", {}).items():
            if raw.get("default") is not None and "type" in raw:
                yield at / "default", "default", raw["default"], raw
    else:
        yield from _examples(parts)


def _examples(parts: dict[str, Any]) -> Iterator[tuple[Place, str, Any, Any]]:
    for kind in ("a parameter", "a header", "a media type object"):
        for at, raw in parts.get(kind, {}).items():
            if not isinstance(raw, dict) or "schema" not in raw or _is_text(at):
                continue
            what = "example" if kind == "a media type object" else _SENT
            if "example" in raw:
                yield at / "example", what, raw["example"], raw["schema"]
            for name, each in (raw["examples"] if isinstance(raw.get("examples"), dict) else {}).items():
                if isinstance(each, dict) and "value" in each:
                    yield at / "examples" / name / "value", what, each["value"], raw["schema"]


def _enum(raw: dict[str, Any], at: Place) -> Iterator[tuple[Place, str, Any, Any]]:
    values, kind = raw.get("enum"), raw.get("type")
    for index, each in enumerate(values if isinstance(values, list) and isinstance(kind, str) else ()):
        if each is not None:
            yield at / "enum" / index, f"value {each!r:.40} of the enum", each, {"type": kind}


def _is_text(at: Place) -> bool:
    """Whether the place is in a content type that isn't JSON, whose examples are text as it is sent."""
    _, found, kind = at.pointer.rpartition("/content/")
    return bool(found) and "json" not in kind


class Trial:
    """Says what is wrong with values."""

    def __init__(self, document: Document) -> None:
        try:
            from jsonschema import Draft202012Validator  # noqa: PLC0415 - an extra, and slow to import
            from referencing import Registry  # noqa: PLC0415 - the same
            from referencing.jsonschema import DRAFT202012  # noqa: PLC0415 - the same
        except ImportError as error:
            raise ConfigError("--check needs jsonschema: pip install 'asyncapi-sdk[generate]'") from error

        whole = {"components": {"schemas": document.plain["components"]["schemas"]}}
        resource = DRAFT202012.create_resource(whole)
        registry: Registry[Any] = Registry()
        self._registry = registry.with_resource(_NAME, resource)
        self._validator = Draft202012Validator
        self._schemas = Schemas(Files(document.raw, document.source or "<bytes>"), old=document.spec in {"2.0", "3.0"})
        home = document.raw.get("definitions") if document.spec == "2.0" else None
        components = document.raw.get("components")
        home = components.get("schemas") if isinstance(components, dict) else home
        at = Place("", "/definitions" if document.spec == "2.0" else "/components/schemas")
        for name in home if isinstance(home, dict) else ():
            self._schemas.known(at / str(name), str(name))

    def wrong(self, value: Any, schema: Any, at: Place) -> str:
        """Return what is wrong with a value, in a few words; "" if it fits, or if that can't be said."""
        made = _rebased(self._schemas.read(schema, at))
        try:
            for error in self._validator({"$id": "urn:asyncapi:part", **made}, registry=self._registry).iter_errors(
                value
            ):
                if not _is_one_way(error):
                    return _said(error)
        except Exception:  # a schema that isn't one, a reference that leads nowhere: reported elsewhere
            return ""
        return ""

    def reads(self, text: str, schema: Any, at: Place) -> bool:
        """Say whether a text stands for a value that the schema accepts (rule 4)."""
        lists = [text.split(mark) for mark in (",", "|", " ", "%20", "&", ".") if mark in text] or [[text]]
        tried = [_read(text), *lists, *([_read(each) for each in items] for items in lists), {}]
        return any(not self.wrong(each, schema, at) for each in tried)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_one_way(error: Any) -> bool:
    """Rule 2."""
    if error.context:
        return any(all(_is_one_way(each) for each in branch) for branch in _branches(error))
    if error.validator != "required" or not isinstance(error.instance, dict):
        return False
    properties = error.schema.get("properties", {})
    lost = [name for name in error.validator_value if name not in error.instance]
    return bool(lost) and all(
        isinstance(each := properties.get(name), dict)
        and (each.get("readOnly") or each.get("writeOnly") or "$ref" in each)
        for name in lost
    )


def _branches(error: Any) -> list[list[Any]]:
    """Group the errors below a choice by the choice that they belong to."""
    by_choice: dict[Any, list[Any]] = {}
    for each in error.context:
        by_choice.setdefault(each.schema_path[0], []).append(each)
    return list(by_choice.values())


def _said(error: Any) -> str:
    where = "".join(f"/{part}" for part in error.absolute_path)
    message = re.sub(r"\s+", " ", error.message)
    message = message if len(message) < 160 else f"{message[:100]} ... {message[-50:]}"  # noqa: PLR2004 - a line
    return f"{where}: {message}" if where else message


def _rebased(schema: Any) -> Any:
    """Point the references of a schema to the registered document."""
    if isinstance(schema, dict):
        made = {key: value if key in _DATA else _rebased(value) for key, value in schema.items()}
        if isinstance(reference := schema.get("$ref"), str):
            made["$ref"] = _NAME + reference
        return made
    return [_rebased(each) for each in schema] if isinstance(schema, list) else schema
