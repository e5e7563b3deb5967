"""Read an OpenAPI document: JSON or YAML, Swagger 2.0 or OpenAPI 3.x, in one file or many.

What makes a document unusable raises one error that says where and what to do. What is wrong with a part of it stands
in `Document.problems`, and the rest can be used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.openapi import inventory, sources, swagger2
from asyncapi.openapi.document import Document, Problem
from asyncapi.openapi.files import Files, Place
from asyncapi.openapi.parts import Parts
from asyncapi.openapi.schemas import Schemas
from asyncapi.openapi.swagger2 import Parts2
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from pathlib import Path

    from asyncapi.openapi.schemas import Visit
    from asyncapi.openapi.yaml_text import Parsed

__all__ = ["read", "walk"]

_VERSION = re.compile(r"\s*([0-9]+)\.([0-9]+)")
_KNOWN = {"3.0", "3.1", "3.2"}
_KEPT = ("info", "tags", "externalDocs", "security")


def read(source: str | Path | bytes) -> Document:
    """Read a document from a file, a URL, standard input ("-") or bytes.

    Raises:
        ConfigError: It can't be fetched, is neither JSON nor YAML, or isn't an OpenAPI document.
    """
    place = "<bytes>" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else sources.load(source)
    parsed = sources.parse(data, place)
    try:
        return _document(parsed, place, data)
    except RecursionError as error:
        raise ConfigError(f"{_named(place)} is nested too deeply to be read") from error


def _document(parsed: Parsed, place: str, data: bytes) -> Document:
    raw = parsed.value
    spec = _spec(raw, _named(place))
    files = Files(raw, place)
    for path, key, line in parsed.twice:
        where = Place("", "")
        for token in (*path, key):
            where /= token
        what = f"the key {key!r} stands twice, and only the last one counts"
        files.problems.append(Problem(str(where), what, "Merge them, or rename one.", "error", line))
    plain, notes = walk(raw, spec, files)
    info = plain["info"]
    return Document(
        title=_text(info.get("title")),
        version=_text(info.get("version")),
        description=_text(info.get("description")),
        servers=inventory.servers(plain["servers"]),
        tags=inventory.tags(plain.get("tags")),
        operations=tuple(inventory.operations(plain)),
        security_schemes=inventory.schemes(plain["components"]["securitySchemes"]),
        security=inventory.security_of(plain.get("security")),
        plain=plain,
        spec=spec,
        problems=(*files.problems, *notes),
        raw=raw,
        data=data,
        source="" if place == "<bytes>" else place,
    )


def walk(
    raw: dict[str, Any], spec: str, files: Files, visit: Visit | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """Read every part of a document; return it as OpenAPI 3.1, and notes of what a client leaves out.

    With `visit`, also what nothing in the paths refers to is read.
    """
    old = spec == "2.0"
    schemas = Schemas(files, old=spec in {"2.0", "3.0"}, visit=visit)
    parts = (Parts2 if old else Parts)(files, schemas, visit)
    components, at = (raw, Place("", "")) if old else parts.opened(raw.get("components"), Place("", "/components"))
    components = parts.mapping(components, at, "components")
    key = "definitions" if old else "schemas"
    schemas.components(*parts.opened(components.get(key), at / key))
    if isinstance(parts, Parts2):
        parts.consumes, parts.produces = raw.get("consumes"), raw.get("produces")
    plain: dict[str, Any] = {"openapi": "3.1.0"}
    plain |= {key: raw[key] for key in _KEPT if key in raw}
    plain["info"] = parts.mapping(*parts.opened(raw.get("info"), Place("", "/info")), "info")
    plain["servers"] = swagger2.servers_of(raw, files.source) if old else _servers(raw.get("servers"))
    plain["paths"] = parts.paths(raw.get("paths"), Place("", "/paths"))
    if visit is not None:
        _unused(components, parts, at, old=old)
    schemas.settle()
    given = swagger2.schemes_of(raw.get("securityDefinitions")) if old else _schemes(components, parts)
    plain["components"] = {"schemas": schemas.made, "securitySchemes": given}
    notes = []
    if parts.callbacks:
        notes.append(_note("#/paths", f"{parts.callbacks} operations have callbacks: the client leaves them out"))
    if raw.get("webhooks") or raw.get("x-webhooks"):
        notes.append(_note("#/webhooks", "webhooks are calls that the server makes: the client leaves them out"))
    return plain, notes


def _unused(components: dict[str, Any], parts: Parts, at: Place, *, old: bool) -> None:
    readers = {"parameters": parts.parameter, "responses": parts.response}
    if not old:
        readers |= {"requestBodies": parts.body, "headers": parts.header, "pathItems": parts.item}
    for kind, reader in readers.items():
        for name, value in parts.mapping(*parts.opened(components.get(kind), at / kind), kind).items():
            reader(value, at / kind / name)


def _note(where: str, what: str) -> Problem:
    return Problem(where, what, "asyncapi.credentials has checks for the signatures of webhooks.", "note")


def _servers(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _schemes(components: dict[str, Any], parts: Parts) -> dict[str, Any]:
    at = Place("", "/components/securitySchemes")
    given = parts.mapping(*parts.opened(components.get("securitySchemes"), at), "securitySchemes")
    return {name: parts.resolved(each, at / name, "a security scheme")[0] for name, each in given.items()}


def _spec(raw: Any, name: str) -> str:
    """Return the version that a document is written in.

    Raises:
        ConfigError: It isn't an OpenAPI document, or not one that can be read.
    """
    if not isinstance(raw, dict):
        kind = {list: "a list", str: "text", type(None): "nothing"}.get(type(raw), "a single value")
        raise ConfigError(
            f"{name} holds {kind}, not an OpenAPI document: one is an object with openapi, info and paths"
        )
    if "openapi" in raw or "swagger" in raw:
        said = raw.get("openapi", raw.get("swagger"))
        match = _VERSION.match(str(said))
        short = f"{match[1]}.{match[2]}" if match else ""
        if "openapi" in raw and short in _KNOWN:
            return short
        if short == "2.0" or ("swagger" in raw and str(said).strip() == "2"):
            return "2.0"
        if short.startswith("3.") and "openapi" in raw:
            raise ConfigError(f"{name} is OpenAPI {said}: this version reads 2.0, 3.0, 3.1 and 3.2")
        if short.startswith("1."):
            raise ConfigError(f"{name} is Swagger {said}, of 2014 or before: convert it to OpenAPI 3 first")
        raise ConfigError(f'{name}: the version {said!r} isn\'t one of OpenAPI: write "openapi": "3.1.0" for example')
    if "swaggerVersion" in raw:
        raise ConfigError(
            f"{name} is Swagger {raw['swaggerVersion']}, of 2014 or before: convert it to OpenAPI 3 first"
        )
    if "asyncapi" in raw:
        raise ConfigError(f"{name} is an AsyncAPI document (messages and channels), not an OpenAPI document")
    if isinstance(raw.get("info"), dict) and "item" in raw:
        raise ConfigError(f"{name} is a Postman collection: export or convert it as OpenAPI first")
    raise ConfigError(
        f'{name} isn\'t an OpenAPI document: it has no "openapi" (or "swagger") with the version at its top'
    )


def _named(place: str) -> str:
    return {"<bytes>": "the document", "-": "standard input"}.get(place) or redact_url(place)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
