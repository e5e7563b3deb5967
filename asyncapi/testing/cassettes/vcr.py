"""Read the cassettes of vcrpy (format 1), whichever of its stubs has written them.

Rules:
1. Headers are lists of values, or single ones; bodies are text, bytes, base64 (`base64_string` of the JSON serializer),
   or `{"string": ...}` of these.
2. A body that is still coded as its Content-Encoding says is decoded; one that is not any longer stays. vcrpy's stubs
   write either.
3. The stub of aiohttp notes a request's `json=` or `data=` as data: it is compared with JSON and with forms.
4. What a server sent twice under one name is two fields.
5. Its filters take secrets out of what is recorded, or replace them: what is named like one is not compared.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from asyncapi.testing.cassettes.exchange import Exchange, Fields
from asyncapi.testing.coded_bodies import decoded


def is_vcr(data: Any) -> bool:
    """Whether this is what vcrpy writes."""
    return isinstance(data, dict) and "interactions" in data


def vcr_exchanges(data: dict[str, Any]) -> list[Exchange]:
    """Read all exchanges.

    Raises:
        ValueError: It is another version of the format, or not as vcrpy writes it.
    """
    if data.get("version", 1) != 1:
        raise ValueError(f"version {data['version']!r} of vcrpy's format is not known, only 1")
    exchanges = []
    for number, row in enumerate(data["interactions"] or (), 1):
        try:
            exchanges.append(_exchange(row))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"interaction {number}: {type(error).__name__}: {error}") from error
    return exchanges


def _exchange(row: dict[str, Any]) -> Exchange:
    request, response = row["request"], row["response"]
    status = response.get("status", response.get("status_code"))
    if isinstance(status, dict):
        status = status["code"]
    fields = _fields(response.get("headers"))
    content, fields = _decoded(_body(response.get("body", response.get("content"))), fields)
    return Exchange(
        str(request["method"]).upper(),
        str(request.get("uri", request.get("url"))),
        _fields(request.get("headers")),
        _request_body(request.get("body")),
        status=int(status),
        version={10: "1.0", 11: "1.1", 20: "2"}.get(response.get("protocol_version", response.get("version")), ""),
        fields=fields,
        content=content,
        finished=True,
        read=True,
        filtered=True,
    )


def _request_body(value: Any) -> bytes:
    """Read what was sent; the stub of aiohttp writes what its caller gave for JSON or a form, not the bytes."""
    if isinstance(value, dict) and set(value).isdisjoint({"string", "base64_string", "base64"}):
        return json.dumps(value, default=_text).encode()
    if isinstance(value, list) and not all(isinstance(each, bytes) for each in value):
        return json.dumps(value, default=_text).encode()
    return _body(value)


def _body(value: Any) -> bytes:
    if isinstance(value, dict):
        if "base64_string" in value:
            return b64decode(value["base64_string"])
        encoding = value.get("encoding")
        value = value.get("string", value.get("base64"))
        if encoding == "base64" and value:
            return b64decode(value)
    if value is None:
        return b""
    if isinstance(value, list):
        return b"".join(_body(each) for each in value)
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def _fields(rows: Any) -> Fields:
    pairs = rows.items() if isinstance(rows, dict) else (rows or ())
    fields: Fields = []
    for name, values in pairs:
        fields += [(_text(name), _text(value)) for value in (values if isinstance(values, list | tuple) else [values])]
    return fields


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _decoded(content: bytes, fields: Fields) -> tuple[bytes, Fields]:
    """Decode a body (rule 2), and return it with the fields that are true of it."""
    codings = [value for name, value in fields if name.lower() == "content-encoding"]
    if not codings:
        return content, fields
    kept = [(name, value) for name, value in fields if name.lower() not in {"content-encoding", "content-length"}]
    plain = decoded(content, codings)
    return (content if plain is None else plain), kept
