"""The base class for clients that ariadne-codegen generates: their calls go over a client of ours.

    [tool.ariadne-codegen]
    schema_path = "schema.graphql"
    queries_path = "queries.graphql"
    base_client_name = "BaseClient"
    base_client_file_path = "base_client.py"     # class BaseClient(GraphQLBaseClient): ...

ariadne-codegen (0.14 to 0.20) calls `execute`, `get_data` and `execute_ws` of its base class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel

from asyncapi.errors import ConfigError
from asyncapi.sansio.graphql.document import operation_of
from asyncapi.speakers.graphql import GraphQL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType


class GraphQLBaseClient:
    """What a generated client is built on.

    Args:
        gql: The endpoint; its client is yours to close.

    Raises:
        ConfigError: It is no `GraphQL`.
    """

    def __init__(self, gql: GraphQL) -> None:
        if not isinstance(gql, GraphQL):
            raise ConfigError(f"{type(self).__name__}({type(gql).__name__}): give an asyncapi.GraphQL")
        self.gql: GraphQL = gql

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        return

    async def execute(
        self, query: str, operation_name: str | None = None, variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Run a query or a mutation, and return its data.

        Args:
            query: The text of the document.
            operation_name: The name of its operation.
            variables: The values of its variables, as the generated client passes them.
            **kwargs: As in `GraphQL.query`.

        Raises:
            AsyncAPIError: As in `GraphQL.query`.
        """
        kind = operation_of(query, operation_name).kind
        run = self.gql.mutate if kind == "mutation" else self.gql.query
        files: dict[str, Any] = {}
        sent = _sent(variables or {}, (), files)
        return await run(query, sent, operation=operation_name, files=files or None, **kwargs)

    def get_data(self, response: Any) -> dict[str, Any]:
        """Return the data that `execute` returned: its errors were raised there."""
        return response if isinstance(response, dict) else {}

    async def execute_ws(
        self, query: str, operation_name: str | None = None, variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Run a subscription.

        Args:
            query: The text of the document.
            operation_name: The name of its operation.
            variables: The values of its variables.
            **kwargs: As in `GraphQL.subscribe`.

        Raises:
            AsyncAPIError: As in `GraphQL.subscribe`.
        """
        async with self.gql.subscribe(
            query, _sent(variables or {}, (), {}), operation=operation_name, **kwargs
        ) as results:
            async for result in results:
                yield result


def _sent(value: Any, path: tuple[str, ...], files: dict[str, Any]) -> Any:
    """Return variables as they are sent: without what is unset, models by their aliases, uploads among the files."""
    if isinstance(value, BaseModel):  # its uploads are no fields of pydantic's: they stay what they are
        value = {
            (field.alias or name): getattr(value, name)
            for name, field in type(value).model_fields.items()
            if name in value.model_fields_set
        }
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if type(each).__name__ != "UnsetType"}
        return {name: _sent(each, (*path, name), files) for name, each in kept.items()}
    if isinstance(value, list):
        return [_sent(each, (*path, str(place)), files) for place, each in enumerate(value)]
    if type(value).__name__ == "Upload" and hasattr(value, "content_type"):
        files[".".join(path)] = (value.filename, value.content, value.content_type)
        return None
    return value
