"""List what a plain document holds: its servers, operations, parameters, bodies and security schemes.

The document is OpenAPI 3.1, as `parts`, `swagger2` and `schemas` make it: only schemas are references.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, cast

from asyncapi.openapi.document import (
    Media,
    Operation,
    Parameter,
    Reply,
    RequestBody,
    Security,
    SecurityScheme,
    Server,
    Tag,
)  # fmt: skip
from asyncapi.openapi.files import Place, tokens
from asyncapi.openapi.parts import METHODS
from asyncapi.openapi.schemas import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["operations", "schemes", "security_of", "servers", "tags"]

_WHERES = frozenset({"path", "query", "header", "cookie", "querystring"})
# OpenAPI 3.0.3 §4.7.12.3: these names as header parameters are ignored; the body and the credential say them.
_IGNORED = frozenset({"accept", "content-type", "authorization"})


def operations(plain: dict[str, Any]) -> Iterator[Operation]:
    """Yield the operations in the order of the document."""
    overall = security_of(plain.get("security"))
    for path, item in plain["paths"].items():
        at = Place("", "") / "paths" / path
        for key, raw in item.items():
            if key in METHODS:
                yield _operation(raw, at / key, method=key.upper(), path=path, item=item, overall=overall)
        for method, raw in item.get("additionalOperations", {}).items():
            here = at / "additionalOperations" / method
            yield _operation(raw, here, method=method, path=path, item=item, overall=overall)


def _operation(
    raw: dict[str, Any], at: Place, *, method: str, path: str, item: dict[str, Any], overall: Security
) -> Operation:
    listed = [*item.get("parameters", []), *raw.get("parameters", [])]
    given = {(str(each.get("name")), str(each.get("in"))): each for each in listed}
    name = raw.get("operationId")
    body = raw.get("requestBody")
    return Operation(
        id=name if isinstance(name, str) and name else None,
        method=method,
        path=path,
        summary=_text(raw.get("summary")),
        description=_text(raw.get("description")),
        tags=tuple(str(tag) for tag in _list(raw.get("tags"))),
        deprecated=raw.get("deprecated") is True,
        parameters=tuple(_parameter(each) for each in given.values() if _is_parameter(each)),
        body=_body(body) if isinstance(body, dict) else None,
        responses={str(status): _reply(each) for status, each in raw.get("responses", {}).items()},
        security=security_of(raw["security"]) if isinstance(raw.get("security"), list) else overall,
        servers=servers(raw.get("servers")) or servers(item.get("servers")),
        extensions=_extensions(raw),
        where=str(at),
    )


def _is_parameter(raw: dict[str, Any]) -> bool:
    name, where = raw.get("name"), raw.get("in")
    return (
        isinstance(name, str)
        and isinstance(where, str)
        and where in _WHERES
        and not (where == "header" and name.lower() in _IGNORED)
    )


def _parameter(raw: dict[str, Any], *, header: str | None = None) -> Parameter:
    where = "header" if header is not None else raw["in"]
    style = raw.get("style")
    if not isinstance(style, str):
        style = "form" if where in {"query", "cookie"} else "simple"
    explode = raw.get("explode")
    media_type, schema = None, raw.get("schema")
    if contents := raw.get("content"):
        media_type, media = next(iter(contents.items()))
        schema = media.get("schema")
    return Parameter(
        name=raw["name"] if header is None else header,
        where=cast("Any", where),
        required=raw.get("required") is True or where == "path",
        schema=schema if isinstance(schema, dict) else {},
        style=style,
        explode=explode if isinstance(explode, bool) else style == "form",
        allow_reserved=raw.get("allowReserved") is True,
        allow_empty=raw.get("allowEmptyValue") is True,
        media_type=media_type,
        description=_text(raw.get("description")),
        deprecated=raw.get("deprecated") is True,
        examples=_examples(raw),
        extensions=_extensions(raw),
    )


def _body(raw: dict[str, Any]) -> RequestBody:
    return RequestBody(
        required=raw.get("required") is True,
        contents=_contents(raw),
        description=_text(raw.get("description")),
        extensions=_extensions(raw),
    )


def _reply(raw: dict[str, Any]) -> Reply:
    headers = {name: _parameter(each, header=name) for name, each in raw.get("headers", {}).items()}
    return Reply(description=_text(raw.get("description")), contents=_contents(raw), headers=headers)


def _contents(raw: dict[str, Any]) -> dict[str, Media]:
    return {kind: _media(each) for kind, each in raw.get("content", {}).items()}


def _media(raw: dict[str, Any]) -> Media:
    schema = raw.get("schema")
    schema = schema if isinstance(schema, dict) else {}
    reference = schema.get("$ref", "")
    return Media(
        schema=schema,
        name=tokens(reference[1:])[-1] if reference.startswith(PREFIX) else None,
        encoding=raw.get("encoding", {}),
        examples=_examples(raw),
        item=raw.get("itemSchema"),
    )


def _examples(raw: dict[str, Any]) -> tuple[Any, ...]:
    found = [raw["example"]] if "example" in raw else []
    given = raw.get("examples")
    if isinstance(given, dict):
        found += [each[key] for each in given.values() for key in ("value", "dataValue") if key in each]
    return tuple(found)


def servers(raw: Any) -> tuple[Server, ...]:
    """Return the servers of a document, a path item or an operation."""
    made = []
    for each in _list(raw):
        if isinstance(each, dict) and isinstance(template := each.get("url"), str):
            given = each.get("variables")
            variables = {
                str(name): value
                for name, value in (given if isinstance(given, dict) else {}).items() if isinstance(value, dict)
            }  # fmt: skip
            url = re.sub(r"\{([^{}]*)\}", functools.partial(_filled, variables), template)
            made.append(
                Server(url=url, description=_text(each.get("description")), template=template, variables=variables)
            )
    return tuple(made)


def _filled(variables: dict[str, dict[str, Any]], match: re.Match[str]) -> str:
    variable = variables.get(match[1], {})
    if "default" in variable:
        return str(variable["default"])
    choices = variable.get("enum")
    return str(choices[0]) if isinstance(choices, list) and choices else match[0]


def tags(raw: Any) -> tuple[Tag, ...]:
    """Return the tags that the document describes."""
    named = [each for each in _list(raw) if isinstance(each, dict) and "name" in each]
    return tuple(Tag(str(each["name"]), _text(each.get("description"))) for each in named)


def security_of(raw: Any) -> Security:
    """Return what is needed: any one of the objects; () if nothing is."""
    return tuple(
        {str(name): tuple(map(str, _list(scopes))) for name, scopes in each.items()}
        for each in _list(raw) if isinstance(each, dict)
    )  # fmt: skip


def schemes(raw: dict[str, Any]) -> dict[str, SecurityScheme]:
    """Return the security schemes by their names."""
    made = {}
    for name, each in raw.items():
        flows = each.get("flows")
        flows = flows if isinstance(flows, dict) else {}
        made[str(name)] = SecurityScheme(
            kind=_text(each.get("type")),
            name=_text(each.get("name")),
            where=_text(each.get("in")),
            scheme=_text(each.get("scheme")).lower(),
            bearer_format=_text(each.get("bearerFormat")),
            flows={str(flow): value for flow, value in flows.items() if isinstance(value, dict)},
            connect_url=_text(each.get("openIdConnectUrl")),
            description=_text(each.get("description")),
        )
    return made


def _extensions(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key.startswith("x-")}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
