"""Write GraphQL requests (graphql.github.io/graphql-over-http, "Request").

By POST, the parameters are one JSON object. By GET, they are parameters of the URL, where variables and extensions are
JSON. Servers guard against forged requests of browsers: a GET and an upload carry a header that a form can't set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.sansio.graphql.document import Operation

# Apollo Server (apollographql.com, "Configuring CORS"), and Hot Chocolate.
PREFLIGHT = {"Apollo-Require-Preflight": "true", "GraphQL-Preflight": "1"}


def payload(
    operation: Operation, variables: Any = None, *, query: bool = True, extensions: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write the parameters of a request.

    Args:
        operation: What to run.
        variables: The values of its variables; None for none.
        query: Whether the document is sent; not where the server knows it by its hash.
        extensions: What the protocol adds.
    """
    parameters: dict[str, Any] = {}
    if query:
        parameters["query"] = operation.document
    if operation.name is not None:
        parameters["operationName"] = operation.name
    if variables is not None:
        parameters["variables"] = variables
    if extensions:
        parameters["extensions"] = extensions
    return parameters


def in_url(parameters: dict[str, Any], write: Callable[[Any], bytes]) -> dict[str, str]:
    """Write the parameters of a request for its URL.

    Args:
        parameters: Those of `payload`.
        write: Writes plain data as JSON.

    Raises:
        ValueError: The variables can't be written as JSON.
    """
    return {name: value if isinstance(value, str) else write(value).decode() for name, value in parameters.items()}
