"""Give every schema of a document that becomes a class a name, and write it in the one dialect that models are made of.

Rules:
1. The dialect is JSON Schema as OpenAPI 3.1 has it: `nullable` is a type, a number excludes, one value is a `const`.
   What pydantic can't hold to (`not`, `if`, a pattern of another regex dialect) is left out: models are no validators.
2. A schema with a name keeps it. An object or an enum inside another one gets the name of its place: `PetStatus`.
3. Where a schema is sent and received, and some of its properties are read-only or write-only, there are two classes:
   `Pet` has what is received, `PetInput` what is sent.
4. `allOf` is inheritance where the parts do not touch each other, and one class with all properties where they do.
5. A discriminator holds only where every member is an object with one value; otherwise it is a plain union. A parent
   with a discriminator stands for its children, wherever it is not itself extended.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from asyncapi.openapi import dialect, links
from asyncapi.openapi.composition import Composition
from asyncapi.openapi.discriminators import LOCAL, pinned
from asyncapi.openapi.names import class_names, pascal, short_names, singular, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Schema = dict[str, Any]
_INPUT = "Input"


def ref_to(name: str) -> Schema:
    """Return a reference to a class."""
    return {"$ref": LOCAL + name}


class Schemas:
    """The schemas of a document under the names of their classes.

    Args:
        plain: The document, as OpenAPI 3.
        sent: The schemas of request bodies and parameters.
        received: The schemas of responses.
        called: Better names of named schemas.

    Attributes:
        flat: Class name -> schema, in the order of the document: what models are made of.
    """

    def __init__(
        self,
        plain: Mapping[str, Any],
        sent: Iterable[Any] = (),
        received: Iterable[Any] = (),
        called: Mapping[str, str] | None = None,
    ) -> None:
        self._plain = plain
        components = (plain.get("components") or {}).get("schemas") or {}
        self._named: dict[str, Any] = pinned({str(name): schema for name, schema in components.items()}, plain)
        self.flat: dict[str, Schema] = {}
        self.later: list[tuple[str, Schema, list[Schema]]] = []
        self._inline_enums = False
        self._names = class_names()
        self._classes: dict[tuple[str, bool], str] = {}
        self._twins: dict[tuple[str, str], str] = {}
        self._composition = Composition(self)
        self._ways = links.Ways(self._named, list(sent), list(received))
        self._two = self._ways.two
        short = {**short_names(self._named), **(called or {})}
        for name in self._named:
            self._classes[name, False] = self._names.take(pascal(short[name]))
        for name in sorted(self._two, key=list(self._named).index):
            self._classes[name, True] = self._names.take(self._classes[name, False] + _INPUT)

    # --- what there is -------------------------------------------------------------------------------------------

    @property
    def named(self) -> Mapping[str, Any]:
        """The document's named schemas, as they are written."""
        return self._named

    def raw(self, pointer: str) -> Any:
        """Return what a local reference points to; an empty schema where there is nothing."""
        found: Any = self._plain
        for step in pointer.removeprefix("#").strip("/").split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                return {}
        return found

    def resolved(self, schema: Any) -> Schema:
        """Follow references until there is a schema."""
        seen = set()
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            schema = self.raw(schema["$ref"])
        return schema if isinstance(schema, dict) and "$ref" not in schema else {}

    def all(self, without: Collection[str] = ()) -> None:
        """Write every named schema, used or not; those in `without` only where something refers to them."""
        for name in self._named:
            if name in without:
                continue
            self.class_of(name, sent=False)
            if name in self._two:
                self.class_of(name, sent=True)

    def settle(self) -> None:
        """Finish what could be decided only when everything is written."""
        for made, schema, members in self.later:
            self._composition.settle(made, schema, members)

    def settled(self, made: Schema, hint: str) -> Schema:
        """Give a union with a discriminator a name of its own: an annotation of a method can't hold one."""
        if "discriminator" in made:
            return ref_to(self._union(made, hint))
        if made.get("type") == "array" and "discriminator" in made.get("items", {}):
            return {**made, "items": ref_to(self._union(made["items"], singular(hint)))}
        return made

    def _union(self, made: Schema, hint: str) -> str:
        key = (json.dumps({**made, "description": ""}, sort_keys=True), "union")
        if key not in self._twins:
            self._twins[key] = self.register(hint, made)
        return self._twins[key]

    def facts(self, schema: Any) -> Schema:
        """Return what a schema of the document says, with what it refers to and is composed of."""
        return self._composition.facts(schema)

    def is_model(self, made: Schema) -> bool:
        """Whether a schema in the dialect is a class of properties, or a list of such."""
        if made.get("type") == "array":
            made = made.get("items") or {}
        target = self.flat.get(str(made.get("$ref", "")).removeprefix(LOCAL), {})
        return "properties" in target or "allOf" in target

    def holds_objects(self, made: Schema, seen: frozenset[str] = frozenset()) -> bool:
        """Whether values of a schema in the dialect are, or may be, objects."""
        if "$ref" in made:
            name = str(made["$ref"]).removeprefix(LOCAL)
            return name not in seen and self.holds_objects(self.flat.get(name, {}), seen | {name})
        if made.get("type") == "array":
            return self.holds_objects(made.get("items") or {}, seen)
        return (
            made.get("type") == "object"
            or "allOf" in made
            or any(self.holds_objects(one, seen) for word in ("anyOf", "oneOf") for one in made.get(word, ()))
        )

    def parameter(self, schema: Any, hint: str) -> Schema:
        """Write the schema of a parameter: an enum inside it becomes a Literal, no class."""
        self._inline_enums = True
        try:
            return self.clean(schema, hint, sent=True)
        finally:
            self._inline_enums = False

    # --- writing them --------------------------------------------------------------------------------------------

    def class_name(self, name: str, *, sent: bool) -> str:
        """Return the name of the class of a named schema."""
        return self._classes[name, (self._ways.sent_only(name) or sent) and name in self._two]

    def class_of(self, name: str, *, sent: bool) -> str:
        """Return the class of a named schema, and see that it is written."""
        made = self.class_name(name, sent=sent)
        sent = self._ways.sent_only(name) or (sent and name in self._two)
        if sent and name in self._two:
            self.class_of(name, sent=False)  # what both have inside is named after what is received: PetStatus
        if made not in self.flat:
            self.flat[made] = {}  # it may refer to itself
            self.flat[made] = self.clean(self._named[name], made, sent=sent, top=True)
        return made

    def clean(self, schema: Any, hint: str, *, sent: bool, top: bool = False) -> Schema:
        """Write a schema in the dialect; what becomes a class inside it is named after its place.

        Args:
            schema: As the document has it.
            hint: The name of its class, if it becomes one.
            sent: Whether it is of a request.
            top: Whether it has a name already.
        """
        if not isinstance(schema, dict):
            return {}
        if isinstance(schema.get("$ref"), str):
            return self._reference(schema, hint, sent=sent)
        schema = self._composition.single(dialect.upgraded(schema))
        if "$ref" in schema:
            return self._reference(schema, hint, sent=sent)
        made = self._body(schema, hint, sent=sent, top=top)
        made.pop("deprecated", None)  # of a property alone: `_property` says it
        if top or not _is_class(made) or (self._inline_enums and "enum" in made):
            return made
        return self._hoisted(made, hint)

    def _body(self, schema: Schema, hint: str, *, sent: bool, top: bool) -> Schema:  # noqa: C901 - one kind each
        kinds = dialect.kinds(schema)
        if "null" in kinds and top and (_is_object(schema) or "enum" in schema):
            schema = dialect.without_null(schema)  # references to it say that it may be null
            if not schema:
                return {"type": "null"}
        elif "null" in kinds:
            rest = dialect.without_null(schema)
            if not rest:
                return {"type": "null"}
            said: Schema = {key: rest.pop(key) for key in ("description", "default", "deprecated") if key in rest}
            inner = self.clean(rest, hint, sent=sent)
            return {**dialect.either([inner, {"type": "null"}]), **said}
        if "allOf" in schema:
            return self._composition.joined(schema, hint, sent=sent)
        for word in ("oneOf", "anyOf"):
            if isinstance(schema.get(word), list) and schema[word]:
                return self._composition.union(schema, word, hint, sent=sent)
        if "enum" in schema or "const" in schema:
            return dialect.choice(schema)
        if len(set(kinds) - {"null"}) > 1:
            return self._composition.union(dialect.split(schema), "anyOf", hint, sent=sent)
        if _is_object(schema):
            return self.object(schema, hint, sent=sent)
        if kinds[:1] == ["array"] or (not kinds and ("items" in schema or "prefixItems" in schema)):
            return self._array(schema, hint, sent=sent)
        return dialect.primitive(schema)

    def object(self, schema: Schema, hint: str, *, sent: bool) -> Schema:
        """Write an object: properties that don't go this way are left out."""
        properties = schema.get("properties") if isinstance(schema.get("properties"), dict) else {}
        more = dialect.additional(schema)
        if not properties and more is not False:
            values = self.clean(more, f"{hint}Value", sent=sent) if isinstance(more, dict) else {}
            return {"type": "object", "additionalProperties": values, **dialect.said(schema)}
        required = [name for name in schema.get("required") or () if isinstance(name, str)]
        made: Schema = {"type": "object", "properties": {}, "required": []}
        for name, inner in (properties or {}).items():
            facts = self.resolved(inner) | (inner if isinstance(inner, dict) else {})
            if facts.get("readOnly" if sent else "writeOnly") is True and facts.get("const", self) is self:
                continue
            made["properties"][name] = self._property(inner, hint + pascal(str(name)), name in required, sent=sent)
            if name in required:
                made["required"].append(name)
        if sent and more is not False:  # a server that asks for it gets it, though the document says nothing else of it
            for name in required:
                if name not in (properties or {}):
                    made["properties"][name] = {}
                    made["required"].append(name)
        if not made["required"]:
            del made["required"]
        return {**made, **self._further(schema, hint, sent=sent), **dialect.said(schema)}

    def _further(self, schema: Schema, hint: str, *, sent: bool) -> Schema:
        """Write what properties without a name are, beside those with one."""
        more = dialect.beside_properties(schema)
        if isinstance(more, dict):
            return {"additionalProperties": self.clean(more, f"{hint}Value", sent=sent) or True}
        is_said = schema.get("additionalProperties") is True or bool(schema.get("patternProperties"))
        return {"additionalProperties": more} if more is False or is_said else {}

    def _property(self, schema: Any, hint: str, required: bool, *, sent: bool) -> Schema:
        made = self.clean(schema, hint, sent=sent)
        found = self.resolved(made) if "$ref" not in made else self.flat.get(made["$ref"].removeprefix(LOCAL), {})
        if isinstance(schema, dict):
            made = {**made, **dialect.said(schema)}
            if schema.get("default") is not None:
                made["default"] = schema["default"]
        if "default" in made and not dialect.fits(made["default"], made, found):
            del made["default"]
        if not required and dialect.may_be_null(made, found) and made.get("default") is None:
            made["x-nullable"] = True
        return dialect.flattened(made)

    def _array(self, schema: Schema, hint: str, *, sent: bool) -> Schema:
        items = schema.get("items")
        if isinstance(schema.get("prefixItems"), list):
            items = {"anyOf": [*schema["prefixItems"], *([items] if isinstance(items, dict) else [])]}
        choice = next((items[word] for word in ("anyOf", "oneOf") if isinstance(items, dict) and word in items), None)
        if choice and not dialect.kinds(schema):  # "items" alone limits lists and nothing else: one of them is meant
            members = [self.clean(one, f"{hint}{at}", sent=sent) for at, one in enumerate(choice, 1)]
            several = {"type": "array", "items": dialect.either(members)}
            other = [] if sent else [{"type": "object", "additionalProperties": {}}]  # which "items" doesn't refuse
            return {**dialect.either([*members, several, *other]), **dialect.said(schema)}
        inner = hint if hint.endswith("Item") else f"{singular(hint)}"
        made = {"type": "array", "items": self.clean(items or {}, inner, sent=sent)}
        return {**made, **dialect.bounds(schema, "minItems", "maxItems"), **dialect.said(schema)}

    def _reference(self, schema: Schema, hint: str, *, sent: bool) -> Schema:
        """Write a reference; siblings that say something about the place stay (JSON Schema 2020-12 section 8.2.3.1)."""
        pointer, more = schema["$ref"], {key: text for key, text in dialect.said(schema).items() if key != "deprecated"}
        name = pointer.removeprefix(LOCAL).replace("~1", "/").replace("~0", "~")
        if not pointer.startswith(LOCAL) or name not in self._named:
            found = self.raw(pointer)
            key = (pointer, "sent" if sent else "received")
            if key not in self._twins:
                self._twins[key] = ""
                made = self.clean(found, hint, sent=sent)
                self._twins[key] = made.get("$ref", "")
                return {**made, **more}
            return {"$ref": self._twins[key], **more} if self._twins[key] else {}
        target = self._named[name]
        if isinstance(target, dict) and isinstance(target.get("$ref"), str):  # another name of the same
            return {**self._reference(target, hint, sent=sent), **more} if target["$ref"] != pointer else {}
        if self._composition.children(name):
            made = ref_to(self._composition.any_of(name, sent=sent))
        else:
            made = ref_to(self.class_of(name, sent=sent))
        if self.flat.get(made["$ref"].removeprefix(LOCAL)) == {"type": "null"}:  # its alias or None would be no type
            return {"type": "null", **more}
        if _is_class_or_null(target):
            return {"anyOf": [made, {"type": "null"}], **more}
        return {**made, **more}

    def _hoisted(self, made: Schema, hint: str) -> Schema:
        """Give a class a name; one of the same shape and place as another is the same."""
        said = dialect.said(made)
        shape = {key: value for key, value in made.items() if key not in said or key == "title"}
        key = (json.dumps(shape, sort_keys=True, default=str), pascal(_last(hint)))
        if key not in self._twins:
            self._twins[key] = self.register(hint, {**shape, **({} if "enum" in shape else said)})
        if "enum" not in shape:
            said = {}
        return {**ref_to(self._twins[key]), **said}

    def register(self, hint: str, schema: Schema) -> str:
        """Write a class under a name that is free."""
        name = self._names.take(pascal(hint))
        self.flat[name] = schema
        return name


def _is_class(schema: Schema) -> bool:
    """Whether a schema in the dialect is a class: an object with properties, or an enum."""
    return (
        "enum" in schema
        or bool(schema.get("properties"))
        or schema.get("additionalProperties") is False
        or ("allOf" in schema)
    )


def _is_class_or_null(schema: Any) -> bool:
    """Whether a named schema is a class, and null is also allowed where it stands."""
    if not isinstance(schema, dict):
        return False
    schema = dialect.upgraded(schema)
    return "null" in dialect.kinds(schema) and (_is_object(schema) or len(schema.get("enum") or ()) > 1)


def _is_object(schema: Schema) -> bool:
    return (
        "object" in dialect.kinds(schema)
        or isinstance(schema.get("properties"), dict)
        or (not dialect.kinds(schema) and isinstance(schema.get("additionalProperties"), dict))
    )


def _last(hint: str) -> str:
    return (words(hint) or [hint])[-1]
