"""Queries that are sent by their hash, by GET, or both.

Rules:
1. A server that doesn't know the hash gets the document; one that takes no hashes gets no more of them
   (`asyncapi/sansio/graphql/persisted.py`).
2. A query whose URL would be too long goes by POST. Where a server says 414, the limit is lowered to what it refused.
3. Whatever is sent once more for this is a further attempt of the same call: the deadline of the first holds, and its
   records come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.calls.arguments import flat_params
from asyncapi.sansio.graphql import payloads, persisted
from asyncapi.sansio.graphql.results import result_of
from asyncapi.speakers.graphql import with_headers, written
from asyncapi.speakers.graphql_results import plain

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.graphql.document import Operation
    from asyncapi.speakers.graphql import GraphQL

_TOO_LONG = 414  # RFC 9110 section 15.5.15


class Asking:
    """One query on its way to a server that may want it in another form.

    Args:
        gql: The endpoint.
        operation: The query.
        variables: The values of its variables.
        options: Those of the call, its headers among them.
    """

    __slots__ = ("_gql", "_last", "_operation", "_options", "_variables", "_why")

    def __init__(self, gql: GraphQL, operation: Operation, variables: Any, options: dict[str, Any]) -> None:
        self._gql = gql
        self._operation = operation
        self._variables = variables
        self._options = options
        self._last: Request | None = None
        self._why = ""

    async def response(self) -> Response:
        """Send the query, and return the response to it."""
        known, operation = self._gql.persisted, self._operation
        keyed = self._options.get("idempotency_key") is not None  # a key stands for one body
        if not known.supported or keyed:
            return await self._send()
        extension = persisted.extension(operation)
        response = await self._send(query=False, extensions=extension)
        verdict = known.verdict(operation, response.status, result_of(plain(response)))
        if verdict == "taken":
            return response
        self._why = f"persisted query {verdict}: sent with its document"
        response = await self._send(extensions=extension if verdict == "unknown" else None)
        result = result_of(plain(response))
        good = result is not None and result.data is not None
        if verdict == "doubtful":
            known.concluded(good=good)
        elif verdict == "unknown" and good:
            known.known(operation)
        return response

    async def _send(self, *, query: bool = True, extensions: dict[str, Any] | None = None) -> Response:
        gql = self._gql
        parameters = payloads.payload(self._operation, self._variables, query=query, extensions=extensions)
        if gql.get:
            request = self._in_url(parameters)
            length = len(request.target.text)
            if length < gql.longest_url:  # rule 2
                response = await self._carry(request)
                if response.status != _TOO_LONG:
                    return response
                gql.longest_url = min(gql.longest_url, length)
                self._why = "414: sent by POST"
        return await self._carry(gql.built("POST", {**self._options, "json": parameters}))

    def _in_url(self, parameters: dict[str, Any]) -> Request:
        own = flat_params(self._options.get("params"))
        params = [*own, *payloads.in_url(parameters, written).items()]
        headers = with_headers(payloads.PREFLIGHT, self._options["headers"])
        return self._gql.built("GET", {**self._options, "params": params, "headers": headers})

    async def _carry(self, request: Request) -> Response:
        if (last := self._last) is not None:  # rule 3
            request.deadline = last.deadline
            request.call.attempts += last.call.attempts
            request.call.why = self._why
        self._last = request
        return await self._gql.line.carry(request)
