"""Write the body of a request as parameters of a method: a model, form fields, files, or content as it is.

Rules:
1. Of several content types JSON comes first, then a form (in parts where it has files or objects, plain otherwise), and
   what is sent as it is.
2. A form or content that can carry what the first can't (other fields, files, bytes) gets a method of its own. The same
   data in another notation (XML, a form with the fields of the JSON) gets none. Where JSON would have to carry files,
   the form is the one.
3. A form whose fields are not known takes any: `fields` and `files`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.annotations import annotation, with_none
from asyncapi.openapi.names import pascal, snake
from asyncapi.openapi.parameters import Argument

if TYPE_CHECKING:
    from asyncapi.openapi.classes import Schemas
    from asyncapi.openapi.document import Media, Operation
    from asyncapi.openapi.names import Names

_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_MEANT = {"application/form-data": _MULTIPART, "form-data": _MULTIPART, "multipart/*": _MULTIPART}
_FORM_STYLES = {"form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"}
_ENDS = ("Request", "Input", "Body", "Payload", "Dto", "DTO")


@dataclass
class BodyParts:
    """What a body adds to a method: parameters, and headers."""

    arguments: list[Argument] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


def media_type(text: str) -> str:
    """Return a content type without its parameters, in lower case; the registered one where that is meant."""
    name = text.partition(";")[0].strip().lower()
    return _MEANT.get(name, name)


def is_json(text: str) -> bool:
    """Whether a content type is JSON (RFC 6839 section 3.1)."""
    kind = media_type(text)
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def kinds_of(operation: Operation, schemas: Schemas) -> dict[str, str]:
    """Return the content types that a caller may choose from, each with what its method's name gets (rule 2)."""
    body = operation.body
    if body is None or not body.contents or operation.method in {"GET", "HEAD", "TRACE"}:  # RFC 9110 section 9.3.1
        return {"": ""}
    first, *others = sorted(body.contents, key=_rank)
    form = next((kind for kind in others if _group(kind) == "form"), None)
    if form is not None and _group(first) == "json" and _has_files(body.contents[form], schemas):
        same = body.contents[form].schema == body.contents[first].schema
        first, others = (form, [kind for kind in others if kind != form]) if same else (first, others)
    plain = next((kind for kind in others if media_type(kind) == _FORM), None)
    if plain is not None and media_type(first) == _MULTIPART and _is_flat(body.contents[first], schemas):
        first = plain
    found = {first: ""}
    groups = {_group(first)}
    for kind in others:
        group = _group(kind)
        if group not in groups and _says_more(group, body.contents[kind], body.contents[first], schemas):
            groups.add(group)
            found[kind] = group
    return found


def _group(kind: str) -> str:
    if is_json(kind) or kind == "*/*":
        return "json"
    return "form" if media_type(kind) in {_FORM, _MULTIPART} else "text" if _is_text(kind) else "content"


def _is_text(kind: str) -> bool:
    return media_type(kind).startswith("text/")


def _says_more(group: str, media: Media, first: Media, schemas: Schemas) -> bool:
    """Whether a content type carries what the first can't."""
    facts = schemas.facts(media.schema)
    if group != "form":
        return group in {"text", "content"} and (facts.get("type") == "string" or facts.get("format") == "binary")
    fields = facts.get("properties") or {}
    known = schemas.facts(first.schema).get("properties") or {}
    return _has_files(media, schemas) or bool(set(fields) - set(known))


def _is_flat(media: Media, schemas: Schemas) -> bool:
    """Whether a form has neither files nor objects, so that a plain one says the same in fewer bytes."""
    fields = schemas.facts(media.schema).get("properties") or {}
    objects = any(schemas.facts(one).get("type") == "object" for one in fields.values())
    return bool(fields) and not objects and not _has_files(media, schemas)


def _has_files(media: Media, schemas: Schemas) -> bool:
    fields = schemas.facts(media.schema).get("properties") or {}
    return any(_file_shape(str(key), one, media, schemas) for key, one in fields.items())


def body_of(operation: Operation, schemas: Schemas, hint: str, names: Names, kind: str = "") -> BodyParts:
    """Write the body of an operation as one of its content types, the first of `kinds_of` by default."""
    body = operation.body
    kind = kind or next(iter(kinds_of(operation, schemas)))
    if body is None or not kind:
        return BodyParts()
    media = body.contents[kind]
    if _group(kind) == "json":
        return _json(operation, media, kind, schemas=schemas, hint=hint, names=names)
    if _group(kind) == "form":
        return _form(operation, media, kind, schemas=schemas, hint=hint, names=names) or _any_form(kind, names)
    wire = "application/octet-stream" if "*" in kind else kind
    plain = _is_text(wire) and media.schema.get("format") != "binary"
    text = _optional("str" if plain else "Content", body.required)
    said = body.description.strip()
    name = names.take("text" if plain else "content")
    made = [Argument(name, f'Annotated[{text}, Body("{wire}")]', said, body.required, named=False)]
    if "*" in kind:
        taken = names.take("content_type")
        which = f"Its own, of {kind}; application/octet-stream by default."
        made.append(Argument(taken, 'Annotated[str | None, Header("Content-Type")]', which, required=False))
    return BodyParts(made)


def _any_form(kind: str, names: Names) -> BodyParts:
    """Write a form whose fields are not known (rule 3)."""
    fields = 'Annotated[Mapping[str, Any] | None, Form(style="form")]'
    parts = BodyParts(
        [Argument(names.take("fields"), fields, "The fields of the form: name -> value.", required=False)]
    )
    if media_type(kind) == _MULTIPART:
        files = "Annotated[Mapping[str, FileContent] | None, Upload()]"
        parts.arguments.append(Argument(names.take("files"), files, "The files: field -> content.", required=False))
        parts.headers["Content-Type"] = _MULTIPART
    return parts


def _optional(text: str, required: bool) -> str:
    return text if required else with_none(text)


def _rank(kind: str) -> tuple[int, int]:
    name = media_type(kind)
    order = [
        name == "application/json",
        is_json(kind),
        name == _MULTIPART,
        name == _FORM,
        name == "application/octet-stream",
    ]
    return (order.index(True) if True in order else len(order)), "*" in name


def _json(operation: Operation, media: Media, kind: str, *, schemas: Schemas, hint: str, names: Names) -> BodyParts:
    body = operation.body
    made = schemas.clean(media.schema, f"{hint}Request", sent=True)
    made = schemas.settled(made, f"{hint}Request")
    text = annotation(made)
    is_model = schemas.is_model(made) and operation.method in {"POST", "PUT", "PATCH"}
    name = names.take(_name(operation, text if "$ref" in made else "", hint))
    required = body is None or body.required
    text = _optional(text, required)
    said = body.description if body is not None else ""
    wire = "" if media_type(kind) in {"application/json", "*/*"} else f'"{kind}"'
    if wire or not is_model:
        text = f"Annotated[{text}, Body({wire})]"
    return BodyParts([Argument(name, text, said, required, named=False)])


def _name(operation: Operation, kind: str, hint: str) -> str:
    """The name of a body: what the document calls it, what its model is, or `body`."""
    body = operation.body
    for source in (body.extensions if body is not None else {}, operation.extensions):
        for word in ("x-body-name", "x-codegen-request-body-name", "x-name"):
            if isinstance(source.get(word), str) and source[word].strip():
                return snake(source[word], "body")
    if not kind or kind == f"{hint}Request":
        return "body"
    for end in _ENDS:
        if kind.endswith(end) and kind != end:
            kind = kind.removesuffix(end)
    return snake(kind, "body")


def _form(
    operation: Operation, media: Media, kind: str, *, schemas: Schemas, hint: str, names: Names
) -> BodyParts | None:
    """Write a form: one parameter for each property; None where it isn't known which there are."""
    facts = schemas.facts(media.schema)
    properties = facts.get("properties")
    if not isinstance(properties, dict) or not properties:
        return None
    body = operation.body
    optional = body is not None and not body.required
    required = set() if optional else {one for one in facts.get("required") or () if isinstance(one, str)}
    parts = BodyParts()
    for wire, inner in properties.items():
        raw = schemas.resolved(inner)
        if raw.get("readOnly") is True or (isinstance(inner, dict) and inner.get("readOnly") is True):
            continue
        name = names.take(snake(str(wire)))
        said = (
            raw.get("description") if not isinstance(inner, dict) else inner.get("description", raw.get("description"))
        )
        made = _field(str(wire), name, inner, media=media, kind=kind, schemas=schemas, hint=hint)
        made.said = said if isinstance(said, str) else ""
        made.required = wire in required
        if not made.required:
            made.type = _with_none_inside(made.type)
        parts.arguments.append(made)
    if media_type(kind) == _MULTIPART and not any("Upload(" in one.type for one in parts.arguments):
        parts.headers["Content-Type"] = _MULTIPART
    parts.arguments.sort(key=lambda one: not one.required)
    return parts


def _with_none_inside(text: str) -> str:
    at = max(text.rfind(f", {marker}(") for marker in ("Form", "Upload"))
    return f"Annotated[{with_none(text[len('Annotated[') : at])}{text[at:]}"


def _field(wire: str, name: str, inner: Any, *, media: Media, kind: str, schemas: Schemas, hint: str) -> Argument:
    words = "" if wire == name else repr(wire)
    if media_type(kind) == _MULTIPART and (shape := _file_shape(wire, inner, media, schemas)):
        return Argument(name, f"Annotated[{shape}, Upload({words})]")
    made = schemas.settled(schemas.parameter(inner, hint + pascal(wire)), hint + pascal(wire))
    text = annotation(made).replace("Base64Bytes", "str").replace("bytes", "str")
    words = ", ".join([*([words] if words else []), *_style(media.encoding.get(wire))])
    return Argument(name, f"Annotated[{text}, Form({words})]")


def _style(encoding: Any) -> list[str]:
    """The style of a field, where the document gives one; else its type decides (OpenAPI 3.1 section 4.8.15)."""
    if not isinstance(encoding, dict) or not {"style", "explode"} & set(encoding):
        return []
    style = encoding.get("style", "form")
    if style not in _FORM_STYLES:
        return []
    explode = encoding.get("explode")
    exploded = style == "form" if not isinstance(explode, bool) or style == "deepObject" else explode
    return [f'style="{style}"', *([f"explode={exploded}"] if exploded != (style == "form") else [])]


def _file_shape(wire: str, inner: Any, media: Media, schemas: Schemas) -> str:
    """The annotation of a file, or of several; nothing where it is none."""
    raw = schemas.facts(inner)
    items = raw.get("items")
    if isinstance(items, dict) and _is_file(schemas.facts(items)):
        return "list[FileContent]"
    kinds = [media_type(one) for one in str((media.encoding.get(wire) or {}).get("contentType", "")).split(",")]
    said = any(one and not is_json(one) and not one.startswith("text/plain") for one in kinds)
    is_text = raw.get("type") == "string" and not raw.get("enum")
    return "FileContent" if _is_file(raw) or (said and (is_text or not raw.get("type"))) else ""


def _is_file(raw: dict[str, Any]) -> bool:
    kind = raw.get("type")
    text = kind in ("string", "file", None) or (isinstance(kind, list) and "string" in kind)
    options = [one for word in ("anyOf", "oneOf") for one in raw.get(word) or () if isinstance(one, dict)]
    if options:
        return any(_is_file(one) for one in options)
    media = raw.get("contentMediaType")
    return (kind == "file") or (
        text
        and (
            raw.get("format") == "binary"
            or (isinstance(media, str) and "contentEncoding" not in raw and not is_json(media))
        )
    )
