"""Check what surrounds the operations: the head of the document, servers, security schemes, bodies and responses."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.files import Place
from asyncapi.openapi.findings import nearest

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document
    from asyncapi.openapi.findings import Findings

__all__ = ["check"]

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110 §5.6.2
_PARAMETER = rf"\s*;\s*{_TOKEN}\s*=\s*(?:{_TOKEN}|\"[^\"]*\")"
_MEDIA_TYPE = re.compile(rf"(?:\*|{_TOKEN})/(?:\*|{_TOKEN})(?:{_PARAMETER})*(?:\s*;)?\s*\Z")
_VERSIONS = {
    "2.0": re.compile(r"2\.0\Z"), "3.0": re.compile(r"3\.0\.[0-4](-.+)?\Z"), "3.1": re.compile(r"3\.1\.[0-2](-.+)?\Z"),
    "3.2": re.compile(r"3\.2\.[0-9]+(-.+)?\Z"),
}  # fmt: skip
_FLOWS = {
    "implicit": ("authorizationUrl",), "password": ("tokenUrl",), "clientCredentials": ("tokenUrl",),
    "authorizationCode": ("authorizationUrl", "tokenUrl"),
    "deviceAuthorization": ("deviceAuthorizationUrl", "tokenUrl"),
}  # fmt: skip
_FLOWS_2 = {
    "implicit": ("authorizationUrl",), "password": ("tokenUrl",), "application": ("tokenUrl",),
    "accessCode": ("authorizationUrl", "tokenUrl"),
}  # fmt: skip
_TOP_2 = (
    "swagger info host basePath schemes consumes produces paths definitions parameters responses securityDefinitions "
    "security tags externalDocs"
)
_TOP_3 = "openapi info servers paths components security tags externalDocs"
_COMPONENTS = "schemas responses parameters examples requestBodies headers securitySchemes links callbacks"
_OPERATION = "tags summary description externalDocs operationId parameters responses deprecated security"
FIELDS = {
    "2.0": {
        "": _TOP_2, "an operation": f"{_OPERATION} consumes produces schemes",
        "a response": "description schema headers examples",
        "a path item": "$ref get put post delete options head patch parameters",
    },
    "3.0": {
        "": _TOP_3, "#/components": _COMPONENTS, "an operation": f"{_OPERATION} requestBody callbacks servers",
        "a response": "description headers content links", "a request body": "description content required",
        "a path item": "$ref summary description get put post delete options head patch trace servers parameters",
        "a parameter": "name in description required deprecated allowEmptyValue style explode allowReserved schema "
        "example examples content",
        "a media type object": "schema example examples encoding",
    },
}  # fmt: skip
FIELDS["3.1"] = FIELDS["3.0"] | {
    "": f"{_TOP_3} webhooks jsonSchemaDialect", "#/components": f"{_COMPONENTS} pathItems",
}  # fmt: skip
FIELDS["3.2"] = FIELDS["3.1"] | {
    "": FIELDS["3.1"][""] + " $self",
    "#/components": FIELDS["3.1"]["#/components"] + " mediaTypes",
    "a response": FIELDS["3.0"]["a response"] + " summary",
    "a path item": FIELDS["3.0"]["a path item"] + " query additionalOperations",
    "a media type object": FIELDS["3.0"]["a media type object"] + " itemSchema prefixEncoding itemEncoding",
}


def check(document: Document, parts: dict[str, Any], findings: Findings) -> None:
    """Check the parts of a document that are neither operations nor schemas."""
    _head(document, findings)
    if document.spec != "2.0":
        holders = [parts.get(kind, {}).items() for kind in ("an operation", "a path item")]
        for at, raw in itertools.chain([(Place("", ""), document.raw)], *holders):
            listed = raw.get("servers") if isinstance(raw, dict) else None
            for index, server in enumerate(listed if isinstance(listed, list) else ()):
                _server(server, at / "servers" / index, findings)
    _schemes(document, findings)
    _names(document, findings)
    if document.spec == "2.0":
        _host(document.raw, parts, findings)
    _types(document, parts, findings)
    for at, raw in parts.get("a response", {}).items():
        if not isinstance(raw.get("description"), str) and document.spec != "3.2":
            findings.warn(at, "the response has no description", 'It is required: write at least "".')
    for kind, known in FIELDS[document.spec].items():
        for at, raw in parts.get(kind, {}).items():
            _fields(raw, known.split(), at, findings)
    _fields(document.raw, FIELDS[document.spec][""].split(), Place("", ""), findings)
    if document.spec != "2.0":
        _fields(
            document.raw.get("components"),
            FIELDS[document.spec]["#/components"].split(),
            Place("", "/components"),
            findings,
        )


def _head(document: Document, findings: Findings) -> None:
    raw, top = document.raw, Place("", "")
    key = "swagger" if document.spec == "2.0" and "swagger" in raw else "openapi"
    if not isinstance(raw.get(key), str) or not _VERSIONS[document.spec].match(raw[key]):
        hint = f'Write "{key}": "{document.spec if key == "swagger" else document.spec + ".0"}", with the quotes.'
        findings.error(top / key, f"{raw.get(key)!r} isn't a version of the specification", hint)
    info = document.plain["info"]
    if "info" not in raw:
        findings.error(top, "info is missing", "Add info, with a title and the version of the API.")
    else:
        for name in ("title", "version"):
            if name not in info:
                findings.error(top / "info", f"info has no {name}", f"Add {name}, as text.")
            elif not isinstance(info[name], str):
                findings.error(top / "info" / name, f"the {name} isn't text", "Put it into quotes.")
    if "paths" not in raw and (document.spec in {"2.0", "3.0"} or not {"components", "webhooks"} & set(raw)):
        findings.error(top, "paths is missing", "Add paths: without it there is nothing to call.")
    elif not document.operations and "webhooks" not in raw and not raw.get("components"):
        findings.warn(top / "paths", "there are no operations, so a client has no methods")


def _server(raw: Any, at: Place, findings: Findings) -> None:
    if not isinstance(raw, dict) or not isinstance(url := raw.get("url"), str):
        findings.error(at, "a server has no url", 'Write {"url": "https://api.example.com"}.')
        return
    variables = raw.get("variables") if isinstance(raw.get("variables"), dict) else {}
    for name in re.findall(r"\{([^{}]+)\}", url):
        variable = variables.get(name) if variables else None
        if not isinstance(variable, dict):
            findings.error(
                at,
                f"the variable {{{name}}} of the server {url} isn't declared",
                "Add it to variables, with a default.",
            )
        elif "default" not in variable:
            findings.error(
                at / "variables" / name,
                f"the server's variable {name!r} has no default",
                "Add default: it is required.",
            )
        elif isinstance(choices := variable.get("enum"), list) and variable["default"] not in choices:
            findings.error(
                at / "variables" / name, f"the default {variable['default']!r} of {name!r} isn't one of its enum",
                "Add it to the enum, or take one of it.",
            )  # fmt: skip
    if re.search(r"\s", url):
        findings.error(at, f"the server's url {url!r} has a space", "Remove it.")


def _names(document: Document, findings: Findings) -> None:
    components = document.raw.get("components") if document.spec != "2.0" else None
    for kind, named in components.items() if isinstance(components, dict) else ():
        for name in named if isinstance(named, dict) and not str(kind).startswith("x-") else ():
            if not re.fullmatch(r"[A-Za-z0-9._-]+", str(name)):
                findings.warn(
                    Place("", "/components") / kind / name, f"{name!r} is no name for one of the {kind}",
                    "Use letters, digits, '.', '_' and '-': some tools read no others.",
                )  # fmt: skip


def _host(raw: dict[str, Any], parts: dict[str, Any], findings: Findings) -> None:
    """Check where a Swagger 2.0 document says that the API is, and that files are sent in forms."""
    host, base, schemes = raw.get("host"), raw.get("basePath"), raw.get("schemes")
    if host is not None and (not isinstance(host, str) or re.search(r"[/?#\s]", host)):
        findings.error(Place("", "/host"), f"the host is {host!r}", "Write the name, and the port: api.example.com.")
    if base is not None and (not isinstance(base, str) or not base.startswith("/")):
        findings.error(Place("", "/basePath"), f"the basePath is {base!r}", "Begin it with /.")
    for index, scheme in enumerate(schemes if isinstance(schemes, list) else ()):
        if scheme not in ("http", "https", "ws", "wss"):
            findings.error(Place("", "/schemes") / index, f"{scheme!r} isn't a scheme", "Write http or https.")
    for at, each in parts.get("a parameter", {}).items():
        if each.get("type") == "file" and each.get("in") != "formData":
            findings.error(at, f"the file {each.get('name')!r} is in {each.get('in')!r}", "Put it in formData.")


def _schemes(document: Document, findings: Findings) -> None:
    old = document.spec == "2.0"
    home = Place("", "/securityDefinitions" if old else "/components/securitySchemes")
    kinds = {"basic", "apiKey", "oauth2"} if old else {"apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"}
    components = document.raw if old else document.raw.get("components")
    given = components.get(home.pointer.rpartition("/")[2]) if isinstance(components, dict) else None
    for name, raw in given.items() if isinstance(given, dict) else ():
        at = home / name
        if not isinstance(raw, dict) or "$ref" in raw:
            continue
        kind = raw.get("type")
        if str(kind) not in kinds:
            hint = (
                'Write "type": "http", "scheme": "basic".'
                if kind == "basic"
                else f"It is one of: {', '.join(sorted(kinds))}."
            )
            findings.error(at, f"the type {kind!r} of the security scheme {name!r} isn't known", hint)
        elif kind == "apiKey":
            places = {"query", "header"} if old else {"query", "header", "cookie"}
            if not raw.get("name") or str(raw.get("in")) not in places:
                findings.error(
                    at,
                    f"the API key {name!r} needs a name and a place",
                    f"Add name, and in: {', '.join(sorted(places))}.",
                )
        elif kind == "http" and not raw.get("scheme"):
            findings.error(at, f"the security scheme {name!r} has no scheme", 'Add "scheme": "bearer", or "basic".')
        elif kind == "openIdConnect" and not raw.get("openIdConnectUrl"):
            findings.error(
                at, f"the security scheme {name!r} has no openIdConnectUrl", "Add the URL of its discovery document."
            )
        elif kind == "oauth2":
            _oauth(raw, name, at, findings, old=old)


def _oauth(raw: dict[str, Any], name: str, at: Place, findings: Findings, *, old: bool) -> None:
    flows = {str(raw.get("flow")): raw} if old else raw.get("flows")
    if not isinstance(flows, dict) or not flows:
        findings.error(
            at, f"the security scheme {name!r} has no flows", "Add flows, with one of: " + ", ".join(_FLOWS) + "."
        )
        return
    known = _FLOWS_2 if old else _FLOWS
    for flow, value in flows.items():
        if str(flow).startswith("x-") or not isinstance(value, dict):
            continue
        if flow not in known:
            findings.error(at, f"{flow!r} isn't a flow of OAuth 2.0", f"It is one of: {', '.join(known)}.")
            continue
        for field in known[str(flow)]:
            if not value.get(field):
                findings.error(
                    at, f"the flow {flow!r} of {name!r} has no {field}", "Add it: nobody can get a token without."
                )


def _types(document: Document, parts: dict[str, Any], findings: Findings) -> None:
    bodies = [*parts.get("a request body", {}).items(), *parts.get("a response", {}).items()]
    named: list[tuple[Place, Any]] = [(at / "content" / kind, kind) for at, raw in bodies for kind in _content(raw)]
    for at, raw in parts.get("a request body", {}).items():
        if not _content(raw):
            findings.error(at, "the request body has no content", "Add content, with a content type and its schema.")
    if document.spec == "2.0":
        holders = [(Place("", ""), document.raw), *parts.get("an operation", {}).items()]
        for at, raw in holders:
            for key in ("consumes", "produces"):
                listed = raw.get(key)
                named += [
                    (at / key / index, kind) for index, kind in enumerate(listed if isinstance(listed, list) else ())
                ]
    for at, kind in named:
        if not isinstance(kind, str) or not _MEDIA_TYPE.match(kind):
            hint = {"json": "application/json", "xml": "application/xml", "form": "multipart/form-data"}.get(
                str(kind).lower()
            )
            findings.error(
                at, f"{kind!r:.80} isn't a content type", f"Write {hint}." if hint else "Write type/subtype."
            )


def _content(raw: Any) -> dict[str, Any]:
    content = raw.get("content") if isinstance(raw, dict) else None
    return content if isinstance(content, dict) else {}


def _fields(raw: Any, known: list[str], at: Place, findings: Findings) -> None:
    if not isinstance(raw, dict):
        return
    for key in raw:
        if key not in known and not str(key).startswith("x-"):
            near = nearest(str(key), known)
            findings.warn(at / key, f"{key!r} isn't a word of OpenAPI here, so it has no effect",
                          f"Is {near!r} meant?" if near else "Remove it, or begin it with x-.")  # fmt: skip
