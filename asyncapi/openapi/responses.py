"""Read what an operation returns: a model, nothing, a file, events, lines of JSON; and its errors by status."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from asyncapi.openapi.annotations import annotation, with_none
from asyncapi.openapi.bodies import is_json, media_type
from asyncapi.openapi.docstrings import first_sentence, sentence

if TYPE_CHECKING:
    from asyncapi.openapi.classes import Schemas
    from asyncapi.openapi.document import Media, Operation, Reply

_EVENTS = "text/event-stream"
_LINES = frozenset(
    {
        "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl",
        "application/x-jsonlines", "application/jsonlines", "application/x-json-stream", "application/stream+json",
    }
)  # fmt: skip


# Headers that say something about the exchange, and nothing about the result.
_USUAL = re.compile(
    r"rate-?limit|quota|retry-after|request-?id|correlation|trace|^(content-|cache-|access-control|accept|x-runtime)"
    r"|^(date|server|etag|expires|vary|age|allow|link|connection|transfer-encoding|set-cookie|www-authenticate|via|pragma"
    r"|strict-transport-security|deprecation|sunset|x-powered-by|last-modified)$"
)


@dataclass
class Result:
    """What a method returns.

    Attributes:
        type: Its annotation.
        lazy: Whether it is declared by a plain `def`.
        accept: The content type to ask for, or nothing.
        said: What the document says about it.
        until: Of events: the data that ends them.
        suffix: What the method's name gets, where the operation has several results.
    """

    type: str
    lazy: bool = False
    accept: str = ""
    said: str = ""
    until: str = ""
    suffix: str = ""


@dataclass
class Failures:
    """The errors of a method: status -> annotation of the model, and status -> what the document says."""

    models: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)


def good(operation: Operation) -> list[tuple[str, Reply]]:
    """Return the responses of success: those of 2xx, or the only one there is."""
    found = sorted((code, reply) for code, reply in operation.responses.items() if code[:1] == "2")
    if not found and "default" in operation.responses and not any(code[:1] == "3" for code in operation.responses):
        found = [("default", operation.responses["default"])]
    return found


def results_of(operation: Operation, schemas: Schemas, hint: str) -> list[Result]:
    """Read the results: one, or two where the caller may choose between a whole response and a streamed one."""
    replies = good(operation)
    said = next((reply.description.strip() for _, reply in replies if reply.description.strip()), "")
    headers = _headers(replies)
    said = " ".join(part for part in (sentence(said), headers) if part) if headers else said
    if operation.method == "HEAD":
        return [Result("Response", said=said)]
    streamed = _streamed(replies, schemas, hint)
    whole = _whole(replies, schemas, hint)
    if headers and whole is not None and whole.type == "None":  # all that it says is in the headers
        whole = Result("Response")
    if streamed is not None and whole is not None:
        return [replace(whole, said=said), replace(streamed, said=said, suffix="stream")]
    return [replace(streamed or whole or Result("None"), said=said)]


def _headers(replies: list[tuple[str, Reply]]) -> str:
    """Name the headers of the responses that are a part of the result, with what the document says of them."""
    found: dict[str, str] = {}
    for _, reply in replies:
        for name, one in reply.headers.items():
            if not _USUAL.search(name.lower()):
                found.setdefault(name.lower(), f"{name} ({said})" if (said := _short(one.description)) else name)
    return f"Headers: {', '.join(found.values())}." if found else ""


def _short(text: str) -> str:
    return first_sentence(text).rstrip(".")


def _streamed(replies: list[tuple[str, Reply]], schemas: Schemas, hint: str) -> Result | None:
    for _, reply in replies:
        for kind, media in reply.contents.items():
            name = media_type(kind)
            if name == _EVENTS:
                return Result(
                    f"Events[{_event(media, schemas, hint)}]", lazy=True, accept=name, until=_end(media, reply)
                )
            if name in _LINES:
                schema = media.item if media.item is not None else media.schema
                facts = schemas.facts(schema)
                if facts.get("type") == "array":
                    schema = facts.get("items") or {}
                made = schemas.clean(schema, f"{hint}Row", sent=False)
                return Result(f"JSONLines[{annotation(schemas.settled(made, f'{hint}Row'))}]", lazy=True, accept=name)
    return None


def _event(media: Media, schemas: Schemas, hint: str) -> str:
    """The type of an event: that of its data, where the document describes it; else the event itself."""
    schema = media.item if media.item is not None else media.schema
    facts = schemas.facts(schema)
    if media.item is not None and isinstance(facts.get("properties"), dict) and "data" in facts["properties"]:
        data = facts["properties"]["data"]
        inner = data.get("contentSchema") if isinstance(data, dict) else None
        if isinstance(inner, dict):
            schema, facts = inner, schemas.facts(inner)
        elif schemas.facts(data).get("type") == "string":
            return "ServerSentEvent"
    if facts.get("type") == "array":
        schema = facts.get("items") or {}
        facts = schemas.facts(schema)
    if not facts or facts.get("type") == "string":
        return "ServerSentEvent"
    made = schemas.settled(schemas.clean(schema, f"{hint}Event", sent=False), f"{hint}Event")
    text = annotation(made)
    return "ServerSentEvent" if text in {"Any", "str"} else text


def _end(media: Media, reply: Reply) -> str:
    said = [reply.description, str(media.schema.get("description", "")), *map(str, media.examples)]
    return "[DONE]" if any("[DONE]" in one for one in said) else ""


def _whole(replies: list[tuple[str, Reply]], schemas: Schemas, hint: str) -> Result | None:
    types: list[str] = []
    accept = ""
    empty = False
    for code, reply in replies:
        contents = {kind: media for kind, media in reply.contents.items() if media_type(kind) not in {_EVENTS, *_LINES}}
        if not contents:
            empty = empty or not reply.contents
            continue
        kind = min(contents, key=_rank)
        accept = accept or (kind if len(reply.contents) > 1 and "*" not in kind else "")
        place = f"{hint}Response" if code in {replies[0][0], "default"} else f"{hint}Response{code}"
        types.append(_type(kind, contents[kind], schemas, place))
    types = list(dict.fromkeys(types))
    if not types:
        if replies and not empty:
            return None
        return Result("None") if replies else Result("Response")
    if types == ["Stream"]:
        return Result("Stream", lazy=True, accept=accept)
    if "Stream" in types:
        return Result("Response")
    if "bytes" in types and (len(types) > 1 or empty):
        return Result("Response")
    text = " | ".join(one for one in types if one != "None") or "None"
    return Result(
        with_none(text) if empty else text,
        accept="" if media_type(accept) == "application/json" and len(types) > 1 else accept,
    )


def _rank(kind: str) -> tuple[int, int]:
    name = media_type(kind)
    order = [name == "application/json", is_json(kind), name.startswith("text/plain"), name == "text/html"]
    return (order.index(True) if True in order else len(order)), "*" in name


def _type(kind: str, media: Media, schemas: Schemas, place: str) -> str:
    if is_json(kind) or (kind == "*/*" and schemas.facts(media.schema).get("format") != "binary" and media.schema):
        made = schemas.clean(media.schema, place, sent=False)
        text = annotation(schemas.settled(made, place))
        return "Stream" if text == "bytes" else text
    name = media_type(kind)
    if (
        name.startswith("text/")
        or name in {"application/xml", "application/yaml", "application/javascript", "application/x-yaml"}
        or name.endswith(("+xml", "+yaml"))
    ):
        return "str" if media.schema.get("format") != "binary" else "Stream"
    return "Stream"


def failures_of(operation: Operation, schemas: Schemas) -> Failures:
    """Read the errors that an operation documents."""
    found = Failures()
    taken = {code for code, _ in good(operation)}
    for code, reply in operation.responses.items():
        if code in taken or code[:1] not in {"4", "5", "d"}:
            continue
        found.said[code] = reply.description.strip()
        kind = next((one for one in sorted(reply.contents, key=_rank) if is_json(one) or one == "*/*"), None)
        if kind is None or not reply.contents[kind].schema:
            continue
        made = schemas.settled(schemas.clean(reply.contents[kind].schema, "Error", sent=False), "Error")
        text = annotation(made)
        if text not in {"Any", "None", "bytes"}:
            found.models[code] = text
    return found
