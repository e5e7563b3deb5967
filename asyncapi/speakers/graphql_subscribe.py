"""Make a subscription of what users ask for in `GraphQL.subscribe(...)`: over a WebSocket, or by events."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from asyncapi.calls.arguments import checked_headers, policy_of, shared_options
from asyncapi.errors import ConfigError
from asyncapi.messages import encoding
from asyncapi.sansio.graphql.payloads import payload
from asyncapi.speakers.graphql_reader import Reader
from asyncapi.speakers.graphql_sse import EventSource
from asyncapi.speakers.graphql_subscription import Subscription
from asyncapi.speakers.graphql_websocket import SocketSource
from asyncapi.speakers.handshake import websocket
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.meaning import Reading
    from asyncapi.messages.response import Response
    from asyncapi.sansio.graphql.document import Operation
    from asyncapi.settings import Retry
    from asyncapi.speakers import graphql_results as results
    from asyncapi.speakers.graphql_subscription import Source
    from asyncapi.speakers.line import Line

OVER = ("auto", "websocket", "sse")
_HEARTBEAT, _LARGEST = 20.0, 16 << 20


class Subscribing:
    """What the subscriptions of one GraphQL endpoint have in common.

    Args:
        line: The client.
        retry: The client's retries.
        url: The endpoint.
        reading: Says what a response means.

    Attributes:
        spoken: What over="auto" has found to be spoken there; "" before the first.
    """

    def __init__(self, line: Line, retry: Retry | None, url: str, reading: Reading) -> None:
        self.spoken: str = ""
        self._line = line
        self._retry = retry
        self._url = url
        self._reading = reading

    def subscribe(
        self,
        operation: Operation,
        variables: Any,
        place: results.Place,
        options: dict[str, Any],
        *,
        over: str,
        connection: Any,
        on_resume: Callable[[Any], Any] | None,
    ) -> Subscription[Any]:
        """Make a subscription that is opened in its block.

        Raises:
            ConfigError: An argument makes no sense.
        """
        if over not in OVER:
            raise ConfigError(f"over={over!r}: give one of {', '.join(OVER)}")
        if connection is not UNSET and connection is not None and not (callable(connection) or _is_payload(connection)):
            raise ConfigError(
                "connection=...: give an object for connection_init, a function that returns one, or None"
            )
        if operation.kind != "subscription":
            call = {"query": "query", "mutation": "mutate"}[operation.kind]
            raise ConfigError(f"the document's operation is a {operation.kind}: call {call}()")
        body = from_json(encoding.json(payload(operation, variables), "variables: "))
        options = shared_options(options)
        if options.get("route") is None and operation.name is not None:
            options["route"] = f"subscription {operation.name}"
        retry = options.get("retry", UNSET)
        policy = self._retry if retry is UNSET else policy_of(retry)
        reader = Reader(self._line, place)

        def sources(resumed: Any) -> list[Source]:
            socket = partial(
                websocket, self._line, self._url, self._retry, options, reconnect=UNSET,
                heartbeat=_HEARTBEAT, max_message=_LARGEST, compress=True,
            )  # fmt: skip
            wanted = self.spoken or over if over == "auto" else over
            found: list[Source] = []
            if wanted in {"auto", "websocket"}:
                found.append(SocketSource(socket, body, reader.failed, resumed, init=connection))
            if wanted in {"auto", "sse"}:
                post = partial(self._post, body, options, reader)
                timeout = options.get("timeout", UNSET)
                found.append(EventSource(self._line, post, policy, reader.refused, resumed, timeout=timeout))
            return found

        return Subscription(sources, reader.value, on_resume=on_resume, chosen=partial(setattr, self, "spoken"))

    async def _post(self, body: Any, options: dict[str, Any], reader: Reader, accept: str) -> Response:
        """Send the operation, and return the response with its body open."""
        headers = checked_headers(options.get("headers"))
        headers.setdefault("Accept", accept)
        headers.setdefault("Cache-Control", "no-store")
        more = {**options, "headers": headers, "json": body, "idempotent": True}
        response = await self._line.open("POST", self._url, reading=self._reading, **more)
        reader.response = response
        return response


def _is_payload(given: Any) -> bool:
    return isinstance(given, dict) and all(isinstance(name, str) for name in given)
