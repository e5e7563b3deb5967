"""Read forms that were sent, and check what the mock server can't: objects in a form, which are JSON.

OpenAPI 3.0.3, "Encoding Object": an object is `application/json` unless `encoding` says otherwise; a list has a field for
each item. Later versions write a list as one JSON text in a multipart form: both are right here.
"""

from __future__ import annotations

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from asyncapi.openapi.document import Operation
    from documents.sampling import Sampler

URL_ENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def fields_of(kind: str, body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form as a server reads them."""
    if kind.startswith(URL_ENCODED):
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body))
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    parts = message.iter_parts() if message.is_multipart() else ()
    return [
        (str(part.get_param("name", header="Content-Disposition")), part.get_payload(decode=True).decode(errors="replace"))
        for part in parts
    ]  # fmt: skip


def wrong_fields(operation: Operation, kind: str, body: bytes, sampler: Sampler) -> list[str]:
    """Return what the JSON in a form has wrong, by the schemas of the document."""
    contents = operation.body.contents if operation.body is not None else {}
    media = contents.get(kind.partition(";")[0])
    if media is None or not kind.startswith((URL_ENCODED, MULTIPART)):
        return []
    properties = sampler._merged(media.schema, 0).get("properties", {})
    given: dict[str, list[str]] = {}
    for name, text in fields_of(kind, body):
        given.setdefault(name, []).append(text)
    return [
        f"the field {name} is {texts!r:.200}"
        for name, texts in given.items()
        if name in properties and name not in (media.encoding or {}) and has_objects(properties[name], sampler._resolved)
        and not _fits(texts, properties[name], sampler)
    ]  # fmt: skip


def _fits(texts: list[str], schema: Any, sampler: Sampler) -> bool:
    read = [_json(text) for text in texts]
    candidates = [read, texts, *(read if len(read) == 1 else []), *(texts if len(texts) == 1 else [])]
    return any(sampler.valid(each, schema) for each in candidates)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def has_objects(schema: Any, resolved: Any, depth: int = 0) -> bool:
    """Say whether a field may be an object, or a list of objects."""
    schema = resolved(schema)
    if depth > 8 or not isinstance(schema, dict):
        return False
    kinds = schema.get("type", [])
    if "object" in ([kinds] if isinstance(kinds, str) else kinds) or (not kinds and "properties" in schema):
        return True
    inner = [schema.get("items", {}), *(each for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key) or ())]
    return any(has_objects(each, resolved, depth + 1) for each in inner if isinstance(each, dict))
