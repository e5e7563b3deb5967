"""Say what a client leaves out of its document, and what was guessed: one line each, with a count."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from asyncapi.openapi.bodies import is_json, kinds_of, media_type
from asyncapi.openapi.methods import name_of
from asyncapi.openapi.responses import good

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from asyncapi.openapi.document import Document, Operation
    from asyncapi.openapi.layout import Draft


def notes_of(draft: Draft) -> list[str]:
    """Return the notes about a client, each in one line.

    Args:
        draft: What the client is laid out from.
    """
    document = draft.document
    found = [*_left_out(document), *_other_contents(document, draft), *_unused_schemes(draft), *_guessed(draft)]
    return [" ".join(note.split()) for note in found]


def _left_out(document: Document) -> Iterator[str]:
    for problem in document.problems:
        if problem.severity == "note":
            yield problem.what
    if links := sum(_links(operation, document) for operation in document.operations):
        yield f"{_counted(links, 'response')} with links to other operations: the client leaves them out"
    whole = [one for each in document.operations for one in each.parameters if one.where == "querystring"]
    if whole:
        yield f"{_counted(len(whole), 'parameter')} that is a whole query string: write it into the URL of client.get"


def _links(operation: Operation, document: Document) -> int:
    found: Any = document.raw
    for key in ("paths", operation.path, operation.method.lower(), "responses"):
        found = found.get(key) if isinstance(found, dict) else None
    replies = found.values() if isinstance(found, dict) else ()
    return sum(isinstance(one, dict) and bool(one.get("links")) for one in replies)


def _other_contents(document: Document, draft: Draft) -> Iterator[str]:
    sent: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for operation in document.operations:
        if operation.body is not None:
            taken = set(kinds_of(operation, draft.schemas))
            sent.update({media_type(kind) for kind in operation.body.contents} - {media_type(kind) for kind in taken})
        for _, reply in good(operation)[:1]:
            if any(is_json(kind) for kind in reply.contents):
                received.update({media_type(kind) for kind in reply.contents if _is_other(kind)})
    if sent:
        yield f"content types of request bodies for which another one is sent: {_listed(sent)}"
    if received:
        yield f"responses that may also come in other content types, of which JSON is asked for: {_listed(received)}"


def _is_other(kind: str) -> bool:
    name = media_type(kind)
    return not is_json(kind) and name not in {"*/*", "text/event-stream"} and not name.endswith(("ndjson", "jsonl"))


def _unused_schemes(draft: Draft) -> Iterator[str]:
    made = {title for way in draft.ways for title in way.scheme.split(" and ")}
    for name, scheme in draft.document.security_schemes.items():
        if name not in made:
            how = (
                "give the certificate to the client (TLS)" if scheme.kind == "mutualTLS" else "give auth= to the client"
            )
            yield f"the security scheme {name!r} ({scheme.scheme or scheme.kind or 'of no type'}) has no method: {how}"


def _guessed(draft: Draft) -> Iterator[str]:
    operations = draft.document.operations
    paged = [one for one in draft.methods if one.is_paged]
    if paged:
        yield (
            f"{_counted(len(paged), 'list')} in pages, recognised by names alone ({_some(one.name for one in paged)}): "
            "look at by= of each"
        )
    if unnamed := [one for one in operations if one.id is None]:
        yield f"{_counted(len(unnamed), 'operation')} without an operationId: named by method and path"
    names = Counter(name_of(one) for one in operations)
    if same := [name for name, count in names.items() if count > 1]:
        yield f"{_counted(len(same), 'name')} of several operations: told apart by method, tag or path ({_some(same)})"


def _some(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    return ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")  # noqa: PLR2004 - enough to know what is meant


def _listed(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
