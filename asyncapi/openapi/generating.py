"""Make a client of a document: `generate` makes the whole text of a module, `drafted` what it is laid out from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.openapi import layout
from asyncapi.openapi.classes import Schemas
from asyncapi.openapi.formatting import formatted
from asyncapi.openapi.methods import methods_of, name_of
from asyncapi.openapi.models import models_of
from asyncapi.openapi.names import method_names, pascal
from asyncapi.openapi.security import ways_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from asyncapi.openapi.document import Document


def generate(
    document: Document,
    *,
    class_name: str | None = None,
    only: Collection[str] = (),
    progress: Callable[[str], None] | None = None,
) -> str:
    """Write a client.

    Args:
        document: As `reading.read` gives it.
        class_name: Of the client; by default the document's title.
        only: Tags, ids or paths of the operations to write; all by default.
        progress: Is told what is being done.

    Returns:
        str: The source of a module.

    Raises:
        ConfigError: The document can't be written, or the extra `generate` is missing.
    """
    return formatted(layout.module(drafted(document, class_name=class_name, only=only, progress=progress)))


def drafted(
    document: Document,
    *,
    class_name: str | None = None,
    only: Collection[str] = (),
    progress: Callable[[str], None] | None = None,
) -> layout.Draft:
    """Decide all that is in a client; see `generate`."""
    try:
        return _drafted(document, class_name, only, progress)
    except RecursionError:
        raise ConfigError(
            "a schema of the document contains itself by allOf, oneOf or anyOf without end: --check says where to look"
        ) from None


def _drafted(
    document: Document,
    class_name: str | None,
    only: Collection[str],
    progress: Callable[[str], None] | None,
) -> layout.Draft:
    tell = progress or (lambda _: None)
    document = chosen(document, only)
    tell(_counted(len(document.operations), "operation"))
    sent, received = _both_ways(document)
    called = _bodies(document)
    schemas = Schemas(document.plain, sent, received, called)
    names = method_names()
    ways = ways_of(document, names)
    methods = methods_of(document, schemas, names)
    if not only:
        schemas.all(without=called)
    schemas.settle()
    tell(_counted(len(schemas.flat), "model"))
    models = models_of(schemas.flat)
    name = checked_name(class_name) if class_name else client_name(document, set(models.definitions))
    if name in models.definitions:
        raise ConfigError(f"the class {name!r} is a model of the document: give the client another name (class_name)")
    return layout.Draft(document, name, models, methods, ways, schemas)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def checked_name(name: str) -> str:
    """Return the name of a class that a user gives.

    Raises:
        ConfigError: It is none.
    """
    import keyword  # noqa: PLC0415

    if not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(f"{name!r} can't be the name of a class: give a word of letters, such as Petstore")
    return name


def client_name(document: Document, taken: Collection[str]) -> str:
    """Return the name of the client: the document's title without words that say nothing."""
    from asyncapi.openapi.names import IMPORTED, words  # noqa: PLC0415

    said = words(document.title)
    short = [
        one
        for one in said
        if one.lower() not in {"api", "rest", "openapi", "swagger", "the", "v1", "v2", "v3", "service"}
    ]
    name = pascal(" ".join(short or said) or "Client", "Api")
    for each in (name, f"{name}API", f"{name}Client"):
        if each not in taken and each not in IMPORTED:
            return each
    return f"{name}APIClient"


def chosen(document: Document, only: Collection[str]) -> Document:
    """Keep the operations that are asked for by tag, id, path, or method and path.

    Raises:
        ConfigError: One of them names nothing.
    """
    if not only:
        return document
    kept = []
    used: set[str] = set()
    for operation in document.operations:
        words = {
            *operation.tags,
            operation.id or "",
            name_of(operation),
            operation.path,
            f"{operation.method} {operation.path}",
        }
        found = words & set(only)
        used |= found
        if found:
            kept.append(operation)
    for word in only:
        if word not in used:
            raise ConfigError(f"no operation has the tag, id or path {word!r}{_nearest(word, document)}")
    return replace(document, operations=tuple(kept))


def _nearest(word: str, document: Document) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - for errors alone

    known = {one for each in document.operations for one in (*each.tags, each.id or "", each.path)} - {""}
    close = get_close_matches(word, sorted(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _bodies(document: Document) -> dict[str, str]:
    """The schemas that FastAPI has made of a function's parameters, under names that say what they are."""
    named = document.plain.get("components", {}).get("schemas", {})
    found = {f"Body_{one.id}": f"{name_of(one)} request" for one in document.operations if one.id}
    return {name: called for name, called in found.items() if name in named}


def _both_ways(document: Document) -> tuple[list[object], list[object]]:
    """The schemas that are sent, and those that are received."""
    sent: list[object] = []
    received: list[object] = []
    for one in document.operations:
        sent += [each.schema for each in one.parameters]
        sent += [each.schema for each in one.body.contents.values()] if one.body is not None else []
        for reply in one.responses.values():
            received += [part for each in reply.contents.values() for part in (each.schema, each.item)]
    return sent, received
