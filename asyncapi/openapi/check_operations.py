"""Check paths and operations: their names, their parameters, their bodies, what they need to be called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.files import Files, Place
from asyncapi.openapi.findings import nearest

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document, Operation, RequestBody
    from asyncapi.openapi.findings import Findings

__all__ = ["check"]

_SHOWN = 3  # of a longer list in one message
_STATUS = re.compile(r"(?:[1-5][0-9][0-9]|[1-5]XX|default)\Z")
_BODILESS = frozenset({"GET", "HEAD", "TRACE"})
_STYLES = {
    "path": {"matrix", "label", "simple"},
    "query": {"form", "spaceDelimited", "pipeDelimited", "deepObject", "tabDelimited"},
    "header": {"simple"},
    "cookie": {"form", "cookie"},
}


def check(document: Document, parts: dict[str, Any], findings: Findings) -> None:
    """Check the operations, and the lists of parameters."""
    _ids(document, findings)
    _paths(document, findings)
    for operation in document.operations:
        _path_parameters(operation, findings)
        _needs(operation, document, findings)
        if operation.method in _BODILESS and _says_something(operation.body):
            findings.warn(
                operation.where, f"{operation.method} {operation.path} has a body: many servers and proxies drop it",
                "Use POST (or QUERY of OpenAPI 3.2), or parameters in the query.",
            )  # fmt: skip
    for at, raw in parts.get("an operation", {}).items():
        _responses(document, raw, at, findings)
    for at, raw in parts.get("parameters", {}).items():
        _repeated(document, raw, at, findings)
    for at, raw in parts.get("a parameter", {}).items():
        _parameter(document, raw, at, findings)


def _says_something(body: RequestBody | None) -> bool:
    """Whether a body may hold anything: some tools give each operation a form without fields."""
    return body is not None and any(
        media.schema and media.schema.get("properties") != {} for media in body.contents.values()
    )


def _ids(document: Document, findings: Findings) -> None:
    first: dict[str, Operation] = {}
    nameless = [each for each in document.operations if each.id is None]
    for operation in document.operations:
        if operation.id is None:
            continue
        if (other := first.setdefault(operation.id, operation)) is not operation:
            findings.error(
                f"{operation.where}/operationId",
                f"the operationId {operation.id!r} is also that of {other.method} {other.path}",
                "Give each operation a name of its own.",
            )
    if nameless:
        named = ", ".join(f"{each.method} {each.path}" for each in nameless[:_SHOWN])
        more = f" and {len(nameless) - _SHOWN} more" if len(nameless) > _SHOWN else ""
        findings.warn(
            nameless[0].where, f"no operationId: {named}{more}",
            "Methods are then named after method and path; an operationId keeps the name when a path changes.",
        )  # fmt: skip


def _paths(document: Document, findings: Findings) -> None:
    shapes: dict[tuple[str, str], Operation] = {}
    paths = document.raw.get("paths")
    for path in paths if isinstance(paths, dict) else ():
        at = Place("", "") / "paths" / path
        if path.startswith("x-") or path == "$ref":
            continue
        if not path.startswith("/"):
            findings.error(at, f"the path {path!r} doesn't begin with /", f'Write "/{path}".')
        if "?" in path or "#" in path:
            findings.warn(
                at, f"the path {path!r} has a query or a fragment", "Declare parameters in the query instead."
            )
        names = re.findall(r"\{([^{}]*)\}", path)
        rest = re.sub(r"\{[^{}]*\}", "", path)
        if "{" in rest or "}" in rest or "" in names:
            findings.error(at, f"the braces of the path {path!r} don't match, or hold no name", "Write {name}.")
        if len(set(names)) < len(names):
            findings.error(at, f"the path {path!r} has the same parameter twice", "Give each a name of its own.")
    for operation in document.operations:
        shape = re.sub(r"\{[^{}]*\}", "{}", operation.path)
        other = shapes.setdefault((shape, operation.method), operation)
        if other.path != operation.path:
            findings.error(
                operation.where, f"{operation.method} {operation.path} can't be told from {other.path}",
                "Merge them: only the names of their parameters differ.",
            )  # fmt: skip


def _path_parameters(operation: Operation, findings: Findings) -> None:
    named = re.findall(r"\{([^{}]+)\}", operation.path)
    declared = [each.name for each in operation.parameters if each.where == "path"]
    for name in dict.fromkeys(named):
        if name not in declared:
            near = nearest(name, set(declared) - set(named))
            findings.error(
                operation.where, f"the path parameter {{{name}}} of {operation.path} isn't declared",
                f"Is it {near!r}, which the path doesn't have?" if near else 'Add it to parameters, with "in": "path".',
            )  # fmt: skip
    for name in declared:
        if name not in named:
            near = nearest(name, set(named) - set(declared))
            findings.error(
                operation.where, f"the path parameter {name!r} isn't in the path {operation.path}",
                f"Is {{{near}}} meant?" if near else "Put {" + name + "} into the path, or move it to the query.",
            )  # fmt: skip


def _needs(operation: Operation, document: Document, findings: Findings) -> None:
    for index, need in enumerate(operation.security):
        for name, scopes in need.items():
            scheme = document.security_schemes.get(name)
            own = operation.security is not document.security and operation.security != document.security
            where = f"{operation.where}/security/{index}" if own else f"#/security/{index}"
            if scheme is None:
                near = nearest(name, document.security_schemes)
                home = "securityDefinitions" if document.spec == "2.0" else "components/securitySchemes"
                findings.error(
                    where, f"the security scheme {name!r} isn't declared",
                    f"Is {near!r} meant?" if near else f"Declare it in {home}.",
                )  # fmt: skip
            elif scheme.kind == "oauth2":
                known = {scope for flow in scheme.flows.values() for scope in flow.get("scopes") or {}}
                for scope in scopes:
                    if known and scope not in known:
                        findings.warn(
                            where, f"the scope {scope!r} isn't one of {name!r}", "Add it to the flow's scopes."
                        )


def _responses(document: Document, raw: Any, at: Place, findings: Findings) -> None:
    if raw is None:
        findings.error(at, "the operation is null", "Describe it, or remove it.")
    if not isinstance(raw, dict):
        return
    responses = raw.get("responses")
    statuses = [str(key) for key in responses if not str(key).startswith("x-")] if isinstance(responses, dict) else []
    if not statuses:
        what = "no responses are declared"
        hint = "Declare at least the one of success."
        if document.spec in {"2.0", "3.0"}:
            findings.error(at, what, hint)
        else:
            findings.warn(at, what, hint)
    for status in statuses:
        if not _STATUS.match(status) or (document.spec == "2.0" and status.endswith("XX")):
            hint = "Statuses are 200, 404 ... or default" + (
                "." if document.spec == "2.0" else ", and 4XX for a class."
            )
            findings.error(at / "responses" / status, f"{status!r} isn't a status", hint)


def _repeated(document: Document, raw: list[Any], at: Place, findings: Findings) -> None:
    files = Files(document.raw, document.source or "<bytes>")
    seen: set[tuple[str, str]] = set()
    bodies = set()
    for index, each in enumerate(raw):
        value = each
        if isinstance(each, dict) and isinstance(reference := each.get("$ref"), str):
            found = files.find(reference, at / index) if reference.startswith("#") else None
            value = found.value if found else None
        if not isinstance(value, dict):
            continue
        key = (str(value.get("name")), str(value.get("in")))
        if key in seen:
            findings.error(at / index, f"the parameter {key[0]!r} in {key[1]} stands twice in the list", "Remove one.")
        seen.add(key)
        if value.get("in") == "body" and "body" in bodies:
            findings.error(at / index, "an operation has one body, and here is a second one", "Merge their schemas.")
        bodies.add(str(value.get("in")))
    if document.spec == "2.0" and {"body", "formData"} <= bodies:
        findings.error(at, "a body and formData are both declared", "Keep one: both are the body of the request.")


def _parameter(document: Document, raw: dict[str, Any], at: Place, findings: Findings) -> None:
    name, where = raw.get("name"), raw.get("in")
    if not isinstance(name, str) or not name:
        findings.error(at, "a parameter has no name", "Give it the name that the server reads.")
    places = {"2.0": {"path", "query", "header", "formData", "body"}, "3.2": {*_STYLES, "querystring"}}
    allowed = places.get(document.spec, set(_STYLES))
    if str(where) not in allowed:
        hint = f"It is one of: {', '.join(sorted(allowed))}."
        if where in ("body", "formData"):
            hint = "In OpenAPI 3 it is the requestBody of the operation."
        findings.error(at, f"the parameter {name!r} is in {where!r}", hint)
    if where == "path" and raw.get("required") is not True:
        findings.error(at, f"the path parameter {name!r} isn't required", 'Add "required": true: a path is whole.')
    if document.spec != "2.0":
        _serialised(raw, at, findings)
    elif where != "body" and "type" not in raw and "schema" not in raw:
        findings.error(at, f"the parameter {name!r} has no type", "Add type, and items for an array.")
    elif where == "body" and "schema" not in raw:
        findings.error(at, f"the body {name!r} has no schema", "Add the schema of the body.")


def _serialised(raw: dict[str, Any], at: Place, findings: Findings) -> None:
    name, where, style = raw.get("name"), raw.get("in"), raw.get("style")
    if "schema" not in raw and "content" not in raw:
        hint = "Move type and what goes with it into schema." if "type" in raw else "Add schema, with the type."
        findings.error(at, f"the parameter {name!r} has neither schema nor content", hint)
    elif "schema" in raw and "content" in raw:
        findings.error(at, f"the parameter {name!r} has a schema and a content", "Keep one of them.")
    if isinstance(raw.get("content"), dict) and len(raw["content"]) != 1:
        findings.error(at, f"the parameter {name!r} has {len(raw['content'])} content types", "Name exactly one.")
    known = _STYLES.get(str(where))
    if style is not None and known and str(style) not in known - {"tabDelimited"}:
        hint = f"It is one of: {', '.join(sorted(known - {'tabDelimited'}))}."
        findings.error(at, f"the style {style!r} isn't one for a parameter in {where}", hint)
