"""Several GraphQL operations in one request: a list of requests, and a list of results in the same order.

It is no part of GraphQL over HTTP, and most servers take it only where they are told to: Apollo Server
(`allowBatchedHttpRequests`), graphql-yoga (`batching`), Strawberry (`batching_config`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from asyncapi.errors import AsyncAPIError, ConfigError, DecodeError
from asyncapi.messages.response import error_context
from asyncapi.sansio.graphql import payloads
from asyncapi.sansio.graphql.document import operation_of
from asyncapi.sansio.graphql.results import Result, is_from_server, result_of, summary
from asyncapi.speakers import graphql_results as results

if TYPE_CHECKING:
    from asyncapi.messages.response import Response
    from asyncapi.sansio.graphql.document import Operation
    from asyncapi.speakers.graphql import GraphQL

_OF_REQUESTS = frozenset({400, 405, 413, 415, 422, 500})  # how servers refuse what they don't take


@dataclass(frozen=True, slots=True)
class GraphQLOperation:
    """One operation of a batch.

    Attributes:
        document: The text of its document.
        variables: The values of its variables: plain data or a pydantic model.
        model: Any type pydantic can validate: what the data, or its `field`, becomes.
        field: The part of the data that is wanted, as in `GraphQL.query`.
        operation: The name of the operation, where the document has several.
    """

    document: str
    variables: Any = None
    model: Any = None
    field: str | None = None
    operation: str | None = None


async def run(gql: GraphQL, given: list[GraphQLOperation], errors: str, options: dict[str, Any]) -> list[Any]:
    """Send the operations, as many at a time as the endpoint takes, and return what each was asked for.

    Raises:
        GraphQLError: One failed, or the server takes no batches.
        ConfigError: One can't be sent.
    """
    operations: list[Operation] = []
    places: list[results.Place] = []
    for one in given:
        if not isinstance(one, GraphQLOperation):
            raise ConfigError(f"batch: {type(one).__name__} is no operation: give GraphQLOperation(document, ...)")
        operation = operation_of(one.document, one.operation)
        if operation.kind == "subscription":
            raise ConfigError("batch: a subscription has no single result: call subscribe()")
        operations.append(operation)
        places.append(results.place_of(one.model, one.field, errors))
    if options.get("idempotency_key") not in {None, True, False} and len(given) > gql.most:
        raise ConfigError(f"idempotency_key: a key is for one request, but {len(given)} operations need several")
    values: list[Any] = []
    for start in range(0, len(given), gql.most):
        some = slice(start, start + gql.most)
        payload = [
            payloads.payload(operation, one.variables)
            for operation, one in zip(operations[some], given[some], strict=True)
        ]
        completed = dict(options)
        gql.complete(completed, operations[some])
        response = await gql.line.carry(gql.built("POST", {**completed, "json": payload}))
        found = _results(gql, response, len(payload))
        values += [results.value_in(result, response, place) for result, place in zip(found, places[some], strict=True)]
    return values


def _results(gql: GraphQL, response: Response, count: int) -> list[Result]:
    """Read the results of a batch.

    Raises:
        GraphQLError: The server takes no batches.
        StatusError: Its status is an error, and it is not the GraphQL server's.
        DecodeError: It is no list with a result for each operation.
    """
    body = results.plain(response)
    trusted = is_from_server(response.status, response.headers.get("Content-Type", ""))
    if not isinstance(body, list) or not trusted:
        _refused(gql, response, result_of(body), trusted=trusted)
    found = [result for each in body if (result := result_of(each)) is not None]
    if len(found) != len(body) or len(found) != count:
        with error_context(response):
            raise DecodeError(f"{count} operations were sent, but {len(found)} results came", body=response.content)
    return found


def _refused(gql: GraphQL, response: Response, result: Result | None, *, trusted: bool) -> NoReturn:
    """Raise why there is no list."""
    why = ""
    if trusted and result is not None and result.errors:
        why, cause = summary(result.errors), None
        if response.effective_status != response.status:  # a token or a limit: not about batches
            raise results.graphql_error(result, response)
    else:
        cause = _failure(gql, response)
        if response.status >= 400 and response.status not in _OF_REQUESTS:  # noqa: PLR2004 - where errors begin
            raise cause
        why = cause.message
    said = Result(None, [], {}, executed=False) if result is None else result
    raise results.graphql_error(
        said, response, f"the server takes no batch of operations ({why}): send them one by one, with query()"
    ) from cause


def _failure(gql: GraphQL, response: Response) -> AsyncAPIError:
    try:
        results.refuse(response, gql.line)
    except AsyncAPIError as error:
        return error
