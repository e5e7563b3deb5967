"""Read the results of one operation as what is wanted of them: those of a subscription, or one that grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.errors import SchemaError, final_error
from asyncapi.messages import encoding
from asyncapi.messages.response import Response
from asyncapi.sansio.graphql.results import is_from_server, result_of
from asyncapi.speakers import graphql_results as results

if TYPE_CHECKING:
    from asyncapi.errors import AsyncAPIError
    from asyncapi.sansio.graphql.results import Result
    from asyncapi.speakers.line import Line

NOT_YET: Any = object()


class Reader:
    """Reads results as what is wanted of them.

    Args:
        line: The client.
        place: What is wanted.

    Attributes:
        response: To the last request; errors have its request and attempts.
    """

    def __init__(self, line: Line, place: results.Place) -> None:
        self.response: Response = Response(200)
        self._line = line
        self._place = place

    def value(self, content: dict[str, Any]) -> Any:
        """Return what is wanted of one result.

        Raises:
            GraphQLError: It has errors.
            SchemaError: It does not fit the model.
            ProtocolError: It is no result.
        """
        result = result_of(content)
        if result is None:
            raise final_error("the server sent a result without data and without errors")
        return self.wanted(result)

    def wanted(self, result: Result, *, more: bool = False) -> Any:
        """Return what is wanted of a result; `NOT_YET` where it is not there yet, and more is to come.

        Raises:
            GraphQLError: It has errors.
            SchemaError: It does not fit the model.
        """
        if more and not result.errors and _is_missing(result.data, self._place.path):
            return NOT_YET
        try:
            return results.value_in(result, self.response, self._place)
        except SchemaError as error:
            error.body = encoding.json({"data": result.data}, "")
            raise

    def failed(self, errors: list[dict[str, Any]]) -> AsyncAPIError:
        """Make the error of an operation that ended with these errors."""
        result = result_of({"errors": errors or [{"message": "the server names no error"}]})
        assert result is not None  # noqa: S101 - it has errors
        return results.graphql_error(result, self.response)

    def refused(self, response: Response, content: bytes) -> AsyncAPIError:
        """Make the error of a response that is no event stream."""
        whole = Response(response.status, response.headers, response.content or content, request=response.request)
        whole.target, whole.attempts, whole.meaning = response.target, response.attempts, response.meaning
        kind = response.headers.get("Content-Type", "")
        result = result_of(results.plain(whole))
        if result is not None and result.errors and is_from_server(response.status, kind):
            return results.graphql_error(result, whole)
        if response.status >= 400:  # noqa: PLR2004 - where errors begin
            return self._line.status_error(whole)
        error = final_error(
            f"no events are sent there: the response is {response.status} with {kind or 'no Content-Type'}"
        )
        error.request = None if response.request is None else response.request.redacted()
        error.attempts = response.attempts
        return error


def _is_missing(data: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return True
        data = data[key]
    return False
