"""Turn the parts of a Swagger 2.0 document into those of OpenAPI 3.x.

1. The parameters `in: body` and `in: formData` become the request body. Its content types are those of `consumes`, of
   the operation or else the document: JSON if none is named, a form for `formData`, and multipart once there is a file.
2. The type of any other parameter moves into its schema; `collectionFormat` becomes style and explode. `tsv`, for which
   OpenAPI 3.x has no style, becomes the style `tabDelimited`.
3. The schema of a response belongs to each of the content types of `produces`.
4. `schemes`, `host` and `basePath` become servers. A part that is missing is that of the document's own URL.
5. `securityDefinitions` become security schemes: `basic` is HTTP's, and the flows get the names of 3.x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from asyncapi.openapi.parts import Parts

if TYPE_CHECKING:
    from asyncapi.openapi.files import Place

__all__ = ["Parts2", "schemes_of", "servers_of"]

_FORM, _MULTIPART, _JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"
_IN_BODY = ("body", "formData")  # a tuple: what a broken document has there may not be hashable
_SCHEMA_WORDS = (
    "type", "format", "items", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf", "x-nullable", "example",
)  # fmt: skip
_STYLES = {"ssv": ("spaceDelimited", False), "tsv": ("tabDelimited", False), "pipes": ("pipeDelimited", False)}
_FLOWS = {
    "implicit": "implicit",
    "password": "password",
    "application": "clientCredentials",
    "accessCode": "authorizationCode",
}


class Parts2(Parts):
    """Reads the parts of paths as Swagger 2.0 writes them."""

    consumes: Any = None
    produces: Any = None

    def item(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one path item: each operation gets a copy of the path's parameters that make a body."""
        made = super().item(raw, at)
        if "parameters" in made:
            made["parameters"] = [each for each in made["parameters"] if each.get("in") not in _IN_BODY]
        return made

    def operation(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one operation."""
        raw = self.mapping(raw, at, "an operation")
        if self.visit is not None:
            self.visit("an operation", raw, at)
        shared = self.files.value_at(_above(at))
        shared = shared.get("parameters") if isinstance(shared, dict) else None
        given = [*self._listed(shared, _above(at)), *self._listed(raw.get("parameters"), at)]
        by_key = {(str(each.get("name")), str(each.get("in"))): (each, where) for each, where in given}
        bodies = [pair for pair in by_key.values() if pair[0].get("in") == "body"]
        fields = [pair for pair in by_key.values() if pair[0].get("in") == "formData"]
        produces = _kinds(raw.get("produces", self.produces)) or [_JSON]
        made = {
            key: value
            for key, value in raw.items()
            if key not in {"consumes", "produces", "parameters", "schemes", "callbacks"}
        }
        if "parameters" in raw:
            own = self.parameters(raw["parameters"], at / "parameters")
            made["parameters"] = [each for each in own if each.get("in") not in _IN_BODY]
        consumes = _kinds(raw.get("consumes", self.consumes))
        if bodies:
            made["requestBody"] = self._body(*bodies[-1], consumes or [_JSON])
        elif fields:
            made["requestBody"] = self._form(fields, consumes)
        made["responses"] = {
            status: self.reply(each, at / "responses" / status, produces)
            for status, each in self.mapping(raw.get("responses"), at / "responses", "responses").items()
            if not status.startswith("x-")
        }
        return made

    def _listed(self, raw: Any, at: Place) -> list[tuple[dict[str, Any], Place]]:
        if not isinstance(raw, list):
            return []
        return [self.resolved(each, at / "parameters" / index, "a parameter") for index, each in enumerate(raw)]

    def parameter(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one parameter (rule 2)."""
        return self._valued(*self.resolved(raw, at, "a parameter"))

    def _valued(self, value: dict[str, Any], at: Place) -> dict[str, Any]:
        if value.get("in") in _IN_BODY:
            return dict(value)
        made = {
            key: each
            for key, each in value.items()
            if key not in {*_SCHEMA_WORDS, "collectionFormat", "allowEmptyValue"}
        }
        if value.get("allowEmptyValue"):
            made["allowEmptyValue"] = True
        if "schema" in value:  # OpenAPI 3.x's form, in a document of 2.0
            made["schema"] = self.schemas.read(value["schema"], at / "schema")
            return made
        made["schema"] = self.schemas.read({key: value[key] for key in _SCHEMA_WORDS if key in value}, at)
        if value.get("type") == "array":
            made |= self._style(value)
        return made

    @staticmethod
    def _style(value: dict[str, Any]) -> dict[str, Any]:
        said = value.get("collectionFormat", "csv")
        simple = value.get("in") in ("path", "header", None)
        if said == "multi":
            return {"style": "form", "explode": True}
        if said in _STYLES:
            style, explode = _STYLES[said]
            return {"style": style, "explode": explode}
        return {"style": "simple" if simple else "form", "explode": False}

    def _body(self, value: dict[str, Any], at: Place, kinds: list[str]) -> dict[str, Any]:
        schema = self.schemas.read(value.get("schema"), at / "schema")
        made: dict[str, Any] = {
            "required": value.get("required") is True,
            "content": {kind: {"schema": schema} for kind in kinds},
        }
        extensions = {key: each for key, each in value.items() if key == "description" or key.startswith("x-")}
        return made | extensions

    def _form(self, fields: list[tuple[dict[str, Any], Place]], kinds: list[str]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        encoding: dict[str, Any] = {}
        for value, at in fields:
            name = str(value.get("name"))
            words = {key: value[key] for key in (*_SCHEMA_WORDS, "description") if key in value}
            properties[name] = self.schemas.read(words, at)
            if value.get("type") == "array" and value.get("collectionFormat") != "multi":
                encoding[name] = self._style({**value, "in": "query"})
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        if required := [str(value.get("name")) for value, _ in fields if value.get("required") is True]:
            schema["required"] = required
        files = any(value.get("type") == "file" for value, _ in fields)
        forms = [kind for kind in kinds if kind in {_FORM, _MULTIPART}] or [_MULTIPART if files else _FORM]
        if files:
            forms = [_MULTIPART]
        media = {"schema": schema} | ({"encoding": encoding} if encoding else {})
        return {"required": bool(required), "content": dict.fromkeys(forms, media)}

    def reply(self, raw: Any, at: Place, produces: list[str]) -> dict[str, Any]:
        """Read a response (rule 3)."""
        value, at = self.resolved(raw, at, "a response")
        made = {key: each for key, each in value.items() if key not in {"schema", "examples", "headers"}}
        examples = self.mapping(value.get("examples"), at / "examples", "examples")
        if "schema" in value:
            schema = self.schemas.read(value["schema"], at / "schema")
            if isinstance(value["schema"], dict) and value["schema"].get("type") == "file":
                produces = [kind for kind in produces if kind != _JSON] or ["application/octet-stream"]
            made["content"] = {
                kind: {"schema": schema} | ({"example": examples[kind]} if kind in examples else {})
                for kind in produces
            }
        headers = self.mapping(value.get("headers"), at / "headers", "headers")
        if headers:
            made["headers"] = {name: self.header(each, at / "headers" / name) for name, each in headers.items()}
        return made


def _above(at: Place) -> Place:
    return at._replace(pointer=at.pointer.rpartition("/")[0])


def _kinds(raw: Any) -> list[str]:
    listed = [raw] if isinstance(raw, str) else raw if isinstance(raw, list) else []
    return list(dict.fromkeys(kind for kind in listed if isinstance(kind, str) and "/" in kind))


def servers_of(raw: dict[str, Any], source: str) -> list[dict[str, Any]]:
    """Return the servers of a Swagger 2.0 document (rule 4)."""
    own = urlsplit(source) if source.startswith(("http://", "https://")) else None
    host = raw.get("host") or (own.netloc.rpartition("@")[2] if own else "")
    path = str(raw.get("basePath") or "").rstrip("/")
    path = path if path.startswith("/") or not path else f"/{path}"
    if not host:
        return [{"url": path or "/"}] if path else []
    given = raw.get("schemes")
    schemes = [each for each in given if each in ("http", "https")] if isinstance(given, list) else []
    schemes = sorted(schemes or ([own.scheme] if own else ["https"]), key=lambda scheme: scheme != "https")
    return [{"url": f"{scheme}://{host}{path}"} for scheme in schemes]


def schemes_of(raw: Any) -> dict[str, Any]:
    """Return the security schemes of a Swagger 2.0 document (rule 5)."""
    made: dict[str, Any] = {}
    for name, value in (raw if isinstance(raw, dict) else {}).items():
        if not isinstance(value, dict):
            continue
        kind = value.get("type")
        rest = {key: each for key, each in value.items() if key == "description" or key.startswith("x-")}
        if kind == "basic":
            made[name] = {"type": "http", "scheme": "basic"} | rest
        elif kind == "oauth2":
            flow = {"scopes": value.get("scopes") or {}}
            flow |= {key: value[key] for key in ("authorizationUrl", "tokenUrl") if key in value}
            made[name] = {
                "type": "oauth2",
                "flows": {_FLOWS.get(str(value.get("flow")), str(value.get("flow"))): flow},
            } | rest
        else:
            made[name] = dict(value)
    return made
