"""Write what is composed of several schemas: `allOf`, `oneOf`, `anyOf` (rules 4 and 5 of `classes.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.openapi import dialect
from asyncapi.openapi.discriminators import LOCAL, children_of, name_of, property_of
from asyncapi.openapi.names import pascal

if TYPE_CHECKING:
    from asyncapi.openapi.classes import Schemas

Schema = dict[str, Any]

# What may stand beside a composition without adding to it.
_BESIDE = frozenset(
    {
        "title", "description", "deprecated", "default", "readOnly", "writeOnly", "example", "examples",
        "discriminator", "externalDocs", "xml", "$comment", "$schema", "$id",
    }
)  # fmt: skip


class Composition:
    """Writes compositions for the schemas of a document."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._any: dict[tuple[str, bool], str] = {}
        self._children: dict[str, list[str]] | None = None
        self._open: list[Any] = []

    def single(self, schema: Schema) -> Schema:
        """Take away what composes nothing: a list of one, and branches that only say what is required."""
        made = dict(schema)
        for word in ("allOf", "anyOf", "oneOf"):
            if word not in made:
                continue
            parts = [one for one in made[word] if isinstance(one, dict)] if isinstance(made[word], list) else []
            if word != "allOf" and parts and all(dialect.only_requires(one) for one in parts):
                parts = []
            if word == "allOf":
                parts = [one for one in parts if set(one) - _BESIDE or "description" not in one]
                parts = [one for one in parts if set(one) - {"description"}]
            if parts:
                made[word] = parts
            else:
                del made[word]
        own = set(made) - _BESIDE
        if "type" in own and made["type"] == "object" and len(own) > 1:
            own.discard("type")
        for word in ("allOf", "anyOf", "oneOf"):
            if own == {word} and len(made[word]) == 1:
                inner = made[word][0]
                beside: Schema = {key: made[key] for key in ("description", "default", "deprecated") if key in made}
                return {**inner, **beside} if "$ref" in inner else self.single(dialect.upgraded({**inner, **beside}))
        return made

    # --- allOf -------------------------------------------------------------------------------------------------------

    def joined(self, schema: Schema, hint: str, *, sent: bool) -> Schema:
        """Write an `allOf`."""
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        parts = [*schema["allOf"], *([rest] if set(rest) - _BESIDE - {"type"} else [])]
        if (branches := self._branches(parts)) is not None:
            at, word, members, base = branches
            others = [*parts[:at], base, *parts[at + 1 :]]
            made = {word: [{"allOf": [*others, one], **_title_of(one, self._schemas)} for one in members]}
            return self.union({**made, **dialect.said(schema)}, word, hint, sent=sent)
        facts = [self.facts(one) for one in parts]
        if not any(one.get("properties") for one in facts):
            merged: Schema = {}
            for one in facts:
                merged |= {key: value for key, value in one.items() if key not in {"properties", "required"}}
            return self._schemas.clean({**merged, **dialect.said(schema)}, hint, sent=sent, top=True)
        if self._inherits(parts, facts):
            bases = [
                {"$ref": LOCAL + self._schemas.class_of(name, sent=sent)} for name in map(self._target, parts) if name
            ]
            own = _together([fact for one, fact in zip(parts, facts, strict=True) if not self._target(one)])
            inline = [self._schemas.object(own, hint, sent=sent)] if own.get("properties") else []
            return {"allOf": [*bases, *inline], **dialect.said(schema)}
        return self._schemas.object({**_together(facts), **dialect.said(schema)}, hint, sent=sent)

    def _target(self, part: Any) -> str | None:
        """The named schema that a part refers to, through other names of it."""
        seen = set()
        while isinstance(part, dict) and "$ref" in part:
            name = name_of(part["$ref"])
            if name is None or name in seen or name not in self._schemas.named:
                return None
            seen.add(name)
            part = self._schemas.named[name]
            if not (isinstance(part, dict) and "$ref" in part):
                return name
        return None

    def _inherits(self, parts: list[Any], facts: list[Schema]) -> bool:
        seen: set[str] = set()
        for part, fact in zip(parts, facts, strict=True):
            properties = set(fact.get("properties") or ())
            name = self._target(part)
            if seen & properties or not set(fact.get("required") or ()) <= properties:
                return False
            if name is not None and (not properties or self.children(name) or self._branches([part]) is not None):
                return False
            if name is None and "$ref" in part:
                return False
            seen |= properties
        return any(self._target(one) for one in parts) and len({self._target(one) for one in parts}) == len(parts)

    def facts(self, part: Any, seen: set[str] | None = None) -> Schema:
        """Return what a part says, its own parts and what it refers to included, each reference once."""
        seen = set() if seen is None else seen
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            if part["$ref"] in seen:
                return {}
            seen.add(part["$ref"])
        schema = dialect.upgraded(self._schemas.resolved(part)) if isinstance(part, dict) else {}
        inner = schema.get("allOf")
        if not isinstance(inner, list):
            return schema
        own = {key: value for key, value in schema.items() if key != "allOf"}
        found = [self.facts(one, seen) for one in inner]
        merged: Schema = {}
        for one in [*found, own]:
            merged |= one
        return {**merged, **_together([*found, own])}

    def _branches(self, parts: list[Any]) -> tuple[int, str, list[Any], Schema] | None:
        """Find the first part that is a union of objects: its place, its members, and what stands beside them."""
        for at, part in enumerate(parts):
            schema = self.single(dialect.upgraded(self._schemas.resolved(part)))
            for word in ("oneOf", "anyOf"):
                members = schema.get(word)
                if not isinstance(members, list) or any(one is part for one in self._open):
                    continue
                if all(self._is_object(one) for one in members):
                    beside = {key: value for key, value in schema.items() if key not in {word, "discriminator"}}
                    return at, word, members, beside
        return None

    def _is_object(self, schema: Any, depth: int = 0) -> bool:
        if depth > 6:  # noqa: PLR2004 - a union that contains itself
            return False
        facts = self.facts(schema)
        return (
            bool(facts.get("properties"))
            or facts.get("type") == "object"
            or any(
                isinstance(facts.get(word), list)
                and all(self._is_object(one, depth + 1) for one in facts[word] if one is not schema)
                for word in ("oneOf", "anyOf")
            )
        )

    # --- oneOf and anyOf ---------------------------------------------------------------------------------------------

    def union(self, schema: Schema, word: str, hint: str, *, sent: bool) -> Schema:
        """Write a union; with a discriminator where every member has one value of it."""
        members = [one for one in schema[word] if not dialect.only_requires(one)]
        rest = {key: value for key, value in schema.items() if key not in {word, "discriminator"}}
        if isinstance(rest.get("properties"), dict) and rest["properties"]:
            if len(self._open) < 8 and all(self._is_object(one) for one in members):  # noqa: PLR2004 - see _branches
                self._open.append(schema)
                try:
                    made = [{"allOf": [rest, one], **_title_of(one, self._schemas)} for one in members]
                    return self._written(made, schema, hint, sent=sent)
                finally:
                    self._open.pop()
            return self._schemas.object(rest, hint, sent=sent)
        return self._written(members, schema, hint, sent=sent)

    def _written(self, members: list[Any], schema: Schema, hint: str, *, sent: bool) -> Schema:
        if (one := _constants(members)) is not None:
            return {**one, **dialect.said(schema)}
        made = []
        for at, one in enumerate(members, 1):
            title = one.get("title") if isinstance(one, dict) else None
            place = pascal(title) if isinstance(title, str) and title.strip() else f"{hint}{at}"
            made.append(self._schemas.clean(one, place, sent=sent))
        union = dialect.either(made)
        if "anyOf" in union and (found := self._discriminator(schema, union["anyOf"])):
            union = {"oneOf": union["anyOf"], "discriminator": found}
        return {**union, **dialect.said(schema)}

    def _discriminator(self, schema: Schema, members: list[Schema]) -> Schema | None:
        if len(members) < 2 or not all("$ref" in one for one in members):  # noqa: PLR2004
            return None
        values = [self._pinned(one["$ref"].removeprefix(LOCAL)) for one in members]
        wanted = property_of(schema)
        for name in [wanted] if wanted else sorted(set.intersection(*(set(one) for one in values))):
            found = [one.get(name) for one in values]
            if None not in found and len(set(found)) == len(found) and all(isinstance(one, str) for one in found):
                mapping = {str(value): one["$ref"] for value, one in zip(found, members, strict=True)}
                return {"propertyName": name, "mapping": mapping}
        return None

    def _pinned(self, name: str) -> dict[str, Any]:
        """The properties of a class that have one value."""
        schema = self._schemas.flat.get(name) or {}
        found: dict[str, Any] = {}
        for part in [schema, *schema.get("allOf", ())]:
            if "$ref" in part:
                found |= self._pinned(part["$ref"].removeprefix(LOCAL))
            needed = part.get("required") or ()
            for each, inner in (part.get("properties") or {}).items():
                if "const" in inner and each in needed:
                    found[each] = inner["const"]
        return found

    # --- parents with a discriminator --------------------------------------------------------------------------------

    def children(self, name: str) -> list[str]:
        """Return the named schemas that extend one with a discriminator, or none."""
        if self._children is None:
            self._children = children_of(self._schemas.named)
        return self._children.get(name, [])

    def any_of(self, name: str, *, sent: bool) -> str:
        """Return the union of the children of a named schema."""
        own = self._schemas.class_of(name, sent=sent)
        key = (own, sent)
        if key not in self._any:
            names = [self._schemas.class_name(one, sent=sent) for one in self.children(name)]
            other = self._any.get((own, not sent))
            others = [self._schemas.class_name(one, sent=not sent) for one in self.children(name)]
            if other is not None and names == others:
                self._any[key] = other  # what goes both ways alike is one union
                return other
            self._any[key] = made = self._schemas.register(f"Any{own}", {})
            members = [{"$ref": LOCAL + self._schemas.class_of(one, sent=sent)} for one in self.children(name)]
            schema: Schema = {"discriminator": self._schemas.named[name]["discriminator"]}
            union = dialect.either(members)
            self._schemas.flat[made] = union
            self._later(made, schema, members)
        return self._any[key]

    def _later(self, made: str, schema: Schema, members: list[Schema]) -> None:
        self._schemas.later.append((made, schema, members))

    def settle(self, made: str, schema: Schema, members: list[Schema]) -> None:
        """Give a union its discriminator once its members, which may refer to it, are written."""
        if found := self._discriminator(schema, members):
            self._schemas.flat[made] = {"oneOf": members, "discriminator": found}


def _constants(members: list[Any]) -> Schema | None:
    """Write a union of constants as an enum, with the titles as names."""
    if len(members) < 2 or not all(isinstance(one, dict) and "const" in one for one in members):  # noqa: PLR2004
        return None
    made = dialect.choice({"enum": [one["const"] for one in members]})
    titles = [one.get("title") for one in members]
    if "enum" in made and len(made["enum"]) == len(titles) and all(isinstance(one, str) and one for one in titles):
        made["x-enum-varnames"] = titles
    return made if "enum" in made else None


def _together(facts: list[Schema]) -> Schema:
    """Put objects into one: all properties, what later ones say added to what earlier ones say."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    more: Any = None
    for fact in facts:
        for name, inner in (fact.get("properties") or {}).items():
            old = properties.get(name)
            both = isinstance(old, dict) and isinstance(inner, dict) and "$ref" not in old and "$ref" not in inner
            if isinstance(old, dict) and both and not set(old) & set(inner) & {"properties", "allOf", "oneOf", "anyOf"}:
                properties[name] = {**old, **inner}
            elif not (old and inner == {}):
                properties[name] = inner
        required += [name for name in fact.get("required") or () if isinstance(name, str) and name not in required]
        if "additionalProperties" in fact and more is not False:
            more = fact["additionalProperties"]
    made: Schema = {"type": "object", "properties": properties, "required": required}
    if more is not None and not (more is False and len(facts) > 1):
        made["additionalProperties"] = more
    return made


def _title_of(schema: Any, schemas: Schemas) -> Schema:
    title = schemas.resolved(schema).get("title") if isinstance(schema, dict) else None
    name = name_of(schema["$ref"]) if isinstance(schema, dict) and "$ref" in schema else None
    return {"title": title or name} if title or name else {}
