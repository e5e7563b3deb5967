"""Read GraphQL responses: a value of a model, or the error that they are.

The usual response, data without errors, is read into the model in one go: the place of the value becomes a typed
dictionary around the model. Everything else is read as plain data first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NoReturn, NotRequired

from typing_extensions import TypedDict, TypeVar

from asyncapi.errors import ConfigError, DecodeError, GraphQLError, SchemaError
from asyncapi.messages import decoding, json_text
from asyncapi.messages.response import error_context
from asyncapi.sansio.graphql.results import Result, is_from_server, result_of, summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.response import Response
    from asyncapi.speakers.line import Line

T = TypeVar("T", default=Any)

_FIELD = re.compile(r"[_A-Za-z][_0-9A-Za-z]*(?:\.[_A-Za-z][_0-9A-Za-z]*)*")
_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class GraphQLResult(Generic[T]):
    """What came of an operation where errors are wanted beside the data.

    Attributes:
        data: The value, or None where there is none.
        errors: One object for each error, as the server sent it; empty where all went well.
        extensions: What the server adds to the response.
    """

    data: T | None
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    extensions: dict[str, Any] = field(default_factory=dict[str, Any])


class Place:
    """What is wanted of a response.

    Attributes:
        path: The keys that lead from `data` to the value.
        model: What the value is read as; None for plain data.
        returns: Whether errors are returned, not raised.
        shape: The type of a response without errors whose value is where it is wanted.
        read: Reads such a response; it raises pydantic's own errors.

    Raises:
        ConfigError: pydantic can't validate the model.
    """

    __slots__ = ("model", "path", "read", "returns", "shape")

    def __init__(self, path: tuple[str, ...], model: Any, *, returns: bool) -> None:
        self.path: tuple[str, ...] = path
        self.model: Any = model
        self.returns: bool = returns
        self.shape: Any = None
        self.read: Callable[[bytes], Any] | None = None
        if model is not None:
            decoding.adapter(model)  # what is wrong with it is said in its own name
            self.shape = _shape(path, model)
            self.read = decoding.reader(self.shape)


def place_of(model: Any, field: Any, errors: str) -> Place:
    """Check what a caller asks for.

    Raises:
        ConfigError: It can't be.
    """
    try:
        return _cached_place(model, field, errors)
    except TypeError:  # an annotation that can't be hashed
        return _make_place(model, field, errors)


def _make_place(model: Any, field: Any, errors: str) -> Place:
    if errors not in {"raise", "return"}:
        raise ConfigError(f"errors={errors!r}: give 'raise', or 'return' for a GraphQLResult with data and errors")
    if field is not None and (not isinstance(field, str) or _FIELD.fullmatch(field) is None):
        raise ConfigError(f"field={field!r}: give the name of a field, or names joined by dots, like 'user.posts'")
    return Place(() if field is None else tuple(field.split(".")), model, returns=errors == "return")


_cached_place = lru_cache(maxsize=256)(_make_place)


def value_of(response: Response, place: Place, line: Line) -> Any:
    """Return what is wanted of a response.

    Raises:
        GraphQLError: It has errors, and they are not to be returned.
        StatusError: Its status is an error, and it is not the GraphQL server's.
        SchemaError: The data doesn't match the model.
        DecodeError: It is no GraphQL response.
    """
    if place.read is not None and not place.returns and response.status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
        try:
            found = place.read(response.content)
        except ValueError:  # pydantic's ValidationError is one
            pass
        else:
            if not found.get("errors"):
                return _at(found["data"], place.path)
    return value_in(whole(response, line), response, place)


def whole(response: Response, line: Line) -> Result:
    """Read a response as plain data.

    Raises:
        StatusError: Its status is an error, and it is not the GraphQL server's.
        DecodeError: It is no GraphQL response.
    """
    result = result_of(plain(response))
    if result is None or not is_from_server(response.status, response.headers.get("Content-Type", "")):
        refuse(response, line)
    return result


def plain(response: Response) -> Any:
    """Read a body as plain data; None where it isn't JSON."""
    try:
        return response.json()
    except DecodeError:
        return None


def refuse(response: Response, line: Line) -> NoReturn:
    """Raise what a response is that no GraphQL server made.

    Raises:
        StatusError: Its status is an error.
        DecodeError: It isn't.
    """
    if response.status >= 400:  # noqa: PLR2004 - where errors begin
        raise line.status_error(response)
    kind = response.headers.get("Content-Type") or "no Content-Type"
    begins = f"it begins {response.content[:60].decode('utf-8', 'replace')!r}" if response.content else "it is empty"
    with error_context(response):
        raise DecodeError(
            f"no GraphQL response ({response.status}, {kind}): {begins}; is the URL that of a GraphQL endpoint?",
            body=response.content,
        )


def value_in(result: Result, response: Response, place: Place) -> Any:
    """Return what is wanted of one result.

    Args:
        result: What the server made of the operation.
        response: Where it stood: errors have its request and its attempts.
        place: What is wanted.

    Raises:
        GraphQLError: It has errors, and they are not to be returned.
        SchemaError: The data doesn't match the model.
    """
    if not place.returns:
        if result.errors:
            raise graphql_error(result, response)
        return _modelled(result.data, response, place)
    value = _at(result.data, place.path, _NOTHING)
    if result.errors and (value is None or value is _NOTHING):
        return GraphQLResult(None, result.errors, result.extensions)
    try:
        value = _modelled(result.data, response, place)
    except SchemaError as error:
        if result.errors:  # the partial data doesn't fit: nothing of it is to be lost
            raise graphql_error(result, response) from error
        raise
    return GraphQLResult(value, result.errors, result.extensions)


def graphql_error(result: Result, response: Response, message: str = "") -> GraphQLError:
    """Make the error of a result."""
    request = response.request
    error = GraphQLError(
        message or summary(result.errors),
        errors=result.errors, data=result.data, extensions=result.extensions, status=response.status,
        request=request, attempts=response.attempts,
    )  # fmt: skip
    if request is not None:  # why there were no more attempts
        error.phase, error.held_by, error.__cause__ = request.call.ended_by, request.call.held_by, request.call.cause
    return error


def _modelled(data: Any, response: Response, place: Place) -> Any:
    """Read plain data as what is wanted, with JSON's rules, or say in the response's name what doesn't fit."""
    with error_context(response):
        if place.model is None:
            value = _at(data, place.path, _NOTHING)
            if value is _NOTHING:
                raise SchemaError(f"the response has no data at {'.'.join(place.path)!r}", body=response.content)
            return value
        content = json_text.written({"data": data})
        try:
            return _at(decoding.parse(place.shape, content, "")["data"], place.path)
        except DecodeError as error:
            error.body = response.content
            raise


def _at(data: Any, path: tuple[str, ...], default: Any = None) -> Any:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return default
        data = data[key]
    return data


def _shape(path: tuple[str, ...], model: Any) -> Any:
    name = model.__name__ if isinstance(model, type) else str(model)  # errors say: "doesn't match User"
    for key in reversed(path):
        model = _typed_dict(name, {key: model})
    return _typed_dict(name, {"data": model, "errors": NotRequired[Any]})


_typed_dict: Any = TypedDict  # made from data: no checker could follow
