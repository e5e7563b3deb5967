"""GraphQL over a client: queries and mutations that are calls like any other.

    gql = GraphQL(api, "/graphql")
    user = await gql.query("query User($id: ID!) { user(id: $id) { id name } }", {"id": "1"}, model=User, field="user")

Rules:
1. A query is safe to send again (`idempotent=True`), whatever its method; a mutation is not, unless the caller says so
   (`idempotent=`, `idempotency_key=`). Retries, hedges, limits, credentials and the breaker are those of the client;
   what the code of an error means to them is in `asyncapi/sansio/graphql/codes.py`.
2. Whatever is wrong with the document or the arguments is said before anything is sent.
3. Where the server wants something else (a document for a hash, a POST for a long URL), the query is sent once more, as
   a further attempt of the same call: its deadline holds for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, overload

from asyncapi.calls.arguments import checked_headers
from asyncapi.errors import ConfigError
from asyncapi.messages import json_text
from asyncapi.options import SHARED, SharedOptions, check_options
from asyncapi.sansio.graphql import codes as error_codes
from asyncapi.sansio.graphql import payloads, uploads
from asyncapi.sansio.graphql.document import Operation, operation_of
from asyncapi.sansio.graphql.persisted import PersistedQueries
from asyncapi.sansio.graphql.results import ACCEPT, is_from_server, result_of
from asyncapi.speakers import graphql_results as results
from asyncapi.speakers.graphql_streams import GraphQLStreams
from asyncapi.speakers.line import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from multidict import CIMultiDict
    from typing_extensions import TypeForm

    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.speakers.graphql_batch import GraphQLOperation
    from asyncapi.speakers.graphql_results import GraphQLResult
    from asyncapi.speakers.line import Line
    from asyncapi.types import Headers

T = TypeVar("T")

_LONGEST_URL = 8000  # RFC 9110 section 4.1: what every server is to take


class OperationOptions(SharedOptions, total=False):
    """What an operation takes: what every call does, files, and the caller's word on sending it twice."""

    files: Mapping[str, Any] | None
    """Files to upload: the keys of the variable ("file", "input.images.0") -> path, bytes, open file, or (filename,
    content[, content type])."""
    idempotency_key: str | bool | None
    """True makes one, text is sent as it is: the operation becomes safe to resend."""
    idempotent: bool | None
    """Your word on whether sending it twice does its work once. None for what the kind and the key say: queries are,
    mutations are not."""


OPTIONS: frozenset[str] = SHARED | OperationOptions.__optional_keys__


class GraphQL(GraphQLStreams):
    """A GraphQL endpoint.

    Args:
        api: An `asyncapi.Client`, or a declared API over one.
        url: The endpoint, absolute or relative to the base URL.
        persisted: Whether queries are sent by their hash first (automatic persisted queries), and the document only
            where the server doesn't know it.
        get: Whether queries are sent by GET, so that caches and CDNs can keep the responses: their variables stand in
            the URL then. One whose URL would be too long goes by POST.
        batch: The most operations that `batch` puts into one request.
        codes: What codes of errors mean, beside those that are known (`asyncapi.sansio.graphql.codes`): the code -> the
            HTTP status whose treatment it gets: 401 for a fresh token, 429 for a pause, 503 for a retry.
        schema: What documents have to fit: the path of a schema, or its text, in GraphQL's own language or as an
            introspection result in JSON. Each document is checked once, before it is first sent (extra "graphql").

    Attributes:
        line: The client, as a protocol sees it.
        get: Whether queries are sent by GET.
        most: The most operations of a batch.
        persisted: What is known of the server's persisted queries.
        longest_url: URLs of GETs are shorter than this, in characters.

    Raises:
        ConfigError: One of these can't be.
    """

    def __init__(
        self,
        api: Any,
        url: str = "/graphql",
        *,
        persisted: bool = False,
        get: bool = False,
        batch: int = 10,
        codes: Mapping[str, int] | None = None,
        schema: str | Path | None = None,
    ) -> None:
        if type(batch) is not int or batch < 1:
            raise ConfigError(f"batch={batch!r}: give the most operations in one request, 1 or more")
        self.line: Line = line_of(api)
        self._retry = getattr(api, "client", api)._retry  # noqa: SLF001 - what a client is to its protocols
        self.use_schema(schema)
        self._url = url
        self.get: bool = get
        self.most: int = batch
        self.persisted: PersistedQueries = PersistedQueries(supported=persisted)
        self.longest_url: int = _LONGEST_URL
        self._codes = {**error_codes.DEFAULT, **{error_codes.plain(code): to for code, to in (codes or {}).items()}}

    @overload
    async def query(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", **options: Unpack[OperationOptions],
    ) -> T: ...  # fmt: skip

    @overload
    async def query(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", **options: Unpack[OperationOptions],
    ) -> Any: ...  # fmt: skip

    @overload
    async def query(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["return"], **options: Unpack[OperationOptions],
    ) -> GraphQLResult[T]: ...  # fmt: skip

    @overload
    async def query(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["return"], **options: Unpack[OperationOptions],
    ) -> GraphQLResult[Any]: ...  # fmt: skip

    async def query(
        self, document: str, variables: Any = None, *, model: Any = None, field: str | None = None,
        operation: str | None = None, errors: str = "raise", **options: Unpack[OperationOptions],
    ) -> Any:  # fmt: skip
        """Run a query; it is sent again as the client's retries say.

        Args:
            document: The text of the document.
            variables: The values of its variables: plain data or a pydantic model.
            model: Any type pydantic can validate: what the data, or its `field`, becomes.
            field: The part of the data that is wanted: a name ("user"), or names joined by dots ("user.posts").
            operation: The name of the operation, where the document has several.
            errors: "raise", or "return" for a `GraphQLResult`: partial data and errors side by side.
            **options: Each is described in `asyncapi.options.SharedOptions` and `OperationOptions`.

        Returns:
            A value of `model`, or plain data where there is none.

        Raises:
            GraphQLError: The response has errors.
            StatusError: 4xx or 5xx, from somewhere before the GraphQL server.
            TransportError: Nothing usable came back.
            DecodeError: It is no GraphQL response, or (SchemaError) does not fit the model.
            RejectedError: The client refused to send it.
            ConfigError: It can't be sent as it is: it is no query, say.
        """
        place = results.place_of(model, field, errors)
        return await self._run("query", document, variables, operation, place=place, given=options)

    @overload
    async def mutate(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", **options: Unpack[OperationOptions],
    ) -> T: ...  # fmt: skip

    @overload
    async def mutate(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["raise"] = "raise", **options: Unpack[OperationOptions],
    ) -> Any: ...  # fmt: skip

    @overload
    async def mutate(
        self, document: str, variables: Any = None, *, model: TypeForm[T], field: str | None = None,
        operation: str | None = None, errors: Literal["return"], **options: Unpack[OperationOptions],
    ) -> GraphQLResult[T]: ...  # fmt: skip

    @overload
    async def mutate(
        self, document: str, variables: Any = None, *, model: None = None, field: str | None = None,
        operation: str | None = None, errors: Literal["return"], **options: Unpack[OperationOptions],
    ) -> GraphQLResult[Any]: ...  # fmt: skip

    async def mutate(
        self, document: str, variables: Any = None, *, model: Any = None, field: str | None = None,
        operation: str | None = None, errors: str = "raise", **options: Unpack[OperationOptions],
    ) -> Any:  # fmt: skip
        """Run a mutation; it is never sent again once the server may have begun it, unless you say that it may be.

        That word is `idempotent=True`, or an `idempotency_key=` for servers that know it. Everything else is as in
        `query`.
        """
        place = results.place_of(model, field, errors)
        return await self._run("mutation", document, variables, operation, place=place, given=options)

    async def batch(
        self,
        operations: Iterable[GraphQLOperation],
        *,
        errors: Literal["raise", "return"] = "raise",
        **options: Unpack[OperationOptions],
    ) -> list[Any]:
        """Run several operations in one request, where the server takes that; more than `batch=` go in several.

            user, posts = await gql.batch([GraphQLOperation(USER, {"id": "1"}), GraphQLOperation(POSTS)])

        They are safe to send again if all are queries.

        Args:
            operations: What to run.
            errors: "raise" for the error of the first that failed, or "return" for a list of `GraphQLResult`s.
            **options: As in `query`, all but `files`.

        Returns:
            What `query` would return for each, in their order.

        Raises:
            GraphQLError: One failed, or the server takes no batches. Otherwise as in `query`.
        """
        from asyncapi.speakers.graphql_batch import run  # noqa: PLC0415 - few need it

        check_options("batch", options, OPTIONS - {"files"})
        return await run(self, list(operations), errors, dict(options))

    async def _run(
        self, kind: str, document: str, variables: Any, name: str | None, *, place: results.Place, given: Any
    ) -> Any:
        check_options("query" if kind == "query" else "mutate", given, OPTIONS)
        operation = operation_of(document, name)
        if operation.kind != kind:  # rule 2
            call = {"query": "query", "mutation": "mutate", "subscription": "subscribe"}[operation.kind]
            raise ConfigError(f"the document's operation is a {operation.kind}: call {call}()")
        options = dict(given)
        files = options.pop("files", None)
        if files is None and variables is not None:
            files = uploads.open_files(variables)
        self.complete(options, [operation])
        if files:
            response = await self.line.carry(self._upload(operation, variables, files, options))
        elif kind == "query" and (self.get or self.persisted.supported):
            from asyncapi.speakers.graphql_asking import Asking  # noqa: PLC0415 - few need it

            response = await Asking(self, operation, variables, options).response()
        else:
            body = payloads.payload(operation, variables)
            response = await self.line.carry(self.built("POST", {**options, "json": body}))
        return results.value_of(response, place, self.line)

    def complete(self, options: dict[str, Any], operations: list[Operation]) -> None:
        """Add to the options of a call what all requests of these operations have (rule 1); check their documents."""
        for operation in operations:
            self._check(operation.document)
        queries = all(operation.kind == "query" for operation in operations)
        if options.get("idempotent") is None and queries:
            options["idempotent"] = True
        if options.get("route") is None and len(operations) == 1 and operations[0].name is not None:
            options["route"] = f"{operations[0].kind} {operations[0].name}"
        headers = options.get("headers")
        options["headers"] = {"Accept": ACCEPT} if headers is None else with_headers({"Accept": ACCEPT}, headers)

    def built(self, method: str, options: Mapping[str, Any]) -> Request:
        """Build a request whose response is read for the codes of errors."""
        request = self.line.settings.builder.build(method, self._url, **options)
        request.call.reading = self._read
        return request

    def _upload(self, operation: Operation, variables: Any, files: Mapping[str, Any], options: Any) -> Request:
        fields, parts = uploads.parts(payloads.payload(operation, variables), files, written)
        headers = with_headers(payloads.PREFLIGHT, options["headers"])
        return self.built("POST", {**options, "headers": headers, "data": fields, "files": parts})

    def _read(self, response: Response) -> Meaning | None:
        """Say what the codes of the errors in a response mean."""
        if b'"errors"' not in response.content:  # the common case
            return None
        body = results.plain(response)
        found = [result for each in (body if isinstance(body, list) else [body]) if (result := result_of(each))]
        trusted = is_from_server(response.status, response.headers.get("Content-Type", ""))
        wall = self.line.clock.wall()
        return error_codes.meaning_of(found, self._codes, status=response.status, trusted=trusted, wall=wall)


def with_headers(usual: Mapping[str, str], given: Headers) -> CIMultiDict[str]:
    """Add to the caller's headers those that they don't have."""
    headers = checked_headers(given)
    for name, value in usual.items():
        headers.setdefault(name, value)
    return headers


def written(value: Any) -> bytes:
    """Write variables as JSON.

    Raises:
        ConfigError: They can't be.
    """
    try:
        content = json_text.written(value)
    except ValueError as error:
        raise ConfigError(f"variables: {error}") from None
    if (b"NaN" in content or b"Infinity" in content) and not json_text.strict(content):
        raise ConfigError("variables: they hold NaN or Infinity, which JSON can't represent")
    return content
