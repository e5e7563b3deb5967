"""What a GraphQL endpoint does beside single responses: subscriptions, results that grow, checks of documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from asyncapi.errors import ConfigError
from asyncapi.options import SHARED, SharedOptions, check_options
from asyncapi.sansio.graphql.document import operation_of
from asyncapi.speakers import graphql_results as results
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from typing_extensions import TypeForm

    from asyncapi.messages.response import Response
    from asyncapi.sansio.graphql.document import Operation
    from asyncapi.settings import Retry
    from asyncapi.speakers.graphql_checks import Checker
    from asyncapi.speakers.graphql_incremental import IncrementalResults
    from asyncapi.speakers.graphql_results import GraphQLResult
    from asyncapi.speakers.graphql_subscribe import Subscribing
    from asyncapi.speakers.graphql_subscription import Subscription
    from asyncapi.speakers.line import Line
    from asyncapi.types import Unset

T = TypeVar("T")

Over = Literal["auto", "websocket", "sse"]


class GraphQLStreams:
    """Subscriptions, incremental results and checks of a `GraphQL`."""

    line: Line
    _url: str
    _retry: Retry | None
    _read: Any
    _checker: Checker | None = None
    _subscribing: Subscribing | None = None

    @overload
    def subscribe(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", over: Over = "auto",
        connection: Mapping[str, Any] | Callable[[], Any] | Unset | None = UNSET,
        on_resume: Callable[[Subscription[Any]], Any] | None = None, **options: Unpack[SharedOptions],
    ) -> Subscription[T]: ...  # fmt: skip

    @overload
    def subscribe(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", over: Over = "auto",
        connection: Mapping[str, Any] | Callable[[], Any] | Unset | None = UNSET,
        on_resume: Callable[[Subscription[Any]], Any] | None = None, **options: Unpack[SharedOptions],
    ) -> Subscription[Any]: ...  # fmt: skip

    @overload
    def subscribe(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["return"], over: Over = "auto",
        connection: Mapping[str, Any] | Callable[[], Any] | Unset | None = UNSET,
        on_resume: Callable[[Subscription[Any]], Any] | None = None, **options: Unpack[SharedOptions],
    ) -> Subscription[GraphQLResult[T]]: ...  # fmt: skip

    @overload
    def subscribe(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["return"], over: Over = "auto",
        connection: Mapping[str, Any] | Callable[[], Any] | Unset | None = UNSET,
        on_resume: Callable[[Subscription[Any]], Any] | None = None, **options: Unpack[SharedOptions],
    ) -> Subscription[GraphQLResult[Any]]: ...  # fmt: skip

    def subscribe(
        self, document: str, variables: Any = None, *, model: Any = None, field: str | None = None,
        operation: str | None = None, errors: str = "raise", over: Over = "auto",
        connection: Mapping[str, Any] | Callable[[], Any] | Unset | None = UNSET,
        on_resume: Callable[[Subscription[Any]], Any] | None = None, **options: Unpack[SharedOptions],
    ) -> Subscription[Any]:  # fmt: skip
        """Subscribe, over a WebSocket (graphql-transport-ws) or by server-sent events (graphql-sse).

            async with gql.subscribe(PRICES, model=Price, field="prices") as prices:
                async for price in prices: ...

        Where a connection ends before the subscription is complete, another one follows, as the client's retries say,
        and the operation is sent again before anything is handed out.

        Args:
            document: The text of the document.
            variables: The values of its variables: plain data or a pydantic model.
            model: Any type pydantic can validate: what the data of each result, or its `field`, becomes.
            field: The part of the data that is wanted, as in `query`.
            operation: The name of the operation, where the document has several.
            errors: "raise", or "return" for a `GraphQLResult` a result. With "raise", the next round goes on after it.
            over: "websocket" or "sse"; "auto" tries a WebSocket, and events where none is spoken.
            connection: The payload of connection_init, or a function that returns it for each connection; it may be a
                coroutine function. By default, it repeats the headers of the credential. None for none.
            on_resume: Called with the subscription when it goes on over another connection, before a result of that is
                handed out: what happened between the two was missed.
            **options: Of each connection, as in `Client.stream`. A `timeout` of its own bounds all of it.

        Returns:
            Subscription: `async with` it, then `async for` over it.

        Raises:
            ConfigError: An argument makes no sense, or the document has no such subscription.
        """
        check_options("subscribe", options, SHARED)
        found = operation_of(document, operation)
        self._check(document)
        if self._subscribing is None:
            from asyncapi.speakers.graphql_subscribe import Subscribing  # noqa: PLC0415 - not every client subscribes

            self._subscribing = Subscribing(self.line, self._retry, self._url, self._read)
        return self._subscribing.subscribe(
            found, variables, results.place_of(model, field, errors), dict(options),
            over=over, connection=connection, on_resume=on_resume,
        )  # fmt: skip

    @overload
    def stream(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", **options: Unpack[SharedOptions],
    ) -> IncrementalResults[T]: ...  # fmt: skip

    @overload
    def stream(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", **options: Unpack[SharedOptions],
    ) -> IncrementalResults[Any]: ...  # fmt: skip

    @overload
    def stream(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["return"], **options: Unpack[SharedOptions],
    ) -> IncrementalResults[GraphQLResult[T]]: ...  # fmt: skip

    @overload
    def stream(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["return"], **options: Unpack[SharedOptions],
    ) -> IncrementalResults[GraphQLResult[Any]]: ...  # fmt: skip

    def stream(
        self, document: str, variables: Any = None, *, model: Any = None, field: str | None = None,
        operation: str | None = None, errors: str = "raise", **options: Unpack[SharedOptions],
    ) -> IncrementalResults[Any]:  # fmt: skip
        """Run a query or a mutation whose result comes bit by bit (@defer, @stream).

            async with gql.stream(USER_AND_FRIENDS, {"id": "1"}, field="user") as users:
                async for user in users: ...  # with more of it each time

        Args:
            document: The text of the document.
            variables: The values of its variables: plain data or a pydantic model.
            model: What the data, or its `field`, becomes each time: what is deferred may be missing at first, so it
                needs defaults.
            field: The part of the data that is wanted, as in `query`; rounds in which it is not there yet are left out.
            operation: The name of the operation, where the document has several.
            errors: "raise", or "return" for a `GraphQLResult` a round, with all errors so far.
            **options: As in `Client.stream`.

        Returns:
            IncrementalResults: `async with` it, then `async for` over it: the result as far as it has come.

        Raises:
            ConfigError: An argument makes no sense, or the document has no such operation.
        """
        from asyncapi.speakers.graphql_incremental import incremental  # noqa: PLC0415 - few need it

        check_options("stream", options, SHARED)
        found = operation_of(document, operation)
        if found.kind == "subscription":
            raise ConfigError("the document's operation is a subscription: call subscribe()")
        place = results.place_of(model, field, errors)
        return incremental(self, found, variables, place, dict(options))

    def check(self, *documents: str) -> None:
        """Check documents against the schema now: at the start of a program, say, or in a test.

        Each text is checked once; `query` and the others check what has not been checked before.

        Args:
            *documents: Their texts.

        Raises:
            ConfigError: One does not fit: the message has line and column. Or there is no `schema=`.
        """
        if self._checker is None:
            raise ConfigError("check: give the schema first: GraphQL(api, url, schema=...)")
        for document in documents:
            self._checker.check(document)

    def use_schema(self, schema: str | Path | None) -> None:
        """Check documents against this schema from now on."""
        if schema is not None:
            from asyncapi.speakers.graphql_checks import checker  # noqa: PLC0415 - graphql-core is an extra

            self._checker = checker(schema)

    def _check(self, document: str) -> None:
        if self._checker is not None:
            self._checker.check(document)

    def complete(self, options: dict[str, Any], operations: list[Operation]) -> None:
        """Add to the options of a call what all requests of these operations have."""
        raise NotImplementedError

    async def opened(self, options: dict[str, Any]) -> Response:
        """Open a POST whose body is read while it arrives."""
        return await self.line.open("POST", self._url, reading=self._read, **options)
