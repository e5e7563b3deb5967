"""`/graphql`: queries, mutations and a subscription; by POST, GET, server-sent events and WebSocket.

- A POST takes JSON, a GET takes queries alone (graphql.github.io/graphql-over-http).
- A subscription is streamed by events (graphql-sse), or spoken over WebSocket (graphql-transport-ws), with the ends
  that `/ws` has.
- The schema runs on graphql-core; without it, the response is 501.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from asyncapi.serve.query import json_object, seconds_in
from asyncapi.serve.replies import Answer, Refusal, Reply, streamed
from asyncapi.serve.websocket import talk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from asyncapi.serve.talk import Line

_RESPONSE = "application/graphql-response+json"
_EVENTS = "text/event-stream"
_PROTOCOL = "graphql-transport-ws"
_PAUSE = 0.1
_MISUNDERSTOOD, _UNAUTHORIZED, _EXISTS, _TWICE = 4400, 4401, 4409, 4429


class Graph:
    """The GraphQL endpoint of one server."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._schema: Any = None

    async def __call__(self, request: web.BaseRequest, rest: str) -> Answer:
        """The response to an operation, its events, or a conversation about several."""
        if rest:
            raise Refusal(404, "no such endpoint: GraphQL is at /graphql")
        schema = self._loaded()
        pause = seconds_in(request.query, "pause", _PAUSE)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return talk(request, _Conversation(self, pause).speak, (_PROTOCOL,))
        if request.method not in {"GET", "HEAD", "POST"}:
            raise Refusal(405, f"{request.method} is not for this endpoint", [("Allow", "GET, HEAD, POST")])
        parameters = await _parameters(request)
        try:
            operation = schema.operation(self._schema, parameters)
            if operation.kind == "subscription":
                return _events(request, operation.results(), pause)
        except schema.Invalid as invalid:
            return _reply(request, {"errors": invalid.errors}, 400)
        if operation.kind == "mutation" and request.method != "POST":
            raise Refusal(405, "a mutation is sent by POST", [("Allow", "POST")])
        return _reply(request, self.run(operation), 200)

    def operation(self, parameters: Any) -> Any:
        """Read an operation.

        Raises:
            Invalid: It does not fit the schema.
        """
        return self._loaded().operation(self._schema, parameters)

    def run(self, operation: Any) -> dict[str, Any]:
        """Run a query or a mutation."""
        return operation.run(self._loaded().Root(self._names))  # type: ignore[no-any-return]

    def _loaded(self) -> Any:
        """Return the module of the schema.

        Raises:
            Refusal: graphql-core is not installed (501).
        """
        try:
            from asyncapi.serve import graphql_schema  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise Refusal(501, f"/graphql needs graphql-core: pip install 'asyncapi-sdk[graphql]' ({error})") from None
        if self._schema is None:
            self._schema = graphql_schema.schema()
        return graphql_schema


class _Conversation:
    """What is said over one WebSocket."""

    def __init__(self, graph: Graph, pause: float) -> None:
        self._graph = graph
        self._pause = pause
        self._running: dict[str, asyncio.Task[None]] = {}
        self._begun = False

    async def speak(self, line: Line) -> None:
        try:
            while (message := await line.hear()) is not None:
                if (wrong := await self._answer(line, message)) is not None:
                    await line.close(*wrong)
                    return
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _answer(self, line: Line, message: str | bytes) -> tuple[int, str] | None:  # noqa: C901 - a table of kinds
        """Answer a message; returns how to close where it is none of the protocol."""
        try:
            said = from_json(message)
            kind, ident = said["type"], said.get("id")
        except (ValueError, TypeError, KeyError, AttributeError):
            return _MISUNDERSTOOD, "send JSON with a type"
        if kind == "ping":
            await line.say('{"type":"pong"}')
        elif kind == "connection_init":
            if self._begun:
                return _TWICE, "Too many initialisation requests"
            self._begun = True
            await line.say('{"type":"connection_ack"}')
        elif kind == "subscribe" and isinstance(ident, str):
            if not self._begun:
                return _UNAUTHORIZED, "Unauthorized"
            if ident in self._running:
                return _EXISTS, f"Subscriber for {ident[:40]} already exists"
            task = asyncio.create_task(self._run(line, ident, said.get("payload")))
            task.add_done_callback(_noted)
            self._running[ident] = task
        elif kind == "complete" and isinstance(ident, str):
            if ident in self._running:
                self._running.pop(ident).cancel()
        elif kind != "pong":
            return _MISUNDERSTOOD, "Invalid message received"
        return None

    async def _run(self, line: Line, ident: str, parameters: Any) -> None:
        invalid = self._graph._loaded().Invalid  # noqa: SLF001 - of one module
        try:
            operation = self._graph.operation(_checked(parameters))
            results = operation.results() if operation.kind == "subscription" else [self._graph.run(operation)]
            for place, result in enumerate(results):
                await asyncio.sleep(self._pause if place else 0)
                await line.say(_message(ident, "next", result))
        except invalid as error:
            await line.say(_message(ident, "error", error.errors))
        except Refusal:
            await line.close(_MISUNDERSTOOD, "the payload of subscribe is no operation")
        else:
            await line.say(to_json({"id": ident, "type": "complete"}).decode())
        finally:
            self._running.pop(ident, None)


def _noted(task: asyncio.Task[None]) -> None:
    """Take note of a failure: the client has gone, or the conversation has had its last message."""
    if not task.cancelled():
        task.exception()


def _message(ident: str, kind: str, payload: Any) -> str:
    return to_json({"id": ident, "type": kind, "payload": payload}).decode()


async def _parameters(request: web.BaseRequest) -> dict[str, Any]:
    if request.method == "POST":
        if request.content_type not in {"application/json", "application/graphql-response+json"}:
            raise Refusal(415, f"send application/json, not {request.content_type}")
        return _checked(await json_object(request, "a GraphQL request"))
    parameters: dict[str, Any] = dict(request.query)
    if "variables" in parameters:
        try:
            parameters["variables"] = from_json(parameters["variables"])
        except ValueError as error:
            raise Refusal(400, f"variables is JSON: {error}") from None
    return _checked(parameters)


def _checked(parameters: Any) -> dict[str, Any]:
    if not isinstance(parameters, dict) or not isinstance(parameters.get("query"), str):
        raise Refusal(400, 'send {"query": "...", "variables": {...}, "operationName": "..."}')
    if not isinstance(parameters.get("variables") or {}, dict):
        raise Refusal(400, "variables is an object")
    return parameters


def _reply(request: web.BaseRequest, result: dict[str, Any], status: int) -> Reply:
    """A result: as JSON for those who do not know its own media type, and with the status 200 then."""
    own = _RESPONSE in request.headers.get("Accept", "")
    kind = f"{_RESPONSE}; charset=utf-8" if own else "application/json"
    return Reply(status if own else 200, [("Content-Type", kind)], to_json(result))


def _events(request: web.BaseRequest, results: Iterator[dict[str, Any]], pause: float) -> Answer:
    if _EVENTS not in request.headers.get("Accept", ""):
        raise Refusal(406, f"a subscription is sent as events: Accept: {_EVENTS}, or speak {_PROTOCOL} over WebSocket")
    return streamed(request, _EVENTS, _pieces(results, pause))


def _pieces(results: Iterator[dict[str, Any]], pause: float) -> Iterator[tuple[float, bytes]]:
    for place, result in enumerate(results):
        yield (pause if place else 0.0), b"event: next\ndata: %b\n\n" % to_json(result)
    yield 0.0, b"event: complete\ndata:\n\n"
