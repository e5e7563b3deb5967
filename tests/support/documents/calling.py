"""Call every method of a written client, with arguments made from the document's schemas and examples.

The requests go wherever `base_url` says: to a mock server of the document, or to the real application. What each call
came to is a `Call`:

1. "accepted": the server found nothing wrong with the request. What a mock server then sends may be any response of the
   document, an error too; where it breaks the document's own schema (as a wrong example does), the model may refuse it.
2. "refused": the server found the request wrong.
3. "unreadable": the model refused a response that the document allows.
4. "broken": the client raised before it sent anything, or what it may not raise.
5. "not tried": no valid argument could be made.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import json
import math
import sys
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from yarl import URL

from asyncapi import API, Client, Pages, Timeout
from asyncapi.clock import SystemClock
from asyncapi.declared.declaration import DECLARED, Declaration
from asyncapi.declared.endpoint import Endpoint
from asyncapi.errors import ConfigError, DecodeError, StatusError
from asyncapi.messages.request import Body
from asyncapi.streaming.events import Events
from asyncapi.streaming.stream import JSONLines, Stream
from asyncapi.transports.aiohttp import AioHTTPTransport
from documents.forms import wrong_fields
from documents.mocking import path_at_the_mock
from documents.sampling import NoSample, Sampler

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator
    from pathlib import Path

    from asyncapi.openapi.document import Document, Operation
    from asyncapi.types import Request, Response
    from documents.mocking import Mock

PATIENCE = 60.0  # seconds for one call: the mock needs long for responses that have no example


@dataclass
class Call:
    """What became of one call."""

    method: str  # of the client
    operation: str
    outcome: str
    detail: str = ""


class Wire:
    """A transport that sends to one server, with what the operation's security needs, and keeps what came back."""

    def __init__(self, inner: Any, base: str, document: Document, sampler: Sampler, mock: Mock | None) -> None:
        self.inner = inner
        self.sampler = sampler
        self.mock = mock
        self.base = URL(base)
        self.document = document
        self.operation: Operation | None = None
        self.status = 0
        self.violations = ""
        self.sent = ""
        self.response: Response | None = None

    async def send(self, request: Request) -> Response:
        url = request.url
        if url.host != self.base.host and self.operation is not None and self.operation.servers:
            prefix = URL(self.operation.servers[0].url).path.rstrip("/")  # an operation with a server of its own
            url = url.with_path(url.raw_path.removeprefix(prefix), encoded=True, keep_query=True)
        url = url.with_host(self.base.host or "").with_scheme("http").with_port(self.base.port)
        headers = request.headers.copy()
        needs = self.operation.security if self.operation is not None else ()
        for name in dict.fromkeys(
            name for need in needs for name in need
        ):  # FastAPI lists what is needed together apart
            scheme = self.document.security_schemes.get(name)
            if scheme is None:
                continue
            if scheme.kind == "apiKey" and scheme.where == "query":
                url = url.update_query({scheme.name: "secret"})
            elif scheme.kind == "apiKey" and scheme.where == "cookie":
                headers["Cookie"] = "; ".join(filter(None, [headers.get("Cookie", ""), f"{scheme.name}=secret"]))
            elif scheme.kind == "apiKey":
                headers.setdefault(scheme.name, "secret")
            else:
                headers.setdefault("Authorization", "Basic YTpi" if scheme.scheme == "basic" else "Bearer secret")
        if self.operation is not None and "#" in self.operation.path and self.mock is not None:
            added = path_at_the_mock(self.operation.path)[len(self.operation.path.partition("#")[0].rstrip("/")) :]
            url = url.with_path(url.raw_path.rstrip("/") + added, encoded=True, keep_query=True)
        request = request.copy(url=url, headers=headers)
        self.sent = f"{request.method} {url}"
        if isinstance(request.content, Body):
            request = request.copy(content=b"".join([each async for each in request.content.open()]))
        try:
            response = await self.inner.send(request)
        except Exception:
            if self.mock is not None:
                self.mock.suspect = True
            raise
        self.status = response.status
        found = response.headers.get("sl-violations", "")
        self.violations = found if '"request"' in found else ""  # the mock's own responses may be wrong too
        if self.mock is not None and self.operation is not None and not self.violations:
            kind = headers.get("Content-Type", "")
            self.violations = "; ".join(wrong_fields(self.operation, kind, request.content or b"", self.sampler))
        self.response = response
        return response

    @property
    def mocks_badly(self) -> bool:
        """Whether the mock server failed to make a response of its own."""
        found = self.response.headers.get("sl-violations", "") if self.response is not None else ""
        return (
            '"response"' in found
            or b"NO_COMPLEX_OBJECT_TEXT" in self.response.content
            or b"NO_RESPONSE" in self.response.content
        )

    async def aclose(self) -> None:
        await self.inner.aclose()


def load(path: Path, name: str) -> types.ModuleType:
    """Import a written client."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def facade(module: types.ModuleType) -> type[API]:
    """Return the client's class: the module's last `API`."""
    return [
        each for each in vars(module).values() if isinstance(each, type) and issubclass(each, API) and each is not API
    ][-1]


def endpoints(made: type[API]) -> Iterator[tuple[str, Declaration]]:
    """Yield the methods with what they declare."""
    for name, member in inspect.getmembers(made):
        found = getattr(member, DECLARED, None)
        if isinstance(found, Declaration):
            yield name, found


async def call_all(
    module: types.ModuleType, document: Document, base_url: str, mock: Mock | None = None, *, limit: float = math.inf
) -> list[Call]:
    """Call every method of the client once. After `limit` seconds the others are "not tried"."""
    made = facade(module)
    sampler = Sampler(document.plain)
    by_key = {(each.method, each.path): each for each in document.operations}
    wire = Wire(AioHTTPTransport(clock=SystemClock(), max_body=None), base_url, document, sampler, mock)
    calls = []
    started = time.monotonic()
    async with Client(base_url, transport=wire, retry=None, redirects=0, timeout=Timeout(total=PATIENCE)) as client:
        api = made(client)
        for name, declared in endpoints(made):
            if time.monotonic() - started > limit:
                calls.append(Call(name, f"{declared.method} {declared.path}", "not tried", "no time left"))
                continue
            if mock is not None:
                mock.revive()
            path = declared.path
            if "://" in path:
                path = "/" + path.partition("://")[2].partition("/")[2]
            operation = by_key.get((declared.method, declared.path)) or next(
                (
                    each
                    for (method, known), each in by_key.items()
                    if method == declared.method and path.endswith(known)
                ),
                None,
            )
            if operation is None:
                calls.append(
                    Call(
                        name,
                        f"{declared.method} {declared.path}",
                        "broken",
                        "no operation of the document has this path",
                    )
                )
                continue
            calls.append(await _call(api, name, declared, operation, sampler, wire))
    return calls


async def _call(api: API, name: str, declared: Declaration, operation: Operation, sampler: Sampler, wire: Wire) -> Call:
    said = f"{operation.method} {operation.path}"
    wire.operation, wire.status, wire.violations, wire.sent = operation, 0, "", ""
    try:
        arguments = arguments_for(declared, operation, sampler)
    except NoSample as error:
        return Call(name, said, "not tried", str(error)[:200])
    except Exception as error:
        return Call(name, said, "broken", f"arguments: {type(error).__name__}: {' '.join(str(error).split())[:400]}")
    try:
        async with asyncio.timeout(PATIENCE + 5):
            warnings.simplefilter("ignore", DeprecationWarning)  # a deprecated operation is called too
            await _finished(getattr(api, name)(**arguments))
    except StatusError as error:
        statuses = {str(wire.status), f"{wire.status // 100}XX", "default"}
        if wire.violations or (not statuses & set(operation.responses) and not wire.mocks_badly):
            body = error.response.text[:600] if error.response is not None else ""
            return Call(name, said, "refused", f"{wire.status} {wire.sent} {wire.violations or body}")
        return Call(name, said, "accepted", str(wire.status))
    except ConfigError as error:
        return Call(name, said, "broken", f"ConfigError: {error.message[:300]}")
    except DecodeError as error:
        if not documented(operation, wire.response, sampler):
            return Call(name, said, "accepted", f"{wire.status}, with a body that its schema refuses")
        body = bytes(error.body)[:200] if error.body else b""
        return Call(name, said, "unreadable", f"{' '.join(str(error.__cause__ or error).split())[:300]} | {body!r}")
    except Exception as error:
        return Call(name, said, "broken", f"{type(error).__name__}: {' '.join(str(error).split())[:300]} {wire.sent}")
    if wire.violations:
        return Call(name, said, "refused", wire.violations)
    return Call(name, said, "accepted", str(wire.status))


def documented(operation: Operation, response: Response | None, sampler: Sampler) -> bool:
    """Say whether a response is one that the document allows."""
    if response is None:
        return True
    status = str(response.status)
    reply = next(
        (operation.responses[each] for each in (status, f"{status[0]}XX", "default") if each in operation.responses),
        None,
    )
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if reply is None or kind not in reply.contents:
        return False
    try:
        return sampler.valid(json.loads(response.content), reply.contents[kind].schema, sent=False)
    except ValueError:
        return "json" not in kind


async def _finished(made: Any) -> None:
    if isinstance(made, Pages):
        async for _ in made.pages():
            return
    elif isinstance(made, Events | JSONLines):
        async with made as items:
            async for _ in items:
                return
    elif isinstance(made, Stream):
        async with made as stream:
            async for _ in stream.bytes():
                pass
    else:
        await made


def arguments_for(declared: Declaration, operation: Operation, sampler: Sampler) -> dict[str, Any]:
    """Return a value for each parameter of a method."""
    hints = {key: value for key, value in (declared.hints or {}).items() if key != "self"}
    endpoint = Endpoint("call", declared.method, declared.path, declared.function, hints)
    signature = list(endpoint.signature.parameters.values())[1:]
    given = {
        (each.where, each.name.lower() if each.where == "header" else each.name): each for each in operation.parameters
    }
    made: dict[str, Any] = {}
    places = [("path", endpoint.in_path.values()), ("query", endpoint.query), ("header", endpoint.headers),
              ("cookie", endpoint.cookies)]  # fmt: skip
    for where, listed in places:
        for part in listed:
            python = signature[part.at]
            known = given.get((where, part.name.lower() if where == "header" else part.name))
            if known is None:
                if python.default is python.empty:
                    raise LookupError(f"{part.name!r} in {where} isn't in the document")
                continue
            try:
                value = next((each for each in known.examples if sampler.valid(each, known.schema)), None)
                value = sampler.sample(known.schema) if value is None else value
                if not isinstance(value, str) and sampler.valid(str(value), known.schema):
                    value = (
                        "a" if sampler.valid("a", known.schema) else value
                    )  # the mock reads "1" as both, and refuses it
                value = sampler.with_two(value, known.schema) if where == "query" else value
                made[python.name] = typed(value, hints[python.name])
            except NoSample:
                if known.required:
                    raise
    if endpoint.body is not None or endpoint.form or endpoint.files:
        made |= body_for(endpoint, signature, hints, operation, sampler)
    return made


def body_for(
    endpoint: Endpoint, signature: Any, hints: dict[str, Any], operation: Operation, sampler: Sampler
) -> dict[str, Any]:
    """Return the parameters that make the body."""
    contents = operation.body.contents if operation.body is not None else {}
    if endpoint.body is not None:
        python = signature[endpoint.body[0]]
        kinds = [kind for kind in contents if endpoint.media_type in {None, kind} and "form" not in kind] or list(
            contents
        )
        kind = next((each for each in kinds if "json" in each), kinds[0])
        media = contents[kind]
        hint = hints[python.name]
        if "json" not in kind and endpoint.body[1] != "json":
            in_base64 = sampler._resolved(media.schema).get("format") == "byte"
            return {python.name: b"<a/>" if "xml" in kind else b"YWJj" if in_base64 else b"abc"}
        for value in media.examples:
            if sampler.valid(value, media.schema):
                with contextlib.suppress(ValidationError):  # an object that is written as text, without a type
                    return {python.name: typed(value, hint)}
        return {python.name: typed(sampler.sample(media.schema), hint)}
    kind = next((each for each in contents if ("multipart" in each) == bool(endpoint.files)), next(iter(contents)))
    whole = sampler._merged(contents[kind].schema, 0)
    value = sampler.sample(contents[kind].schema) if whole.get("oneOf") or whole.get("anyOf") else {}
    made: dict[str, Any] = {}
    for part in [*endpoint.form, *endpoint.files]:
        python = signature[part.at]
        schema = whole.get("properties", {}).get(part.name, {})
        if part in endpoint.files:
            made[python.name] = (
                [("a.txt", b"abc")] if sampler._merged(schema, 0).get("type") == "array" else ("a.txt", b"abc")
            )
        elif part.name in value or not value or python.default is python.empty:
            try:
                # where the document names no fields, `fields=` takes any
                field = value[part.name] if part.name in value else sampler.sample(schema)
                known = part.name in whole.get("properties", {})
                made[python.name] = typed(sampler.with_two(field, schema) if known else {"a": "b"}, hints[python.name])
            except NoSample:
                if python.default is python.empty:
                    raise
    return made


def typed(value: Any, hint: Any) -> Any:
    """Turn a value of JSON into what the parameter is declared to take."""
    if get_origin(hint) is not None and hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    return TypeAdapter(hint).validate_json(json.dumps(value))
