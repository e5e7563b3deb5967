"""Write an operation as a declared method."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from asyncapi.openapi.annotations import annotation
from asyncapi.openapi.bodies import BodyParts, body_of, kinds_of
from asyncapi.openapi.docstrings import WIDTH, docstring, first_sentence, sentence, wrapped
from asyncapi.openapi.elsewhere import server_of
from asyncapi.openapi.names import method_names, parameter_names, pascal, snake
from asyncapi.openapi.paging import Paging, paging_of
from asyncapi.openapi.parameters import Argument, arguments_of
from asyncapi.openapi.parts import METHODS
from asyncapi.openapi.responses import Failures, Result, failures_of, good, results_of
from asyncapi.openapi.security import is_public, needs, usual

if TYPE_CHECKING:
    from asyncapi.openapi.classes import Schemas
    from asyncapi.openapi.document import Document, Operation
    from asyncapi.openapi.names import Names

_VERBS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_BY_STATUS = {
    "400": "BadRequest", "401": "Unauthorized", "402": "PaymentRequired", "403": "Forbidden", "404": "NotFound",
    "409": "Conflict", "410": "Gone", "422": "UnprocessableEntity", "429": "RateLimited", "4XX": "ClientError",
    "5XX": "ServerError", "DEFAULT": "StatusError",
}  # fmt: skip


@dataclass
class Method:
    """A declared method.

    Attributes:
        name: In Python.
        source: Its text, decorators and docstring included, at the indentation of a class.
        section: The tag under which it stands.
        operation: What it calls.
        is_paged: Whether it returns a list in pages.
    """

    name: str
    source: str
    section: str
    operation: Operation
    is_paged: bool = False


@dataclass
class _Draft:
    operation: Operation
    name: str
    arguments: list[Argument]
    body: BodyParts
    result: Result
    failures: Failures
    paging: Paging | None = None
    server: str = ""
    auth: str = ""
    notes: list[str] = field(default_factory=list)


def methods_of(document: Document, schemas: Schemas, names: Names | None = None) -> list[Method]:
    """Write the operations of a document as methods, in its order."""
    names = names or method_names()
    found: list[Method] = []
    first: dict[str, Operation] = {}
    for operation in document.operations:
        called = name_of(operation)
        before = first.setdefault(called, operation)
        name = names.take(_apart(called, operation, before, names))
        for draft in _drafts(document, operation, schemas, name=name, names=names):
            section = operation.tags[0] if operation.tags else ""
            found.append(Method(draft.name, _source(draft), section, operation, draft.paging is not None))
    return found


def _apart(name: str, operation: Operation, before: Operation, names: Names) -> str:
    """A name that tells an operation from one before it that is called the same: by its method, tag or path."""
    if names.is_free(name):
        return name
    kinds = [operation.method] if operation.method != before.method else []
    tags = [tag for tag in operation.tags if tag not in before.tags]
    there = before.path.split("/")
    parts = [
        part
        for part in operation.path.split("/")
        if re.search("[A-Za-z]", part) and "{" not in part and part not in there
    ]
    stem = name.rstrip("_")
    wanted = (f"{stem}_{snake(one).strip('_')}" for one in (*kinds, *tags, *parts))
    return next((one for one in wanted if names.is_free(one)), name)


def name_of(operation: Operation) -> str:
    """Return the name of an operation: its id, or its method and path (`get_users_id`)."""
    if operation.id and (name := snake(_shortened(operation), "call")):
        return name
    parts = [part for part in operation.path.split("/") if part]
    said = [f"by {part.strip('{}')}" if part.startswith("{") else part for part in parts]
    return snake(f"{operation.method.lower()} {' '.join(said) or 'root'}", "call")


def _shortened(operation: Operation) -> str:
    """The id without the path and the method that FastAPI writes behind the name of the function."""
    name = operation.id or ""
    stem, _, verb = name.rpartition("_")  # one id for all methods of `api_route`
    tail = "".join(one if one.isalnum() else "_" for one in operation.path)
    return stem.removesuffix(tail) or name if verb in METHODS and stem.endswith(tail) else name


def _drafts(document: Document, operation: Operation, schemas: Schemas, *, name: str, names: Names) -> list[_Draft]:
    hint = pascal(name)
    reply = next((one for _, one in good(operation)), None)
    paging = paging_of(operation, schemas, reply)
    failures = failures_of(operation, schemas)
    drafts = []
    results = results_of(operation, schemas, hint) if paging is None else [_pages(paging, schemas, hint, reply)]
    ways = [(result, *kind) for kind in kinds_of(operation, schemas).items() for result in results]
    for result, kind, form in ways:
        scope = parameter_names()
        without = {paging.parameter} if paging is not None else set()
        arguments = arguments_of(operation, schemas, hint, scope, without=without)
        body = body_of(operation, schemas, hint, scope, kind)
        suffix = "_".join(part for part in (form, result.suffix) if part)
        own = names.take(f"{name}_{suffix}") if suffix else name
        draft = _Draft(operation, own, arguments, body, result, failures)
        draft.paging = paging
        draft.server = server_of(operation, document)
        _authorize(draft, document, scope)
        drafts.append(draft)
    return drafts


def _pages(paging: Paging, schemas: Schemas, hint: str, reply: object) -> Result:
    made = schemas.settled(schemas.clean(paging.item, f"{hint}Item", sent=False), f"{hint}Item")
    said = getattr(reply, "description", "").strip()
    return Result(f"Pages[{annotation(made)}]", lazy=True, said=said)


def _authorize(draft: _Draft, document: Document, scope: Names) -> None:
    """Say what an operation needs, where it is not what the others need."""
    operation = draft.operation
    if is_public(operation, document):
        draft.auth = "None"
        draft.notes.append("Needs no credential, and none is sent.")
        return
    own = needs(operation)
    if own and own != usual(document):
        draft.notes.append(f"Authentication: {', or '.join(own)}.")
    if own and not set(own) & set(usual(document)) and {} not in operation.security:
        name = scope.take("auth")
        words = "" if name == "auth" else '"auth"'
        said = "A credential for this call, instead of the client's."
        draft.arguments.append(Argument(name, f"Annotated[Credential | None, Option({words})]", said, required=False))


# --- the text ---------------------------------------------------------------------------------------------------------


def _source(draft: _Draft) -> str:
    operation = draft.operation
    lines = []
    if operation.deprecated:
        lines.append(f'    @deprecated("{_deprecation(draft)}")')
    verb = operation.method.lower() if operation.method in _VERBS else "operation"
    path = repr(draft.server + operation.path)
    given = [path] if verb != "operation" else [repr(operation.method), path]
    lines.append(f"    @{verb}({', '.join([*given, *_options(draft)])})")
    lines.append(
        f"    {'' if draft.result.lazy else 'async '}def {draft.name}({_signature(draft)}) -> {draft.result.type}:"
    )
    lines.append(_docstring(draft))
    lines.append("        ...")
    return "\n".join(lines)


def _deprecation(draft: _Draft) -> str:
    said = first_sentence(draft.operation.description) if "deprecat" in draft.operation.description.lower() else ""
    if "deprecat" not in said.lower() or len(said) > WIDTH:
        said = f"The API has deprecated {draft.operation.method} {draft.operation.path}."
    return said.replace("\\", "\\\\").replace('"', '\\"')


def _options(draft: _Draft) -> list[str]:
    made = []
    result = draft.result
    if draft.paging is not None:
        made.append(f"by={draft.paging.by}")
        if draft.paging.items:
            made.append(f"items={draft.paging.items!r}")
    headers = dict(draft.body.headers)
    if result.accept and (not result.type.startswith("Events[") or draft.operation.method != "GET"):
        headers["Accept"] = result.accept
    if headers:
        made.append(f"headers={headers!r}")
    if result.until:
        made.append(f"until={result.until!r}")
    if draft.auth:
        made.append(f"auth={draft.auth}")
    if draft.failures.models:
        inner = [f"{_status(code)}: {text}" for code, text in draft.failures.models.items()]
        made.append(f"errors={{{', '.join(inner)}}}")
    return made


def _status(code: str) -> str:
    return code if code.isdecimal() else repr(code.upper() if code != "default" else code)


def _signature(draft: _Draft) -> str:
    in_place = [one for one in [*draft.arguments, *draft.body.arguments] if not one.named]
    in_place.sort(key=lambda one: not one.required)
    named = [one for one in [*draft.body.arguments, *draft.arguments] if one.named]
    named.sort(key=lambda one: not one.required)
    parts = ["self", *(one.source for one in in_place)]
    if named:
        parts += ["*", *(one.source for one in named)]
    return ", ".join(parts) + ("," if len(parts) > 3 else "")  # noqa: PLR2004 - a line for each


def _docstring(draft: _Draft) -> str:
    operation = draft.operation
    title = sentence(operation.summary) or first_sentence(operation.description)
    title = title or f"{operation.method} {operation.path}."
    text = operation.description.strip()
    if text and " ".join(text.split()).rstrip(".") == title.rstrip("."):
        text = ""
    elif not operation.summary.strip() and text:
        title = ""
    made = "\n\n".join(part for part in (title, text, *draft.notes) if part)
    opening = docstring(made, 8)
    sections = [*_arguments(draft), *_returns(draft), *_raises(draft)]
    if not sections:
        return opening
    body = opening.rstrip()
    body = body[: -len('"""')].rstrip()
    said = "\n".join(sections).strip("\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'{body}\n\n{said}\n        """'


def _arguments(draft: _Draft) -> list[str]:
    told = [one for one in [*draft.arguments, *draft.body.arguments] if one.said]
    return _section("Args", {one.name: one.said for one in told})


def _returns(draft: _Draft) -> list[str]:
    said = sentence(draft.result.said)
    if (
        not said
        or draft.result.type == "None"
        or said.lower().strip(". ")
        in {"ok", "success", "successful operation", "successful response", "no content", "response"}
    ):
        return []
    return ["", "        Returns:", wrapped(said, 12)]


def _raises(draft: _Draft) -> list[str]:
    told = {}
    for code, said in draft.failures.said.items():
        name = _BY_STATUS.get(code.upper())
        if name is None:
            name = "ClientError" if code.startswith("4") else "ServerError"
        model = draft.failures.models.get(code)
        phrase = said or _phrase(code)
        detail = f" Its `.detail` is {_article(model)} {model}." if model is not None else ""
        label = name if code.upper() in _BY_STATUS else f"{name} ({code})"
        told[label] = f"{sentence(phrase)}{detail}".strip()
    return _section("Raises", told)


def _article(model: str) -> str:
    return "an" if model[0] in "AEIOU" else "a"


def _phrase(code: str) -> str:
    try:
        return HTTPStatus(int(code)).phrase
    except ValueError:
        return "Any other error" if code == "default" else f"Any {code} status"


def _section(title: str, entries: dict[str, str]) -> list[str]:
    if not entries:
        return []
    lines = ["", f"        {title}:"]
    lines += [
        wrapped(f"{name}: {' '.join(said.split()) if len(said) < WIDTH else said}", 12, hang=4)
        for name, said in entries.items()
    ]
    return lines
