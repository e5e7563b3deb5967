"""Describe what an OpenAPI document says, whatever its version, as plain read-only data.

`reading.read` makes a `Document`. Swagger 2.0 and OpenAPI 3.0 are turned into the form of OpenAPI 3.1 on the way:

1. Every schema is in JSON Schema's words of 3.1: no `nullable`, no boolean `exclusiveMinimum`.
2. A `$ref` that is left points to `#/components/schemas/Name`. Everything else that a document may reference
   (parameters, responses, request bodies, headers, path items, schemas elsewhere or in other files) is resolved.
3. What could not be resolved stands in `problems`, and an empty schema in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Document", "Media", "Operation", "Parameter", "Problem", "Reply", "RequestBody", "SecurityScheme", "Server", "Tag",
]  # fmt: skip

Schema = dict[str, Any]  # a JSON Schema of 3.1; `True` and `False` are read as {} and {"not": {}}
Security = tuple[dict[str, tuple[str, ...]], ...]  # one of these suffices; all the schemes of one are needed together


@dataclass(frozen=True, slots=True)
class Problem:
    """What a document gets wrong, where, and what to do about it.

    `where` is a JSON pointer into the document as its author wrote it (`#/paths/~1pets/get`), with the file before the
    `#` if it is another one; `line` is counted from 1, or None if it is not known.
    """

    where: str
    what: str
    hint: str = ""
    severity: Literal["error", "warning", "note"] = "error"  # a note: what the client leaves out, and no fault
    line: int | None = None

    def __str__(self) -> str:
        line = f" (line {self.line})" if self.line is not None else ""
        hint = f". {self.hint}" if self.hint else ""
        return f"{self.severity}: {self.where}{line}: {self.what}{hint}"


@dataclass(frozen=True, slots=True)
class Server:
    """A base URL. `url` has the defaults of its variables filled in; `template` is as it was written."""

    url: str
    description: str = ""
    template: str = ""
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of operations."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class SecurityScheme:
    """One way to authenticate: `kind` is `apiKey`, `http`, `oauth2`, `openIdConnect` or `mutualTLS`.

    `flows` are OpenAPI's own objects by their names in 3.x (`clientCredentials`, `authorizationCode` ...).
    """

    kind: str
    name: str = ""  # of the header, the query parameter or the cookie
    where: str = ""  # "header", "query" or "cookie"
    scheme: str = ""  # "basic", "bearer" ..., in lower case
    bearer_format: str = ""
    flows: dict[str, dict[str, Any]] = field(default_factory=dict)
    connect_url: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    """One content type of a body: `name` is that of its schema if it is one of `#/components/schemas`.

    `item` is the schema of one event or line of a streamed body (`itemSchema` of OpenAPI 3.2).
    """

    schema: Schema
    name: str | None = None
    encoding: dict[str, dict[str, Any]] = field(default_factory=dict)
    examples: tuple[Any, ...] = ()
    item: Schema | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation. `style` and `explode` have the defaults of its place filled in.

    `style` is one of OpenAPI's (`form`, `simple`, `spaceDelimited` ...) or `tabDelimited`, which Swagger 2.0 has.
    `media_type` is set where the value is serialised as a media type (`content`), as JSON mostly.
    """

    name: str
    where: Literal["path", "query", "header", "cookie", "querystring"]
    required: bool
    schema: Schema
    style: str
    explode: bool
    allow_reserved: bool = False
    allow_empty: bool = False
    media_type: str | None = None
    description: str = ""
    deprecated: bool = False
    examples: tuple[Any, ...] = ()
    extensions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The body of a request, by content types in the order of the document."""

    required: bool
    contents: dict[str, Media]
    description: str = ""
    extensions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server may send for one status (`200`, `4XX`, `default`)."""

    description: str
    contents: dict[str, Media]
    headers: dict[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `parameters` has those of the path, replaced by the operation's own of the same name and place. `security` is the
    operation's or else the document's: () means that nothing is needed. `servers` is () where the document's hold.
    """

    id: str | None
    method: str  # in upper case
    path: str
    summary: str
    description: str
    tags: tuple[str, ...]
    deprecated: bool
    parameters: tuple[Parameter, ...]
    body: RequestBody | None
    responses: dict[str, Reply]
    security: Security
    servers: tuple[Server, ...]
    extensions: dict[str, Any]
    where: str = ""  # JSON pointer


@dataclass(frozen=True, slots=True)
class Document:
    """An OpenAPI document: what `reading.read` found.

    `plain` is the whole document as OpenAPI 3.1, with the same references left as in the schemas here. It is not to be
    changed: parts of it are shared. `problems` is what reading noticed; `check.check` finds the rest. `raw` is the
    document as its author wrote it.
    """

    title: str
    version: str
    description: str
    servers: tuple[Server, ...]
    tags: tuple[Tag, ...]
    operations: tuple[Operation, ...]
    security_schemes: dict[str, SecurityScheme]
    security: Security
    plain: dict[str, Any]
    spec: str  # "2.0", "3.0", "3.1" or "3.2"
    problems: tuple[Problem, ...]
    raw: dict[str, Any] = field(default_factory=dict)
    source: str = ""  # the file or URL that it came from, "" if unknown
    data: bytes = field(default=b"", repr=False)  # the text that was read
