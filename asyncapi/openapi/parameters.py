"""Write the parameters of an operation as those of a method: Python's name, the wire's, the place and the style."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.annotations import annotation, with_none
from asyncapi.openapi.names import pascal, snake

if TYPE_CHECKING:
    from collections.abc import Collection

    from asyncapi.openapi.classes import Schemas
    from asyncapi.openapi.document import Operation, Parameter
    from asyncapi.openapi.names import Names

_IGNORED = {"accept", "content-type", "authorization"}  # OpenAPI 3.1 section 4.8.12.1: said elsewhere
_OF_THE_CLIENT = {"content-length", "transfer-encoding", "connection", "host"}  # what it knows better than a caller
_STYLES = {"path": ("simple", False), "query": ("form", True), "header": ("simple", False), "cookie": ("form", True)}
_KNOWN = {
    "path": {"simple", "label", "matrix"}, "header": {"simple"}, "cookie": {"form"},
    "query": {"form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"},
}  # fmt: skip
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2: no other name can be sent
_MARKERS = {"path": "Path", "query": "Query", "header": "Header", "cookie": "Cookie"}
_TEXTS = {"bytes": "str", "Base64Bytes": "str"}


@dataclass
class Argument:
    """One parameter of a method.

    Attributes:
        name: In Python.
        type: Its annotation.
        said: What the document says about it.
        required: Whether it has no default.
        named: Whether it is given by name alone.
    """

    name: str
    type: str
    said: str = ""
    required: bool = True
    named: bool = True

    @property
    def source(self) -> str:
        """As it stands in the signature."""
        return f"{self.name}: {self.type}" + ("" if self.required else " = None")


def arguments_of(
    operation: Operation, schemas: Schemas, hint: str, names: Names, *, without: Collection[str] = ()
) -> list[Argument]:
    """Write the parameters: those of the path in its order, then those of the query, the headers and the cookies.

    Args:
        operation: Whose.
        schemas: Of the document.
        hint: The beginning of the names of classes.
        names: Of the method.
        without: Parameters of the query that the method itself sets.
    """
    in_path = _placeholders(operation.path)
    given = {one.name: one for one in operation.parameters if one.where == "path"}
    found = [_path_argument(name, given.get(name), schemas, hint, names) for name in in_path]
    rest = [
        one
        for one in operation.parameters
        if one.where in {"query", "header", "cookie"}
        and not (one.where == "query" and one.name in without)
        and not (one.where == "header" and one.name.lower() in _IGNORED | _OF_THE_CLIENT)
        and (one.where == "query" or _TOKEN.fullmatch(one.name))
    ]
    seen = set()
    for one in sorted(rest, key=lambda each: not each.required):
        key = (one.where, one.name.lower() if one.where == "header" else one.name)
        if key not in seen:
            seen.add(key)
            found.append(_argument(one, schemas, hint, names, in_path))
    return found


def _placeholders(path: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"\{([^{}]*)\}", path)))


def _path_argument(wire: str, one: Parameter | None, schemas: Schemas, hint: str, names: Names) -> Argument:
    name = names.take(snake(wire))
    if one is None:  # the document forgot to declare it
        words = _words(wire, name)
        return Argument(name, _marked("str", "Path", words) if words else "str", named=False)
    kind, is_object = _type(one, schemas, hint)
    style = _style(one, always=is_object)
    words = [*_words(wire, name), *style]
    return Argument(name, _marked(kind, "Path", words) if words else kind, _said(one), named=False)


def _argument(one: Parameter, schemas: Schemas, hint: str, names: Names, in_path: Collection[str]) -> Argument:
    name = names.take(snake(_without_x(one.name) if one.where == "header" else one.name))
    kind, is_object = _type(one, schemas, hint)
    if not one.required:
        kind = with_none(kind)
    words = [*_words(one.name, name), *_style(one, always=is_object)]
    if one.where == "query" and not words and name not in in_path:
        return Argument(name, kind, _said(one), one.required)
    if one.where == "header":
        words = [repr(one.name), *_style(one, always=is_object)]
    return Argument(name, _marked(kind, _MARKERS[one.where], words), _said(one), one.required)


def _without_x(name: str) -> str:
    """The name of a header without the X- that says nothing (RFC 6648)."""
    return name[2:] if name.lower().startswith("x-") and len(name) > len("x-") else name


def _type(one: Parameter, schemas: Schemas, hint: str) -> tuple[str, bool]:
    """The annotation of a parameter, and whether its values are objects."""
    made = schemas.parameter(one.schema, hint + pascal(one.name))
    text = annotation(schemas.settled(made, hint + pascal(one.name)))
    if one.media_type is None:
        text = _TEXTS.get(text, text).replace("Base64Bytes", "str").replace("bytes", "str")
    return text, schemas.holds_objects(made)


def _words(wire: str, name: str) -> list[str]:
    return [] if wire == name else [repr(wire)]


def _style(one: Parameter, *, always: bool = False) -> list[str]:
    if one.media_type is not None:
        return ['style="json"'] if "json" in one.media_type else []
    style, explode = _STYLES[one.where]
    own = one.style if one.style in _KNOWN[one.where] else style  # another place's style is no style here
    words = []
    if own != style or always:
        words.append(f'style="{own}"')
    usual = own == "form" if one.where in {"query", "cookie"} else explode
    if one.explode != usual and own != "deepObject":
        words.append(f"explode={one.explode}")
    return words if always or _matters(one) else []


def _matters(one: Parameter) -> bool:
    """Whether the style makes a difference: it does for lists and objects alone, but for those of a path."""
    kind = one.schema.get("type")
    plain = {"string", "integer", "number", "boolean", "null"}
    kinds = {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list) else set()
    return one.style in {"label", "matrix"} or not kinds or not kinds <= plain


def _marked(kind: str, marker: str, words: list[str]) -> str:
    return f"Annotated[{kind}, {marker}({', '.join(words)})]"


def _said(one: Parameter) -> str:
    text = one.description.strip()
    default: Any = one.schema.get("default")
    if isinstance(default, str | int | float) and "default" not in text.lower() and default != "":
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        text = f"{text}{'' if not text or text[-1] in '.!?:' else '.'} Default: {shown}.".strip()
    return f"Deprecated. {text}".strip() if one.deprecated else text
