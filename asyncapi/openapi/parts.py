"""Turn the paths of an OpenAPI 3.x document into plain ones, with everything but named schemas resolved.

1. Path items, parameters, request bodies, responses, headers, examples and links may be references, and references to
   references; each is replaced by what it leads to.
2. What has the wrong type is left out, with a problem: the rest of the document can be used.
3. Callbacks and webhooks are calls that the server makes: a client leaves them out, and a note says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncapi.openapi.files import Files, Found, Place
    from asyncapi.openapi.schemas import Schemas, Visit

__all__ = ["METHODS", "Parts"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_SECTIONS = {
    "a parameter": "parameters", "a header": "headers", "a request body": "requestBodies", "a response": "responses",
    "a security scheme": "securitySchemes",
}  # fmt: skip
_ITEM_WORDS = ("summary", "description", "servers")


class Parts:
    """Reads the parts of paths, each at the place where it really stands."""

    def __init__(self, files: Files, schemas: Schemas, visit: Visit | None = None) -> None:
        self.files = files
        self.schemas = schemas
        self.visit = visit
        self.callbacks = 0

    def paths(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read the paths of the document."""
        made = {}
        raw, at = self.opened(raw, at)
        for path, item in self.mapping(raw, at, "paths").items():
            if not path.startswith("x-"):
                made[path] = self.item(item, at / path)
        return made

    def item(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one path item."""
        made: dict[str, Any] = {}
        if isinstance(raw, dict) and "$ref" in raw:
            found = self.files.find(raw["$ref"], at)
            if found is not None:
                made = self.item(found.value, found.place)
            raw = {key: value for key, value in raw.items() if key != "$ref"}
        raw = self.mapping(raw, at, "a path item")
        if self.visit is not None:
            self.visit("a path item", raw, at)
        if "parameters" in raw:
            made["parameters"] = self.parameters(raw["parameters"], at / "parameters")
        for key, value in raw.items():
            method = key.lower()
            if method in METHODS:
                made[method] = self.operation(value, at / key)
            elif key in _ITEM_WORDS or key.startswith("x-"):
                made[key] = value
        for method, value in self.mapping(raw.get("additionalOperations"), at, "additionalOperations").items():
            made.setdefault("additionalOperations", {})[method] = self.operation(
                value, at / "additionalOperations" / method
            )
        return made

    def operation(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one operation."""
        made = dict(self.mapping(raw, at, "an operation"))
        if self.visit is not None:
            self.visit("an operation", raw, at)
        if made.pop("callbacks", None):
            self.callbacks += 1
        if "parameters" in made:
            made["parameters"] = self.parameters(made["parameters"], at / "parameters")
        if "requestBody" in made:
            made["requestBody"] = self.body(made["requestBody"], at / "requestBody")
            if not made["requestBody"]:
                del made["requestBody"]
        made["responses"] = self.responses(made.get("responses"), at / "responses")
        return made

    def responses(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read the responses of an operation, by status."""
        return {
            status: self.response(each, at / status)
            for status, each in self.mapping(raw, at, "responses").items() if not status.startswith("x-")
        }  # fmt: skip

    def parameters(self, raw: Any, at: Place) -> list[dict[str, Any]]:
        """Read a list of parameters."""
        if not isinstance(raw, list):
            if raw is not None:
                self.files.problem(at, "parameters are a list", "Begin each with a dash, or put [] around them.")
            return []
        if self.visit is not None:
            self.visit("parameters", raw, at)
        made = [self.parameter(each, at / index) for index, each in enumerate(raw)]
        return [each for each in made if each]

    def parameter(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one parameter."""
        return self._valued(*self.resolved(raw, at, "a parameter"))

    def header(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one header of a response or of a part: a parameter without name and place."""
        return self._valued(*self.resolved(raw, at, "a header"))

    def _valued(self, value: dict[str, Any], at: Place) -> dict[str, Any]:
        made = dict(value)
        if "schema" in made:
            made["schema"] = self.schemas.read(made["schema"], at / "schema")
        elif "type" in made and "content" not in made:  # Swagger 2.0's form, in a document of 3.x
            made["schema"] = self.schemas.read({"type": made["type"]}, at)
        self._contents(made, at)
        return made

    def body(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read a request body."""
        value, at = self.resolved(raw, at, "a request body")
        made = dict(value)
        self._contents(made, at)
        return made

    def response(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read a response."""
        value, at = self.resolved(raw, at, "a response")
        made = dict(value)
        made.pop("links", None)
        self._contents(made, at)
        if "headers" in made:
            headers = self.mapping(made["headers"], at / "headers", "headers")
            made["headers"] = {name: self.header(each, at / "headers" / name) for name, each in headers.items()}
        return made

    def _contents(self, made: dict[str, Any], at: Place) -> None:
        if "content" in made:
            contents = self.mapping(made["content"], at / "content", "content")
            made["content"] = {kind: self.media(each, at / "content" / kind) for kind, each in contents.items()}
        self._examples(made, at)

    def media(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read one content type of a body."""
        value, at = self.resolved(raw, at, "a media type object")
        made = dict(value)
        for key in ("schema", "itemSchema"):
            if key in made:
                made[key] = self.schemas.read(made[key], at / key)
        if "encoding" in made:
            encodings = self.mapping(made["encoding"], at / "encoding", "encoding")
            made["encoding"] = {name: self.encoding(each, at / "encoding" / name) for name, each in encodings.items()}
        self._examples(made, at)
        return made

    def encoding(self, raw: Any, at: Place) -> dict[str, Any]:
        """Read how one property of a form is encoded."""
        made = dict(self.mapping(raw, at, "an encoding"))
        if "headers" in made:
            headers = self.mapping(made["headers"], at / "headers", "headers")
            made["headers"] = {name: self.header(each, at / "headers" / name) for name, each in headers.items()}
        return made

    def _examples(self, made: dict[str, Any], at: Place) -> None:
        if "examples" not in made:
            return
        given = made["examples"]
        if isinstance(given, list):  # written as those of a schema
            made["examples"] = {str(index): {"value": each} for index, each in enumerate(given)}
            return
        examples = self.mapping(given, at / "examples", "examples")
        made["examples"] = {}
        for name, each in examples.items():
            if isinstance(each, dict) and "$ref" in each:
                found = self.files.find(each["$ref"], at / "examples" / name)
                each = found.value if found is not None else None
            if isinstance(each, dict):
                made["examples"][name] = each

    def resolved(self, raw: Any, at: Place, what: str) -> tuple[dict[str, Any], Place]:
        """Return an object, or what its reference leads to, and where that stands."""
        value, at = self._resolved(raw, at, what)
        if self.visit is not None and (value or not (isinstance(raw, dict) and "$ref" in raw)):
            self.visit(what, value, at)
        return value, at

    def _resolved(self, raw: Any, at: Place, what: str) -> tuple[dict[str, Any], Place]:
        if isinstance(raw, dict) and "$ref" in raw:
            found: Found | None = self.files.find(raw["$ref"], at)
            if found is None:
                return {}, at
            if self.files.is_other(found.place, _SECTIONS.get(what, ""), at, what):
                return {}, at
            value = self.mapping(found.value, found.place, what)
            words = {key: raw[key] for key in ("summary", "description") if isinstance(raw.get(key), str)}  # 3.1
            return {**value, **words}, found.place
        return self.mapping(raw, at, what), at

    def opened(self, raw: Any, at: Place) -> tuple[Any, Place]:
        """Return what a whole part's reference leads to (rule 5 of `files`), or the part itself."""
        if isinstance(raw, dict) and isinstance(raw.get("$ref"), str) and len(raw) == 1:
            found = self.files.find(raw["$ref"], at)
            return found if found is not None else ({}, at)
        return raw, at

    def mapping(self, raw: Any, at: Place, what: str) -> dict[str, Any]:
        """Return an object as it is; {} for anything else, with a problem unless it is just missing."""
        if isinstance(raw, dict):
            return raw
        if raw is not None:
            self.files.problem(at, f"{what} must be an object (names and values), not {type(raw).__name__}")
        return {}
