"""Write a client from a small document, import it, and call it against a handler that records what it gets."""

from __future__ import annotations

import itertools
import json
import sys
import types
from typing import TYPE_CHECKING, Any

from asyncapi import Client
from asyncapi.openapi.generating import generate
from asyncapi.openapi.reading import read
from asyncapi.testing import MockTransport, reply

if TYPE_CHECKING:
    from asyncapi import Request, Response
    from asyncapi.openapi.document import Document

_NUMBERS = itertools.count()
OK: dict[str, Any] = {"200": {"description": "OK", "content": {"application/json": {"schema": {}}}}}


def returns(schema: Any, kind: str = "application/json", **more: Any) -> dict[str, Any]:
    """The responses of an operation that returns one schema."""
    return {"200": {"description": "OK", "content": {kind: {"schema": schema}}, **more}}


def ref(name: str) -> dict[str, str]:
    """A reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def body(schema: Any, kind: str = "application/json", *, required: bool = True) -> dict[str, Any]:
    """The body of a request."""
    return {"required": required, "content": {kind: {"schema": schema}}}


def plain(paths: dict[str, Any] | None = None, schemas: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A document as data."""
    components = {"schemas": schemas or {}, **more.pop("components", {})}
    return {
        "openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": paths or {}, "components": components,
        "servers": [{"url": "https://shop.test/v1"}], **more,
    }  # fmt: skip


def document(paths: dict[str, Any] | None = None, schemas: dict[str, Any] | None = None, **more: Any) -> Document:
    """A document that was read."""
    return read(json.dumps(plain(paths, schemas, **more)).encode())


def one(
    method: str = "get", path: str = "/x", *, schemas: Any = None, document: Any = None, **operation: Any
) -> Document:
    """A document with one operation, `call`."""
    operation = {"operationId": "call", "responses": OK, **operation}
    return globals()["document"]({path: {method: operation}}, schemas, **(document or {}))


def imported(source: str) -> Any:
    """Import a source as a module."""
    name = f"written_client_{next(_NUMBERS)}"
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


def written(made: Document, **options: Any) -> Any:
    """Write a client of a document, and import it."""
    return imported(generate(made, **options))


class Wire:
    """Records requests, and answers each with the next of its responses, the last one again and again."""

    def __init__(self, *responses: Any) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self._responses = list(responses) or [reply(json=None)]

    async def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        content: Any = request.content
        if content is not None and not isinstance(content, bytes):
            content = b"".join([piece async for piece in content.open()])
        self.bodies.append(content or b"")
        made = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        return made() if callable(made) else made

    @property
    def last(self) -> Request:
        """The last request."""
        return self.requests[-1]

    @property
    def body(self) -> bytes:
        """The body of the last request."""
        return self.bodies[-1]

    def client(self, base: str = "https://shop.test/v1", **settings: Any) -> Client:
        """A client that sends here."""
        return Client(base, transport=MockTransport(self), retry=None, **settings)
